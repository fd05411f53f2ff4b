"""What it means that the record to read next is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import RetentionGapError

if TYPE_CHECKING:
    from auditor.feeds.ports import Partition


def partition_text(partition: Partition) -> str:
    """A partition as messages write it."""
    topic, number = partition
    return f"{topic}/{number}"


def retention_gap(where: str, partition: Partition, wanted: int, beginning: int, end: int) -> RetentionGapError:
    """The error of an offset that is outside of what is there.

    Args:
        where: The feed, for the message.
        partition: The partition.
        wanted: The offset to read next.
        beginning: The first offset that is there.
        end: The offset after the last.
    """
    place = f"reading {where}: {partition_text(partition)}@{wanted}"
    there = f"it has offsets {beginning} to {end - 1}" if end > beginning else f"it is empty and goes on at {end}"
    if wanted < beginning:
        message = (
            f"{place} is no longer there; {there}: {beginning - wanted} offsets were removed before they were read"
        )
        hint = "read the datasets anew from a snapshot, and keep records longer than the auditor may be away"
    else:
        message = f"{place} is not there yet; {there}: the topic was made anew, or cut off at its end"
        hint = "if the topic was made anew, read it from its beginning; its datasets are to be read anew"
    return RetentionGapError(
        message, hint=hint, topic=partition[0], partition=partition[1], wanted=wanted, beginning=beginning, end=end
    )
