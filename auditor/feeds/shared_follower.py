"""Follows those partitions of a feed that a consumer group gives to this member, and keeps what it has of the others.

Each member has a state of its own.  Of a partition that is taken from it, what it has kept stays where it is, and is
neither read nor judged any more; if the partition comes back, it is read on from there.  A partition that it never had
is read from its first record.  So whoever has a partition knows all of it, and whatever is owed by it is owed in the
state of the member that has it: nothing is handed from one to the other, and nothing can be lost on the way.
See docs/design/0036-members-share-partitions.md.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from auditor.feeds.follower import Follower
from contracts.errors import PausedFeedError
from reconcilers.streams.state import Offset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from auditor.clock import Clock
    from auditor.feeds.ports import Partition, RecordDecoder, RecordSource, SharedSource
    from reconcilers.streams.state import FeedState

JOIN_SECONDS = 330.0
"""For a group to take us in: its coordinator waits for five minutes for the members that are to come back to it."""

JOIN_STEP_SECONDS = 0.5


class SharedFollower(Follower):
    """A member's follower; see the module's docstring.

    Args:
        feed: The feed's name in the settings.
        join: Makes the source; it is given what tells where a partition begins.
        alone: Opens all partitions of a topic for ourselves, to look at a record that was read before.
        noted: How far the group says that it has read.
        decoder: What records mean.
        state: This member's; see `Follower`.
        clock: Tells when records were read.
        say: Told one sentence for people when what is ours has changed.
        from_end: See `Follower`; where others of the group have read on from there, it is where they have come to.
    """

    def __init__(  # noqa: PLR0913 - a follower, and three ways to the broker
        self,
        feed: str,
        *,
        join: Callable[[Callable[[Sequence[Partition]], Mapping[Partition, int]]], SharedSource],
        alone: Callable[[str], RecordSource],
        noted: Callable[[], Mapping[Partition, int]],
        decoder: RecordDecoder,
        state: FeedState,
        clock: Clock | None = None,
        say: Callable[[str], None] = lambda _text: None,
        from_end: bool = False,
    ) -> None:
        self._say = say
        self._ours: set[Partition] | None = None
        self._alone = alone
        self._noted = noted
        self._member = join(self._starts)
        self._told: dict[Partition, int] = {}
        super().__init__(feed, self._member, decoder, state, clock, from_end=from_end)
        state.obligations.share({})

    def begin(self, check: Callable[[], None] = lambda: None) -> None:
        """Wait until the group has taken us in, and go to where each of our partitions was left.

        Raises:
            FeedError: The feed cannot be read, or the group does not take us in.
        """
        end = time.monotonic() + JOIN_SECONDS
        while not self._member.is_settled():
            check()
            self.step(JOIN_STEP_SECONDS)
            if time.monotonic() > end:
                raise PausedFeedError(
                    f"joining the group of the feed {self.feed}: it has not taken us in within {JOIN_SECONDS:g} s",
                    hint="see whether another member of the group is stuck",
                )

    def catch_up(self, check: Callable[[], None]) -> Mapping[Partition, int]:
        """See `Follower.catch_up`; the group is heard where nothing is new, too: others may wait for us."""
        self.step(0)
        self.begin(check)
        return super().catch_up(check)

    def begin_new(self) -> None:
        """See `Follower.begin_new`; the group gives us what is ours."""

    def _is_behind(self, ends: Mapping[Partition, int], check: Callable[[], None]) -> bool:
        """See `Follower._is_behind`; of a partition that was taken from us meanwhile, there is no place to ask for."""
        self.begin(check)
        return super()._is_behind(ends, check)

    def step(self, seconds: float) -> int:
        """See `Follower.step`; what is ours may be something else afterwards."""
        try:
            return super().step(seconds)
        finally:
            self._take_stock()

    def shared(self) -> Sequence[Partition]:
        """See `Follower.shared`."""
        return self._member.shared()

    def hold(self) -> bool:
        """Ask the group whether what we have is still ours, and note how far we are for whoever watches."""
        self._take_stock()
        if not self._member.is_settled():
            return False
        moved = {one: offset.following for one, offset in self._offsets.items()}
        if not moved:
            return True
        return self._member.tell(moved)

    def note(self) -> None:
        """Note how far we are for whoever watches, where that has changed."""
        moved = {one: offset.following for one, offset in self._offsets.items()}
        if moved != self._told and self._member.is_settled() and self._member.tell(moved):
            self._told = moved

    def _take_stock(self) -> None:
        """See what is ours after a poll."""
        if not self._member.is_settled():
            return
        ours = set(self._member.partitions())
        if ours != self._ours:
            self._ours = ours
            told = ", ".join(f"{topic}/{part}" for topic, part in sorted(ours)) or "nothing"
            self._say(f"of the feed {self.feed}, the group gives us {told}")
        lost = self._offsets.keys() - ours
        for partition in lost:
            del self._offsets[partition]
        self.losses += bool(lost)
        share: dict[str, set[int]] = {}
        for topic, part in ours:
            share.setdefault(topic, set()).add(part)
        self.state.obligations.share(share)

    def _starts(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Where partitions are read on that were just given to us."""
        first, end = self._member.beginning(partitions), self._member.end(partitions)
        stored = self.state.offsets()
        self._identify({topic for topic, _ in partitions}, stored)
        late = self._begun_at_end({topic for topic, _ in partitions} - {topic for topic, _ in stored})
        noted = self._noted() if late else {}
        for partition in partitions:
            offset = stored.get(partition)
            if offset is not None and partition not in self._offsets:
                offset = self._left(partition, offset, first[partition], end[partition])
            if offset is None:
                start = first[partition]
                if partition[0] in late:
                    start = min(max(noted.get(partition, end[partition]), start), end[partition])
                offset = Offset(start, start)
                self.state.begin({partition: offset})
            self._offsets[partition] = offset
        return {partition: self._offsets[partition].following for partition in partitions}

    def _left(self, partition: Partition, offset: Offset, first: int, end: int) -> Offset | None:
        """Where a partition was left; None where what is kept of it is too old to go on from."""
        if offset.following < first <= self._noted().get(partition, 0):
            self.state.forget_partition(*partition)  # another member has read what we have not
            return None
        source = self._alone(partition[0])
        try:
            return self._still_there(partition, offset, (first, end), source)
        finally:
            source.close()
