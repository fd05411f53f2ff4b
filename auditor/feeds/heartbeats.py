"""Heartbeats: by what a connector that has nothing to tell shows that it lives.

Debezium writes them to a topic of their own, `__debezium-heartbeat.` and the prefix of the connector's topics.  A
heartbeat has the time of the connector's clock, and no position: it proves that the connector lived, not how far it
had come in its database's log.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from auditor.feeds.decoded import Aside, AsideKind
from auditor.feeds.decoding import decoder_of
from auditor.feeds.opening import open_feed
from auditor.feeds.tail import last_records
from auditor.settings import KafkaFeed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from auditor.settings import Settings

PREFIX = "__debezium-heartbeat."


def heartbeat_topics(settings: Settings, feed: str, topics: Iterable[str]) -> list[str]:
    """The topics with the heartbeats of the connectors that write these topics, as far as there are such.

    Raises:
        FeedError: The feed cannot be reached.
    """
    wanted = {f"{PREFIX}{prefix}" for topic in topics for prefix in _prefixes(topic)}
    return sorted(wanted & set(_there(settings, feed)))


def last_heartbeat(settings: Settings, feed: str, topics: Sequence[str]) -> datetime | None:
    """The latest heartbeat in some topics of heartbeats; None where there is none.

    Raises:
        FeedError: They cannot be read.
    """
    if not topics:
        return None
    with closing(open_feed(settings, feed, topics)) as source:
        records = list(last_records(source, source.partitions()).values())
    decoder = decoder_of(feed, settings.feed(feed), settings.workspace.directory)
    beats = [
        one.happened_at
        for one in decoder.decode(records)
        if isinstance(one, Aside) and one.kind is AsideKind.HEARTBEAT and one.happened_at is not None
    ]
    return max(beats, default=None)


def _prefixes(topic: str) -> Iterator[str]:
    """What a connector's topics may begin with: a topic is named `prefix.schema.table`, and a prefix may have dots."""
    parts = topic.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])


def _there(settings: Settings, name: str) -> Iterable[str]:
    feed = settings.feed(name)
    if isinstance(feed, KafkaFeed):
        from auditor.feeds.kafka.broker import Broker
        from auditor.feeds.kafka.topics import every_topic_name

        return every_topic_name(Broker.of(name, feed))
    from auditor.feeds.recorded import RecordedSource

    with closing(RecordedSource(name, feed.path)) as source:
        return {topic for topic, _ in source.partitions()}
