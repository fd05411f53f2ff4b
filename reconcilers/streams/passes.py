"""Snapshots in a stream: which of its records belong together, and when all of them have been seen.

A finished snapshot tells every row that there was; what it did not meet was gone before it began.  A connector that
breaks a snapshot off begins it anew.  Partitions are read in any order, so the record that ends a snapshot may come
before the one that begins it, and before all others: it is by the records' own times that they belong together.  A
snapshot began at the latest beginning before its end, and after the end before it.  So a beginning that a later one has
followed is kept: its own end may be in a partition that is read later.
"""

from __future__ import annotations

from dataclasses import replace

from reconcilers.streams.intake import IN_STREAM
from reconcilers.streams.state import Pass

_LAST = frozenset({"last", "last_in_data_collection"})
_FIRST = frozenset({"first", "first_in_data_collection"})


class Passes:
    """The snapshots of one topic.

    Args:
        topic: The topic.
        known: Those that are known already, oldest first.
    """

    def __init__(self, topic: str, known: list[Pass]) -> None:
        self._topic = topic
        self._all = {one.number: one for one in known}
        self.changed: dict[int, Pass] = {}

    def number_of(self, snapshot: str, stamp: int) -> int:
        """The snapshot that a record belongs to, 0 where it belongs to none.

        Args:
            snapshot: What the record says of it.
            stamp: The record's time in milliseconds.
        """
        if snapshot in IN_STREAM:
            return 0
        if snapshot in _FIRST:
            one = self._first(stamp)
        elif snapshot in _LAST:
            one = self._last(stamp)
        else:
            one = self._earlier(stamp)
        self._set(one)
        return one.number

    def _closed(self, stamp: int) -> Pass | None:
        """The first that ended at or after a moment."""
        later = [one for one in self._all.values() if one.ended is not None and stamp <= one.ended]
        return min(later, key=lambda one: one.ended or 0, default=None)

    def _going(self, stamp: int) -> list[Pass]:
        """Those without an end that began after the latest end before a moment, and not after the moment."""
        before = max(
            (one.ended for one in self._all.values() if one.ended is not None and one.ended < stamp), default=-1
        )
        return [one for one in self._all.values() if one.ended is None and before < one.began <= stamp]

    def _made(self, began: int, ended: int | None = None, *, begun: bool = False) -> Pass:
        return Pass(self._topic, max(self._all, default=0) + 1, began, ended, begun)

    def _first(self, stamp: int) -> Pass:
        """The one that begins now; what was taken for its beginning and is earlier may be that of another."""
        closed = self._closed(stamp)
        if closed is None or (closed.begun and stamp < closed.began):
            return self._begun(stamp)
        if closed.begun and closed.began < stamp:
            self._set(self._made(closed.began, begun=True))
        return replace(closed, began=stamp, begun=True)

    def _begun(self, stamp: int) -> Pass:
        """A beginning whose end has not been read, if it has one."""
        going = [one for one in self._all.values() if one.ended is None]
        same = next((one for one in going if one.begun and one.began == stamp), None)
        told = next((one for one in going if not one.begun and stamp <= one.began), None)  # records of it, read before
        return same or replace(told or self._made(stamp), began=stamp, begun=True)

    def _earlier(self, stamp: int) -> Pass:
        """The one of a record that may be older than all that were read, where its beginning was not read."""
        if (closed := self._closed(stamp)) is not None:
            return closed if closed.begun else replace(closed, began=min(closed.began, stamp))
        if going := self._going(stamp):
            return max(going, key=lambda one: one.began)
        told = next((one for one in self._all.values() if one.ended is None and not one.begun), None)
        return replace(told or self._made(stamp), began=stamp)

    def _last(self, stamp: int) -> Pass:
        """The one that ends now: the latest that began before, if it is not the next one's that was read already."""
        closed = self._closed(stamp)
        if closed is not None and closed.ended == stamp:
            return closed
        if closed is not None and closed.began <= stamp:
            self._set(replace(closed, began=stamp, begun=False))  # where it began is not known yet: after this end
            return self._made(closed.began, stamp, begun=closed.begun)
        going = max(self._going(stamp), key=lambda one: one.began, default=None)
        return self._made(stamp, stamp) if going is None else replace(going, ended=stamp)

    def _set(self, one: Pass) -> None:
        if self._all.get(one.number) != one:
            self._all[one.number] = self.changed[one.number] = one
