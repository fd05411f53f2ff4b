"""What each database does differently when SQLAlchemy reads it: its snapshots, and what its driver would bend.

A driver makes Python objects of values, and some of those cannot hold them: Python's times have six digits and no
infinity, its JSON has doubles.  Where a database can write such a value as text without loss, it is asked to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.types import TypeEngine


@dataclass(frozen=True, slots=True)
class Manners:
    """How a dialect is spoken to.

    Attributes:
        snapshot: One transaction sees one state.
        isolation: The isolation level to ask for, or an empty string.
        begin: Statements that begin a read-only transaction, or make it one.
        session: Statements that set a session up.
        times_as_text: The database writes dates and times as ISO 8601 by itself when they are cast to text.
        utc_types: Names of types without a zone whose values are instants, told in the session's zone (UTC).
        untyped: Any column may hold any value.
        many_streams: Several results of one connection can be read at the same time.
    """

    snapshot: bool = False
    isolation: str = ""
    begin: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    times_as_text: bool = False
    utc_types: frozenset[str] = frozenset()
    untyped: bool = False
    many_streams: bool = False


_MYSQL = Manners(
    snapshot=True,
    isolation="REPEATABLE READ",
    session=("SET time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY"),
    begin=("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",),
    times_as_text=True,
    utc_types=frozenset({"TIMESTAMP"}),
)
_MANNERS = {
    "postgresql": Manners(
        snapshot=True,
        isolation="REPEATABLE READ",
        session=(
            "SET TIME ZONE 'UTC'",
            "SET DateStyle = 'ISO'",
            "SET IntervalStyle = 'iso_8601'",
            "SET row_security = off",
        ),
        begin=("SET TRANSACTION READ ONLY",),
        times_as_text=True,
        many_streams=True,
    ),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "sqlite": Manners(snapshot=True, begin=("PRAGMA query_only = ON", "BEGIN"), untyped=True, many_streams=True),
    "oracle": Manners(
        snapshot=True,
        begin=("SET TRANSACTION READ ONLY",),
        session=("ALTER SESSION SET TIME_ZONE = '+00:00'",),
        many_streams=True,
    ),
    "mssql": Manners(snapshot=True, isolation="SNAPSHOT"),
}
_NO_MANNERS = Manners()


def manners_of(dialect: str) -> Manners:
    """How to speak to a dialect; one that is not known is promised nothing."""
    return _MANNERS.get(dialect, _NO_MANNERS)


def can_snapshot(connection: Connection, manners: Manners) -> bool:
    """Whether this server offers the level: SQL Server's databases have to be told so first."""
    if connection.dialect.name != "mssql":
        return manners.snapshot
    allowed = "SELECT snapshot_isolation_state FROM sys.databases WHERE database_id = DB_ID()"
    return bool(connection.exec_driver_sql(allowed).scalar() == 1)


def exact(column: ColumnElement[Any], kind: TypeEngine[Any], dialect: str) -> ColumnElement[Any]:
    """What to select so that the driver hands over a column's whole value."""
    import sqlalchemy as sa

    manners = manners_of(dialect)
    raw = sa.type_coerce(column, sa.types.NullType())
    if manners.untyped:
        return raw
    if dialect in ("mssql", "oracle"):
        return (_mssql if dialect == "mssql" else _oracle)(column, kind)
    if isinstance(kind, sa.types.DateTime | sa.types.Date | sa.types.Time) or is_interval(kind):
        return sa.cast(column, sa.Text) if manners.times_as_text else raw
    if dialect in ("mysql", "mariadb") and is_single(kind, dialect):
        return sa.type_coerce(sa.cast(column, sa.Double), sa.types.NullType())  # else it is printed with six digits
    if isinstance(kind, sa.types.JSON | sa.types.ARRAY | sa.types.NullType) or not _is_plain(kind):
        return _structure(column, kind, dialect)
    return raw


def is_binary(kind: TypeEngine[Any]) -> bool:
    """Whether a type holds bytes; the dialects' own classes have no public family."""
    try:
        return kind.python_type is bytes
    except NotImplementedError:
        return False


def is_interval(kind: TypeEngine[Any]) -> bool:
    """Whether a type is a length of time; the dialects' own classes have no public family."""
    import sqlalchemy as sa

    return isinstance(kind, sa.types.Interval) or type(kind).__name__.upper().startswith("INTERVAL")


def is_padded(kind: TypeEngine[Any]) -> bool:
    """Whether a type fills text up with blanks that are no part of it."""
    import sqlalchemy as sa

    return isinstance(kind, sa.types.CHAR | sa.types.NCHAR)


def is_single(kind: TypeEngine[Any], dialect: str) -> bool:
    """Whether a type is a 32-bit float."""
    name = type(kind).__name__.upper()
    if dialect in ("mysql", "mariadb"):
        return name == "FLOAT"
    return name == "REAL" and dialect in ("postgresql", "mssql")


def _structure(column: ColumnElement[Any], kind: TypeEngine[Any], dialect: str) -> ColumnElement[Any]:
    import sqlalchemy as sa

    if dialect == "postgresql" and isinstance(kind, sa.types.ARRAY):
        return sa.cast(sa.func.to_json(column), sa.Text)
    return sa.cast(column, sa.Text)


def _is_plain(kind: TypeEngine[Any]) -> bool:
    """Whether drivers hand the type over as a Python value that holds it."""
    import sqlalchemy as sa

    plain = (sa.types.Integer, sa.types.Numeric, sa.types.String, sa.types.Boolean, sa.types.Uuid)
    return isinstance(kind, plain) or is_binary(kind) or type(kind).__name__.upper() in ("BIT", "YEAR")


def _mssql(column: ColumnElement[Any], kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """SQL Server's times have seven digits; CONVERT's styles 126 and 127 are ISO 8601."""
    import sqlalchemy as sa

    if isinstance(kind, sa.types.DateTime | sa.types.Time):
        style = sa.text("127" if type(kind).__name__.upper() == "DATETIMEOFFSET" else "126")
        return sa.func.convert(sa.text("varchar(40)"), column, style)
    return sa.type_coerce(column, sa.types.NullType())


def _oracle(column: ColumnElement[Any], kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """Oracle's times have nine digits; its numbers are decimals, which the driver would make doubles of."""
    import sqlalchemy as sa

    if isinstance(kind, sa.types.DateTime):
        if getattr(kind, "timezone", False) or getattr(kind, "local_timezone", False):
            return sa.func.to_char(sa.func.sys_extract_utc(column), 'YYYY-MM-DD"T"HH24:MI:SS.FF9"Z"')
        fraction = ".FF9" if type(kind).__name__.upper() == "TIMESTAMP" else ""
        return sa.func.to_char(column, f'YYYY-MM-DD"T"HH24:MI:SS{fraction}')
    if isinstance(kind, sa.types.Numeric | sa.types.Integer) and not isinstance(kind, sa.types.Float):
        return sa.func.to_char(column, "TM9", "NLS_NUMERIC_CHARACTERS = '.,'")
    return sa.type_coerce(column, sa.types.NullType())
