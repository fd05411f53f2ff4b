"""What a poll brought, topic by topic; a record is made of it where somebody asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from auditor.feeds.ports import Partition
    from auditor.feeds.record import Record


class Polled(Sequence["Record"]):
    """The records of a poll; those of one partition are in order of offset.

    Args:
        by_topic: The records of each topic.
    """

    def __init__(self, by_topic: Mapping[str, Sequence[Record]]) -> None:
        self.by_topic = by_topic

    def __len__(self) -> int:
        return sum(map(len, self.by_topic.values()))

    def __iter__(self) -> Iterator[Record]:
        return chain.from_iterable(self.by_topic.values())

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        return list(self)[index]

    def within(self, partitions: Collection[Partition]) -> Sequence[Record]:
        """The records of some partitions."""
        found = {
            topic: records if partitions_of(records) <= set(partitions) else _within(records, partitions)
            for topic, records in self.by_topic.items()
        }
        return Polled({topic: records for topic, records in found.items() if len(records)})


def by_topic(records: Sequence[Record]) -> Mapping[str, Sequence[Record]]:
    """Records of each topic, in their order."""
    if isinstance(records, Polled):
        return records.by_topic
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.topic, []).append(record)
    return found


def partitions_of(records: Sequence[Record]) -> set[Partition]:
    """The partitions that records are of."""
    from auditor.feeds.bulk.columns import RecordColumns

    if isinstance(records, RecordColumns):
        return records.partitions()
    return {(record.topic, record.partition) for record in records}


def _within(records: Sequence[Record], partitions: Collection[Partition]) -> Sequence[Record]:
    return [record for record in records if (record.topic, record.partition) in partitions]
