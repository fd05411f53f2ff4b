"""Versions of one topic that were decoded at once, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconcilers.streams.epochs import Stand
from reconcilers.streams.stretches import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import pyarrow as pa

    Integers = np.ndarray[Any, np.dtype[np.int64]]
    States = np.ndarray[Any, np.dtype[np.uint8]]
    Flags = np.ndarray[Any, np.dtype[np.bool_]]
    Births = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class Versions:
    """What some changes tell, in the order of their arrival.

    Attributes:
        names: The columns that the rows have.
        parts: Of each change: its partition.
        offsets: Its offset there.
        kinds: What it does, a `Kind`.
        births: What it says of whether its row was there before: `WAS_THERE`, `IS_NEW`, or 0 for nothing.
        ids: Its key, as `reconcilers.streams.intake.identity` writes it.
        streams: What positions are comparable within.
        stream: Which of them the change belongs to; -1 for a backfill, whose position is not its own.
        positions: Three numbers, compared from the left; all 0 for a backfill.
        snapshots: The changes that a snapshot with records of its own read: their numbers here, and its mark.
        stamps: When the connector told it, else the record's own time, in milliseconds.
        committed: Microseconds since 1970, by the owner's clock.
        transactions: Its transaction; empty where unknown.
        places: Its position in the log, for people; NULL where PostgreSQL's position says it.
        cells: By column that is kept: its texts, and a `CellState` each.
        seen: The changes that a snapshot beside the stream told: their numbers here.
        seen_stream: Of each of these: the stream whose log it was taken of.
        seen_at: Where that stood then, as `positions`.
        last: By partition, the number of its last record among those that were decoded; some of them may be no changes.
        counts: By partition, how many of its records were decoded.
        begins: Partitions of which the first record is a tombstone: its key.
        ends: By partition: the key of its last record, where that is a delete or a tombstone.
        relations: Tables that the records say they are about: the number of the first change of each.
    """

    names: Sequence[str]
    parts: Integers
    offsets: Integers
    kinds: States
    births: Births
    ids: pa.StringArray
    streams: Sequence[str]
    stream: Integers
    positions: tuple[Integers, Integers, Integers]
    snapshots: Sequence[tuple[int, str]]
    stamps: Integers
    committed: Integers
    transactions: pa.StringArray
    places: pa.StringArray
    cells: Mapping[str, tuple[pa.StringArray, States]]
    seen: Integers
    seen_stream: Integers
    seen_at: tuple[Integers, Integers, Integers]
    last: Mapping[int, int]
    counts: Mapping[int, int]
    begins: Mapping[int, str]
    ends: Mapping[int, str | None]
    relations: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.offsets)

    def stand(self, row: int) -> Stand:
        """Where the log stands after one of the changes."""
        return self._stand(row, self.positions, row)

    def entry(self, row: int) -> Entry:
        """One of the changes, as its log has it."""
        stand, stream = self.stand(row), self.streams[int(self.stream[row])]
        transaction = self.transactions[row].as_py() or ""
        return Entry(int(self.parts[row]), stream, stand.place, stand.committed, transaction, stand.stamp)

    def ascends(self, rows: Integers) -> bool:
        """Whether some changes come in the order of their places."""
        before, after = ([part[some] for part in self.positions] for some in (rows[:-1], rows[1:]))
        goes_on = after[-1] >= before[-1]
        for one, other in zip(before[-2::-1], after[-2::-1], strict=True):  # from the right, that may be outweighed
            goes_on = (other > one) | (other == one) & goes_on
        return bool(goes_on.all())

    def sights(self) -> Iterator[tuple[int, str, Stand]]:
        """What snapshots beside the stream tell of their logs: the change's number, the stream, and where it stood."""
        for number, row in enumerate(self.seen.tolist()):
            yield row, self.streams[int(self.seen_stream[number])], self._stand(row, self.seen_at, number)

    def _stand(self, row: int, places: tuple[Integers, Integers, Integers], number: int) -> Stand:
        first, second, third = (int(part[number]) for part in places)
        return Stand((first, second, third), int(self.committed[row]), int(self.stamps[row]))
