"""Versions that were decoded at once, in the form of those that were decoded one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconcilers.streams.table import FIXED, STATES, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from reconcilers.streams.table import StreamTable
    from reconcilers.streams.versions import Integers, States, Versions

_BEFORE_EVERY_POSITION = -1
"""The epoch of backfills: what they tell is when the snapshot was taken, not when their row was written."""


def arrow_schema(table: StreamTable) -> pa.Schema:
    """The schema of a table of versions, as DuckDB takes it."""
    import pyarrow as pa

    kinds = {"BIGINT": pa.int64(), "INTEGER": pa.int32(), "UTINYINT": pa.uint8(), "VARCHAR": pa.string(),
             "TIMESTAMP": pa.timestamp("us")}  # fmt: skip
    fixed = [(name, kinds[kind]) for name, kind in FIXED.items()]
    cells = [(name, pa.string()) for name in (*table.cells, STATES)]
    return pa.schema([*fixed, *cells])


class AtOnce:
    """Brings the columns of a batch into the order and the types of a table of versions."""

    def __init__(self, table: StreamTable, versions: Versions) -> None:
        self._table, self._versions = table, versions

    def table(self, seq: int, epochs: Integers, snapshots: Mapping[int, int], seen: datetime) -> pa.Table:
        """All columns.

        Args:
            seq: The number of the first version in the order of arrival.
            epochs: That of each change.
            snapshots: The pass of each version that belongs to one.
            seen: When the records were read.
        """
        import numpy as np
        import pyarrow as pa

        found, count = self._versions, len(self._versions)
        passes = found.births.copy()
        if snapshots:
            passes[list(snapshots)] = list(snapshots.values())
        numbers = np.where(found.kinds == Kind.BACKFILL, _BEFORE_EVERY_POSITION, epochs)
        moment = pa.scalar(seen.replace(tzinfo=None), pa.timestamp("us"))
        fixed: list[Any] = [
            np.arange(seq, seq + count), found.parts, found.offsets, found.kinds, found.ids,
            pa.nulls(count, pa.string()), numbers, *found.positions, passes, found.stamps, found.committed,
            found.transactions, found.places, pa.repeat(moment, count),
        ]  # fmt: skip
        cells = [found.cells[name] for name in self._table.columns]
        columns = [*fixed, *(texts for texts, _ in cells), _packed([states for _, states in cells], count)]
        schema = arrow_schema(self._table)
        arrays = [_array(column, entry.type) for column, entry in zip(columns, schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=schema)


def _packed(states: Sequence[States], count: int) -> pa.StringArray:
    """What each cell is, as it is stored; see `reconcilers.streams.table.STATES`."""
    import numpy as np
    import pyarrow as pa

    told = np.zeros((count, len(states)), np.uint8)
    for index, column in enumerate(states):
        told[:, index] = column
    rows = told.any(axis=1)
    if not rows.any():
        return pa.nulls(count, pa.string())
    ends = np.arange(int(rows.sum()) + 1, dtype=np.int32) * len(states)
    digits = np.ascontiguousarray(told[rows] + np.uint8(ord("0")))
    texts = pa.Array.from_buffers(pa.string(), len(ends) - 1, [None, pa.py_buffer(ends), pa.py_buffer(digits)])
    return texts.take(pa.array(np.cumsum(rows) - 1, mask=~rows))


def _array(column: Any, kind: pa.DataType) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.array(column).cast(kind) if isinstance(column, np.ndarray) else column
