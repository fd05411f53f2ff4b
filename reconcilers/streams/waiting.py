"""Batches that wait to be brought among the versions: each is one compressed value until there are enough of them.

A version is some twenty columns wide.  Written as rows, a batch costs most of its time in the database's log, and once
more when the log is brought into the file; as one value it costs an eighth of that.  Whole groups of rows then go into
the file at once, and not through the log at all.

Nothing is less safe for it: the value is written in the batch's transaction, and taken away in the one that writes the
rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """The versions that wait as they are stored, the oldest first, a batch at a time."""
    import pyarrow as pa

    firsts = db.execute(f"SELECT seq FROM {table.waiting} ORDER BY seq").fetchall()
    for (first,) in firsts:
        for (content,) in db.execute(f"SELECT content FROM {table.waiting} WHERE seq = {first}").fetchall():
            yield from pa.ipc.open_stream(content, options=pa.ipc.IpcReadOptions(use_threads=False))


def bring_in(db: duckdb.DuckDBPyConnection, table: StreamTable, group: int = 1) -> None:
    """Bring what waits among the versions, the oldest first; within a transaction.

    One batch at a time is in memory outside the database.

    Args:
        db: The state's connection.
        table: Of the topic.
        group: As many as are a multiple of this; what is left over waits on.
    """
    import pyarrow as pa

    waiting = count(db, table)
    left = waiting - waiting % group
    rest: list[pa.RecordBatch] = []
    for batch in batches(db, table):
        taken = min(left, batch.num_rows)
        left -= taken
        if taken:
            db.register("brought_in", batch.slice(0, taken))
            db.execute(f"INSERT INTO {table.stored} SELECT * FROM brought_in")
            db.unregister("brought_in")
        if taken < batch.num_rows:
            rest.append(batch.slice(taken))
    db.execute(f"DELETE FROM {table.waiting}")
    if rest:
        lay_by(db, table, pa.Table.from_batches(rest))


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
