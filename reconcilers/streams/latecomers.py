"""Keys whose first record says that their row was there before: what shows that a topic does not tell every row.

A connector that takes no snapshot begins a topic at its first offset while the table has rows already.  Such a row is
told first by an update or a delete, and one that nobody changes is never told at all.  So one such record is enough: no
row can be said to be missing because the topic does not name it.

In a compacted topic such a record is nothing odd: what came before it is gone, and the rows are told all the same.
Offsets are lacking there.  So a record counts only where none was lacking before it in its partition, from the first
on.  Marks of transactions take offsets, too, and are not told from what was compacted away: then it does not count.

Partitions are read in any order, and a key that has been in two of them may be told first by the later one.  So what a
fold notes counts only once every partition has been read as far as there were records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.change import Place
from reconcilers.streams.table import WAS_THERE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from reconcilers.streams.table import StreamTable

    Partition = tuple[str, int]

NOTED_MAX = 100
"""Of one topic, before they count: one that counts is enough, and few are others' first records after all."""

DDL = """
CREATE TABLE IF NOT EXISTS unbroken (topic VARCHAR, part INTEGER, hole BIGINT);
CREATE TABLE IF NOT EXISTS latecomers (
    topic VARCHAR, seq BIGINT, part INTEGER, off BIGINT, kind UTINYINT, id VARCHAR, epoch INTEGER, p0 BIGINT,
    p1 BIGINT, p2 BIGINT, counts BOOLEAN);
"""
"""Later than the rest: of partitions that an older program began to read, nobody knows whether offsets are lacking."""


class Latecomers:
    """Watches for them in one state of feeds.

    Args:
        db: The state's connection; whoever writes, does so within its transactions.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db
        found = db.execute("SELECT topic, part FROM unbroken WHERE hole IS NULL").fetchall()
        self.unbroken: set[Partition] = set(found)
        """Partitions in which no offset was lacking, from where they were begun; as of the last transaction."""

    # -- offsets -------------------------------------------------------------------------------------------------------

    def begin(self, partitions: Iterable[Partition]) -> None:
        """Watch partitions from the offset on that they are begun at."""
        for topic, part in partitions:
            self._db.execute("INSERT INTO unbroken VALUES (?, ?, NULL)", [topic, part])

    def lack(self, holes: Mapping[Partition, int]) -> None:
        """Note the first offset that is lacking in partitions in which none was before."""
        for (topic, part), hole in holes.items():
            self._db.execute("UPDATE unbroken SET hole = ? WHERE topic = ? AND part = ?", [hole, topic, part])

    # -- keys ----------------------------------------------------------------------------------------------------------

    def look(self, table: StreamTable, involved: str, start: int) -> None:
        """Note those among the versions of a tail.

        Args:
            table: Of the topic.
            involved: The table of what orders the versions of the keys that the tail is about.
            start: The number of the tail's first version.
        """
        if not self._may_tell(table.topic):
            return
        first = (
            f"SELECT min(seq) FROM {involved} GROUP BY h HAVING bool_and(fresh)"  # two keys of one hash: one of them
        )
        there = "SELECT part, coalesce(hole, 9223372036854775807) AS hole FROM unbroken WHERE topic = $topic"
        self._db.execute(
            "INSERT INTO latecomers SELECT $topic, seq, v.part, off, kind, id, epoch, p0, p1, p2, false "
            f"FROM {table.stored} v JOIN ({there}) u ON u.part = v.part AND v.off < u.hole "
            f"WHERE v.seq >= {start} AND v.snapshot = {WAS_THERE} AND v.seq IN ({first}) "
            f"ORDER BY seq LIMIT {NOTED_MAX}",
            {"topic": table.topic},
        )

    def _may_tell(self, topic: str) -> bool:
        """Whether one more would tell something: not after a whole snapshot, nor where one counts, or enough may."""
        row = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM unbroken WHERE topic = $topic) "
            "AND NOT EXISTS (SELECT 1 FROM passes WHERE topic = $topic AND ended IS NOT NULL AND begun) "
            f"AND (SELECT count(*) FROM latecomers WHERE topic = $topic AND NOT counts) < {NOTED_MAX}",
            {"topic": topic},
        ).fetchone()
        return row is not None and row[0] and self.first(topic) is None

    def settle(self, table: StreamTable) -> None:
        """Have the first of those count that were noted, now that all partitions have been read as far as there was.

        Those do not whose key was told in another partition, or before: a repetition follows what was let go of.

        Args:
            table: Of the topic; folded.
        """
        noted = "FROM latecomers WHERE topic = $topic AND NOT counts"
        topic = {"topic": table.topic}
        if self._db.execute(f"SELECT 1 {noted} LIMIT 1", topic).fetchone() is None:
            return
        self._db.execute(
            f"DELETE {noted} AND seq IN (SELECT l.seq FROM (SELECT * {noted}) l JOIN {table.stored} v ON v.id = l.id "
            "AND (v.part <> l.part OR v.seq < l.seq))",
            topic,
        )
        self._db.execute(f"DELETE {noted} AND seq > (SELECT min(seq) {noted})", topic)
        self._db.execute("UPDATE latecomers SET counts = true WHERE topic = $topic", topic)

    def first(self, topic: str) -> tuple[Place, bool] | None:
        """The place of a record that shows that a topic does not tell every row, and whether it is a delete.

        After a truncate there are no other rows than those that are told.
        """
        row = self._db.execute(
            "SELECT part, off, kind FROM latecomers l WHERE topic = ? AND counts AND NOT EXISTS ("
            "SELECT 1 FROM truncations t WHERE t.topic = l.topic AND (0 < l.epoch AND l.epoch < t.epoch "
            "OR l.epoch = t.epoch AND row(l.p0, l.p1, l.p2) < row(t.p0, t.p1, t.p2))) ORDER BY seq LIMIT 1",
            [topic],
        ).fetchone()
        return None if row is None else (Place(topic, row[0], row[1]), row[2] == Kind.DELETE)

    def forget(self, topic: str, part: int | None = None) -> None:
        """Let go of what was noted of a topic, or of one partition of it."""
        which = [topic] if part is None else [topic, part]
        for name in ("unbroken", "latecomers"):
            self._db.execute(f"DELETE FROM {name} WHERE topic = ?{'' if part is None else ' AND part = ?'}", which)
        self.unbroken = {one for one in self.unbroken if one[0] != topic or part not in (None, one[1])}
