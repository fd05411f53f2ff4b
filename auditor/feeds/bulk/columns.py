"""Records side by side: their bytes stay in one buffer, and a record is made where somebody asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from auditor.feeds.bulk.cursor import MARGIN, Buffer
from auditor.feeds.record import Record

if TYPE_CHECKING:
    from auditor.feeds.bulk.cursor import Flags, Integers
    from auditor.feeds.ports import Partition


@dataclass(frozen=True, slots=True)
class Payloads:
    """Keys, or values.

    Attributes:
        begins: Where each begins in the buffer.
        ends: Where it ends; before its beginning for those that are not there.
    """

    begins: Integers
    ends: Integers

    def there(self) -> Flags:
        """Which of them are there."""
        return self.begins <= self.ends

    def of(self, rows: Flags) -> Payloads:
        """Some of them."""
        return Payloads(self.begins[rows], self.ends[rows])

    def octets(self, index: int, content: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes | None:
        """One of them."""
        begin, end = self.begins[index], self.ends[index]
        return content[begin:end].tobytes() if begin <= end else None


@dataclass(frozen=True, slots=True, eq=False)
class RecordColumns(Sequence[Record]):
    """Records of one topic, without headers.

    Attributes:
        topic: Their topic.
        parts: Of each: its partition.
        offsets: Its offset there.
        stamps: Its time in milliseconds since 1970.
        epochs: Of the leader that wrote it.
        content: All bytes, with `auditor.feeds.bulk.cursor.MARGIN` more behind them.
        keys: Where their keys are.
        values: Where their values are.
    """

    topic: str
    parts: Integers
    offsets: Integers
    stamps: Integers
    epochs: Integers
    content: np.ndarray[Any, np.dtype[np.uint8]]
    keys: Payloads
    values: Payloads

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        key, value = self.keys.octets(index, self.content), self.values.octets(index, self.content)
        place = (int(self.parts[index]), int(self.offsets[index]))
        return Record(self.topic, *place, int(self.stamps[index]), key, value, (), int(self.epochs[index]))

    def of(self, rows: Flags) -> RecordColumns:
        """Some of them."""
        parts, offsets, stamps, epochs = (
            column[rows] for column in (self.parts, self.offsets, self.stamps, self.epochs)
        )
        keys, values = self.keys.of(rows), self.values.of(rows)
        return RecordColumns(self.topic, parts, offsets, stamps, epochs, self.content, keys, values)

    def partitions(self) -> set[Partition]:
        """The partitions that they are of."""
        return {(self.topic, int(part)) for part in np.unique(self.parts)}

    def buffer(self, payloads: Payloads) -> Buffer:
        """Some of the payloads, all of which are there."""
        return Buffer.within(self.content, payloads.begins, payloads.ends)


def columns_of(records: Sequence[Record]) -> RecordColumns:
    """Records side by side; their headers say nothing."""
    if isinstance(records, RecordColumns):
        return records
    pieces = [payload for record in records for payload in (record.key, record.value)]
    lengths = np.fromiter((-1 if piece is None else len(piece) for piece in pieces), np.int64, len(pieces))
    ends = np.cumsum(np.maximum(lengths, 0))
    begins = ends - np.maximum(lengths, 0)
    ends = np.where(lengths < 0, begins - 1, ends)
    content = np.frombuffer(b"".join([*(piece or b"" for piece in pieces), bytes(MARGIN)]), np.uint8)

    def column(name: str) -> Integers:
        return np.fromiter(map(attrgetter(name), records), np.int64, len(records))

    keys, values = Payloads(begins[::2], ends[::2]), Payloads(begins[1::2], ends[1::2])
    parts, offsets, stamps = column("partition"), column("offset"), column("timestamp")
    return RecordColumns(
        records[0].topic, parts, offsets, stamps, np.full(len(records), -1, np.int64), content, keys, values
    )
