"""DuckDB files, attached read-only to the run's own DuckDB.

While we read, DuckDB itself keeps every writer of another process away from the file, so what is read is one snapshot.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
import weakref
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from auditor.readers.arrow_rows import StreamingSnapshot
from auditor.readers.arrow_text import texts
from auditor.readers.documents import inner_text
from auditor.readers.key_filter import rows_with_keys
from auditor.readers.native import quote_name, quote_text
from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError
from contracts.logical_types import Kind, LogicalType
from reconcilers.ports import Column, Keys, RawColumn, RawRelation, Shape, Wanted
from reconcilers.watermark import Watermark
from reconcilers.workspace import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reconcilers.workspace import Workspace

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)\Z")
_NESTED = re.compile(r"(STRUCT|MAP|UNION)\b|.*\]\Z", re.DOTALL)
_AS_TEXT = re.compile(r"ENUM\b|BIT\Z|BIGNUM\Z|VARINT\Z|TIME WITH TIME ZONE\Z|TIME_NS\Z|INTERVAL\Z", re.DOTALL)
"""Types whose text is exact and that nothing else in the program has to know."""

_INTEGERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BIGNUM", "VARINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
)
_LOCAL_TIMES = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_LOGICAL = (
    {
        "FLOAT": Kind.FLOAT,
        "DOUBLE": Kind.FLOAT,
        "VARCHAR": Kind.TEXT,
        "BOOLEAN": Kind.BOOL,
        "UUID": Kind.UUID,
        "DATE": Kind.DATE,
        "TIME": Kind.TIME,
        "INTERVAL": Kind.INTERVAL,
        "BLOB": Kind.BYTES,
        "JSON": Kind.JSON,
        "TIMESTAMP WITH TIME ZONE": Kind.TIMESTAMP,
    }
    | dict.fromkeys(_INTEGERS, Kind.INT)
    | dict.fromkeys(_LOCAL_TIMES, Kind.TIMESTAMP_LOCAL)
)


class DuckDbReader:
    """Reads one table, view or query of a DuckDB file.

    Args:
        dataset: As reports name it.
        path: The file.
        relation: `table` or `schema.table`; not looked at where `query` is given.
        timezone: IANA zone of times that have none.
        query: A SELECT in place of a relation.
    """

    def __init__(self, dataset: str, path: Path, relation: str, *, timezone: str = "UTC", query: str = "") -> None:
        self.dataset = dataset
        self.path = path
        self.relation = relation
        self.timezone = timezone
        self.query = query

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`."""
        with self._connected() as cursor:
            table = self._find(cursor, _own_catalog(cursor))
            columns = tuple(
                Column(name, kind, name not in table.required, *logical_of(kind))
                for name, kind in described(cursor, table.sql, self.dataset)
            )
            return Shape(columns, table.unique_keys, table.unique_keys, table.rows, self.path.stat().st_size)

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[DuckDbSnapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        self._check_file()
        snapshot = DuckDbSnapshot(self, workspace)
        try:
            attached = _attached(workspace, snapshot.cursor, self.path, self.dataset)
            with attached as catalog, snapshot.using(catalog):
                snapshot.begin(self._find(snapshot.cursor, catalog))
                yield snapshot
        finally:
            snapshot.close()

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        with self._connected() as cursor:
            table = self._find(cursor, _own_catalog(cursor))
            columns = described(cursor, table.sql, self.dataset)
            places = [locate(columns, thing.path, self.dataset) for thing in wanted]
            return f"SELECT {', '.join(place.sql for place in places)} FROM {table.sql}"

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self._check_file()
        try:
            connection = duckdb.connect(str(self.path), read_only=True, config={"autoinstall_known_extensions": False})
        except duckdb.Error as error:
            raise failure(error, self.dataset, self.path) from error
        try:
            yield connection
        finally:
            connection.close()

    def _check_file(self) -> None:
        if not self.path.is_file():
            raise StoreError(f"reading {self.dataset}: there is no file {self.path}", hint="check the connection's url")

    def _find(self, cursor: duckdb.DuckDBPyConnection, catalog: str) -> Table:
        return query_table(cursor, self.query, self.dataset) if self.query else self._find_table(cursor, catalog)

    def _find_table(self, cursor: duckdb.DuckDBPyConnection, catalog: str) -> Table:
        known = cursor.execute(
            "SELECT schema_name, table_name, estimated_size FROM duckdb_tables() WHERE database_name = ? UNION ALL "
            "SELECT schema_name, view_name, NULL FROM duckdb_views() WHERE database_name = ? AND NOT internal",
            [catalog, catalog],
        ).fetchall()
        schema, _, name = self.relation.rpartition(".") if self.relation.count(".") == 1 else ("", "", self.relation)
        if self.relation.count(".") > 1:
            schema, _, name = self.relation.partition(".")
        for found in known:
            if found[:2] == (schema or "main", name) or found[:2] == ("main", self.relation):
                return _table(cursor, catalog, *found)
        names = [row[1] if row[0] == "main" else f"{row[0]}.{row[1]}" for row in known]
        raise StoreError(
            f"reading {self.dataset}: the file has no table or view {self.relation!r}",
            hint=did_you_mean(self.relation, names) or "check the relation",
        )


@dataclass(frozen=True, slots=True)
class Table:
    """What there is to select from."""

    sql: str
    unique_keys: tuple[tuple[str, ...], ...] = ()
    required: frozenset[str] = frozenset()
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A wanted thing: SQL of the column or the struct's member, its DuckDB type, and what is left of the path."""

    sql: str
    kind: str
    rest: tuple[str, ...] = ()

    @property
    def is_native(self) -> bool:
        """Whether DuckDB's own value is what the comparison can take."""
        return not self.rest and not _NESTED.match(self.kind)


def _own_catalog(cursor: duckdb.DuckDBPyConnection) -> str:
    row = cursor.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else ""


def _table(cursor: duckdb.DuckDBPyConnection, catalog: str, schema: str, name: str, rows: int | None) -> Table:
    constraints = cursor.execute(
        "SELECT constraint_type, constraint_column_names FROM duckdb_constraints() "
        "WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        [catalog, schema, name],
    ).fetchall()
    required = {columns[0] for kind, columns in constraints if kind == "NOT NULL"}
    required |= {column for kind, columns in constraints if kind == "PRIMARY KEY" for column in columns}
    unique = [tuple(columns) for kind, columns in constraints if kind in ("PRIMARY KEY", "UNIQUE")]
    keys = tuple(dict.fromkeys(columns for columns in unique if set(columns) <= required))
    return Table(".".join(map(quote_name, (catalog, schema, name))), keys, frozenset(required), rows)


def query_table(cursor: duckdb.DuckDBPyConnection, query: str, dataset: str) -> Table:
    """A SELECT in parentheses.

    Raises:
        StoreError: It is not one SELECT.
    """
    try:
        statements = cursor.extract_statements(query)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise StoreError(f"reading {dataset}: the query is not one SELECT", hint="check owner.query.sql")
        wrapped = f"(\n{statements[0].query.strip().rstrip(';')}\n)"
        again = cursor.extract_statements(f"SELECT * FROM {wrapped}")
    except duckdb.Error as error:
        message = f"reading {dataset}: DuckDB does not understand the query: {first_line(error)}"
        raise StoreError(message, hint="check owner.query.sql") from error
    if [statement.type for statement in again] != [duckdb.StatementType.SELECT]:
        raise StoreError(f"reading {dataset}: the query is not one SELECT", hint="check owner.query.sql")
    return Table(wrapped)


def described(cursor: duckdb.DuckDBPyConnection, sql: str, dataset: str) -> list[tuple[str, str]]:
    """Names and types of the columns of what stands after FROM."""
    try:
        return [(row[0], str(row[1])) for row in cursor.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()]
    except duckdb.Error as error:
        raise StoreError(f"reading {dataset}: {first_line(error)}", hint="check the relation or the query") from error


def logical_of(kind: str) -> tuple[LogicalType | None, str]:
    """The logical type that carries a DuckDB type, and how it tells time (see `reconcilers.ports.Column`)."""
    if match := _DECIMAL.match(kind):
        return LogicalType(Kind.DECIMAL, precision=int(match[1]), scale=int(match[2])), ""
    if kind.endswith("]"):
        element, _ = logical_of(kind[: kind.rindex("[")])
        return LogicalType(Kind.LIST, element=element or LogicalType(Kind.JSON)), ""
    if kind.startswith(("STRUCT", "MAP")):
        return LogicalType(Kind.JSON), ""
    if kind.startswith("ENUM"):
        return LogicalType(Kind.TEXT), ""
    found = _LOGICAL.get(kind)
    zones = {Kind.TIMESTAMP: "instant", Kind.TIMESTAMP_LOCAL: "local"}
    return (LogicalType(found), zones.get(found, "")) if found else (None, "")


def locate(columns: Sequence[tuple[str, str]], path: str, dataset: str) -> Place:
    """The place of a wanted path.

    Raises:
        StoreError: There is no such column.
    """
    kinds, parts = dict(columns), path.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in kinds:
            return Place(quote_name(name), kinds[name], tuple(parts[length:]))
    hint = did_you_mean(path, kinds) or "check the contract's fields"
    raise StoreError(f"reading {dataset}: there is no column {path!r}", hint=hint)


def failure(error: duckdb.Error, dataset: str, path: Path) -> StoreError:
    """What a person is told when a file cannot be opened."""
    text = first_line(error)
    if "lock" in text.lower():
        hint = "another process writes to it; DuckDB lets one process write or many read"
    else:
        hint = "see whether it is a DuckDB file, of a version that this DuckDB reads"
    return StoreError(f"reading {dataset}: {path} cannot be opened: {text}", hint=hint)


_attach_lock = threading.Lock()
_attached_by: weakref.WeakKeyDictionary[Workspace, Counter[str]] = weakref.WeakKeyDictionary()
"""How many snapshots of a workspace have a file attached: DuckDB attaches a file once only."""


@contextmanager
def _attached(workspace: Workspace, cursor: duckdb.DuckDBPyConnection, path: Path, dataset: str) -> Iterator[str]:
    """The file as a catalog of the workspace, for as long as somebody needs it."""
    catalog = f"duckdb_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    with _attach_lock:
        users = _attached_by.setdefault(workspace, Counter())
        if not users[catalog]:
            try:
                cursor.execute(f"ATTACH {quote_text(str(path.resolve()))} AS {catalog} (READ_ONLY)")
            except duckdb.Error as error:
                raise failure(error, dataset, path) from error
        users[catalog] += 1
    try:
        yield catalog
    finally:
        with _attach_lock:
            users[catalog] -= 1
            if not users[catalog]:
                cursor.execute(f"DETACH {catalog}")


class DuckDbSnapshot(StreamingSnapshot):
    """One transaction over an attached DuckDB file."""

    def __init__(self, reader: DuckDbReader, workspace: Workspace) -> None:
        super().__init__(workspace, reader.dataset)
        self._reader = reader
        found = reader.path.stat()
        self.watermark = Watermark(
            reader.dataset,
            read_at=datetime.now(UTC),
            monotonic=time.monotonic(),
            position=f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}",
            display=f"written {datetime.fromtimestamp(found.st_mtime, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        )
        self._table = Table("")
        self._columns: list[tuple[str, str]] = []

    @contextmanager
    def using(self, catalog: str) -> Iterator[None]:
        """Names of a query are looked up in the attached `catalog` first; a table's own name needs no looking up."""
        own = _own_catalog(self.cursor)
        if self._reader.query:
            self.cursor.execute(f"SET search_path = '{catalog}.main,{own}.main'")
        try:
            yield
        finally:
            self.cursor.execute(f"USE {quote_name(own)}")

    def begin(self, table: Table) -> None:
        """Begin to read `table`."""
        self._table = table
        self._columns = described(self.cursor, table.sql, self.dataset)

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        places = [self._inside(locate(self._columns, thing.path, self.dataset)) for thing in wanted]
        selected = ", ".join(
            f"{f'CAST({place.sql} AS VARCHAR)' if _AS_TEXT.match(place.kind) else place.sql} AS c{i}"
            for i, place in enumerate(places)
        )
        sql = f"(SELECT {selected or 'NULL'} FROM {self._table.sql})"
        if not all(place.is_native for place in places):
            sql = self._through_arrow(sql, places, wanted)
        kinds = [kind for _, kind in described(self.cursor, sql, self.dataset)]
        columns = tuple(
            RawColumn(f"c{i}", kind, timezone=thing.timezone or self._reader.timezone)
            for i, (thing, kind) in enumerate(zip(wanted, kinds, strict=False))
        )
        return RawRelation(sql, columns)

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Snapshot.lookup`."""
        return rows_with_keys(self.workspace, self.cursor, self.scan, wanted, keys)

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:  # noqa: ARG002
        """Nothing is hidden."""
        return None

    def incomplete(self) -> str:
        """Nobody can have written."""
        return ""

    def _inside(self, place: Place) -> Place:
        """The place, followed into structs as far as it leads."""
        while place.rest and place.kind.startswith("STRUCT"):
            sql = f"{place.sql}[{quote_text(place.rest[0])}]"
            try:
                row = self.cursor.execute(f"DESCRIBE SELECT {sql} FROM {self._table.sql}").fetchone()
            except duckdb.Error:
                break  # no such member: absent
            place = Place(sql, str(row[1]) if row else "", place.rest[1:])
        return place

    def _through_arrow(self, sql: str, places: Sequence[Place], wanted: Sequence[Wanted]) -> str:
        """The same rows, structures as JSON text and documents opened at their paths."""
        kinds = described(self.cursor, sql, self.dataset)
        as_text = [
            not place.is_native or kind in ("HUGEINT", "UHUGEINT")
            for place, (_, kind) in zip(places, kinds, strict=True)
        ]
        selected = ", ".join(
            f"CAST(c{i} AS VARCHAR) AS c{i}" if text and places[i].is_native else f"c{i}"
            for i, text in enumerate(as_text)
        )
        select = f"SELECT {selected} FROM {sql}"
        natural = self.cursor.execute(f"{select} LIMIT 0").to_arrow_table().schema
        schema = pa.schema(
            [pa.field(f"c{i}", pa.string() if text else natural.field(i).type) for i, text in enumerate(as_text)]
        )

        def batches() -> Iterator[pa.RecordBatch]:
            inner = self.cursor.cursor()
            try:
                for batch in inner.execute(select).to_arrow_reader(8_192):
                    arrays = [
                        column if place.is_native else _opened(column, place, thing.logical)
                        for column, place, thing in zip(batch.columns, places, wanted, strict=True)
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            finally:
                inner.close()

        return f"(SELECT * FROM {self.relation(schema, batches)})"


def _opened(column: pa.Array, place: Place, logical: LogicalType | None) -> pa.Array:
    if not place.rest:
        return pa.array(texts(column), pa.string())
    return pa.array([inner_text(text, place.rest, logical) for text in texts(column)], pa.string())
