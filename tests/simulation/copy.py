"""A replica's table: what its consumer makes of the owner's changes, and what goes wrong on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from auditor.clock import ManualClock
    from tests.simulation.table import Entry, Row, Table


@dataclass
class Copy:
    """Applies each event of its owner within the lag it draws, those of one key in order.

    Attributes:
        owner: Whose changes.
        table: What it holds.
        clock: The true one.
        chance: Draws the lags.
        lag_max: Of an event, in seconds.
        faults: What goes wrong with the next event of a key: `lost`, `late`, `old`, `held`.
        stuck: Keys that nothing reaches any more.
        paused: Nothing is applied until then.
    """

    owner: Table
    table: Table
    clock: ManualClock
    chance: Random
    lag_max: float
    faults: dict[int, str] = field(default_factory=dict)
    stuck: set[int] = field(default_factory=set)
    pause: float = 0.0
    happened: Counter[str] = field(default_factory=Counter)
    _due: dict[int, float] = field(default_factory=dict)
    _held: dict[int, Entry] = field(default_factory=dict)
    _mended: int = 0

    def take(self, entry: Entry) -> None:
        """An event of the owner."""
        if entry.key is None:
            for key in self.owner.keys():  # noqa: SIM118 - a table is no mapping
                self._deliver(key, None)
            return
        fault = self.faults.get(entry.key)
        if fault == "lost" or (fault == "missed delete" and entry.operation == "d"):
            del self.faults[entry.key]
            self.happened["an event that a replica lost" if fault == "lost" else "a delete missed"] += 1
            return
        if fault == "out of order":
            self._out_of_order(entry)
            return
        self._deliver(entry.key, entry.row)
        if fault == "twice":
            self._twice(entry)

    def _deliver(self, key: int, row: Row | None, later: float = 0.0) -> None:
        now = self.clock.monotonic()
        lag = self.chance.random() * max(self.lag_max - max(self.pause - now, 0.0), 0.0)
        moment = max(now + lag, self.pause, self._due.get(key, 0.0)) + later
        self._due[key] = moment
        began = self._mended
        self.clock.at(moment, lambda: self._apply(key, row, began))

    def mend(self) -> None:
        """Have what the owner has; nothing that is under way matters any more."""
        self._mended += 1
        self.faults.clear()
        self.stuck.clear()
        for key in self.table.rows.keys() | self.owner.rows.keys():
            if self.table.rows.get(key) != self.owner.rows.get(key):
                self.table.put(key, self.owner.rows.get(key))

    def _apply(self, key: int, row: Row | None, began: int) -> None:
        if began != self._mended:
            return
        if key in self.stuck:
            self.happened["a key stuck"] += 1
        else:
            self.table.put(key, row)

    def _out_of_order(self, entry: Entry) -> None:
        """Hold this event back until the next one of its key was applied."""
        key = entry.key
        if key is None:
            return
        if key not in self._held:
            self._held[key] = entry
            return
        del self.faults[key]
        held = self._held.pop(key)
        self.happened["a change applied out of order"] += 1
        self._deliver(key, entry.row)
        self._deliver(key, held.row)

    def _twice(self, entry: Entry) -> None:
        """The event before this one is applied once more after it."""
        key = entry.key
        earlier = [one for one in self.owner.log if one.key == key and one is not entry]
        if key is not None and earlier:
            del self.faults[key]
            self.happened["a change applied twice"] += 1
            self._deliver(key, earlier[-1].row)

    def by_hand(self, key: int, row: Row | None) -> None:
        """Somebody writes the replica."""
        self.table.put(key, row)
