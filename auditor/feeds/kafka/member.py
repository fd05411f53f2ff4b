"""A member of a consumer group: the partitions that the group gives us, read from offsets that the caller keeps.

kafka-python tells of a new assignment on a thread of its own, which must not wait for anything.  So there the
partitions are only held: paused, at an offset that means nothing.  The next `poll`, on the caller's thread, asks the
caller where each of them was left, seeks, and lets them go.  Until then nothing of them is read, whatever the broker
has stored.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Literal, Self

import kafka.errors as kafka_errors
from kafka import ConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata, TopicPartition

from auditor.feeds.kafka.consumer import beginning_of, end_of, open_consumer, partitions_of
from auditor.feeds.kafka.failure import failures_told
from auditor.feeds.kafka.joining import join_to_the_end
from auditor.feeds.kafka.limits import CLOSE_SECONDS, REQUEST_SECONDS, SILENCE_MEMBER_SECONDS, SLICE_SECONDS
from auditor.feeds.kafka.source import Contact, poll_once, position_of
from auditor.feeds.kafka.topic_ids import TopicIds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.ports import Partition
    from auditor.feeds.record import Record

_HELD_AT = 0
_NOT_OURS = (
    kafka_errors.CommitFailedError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.RebalanceInProgressError,
    kafka_errors.UnknownMemberIdError,
    kafka_errors.FencedInstanceIdError,
    kafka_errors.RetriableError,
)
"""Why a broker may refuse to note offsets without anything being wrong."""


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """The partitions that the group has given us, held until somebody knows where to begin.

    Its methods are called on kafka-python's own thread, those without `on_` on the caller's.

    Args:
        consumer: Whose assignment it is.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._lock = threading.Lock()
        self._reading: set[Partition] = set()
        self._held: set[Partition] = set()
        self._given = False

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Hold them all, those that we had before too: others may have read them meanwhile."""
        with self._lock:
            for place in assigned:
                self._consumer.seek(place, _HELD_AT)
                self._consumer.pause(place)
            self._given = True
            self._reading.difference_update(map(tuple, assigned))
            self._held.update(map(tuple, assigned))

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Forget them: what is ours is not known until the group has told it anew."""
        with self._lock:
            self._given = False
            self._reading.difference_update(map(tuple, revoked))
            self._held.difference_update(map(tuple, revoked))

    def reading(self) -> list[Partition]:
        """What is ours and being read, ordered."""
        with self._lock:
            return sorted(self._reading)

    def is_settled(self) -> bool:
        """Whether the group has told us what is ours, and all of it is being read."""
        with self._lock:
            return self._given and not self._held

    def held(self) -> list[Partition]:
        """What is ours and waits for its offset, ordered."""
        with self._lock:
            return sorted(self._held)

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset, if the partition is being read."""
        with self._lock:
            if partition in self._reading:
                self._consumer.seek(TopicPartition(*partition), offset)

    def begin(self, offsets: Mapping[Partition, int]) -> None:
        """Read partitions from these offsets, as far as they are still held."""
        with self._lock:
            for partition in self._held & offsets.keys():
                place = TopicPartition(*partition)
                self._consumer.seek(place, offsets[partition])
                self._consumer.resume(place)
                self._held.discard(partition)
                self._reading.add(partition)


class KafkaMember:
    """The partitions of some topics that a consumer group gives to this member.

    What was read of a partition must be stored, with its offset, before the next `poll`: within it, the partition may
    go to another member.  Whoever stores should do so only where the stored offset is still the one that was begun at,
    since a member that was away for too long is no member any more and does not know.

    Args:
        broker: The cluster.
        topics: What to read.
        group_id: The group.
        stored: Gives the next offset of each partition that was read before; asked for each new assignment.
        isolation_level: `read_committed` leaves out what transactions took back.
        bootstrap_from: Where a partition begins that nobody has read.
        silence: Seconds without a sign of life after which the group gives what is ours to others.
        name: Of this member for good: who comes back under it soon finds its partitions as they were.  None: without.

    Raises:
        FeedError: The broker cannot be reached, does not let us in, or lacks a topic.
    """

    def __init__(  # noqa: PLR0913 - what a member of a group has
        self,
        broker: Broker,
        topics: Iterable[str],
        *,
        group_id: str,
        stored: Callable[[Sequence[Partition]], Mapping[Partition, int]],
        isolation_level: str = "read_committed",
        bootstrap_from: Literal["earliest", "latest"] = "earliest",
        silence: float = SILENCE_MEMBER_SECONDS,
        name: str | None = None,
    ) -> None:
        self._broker = broker
        self._stored = stored
        self._bootstrap_from = bootstrap_from
        self._ends: dict[Partition, int] = {}
        self._joins_again = name is not None
        self._consumer = open_consumer(broker, isolation_level, group_id, name, silence)
        try:
            names = sorted(set(topics))
            self._shared = partitions_of(self._consumer, broker, names)
            self._topics = TopicIds(self._consumer, broker, self._shared)
            self._assignment = Assignment(self._consumer)
            join_to_the_end(self._consumer._coordinator)  # noqa: SLF001  it offers no other way
            self._consumer.subscribe(names, listener=self._assignment)
        except BaseException:
            self.close()
            raise
        self._contact = Contact(broker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def partitions(self) -> Sequence[Partition]:
        """What is ours now, ordered; empty until a `poll` has joined the group."""
        return self._assignment.reading()

    def shared(self) -> Sequence[Partition]:
        """All partitions of the topics, whoever has them, ordered; more may have come."""
        self._shared = sorted({*self._shared, *self._topics.partitions()})
        return self._shared

    def topic_id(self, topic: str) -> str | None:
        """See `auditor.feeds.ports.Identified`."""
        return self._topics.of(topic)

    def is_settled(self) -> bool:
        """See `auditor.feeds.ports.SharedSource`."""
        return self._assignment.is_settled()

    def beginning(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The first offset that is still there, of each."""
        return beginning_of(self._consumer, self._broker, partitions)

    def end(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last that is committed and visible, of each."""
        return end_of(self._consumer, self._broker, partitions)

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset; nothing happens to a partition that is ours no more."""
        self._assignment.seek(partition, offset)

    def position(self, partition: Partition) -> int:
        """The next offset that will be read, of a partition that is ours."""
        return position_of(self._consumer, self._broker, partition)

    def poll(self, seconds: float) -> Sequence[Record]:
        """The next records, as many as came within the time; perhaps none.  It may change what is ours.

        Raises:
            RemadeTopicError: A topic is another one than it was when reading began.
            RetentionGapError: The offset to read is no longer, or not yet, there.
            PausedFeedError: The broker does not answer any more; a later poll may succeed.
        """
        end = time.monotonic() + seconds
        while True:
            found = self._poll_slice(min(max(end - time.monotonic(), 0), SLICE_SECONDS))
            if found or time.monotonic() >= end:
                self._contact.after(found, self._consumer, self._shared)
                return found

    def tell(self, offsets: Mapping[Partition, int]) -> bool:
        """Note offsets at the broker, for tools that show how far a group is.  We never read on from them.

        Returns:
            Whether the broker took them: not from a member whose group is being shared out anew.
        """
        told = {TopicPartition(*partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        with failures_told(self._broker, "noting offsets"):
            try:
                self._consumer.commit(told, timeout_ms=int(REQUEST_SECONDS * 1000))
            except _NOT_OURS:
                return False
        return True

    def close(self) -> None:
        """Let go; nothing is committed.  A member with a name stays one until it has not been heard of for a while."""
        self._consumer.close(autocommit=False, timeout_ms=int(CLOSE_SECONDS * 1000))

    def _poll_slice(self, seconds: float) -> Sequence[Record]:
        self._topics.require_same()
        found = poll_once(self._consumer, self._broker, seconds)
        held = self._assignment.held()
        ours = set(self._assignment.reading())  # without those that were taken from us, or given anew, meanwhile
        if held:
            self._assignment.begin(self._starts(held))
        elif self._joins_again and self._assignment.is_settled():
            self._join_again()
        return found.within(ours)

    def _join_again(self) -> None:
        """Have the group share its topics out anew if we are its leader: it alone sees when partitions are added.

        A broker gives a member that comes back under its name what it had, without a word of its being the leader
        (KIP-814 has the words; the client does not know them), and without those partitions that came meanwhile.  For
        one that is not the leader, joining again changes nothing.
        """
        self._joins_again = False
        coordinator = self._consumer._coordinator  # noqa: SLF001  it offers no other way
        if not coordinator._is_leader:  # noqa: SLF001
            coordinator.request_rejoin()

    def _starts(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Where each partition begins: where it was left, else where the settings say.

        Where that is its end, it is the one of when it was given to us first: what came since is to be read.
        """
        known = self._stored(partitions)
        fresh = [partition for partition in partitions if partition not in known]
        if self._bootstrap_from == "earliest":
            return {**(self.beginning(fresh) if fresh else {}), **known}
        if unseen := [partition for partition in fresh if partition not in self._ends]:
            self._ends |= self.end(unseen)
        return {**{partition: self._ends[partition] for partition in fresh}, **known}
