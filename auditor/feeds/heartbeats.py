"""Heartbeats: by what a connector that has nothing to tell shows that it lives.

Debezium writes them to a topic of their own, `__debezium-heartbeat.` and the prefix of the connector's topics.  A
heartbeat has the time of the connector's clock, and no position: it proves that the connector lived, not how far it
had come in its database's log.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from auditor.feeds.decoded import Aside, AsideKind
from auditor.feeds.decoding import decoder_of
from auditor.feeds.opening import open_feed
from auditor.feeds.tail import last_records
from auditor.settings import KafkaFeed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from auditor.feeds.decoded import Decoded
    from auditor.feeds.ports import RecordSource
    from auditor.settings import Settings

PREFIX = "__debezium-heartbeat."

LOOK_FOR_SECONDS = 60.0
"""Until it is looked again whether there are heartbeats, where there were none."""


def last_heartbeats(settings: Settings, feed: str, topics: Iterable[str]) -> dict[str, datetime]:
    """By topic, the latest heartbeat of the connector that writes it; without those of which there is none.

    Raises:
        FeedError: The feed cannot be reached, or not read.
    """
    connectors = {topic: {f"{PREFIX}{prefix}" for prefix in prefixes(topic)} for topic in topics}
    there = set().union(*connectors.values()) & set(_there(settings, feed))
    if not there:
        return {}
    with closing(open_feed(settings, feed, sorted(there))) as source:
        records = last_records(source, source.partitions())
    decoder = decoder_of(feed, settings.feed(feed), settings.workspace.directory)
    told = zip(records, map(_beat, decoder.decode(list(records.values()))), strict=True)
    beats = [(name, beat) for (name, _), beat in told if beat is not None]
    latest = {topic: [beat for name, beat in beats if name in names] for topic, names in connectors.items()}
    return {topic: max(found) for topic, found in latest.items() if found}


class Heartbeats:
    """The heartbeats of a feed's connectors, asked for again and again.

    Args:
        settings: The settings.
        feed: The feed's name.
    """

    def __init__(self, settings: Settings, feed: str) -> None:
        self._settings = settings
        self._feed = feed
        self._source: RecordSource | None = None
        self._decoder = decoder_of(feed, settings.feed(feed), settings.workspace.directory)
        self._next = 0.0
        self._known: dict[str, datetime] = {}

    @property
    def recorded(self) -> bool:
        """Whether the feed is a recording."""
        return not isinstance(self._settings.feed(self._feed), KafkaFeed)

    def latest(self) -> Mapping[str, datetime]:
        """By connector, its latest heartbeat; those that have none are not in it.

        Raises:
            FeedError: They cannot be read.
        """
        if self._source is None:
            if time.monotonic() < self._next:
                return {}
            self._next = time.monotonic() + LOOK_FOR_SECONDS
            topics = sorted(name for name in _there(self._settings, self._feed) if name.startswith(PREFIX))
            if not topics:
                return {}
            self._source = open_feed(self._settings, self._feed, topics)
        records = last_records(self._source, self._source.partitions())
        for place, decoded in zip(records, self._decoder.decode(list(records.values())), strict=True):
            connector = place[0].removeprefix(PREFIX)
            if (beat := _beat(decoded)) is not None:
                self._known[connector] = max(beat, self._known.get(connector, beat))
        return self._known

    def close(self) -> None:
        """Let go of the feed."""
        if self._source is not None:
            self._source.close()
            self._source = None


def _beat(decoded: Decoded) -> datetime | None:
    """When a record's connector lived, where it is a heartbeat."""
    return decoded.happened_at if isinstance(decoded, Aside) and decoded.kind is AsideKind.HEARTBEAT else None


def prefixes(topic: str) -> Iterator[str]:
    """What a connector's topics may begin with: a topic is named `prefix.schema.table`, and a prefix may have dots."""
    parts = topic.split(".")
    for length in range(1, len(parts) + 1):
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
