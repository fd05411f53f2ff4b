"""Rows that DuckDB can select from while they arrive.

DuckDB asks from its own threads, where an import can deadlock: everything is imported beforehand.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from auditor.readers.mysql.rows import arrow_schema, read_batches
from contracts.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from auditor.readers.mysql.cells import Cell
    from auditor.readers.mysql.session import MySqlSession


class RowStream:
    """The rows of some statements, as often as somebody asks: each time the statements run again, in the same view.

    Args:
        session: The connection; nothing is sent before somebody asks for rows.
        statements: SELECTs with the same columns.
        cells: The columns.
        failed: Told what breaks the stream, which DuckDB passes on as a text only.
        read: Told how many more rows have arrived, where anybody wants to know.
    """

    def __init__(
        self,
        session: MySqlSession,
        statements: Sequence[str],
        cells: Sequence[Cell],
        failed: Callable[[StoreError], None],
        read: Callable[[int], None] | None = None,
    ) -> None:
        self._session = session
        self._statements = statements
        self._cells = cells
        self._failed = failed
        self._read = read
        self._schema = arrow_schema(cells)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Arrow's way to hand over a stream; DuckDB asks for one more often, only to see its columns."""
        reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())
        stream: object = reader.__arrow_c_stream__(requested_schema)
        return stream

    def _batches(self) -> Iterator[Any]:
        try:
            for batch in self._session.results(self._statements, partial(read_batches, cells=self._cells)):
                if self._read is not None:
                    self._read(batch.num_rows)
                yield batch
        except StoreError as failure:
            self._failed(failure)
            raise
