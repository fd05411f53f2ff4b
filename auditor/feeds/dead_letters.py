"""Topics to which others put away what they could not process: each record in one is a change that a copy lacks."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from auditor.feeds.examination import topics_of
from auditor.feeds.opening import open_feed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.settings import Settings

SIGN = "dead_letter_topic"


def dead_letter_signs(settings: Settings, names: Iterable[str]) -> list[dict[str, Any]]:
    """How many records there are in the topics that feeds name for that; of those that have any.

    One that is not there is empty: it is made with the first record.

    Args:
        settings: The settings.
        names: Of feeds.

    Raises:
        FeedError: A feed cannot be read.
    """
    found = []
    for name in sorted(names):
        wanted = settings.feed(name).dead_letter_topics
        there = set(wanted) & set(topics_of(settings, name)) if wanted else set()
        for topic, records in _records(settings, name, there).items():
            place = {"entity": None, "replica": None, "feed": name, "topic": topic}
            found.append({"sign": SIGN, **place, "records": records, "keys": None})
    return found


def _records(settings: Settings, name: str, topics: set[str]) -> dict[str, int]:
    if not topics:
        return {}
    with closing(open_feed(settings, name, sorted(topics))) as source:
        partitions = source.partitions()
        beginning, end = source.beginning(partitions), source.end(partitions)
    counts: dict[str, int] = {}
    for partition in partitions:
        counts[partition[0]] = counts.get(partition[0], 0) + end[partition] - beginning[partition]
    return {topic: count for topic, count in sorted(counts.items()) if count}
