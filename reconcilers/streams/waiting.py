"""Batches that wait to be brought among the versions: each is one compressed value until there are enough of them.

A version is some twenty columns wide.  Written as rows, a batch costs most of its time in the database's log, and once
more when the log is brought into the file; as one value it costs a quarter of that.  Whole groups of rows then go into
the file at once, and not through the log at all.

Nothing is less safe for it: the value is written in the batch's transaction, and taken away in the one that writes the
rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    import pyarrow as pa

    from reconcilers.streams.table import StreamTable

GROUP_ROWS = 122_880
"""Rows that DuckDB keeps together; so many at least go into the file without going through the log."""


def lay_by(db: duckdb.DuckDBPyConnection, table: StreamTable, rows: pa.Table) -> None:
    """Have a batch wait; within a transaction.

    Args:
        db: The state's connection.
        table: Of the topic.
        rows: Its versions as they are stored, in the order of their numbers, after all that wait already.

    Raises:
        ValueError: They are not in order: what is not brought in at once would be taken for folded.
    """
    numbers = rows["seq"].to_numpy()
    if (numbers[1:] <= numbers[:-1]).any():
        raise ValueError(f"versions of {table.topic} are not in the order of their numbers")
    db.register("laid_by", _packed(rows))
    db.execute(f"INSERT INTO {table.waiting} SELECT * FROM laid_by")
    db.unregister("laid_by")


def count(db: duckdb.DuckDBPyConnection, table: StreamTable) -> int:
    """How many versions wait."""
    row = db.execute(f"SELECT coalesce(sum(size), 0)::BIGINT FROM {table.waiting}").fetchone()
    return int(row[0]) if row is not None else 0


def values(db: duckdb.DuckDBPyConnection, table: StreamTable) -> list[pa.Buffer]:
    """The batches that wait, the oldest first, each as an Arrow stream of versions as they are stored."""
    found = db.execute(f"SELECT seq, content FROM {table.waiting}").to_arrow_table()  # sorting would copy the values
    return [value.as_buffer() for value in found.sort_by("seq")["content"]]


def bring_in(db: duckdb.DuckDBPyConnection, table: StreamTable, group: int = 1) -> None:
    """Bring what waits among the versions, the oldest first; within a transaction.

    One batch at a time is in memory outside the database.

    Args:
        db: The state's connection.
        table: Of the topic.
        group: As many as are a multiple of this; what is left over waits on.
    """
    import pyarrow as pa

    waiting, batches = count(db, table), values(db, table)
    if not batches:
        return
    db.execute(f"DELETE FROM {table.waiting}")
    rest: list[pa.RecordBatch] = []
    taken = _first(batches, waiting - waiting % group, rest)
    db.register("brought_in", pa.RecordBatchReader.from_batches(pa.ipc.open_stream(batches[0]).schema, taken))
    db.execute(f"INSERT INTO {table.stored} SELECT * FROM brought_in")
    db.unregister("brought_in")
    if rest:
        lay_by(db, table, pa.Table.from_batches(rest))


def _first(batches: Sequence[pa.Buffer], size: int, rest: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The first so many versions of some values; the others are added to the rest."""
    import pyarrow as pa

    for value in batches:
        for batch in pa.ipc.open_stream(value):
            taken = min(size, batch.num_rows)
            size -= taken
            if taken:
                yield batch.slice(0, taken)
            if taken < batch.num_rows:
                rest.append(batch.slice(taken))


def _packed(rows: pa.Table) -> pa.Table:
    """A batch as the row that waits; see `StreamTable.ddl`."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(rows)
    first, size, content = rows["seq"][0].as_py(), rows.num_rows, sink.getvalue()
    return pa.table({"seq": pa.array([first], pa.int64()), "size": pa.array([size], pa.int64()),
                     "content": pa.array([content.to_pybytes()], pa.binary())})  # fmt: skip
