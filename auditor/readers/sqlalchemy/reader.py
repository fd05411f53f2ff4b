"""Any database that SQLAlchemy has a dialect for: rows streamed through the driver, value by value, as text.

The way that always works, and the slowest: stores with a reader of their own are better read by it.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from auditor.readers.arrow_rows import BATCH_ROWS_MAX, StreamingSnapshot, chunks
from auditor.readers.key_filter import rows_with_keys, spelled
from auditor.readers.native import quote_name
from auditor.readers.sqlalchemy.catalog import SqlRelation, describe_query, find_relation
from auditor.readers.sqlalchemy.dialects import can_snapshot, exact, is_padded, is_single, manners_of
from auditor.readers.sqlalchemy.keys import Batch, finds_every_spelling, key_batches
from auditor.readers.sqlalchemy.values import Cell
from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError
from reconcilers.ports import Keys, RawColumn, RawRelation, Shape, Wanted
from reconcilers.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import URL, ColumnElement, Connection, CursorResult, Select

    from reconcilers.workspace import Workspace


class SqlAlchemyReader:
    """Reads one table, view or query of any database with a SQLAlchemy dialect.

    Args:
        dataset: As reports name it.
        url: As SQLAlchemy takes it, password included; it is never shown.
        relation: `table` or `schema.table`; not looked at where `query` is given.
        timezone: IANA zone of times that have none.
        query: A SELECT in place of a relation.
    """

    def __init__(self, dataset: str, url: str | URL, relation: str, *, timezone: str = "UTC", query: str = "") -> None:
        self.dataset = dataset
        self.relation = relation
        self.timezone = timezone
        self.query = query
        self._url = url

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`."""
        with self.connected() as connection:
            self._begin(connection)
            return self.find(connection).shape

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[SqlAlchemySnapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        with self.connected() as connection:
            watermark = self._begin(connection)
            snapshot = SqlAlchemySnapshot(self, workspace, connection, watermark)
            try:
                yield snapshot
            finally:
                snapshot.close()

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        with self.connected() as connection:
            self._begin(connection)
            relation = self.find(connection)
            names = [locate(relation, thing.path, self.dataset)[0] for thing in wanted]
            return str(selection(relation, names, connection).compile(dialect=connection.dialect))

    def find(self, connection: Connection) -> SqlRelation:
        """The relation, as the database describes it."""
        with self.told("looking at its columns"):
            if self.query:
                return describe_query(connection, self.query, self.dataset)
            return find_relation(connection, self.relation, self.dataset)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection of its own, closed at the end."""
        import sqlalchemy as sa
        from sqlalchemy.pool import NullPool

        with self.told("connecting"):
            engine = sa.create_engine(self._url, poolclass=NullPool, hide_parameters=True)
            manners = manners_of(engine.dialect.name)
            connection = engine.connect()
        try:
            with self.told("setting the session up"):
                for statement in manners.session:
                    connection.exec_driver_sql(statement)
                connection.commit()  # PostgreSQL takes settings back with the transaction they were made in
            yield connection
        finally:
            connection.close()
            engine.dispose()

    @contextmanager
    def told(self, doing: str) -> Iterator[None]:
        """Errors of SQLAlchemy and its drivers as ours, without statement, parameters or password."""
        import sqlalchemy as sa

        try:
            yield
        except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
            raise self.failure(error, doing) from None

    def failure(self, error: Exception, doing: str) -> StoreError:
        """What a person is told."""
        import sqlalchemy as sa

        original = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
        found = next((line for line in str(original).splitlines() if line.strip()), type(original).__name__).strip()
        password = sa.make_url(self._url).password
        if password:
            found = found.replace(str(password), "***")
        missing = isinstance(error, ModuleNotFoundError | sa.exc.NoSuchModuleError)
        hint = "install the driver or the dialect that the URL names" if missing else "see whether the store is up"
        return StoreError(f"reading {self.dataset}: {doing} failed: {found}", hint=hint)

    def _begin(self, connection: Connection) -> Watermark:
        """Begin the one transaction, as consistent as the database can."""
        manners = manners_of(connection.dialect.name)
        with self.told("beginning to read"):
            snapshot = can_snapshot(connection, manners)
            connection.rollback()
            if snapshot and manners.isolation:
                connection.execution_options(isolation_level=manners.isolation)
            read_at, monotonic = datetime.now(UTC), time.monotonic()
            connection.begin()
            for statement in manners.begin:
                connection.exec_driver_sql(statement)
        # Some databases take the snapshot with the first statement, which is yet to come: by the end of the look.
        isolation = "snapshot" if snapshot else "none"
        return Watermark(self.dataset, read_at, monotonic, isolation=isolation, taken_by=math.inf)


def locate(relation: SqlRelation, path: str, dataset: str) -> tuple[str, tuple[str, ...]]:
    """The column of a wanted path, and what of it is a path into the column's document.

    Raises:
        StoreError: There is no such column.
    """
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in relation.kinds:
            return name, tuple(parts[length:])
    hint = did_you_mean(path, relation.kinds) or "check the contract's fields"
    raise StoreError(f"reading {dataset}: there is no column {path!r}", hint=hint)


def selection(relation: SqlRelation, names: Sequence[str], connection: Connection) -> Select[Any]:
    """The SELECT of some columns, each in the form in which the driver bends nothing."""
    import sqlalchemy as sa

    dialect = connection.dialect.name
    columns: list[ColumnElement[Any]] = [
        exact(relation.source.c[name], relation.kinds[name], dialect).label(f"c{i}") for i, name in enumerate(names)
    ]
    return sa.select(*(columns or [sa.literal_column("NULL")])).select_from(relation.source)


class SqlAlchemySnapshot(StreamingSnapshot):
    """One transaction of any database."""

    def __init__(
        self, reader: SqlAlchemyReader, workspace: Workspace, connection: Connection, watermark: Watermark
    ) -> None:
        super().__init__(workspace, reader.dataset)
        self.watermark = watermark
        self._reader = reader
        self._connection = connection
        self._relation = reader.find(connection)
        self._running: CursorResult[Any] | None = None
        self._driver = threading.Lock()  # DuckDB's threads may end one stream while another begins

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        return self._stream(wanted, None)

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Snapshot.lookup`."""
        located = [locate(self._relation, key.path, self.dataset) for key in keys.columns]
        kinds = [self._relation.kinds[name] for name, _ in located]
        untyped = manners_of(self._connection.dialect.name).untyped or bool(self._reader.query)
        batches = (
            None if untyped or any(path for _, path in located) else key_batches(spelled(keys), kinds, keys.columns)
        )
        if batches is None:
            return rows_with_keys(self.workspace, self.cursor, self.scan, wanted, keys)
        return self._stream([*wanted, *keys.columns], batches, shown=len(wanted))

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:  # noqa: ARG002
        """Nothing is hidden."""
        return None

    def incomplete(self) -> str:
        """Nothing is known."""
        return ""

    def _stream(
        self, wanted: Sequence[Wanted], batches: Sequence[Batch] | None, *, shown: int | None = None
    ) -> RawRelation:
        """A relation of all rows, or of those with the keys of some batches, which the last columns hold."""
        located = [locate(self._relation, thing.path, self.dataset) for thing in wanted]
        schema = pa.schema(
            [pa.field(f"c{i}", pa.string()) for i in range(len(wanted))] or [pa.field("none", pa.null())]
        )
        name = self.relation(schema, lambda: self._batches(schema, wanted, located, batches))
        columns = tuple(
            RawColumn(
                quote_name(f"c{i}"),
                "VARCHAR",
                timezone=thing.timezone or self._zone(column),
                exact=not path and finds_every_spelling(self._relation.kinds[column], thing.logical),
                char_padded=is_padded(self._relation.kinds[column]),
            )
            for i, (thing, (column, path)) in enumerate(zip(wanted, located, strict=True))
        )
        return RawRelation(name, columns[:shown])

    def _zone(self, column: str) -> str:
        utc = manners_of(self._connection.dialect.name).utc_types
        return "UTC" if type(self._relation.kinds[column]).__name__.upper() in utc else self._reader.timezone

    def _batches(
        self,
        schema: pa.Schema,
        wanted: Sequence[Wanted],
        located: Sequence[tuple[str, tuple[str, ...]]],
        batches: Sequence[Batch] | None,
    ) -> Iterator[pa.RecordBatch]:
        kinds = [self._relation.kinds[name] for name, _ in located]
        cells = [
            Cell(path, thing.logical, is_padded(kind), is_single(kind, self._connection.dialect.name))
            for kind, (_, path), thing in zip(kinds, located, wanted, strict=True)
        ]
        statement = selection(self._relation, [name for name, _ in located], self._connection)
        for batch in [None] if batches is None else batches:
            narrowed = statement if batch is None else statement.where(batch.condition(self._relation.source))
            for rows in self._rows(narrowed):
                texts = [
                    [cell.text(value) for value in values]
                    for values, cell in zip(zip(*rows, strict=True), cells, strict=False)
                ]
                if batch is not None:
                    texts = batch.only_its_own(texts)
                arrays = [pa.array(column, pa.string()) for column in texts]
                yield pa.RecordBatch.from_arrays(arrays or [pa.nulls(len(rows))], schema=schema)

    def _rows(self, statement: Select[Any]) -> Iterator[list[Any]]:
        """The rows of a statement, streamed in lists.

        Most drivers read one result of a connection at a time.  A new one ends the one before, which DuckDB may have
        left in the middle when it had seen enough; should it come back for more after all, it is told.
        """
        import sqlalchemy as sa

        try:
            result = self._execute(statement)
            try:
                yield from chunks(lambda count: self._fetch(result, count), _size_of)
            finally:
                with self._driver:
                    result.close()
        except sa.exc.ResourceClosedError:
            message = f"reading {self.dataset}: its driver cannot read the relation twice at the same time"
            raise StoreError(message, hint="this is a mistake of ours; please report it") from None
        except sa.exc.SQLAlchemyError as error:
            raise self._reader.failure(error, "reading its rows") from None

    def _execute(self, statement: Select[Any]) -> CursorResult[Any]:
        streaming = {"stream_results": True, "max_row_buffer": BATCH_ROWS_MAX}
        with self._driver:
            if self._running is not None and not manners_of(self._connection.dialect.name).many_streams:
                self._running.close()
            self._running = self._connection.execute(statement, execution_options=streaming)
            return self._running

    def _fetch(self, result: CursorResult[Any], count: int) -> list[Any]:
        with self._driver:
            return list(result.fetchmany(count))


def _size_of(rows: Sequence[Sequence[Any]]) -> int:
    """Roughly the bytes of some rows, from a few of them."""
    some = rows[:: max(1, len(rows) // 16)]
    total = sum(len(value) if isinstance(value, str | bytes) else 16 for row in some for value in row)
    return total * len(rows) // len(some)
