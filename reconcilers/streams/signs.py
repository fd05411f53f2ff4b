"""Signs of trouble that no single key shows: retries that hide wrong data, sent again and again.

Each is counted over what is remembered, as numbers of records and of keys; no key and no value is in them.

| sign | what was seen |
|---|---|
| `reapplied` | a replica's key was written again, three times and more, and is wrong all the same |
| `rewritten_equal` | a replica's key was written with the content that it had, three times and more |
| `flip_flop` | a key went from A to B, back to A and to B again |
| `duplicate_events` | outbox events came again under an id that had come before |
| `restarted_connector` | changes came again at their old position: somebody went back and sent anew |
| `dead_letters` | records that could not be understood |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconcilers.streams.table import CellState, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import duckdb

    from reconcilers.streams.event import Event
    from reconcilers.streams.table import StreamTable

DEAD_LETTERS = "dead_letters"
"""Records that could not be understood."""

REPEATED_MIN = 3
"""Once more is a retry; so often is a loop."""

DDL = """
CREATE TABLE IF NOT EXISTS repeats (topic VARCHAR, sign VARCHAR, records BIGINT, keys BIGINT, seen TIMESTAMP);
CREATE TABLE IF NOT EXISTS events (topic VARCHAR, id UBIGINT, seen TIMESTAMP);
CREATE TABLE IF NOT EXISTS told_events (topic VARCHAR, said UBIGINT, seen TIMESTAMP);
"""


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign in one topic.

    Attributes:
        name: Of the module's table.
        topic: Where it was seen.
        records: How many records show it.
        keys: How many keys.
    """

    name: str
    topic: str
    records: int
    keys: int


class Signs:
    """Looks for signs in one state of feeds.

    Args:
        db: The state's connection; whoever writes, does so within its transactions.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    # -- noting what the fold would forget -----------------------------------------------------------------------------

    def note_repeats(self, topic: str, repeated: str, seen: datetime) -> None:
        """Note the changes of a tail that came again; within a transaction.

        Args:
            topic: The topic.
            repeated: The table of their arrival numbers and keys.
            seen: When, in UTC without a zone.
        """
        self._db.execute(
            "INSERT INTO repeats SELECT ?, 'restarted_connector', count(*), count(DISTINCT id), ? "
            f"FROM {repeated} HAVING count(*) > 0",
            [topic, seen],
        )

    def note_events(self, topic: str, events: Sequence[Event], seen: datetime) -> set[int]:
        """Note outbox events, and which of them had come before; within a transaction.

        Returns:
            The arrival numbers of those that are told once more, word for word.  An id that stands for several events,
            each with a content of its own, is the producer's mistake, and none of them is lost for that.
        """
        import pyarrow as pa

        columns = {name: pa.array([getattr(one, name) for one in events]) for name in ("seq", "id", "content")}
        self._db.register("event_ids", pa.table(columns))
        fresh = "SELECT hash(id) AS id, count(*) AS n FROM event_ids GROUP BY id"
        self._db.execute(
            "INSERT INTO repeats SELECT ?, 'duplicate_events', sum(n - (e.id IS NULL)::BIGINT), count(*), ? "
            f"FROM ({fresh}) f LEFT JOIN (SELECT DISTINCT id FROM events WHERE topic = ?) e ON e.id = f.id "
            "WHERE e.id IS NOT NULL OR n > 1 HAVING count(*) > 0",
            [topic, seen, topic],
        )
        self._db.execute(f"INSERT INTO events SELECT ?, id, ? FROM ({fresh})", [topic, seen])
        told = "SELECT seq, hash(id, content) AS said FROM event_ids"
        again = self._db.execute(
            f"SELECT t.seq FROM ({told}) t WHERE EXISTS (SELECT 1 FROM told_events e WHERE e.topic = ? "
            f"AND e.said = t.said) OR t.seq > (SELECT min(o.seq) FROM ({told}) o WHERE o.said = t.said)",
            [topic],
        ).fetchall()
        self._db.execute(f"INSERT INTO told_events SELECT DISTINCT ?, said, ? FROM ({told})", [topic, seen])
        self._db.unregister("event_ids")
        return {seq for (seq,) in again}

    def forget(self, topic: str, before: datetime | None = None) -> None:
        """Let go of what was noted of a topic before a moment, or of all; within a transaction."""
        for name in ("repeats", "events", "told_events"):
            self._db.execute(f"DELETE FROM {name} WHERE topic = ? AND (? IS NULL OR seen < ?)", [topic, before, before])

    # -- looking -------------------------------------------------------------------------------------------------------

    def of(self, table: StreamTable, *, by_owner: bool) -> list[Sign]:
        """The signs in one topic.

        Args:
            table: The topic's; folded.
            by_owner: It is an owner's: that it writes what it had already is its own affair.
        """
        topic = table.topic
        rows = self._db.execute(
            "SELECT sign, sum(records)::BIGINT, sum(keys)::BIGINT FROM repeats WHERE topic = ? GROUP BY sign",
            [topic],
        ).fetchall()
        dead = self._one("SELECT count(*), count(DISTINCT id) FROM dead_letters WHERE topic = ?", [topic])
        found = [(name, records, keys) for name, records, keys in rows]
        found += [(DEAD_LETTERS, *dead), ("flip_flop", *self._one(_flips(table)))]
        if not by_owner:
            found.append(("rewritten_equal", *self._one(_rewrites(table))))
        return [Sign(name, topic, records, keys) for name, records, keys in found if records]

    def _one(self, sql: str, values: Sequence[object] = ()) -> tuple[int, int]:
        row = self._db.execute(sql, list(values)).fetchone()
        return (int(row[0] or 0), int(row[1] or 0)) if row is not None else (0, 0)


def reapplied(topic: str, written: Iterable[int]) -> list[Sign]:
    """A replica's keys that were written again and again and are drift.

    Args:
        topic: Where it tells its changes.
        written: How often it has written each key that is drift.
    """
    often = [count for count in written if count >= REPEATED_MIN]
    return [Sign("reapplied", topic, sum(often), len(often))] if often else []


_WRITTEN = f"kind IN ({int(Kind.WRITE)}, {int(Kind.DELETE)})"


def _contents(table: StreamTable, back: int) -> str:
    """SELECT of the remembered versions of keys that were written so often and once more, each with its content."""
    known = " AND ".join(f"{state} <= {int(CellState.EITHER)}" for state in table.states) or "true"
    content = f"CASE WHEN kind = {int(Kind.DELETE)} THEN 0 WHEN {known} THEN hash({', '.join(table.cells)}) END"
    past = f"{table.versions} SEMI JOIN {table.past} USING (seq)"  # a key that has one version has none there
    busy = f"SELECT id FROM {past} GROUP BY id HAVING count(*) >= {back}"
    return (
        f"SELECT id, kind, epoch, p0, p1, p2, seq, {content} AS h FROM {table.versions} SEMI JOIN ({busy}) USING (id)"
    )


def _successive(contents: str, back: int) -> str:
    """SELECT of versions, each with the contents of those before it."""
    before = ", ".join(f"lag(h, {i}) OVER life AS h{i}" for i in range(1, back + 1))
    life = "WINDOW life AS (PARTITION BY id ORDER BY epoch, p0, p1, p2, seq)"
    return f"SELECT id, kind, h, {before} FROM ({contents}) {life}"


def _flips(table: StreamTable) -> str:
    written = f"SELECT * FROM ({_contents(table, 3)}) WHERE {_WRITTEN}"
    return f"SELECT count(*), count(DISTINCT id) FROM ({_successive(written, 3)}) WHERE h = h2 AND h1 = h3 AND h <> h1"


def _rewrites(table: StreamTable) -> str:
    """What a snapshot told before a key was first written is content that it had; what one tells later is no write."""
    first = f"min(seq) FILTER ({_WRITTEN}) OVER (PARTITION BY id)"
    told = f"{_WRITTEN} OR (kind = {int(Kind.BACKFILL)} AND seq < {first})"
    contents = f"SELECT * FROM ({_contents(table, 1)}) QUALIFY {told}"
    equal = f"SELECT id, count(*) AS n FROM ({_successive(contents, 1)}) WHERE h = h1 AND {_WRITTEN} GROUP BY id"
    return f"SELECT coalesce(sum(n), 0), count(*) FROM ({equal}) WHERE n >= {REPEATED_MIN}"
