"""What the latest records of topics tell, before anybody follows them: for checks, never for a comparison.

Only the end of each partition is read, and nothing is kept.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from auditor.feeds.decoded import Poison
from auditor.feeds.decoding import decoder_of
from auditor.feeds.opening import open_feed
from auditor.feeds.tail import records_between
from reconcilers.change import Change, ChangeKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditor.feeds.decoded import Decoded
    from auditor.feeds.hints import ColumnHint
    from auditor.feeds.ports import Partition
    from auditor.feeds.record import Record
    from auditor.settings import Settings

SAMPLE_RECORDS = 200
"""The latest of each partition that are read: enough to see what rows have, and a change of their table of late."""

SAMPLE_RECORDS_MAX = 10_000
"""Of a whole topic, however many partitions it has: records may have 1 MB each, and all of it is fetched."""

SAMPLE_SECONDS = 30.0
"""For the samples of one feed, so that a slow broker makes a check slow, and not endless; what came by then counts."""


@dataclass(slots=True)
class Sample:
    """What the latest records of one topic turned out to be.

    Attributes:
        topic: Its name.
        records: How many were read.
        rows: The changes that tell a row, those of one partition in their order.
        valueless: How many have no value, and are understood as such: they show nothing of how values are to be read.
        poison: Those that cannot be understood.
        notes: What is to be known of columns' values.
        is_cut: Time was over before all of them had come.
    """

    topic: str
    records: int = 0
    valueless: int = 0
    rows: list[Change] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    notes: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False

    @property
    def is_misread(self) -> bool:
        """Whether no value was understood of all that there are."""
        has_value = any(one.record.value is not None for one in self.poison)
        return len(self.poison) + (self.valueless if has_value else 0) == self.records > 0

    @property
    def restriction(self) -> str:
        """For messages: which records are meant where those without a value are not."""
        return " with a value" if self.valueless else ""


def samples(
    settings: Settings,
    feed: str,
    topics: Mapping[str, Mapping[str, ColumnHint]],
    seconds: float = SAMPLE_SECONDS,
    *,
    each: int | None = None,
) -> dict[str, Sample]:
    """The latest records of some topics, understood as a run would.

    Args:
        settings: The settings.
        feed: The feed's name.
        topics: What contracts say of the columns of each.
        seconds: When reading ends, with whatever came.
        each: Records of each partition, at most; None: SAMPLE_RECORDS.

    Raises:
        FeedError: They cannot be read, or a schema cannot be had.
        SettingsError: The feed's settings contradict themselves.
    """
    found = {topic: Sample(topic) for topic in topics}
    decoder = decoder_of(feed, settings.feed(feed), settings.workspace.directory, topics)
    until = time.monotonic() + seconds
    with closing(open_feed(settings, feed, topics)) as source:
        partitions = source.partitions()
        first, ends = source.beginning(partitions), source.end(partitions)
        starts = _starts(partitions, first, ends, SAMPLE_RECORDS if each is None else each)
        for records in records_between(source, starts, ends, until=until):
            for record, told in zip(records, decoder.decode(records), strict=True):
                _add(found[record.topic], record, told)
        for one in partitions:
            found[one[0]].is_cut |= source.position(one) < ends[one]
    for topic, notes in decoder.notes().items():
        if topic in found:
            found[topic].notes = notes
    return found


def _starts(
    partitions: Sequence[Partition], first: Mapping[Partition, int], ends: Mapping[Partition, int], each: int
) -> dict[Partition, int]:
    """Where to begin in each partition, so that a topic has no more than it may."""
    count: dict[str, int] = {}
    for topic, _ in partitions:
        count[topic] = count.get(topic, 0) + 1
    most = {topic: max(min(each, SAMPLE_RECORDS_MAX // many), 1) for topic, many in count.items()}
    return {one: max(first[one], ends[one] - most[one[0]]) for one in partitions}


def _add(sample: Sample, record: Record, told: Decoded) -> None:
    sample.records += 1
    if isinstance(told, Poison):
        sample.poison.append(told)
    elif record.value is None:
        sample.valueless += 1
    elif isinstance(told, Change) and told.kind in (ChangeKind.WRITE, ChangeKind.BACKFILL):
        sample.rows.append(told)
