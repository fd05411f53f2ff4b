"""The stretches of a log that several servers write: within one, the change with the higher place is the later.

A MySQL or MariaDB log goes on at another server when that takes over, and at the first one again when it is given
back.  Each server counts the places of its own log.  The server that a change tells is the one that made it, not the
one whose log tells it: a log of one server may hold what several have made, and its places order all of it.

What is certain is the order within a partition, in which a connector tells each row's changes as its log has them, but
for what it sends again after a crash.  So a change at a lower place than the one before it was either told already, and
belongs where it was, or it is of another log, and a stretch begins.  It was told where its transaction's number is not
above those that its server had told; without such numbers, where its server has told a place as high.

Partitions share their stretches, which the times of commits bring together as well as they can: it matters for
truncates alone, which are told in one partition and are about all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from reconcilers.gtid import origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Place = tuple[int, int, int]

STRETCHES_MAX = 999
"""Of one log: servers take over rarely; two connectors of one name on one topic would begin one with each record."""

SPANS_MAX = 8
"""Of one server in one partition that are remembered: what a connector sends again is from just before its crash."""


class Entry(NamedTuple):
    """A change as its owner's log has it.

    Attributes:
        part: The partition that tells it.
        stream: What its position is comparable within, see `reconcilers.change.Position`.
        place: Its position.
        committed: By the owner's clock, in microseconds since 1970; None where unknown.
        transaction: Its transaction's id; empty where unknown.
        stamp: When the connector told it, in milliseconds.
    """

    part: int
    stream: str
    place: Place
    committed: int | None
    transaction: str
    stamp: int = 0


class Span(NamedTuple):
    """What a server has told in one stretch: its first place and its last."""

    stretch: int
    first: Place
    last: Place


@dataclass(slots=True)
class Trail:
    """How one partition was told a log.

    Attributes:
        stretch: That it has come to, from 1.
        reach: The place that it has come to there.
        spans: By stream, what it was told of it; oldest first.
        counts: By stream and by what the numbers of transactions count within, the highest number.
    """

    stretch: int
    reach: Place
    spans: dict[str, list[Span]] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def note(self, entry: Entry) -> None:
        """Go on with a change."""
        self.reach, spans = entry.place, self.spans.setdefault(entry.stream, [])
        if spans and spans[-1].stretch == self.stretch:
            known = spans.pop()
            spans.append(Span(self.stretch, min(known.first, entry.place), max(known.last, entry.place)))
        else:
            spans.append(Span(self.stretch, entry.place, entry.place))
            del spans[:-SPANS_MAX]
        if (found := origin(entry.transaction)) is not None:
            counts = self.counts.setdefault(entry.stream, {})
            counts[found[0]] = max(found[1], counts.get(found[0], 0))

    def told(self, entry: Entry) -> Span | None:
        """Where a change was told before; None for one that was not."""
        spans, found = self.spans.get(entry.stream), origin(entry.transaction)
        if not spans:
            return None
        was_passed = entry.place <= spans[-1].last
        known = None if found is None else self.counts.get(entry.stream, {}).get(found[0])
        if found is None or known is None:
            is_old = was_passed
        else:
            # A transaction goes on over many rows, and replicas may commit in another order.
            goes_on = entry.place >= self.reach and not was_passed
            is_old = not goes_on and found[1] <= known
        if not is_old:
            return None
        return next((span for span in reversed(spans) if span.first <= entry.place), spans[0])

    def goes_on(self, entry: Entry) -> bool:
        """Whether a change is at a place where nothing was told before."""
        spans = self.spans.get(entry.stream)
        return entry.place >= self.reach and (not spans or entry.place >= spans[-1].last)


class Stretches:
    """The stretches of one log, numbered from 1.

    Args:
        since: When each began, by the owner's clock, in microseconds since 1970; None where unknown.
        trails: By partition.
    """

    def __init__(self, since: list[int | None] | None = None, trails: dict[int, Trail] | None = None) -> None:
        self._since = since or []
        self._trails = trails or {}
        self.is_news = False
        """Whether anything has changed that was not written yet."""

    def __len__(self) -> int:
        return len(self._since)

    def of(self, entry: Entry) -> int:
        """The stretch that a change belongs to."""
        trail = self._trails.get(entry.part)
        if trail is None:
            stretch = max(self._at(entry.committed), 1) if self._since else self._begin(entry.committed)
            trail = self._trails[entry.part] = Trail(stretch, entry.place)
        elif (span := trail.told(entry)) is not None:
            return span.stretch
        elif entry.place >= trail.reach:
            trail.stretch = max(trail.stretch, self._at(entry.committed))
        else:
            later = self._at(entry.committed)
            trail.stretch = later if later > trail.stretch else self._begin(entry.committed)
        trail.note(entry)
        self.is_news = True
        return trail.stretch

    def goes_on(self, entries: Sequence[Entry]) -> bool:
        """Whether changes of one partition belong to the stretch that it has come to, if they are in order.

        Args:
            entries: The first one of each stream among them.
        """
        trail = self._trails.get(entries[0].part)
        return trail is not None and trail.stretch == len(self) and all(trail.goes_on(entry) for entry in entries)

    def go_on(self, entry: Entry) -> int:
        """The stretch that a partition has come to, with a change that belongs to it."""
        trail = self._trails[entry.part]
        trail.note(entry)
        self.is_news = True
        return trail.stretch

    def require(self, stretch: int, committed: int | None) -> None:
        """Have as many stretches as somebody else has seen."""
        while len(self) < min(stretch, STRETCHES_MAX):
            self._begin(committed)

    def forget(self, part: int) -> None:
        """Let go of a partition."""
        self.is_news = self._trails.pop(part, None) is not None or self.is_news

    def told(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        trails = {
            part: {"stretch": one.stretch, "reach": one.reach, "spans": one.spans, "counts": one.counts}
            for part, one in self._trails.items()
        }
        return {"since": self._since, "trails": trails}

    @staticmethod
    def read(told: Mapping[str, Any]) -> Stretches:
        """What `told` has told."""
        trails = {int(part): _trail(one) for part, one in told["trails"].items()}
        return Stretches(list(told["since"]), trails)

    def _at(self, committed: int | None) -> int:
        """The latest stretch that had begun by then; of those whose time is unknown, the latest."""
        for number in range(len(self), 0, -1):
            since = self._since[number - 1]
            if since is None or (committed is not None and since <= committed):
                return number
        return 0

    def _begin(self, committed: int | None) -> int:
        if len(self) < STRETCHES_MAX:
            self._since.append(committed)
            self.is_news = True
        return len(self)


def _trail(told: Mapping[str, Any]) -> Trail:
    spans = {
        stream: [Span(stretch, _place(first), _place(last)) for stretch, first, last in each]
        for stream, each in told["spans"].items()
    }
    counts = {stream: dict(each) for stream, each in told["counts"].items()}
    return Trail(told["stretch"], _place(told["reach"]), spans, counts)


def _place(parts: list[int]) -> Place:
    first, second, third = parts
    return first, second, third
