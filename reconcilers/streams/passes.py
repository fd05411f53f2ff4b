"""Snapshots in a stream: which of its records belong together, and when all of them have been seen.

A finished snapshot tells every row that there was; what it did not meet was gone before it began.  A connector that
breaks a snapshot off begins it anew.  Partitions are read in any order, so the record that ends a snapshot may come
before the one that begins it, and before all others: it is by the records' own times that they belong together.  A
snapshot began at the latest beginning before its end.
"""

from __future__ import annotations

from dataclasses import replace

from reconcilers.streams.state import Pass

_WITHIN_STREAM = frozenset({"", "false", "incremental"})
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
        if snapshot in _WITHIN_STREAM:
            return 0
        found = self._closed(stamp)
        if snapshot in _FIRST:
            one = self._first(found or self._open(), stamp)
        elif snapshot in _LAST:
            one = self._last(found, stamp)
        else:
            one = self._earlier(found or self._open() or self._made(stamp), stamp)
        self._set(one)
        return one.number

    def _closed(self, stamp: int) -> Pass | None:
        """The first that ended at or after a moment."""
        later = [one for one in self._all.values() if one.ended is not None and stamp <= one.ended]
        return min(later, key=lambda one: one.ended or 0, default=None)

    def _open(self) -> Pass | None:
        """The one that goes on, or was broken off and may be begun anew."""
        return next((one for one in self._all.values() if one.ended is None), None)

    def _made(self, began: int, ended: int | None = None, *, begun: bool = False) -> Pass:
        return Pass(self._topic, max(self._all, default=0) + 1, began, ended, begun)

    def _first(self, one: Pass | None, stamp: int) -> Pass:
        """With its beginning, which is the latest of several: those before were broken off."""
        if one is None:
            return self._made(stamp, begun=True)
        return one if one.begun and stamp <= one.began else replace(one, began=stamp, begun=True)

    def _earlier(self, one: Pass, stamp: int) -> Pass:
        """With a record that may be older than all that were read, where its beginning was not read."""
        return one if one.begun else replace(one, began=min(one.began, stamp))

    def _last(self, after: Pass | None, stamp: int) -> Pass:
        """The one that ends now.

        Args:
            after: The first that is known to have ended at or after this moment.
            stamp: The moment.
        """
        if after is not None:
            if after.ended == stamp or not after.begun or after.began > stamp:
                return after if after.ended == stamp else self._made(stamp, stamp)
            self._set(replace(after, began=after.ended or stamp, begun=False))  # what it began with is this one's
            return self._made(after.began, stamp, begun=True)
        going = self._open()
        return replace(going, ended=stamp) if going is not None and going.began <= stamp else self._made(stamp, stamp)

    def _set(self, one: Pass) -> None:
        if self._all.get(one.number) != one:
            self._all[one.number] = self.changed[one.number] = one
