"""Deletes of keys that nobody has told: what shows that a feed names other rows than its deletes are about.

PostgreSQL writes into its log what tells a row by its replica identity.  Where that is an index which lacks the key
(`REPLICA IDENTITY USING INDEX`), a delete names a key of zeros, and a change of key is an update of the new one: the
old rows stay for ever.  The record does not show it.  But after a whole snapshot every row has been told, by it or by a
create: a delete of another key is about a row that stands under its own name still.

What counts is what `latecomers` counts: no offset is lacking before it, and all partitions have been read as far as
there were records.  After a truncate, or a second snapshot, a repetition may name keys that were let go of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.change import Place
from reconcilers.streams.table import WAS_THERE, Kind

if TYPE_CHECKING:
    import duckdb

    from reconcilers.streams.table import StreamTable

NOTED_MAX = 100
"""Of one topic: one that counts is enough."""

DDL = """
CREATE TABLE IF NOT EXISTS strangers (
    topic VARCHAR, seq BIGINT, part INTEGER, off BIGINT, id VARCHAR, stamp BIGINT, counts BOOLEAN);
"""
"""Later than the rest."""


class Strangers:
    """Watches for them in one state of feeds.

    Args:
        db: The state's connection; whoever writes, does so within its transactions.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    def look(self, table: StreamTable, involved: str, start: int) -> None:
        """Note those among the versions of a tail.

        Args:
            table: Of the topic.
            involved: The table of what orders the versions of the keys that the tail is about.
            start: The number of the tail's first version.
        """
        ended = self._snapshot_ended(table.topic)
        if ended is None:
            return
        deleted = f"v.seq >= {start} AND v.kind = {int(Kind.DELETE)} AND v.snapshot = {WAS_THERE} AND v.stamp > {ended}"
        if self._db.execute(f"SELECT 1 FROM {table.stored} v WHERE {deleted} LIMIT 1").fetchone() is None:
            return  # grouping a tail by its keys is dear
        first = f"SELECT min(seq) FROM {involved} GROUP BY h HAVING bool_and(fresh)"
        there = "SELECT part, coalesce(hole, 9223372036854775807) AS hole FROM unbroken WHERE topic = $topic"
        self._db.execute(
            "INSERT INTO strangers SELECT $topic, seq, v.part, off, id, stamp, false "
            f"FROM {table.stored} v JOIN ({there}) u ON u.part = v.part AND v.off < u.hole "
            f"WHERE {deleted} AND v.seq IN ({first}) ORDER BY seq LIMIT {NOTED_MAX}",
            {"topic": table.topic},
        )

    def _snapshot_ended(self, topic: str) -> int | None:
        """When the only snapshot of a topic was over; None where there is no such, or where enough was noted."""
        row = self._db.execute(
            "SELECT max(ended) FROM passes p WHERE topic = $topic "
            "HAVING count(*) = 1 AND bool_and(ended IS NOT NULL AND begun) "
            "AND NOT EXISTS (SELECT 1 FROM truncations WHERE topic = $topic) "
            "AND NOT EXISTS (SELECT 1 FROM strangers WHERE topic = $topic AND counts) "
            f"AND (SELECT count(*) FROM strangers WHERE topic = $topic) < {NOTED_MAX}",
            {"topic": topic},
        ).fetchone()
        return None if row is None else int(row[0])

    def settle(self, table: StreamTable) -> None:
        """Have the first of those count that were noted, now that all partitions have been read as far as there was.

        Args:
            table: Of the topic; folded.
        """
        topic = {"topic": table.topic}
        noted = "FROM strangers WHERE topic = $topic AND NOT counts"
        if self._db.execute(f"SELECT 1 {noted} LIMIT 1", topic).fetchone() is None:
            return
        self._db.execute(
            f"DELETE {noted} AND seq IN (SELECT l.seq FROM (SELECT * {noted}) l JOIN {table.stored} v ON v.id = l.id "
            "AND (v.part <> l.part OR v.seq < l.seq))",
            topic,
        )
        self._db.execute(f"DELETE {noted} AND seq > (SELECT min(seq) {noted})", topic)
        self._db.execute("UPDATE strangers SET counts = true WHERE topic = $topic", topic)

    def first(self, topic: str) -> Place | None:
        """The place of such a delete; a whole snapshot that began after it has put right what it left standing."""
        row = self._db.execute(
            "SELECT part, off FROM strangers s WHERE topic = ? AND counts AND NOT EXISTS (SELECT 1 FROM passes p "
            "WHERE p.topic = s.topic AND p.ended IS NOT NULL AND p.begun AND p.began > s.stamp) ORDER BY seq LIMIT 1",
            [topic],
        ).fetchone()
        return None if row is None else Place(topic, row[0], row[1])

    def forget(self, topic: str, part: int | None = None) -> None:
        """Let go of what was noted of a topic, or of one partition of it."""
        which = [topic] if part is None else [topic, part]
        self._db.execute(f"DELETE FROM strangers WHERE topic = ?{'' if part is None else ' AND part = ?'}", which)
