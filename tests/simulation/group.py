"""A consumer group: who reads which partitions, shared out anew at any moment, and members who learn of it later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.topic import SimulatedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from random import Random

    from auditor.feeds.ports import Partition
    from auditor.feeds.record import Record
    from tests.simulation.topic import Topic

HEARD_SHARE = 0.6
"""Of the polls after the group was shared out anew: in these a member hears of it."""


@dataclass
class Group:
    """The coordinator.

    Attributes:
        topic: What is shared.
        chance: Draws who gets what.
        names: Of the members that it knows, dead ones that it has not missed yet among them.
        generation: How often it was shared out.
        shares: The partitions of each member, now.
        noted: How far the group says to have read.
    """

    topic: Topic
    chance: Random
    names: Sequence[str]
    generation: int = 0
    shares: dict[str, set[int]] = field(default_factory=dict)
    noted: dict[Partition, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.share_out()

    def share_out(self) -> None:
        """Give each partition to some member."""
        self.generation += 1
        self.shares = {name: set() for name in self.names}
        for part in range(self.topic.partitions if self.names else 0):
            self.shares[self.chance.choice(self.names)].add(part)

    def join(self, name: str) -> None:
        """A member comes back."""
        self.names = [*(one for one in self.names if one != name), name]
        self.share_out()

    def miss(self, name: str) -> None:
        """A member has not been heard of for too long: the others get what it had."""
        self.names = [one for one in self.names if one != name]
        self.share_out()


class SharedSimulatedSource(SimulatedSource):
    """A member's: see `auditor.feeds.ports.SharedSource`.

    Args:
        group: The group.
        name: The member's.
        starts: Tells where each partition begins.
        chance: Draws what comes, and when it is heard that the group was shared out anew.
    """

    def __init__(
        self, group: Group, name: str, starts: Callable[[Sequence[Partition]], Mapping[Partition, int]], chance: Random
    ) -> None:
        super().__init__(group.topic, chance)
        self._group, self._name, self._starts = group, name, starts
        self._heard = 0
        self._given = False
        self._positions = {}

    def shared(self) -> Sequence[Partition]:
        """See `auditor.feeds.ports.SharedSource`."""
        return [(self.topic.name, part) for part in range(self.topic.partitions)]

    def is_settled(self) -> bool:
        """See `auditor.feeds.ports.SharedSource`."""
        return self._given

    def tell(self, offsets: Mapping[Partition, int]) -> bool:
        """See `auditor.feeds.ports.SharedSource`: only of the present generation."""
        if not self._given or self._heard != self._group.generation:
            return False
        self._group.noted |= offsets
        return True

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from there, if it is ours."""
        if partition[1] in self._positions:
            super().seek(partition, offset)

    def poll(self, seconds: float) -> Sequence[Record]:
        """Some records of what is ours; what is ours may change."""
        if not self._given:
            self._begin(self._group.shares[self._name])
            return []
        if self._heard != self._group.generation and self._chance.random() < HEARD_SHARE:
            self._given, self._positions = False, {}
            self.topic.happened["partitions shared out anew"] += 1
            return []
        return super().poll(seconds) if self._positions else []

    def _begin(self, mine: Collection[int]) -> None:
        starts = self._starts([(self.topic.name, part) for part in sorted(mine)])
        self._positions = {part: offset for (_, part), offset in starts.items()}
        self._heard, self._given = self._group.generation, True
