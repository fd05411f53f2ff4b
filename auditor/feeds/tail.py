"""The records at the end of a feed's partitions, or from given offsets up to it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from auditor.feeds.continuity import seconds_left
from contracts.errors import FeedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from auditor.feeds.ports import Partition, RecordSource
    from auditor.feeds.record import Record

POLL_SECONDS = 1.0
TAIL_SECONDS = 30.0
"""Without any progress, until a broker that says it has records is given up."""

TAIL_OFFSETS = 5
"""Looked through for the last record of a partition: the markers of transactions have offsets, too."""


def records_between(
    source: RecordSource, starts: Mapping[Partition, int], ends: Mapping[Partition, int], *, until: float = math.inf
) -> Iterator[Sequence[Record]]:
    """The records of some partitions from one offset up to another, in batches.

    Args:
        source: Reads them, and perhaps others: their records are left out.
        starts: Where to begin, by partition.
        ends: Where to stop; whatever comes after is left out.
        until: On the monotonic clock: when to stop with whatever came.

    Raises:
        FeedError: They do not come.
    """
    partitions = source.partitions()
    left_out = [partition for partition in partitions if partition not in starts]
    places = {**starts, **(source.end(left_out) if left_out else {})}
    for partition in partitions:
        source.seek(partition, places[partition])
    before, stalled = dict(starts), time.monotonic() + TAIL_SECONDS
    while time.monotonic() < until and any(source.position(one) < ends[one] for one in starts):
        if time.monotonic() > stalled:
            behind = min(one for one in starts if source.position(one) < ends[one])
            raise FeedError(
                f"reading {behind[0]}/{behind[1]}: nothing came for {TAIL_SECONDS:.0f} s, though it has records up to "
                f"{ends[behind]}",
                hint="look at the broker",
            )
        records = source.poll(min(POLL_SECONDS, seconds_left(min(stalled, until))))
        chosen = [one for one in records if one.offset < ends.get((one.topic, one.partition), 0)]
        if chosen:
            yield chosen
        positions = {one: source.position(one) for one in starts}
        if positions != before:
            before, stalled = positions, time.monotonic() + TAIL_SECONDS


def last_records(source: RecordSource, partitions: Sequence[Partition]) -> dict[Partition, Record]:
    """The last record of each partition, of those that show one among their last offsets.

    Raises:
        FeedError: They do not come.
    """
    first, ends = source.beginning(partitions), source.end(partitions)
    starts = {one: max(first[one], ends[one] - TAIL_OFFSETS) for one in partitions}
    found: dict[Partition, Record] = {}
    for records in records_between(source, starts, ends):
        found.update({(one.topic, one.partition): one for one in records})
    return found
