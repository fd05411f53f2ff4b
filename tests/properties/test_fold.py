"""The fold of a stream against the table that it came from, whatever the stream went through on its way.

A table is written by transactions that overlap; its log is sent in the order of commits, by a connector that crashes
and sends a part again, takes snapshots in the middle, leaves out what was not written, and spreads keys over partitions
that are read in any order.  What is folded at the end is the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from reconcilers.change import Cell, Change, ChangeKind, Lack, Place, Position
from reconcilers.streams.intake import Intake
from reconcilers.streams.passes import Passes
from reconcilers.streams.state import FeedState, Offset, Step
from reconcilers.streams.table import CellState, Kind

TOPIC, PARTITIONS = "shop.orders", 3
KEYS = ["1", "2", "3", "4"]
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass
class Log:
    """The owner's table and what its connector sends: each event with its key, in the order of commits."""

    rows: dict[str, tuple[str, str]] = field(default_factory=dict)
    events: list[tuple[str, Change]] = field(default_factory=list)
    lsn: int = 100

    def write(self, key: str, short: str, large: str | None) -> None:
        """Insert or update; `large` None leaves the large column as it is, where there is a row."""
        known = self.rows.get(key)
        told: Cell = large if large is not None else (Lack.KEPT if known else "new")
        kept = large if large is not None else (known[1] if known else "new")
        self.rows[key] = (short, kept)
        self._send(key, ChangeKind.WRITE, {"short": short, "large": told})

    def delete(self, key: str) -> None:
        if self.rows.pop(key, None) is not None:
            self._send(key, ChangeKind.DELETE, {})

    def move(self, key: str, to: str) -> None:
        """Change a key where the other one is free."""
        if key not in self.rows or to in self.rows or key == to:
            return
        short, large = self.rows.pop(key)
        self.rows[to] = (short, large)
        self.lsn += 1
        self._event(key, ChangeKind.DELETE, {}, self.lsn, {"id": to})
        self._event(to, ChangeKind.WRITE, {"short": short, "large": Lack.KEPT}, self.lsn, {"id": key})

    def truncate(self) -> None:
        self.rows.clear()
        self._send("", ChangeKind.TRUNCATE, {})

    def snapshot(self) -> None:
        """Read the whole table; its rows all have the snapshot's position."""
        words = ["true"] * len(self.rows)
        if words:
            words[-1] = "last"
        for word, (key, (short, large)) in zip(words, sorted(self.rows.items()), strict=True):
            self._event(key, ChangeKind.BACKFILL, {"short": short, "large": large}, self.lsn, snapshot=word)

    def crash(self, back: int) -> None:
        """Send the last events once more; a snapshot is begun anew instead, so no backfill is among them."""
        again = self.events[max(len(self.events) - back, 0) :]
        if all(change.kind is not ChangeKind.BACKFILL for _, change in again):
            self.events += again

    def _send(self, key: str, kind: ChangeKind, row: dict[str, Cell]) -> None:
        self.lsn += 1
        self._event(key, kind, row, self.lsn)

    def _event(
        self,
        key: str,
        kind: ChangeKind,
        row: dict[str, Cell],
        lsn: int,
        other: dict[str, Cell] | None = None,
        snapshot: str = "",
    ) -> None:
        keyed = {} if kind is ChangeKind.TRUNCATE else {"id": key}
        position = Position("postgresql shop", (lsn,), None, f"0/{lsn:X}")
        place = Place(TOPIC, hash_of(key), 0)
        change = Change(place, kind, "", keyed, row, position=position, snapshot=snapshot, other_key=other)
        self.events.append((key, change))


def hash_of(key: str) -> int:
    return sum(key.encode()) % PARTITIONS


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(KEYS), st.sampled_from("abc"), st.sampled_from([None, "X", "Y"])),
        st.tuples(st.just("delete"), st.sampled_from(KEYS)),
        st.tuples(st.just("move"), st.sampled_from(KEYS), st.sampled_from(KEYS)),
        st.tuples(st.just("truncate")),
        st.tuples(st.just("snapshot")),
        st.tuples(st.just("crash"), st.integers(1, 6)),
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(acts=ACTS, cuts=st.lists(st.integers(1, 5), max_size=12), folds=st.lists(st.booleans(), max_size=12))
def test_the_fold_is_the_table(acts: list[tuple[str, ...]], cuts: list[int], folds: list[bool]) -> None:
    """Crashes, snapshots, changed keys, truncates and values that were not written leave the fold what the table is."""
    log = Log()
    for name, *arguments in acts:
        getattr(log, name)(*arguments)
    assert _folded(log, cuts, folds) == log.rows


def _folded(log: Log, cuts: list[int], folds: list[bool]) -> dict[str, tuple[str | None, ...]]:
    """Take the log in batches of these lengths, fold pieces after some of them, and read what every key holds."""
    with FeedState(None, piece=3) as state:
        table = state.keep(TOPIC, ["id", "short", "large"], ["id"])
        state.begin({(TOPIC, part): Offset(0, 0) for part in range(PARTITIONS)})
        passes, seq, offsets = Passes(TOPIC, []), 0, dict.fromkeys(range(PARTITIONS), 0)
        events, lengths, turns = list(log.events), list(cuts), list(folds)
        while events:
            length = lengths.pop() if lengths else len(events)
            batch, events = events[:length], events[length:]
            intake, before = Intake(table, state.epochs, NOW), dict(offsets)
            for _, change in batch:
                number = passes.number_of(change.snapshot, seq)
                intake.add(seq, change, stamp=seq, snapshot=number)
                offsets[change.place.partition] += 1
                seq += 1
            moves = {(TOPIC, part): (before[part], Offset(0, offsets[part])) for part in offsets}
            state.apply(Step([intake], moves, (), list(passes.changed.values()), {TOPIC: seq}))
            passes.changed.clear()
            if turns and turns.pop():
                state.advance([TOPIC])
        state.fold(TOPIC)
        live = f"kind IN ({int(Kind.WRITE)}, {int(Kind.BACKFILL)})"
        rows = state.cursor().execute(f"SELECT c0, c1, c2, s2 FROM {table.head} WHERE {live}").fetchall()
        assert all(known == CellState.VALUE for *_, known in rows)
        return {key: (short, large) for key, short, large, _ in rows}
