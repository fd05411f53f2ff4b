"""A connector: reads a table's log, and sends at least once.

A crash sends again what was sent since it last noted how far it was.  A snapshot that is broken off begins anew.  An
incremental one reads some rows between two marks in the log, and sends those that were not changed between them.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.table import Entry, Row
    from tests.simulation.topic import Topic
    from tests.simulation.wire import Wire


@dataclass
class Connector:
    """See the module's docstring.

    Attributes:
        table: Whose log it reads.
        topic: Where it writes to.
        wire: How.
        chance: Draws what is chance.
        owner_seconds: The table's database's clock at a moment of the true one, in seconds since 1970.
        broker_seconds: The same of the broker's.
        sent: How much of the log was sent.
        noted: How much of it was noted to have been sent: a crash goes back there.
        is_down: It does nothing.
        down_since: Since when, where somebody wants to know.
        losing: Events that are not sent, by their number: a defect of the connector.
        truncates: It sends truncates, which connectors do only when they are told to.
        perfect: What whoever has understood everything that was sent holds.
        told_at: When a key was told of last.
        counted: The changes that were told, each once however often it was sent.
        begins: When it begins, on the true clock.  It takes no snapshot then: what was before is never told.
        untold: The keys that it has not told of since, or told of only as they were changed.
    """

    table: Table
    topic: Topic
    wire: Wire
    chance: Random
    owner_seconds: Callable[[float], float]
    broker_seconds: Callable[[float], float]
    sent: int = 0
    noted: int = 0
    is_down: bool = False
    down_since: float | None = None
    losing: set[int] = field(default_factory=set)
    lost: list[Entry] = field(default_factory=list)
    truncates: bool = True
    told_at: dict[int, float] = field(default_factory=dict)
    counted: list[Entry] = field(default_factory=list)
    begins: float = 0.0
    untold: set[int] = field(default_factory=set)
    happened: Counter[str] = field(default_factory=Counter)
    _window: tuple[int, dict[int, Row]] | None = None
    _stamp: int = 0
    _told: int = 0

    def __post_init__(self) -> None:
        self.perfect = Table(self.table.now)

    def run(self) -> None:
        """Send what the log has."""
        self._pass_over()
        if self.is_down:
            return
        while self.sent < len(self.table.log):
            self._event(self.sent)
            self.sent += 1
        if self.chance.random() < 0.3:
            self.note()

    def _pass_over(self) -> None:
        """Leave out what was before it began: it never comes back to that."""
        log = self.table.log
        while self.sent < len(log) and log[self.sent].moment < self.begins:
            key = log[self.sent].key
            self.untold |= self.table.keys() if key is None else {key}
            self.happened["a connector without a snapshot"] += not self.sent
            self.sent += 1
            self.noted = self._told = self.sent

    def note(self) -> None:
        """Note how far it is."""
        self.noted = self.sent

    def crash(self) -> None:
        """Begin again where it was noted to be; an incremental snapshot's window is opened again later."""
        self.happened["changes sent again"] += self.sent > self.noted
        self.sent = self.noted
        self._window = None

    def snapshot(self, *, lost: bool, broken_off: bool) -> None:
        """Read the whole table.

        Args:
            lost: What it had not sent of the log by now never is: its place in the log was gone.
            broken_off: It crashes on the way once, and begins anew.
        """
        if self.table.now() < self.begins:
            return
        if lost and self.table.rows:  # of an empty table a snapshot sends nothing: nobody can tell what went
            self.is_down = False
            self.sent = len(self.table.log)
        if self.is_down:
            return
        self.run()
        if broken_off:
            self._pass(self.chance.randint(0, max(len(self.table.rows) - 1, 0)))
        self._pass(len(self.table.rows))
        if self.table.rows:
            self._told = len(self.table.log)
            for key in self.perfect.keys() | self.table.rows.keys():
                self._hold(key, self.table.rows.get(key))
        self.note()

    def _hold(self, key: int, row: Row | None) -> None:
        if self.perfect.rows.get(key) != row:
            self.perfect.remember(key, row)

    def _tell(self, number: int, entry: Entry) -> None:
        """Whoever understands it knows a repetition from what is new."""
        if number < self._told:
            return
        self._told = number + 1
        for key in self.perfect.keys() if entry.key is None else {entry.key}:
            self._hold(key, entry.row)

    def _pass(self, rows: int) -> None:
        """The first rows of a snapshot; all of them are one that was finished."""
        whole = sorted(self.table.rows.items())
        lsn = self.table.place()
        for number, (key, row) in enumerate(whole[:rows]):
            word = "last" if number == len(whole) - 1 else "first" if number == 0 else "true"
            self._row(key, row, lsn, word)

    def open_window(self) -> None:
        """Begin a part of an incremental snapshot: read some rows."""
        self._pass_over()
        if not self.is_down and self._window is None and self.table.now() >= self.begins:
            keys = [key for key in self.table.rows if self.chance.random() < 0.7]
            self._window = (len(self.table.log), {key: self.table.rows[key] for key in keys})

    def close_window(self) -> None:
        """End it: send the rows that were not changed meanwhile."""
        if self.is_down or self._window is None:
            return
        opened, rows = self._window
        self._window = None
        self.run()
        changed = {entry.key for entry in self.table.log[opened:]}
        if None in changed:  # a truncate: the connector drops everything that it had read
            return
        for key, row in rows.items():
            if key not in changed:
                self._hold(key, row)
                self._row(key, row, self.table.place(), "incremental")

    def poison(self, key: int | None) -> None:
        """A stranger writes a record that nobody understands."""
        raw = b"\xff\xfe no key" if key is None else self.wire.key(key)
        part = self.chance.randrange(self.topic.partitions) if key is None else self._part(raw)
        self.topic.append(part, self._next_stamp(), raw, b"\xff\xff this is nothing")

    # -- records ------------------------------------------------------------------------------------------------------

    def _event(self, number: int) -> None:
        entry = self.table.log[number]
        if number in self.losing:
            self.lost.append(entry)
            self.happened["an event that a connector lost"] += 1
            return
        if entry.operation == "t" and not self.truncates:
            self.lost.append(entry)
            return
        if number >= self._told and entry.key is not None:
            self.counted.append(entry)
        self._tell(number, entry)
        about = self.perfect.keys() if entry.key is None else {entry.key}
        self.told_at |= dict.fromkeys(about, self.table.now())
        stamp = self._next_stamp()
        value = self.wire.event(entry, self.owner_seconds(entry.moment), stamp)
        if entry.key is None:
            self.topic.append(0, stamp, None, value)
            return
        key = self.wire.key(entry.key)
        headers: tuple[tuple[str, bytes | None], ...] = ()
        if entry.other is not None:
            name = "__debezium.newkey" if entry.operation == "d" else "__debezium.oldkey"
            headers = ((name, self.wire.header(entry.other)),)
        self.topic.append(self._part(key), stamp, key, value, headers)
        if entry.operation == "d":
            self.topic.append(self._part(key), stamp, key, None, headers)
        if self.chance.random() < 0.05:
            self.topic.mark(self.chance.randrange(self.topic.partitions))

    def _row(self, key: int, row: Row, lsn: int, word: str) -> None:
        raw, stamp = self.wire.key(key), self._next_stamp()
        self.told_at[key] = self.table.now()
        value = self.wire.read(key, row, self.owner_seconds(self.table.now()), lsn, word, stamp)
        self.topic.append(self._part(raw), stamp, raw, value)

    def _part(self, key: bytes) -> int:
        return zlib.crc32(key) % self.topic.partitions

    def _next_stamp(self) -> int:
        """The broker's time in milliseconds, each record later than the one before."""
        now = int(self.broker_seconds(self.table.now()) * 1000)
        self._stamp = max(self._stamp + 1, now)
        return self._stamp
