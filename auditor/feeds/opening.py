"""Opens a feed of the settings, whatever kind it is: all of it for ourselves, or our share of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.settings import KafkaFeed
from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from auditor.feeds.ports import Partition, RecordSource, SharedSource
    from auditor.settings import Settings


def open_feed(settings: Settings, name: str, topics: Iterable[str]) -> RecordSource:
    """The records of some topics, all partitions, from their first offsets on until somebody seeks.

    Args:
        settings: The settings.
        name: Of the feed.
        topics: What to read.

    Raises:
        UsageError: There is no such feed.
        SettingsError: Its settings contradict themselves, or a certificate cannot be read.
        FeedError: It cannot be reached, does not let us in, or lacks a topic.
    """
    feed = settings.feed(name)
    if not isinstance(feed, KafkaFeed):
        from auditor.feeds.recorded import RecordedSource

        return RecordedSource(name, feed.path, topics)
    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.kafka.source import KafkaSource

    return KafkaSource(Broker.of(name, feed), topics, isolation_level=feed.isolation_level)


def begins_at_end(settings: Settings, name: str) -> bool:
    """Whether a topic of a feed of which nothing was read yet is begun at its end; a recorded one is read whole."""
    feed = settings.feed(name)
    return isinstance(feed, KafkaFeed) and feed.bootstrap_from == "latest"


def join_feed(
    settings: Settings,
    name: str,
    topics: Iterable[str],
    stored: Callable[[Sequence[Partition]], Mapping[Partition, int]],
    member: str | None = None,
) -> SharedSource:
    """The records of those partitions that are ours among all who follow the feed as one group.

    Args:
        settings: The settings.
        name: Of the feed.
        topics: What to read.
        stored: Gives the next offset of each partition that was read before; the others begin where the settings say.
        member: The name of this member for good, or None.

    Raises:
        UsageError: There is no such feed, or it is recorded.
        SettingsError: Its settings contradict themselves, or a certificate cannot be read.
        FeedError: It cannot be reached, does not let us in, or lacks a topic.
    """
    feed = settings.feed(name)
    if not isinstance(feed, KafkaFeed):
        raise UsageError(
            f"sharing the feed {name}: it is recorded, and has no group", hint="let one process alone read it"
        )
    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.kafka.member import KafkaMember

    return KafkaMember(
        Broker.of(name, feed),
        topics,
        group_id=feed.group_id,
        stored=stored,
        isolation_level=feed.isolation_level,
        bootstrap_from=feed.bootstrap_from,
        silence=feed.member_silence.total_seconds(),
        name=member,
    )
