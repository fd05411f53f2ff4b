"""What SQLAlchemy's inspection says about a relation, in the terms of the comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.readers.sqlalchemy.dialects import is_binary, is_interval, manners_of
from auditor.readers.sqlalchemy.query import one_select
from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError
from contracts.logical_types import DECIMAL_DIGITS_MAX, Kind, LogicalType
from reconcilers.ports import Column, Shape

if TYPE_CHECKING:
    from sqlalchemy import Connection, Inspector
    from sqlalchemy.engine.interfaces import ReflectedColumn
    from sqlalchemy.sql.selectable import FromClause
    from sqlalchemy.types import TypeEngine


@dataclass(frozen=True, slots=True)
class SqlRelation:
    """One table, view or query.

    Attributes:
        source: What to select from.
        kinds: Column names to types, in the database's order.
        shape: As the comparison knows it.
    """

    source: FromClause
    kinds: dict[str, TypeEngine[Any]]
    shape: Shape


def find_relation(connection: Connection, relation: str, dataset: str) -> SqlRelation:
    """Look a table or view up.

    Raises:
        StoreError: There is none.
    """
    import sqlalchemy as sa

    inspector = sa.inspect(connection)
    schema, name = _locate(inspector, relation, dataset)
    columns = inspector.get_columns(name, schema)
    kinds = {column["name"]: column["type"] for column in columns}
    source = sa.table(sa.quoted_name(name, quote=True), *(_column(column) for column in kinds), schema=_quoted(schema))
    required = frozenset(column["name"] for column in columns if not column["nullable"])
    unique, indexed = _keys(inspector, name, schema, required)
    described = tuple(_described(column, connection.dialect.name) for column in columns)
    return SqlRelation(source, kinds, Shape(described, unique, indexed))


def describe_query(connection: Connection, query: str, dataset: str) -> SqlRelation:
    """The columns of a SELECT; their types are not known, so each comes as the driver has it.

    Raises:
        StoreError: The database refuses it.
    """
    import sqlalchemy as sa

    select = one_select(query, connection.dialect.name, dataset)
    text = sa.text("\n" + select.replace(":", "\\:") + "\n")  # lines of their own, for comments at the end
    try:
        names = list(connection.execute(sa.select(sa.text("*")).select_from(text.columns().subquery("owner"))).keys())
    except sa.exc.DBAPIError as error:
        found = str(error.orig).strip().splitlines()[0]
        raise StoreError(
            f"reading {dataset}: the database refuses the query: {found}", hint="check owner.query.sql"
        ) from error
    source = text.columns(*(_column(name) for name in names)).subquery("owner")
    kinds: dict[str, TypeEngine[Any]] = {name: sa.types.String() for name in names}
    return SqlRelation(source, kinds, Shape(tuple(Column(name, "") for name in names)))


def _column(name: str) -> Any:
    import sqlalchemy as sa

    return sa.column(sa.quoted_name(name, quote=True))


def _quoted(schema: str | None) -> str | None:
    import sqlalchemy as sa

    return sa.quoted_name(schema, quote=True) if schema else None


def _locate(inspector: Inspector, relation: str, dataset: str) -> tuple[str | None, str]:
    """Schema and name; a name with a dot in it is tried whole first."""
    schema, dot, name = relation.partition(".")
    tried: list[tuple[str | None, str]] = [(None, relation)]
    if dot:
        tried.append((schema, name))
    known: list[str] = []
    for place, wanted in tried:
        if place is not None and place not in inspector.get_schema_names():
            continue
        names = [*inspector.get_table_names(place), *_views(inspector, place)]
        if wanted in names:
            return place, wanted
        known += [f"{place}.{other}" if place else other for other in names]
    raise StoreError(
        f"reading {dataset}: the database has no table or view {relation!r}",
        hint=did_you_mean(relation, known) or "check the relation",
    )


def _views(inspector: Inspector, schema: str | None) -> list[str]:
    try:
        return list(inspector.get_view_names(schema))
    except NotImplementedError:  # a dialect need not have any
        return []


def _keys(
    inspector: Inspector, name: str, schema: str | None, required: frozenset[str]
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Unique keys without NULL, and the columns of indexes."""
    if name in _views(inspector, schema):
        return (), ()
    primary = tuple(inspector.get_pk_constraint(name, schema)["constrained_columns"])
    indexes = inspector.get_indexes(name, schema)
    plain = [
        (tuple(column for column in index["column_names"] if column is not None), bool(index["unique"]))
        for index in indexes
        if None not in index["column_names"] and not _is_partial(index)
    ]
    try:
        constraints = [tuple(found["column_names"]) for found in inspector.get_unique_constraints(name, schema)]
    except NotImplementedError:  # a dialect need not know them
        constraints = []
    unique = [primary, *constraints, *(columns for columns, is_unique in plain if is_unique)]
    indexed = [primary, *constraints, *(columns for columns, _ in plain)]
    return (
        tuple(dict.fromkeys(columns for columns in unique if columns and set(columns) <= required)),
        tuple(dict.fromkeys(columns for columns in indexed if columns)),
    )


def _is_partial(index: Any) -> bool:
    return any(key.endswith("_where") and value is not None for key, value in index.get("dialect_options", {}).items())


def _described(column: ReflectedColumn, dialect: str) -> Column:
    kind = column["type"]
    logical = logical_of(kind, dialect)
    zones = {Kind.TIMESTAMP: "instant", Kind.TIMESTAMP_LOCAL: "local"}
    try:
        written = str(kind)
    except Exception:  # noqa: BLE001  a type that cannot be written down has its class's name at least
        written = type(kind).__name__
    return Column(column["name"], written, column["nullable"], logical, zones.get(logical.kind, "") if logical else "")


def logical_of(kind: TypeEngine[Any], dialect: str) -> LogicalType | None:
    """The logical type that carries a SQL type."""
    import sqlalchemy as sa

    name = type(kind).__name__.upper()
    if isinstance(kind, sa.types.DateTime):
        instant = (
            bool(getattr(kind, "timezone", False)) or name == "DATETIMEOFFSET" or name in manners_of(dialect).utc_types
        )
        return LogicalType(Kind.TIMESTAMP if instant else Kind.TIMESTAMP_LOCAL)
    if isinstance(kind, sa.types.Numeric) and not isinstance(kind, sa.types.Float):
        precision, scale = kind.precision, kind.scale or 0
        sound = precision is not None and 1 <= precision <= DECIMAL_DIGITS_MAX and 0 <= scale <= precision
        return LogicalType(Kind.DECIMAL, precision=precision or 0, scale=scale) if sound else None
    if isinstance(kind, sa.types.ARRAY):
        element = logical_of(kind.item_type, dialect)
        return LogicalType(Kind.LIST, element=element) if element else None
    plain: tuple[tuple[type[TypeEngine[Any]], Kind], ...] = (
        (sa.types.Boolean, Kind.BOOL),
        (sa.types.Integer, Kind.INT),
        (sa.types.Float, Kind.FLOAT),
        (sa.types.Uuid, Kind.UUID),
        (sa.types.JSON, Kind.JSON),
        (sa.types.Date, Kind.DATE),
        (sa.types.Time, Kind.TIME),
        (sa.types.String, Kind.TEXT),
    )
    found = next((kind_of for family, kind_of in plain if isinstance(kind, family)), None)
    if is_interval(kind):
        found = Kind.INTERVAL
    if found is None:
        found = Kind.BYTES if is_binary(kind) else {"YEAR": Kind.INT}.get(name)
    if name == "BIT":  # SQL Server's is a boolean, MySQL's has a length, PostgreSQL's is a string of bits
        found = {"mssql": Kind.BOOL, "postgresql": None}.get(dialect, Kind.INT)
    return LogicalType(found) if found else None
