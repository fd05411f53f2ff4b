"""Opens a feed of the settings, whatever kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.settings import KafkaFeed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.feeds.ports import RecordSource
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
