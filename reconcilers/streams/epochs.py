"""The epochs of owners' logs: within one, of two changes of a row the one with the higher position is the later.

Each stream of positions is an epoch of its own (`reconcilers.change.Position.stream`).  A log begins anew, too: its
database is restored or upgraded, or its server loses its binary logs.  Positions go back then, and everything new would
be older than all that there was.  What shows it is a snapshot of the connector's that stands before changes that were
told, and is younger: it was read later by the owner's clock, and told later.  A change belongs to the epoch that its
commit belongs to, in whatever order partitions are read; what is sent again after a crash, too.

A snapshot that is only delivered a second time is not younger.  One that is a part of the stream, and says where the
stream was when it was read, tells nothing: *incremental*.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Place = tuple[int, int, int]


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


class Epochs(dict[tuple[str, str], int]):
    """The number of each epoch, by topic and stream, in the order in which they were met; all of one state.

    Args:
        restarts: By topic and log, when it has begun anew, oldest first, by the owner's clock in microseconds.
        find: How far the log of a stream was told in a topic, by an earlier process.
    """

    def __init__(
        self,
        numbers: dict[tuple[str, str], int] | None = None,
        restarts: dict[tuple[str, str], list[int]] | None = None,
        find: Callable[[str, int], Stand | None] = lambda _topic, _number: None,
    ) -> None:
        super().__init__(numbers or {})
        self.restarts = restarts or {}
        self._find = find
        self._stands: dict[tuple[str, str], Stand | None] = {}

    def of(self, topic: str, stream: str, committed: int | None) -> int:
        """The epoch that a change belongs to; a new one gets a number."""
        since = self.restarts_of(topic, stream)
        return self.numbered(topic, stream, len(since) if committed is None else bisect_right(since, committed))

    def numbered(self, topic: str, stream: str, count: int) -> int:
        """The epoch of a stream since its log has begun anew so often; a new one gets a number."""
        return self.setdefault((topic, f"{stream}{_AGAIN}{count}" if count else stream), len(self) + 1)

    def restarts_of(self, topic: str, stream: str) -> Sequence[int]:
        """When the log of a stream has begun anew, oldest first."""
        return self.restarts.get((topic, _log(stream)), ())

    def reach(self, topic: str, stream: str, stand: Stand) -> None:
        """A change was told."""
        log = _log(stream)
        since = self.restarts.get((topic, log))
        if since and stand.committed < since[-1]:
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
        self.restarts.setdefault((topic, log), []).append(stand.committed)
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

    def forget(self, topic: str) -> None:
        """Let go of a topic."""
        for key in [key for key in self if key[0] == topic]:
            del self[key]
        self.restarts = {key: moments for key, moments in self.restarts.items() if key[0] != topic}
        self._stands = {key: stand for key, stand in self._stands.items() if key[0] != topic}


_AGAIN = "#"
"""Before how often a log has begun anew, behind a stream's name."""


def _log(stream: str) -> str:
    """A stream without its server, which a snapshot does not tell, and without how often its log has begun anew.

    `mysql/shop/223344/binlog` and the snapshot's `mysql/shop/0/binlog` are of one log, as far as anybody can tell.
    """
    parts = stream.partition(_AGAIN)[0].split("/")
    return "/".join(parts if len(parts) < _WITH_SERVER else [*parts[:2], *parts[3:]])


_WITH_SERVER = 4
