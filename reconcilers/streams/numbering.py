"""The epochs of changes that were decoded at once, as `Epochs` tells them one by one, and mostly in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reconcilers.streams.epochs import has_servers, same_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconcilers.streams.epochs import Epochs
    from reconcilers.streams.stretches import Entry
    from reconcilers.streams.versions import Flags, Integers, Versions


@dataclass(frozen=True, slots=True)
class Numbering:
    """Finds the epochs of one batch.

    Attributes:
        epochs: All that are known; new ones are added.
        topic: The batch's.
        versions: The batch.
    """

    epochs: Epochs
    topic: str
    versions: Versions

    def numbers(self) -> Integers:
        """The epoch of each version, in the order in which they come; a backfill begins none, and has 0."""
        versions, numbers = self.versions, np.zeros(len(self.versions), np.int64)
        told = [index for index in dict.fromkeys(versions.stream.tolist()) if index >= 0]
        rows = np.flatnonzero(versions.stream >= 0)
        if len(versions.seen) and told:
            return self._in_turn()
        seen = {versions.streams[of] for of in set(versions.seen_stream.tolist())}
        if any(self.epochs.is_told(self.topic, stream) for stream in seen):
            for _, stream, stand in versions.sights():
                self.epochs.see(self.topic, stream, stand)
        if any(has_servers(versions.streams[index]) for index in told):
            return numbers if self._goes_on(rows, numbers) else self._in_turn()
        for index in told:
            some, stream = np.flatnonzero(versions.stream == index), versions.streams[index]
            self._reach(stream, some)
            numbers[some] = self._numbered(stream, some)
        return numbers

    def _in_turn(self) -> Integers:
        """The same one by one: a log may begin anew with any row of a snapshot, and a stretch with any change."""
        versions, numbers = self.versions, np.zeros(len(self.versions), np.int64)
        seen = {row: (stream, stand) for row, stream, stand in versions.sights()}
        for row, index in enumerate(versions.stream.tolist()):
            if row in seen:
                self.epochs.see(self.topic, *seen[row])
            if index >= 0:
                entry = versions.entry(row)
                numbers[row] = self.epochs.of(self.topic, entry)
                self.epochs.reach(self.topic, entry.stream, versions.stand(row))
        return numbers

    def _goes_on(self, rows: Integers, numbers: Integers) -> bool:
        """Note the epochs of changes whose streams tell their servers; nothing where not all of them simply go on."""
        parts = self.versions.parts
        found = []
        for part in np.unique(parts[rows]).tolist():
            some = rows[parts[rows] == part]
            entries, count = self._edges(some), len(self.epochs.restarts_of(self.topic, self._stream(some[0])))
            if not self._is_plain(some) or not self.epochs.goes_on(self.topic, entries, count):
                return False
            found.append((some, entries, count))
        for some, entries, count in found:
            numbers[some] = self.epochs.go_on(self.topic, entries, count)
            self.epochs.reach(self.topic, self._stream(some[-1]), self.versions.stand(int(some[-1])))
        return True

    def _edges(self, rows: Integers) -> Sequence[Entry]:
        """The first and the last change of each stream, in their order."""
        streams = self.versions.stream[rows]
        _, first = np.unique(streams, return_index=True)
        _, last = np.unique(streams[::-1], return_index=True)
        return [self.versions.entry(row) for row in sorted({*rows[first].tolist(), *rows[::-1][last].tolist()})]

    def _stream(self, row: int) -> str:
        return self.versions.streams[int(self.versions.stream[row])]

    def _is_plain(self, rows: Integers) -> bool:
        """Whether some changes of a partition are in the order of their places in one log, as it is since it began."""
        versions, one = self.versions, self._stream(rows[0])
        if not all(same_log(versions.streams[index], one) for index in np.unique(versions.stream[rows]).tolist()):
            return False
        return versions.ascends(rows) and bool(self._is_of_latest(one, rows).all())

    def _reach(self, stream: str, rows: Integers) -> None:
        """Note the furthest of some changes of one stream."""
        if self.epochs.restarts_of(self.topic, stream):
            rows = rows[self._is_of_latest(stream, rows)]
        for part in self.versions.positions:  # from the left: those with the highest number, and so on
            rows = rows[part[rows] == np.max(part[rows])] if len(rows) else rows
        if len(rows):
            self.epochs.reach(self.topic, stream, self.versions.stand(int(rows[-1])))

    def _numbered(self, stream: str, rows: Integers) -> Integers | int:
        """The epochs of some changes of one stream: one, unless its log has begun anew."""
        restarts = self.epochs.restarts_of(self.topic, stream)
        if not restarts:
            return self.epochs.numbered(self.topic, stream, 0)
        which = self._counts(stream, rows)
        known = {count: self.epochs.numbered(self.topic, stream, count) for count in np.unique(which).tolist()}
        return np.asarray([known[count] for count in which.tolist()], np.int64)

    def _counts(self, stream: str, rows: Integers) -> Integers:
        """How often the log had begun anew before each change: see `Epochs.count`."""
        restarts = self.epochs.restarts_of(self.topic, stream)
        committed, stamps = ([one[part] for one in restarts] for part in (0, 1))
        by_commit = np.searchsorted(committed, self.versions.committed[rows], "right")
        return np.maximum(by_commit, np.searchsorted(stamps, self.versions.stamps[rows], "left"))

    def _is_of_latest(self, stream: str, rows: Integers) -> Flags:
        latest: Flags = self._counts(stream, rows) == len(self.epochs.restarts_of(self.topic, stream))
        return latest
