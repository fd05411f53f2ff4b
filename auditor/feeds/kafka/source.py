"""All partitions of some topics, read from offsets that the caller keeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

import kafka.errors as kafka_errors
from kafka.structs import TopicPartition

from auditor.feeds.gap import partition_text, retention_gap
from auditor.feeds.kafka.chunks import records_of
from auditor.feeds.kafka.consumer import beginning_of, end_of, open_consumer, partitions_of
from auditor.feeds.kafka.failure import failures_told
from auditor.feeds.kafka.limits import (
    CHUNKS_MAX,
    CHUNKS_MIN,
    CLOSE_SECONDS,
    POLL_MAX_RECORDS,
    PROBE_SECONDS,
    REQUEST_SECONDS,
    SILENCE_SECONDS,
)
from auditor.feeds.kafka.topic_ids import TopicIds
from auditor.feeds.kafka.topics import topic_names
from auditor.feeds.polled import Polled
from contracts.errors import FeedError, PausedFeedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.ports import Partition
    from auditor.feeds.record import Record


class KafkaSource:
    """All partitions of some topics, alone: no group is joined, and nobody else is kept from reading.

    Reading begins at each partition's first offset until `seek` says otherwise; so it does in partitions that are added
    to a topic later, once somebody asks which there are.

    Args:
        broker: The cluster.
        topics: What to read.
        isolation_level: `read_committed` leaves out what transactions took back.

    Raises:
        FeedError: The broker cannot be reached, does not let us in, or lacks a topic.
    """

    def __init__(self, broker: Broker, topics: Iterable[str], *, isolation_level: str = "read_committed") -> None:
        self._broker = broker
        self._consumer = open_consumer(broker, isolation_level)
        try:
            self._partitions = partitions_of(self._consumer, broker, topics)
            self._topics = TopicIds(self._consumer, broker, self._partitions)
            self._consumer.assign([TopicPartition(*partition) for partition in self._partitions])
            for partition, offset in self.beginning(self._partitions).items():
                self.seek(partition, offset)
        except BaseException:
            self.close()
            raise
        self._contact = Contact(broker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def partitions(self) -> Sequence[Partition]:
        """All partitions of the topics, ordered; more may have come (see `PARTITIONS_SECONDS`)."""
        self._take_new()
        return self._partitions

    def topic_id(self, topic: str) -> str | None:
        """See `auditor.feeds.ports.Identified`."""
        return self._topics.of(topic)

    def _take_new(self) -> None:
        """See `partitions`.

        Raises:
            RemadeTopicError: A topic is another one than it was when reading began.
        """
        self._topics.require_same()
        if fresh := sorted(set(self._topics.partitions()).difference(self._partitions)):
            self._partitions = sorted([*self._partitions, *fresh])
            self._consumer.assign([TopicPartition(*partition) for partition in self._partitions])
            for partition, offset in self.beginning(fresh).items():
                self.seek(partition, offset)

    def beginning(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The first offset that is still there, of each."""
        return beginning_of(self._consumer, self._broker, partitions)

    def end(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last that is committed and visible, of each."""
        return end_of(self._consumer, self._broker, partitions)

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset."""
        self._consumer.seek(TopicPartition(*partition), offset)

    def position(self, partition: Partition) -> int:
        """The next offset that will be read; it passes transaction markers and what was taken back."""
        return position_of(self._consumer, self._broker, partition)

    def poll(self, seconds: float) -> Sequence[Record]:
        """The next records, as many as came within the time; perhaps none.

        Raises:
            RetentionGapError: The offset to read is no longer, or not yet, there.
            PausedFeedError: The broker does not answer any more; a later poll may succeed.
        """
        found = poll_once(self._consumer, self._broker, seconds)
        self._contact.after(found, self._consumer, self._partitions)
        return found or []

    def close(self) -> None:
        """Let go of the connection; nothing is committed."""
        self._consumer.close(autocommit=False, timeout_ms=int(CLOSE_SECONDS * 1000))


class Contact:
    """Notices that a broker has fallen silent, which looks like a topic where nothing is new.

    Args:
        broker: The cluster.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._heard = time.monotonic()

    def after(self, found: Sequence[Record], consumer: Any, partitions: Sequence[Partition]) -> None:
        """Note what a poll brought; after a long silence, ask.

        Raises:
            PausedFeedError: There is no answer.
            FeedError: A topic is gone.
        """
        if not found and partitions:
            silence = time.monotonic() - self._heard
            if silence < SILENCE_SECONDS:
                return
            try:
                end_of(consumer, self._broker, partitions, PROBE_SECONDS)
            except PausedFeedError as error:
                self._require_topics(partitions)
                raise PausedFeedError(f"{error.message}; silent for {silence:.0f} s", hint=error.hint) from error
        self._heard = time.monotonic()

    def _require_topics(self, partitions: Sequence[Partition]) -> None:
        """Make sure that it is not a topic that is silent; a client waits for ever for one that was deleted."""
        try:
            there = topic_names(self._broker)
        except FeedError:
            return  # the broker it is
        for topic in sorted({topic for topic, _ in partitions}):
            if topic not in there:
                raise FeedError(
                    f"reading {self._broker}: the topic {topic} is gone, or we may not see it any more",
                    hint="if it was made anew, read its datasets anew; its offsets mean nothing any more",
                )


def poll_once(consumer: Any, broker: Broker, seconds: float) -> Polled:
    """What comes within the time, and what is there already behind it, in our form.

    Raises:
        RetentionGapError: The offset to read is no longer, or not yet, there.
    """
    chunks: list[Any] = []
    left, largest, wait = POLL_MAX_RECORDS, 0, seconds
    with failures_told(broker, "reading"):
        while left > 0:
            wanted = min(CHUNKS_MAX, max(1, left // largest)) if largest else CHUNKS_MIN
            try:
                polled = consumer.poll(timeout_ms=int(wait * 1000), max_records=wanted)
            except kafka_errors.KafkaError as error:
                if chunks:
                    break  # they are ours, and the error comes again
                raise _explained(consumer, broker, error) from error
            if not polled:
                break
            for several in polled.values():
                chunks += several
                left -= sum(map(len, several))
                largest = max(largest, *map(len, several))
            wait = 0
        return Polled(records_of(chunks))


def _explained(consumer: Any, broker: Broker, error: Exception) -> Exception:
    """What an error of the client means, where it is about offsets; else the error itself."""
    if isinstance(error, kafka_errors.OffsetOutOfRangeError):
        ((place, wanted),) = error.args[0].items()
        return _gap(consumer, broker, (place.topic, place.partition), wanted)
    if isinstance(error, kafka_errors.LogTruncationError):  # a new leader lacks what an earlier one had given us
        place = min(error.divergent_offsets)
        partition = (place.topic, place.partition)
        return _gap(consumer, broker, partition, position_of(consumer, broker, partition))
    return error


def position_of(consumer: Any, broker: Broker, partition: Partition) -> int:
    """The next offset that will be read."""
    with failures_told(broker, f"looking for our place in {partition_text(partition)}"):
        found = consumer.position(TopicPartition(*partition), timeout_ms=int(REQUEST_SECONDS * 1000))
    return int(found)  # every partition was sought, so it has one


def _gap(consumer: Any, broker: Broker, partition: Partition, wanted: int) -> Exception:
    beginning = beginning_of(consumer, broker, [partition])[partition]
    end = end_of(consumer, broker, [partition])[partition]
    return retention_gap(str(broker), partition, wanted, beginning, end)
