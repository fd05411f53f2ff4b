"""Changes on their way into the state: from objects to columns."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from contracts.errors import FeedError
from reconcilers.change import Cell, Change, ChangeKind, DefaultOrNull, Lack
from reconcilers.streams.at_once import AtOnce, arrow_schema
from reconcilers.streams.epochs import Stand
from reconcilers.streams.event import Event
from reconcilers.streams.stretches import Entry
from reconcilers.streams.table import FIXED, IS_NEW, STATES, WAS_THERE, CellState, Kind, StreamTable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow as pa

    from reconcilers.change import Position
    from reconcilers.streams.epochs import Epochs
    from reconcilers.streams.truncate import Truncate
    from reconcilers.streams.versions import Versions

_LACKS = {Lack.KEPT: CellState.KEPT, Lack.ABSENT: CellState.ABSENT, Lack.UNREADABLE: CellState.UNREADABLE}
_KINDS = {ChangeKind.WRITE: Kind.WRITE, ChangeKind.DELETE: Kind.DELETE, ChangeKind.BACKFILL: Kind.BACKFILL}
_POSITION_PARTS = 3
_BIGINT_MAX = 2**63 - 1
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
IN_STREAM = frozenset({"", "false", "incremental"})
"""What records say of the snapshot that read them, which are a part of the stream."""
_NOWHERE = (-1, 0, 0, 0)
"""Before every position of every epoch."""


@dataclass(frozen=True, slots=True)
class Truncation:
    """Every row that was there before is gone; `seq` to `off` and `seen` are as of any version."""

    topic: str
    epoch: int
    p0: int
    p1: int
    p2: int
    stamp: int
    at: datetime | None
    seq: int
    part: int
    off: int
    seen: datetime


@dataclass(slots=True)
class Intake:
    """Collects the versions of one topic, column by column.

    Attributes:
        table: What is kept.
        epochs: The number of each stream of positions, shared by all intakes of a state; new ones are added.
        seen: When the records were read, by the auditor's clock.
        columns: The collected values.
        truncations: Truncates among the changes.
        kept: Whether some value is left to an earlier version, or a row's key was changed: its birth may leave some.
        events: Outbox events.
        at_once: Versions that came as columns.
    """

    table: StreamTable
    epochs: Epochs
    seen: datetime
    columns: dict[str, list[object]] = field(default_factory=dict)
    truncations: list[Truncation] = field(default_factory=list)
    kept: bool = False
    events: list[Event] = field(default_factory=list)
    at_once: list[pa.Table] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = [*FIXED, *self.table.cells, STATES]
        self.columns = {name: [] for name in names}

    def __len__(self) -> int:
        return len(self.columns["seq"]) + sum(int(table.num_rows) for table in self.at_once)

    def add(self, seq: int, change: Change, *, stamp: int, snapshot: int = 0) -> None:
        """One change.

        Args:
            seq: Its number in the order of arrival.
            change: The change.
            stamp: When the connector told it, else the record's own time.
            snapshot: The pass that a backfill belongs to.
        """
        epoch, p0, p1, p2 = self._position(change, stamp)
        if change.kind is ChangeKind.TRUNCATE:
            told = (stamp, change.committed_at, seq, change.place.partition, change.place.offset, self.seen)
            self.truncations.append(Truncation(self.table.topic, epoch, p0, p1, p2, *told))
            return
        key = change.key or self._key_of_row(change)
        other = identity(change.other_key) if change.other_key else None
        self.kept = self.kept or other is not None
        text = None if _says_place(change, p0) else change.position.text if change.position else ""
        snapshot = snapshot or (WAS_THERE if change.was_there else IS_NEW if change.is_new else 0)
        self._fixed(
            (seq, change.place.partition, change.place.offset, int(_KINDS[change.kind]), identity(key), other,
             epoch, p0, p1, p2, snapshot, stamp, _naive(change.committed_at), change.transaction, text,
             _naive(self.seen))
        )  # fmt: skip
        if change.event_id:
            self.events.append(Event.of(seq, change, key))
        is_left = change.kind is ChangeKind.DELETE and other is not None
        self._cells({**change.row, **self._named(change, key)}, Lack.KEPT if is_left else change.lacking)

    def hear(self, seq: int, told: Truncate) -> None:
        """Take a truncate that somebody else has read.

        Args:
            seq: Its arrival number here.
            told: It.
        """
        at = datetime.fromisoformat(told.at) if told.at is not None else None
        epoch = self.epochs.heard(told.topic, told.stream, _micros(at))
        p0, p1, p2 = told.position
        self.truncations.append(
            Truncation(told.topic, epoch, p0, p1, p2, told.stamp, at, seq, told.part, told.off, self.seen)
        )

    def _named(self, change: Change, key: Mapping[str, Cell]) -> Mapping[str, Cell]:
        """The key's columns: a bare text stands for the one that contracts name, unless the row tells that itself."""
        if set(key) != {""} or len(self.table.key) != 1:
            return key
        (name,), (text,) = self.table.key, key.values()
        return {} if isinstance(change.row.get(name), str) else {name: text}

    def take(self, seq: int, versions: Versions, snapshots: Mapping[int, int]) -> None:
        """Many changes at once.

        Args:
            seq: The first one's number in the order of arrival.
            versions: What they tell.
            snapshots: The pass that a backfill belongs to, for those that belong to one.
        """
        from reconcilers.streams.numbering import Numbering  # it needs numpy, which single records do without

        numbers = Numbering(self.epochs, self.table.topic, versions).numbers()
        table = AtOnce(self.table, versions).table(seq, numbers, snapshots, self.seen)
        self.kept = self.kept or any(bool((states == CellState.KEPT).any()) for _, states in versions.cells.values())
        self.at_once.append(table)

    def _arrival_decides(self, change: Change) -> bool:
        """Whether a change stands where it arrives: a delete too that does not tell its position, where others do."""
        if change.kind is ChangeKind.DELETE:
            return any(topic == self.table.topic for topic, _ in self.epochs)
        return change.kind is ChangeKind.BACKFILL

    def doubt(self, seq: int, key: Mapping[str, object], place: tuple[int, int], stamp: int) -> None:
        """A key of which something could not be read."""
        epoch, p0, p1, p2 = _NOWHERE
        self._fixed(
            (seq, place[0], place[1], int(Kind.DOUBT), identity(key), None,  # type: ignore[arg-type]
             epoch, p0, p1, p2, 0, stamp, None, "", "", _naive(self.seen))
        )  # fmt: skip
        self._cells(key, Lack.UNREADABLE)  # type: ignore[arg-type]

    def arrow(self, without: Collection[int] = ()) -> pa.Table:
        """What was collected, as DuckDB takes it, without those of these numbers."""
        import pyarrow as pa

        schema = arrow_schema(self.table)
        arrays = [pa.array(values, entry.type) for values, entry in zip(self.columns.values(), schema, strict=True)]
        one_by_one = pa.Table.from_arrays(arrays, schema=schema)
        if without:
            one_by_one = one_by_one.filter(pa.array([seq not in without for seq in self.columns["seq"]], pa.bool_()))
        return pa.concat_tables([*self.at_once, one_by_one]) if self.at_once else one_by_one

    def _fixed(self, values: Sequence[object]) -> None:
        for name, value in zip(FIXED, values, strict=True):
            self.columns[name].append(value)

    def _cells(self, row: Mapping[str, Cell], lacking: Cell) -> None:
        told = [_told(row.get(name, lacking)) for name in self.table.columns]
        for cell, (text, _) in zip(self.table.cells, told, strict=True):
            self.columns[cell].append(text)
        states = [state for _, state in told]
        self.kept = self.kept or CellState.KEPT in states
        self.columns[STATES].append("".join(str(int(state)) for state in states) if any(states) else None)

    def _key_of_row(self, change: Change) -> Mapping[str, Cell]:
        """The key of a record that has none: a table without a primary key has rows all the same."""
        row = change.before if change.kind is ChangeKind.DELETE else change.row
        if not self.table.key or any(not isinstance(row.get(name), str) for name in self.table.key):
            raise FeedError(
                f"reading {change.place}: the record has no key, so it cannot be told which row it is about",
                hint="give the table a primary key, or set message.key.columns in the connector",
            )
        return {name: row[name] for name in self.table.key}

    def _position(self, change: Change, stamp: int) -> tuple[int, int, int, int]:
        """Epoch and position; what a backfill tells is when the snapshot was taken, not when its row was written."""
        position, topic, committed = change.position, self.table.topic, _micros(change.committed_at)
        if position is not None and committed is not None and _is_read_beside(change):
            self.epochs.see(topic, position.stream, Stand(_place(position), committed, stamp))
        if position is None or change.kind is ChangeKind.BACKFILL:
            return _NOWHERE if self._arrival_decides(change) else (0, 0, 0, 0)
        parts = _place(position)
        if len(position.row) > _POSITION_PARTS or any(not 0 <= part <= _BIGINT_MAX for part in parts):
            raise FeedError(
                f"reading {change.place}: the position {position.text} is wider than any that is known",
                hint="this version cannot follow this connector",
            )
        entry = Entry(change.place.partition, position.stream, parts, committed, change.transaction, stamp)
        epoch = self.epochs.of(topic, entry)
        if committed is not None:
            self.epochs.reach(topic, position.stream, Stand(parts, committed, stamp))
        return epoch, parts[0], parts[1], parts[2]


def _place(position: Position) -> tuple[int, int, int]:
    """A position, as it is kept."""
    first, second, third = (*position.row, 0, 0, 0)[:_POSITION_PARTS]
    return first, second, third


def _is_read_beside(change: Change) -> bool:
    """Whether a row was read by a snapshot that stands for itself, and is no part of the stream."""
    return change.kind is ChangeKind.BACKFILL and change.snapshot not in IN_STREAM


def _says_place(change: Change, p0: int) -> bool:
    """Whether the first number of a change's position is all of its place, as PostgreSQL writes it."""
    return (
        change.kind is not ChangeKind.BACKFILL  # its number is 0: its position is not its own
        and change.position is not None
        and change.position.text == f"{p0 >> 32:X}/{p0 & 0xFFFFFFFF:X}"
    )


def identity(key: Mapping[str, Cell] | None) -> str:
    """A record's key as one text; the same key gives the same text in every record."""
    texts = [_told(cell)[0] for _, cell in sorted((key or {}).items())]
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))


def _told(cell: Cell) -> tuple[str | None, CellState]:
    if isinstance(cell, str) or cell is None:
        return cell, CellState.VALUE
    if isinstance(cell, DefaultOrNull):
        return cell.text, CellState.EITHER
    return None, _LACKS[cell]


def _micros(moment: datetime | None) -> int | None:
    """Microseconds since 1970."""
    return None if moment is None else (moment.astimezone(UTC) - _BEGINNING) // timedelta(microseconds=1)


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=None)
