"""Batches that wait to be brought among the versions: each is one compressed value until there are enough of them.

A version is some twenty columns wide.  Written as rows, a batch costs most of its time in the database's log, and once
more when the log is brought into the file; as one value it costs an eighth of that.  Whole groups of rows then go into
the file at once, and not through the log at all.

Nothing is less safe for it: the value is written in the batch's transaction, and taken away in the one that writes the
rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.streams.at_once import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


def batches(db: duckdb.DuckDBPyConnection, table: StreamTable) -> Iterator[pa.RecordBatch]:
    """The versions that wait as they are stored, the oldest first; they are read now, and unpacked one by one."""
    firsts = db.execute(f"SELECT seq FROM {table.waiting} ORDER BY seq").fetchall()
    return _unpacked([  # each asked for by itself: to sort them, the database would have to hold all of them
        content
        for (first,) in firsts
        for (content,) in db.execute(f"SELECT content FROM {table.waiting} WHERE seq = {first}").fetchall()
    ])  # fmt: skip


def bring_in(db: duckdb.DuckDBPyConnection, table: StreamTable, group: int = 1) -> None:
    """Bring what waits among the versions, the oldest first; within a transaction.

    One batch at a time is unpacked, all in one statement: each costs as much as some thousand rows.

    Args:
        db: The state's connection.
        table: Of the topic.
        group: As many as are a multiple of this; what is left over waits on.
    """
    waiting = count(db, table)
    rest: list[pa.RecordBatch] = []
    if taken := waiting - waiting % group:
        db.register("brought_in", _Stream(arrow_schema(table), _first(taken, batches(db, table), rest)))
        db.execute(f"INSERT INTO {table.stored} SELECT * FROM brought_in")
        db.unregister("brought_in")
        db.execute(f"DELETE FROM {table.waiting}")
    if rest:
        import pyarrow as pa

        lay_by(db, table, pa.Table.from_batches(rest))


class _Stream:
    """Batches that are made while they are read, once.

    Given an object of Arrow's own instead, DuckDB has Arrow read ahead of it, and all of them would be in memory.
    """

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        import pyarrow as pa

        self._reader = pa.RecordBatchReader.from_batches(schema, batches)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._reader.__arrow_c_stream__(requested_schema)


def _unpacked(packed: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    options = pa.ipc.IpcReadOptions(use_threads=False)
    for content in packed:
        yield from pa.ipc.open_stream(content, options=options)


def _first(count: int, batches: Iterable[pa.RecordBatch], rest: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """So many of the rows; the others are put to the rest."""
    for batch in batches:
        taken = min(count, batch.num_rows)
        count -= taken
        if taken:
            yield batch.slice(0, taken)
        if taken < batch.num_rows:
            rest.append(batch.slice(taken))


def _packed(rows: pa.Table) -> pa.Table:
    """A batch as the row that waits; see `StreamTable.ddl`."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)  # columns are small: threads cost more
    with pa.ipc.new_stream(sink, rows.schema, options=options) as stream:
        stream.write_table(rows)
    first, size, content = rows["seq"][0].as_py(), rows.num_rows, sink.getvalue()
    return pa.table({"seq": pa.array([first], pa.int64()), "size": pa.array([size], pa.int64()),
                     "content": pa.array([content.to_pybytes()], pa.binary())})  # fmt: skip
