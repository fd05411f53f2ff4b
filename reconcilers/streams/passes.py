"""Snapshots in a stream: which of its records belong together, and when all of them have been seen.

A finished snapshot tells every row that there was; what it did not meet was gone before it began.  A connector that
breaks a snapshot off begins it anew.  Records of other partitions may be read after the one that ends it, so it is by
the records' own times that they belong to it.
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
        found = self._found(snapshot, stamp)
        if snapshot in _LAST:
            found = replace(found, ended=max(stamp, found.ended or stamp))
        self._set(replace(found, began=min(found.began, stamp)))
        return found.number

    def _found(self, snapshot: str, stamp: int) -> Pass:
        current = self._all[max(self._all)] if self._all else None
        for one in self._all.values():
            if one.ended is not None and one.began <= stamp <= one.ended:
                return one
        if current is None or current.ended is not None or (snapshot in _FIRST and stamp > current.began):
            number = 1 if current is None else current.number + 1
            return Pass(self._topic, number, stamp, None)
        return current

    def _set(self, one: Pass) -> None:
        if self._all.get(one.number) != one:
            self._all[one.number] = self.changed[one.number] = one
