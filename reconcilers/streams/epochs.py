"""The epochs of owners' logs: within one, of two changes of a row the one with the higher position is the later.

Each stream of positions is an epoch of its own (`reconcilers.change.Position.stream`).  MySQL's and MariaDB's tell the
server that made the changes: each stretch of their log is an epoch (`reconcilers.streams.stretches`).

A log begins anew, too: its database is restored or upgraded, or its server loses its binary logs.  Positions go back
then, and everything new would be older than all that there was.  What shows it is a snapshot of the connector's that
stands before changes that were told, and is younger: it was read later by the owner's clock, and told later.  In
whatever order partitions are read, a change belongs to the later epoch where it was committed after the snapshot, or
told after it: a snapshot tells a later time than that of the place that it tells.

A snapshot that is only delivered a second time is not younger.  One that is a part of the stream, and says where the
stream was when it was read, tells nothing: *incremental*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconcilers.streams.stretches import STRETCHES_MAX, Place, Stretches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reconcilers.streams.stretches import Entry


class Stand(NamedTuple):
    """How far a log was told.

    Attributes:
        place: The furthest position.
        committed: By the owner's clock, in microseconds since 1970.
        stamp: When the connector told it, in milliseconds.
    """

    place: Place
    committed: int
    stamp: int


class Restart(NamedTuple):
    """When a log has begun anew: what the first row of the snapshot tells that showed it.

    Attributes:
        committed: By the owner's clock, in microseconds since 1970.
        stamp: When the connector told it, in milliseconds.
    """

    committed: int
    stamp: int


class Epochs(dict[tuple[str, str], int]):
    """The number of each epoch, by topic and stream, in the order in which they were met; all of one state.

    The name of a stream has behind it how often its log has begun anew, and the stretch, where these are not the first.

    Args:
        restarts: By topic and log, the times at which it has begun anew, oldest first.
        stretches: By topic and by log and count of restarts, the stretches of logs of several servers.
        find: How far the log of a stream was told in a topic, by an earlier process.
    """

    def __init__(
        self,
        numbers: dict[tuple[str, str], int] | None = None,
        restarts: dict[tuple[str, str], list[Restart]] | None = None,
        stretches: Mapping[tuple[str, str], Stretches] | None = None,
        find: Callable[[str, int], Stand | None] = lambda _topic, _number: None,
    ) -> None:
        super().__init__(numbers or {})
        self.restarts = restarts or {}
        self._find = find
        self._stands: dict[tuple[str, str], Stand | None] = {}
        self._stretches = dict(stretches or {})
        for (topic, stream), number in self.items():
            if has_servers(stream):  # a state of an older program has no more of it
                since = self._of_log(topic, stream, _count(stream))
                since.require(number - self._base(topic, stream, _count(stream)) + 1, None)

    def of(self, topic: str, entry: Entry) -> int:
        """The epoch that a change belongs to; a new one gets a number."""
        count = self.count(topic, entry.stream, entry.committed, entry.stamp)
        if not has_servers(entry.stream):
            return self.numbered(topic, entry.stream, count)
        stretches = self._of_log(topic, entry.stream, count)
        before, stretch = len(stretches), stretches.of(entry)
        if len(stretches) > before:
            self._stands[topic, _log(entry.stream)] = None  # what is furthest is furthest in the latest
        return self.numbered(topic, entry.stream, count, stretch)

    def goes_on(self, topic: str, entries: Sequence[Entry], count: int) -> bool:
        """Whether changes of one partition belong to the epoch that it has come to, if they are in order.

        Args:
            topic: The topic.
            entries: The first and the last change of each stream; the first of all stands first, the last of all last.
            count: How often the log had begun anew before all of them.
        """
        first = {entry.stream: entry for entry in reversed(entries)}
        return self._of_log(topic, entries[0].stream, count).goes_on(list(first.values()))

    def go_on(self, topic: str, entries: Sequence[Entry], count: int) -> int:
        """The epoch of changes that simply go on: see `goes_on`."""
        stretches, number = self._of_log(topic, entries[0].stream, count), 0
        for entry in entries:
            number = self.numbered(topic, entry.stream, count, stretches.go_on(entry))
        return number

    def numbered(self, topic: str, stream: str, count: int, stretch: int = 1) -> int:
        """The epoch of a stream since its log has begun anew so often; a new one gets a number."""
        again = f"{stream}{_AGAIN}{count}" if count else stream
        name = f"{again}{_STRETCH}{stretch}" if stretch > 1 else again
        if (known := self.get((topic, name))) is not None:
            return known
        base = self._base(topic, stream, count) or self._next()
        return self.setdefault((topic, name), base + stretch - 1)

    def heard(self, topic: str, name: str, committed: int | None) -> int:
        """The epoch that another process calls by this name; a new one gets a number."""
        if (known := self.get((topic, name))) is not None:
            return known
        stream, count, stretch = name.partition(_STRETCH)[0].partition(_AGAIN)[0], _count(name), _stretch(name)
        if has_servers(stream):
            self._of_log(topic, stream, count).require(stretch, committed)
        return self.numbered(topic, stream, count, stretch)

    def count(self, topic: str, stream: str, committed: int | None, stamp: int) -> int:
        """How often the log of a stream had begun anew before a change."""
        since = self.restarts_of(topic, stream)
        if committed is None:
            return len(since)
        after = (at for at, one in enumerate(since, 1) if committed >= one.committed or stamp > one.stamp)
        return max(after, default=0)

    def is_tangled(self, topic: str) -> bool:
        """Whether a log has more stretches than are told apart."""
        return any(one == topic and len(stretches) >= STRETCHES_MAX for (one, _), stretches in self._stretches.items())

    def of_several(self, topic: str) -> list[int]:
        """The epochs of logs that several servers have written, or that have several stretches."""
        names: dict[tuple[str, int], list[int]] = {}
        for (one, stream), number in self.items():
            if one == topic and has_servers(stream):
                names.setdefault((_log(stream), _count(stream)), []).append(number)
        return [number for numbers in names.values() if len(numbers) > 1 for number in numbers]

    def news(self) -> Iterator[tuple[str, str, Stretches]]:
        """The stretches of logs that have changed since they were written: topic, log, and they."""
        for (topic, log), stretches in self._stretches.items():
            if stretches.is_news:
                yield topic, log, stretches

    def _of_log(self, topic: str, stream: str, count: int) -> Stretches:
        return self._stretches.setdefault((topic, f"{_log(stream)}{_AGAIN}{count}"), Stretches())

    def _base(self, topic: str, stream: str, count: int) -> int:
        """The number of the first stretch; 0 where there is none yet."""
        if not has_servers(stream):
            return 0
        log = _log(stream)
        return min((number - _stretch(name) + 1 for (one, name), number in self.items()
                    if one == topic and _count(name) == count and _log(name) == log), default=0)  # fmt: skip

    def _next(self) -> int:
        """A number behind all others, and behind those that are kept free for the stretches of logs that are known."""
        kept = [number + STRETCHES_MAX * has_servers(stream) for (_, stream), number in self.items()]
        return max(kept, default=0) + 1

    def restarts_of(self, topic: str, stream: str) -> Sequence[Restart]:
        """When the log of a stream has begun anew, oldest first."""
        return self.restarts.get((topic, _log(stream)), ())

    def reach(self, topic: str, stream: str, stand: Stand) -> None:
        """A change was told."""
        log = _log(stream)
        if self.count(topic, stream, stand.committed, stand.stamp) < len(self.restarts_of(topic, stream)):
            return
        known = self._stands.get((topic, log))
        if known is None or stand.place > known.place:
            self._stands[topic, log] = stand

    def see(self, topic: str, stream: str, stand: Stand) -> bool:
        """A row of a snapshot was told, as which its log stood there; returns whether the log has begun anew."""
        log = _log(stream)
        known = self._stand(topic, log)
        if known is None or not (
            stand.place < known.place and stand.committed > known.committed and stand.stamp > known.stamp
        ):
            return False
        self.restarts.setdefault((topic, log), []).append(Restart(stand.committed, stand.stamp))
        self._stands[topic, log] = None
        return True

    def is_told(self, topic: str, stream: str) -> bool:
        """Whether any change of the epoch that goes on was told of a stream's log."""
        return self._stand(topic, _log(stream)) is not None

    def _stand(self, topic: str, log: str) -> Stand | None:
        if (topic, log) not in self._stands:
            numbers = [number for (one, stream), number in self.items() if (one, _log(stream)) == (topic, log)]
            latest = max(numbers, default=0)
            self._stands[topic, log] = self._find(topic, latest) if latest else None
        return self._stands[topic, log]

    def forget(self, topic: str, part: int | None = None) -> None:
        """Let go of a topic, or of what one of its partitions was told."""
        if part is not None:
            for (one, _), stretches in self._stretches.items():
                if one == topic:
                    stretches.forget(part)
            return
        for key in [key for key in self if key[0] == topic]:
            del self[key]
        self.restarts = {key: moments for key, moments in self.restarts.items() if key[0] != topic}
        self._stands = {key: stand for key, stand in self._stands.items() if key[0] != topic}
        self._stretches = {key: known for key, known in self._stretches.items() if key[0] != topic}


_AGAIN = "#"
"""Before how often a log has begun anew, behind a stream's name."""

_STRETCH = "~"
"""Before the number of a stretch, behind that."""

_WITH_SERVER = 4


def has_servers(stream: str) -> bool:
    """Whether a stream tells the server that made its changes: MySQL's and MariaDB's do."""
    return stream.count("/") == _WITH_SERVER - 1


def same_log(one: str, other: str) -> bool:
    """Whether two streams are of one log."""
    return _log(one) == _log(other)


def _log(stream: str) -> str:
    """A stream without its server, which a snapshot does not tell, and without what stands behind its name.

    `mysql/shop/223344/binlog` and the snapshot's `mysql/shop/0/binlog` are of one log, as far as anybody can tell.
    """
    parts = stream.partition(_STRETCH)[0].partition(_AGAIN)[0].split("/")
    return "/".join(parts if len(parts) < _WITH_SERVER else [*parts[:2], *parts[3:]])


def _count(stream: str) -> int:
    """How often the log had begun anew, by the name of a stream."""
    return int(stream.partition(_STRETCH)[0].partition(_AGAIN)[2] or 0)


def _stretch(stream: str) -> int:
    """The number of the stretch, by the name of a stream."""
    return int(stream.partition(_STRETCH)[2] or 1)
