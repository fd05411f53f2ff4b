"""A table that remembers: what it holds, what it ever held, and its log in the order of commits."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Row = tuple[str, int | None, str]
"""Status, amount, and a note that may be large."""

FOREVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the log.

    Attributes:
        operation: As a connector writes it: `c`, `u`, `d`, `t`.
        key: Of the row; None of a truncate.
        row: After the event; None of a delete.
        keeps_note: The note was not written, so the log does not have it.
        lsn: Its place; of one key it grows, of several it may not.
        before: The place of the last commit before it.
        transaction: Its transaction's number.
        moment: When it was committed, on the true clock.
        other: Of a change of key, the other key.
    """

    operation: str
    key: int | None
    row: Row | None
    keeps_note: bool
    lsn: int
    before: int
    transaction: int
    moment: float
    other: int | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """What a transaction does to one row: a row, or None to delete it; `note` None leaves the note as it is."""

    key: int
    status: str | None
    amount: int | None = None
    note: str | None = None
    move_to: int | None = None


@dataclass
class Table:
    """The true course of one table.

    Attributes:
        now: The true clock.
        rows: What it holds.
        log: Its events, in the order of their commits.
        told: Called with each event when it is committed.
        serial: The log has one whole transaction after the other, as MariaDB's has, so that places are in its order.
    """

    now: Callable[[], float]
    rows: dict[int, Row] = field(default_factory=dict)
    log: list[Entry] = field(default_factory=list)
    told: list[Callable[[Entry], None]] = field(default_factory=list)
    serial: bool = False
    _history: dict[int, list[tuple[float, Row | None]]] = field(default_factory=dict)
    _lsn: int = 1000
    _transaction: int = 0

    def place(self) -> int:
        """A new place in the log."""
        self._lsn += 8
        return self._lsn

    def commit(self, *transactions: list[Write]) -> None:
        """Some transactions about different rows that run at once, and are committed in the order given.

        Their rows were written in turn, so that the places of one may lie between those of another.
        """
        if self.serial and len(transactions) > 1:
            for one in transactions:
                self.commit(one)
            return
        places: list[list[int]] = [[] for _ in transactions]
        for turn in range(max((len(one) for one in transactions), default=0)):
            for number in reversed(range(len(transactions))):
                if turn < len(transactions[number]):
                    places[number].append(self.place())
        for writes, lsns in zip(transactions, places, strict=True):
            self._transaction += 1
            before = self._lsn
            for write, lsn in zip(writes, lsns, strict=True):
                self._write(write, lsn, before)
            self.place()  # of the commit

    def truncate(self) -> None:
        """Remove every row."""
        self._transaction += 1
        lsn = self.place()
        for key in list(self.rows):
            self._put(key, None)
        self._append("t", None, None, lsn, lsn)

    def put(self, key: int, row: Row | None) -> None:
        """Write a whole row, or none, as a consumer or a hand does it."""
        if row is None:
            self.commit([Write(key, None)])
        else:
            self.commit([Write(key, *row)])

    def _write(self, write: Write, lsn: int, before: int) -> None:
        known = self.rows.get(write.key)
        if write.move_to is not None:
            self._move(write, lsn, before)
        elif write.status is None:
            if known is not None:
                self._put(write.key, None)
                self._append("d", write.key, None, lsn, before)
        else:
            keeps = known is not None and write.note is None
            note = known[2] if known is not None and write.note is None else write.note or ""
            row = (write.status, write.amount, note)
            self._put(write.key, row)
            self._append("c" if known is None else "u", write.key, row, lsn, before, keeps_note=keeps)

    def _move(self, write: Write, lsn: int, before: int) -> None:
        target = write.move_to
        known = self.rows.get(write.key)
        if known is None or target is None or target in self.rows:
            return
        self._put(write.key, None)
        self._append("d", write.key, None, lsn, before, other=target)
        row = (write.status or known[0], write.amount, known[2])
        self._put(target, row)
        self._append("c", target, row, lsn, before, keeps_note=True, other=write.key)

    def _put(self, key: int, row: Row | None) -> None:
        self._history.setdefault(key, [(FOREVER, None)]).append((self.now(), row))
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row

    def _append(
        self,
        operation: str,
        key: int | None,
        row: Row | None,
        lsn: int,
        before: int,
        *,
        keeps_note: bool = False,
        other: int | None = None,
    ) -> None:
        entry = Entry(operation, key, row, keeps_note, lsn, before, self._transaction, self.now(), other)
        self.log.append(entry)
        for tell in self.told:
            tell(entry)

    # -- the truth ----------------------------------------------------------------------------------------------------

    def keys(self) -> set[int]:
        """Every key that ever had a row."""
        return set(self._history)

    def at(self, key: int, moment: float) -> Row | None:
        """What a key held."""
        history = self._history.get(key, [(FOREVER, None)])
        return history[bisect_right([at for at, _ in history], moment) - 1][1]

    def history(self, key: int) -> list[tuple[float, Row | None]]:
        """What a key held, each with the moment from which on it did."""
        return self._history.get(key, [(FOREVER, None)])

    def within(self, key: int, begin: float, end: float) -> set[Row | None]:
        """Everything that a key held at some instant of an interval."""
        history = self._history.get(key, [(FOREVER, None)])
        moments = [at for at, _ in history]
        first, last = bisect_right(moments, begin) - 1, bisect_right(moments, end)
        return {row for _, row in history[first:last]}

    def moments(self, key: int) -> list[float]:
        """When a key was written."""
        return [at for at, _ in self._history.get(key, [])][1:]

    def remember(self, key: int, row: Row | None) -> None:
        """Hold a row from now on, without a log."""
        self._put(key, row)

    def changed(self, key: int, begin: float, end: float) -> int:
        """How often a key was written within an interval."""
        return sum(1 for at, _ in self._history.get(key, []) if begin < at <= end)
