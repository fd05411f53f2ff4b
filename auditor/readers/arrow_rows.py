"""Rows that reach DuckDB as a stream of Arrow batches made in Python, where DuckDB cannot read a store exactly.

A relation made here can be selected from as often as one likes: each scan opens the stream anew, within the same
snapshot. Nothing is kept but the batch in hand.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from auditor.readers.native import NativeSnapshot, quote_name
from contracts.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from reconcilers.workspace import Workspace

BATCH_BYTES = 4_000_000
"""Bytes a batch aims at: big enough that the cost of a batch does not show, small beside any memory limit."""

BATCH_ROWS_FIRST = 256
"""Rows of a stream's first batch, before anything is known about their width."""

BATCH_ROWS_MAX = 8_192
"""Most rows of a batch; beyond a few thousand nothing gets faster."""


class ArrowRows:
    """A relation whose rows come from Python; DuckDB asks for the stream each time it scans.

    Args:
        schema: Of every batch.
        batches: Starts a new pass over the rows.
        failed: Told of the `StoreError` that ends a pass early, since DuckDB would keep its message only.
        passing: Told of each batch, before DuckDB gets it.
    """

    def __init__(
        self,
        schema: pa.Schema,
        batches: Callable[[], Iterator[pa.RecordBatch]],
        failed: Callable[[StoreError], None],
        passing: Callable[[pa.RecordBatch], None] = lambda _batch: None,
    ) -> None:
        import pyarrow as pa  # here, and not where DuckDB's threads ask: an import in one of them deadlocks

        self._stream = pa.RecordBatchReader.from_batches
        self._schema = schema
        self._batches = batches
        self._failed = failed
        self._passing = passing

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A new pass over the rows, as the Arrow PyCapsule interface asks for it."""
        reader = self._stream(self._schema, self._watched())
        return reader.__arrow_c_stream__(requested_schema)

    def _watched(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches():
                self._passing(batch)
                yield batch
        except StoreError as error:
            self._failed(error)
            raise


class StreamingSnapshot(NativeSnapshot):
    """A snapshot whose relations are streams of Arrow batches."""

    def __init__(self, workspace: Workspace, dataset: str) -> None:
        super().__init__(workspace, dataset)
        self.workspace = workspace
        self._failure: StoreError | None = None
        self._streamed = False
        self._numbers = itertools.count()

    def relation(self, schema: pa.Schema, batches: Callable[[], Iterator[pa.RecordBatch]]) -> str:
        """Make a stream known to the snapshot's cursor and return the quoted name to select from."""
        name = f"rows_{next(self._numbers)}"
        self.cursor.register(name, ArrowRows(schema, batches, self._remember, self._pass))
        return quote_name(name)

    def load(self, sql: str, table: str) -> int:
        """See `reconcilers.ports.Snapshot.load`."""
        self._failure = None
        self._streamed = False
        try:
            return super().load(sql, table)
        except StoreError as error:
            if self._failure is not None:
                raise self._failure from error
            raise

    def _pass(self, batch: pa.RecordBatch) -> None:
        """Rows on their way to DuckDB: they are what the store was asked for, whatever becomes of them there."""
        self._streamed = True
        if self.watch is not None:
            self.watch(self.dataset, batch.num_rows)
        if self.weigh is not None:
            self.weigh(batch.nbytes)

    def _carried(self, dataset: str, rows: int) -> None:
        if not self._streamed:  # else they were counted before DuckDB chose among them
            super()._carried(dataset, rows)

    def _remember(self, error: StoreError) -> None:
        self._failure = error


def next_batch_rows(rows: int, size: int) -> int:
    """How many rows the next batch should have, after one of `rows` rows and `size` bytes."""
    wanted = BATCH_BYTES * rows // max(size, 1)
    return max(1, min(wanted, rows * 4, BATCH_ROWS_MAX))


def chunks(fetch: Callable[[int], list[Any]], size_of: Callable[[list[Any]], int]) -> Iterator[list[Any]]:
    """Rows in lists limited by count and bytes.

    Args:
        fetch: Returns at most this many next rows, none at the end.
        size_of: Roughly the bytes of some rows.
    """
    wanted = BATCH_ROWS_FIRST
    while rows := fetch(wanted):
        yield rows
        wanted = next_batch_rows(len(rows), size_of(rows))
