"""How far behind its end a feed is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditor.feeds.ports import Partition, RecordSource


def lag(source: RecordSource) -> Mapping[Partition, int]:
    """Offsets that are still to be read of each partition that is ours, transaction markers among them.

    What is not committed yet is behind the end, and is no lag.

    Raises:
        FeedError: The broker cannot be asked.
    """
    partitions = source.partitions()
    end = source.end(partitions)
    return {partition: max(end[partition] - source.position(partition), 0) for partition in partitions}
