"""Tables that the records of each topic say they are about.

A connector gives each table a topic of its own; a router may bring several into one.  Rows are told apart by their
keys alone, so that rows of two tables that have the same key would be taken for one, now this one's and now that
one's.  Whether it may be so only the records' `source` tells, and it is remembered with what they told.

Debezium's router of logical tables adds the table to each record's key, but to the key alone: the row has no such
column.  Of such a topic the key of every row is remembered with its table: only keys that two tables have do harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconcilers.change import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

RELATIONS_MAX = 1_000
"""Of one topic: what is wrong with two is not more wrong with more, and records must not make the state grow."""

DDL = """
CREATE TABLE IF NOT EXISTS relations (topic VARCHAR, relation VARCHAR, part INTEGER, off BIGINT);
CREATE TABLE IF NOT EXISTS sharded (topic VARCHAR, id VARCHAR, relation VARCHAR);
"""
"""Later than the rest: of what an older program has read, it is not known."""

Where = tuple[int, int]
"""The partition and the offset of a record."""


@dataclass(slots=True)
class Related:
    """What a batch tells of one topic's tables.

    Attributes:
        tables: Each with its first record.
        sharded: Pairs of a key and a table, of records whose keys tell their table; in their order.
    """

    tables: dict[str, Where] = field(default_factory=dict)
    sharded: dict[tuple[str, str], None] = field(default_factory=dict)

    def found(self, table: str, where: Where) -> None:
        """A record about a table."""
        self.tables.setdefault(table, where)


class Relations:
    """Knows them in one state of feeds.

    Args:
        db: The state's connection; whoever writes, does so within its transactions.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db
        self._known: dict[str, dict[str, Where]] = {}
        for topic, relation, part, off in db.execute("SELECT * FROM relations").fetchall():
            self._known.setdefault(topic, {})[relation] = (part, off)
        self._collide: dict[str, bool] = dict(
            db.execute(
                "SELECT topic, max(tables) > 1 FROM (SELECT topic, id, count(DISTINCT relation) AS tables "
                "FROM sharded GROUP BY ALL) GROUP BY topic"
            ).fetchall()
        )

        self._sharded: dict[str, set[str]] = {}
        for topic, relation in db.execute("SELECT DISTINCT topic, relation FROM sharded").fetchall():
            self._sharded.setdefault(topic, set()).add(relation)

    def write(self, told: Mapping[str, Related]) -> None:
        """Write what a batch tells; it is known once the transaction has succeeded: see `note`."""
        for topic, related in told.items():
            for relation, (part, off) in self._news(topic, related).items():
                self._db.execute("INSERT INTO relations VALUES (?, ?, ?, ?)", [topic, relation, part, off])
            if related.sharded:
                self._write_sharded(topic, related)

    def _news(self, topic: str, related: Related) -> Mapping[str, Where]:
        known = self._known.get(topic, {})
        fresh = [(relation, where) for relation, where in related.tables.items() if relation not in known]
        return dict(fresh[: RELATIONS_MAX - len(known)])

    def _write_sharded(self, topic: str, related: Related) -> None:
        ids, relations = ([pair[i] for pair in related.sharded] for i in (0, 1))
        self._db.execute(
            "INSERT INTO sharded SELECT $topic, id, relation "
            "FROM (SELECT unnest($ids) AS id, unnest($relations) AS relation) n "
            "WHERE NOT EXISTS (SELECT 1 FROM sharded s "
            "WHERE s.topic = $topic AND s.id = n.id AND s.relation = n.relation)",
            {"topic": topic, "ids": ids, "relations": relations},
        )

    def note(self, told: Mapping[str, Related]) -> None:
        """Know what was written."""
        for topic, related in told.items():
            self._known.setdefault(topic, {}).update(self._news(topic, related))
            if related.sharded:
                self._sharded.setdefault(topic, set()).update(relation for _, relation in related.sharded)
            if related.sharded and not self._collide.get(topic):
                self._collide[topic] = self._does_collide(topic)

    def _does_collide(self, topic: str) -> bool:
        found = "SELECT 1 FROM sharded WHERE topic = ? GROUP BY id HAVING count(DISTINCT relation) > 1 LIMIT 1"
        return self._db.execute(found, [topic]).fetchone() is not None

    def of(self, topic: str) -> dict[str, Place]:
        """The tables of a topic, each with its first record's place, in the order in which they came."""
        return {relation: Place(topic, *where) for relation, where in self._known.get(topic, {}).items()}

    def are_several(self, topic: str) -> bool:
        """Whether a topic tells of more than one table, whatever is in its keys."""
        return len(self._known.get(topic, {}).keys() | self._sharded.get(topic, set())) > 1

    def collide(self, topic: str) -> bool:
        """Whether rows of two tables have the same key, in a topic whose records' keys tell their tables."""
        return self._collide.get(topic, False)

    def forget(self, topic: str) -> None:
        """Drop what is known of a topic."""
        self._known.pop(topic, None)
        self._collide.pop(topic, None)
        self._sharded.pop(topic, None)
        for name in ("relations", "sharded"):
            self._db.execute(f"DELETE FROM {name} WHERE topic = ?", [topic])
