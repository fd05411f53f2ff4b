r"""SQLite files, read through Python's own SQLite and handed to DuckDB as Arrow batches.

Why not DuckDB's SQLite scanner, which is faster?  It cannot be exact and consistent at once (measured on 1.5.5):

- A scan of an attached table reads through connections of its own: two statements of one DuckDB transaction see two
  states of a database that a writer is at work on.  `sqlite_query` shares one snapshot, but hands everything over as
  text.
- SQLite's own text of a real has 15 digits; `printf('%!.17g')` and reading back inside SQLite rounds wrongly in the
  last place for about one ordinary value in 20,000, so that 71856.48480989371 arrives as 71856.4848098937.
- It is a second SQLite in one process: closing a file, it would drop the locks that the first one holds on it.
- It reads the first bytes of a column to mean what the declared type says, and refuses a whole scan for one blob or
  one text that is no UTF-8; here a value that its column should not hold is one value, and becomes one finding.

One read transaction spans everything that a snapshot does.  In rollback mode it holds a shared lock, which makes
writers wait at commit: a snapshot is not to be held longer than it takes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from auditor.readers.arrow_rows import BATCH_ROWS_MAX, StreamingSnapshot, chunks
from auditor.readers.key_filter import rows_with_keys, spelled
from auditor.readers.native import quote_name
from auditor.readers.sqlite.catalog import SqliteColumn, SqliteRelation, describe_query, find_relation, shape_of
from auditor.readers.sqlite.connection import SqliteConnection, failure
from auditor.readers.sqlite.keys import RANGED_KINDS, key_values, range_condition
from auditor.readers.sqlite.values import NUMERIC_KINDS, Cell, readable
from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError
from contracts.logical_types import Kind, LogicalType
from reconcilers.ports import Keys, RawColumn, RawRelation, Shape, Wanted
from reconcilers.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from reconcilers.workspace import Workspace

_DOUBLE_INTEGERS = 2**53
"""Integers up to here are exact as doubles."""


class SqliteReader:
    """Reads one table, view or query of a SQLite file.

    Args:
        dataset: As reports name it.
        path: The file.
        relation: The table or view; not looked at where `query` is given.
        timezone: IANA zone of times that have none.
        lock_timeout: Seconds to wait while a writer locks the file.
        statement_timeout: Seconds that one statement may take.
        query: A SELECT in place of a relation.
    """

    def __init__(  # noqa: PLR0913 - each is a part of one connection
        self,
        dataset: str,
        path: Path,
        relation: str,
        *,
        timezone: str = "UTC",
        lock_timeout: float | None = None,
        statement_timeout: float | None = None,
        query: str = "",
    ) -> None:
        self.dataset = dataset
        self.path = path
        self.relation = relation
        self.timezone = timezone
        self._lock_timeout = lock_timeout
        self._statement_timeout = statement_timeout
        self._query = query

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`."""
        with self._connected() as connection:
            try:
                return shape_of(connection.sql, self._find(connection.sql), self.path.stat().st_size)
            except sqlite3.Error as error:
                raise failure(error, self.dataset, "looking at its columns") from error

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[SqliteSnapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        with self._connected() as connection, workspace.halt.ending(connection.sql.interrupt):
            read_at, monotonic = datetime.now(UTC), time.monotonic()
            relation = self._begin(connection.sql)
            watermark = Watermark(
                self.dataset,
                read_at=read_at,
                monotonic=monotonic,
                position=connection.before.position,
                display=connection.before.display,
                taken_by=time.monotonic(),
            )
            snapshot = SqliteSnapshot(self, workspace, connection, relation, watermark)
            try:
                yield snapshot
            finally:
                snapshot.close()

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        with self._connected() as connection:
            relation = self._begin(connection.sql)
            columns = [locate(relation, thing.path, self.dataset)[0] for thing in wanted]
            return statement(relation, [column.name for column in columns])

    def _connected(self) -> SqliteConnection:
        return SqliteConnection(self.path, self.dataset, self._lock_timeout, self._statement_timeout)

    def _begin(self, connection: sqlite3.Connection) -> SqliteRelation:
        """Begin the one read transaction; SQLite takes its snapshot at the first read."""
        try:
            connection.execute("ATTACH ':memory:' AS audit_keys")  # for lookups; not possible within a transaction
            connection.execute("BEGIN")
            return self._find(connection)
        except sqlite3.Error as error:
            raise failure(error, self.dataset, "beginning to read") from error

    def _find(self, connection: sqlite3.Connection) -> SqliteRelation:
        if self._query:
            return describe_query(connection, self._query, self.dataset)
        return find_relation(connection, self.relation, self.dataset)


def statement(relation: SqliteRelation, columns: Sequence[str], condition: str = "") -> str:
    """The SELECT that is sent to SQLite."""
    listed = ", ".join(map(quote_name, columns)) or "NULL"
    return f"SELECT {listed} FROM {relation.sql}{condition}"


def locate(relation: SqliteRelation, path: str, dataset: str) -> tuple[SqliteColumn, tuple[str, ...]]:
    """The column of a wanted path, and what of it is a path into the column's document.

    Raises:
        StoreError: There is no such column.
    """
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        column = relation.column(".".join(parts[:length]))
        if column is not None:
            return column, tuple(parts[length:])
    names = [column.name for column in relation.columns]
    raise StoreError(
        f"reading {dataset}: there is no column {path!r}",
        hint=did_you_mean(path, names) or "check the contract's fields",
    )


class SqliteSnapshot(StreamingSnapshot):
    """One read transaction of a SQLite file."""

    def __init__(
        self,
        reader: SqliteReader,
        workspace: Workspace,
        connection: SqliteConnection,
        relation: SqliteRelation,
        watermark: Watermark,
    ) -> None:
        super().__init__(workspace, reader.dataset)
        self.watermark = watermark
        self._reader = reader
        self._file = connection
        self._connection = connection.sql
        self._relation = relation
        self._key_tables = 0
        self._part = ""
        self._driver = threading.Lock()  # DuckDB's threads may leave one stream while another begins

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        return self._stream(wanted, self._ways(wanted), self._part)

    def dividers(self, by: Wanted, rows: int) -> Sequence[str] | None:
        """See `reconcilers.ports.Cutting.dividers`; an index is walked once to its end."""
        column, path = locate(self._relation, by.path, self.dataset)
        leads = any(index[0] == column.name for index in (*self._relation.indexed, *self._relation.unique_keys))
        if by.logical is None or by.logical.kind not in RANGED_KINDS or path or not leads:
            return None
        value = f"{quote_name(column.name)} COLLATE BINARY"
        numbered = f"SELECT {value} AS k, row_number() OVER (ORDER BY {value}) AS n FROM {self._relation.sql}"
        kind = "integer" if by.logical.kind is Kind.INT else "text"
        chosen = f"(n - 1) % {rows} = 0 AND n > 1 AND typeof(k) = '{kind}'"
        (found,) = self._one_row(f"SELECT json_group_array(CAST(k AS TEXT)) FROM ({numbered}) WHERE {chosen}")
        return [str(text) for text in json.loads(found)]

    def cut(self, by: Wanted, lower: str | None, upper: str | None) -> None:
        """See `reconcilers.ports.Cutting.cut`: SQLite puts all values of all types in one order."""
        column, _ = locate(self._relation, by.path, self.dataset)
        kind = by.logical.kind if by.logical is not None else Kind.TEXT
        self._part = f" WHERE {range_condition(quote_name(column.name), kind, lower, upper)}"

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Snapshot.lookup`."""
        columns = [locate(self._relation, key.path, self.dataset) for key in keys.columns]
        if any(path for _, path in columns):
            return rows_with_keys(self.workspace, self.cursor, self.scan, wanted, keys)
        names = ", ".join(quote_name(column.name) for column, _ in columns)
        condition = f" WHERE ({names}) IN (SELECT * FROM {self._keep_keys(keys)})"
        return self._stream(wanted, ["mixed"] * len(wanted), condition)

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:  # noqa: ARG002
        """SQLite has no NaN: it keeps one as NULL."""
        return None

    def incomplete(self) -> str:
        """See `reconcilers.ports.Snapshot.incomplete`."""
        if self._file.was_written():
            return f"{self.dataset}: {self._reader.path} was written to while it was read"
        return ""

    def _keep_keys(self, keys: Keys) -> str:
        """The keys in every form they may be stored in, as a table in memory beside the database."""
        self._key_tables += 1
        table = f"audit_keys.keys_{self._key_tables}"
        columns = ", ".join(f"k{i}" for i in range(len(keys.columns)))
        types = [column.logical for column in keys.columns]
        try:
            self._connection.execute(f"CREATE TABLE {table} ({columns})")
            marks = ", ".join("?" * len(types))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", key_values(spelled(keys), types))
        except sqlite3.Error as error:
            raise self._file.failed(error, "preparing a lookup") from error
        return table

    def _ways(self, wanted: Sequence[Wanted]) -> list[str]:
        """How each wanted thing is to arrive; what is not certain is looked for in the data, in one pass."""
        located = [locate(self._relation, thing.path, self.dataset) for thing in wanted]
        ways = [
            _certain_way(column, path, thing.logical) for thing, (column, path) in zip(wanted, located, strict=True)
        ]
        unknown = [i for i, way in enumerate(ways) if not way]
        if unknown:
            tests = ", ".join(_test(located[i][0].name, wanted[i].logical) for i in unknown)
            found = self._one_row(f"SELECT {tests} FROM {self._relation.sql}{self._part}")
            for i, worst in zip(unknown, found, strict=True):
                ways[i] = ("integer", "integer", "real")[worst or 0] if (worst or 0) < _MIXED else "mixed"
        return ways

    def _one_row(self, sql: str) -> tuple[Any, ...]:
        self._file.start_timing()
        try:
            row: tuple[Any, ...] = self._connection.execute(sql).fetchone()
        except sqlite3.Error as error:
            raise self._file.failed(error, "looking at its values") from error
        return row

    def _stream(self, wanted: Sequence[Wanted], ways: Sequence[str], condition: str = "") -> RawRelation:
        """A relation of the rows that fulfil a condition."""
        located = [locate(self._relation, thing.path, self.dataset) for thing in wanted]
        cells = [
            Cell(column.name, path, thing.logical, way, f"c{i}")
            for i, (thing, (column, path), way) in enumerate(zip(wanted, located, ways, strict=True))
        ]
        schema = pa.schema([field for cell in cells for field in cell.fields()] or [pa.field("none", pa.null())])
        sql = statement(self._relation, [cell.column for cell in cells], condition)
        name = self.relation(schema, lambda: self._batches(schema, cells, sql))
        columns = tuple(
            RawColumn(
                quote_name(cell.name),
                cell.duckdb_type,
                timezone=thing.timezone or self._reader.timezone,
                exact=_finds_every_spelling(column, path, thing.logical),
            )
            for cell, thing, (column, path) in zip(cells, wanted, located, strict=True)
        )
        selected = ", ".join(cell.sql() for cell in cells) or "none"
        return RawRelation(f"(SELECT {selected} FROM {name})", columns)

    def _batches(self, schema: pa.Schema, cells: Sequence[Cell], sql: str) -> Iterator[pa.RecordBatch]:
        for rows in self._rows(sql):
            columns = list(zip(*rows, strict=True))
            arrays = [array for cell, values in zip(cells, columns, strict=False) for array in cell.arrays(values)]
            yield pa.RecordBatch.from_arrays(arrays or [pa.nulls(len(rows))], schema=schema)

    def _rows(self, sql: str) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a statement in lists.

        Text that is no UTF-8 stops Python's quick way of making text.  The same statement in the same transaction
        brings the same rows in the same order, so it is begun again, more slowly, and what was brought already is
        passed over.
        """
        brought = 0
        try:
            for rows in chunks(self._fetcher(sql), _size_of):
                yield rows
                brought += len(rows)
        except sqlite3.OperationalError as error:
            if "decode" not in str(error).lower():
                raise self._file.failed(error, "reading its rows") from error
        except sqlite3.Error as error:
            raise self._file.failed(error, "reading its rows") from error
        else:
            return
        yield from self._lenient_rows(sql, brought)

    def _fetcher(self, sql: str) -> Callable[[int], list[Any]]:
        """Begin a statement; what fetches its next rows."""
        with self._driver:
            self._file.start_timing()
            cursor = self._connection.execute(sql)

        def fetch(count: int) -> list[Any]:
            with self._driver:
                return cursor.fetchmany(count)

        return fetch

    def _lenient_rows(self, sql: str, brought: int) -> Iterator[list[tuple[Any, ...]]]:
        self._connection.text_factory = readable
        try:
            fetch = self._fetcher(sql)
            while brought:
                brought -= len(fetch(min(brought, BATCH_ROWS_MAX)))
            yield from chunks(fetch, _size_of)
        except sqlite3.Error as error:
            raise self._file.failed(error, "reading its rows") from error
        finally:
            self._connection.text_factory = str


_MIXED = 3
"""What `_test` finds where a column holds more than numbers that fit a double."""


def _test(name: str, logical: LogicalType | None) -> str:
    """SQL of the worst that a column holds: nothing 0, integers 1, reals 2, the rest 3."""
    column = quote_name(name)
    if logical is not None and logical.kind in (Kind.DECIMAL, Kind.FLOAT):
        fits = f"CASE WHEN {column} BETWEEN -{_DOUBLE_INTEGERS} AND {_DOUBLE_INTEGERS} THEN 1 ELSE 3 END"
        return f"max(CASE typeof({column}) WHEN 'integer' THEN {fits} WHEN 'real' THEN 2 WHEN 'null' THEN 0 ELSE 3 END)"
    return f"max(CASE typeof({column}) WHEN 'integer' THEN 1 WHEN 'null' THEN 0 ELSE 3 END)"


def _certain_way(column: SqliteColumn, path: Sequence[str], logical: LogicalType | None) -> str:
    """The way of a column whose values need not be looked at, or an empty string."""
    if path or (logical is not None and logical.kind not in NUMERIC_KINDS):
        return "mixed"
    if column.certain in ("integer", "real"):
        return column.certain
    return "mixed" if column.certain else ""


def _finds_every_spelling(column: SqliteColumn, path: Sequence[str], logical: LogicalType | None) -> bool:
    """Whether a lookup finds a value however it is spelled: SQLite must have made one spelling of them all."""
    if path or logical is None:
        return False
    if logical.kind in (Kind.TEXT, Kind.ENUM):
        return True
    return logical.kind in NUMERIC_KINDS - {Kind.BOOL} and column.affinity in ("INTEGER", "REAL", "NUMERIC")


def _size_of(rows: Sequence[tuple[Any, ...]]) -> int:
    """Roughly the bytes of some rows, from a few of them."""
    some = rows[:: max(1, len(rows) // 16)]
    total = sum(len(value) if isinstance(value, str | bytes) else 8 for row in some for value in row)
    return total * len(rows) // len(some)
