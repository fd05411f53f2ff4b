"""MySQL 8 and MariaDB: tables, views and queries, each read in one consistent read-only transaction.

`mysql_session` holds the connection and says why DuckDB's own scanner is not used; `mysql_rows` turns rows into Arrow;
`mysql_columns` decides how each type is read; `mysql_keys` finds rows by key.

A table of an engine without transactions (MyISAM, Aria, MEMORY, …) has no snapshot: its watermark says `none`.
Reading holds the table's metadata lock, as every SELECT does, until the snapshot is let go: an ALTER TABLE waits for
it.
"""

from __future__ import annotations

import difflib
import itertools
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from auditor.readers.documents import inner_text
from auditor.readers.mysql import ranges
from auditor.readers.mysql.catalog import Table, find_query, find_table, shows_one_moment
from auditor.readers.mysql.cells import Cell, read_rows
from auditor.readers.mysql.columns import Access, access
from auditor.readers.mysql.keys import EVERY_ROW, conditions
from auditor.readers.mysql.position import open_snapshot
from auditor.readers.mysql.query import reading_only
from auditor.readers.mysql.session import MySqlSession
from auditor.readers.native import NativeSnapshot
from contracts.errors import StoreError
from reconcilers.ports import Keys, RawRelation, Shape, Wanted
from reconcilers.workspace import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from auditor.readers.connection import ConnectionParts
    from reconcilers.watermark import Watermark
    from reconcilers.workspace import Workspace


class MySqlReader:
    """Reads one table, view or query of a MySQL or MariaDB server.

    Args:
        dataset_name: The dataset, as reports name it.
        connection: Where the server is.
        relation: `table` or `schema.table`, letter by letter; None for a query.
        query: An owner's SELECT, wrapped and never changed; None for a relation.

    Raises:
        StoreError: The query is more than one SELECT, or does more than read.
    """

    def __init__(
        self, dataset_name: str, connection: ConnectionParts, relation: str | None = None, query: str | None = None
    ) -> None:
        if (relation is None) == (query is None):
            raise StoreError(f"reading {dataset_name}: expected either a relation or a query")
        self._dataset = dataset_name
        self._parts = connection
        self._relation = relation
        self._query = reading_only(query, dataset_name) if query is not None else None

    @property
    def dataset(self) -> str:
        """See `reconcilers.ports.Reader.dataset`."""
        return self._dataset

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`."""
        with self._session() as session:
            return self.table(session).shape()

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[MySqlSnapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        with self._session() as session, workspace.halt.ending(session.break_off):
            table = self.table(session)
            watermark = open_snapshot(session, consistent=shows_one_moment(session, table))
            snapshot = MySqlSnapshot(workspace, self, session, table, watermark)
            try:
                yield snapshot
            finally:
                session.close()
                snapshot.close()

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        with self._session() as session:
            table = self.table(session)
            return select(self.accesses(table, wanted), table)

    def table(self, session: MySqlSession) -> Table:
        """The relation as it is now.

        Raises:
            StoreError: It is not there, or the server refuses the query.
        """
        if self._query is not None:
            return find_query(session, self._query)
        return find_table(session, self._relation or "", self._parts.database)

    def accesses(self, table: Table, wanted: Sequence[Wanted]) -> list[Access]:
        """How to read each thing.

        Raises:
            StoreError: The relation lacks one.
        """
        return [self._access(table, thing) for thing in wanted]

    def changed_since(self, before: Table, view: MySqlSession) -> bool:
        """Whether the relation was altered or made anew, as seen by a connection of its own.

        Args:
            before: As it was.
            view: What has read it.  Where the store allows a single connection, its view ends here and it answers.
        """
        if not before.identity:
            return False
        if self._parts.connections == 1:
            view.ask("ROLLBACK")
            return self.table(view).identity != before.identity
        with self._session() as session:
            return self.table(session).identity != before.identity

    def _access(self, table: Table, wanted: Wanted) -> Access:
        found = access(table.columns, wanted, timezone=self._parts.timezone, keeps_digits=table.keeps_digits)
        if found is not None:
            return found
        names = [column.name for column in table.columns]
        close = difflib.get_close_matches(wanted.path, names, n=1)
        question = f"; did you mean {close[0]}?" if close else ""
        raise StoreError(
            f"reading {self._dataset}: there is no column {wanted.path} among its {len(names)}{question}",
            hint="check the fields in the contract",
        )

    @contextmanager
    def _session(self) -> Iterator[MySqlSession]:
        session = MySqlSession(self._parts, self._dataset)
        try:
            yield session
        finally:
            session.close()


class MySqlSnapshot(NativeSnapshot):
    """One consistent view of the relation, held open; see `reconcilers.ports.Snapshot`."""

    def __init__(
        self, workspace: Workspace, reader: MySqlReader, session: MySqlSession, table: Table, watermark: Watermark
    ) -> None:
        super().__init__(workspace, reader.dataset)
        self.watermark = watermark
        self._reader = reader
        self._session = session
        self._table = table
        self._numbers = itertools.count()
        self._failure: StoreError | None = None
        self._part = ""

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        accesses = self._reader.accesses(self._table, wanted)
        return self._stream(accesses, [select(accesses, self._table) + self._part])

    def dividers(self, by: Wanted, rows: int) -> Sequence[str] | None:
        """See `reconcilers.ports.Cutting.dividers`."""
        (column,) = self._reader.accesses(self._table, [by])
        if by.logical is None or not self._table.engine or not ranges.is_cut_by(self._table, column, by.logical):
            return None
        found: list[str] = []
        while True:
            after = found[-1] if found else None
            value = self._value_after(column, after, rows)
            if value is not None and value == after:  # one value in all the rows of a part
                value = self._value_after(column, after, 0)
            if value is None:
                return found
            found.append(value)

    def _value_after(self, by: Access, after: str | None, rows: int) -> str | None:
        found = self._session.ask(ranges.next_divider(self._table, by, after, rows))
        return str(found[0][0]) if found else None

    def cut(self, by: Wanted, lower: str | None, upper: str | None) -> None:
        """See `reconcilers.ports.Cutting.cut`."""
        (column,) = self._reader.accesses(self._table, [by])
        self._part = f" WHERE {ranges.condition(column, lower, upper)}"

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Snapshot.lookup`."""
        accesses = self._reader.accesses(self._table, wanted)
        key = self._reader.accesses(self._table, keys.columns)
        scan = select(accesses, self._table)
        names = {part.column.name for part in key}
        indexed = any(index[0] in names for index in self._table.indexed)
        found = list(conditions(key, keys.values, indexed=indexed))
        bring = self._table_of if self._few and found != [EVERY_ROW] else self._stream
        return bring(accesses, [f"{scan} WHERE {condition}" for condition in found])

    def load(self, sql: str, table: str) -> int:
        """See `reconcilers.ports.Snapshot.load`.

        Rows go straight into the table: the view is the server's, and no transaction of DuckDB must stay open for it.
        """
        try:
            self.cursor.execute(f'CREATE OR REPLACE TABLE "{table}" AS {sql}')
            row = self.cursor.execute(f'SELECT count(*) FROM "{table}"').fetchone()
        except duckdb.Error as error:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure from error
            raise StoreError(
                f"reading {self.dataset} failed: {first_line(error)}", hint="see whether the server is up and run again"
            ) from error
        return int(row[0]) if row else 0

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:  # noqa: ARG002
        """See `reconcilers.ports.Snapshot.nan_keys`: MySQL has no NaN."""
        return None

    def incomplete(self) -> str:
        """See `reconcilers.ports.Snapshot.incomplete`.

        A TRUNCATE leaves no trace here, and needs none: reading a table that was truncated after the snapshot began is
        an error at the server, and once we read, it waits for us.
        """
        if self._reader.changed_since(self._table, self._session):
            return "the table was altered or made anew while it was read"
        return ""

    def _table_of(self, accesses: Sequence[Access], statements: Sequence[str]) -> RawRelation:
        """The same for a few rows: read now, as a table, without the weight of Arrow."""
        cells = _cells(accesses)
        name = f"mysql_rows_{next(self._numbers)}"
        columns = ", ".join(f"{cell.name} {'BLOB' if cell.binary else 'VARCHAR'}" for cell in cells)
        self.cursor.execute(f"CREATE TEMP TABLE {name} ({columns})")
        for rows in self._session.results(statements, partial(read_rows, cells=cells)):
            self.cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(cells))})", rows)
        return _cast(accesses, cells, name)

    def _stream(self, accesses: Sequence[Access], statements: Sequence[str]) -> RawRelation:
        """Offer the rows of these statements to DuckDB; nothing is sent before DuckDB asks for rows."""
        from auditor.readers.mysql.stream import RowStream

        cells = _cells(accesses)
        name = f"mysql_rows_{next(self._numbers)}"
        read = None if self.watch is None else partial(self.watch, self.dataset)
        self.cursor.register(name, RowStream(self._session, statements, cells, self._failed, read))
        return _cast(accesses, cells, name)

    def _failed(self, failure: StoreError) -> None:
        self._failure = failure


def _cells(accesses: Sequence[Access]) -> list[Cell]:
    """How each thing arrives, under a name of its own."""
    cells = []
    for index, found in enumerate(accesses):
        inner = partial(inner_text, path=found.path, logical=found.logical) if found.path else None
        cells.append(Cell(f"c{index}", binary=found.binary, inner=inner))
    return cells


def _cast(accesses: Sequence[Access], cells: Sequence[Cell], name: str) -> RawRelation:
    """Rows as they arrive, with each column as the comparison is to see it."""
    casts, columns = [], []
    for found, cell in zip(accesses, cells, strict=True):
        casts.append(f"{found.cast.format(cell.name)} AS {cell.name}")
        parsed = f"{cell.name}_parsed" if found.parsed else ""
        if parsed:
            casts.append(f"{found.parsed.format(cell.name)} AS {parsed}")
        columns.append(replace(found.raw, sql=cell.name, parsed=parsed))
    return RawRelation(f"(SELECT {', '.join(casts)} FROM {name})", tuple(columns))


def select(accesses: Sequence[Access], table: Table) -> str:
    """The statement that reads every row."""
    return f"SELECT {', '.join(found.expression for found in accesses)} FROM {table.from_clause}"
