"""A topic: partitions that keep order, a broker that forgets, and a network that brings what it likes first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from auditor.feeds.bulk.columns import columns_of
from auditor.feeds.gap import retention_gap
from auditor.feeds.polled import Polled
from auditor.feeds.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from auditor.feeds.ports import Partition

BATCH_MAX = 16
"""Records that one poll brings at most: few, so that a course has many of them."""


@dataclass
class Topic:
    """Its partitions; an offset without a record is a control record's.

    Attributes:
        name: Its name.
        first: The first offset that each partition still has.
    """

    name: str
    partitions: int
    logs: list[list[Record | None]] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.logs = [[] for _ in range(self.partitions)]
        self.first = [0] * self.partitions

    def append(
        self,
        part: int,
        stamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[tuple[str, bytes | None], ...] = (),
    ) -> None:
        """A record at a partition's end."""
        log = self.logs[part]
        log.append(Record(self.name, part, len(log), stamp, key, value, headers))

    def mark(self, part: int) -> None:
        """The end of a producer's transaction: it takes an offset."""
        self.logs[part].append(None)

    def cut(self, part: int, keep: int) -> None:
        """Remove what is old, all but the last records."""
        self.first[part] = max(self.first[part], len(self.logs[part]) - keep)


class SimulatedSource:
    """Reads a topic as `auditor.feeds.ports.RecordSource` says: what comes first among partitions is chance.

    Args:
        topic: The topic.
        chance: Draws how much comes, and of what.
        at_once: Records without headers come side by side, as they do from a broker.
    """

    def __init__(self, topic: Topic, chance: Random, *, at_once: bool = False) -> None:
        self.topic = topic
        self._at_once = at_once
        self._chance = chance
        self._positions: dict[int, int] = dict(enumerate(topic.first))
        self.closed = False

    def partitions(self) -> Sequence[Partition]:
        """All of them."""
        return [(self.topic.name, part) for part in self._positions]

    def beginning(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The first offset that is there."""
        return {one: self.topic.first[one[1]] for one in partitions}

    def end(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last."""
        return {one: len(self.topic.logs[one[1]]) for one in partitions}

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from there."""
        self._positions[partition[1]] = offset

    def position(self, partition: Partition) -> int:
        """The next offset."""
        return self._positions[partition[1]]

    def poll(self, seconds: float) -> Sequence[Record]:
        """Some records of some partitions; of each in order."""
        del seconds
        found: list[Record] = []
        parts = list(self._positions)
        self._chance.shuffle(parts)
        for part in parts[: self._chance.randint(1, len(parts))]:
            self._check(part)
            start = self._positions[part]
            taken = self.topic.logs[part][start : start + self._chance.randint(1, BATCH_MAX)]
            self._positions[part] = start + len(taken)
            found += [record for record in taken if record is not None]
        stamps = [record.timestamp for record in found]
        self.topic.happened["partitions in another order"] += stamps != sorted(stamps)
        if self._at_once and found and not any(record.headers for record in found):
            return Polled({self.topic.name: columns_of(found)})
        return found

    def _check(self, part: int) -> None:
        first, end, at = self.topic.first[part], len(self.topic.logs[part]), self._positions[part]
        if not first <= at <= end:
            self.topic.happened["records removed unread"] += 1
            raise retention_gap("the simulated broker", (self.topic.name, part), at, first, end)

    def close(self) -> None:
        """Nothing is committed."""
        self.closed = True
