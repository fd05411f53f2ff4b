"""All partitions of some topics, read from offsets that the caller keeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

import kafka.errors as kafka_errors
from kafka.structs import TopicPartition

from auditor.feeds.gap import partition_text, retention_gap
from auditor.feeds.kafka.consumer import beginning_of, end_of, open_consumer, partitions_of
from auditor.feeds.kafka.failure import failures_told
from auditor.feeds.kafka.limits import PROBE_SECONDS, REQUEST_SECONDS, SILENCE_SECONDS
from auditor.feeds.record import Record
from contracts.errors import PausedFeedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.ports import Partition


class KafkaSource:
    """All partitions of some topics, alone: no group is joined, and nobody else is kept from reading.

    Reading begins at each partition's first offset until `seek` says otherwise.  Partitions that are added to a topic
    later are not read.

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
        """All partitions of the topics, ordered."""
        return self._partitions

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
        return found

    def close(self) -> None:
        """Let go of the connection; nothing is committed."""
        self._consumer.close(autocommit=False)


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
        """
        if not found and partitions:
            silence = time.monotonic() - self._heard
            if silence < SILENCE_SECONDS:
                return
            try:
                end_of(consumer, self._broker, partitions[:1], PROBE_SECONDS)
            except PausedFeedError as error:
                raise PausedFeedError(f"{error.message}; silent for {silence:.0f} s", hint=error.hint) from error
        self._heard = time.monotonic()


def poll_once(consumer: Any, broker: Broker, seconds: float) -> list[Record]:
    """What comes within the time, in our form.

    Raises:
        RetentionGapError: The offset to read is no longer, or not yet, there.
    """
    with failures_told(broker, "reading"):
        try:
            polled = consumer.poll(timeout_ms=int(seconds * 1000))
        except kafka_errors.OffsetOutOfRangeError as error:
            raise _out_of_range(consumer, broker, error) from error
        except kafka_errors.LogTruncationError as error:
            raise _truncated(consumer, broker, error) from error
    return [
        Record(
            one.topic,
            one.partition,
            one.offset,
            one.timestamp,
            one.key,
            one.value,
            tuple(one.headers),
            one.leader_epoch,
        )
        for records in polled.values()
        for one in records
    ]


def position_of(consumer: Any, broker: Broker, partition: Partition) -> int:
    """The next offset that will be read."""
    with failures_told(broker, f"looking for our place in {partition_text(partition)}"):
        found = consumer.position(TopicPartition(*partition), timeout_ms=int(REQUEST_SECONDS * 1000))
    return int(found)  # every partition was sought, so it has one


def _out_of_range(consumer: Any, broker: Broker, error: Exception) -> Exception:
    ((place, wanted),) = error.args[0].items()
    return _gap(consumer, broker, (place.topic, place.partition), wanted)


def _truncated(consumer: Any, broker: Broker, error: Any) -> Exception:
    """A leader that lacks records which an earlier one had given us."""
    place = min(error.divergent_offsets)
    return _gap(consumer, broker, (place.topic, place.partition), position_of(consumer, broker, tuple(place)))


def _gap(consumer: Any, broker: Broker, partition: Partition, wanted: int) -> Exception:
    beginning = beginning_of(consumer, broker, [partition])[partition]
    end = end_of(consumer, broker, [partition])[partition]
    return retention_gap(str(broker), partition, wanted, beginning, end)
