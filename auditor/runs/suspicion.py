"""The suspects of one run: every look that was had at each of them, and when to look again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.errors import StoreError, WorkspaceError
from reconcilers.finding import Divergence, Finding, KeyText, Verdict
from reconcilers.look import EntityLook, Looker, ReplicaLook, Sight, Suspects
from reconcilers.recheck import LOOK_SECONDS_MIN, OWNER_ONLY, Judgement, Look, is_old, judge, one_look, settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from auditor.clock import Clock
    from auditor.runs.recollection import Recollection
    from reconcilers.watermark import Watermark

_Subject = tuple[str | None, KeyText | None]
"""What is looked at again: a replica (None: the owner alone) and a key."""


SAMPLED_SUSPECTS_MAX = 10_000
"""Suspects of one entity that are looked at while their lag bound passes, too: more of them would be a load."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A persistent finding, and the time that its owner's database gave the version which was first seen."""

    finding: Finding
    mark: str


class Suspect:
    """One divergence on one key, and every look at it.  Its divergence may change from look to look."""

    __slots__ = ("finding", "judgement", "lag_bound", "looks")

    def __init__(self, finding: Finding, lag_bound: float, looks: list[Look]) -> None:
        self.finding = finding
        self.lag_bound = lag_bound
        self.looks = looks
        self.judgement = _judged(looks, lag_bound)

    def see(self, look: Look, finding: Finding | None = None) -> None:
        """Take one more look into account."""
        self.looks.append(look)
        self.finding = finding or self.finding
        self.judgement = _judged(self.looks, self.lag_bound)

    @property
    def unjudged(self) -> Judgement:
        """What one look says where there will be no other."""
        return Judgement(Verdict.SUSPECT, cause=self.finding.cause)


def _judged(looks: list[Look], lag_bound: float) -> Judgement:
    if len(looks) > 1:
        return judge(looks, lag_bound)
    waits = 0.0 if is_old(looks[0], lag_bound) else lag_bound
    return one_look(waits, looks[0].end - looks[0].at)


@dataclass(slots=True)
class Suspicion:
    """The suspects of one entity.

    Args:
        lag_bounds: Replica name to its lag bound in seconds.
        sampled: Suspects that are looked at while their lag bound passes, too.
    """

    lag_bounds: Mapping[str, float]
    suspects: list[Suspect] = field(default_factory=list)
    settled: list[Finding] = field(default_factory=list)
    sampled: int = SAMPLED_SUSPECTS_MAX
    marked: list[Marked] = field(default_factory=list)
    """Those of the settled that are drift and have a time; see `lateness`."""

    def begin(self, look: EntityLook, wall: datetime, recollection: Recollection | None = None) -> None:
        """Take everything that a first look saw as a suspect, with what earlier runs saw of it."""
        moments = {replica: _moments(look, replica) for replica in (None, *look.replicas)}
        for sight, replica in _sights(look):
            first = _look(sight, moments[replica], wall)
            earlier = [] if recollection is None else recollection.earlier(sight.finding, first)
            self.suspects.append(Suspect(sight.finding, self._bound(sight.finding), [*earlier, first]))

    def _bound(self, finding: Finding) -> float:
        """How long the difference may lawfully last: what one side shows all by itself waits for no replication."""
        if finding.replica is None or finding.divergence in OWNER_ONLY or finding.divergence is Divergence.DUPLICATE:
            return 0.0
        return self.lag_bounds[finding.replica]

    def next_look_in(self, now: float) -> float | None:
        """Seconds until the earliest moment at which another look tells something; None when all is settled."""
        waits = [self._due(suspect) - now for suspect in self.suspects]
        return max(min(waits), 0.0) if waits else None

    def settled_in(self, now: float) -> float | None:
        """Seconds until the earliest moment at which something may be settled; None when all is."""
        waits = [suspect.looks[-1].at + (suspect.judgement.again_in or 0.0) - now for suspect in self.suspects]
        return max(min(waits), 0.0) if waits else None

    def _due(self, suspect: Suspect) -> float:
        judgement, seen = suspect.judgement, suspect.looks[-1]
        sampled = len(self.suspects) <= self.sampled
        return seen.at + ((judgement.sample_in if sampled else judgement.again_in) or 0.0)

    def look_again(self, looker: Looker, clock: Clock) -> None:
        """Look again at what is due, and at what would be soon, and set aside what is settled."""
        now = clock.monotonic()
        soon = now + LOOK_SECONDS_MIN
        due = [suspect for suspect in self.suspects if self._due(suspect) <= soon]
        if not any(self._due(suspect) <= now for suspect in due):
            return
        keys = {suspect.finding.key for suspect in due if suspect.finding.key is not None}
        unkeyed = any(_is_unkeyed(suspect.finding) for suspect in due)
        wall = clock.now()
        try:
            look = _whole_look(looker, Suspects(keys, unkeyed))
        except (StoreError, WorkspaceError) as error:
            look = EntityLook(replicas={name: ReplicaLook(error=error.message) for name in self.lag_bounds})
            self._add(due, look, now, wall, problem=error.message)
        else:
            self._add(due, look, now, wall)
        self._settle(due, wall)

    def _add(self, due: Iterable[Suspect], look: EntityLook, now: float, wall: datetime, *, problem: str = "") -> None:
        seen: dict[_Subject, list[Sight]] = {}
        for sight, replica in _sights(look):
            seen.setdefault((replica, sight.finding.key), []).append(sight)
        for suspect in due:
            finding = suspect.finding
            same = _same(finding, seen.get((finding.replica, finding.key), []))
            told = problem or _unsure(look, finding.replica)
            failed = next(iter(told.splitlines()), "")
            moments = _moments(look, finding.replica, now)
            if same is None:
                suspect.see(Look(moments.first, wall, "", "", None, problem=failed))
            else:
                suspect.see(_look(same, moments, wall, problem=failed), same.finding)

    def _settle(self, due: Iterable[Suspect], now: datetime) -> None:
        for suspect in due:
            judgement = suspect.judgement
            if judgement.again_in is None:
                self._keep(suspect, settle(suspect.finding, judgement, suspect.looks, now))
        self.suspects = [suspect for suspect in self.suspects if suspect.judgement.again_in is not None]

    def _keep(self, suspect: Suspect, finding: Finding) -> None:
        self.settled.append(finding)
        mark = next((look.mark for look in suspect.looks if look.mark is not None), None)
        if finding.verdict is Verdict.PERSISTENT and isinstance(mark, str):
            self.marked.append(Marked(finding, mark))

    def give_up(self, now: datetime) -> None:
        """No time is left: what is not settled stays in flight, with the time to judge it."""
        self.settled += [settle(suspect.finding, suspect.judgement, suspect.looks, now) for suspect in self.suspects]
        self.suspects = []

    def leave(self) -> None:
        """Nothing is to be rechecked: suspects are reported as such."""
        self.settled += [
            settle(suspect.finding, suspect.unjudged, suspect.looks, suspect.looks[0].wall) for suspect in self.suspects
        ]
        self.suspects = []


def _whole_look(looker: Looker, suspects: Suspects) -> EntityLook:
    """A look again; once more where a side was emptied, altered or loaded anew meanwhile: that has passed by then."""
    look = looker.look(suspects)
    rewritten = look.rewritten or any(replica.notes for replica in look.replicas.values())
    return looker.look(suspects) if rewritten else look


def _unsure(look: EntityLook, name: str | None) -> str:
    """Why what a look shows of a replica, or of the owner, may not be what is there; else an empty string."""
    replica = look.replicas[name] if name is not None else ReplicaLook()
    return replica.error or look.rewritten or "; ".join(replica.notes)


def _sights(look: EntityLook) -> Iterable[tuple[Sight, str | None]]:
    yield from ((sight, None) for sight in look.owner_sights)
    for name, replica in look.replicas.items():
        if not replica.error:
            yield from ((sight, name) for sight in replica.sights)


@dataclass(frozen=True, slots=True)
class _Moments:
    """The auditor's monotonic clock: when the first side was taken, when both had surely been read, in which order."""

    first: float
    last: float
    owner_last: bool


def _moments(look: EntityLook, replica: str | None, otherwise: float = 0.0) -> _Moments:
    """When the sides of one look were read; `otherwise`: where nothing was."""
    owner, copy = look.watermark, look.replicas[replica].watermark if replica in look.replicas else None
    marks = [mark for mark in (owner, copy) if mark is not None]
    first = min((mark.monotonic for mark in marks), default=otherwise)
    last = max((_read_by(mark, look) for mark in marks), default=otherwise)
    return _Moments(first, last, owner is None or copy is None or owner.monotonic >= _read_by(copy, look))


def _read_by(mark: Watermark, look: EntityLook) -> float:
    """When a side had surely been read: one without a snapshot may have been read as late as the look ended."""
    if mark.isolation != "snapshot" or math.isinf(mark.by):
        return max(mark.monotonic, look.read_until)
    return mark.by


def _look(sight: Sight, moments: _Moments, wall: datetime, *, problem: str = "") -> Look:
    return Look(
        moments.first, wall, sight.owner, sight.replica, sight.finding, problem=problem, until=moments.last,
        mark=sight.mark, copied=sight.copied, age=sight.age, owner_last=moments.owner_last, doubt=sight.doubt,
    )  # fmt: skip


def _is_unkeyed(finding: Finding) -> bool:
    if finding.divergence is Divergence.NULL_KEY:
        return True
    return finding.rule == "type" and not finding.fields


def _same(finding: Finding, seen: list[Sight]) -> Sight | None:
    """The sight that continues a suspect: the same rule at the owner; at a replica whatever differs on that key now."""
    if finding.replica is None or finding.divergence in (Divergence.DUPLICATE, Divergence.NULL_KEY):
        return next(
            (s for s in seen if s.finding.divergence is finding.divergence and s.finding.rule == finding.rule), None
        )
    return seen[0] if seen else None
