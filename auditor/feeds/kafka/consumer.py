"""A consumer of kafka-python that moves no offset by itself, and whatever it is asked without reading."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import kafka
import kafka.errors as kafka_errors
from kafka.structs import TopicPartition

from auditor.feeds.kafka.chunks import hand_over_chunks
from auditor.feeds.kafka.failure import failures_told, unreachable
from auditor.feeds.kafka.history import client_history
from auditor.feeds.kafka.knock import knock
from auditor.feeds.kafka.limits import (
    FETCH_MAX_BYTES,
    FETCH_WAIT_SECONDS,
    HEARTBEAT_SECONDS,
    METADATA_PAUSE_SECONDS,
    PARTITION_FETCH_MAX_BYTES,
    PARTITIONS_SECONDS,
    REQUEST_SECONDS,
    SILENCE_MEMBER_SECONDS,
)
from auditor.feeds.kafka.receiving import receive_well
from auditor.readers.suggestion import did_you_mean
from contracts.errors import UnknownTopicError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.ports import Partition

INTERNAL = "__"
"""Topics of the brokers' own begin so; nobody means one of them."""


def open_consumer(
    broker: Broker,
    isolation_level: str,
    group_id: str | None = None,
    member: str | None = None,
    silence: float = SILENCE_MEMBER_SECONDS,
) -> Any:
    """A consumer that is connected and reads nothing yet; its `poll` brings chunks (`auditor.feeds.kafka.chunks`).

    Args:
        broker: The cluster.
        isolation_level: `read_committed` leaves out what transactions took back.
        group_id: The group to join, or None.
        member: Our name in it for good, or None.
        silence: Seconds without a sign of life after which the group gives what is ours to others.

    Raises:
        FeedError: No broker can be reached, or none lets us in.
    """
    consumer = open_client(
        kafka.KafkaConsumer,
        broker,
        group_id=group_id,
        group_instance_id=member,
        heartbeat_interval_ms=int(HEARTBEAT_SECONDS * 1000),
        session_timeout_ms=int(silence * 1000),
        isolation_level=isolation_level,
        enable_auto_commit=False,
        auto_offset_reset="none",
        allow_auto_create_topics=False,
        fetch_max_bytes=FETCH_MAX_BYTES,
        max_partition_fetch_bytes=PARTITION_FETCH_MAX_BYTES,
        fetch_max_wait_ms=int(FETCH_WAIT_SECONDS * 1000),
        metadata_max_age_ms=int(PARTITIONS_SECONDS * 1000),
        metrics_enabled=False,
    )
    hand_over_chunks(consumer)
    return consumer


def open_client(make: Callable[..., Any], broker: Broker, **options: Any) -> Any:
    """A client of any kind.

    Raises:
        FeedError: No broker can be reached, or none lets us in.
    """
    doing = "connecting"
    history = client_history()
    history.forget()
    knock(broker)
    receive_well()
    with failures_told(broker, doing):
        try:
            return make(**broker.options(), **options)
        except kafka_errors.KafkaTimeoutError as error:
            raise unreachable(broker, doing) from error


def partitions_of(consumer: Any, broker: Broker, topics: Iterable[str]) -> list[Partition]:
    """Every partition of some topics, ordered.

    Raises:
        UnknownTopicError: A topic is not there, or we may not see it.
        FeedError: The broker does not tell.
    """
    wanted = sorted(set(topics))
    with failures_told(broker, f"looking for {', '.join(wanted)}"), _asked_soon(consumer._cluster.config):  # noqa: SLF001
        there = consumer.topics()
        for topic in wanted:
            if topic not in there:
                raise _unknown(topic, broker, there)
        return sorted((topic, number) for topic in wanted for number in consumer.partitions_for_topic(topic))


@contextmanager
def _asked_soon(config: dict[str, Any]) -> Iterator[None]:
    """See METADATA_PAUSE_SECONDS; what the client asks by itself later may wait as it does."""
    before = config["retry_backoff_ms"]
    config["retry_backoff_ms"] = METADATA_PAUSE_SECONDS * 1000
    try:
        yield
    finally:
        config["retry_backoff_ms"] = before


def _unknown(topic: str, broker: Broker, there: Iterable[str]) -> UnknownTopicError:
    close = did_you_mean(topic, (name for name in there if not name.startswith(INTERNAL)))
    return UnknownTopicError(
        f"reading {topic}: {broker} has no such topic, or we may not see it{f'; {close}' if close else ''}",
        topic=topic,
        hint="name a topic that is there, or allow us DESCRIBE and READ on it",
    )


def beginning_of(consumer: Any, broker: Broker, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """The first offset that is still there, of each."""
    with failures_told(broker, "looking for the first offsets"):
        return _ours(consumer.beginning_offsets(_theirs(partitions), timeout_ms=int(REQUEST_SECONDS * 1000)))


def end_of(
    consumer: Any, broker: Broker, partitions: Sequence[Partition], seconds: float = REQUEST_SECONDS
) -> dict[Partition, int]:
    """The offset after the last that our isolation level may see, of each."""
    with failures_told(broker, "looking for the end offsets"):
        return _ours(consumer.end_offsets(_theirs(partitions), timeout_ms=int(seconds * 1000)))


def _theirs(partitions: Sequence[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*partition) for partition in partitions]


def _ours(offsets: Mapping[TopicPartition, int]) -> dict[Partition, int]:
    return {(partition.topic, partition.partition): offset for partition, offset in offsets.items()}
