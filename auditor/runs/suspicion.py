"""The suspects of one run: every look that was had at each of them, and when to look again.

There may be a million of them.  So they wait in batches (`waiting`), most of them outside of memory, are looked at
again SUSPECTS_A_LOOK at a time, and leave for another spill when they are settled.  What is said of a suspect depends
on the looks at it alone: how many are looked at together changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.runs.suspect import SUSPECTS_A_LOOK, Suspect, Waiting
from contracts.errors import StoreError, WorkspaceError
from reconcilers.finding import Divergence, Finding, KeyText, Verdict
from reconcilers.look import EntityLook, Looker, ReplicaLook, Sight, Suspects
from reconcilers.packing import finding_of, packed_finding
from reconcilers.recheck import GONE, LOOK_SECONDS_MIN, OWNER_ONLY, Look, Sign, settle
from reconcilers.spill import Overflow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from auditor.clock import Clock
    from auditor.runs.recollection import Recollection
    from reconcilers.spill import Spill
    from reconcilers.watermark import Watermark

_Subject = tuple[str | None, KeyText | None]
"""What is looked at again: a replica (None: the owner alone) and a key."""


SAMPLED_SUSPECTS_MAX = 10_000
"""Suspects of one entity that are looked at while their lag bound passes, too: more of them would be a load."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Of a persistent finding, the time that its owner's database gave the version which was first seen.

    Attributes:
        position: Of the finding, among the settled.
    """

    position: int
    replica: str | None
    mark: str


class Suspicion:
    """The suspects of one entity.

    Args:
        lag_bounds: Replica name to its lag bound in seconds.
        sampled: Suspects that are looked at while their lag bound passes, too.
        overflow: Where more of them than memory should hold are kept.
        together: How many are looked at in one look.
    """

    def __init__(
        self,
        lag_bounds: Mapping[str, float],
        *,
        sampled: int = SAMPLED_SUSPECTS_MAX,
        overflow: Overflow | None = None,
        together: int = SUSPECTS_A_LOOK,
    ) -> None:
        room = overflow or Overflow(None)
        self.lag_bounds = lag_bounds
        self.suspects = Waiting(room, together)
        self._sampled = sampled
        self._together = together
        self._room = room
        self.settled = self.made()
        self.marked: Spill[Marked] = room.spill(_packed_mark, _mark_of)
        """Those of the settled that are drift and have a time; see `lateness`."""

    def made(self) -> Spill[Finding]:
        """Room for findings, nothing in it yet."""
        return self._room.spill(packed_finding, finding_of)

    def begin(self, look: EntityLook, wall: datetime, recollection: Recollection | None = None) -> None:
        """Take everything that a first look saw as a suspect, with what earlier runs saw of it."""
        moments = {replica: _moments(look, replica) for replica in (None, *look.replicas)}
        for sight, replica in _sights(look):
            first = _look(sight, moments[replica], wall)
            bound = self._bound(sight.finding)
            earlier = [] if recollection is None else recollection.earlier(sight.finding, first, bound)
            self.suspects.add(Suspect(sight.finding, bound, [*earlier, first]))

    def _bound(self, finding: Finding) -> float:
        """How long the difference may lawfully last: what one side shows all by itself waits for no replication."""
        if finding.replica is None or finding.divergence in OWNER_ONLY or finding.divergence is Divergence.DUPLICATE:
            return 0.0
        return self.lag_bounds[finding.replica]

    def next_look_in(self, now: float) -> float | None:
        """Seconds until the earliest moment at which another look tells something; None when all is settled."""
        due = self.suspects.due(sampled=self._samples)
        return None if due is None else max(due - now, 0.0)

    def settled_in(self, now: float) -> float | None:
        """Seconds until the earliest moment at which something may be settled; None when all is."""
        due = self.suspects.due(sampled=False)
        return None if due is None else max(due - now, 0.0)

    def forget(self) -> None:
        """Suspect nothing any more: whoever has to judge it looks at it anew."""
        self.suspects = Waiting(self._room, self._together)
        self.put_back(())

    def put_back(self, findings: Iterable[Finding]) -> None:
        """Have these as settled, in place of all that were."""
        self.settled.clear()
        self.marked.clear()
        self.settled += findings

    @property
    def _samples(self) -> bool:
        return len(self.suspects) <= self._sampled

    def look_again(self, looker: Looker, clock: Clock) -> None:
        """Look again at what is due, and at what would be soon, and set aside what is settled.

        Raises:
            DeadlineError: The run's time is over; what was not looked at stays suspect.
        """
        now, sampled = clock.monotonic(), self._samples
        due = self.suspects.due(sampled=sampled)
        if due is None or due > now:
            return
        looking = _Again(looker, clock, self.lag_bounds)
        waiting, self.suspects = self.suspects, Waiting(self._room, self._together)
        chosen: list[Suspect] = []
        try:
            while batch := waiting.take_due(now + LOOK_SECONDS_MIN, self.suspects, sampled=sampled):
                chosen += batch
                while len(chosen) >= self._together:
                    self._look_at(chosen, looking)
            self._look_at(chosen, looking)
        finally:
            self.suspects.extend(chosen)
            self.suspects.join(waiting)

    def _look_at(self, chosen: list[Suspect], looking: _Again) -> None:
        """Look at the first of the chosen, as many as are looked at together, and take them out."""
        together = chosen[: self._together]
        if not together:
            return
        wall = looking.look(together)
        del chosen[: self._together]
        for suspect in together:
            judgement = suspect.judgement
            if judgement.again_in is not None:
                self.suspects.add(suspect)
            else:
                self._keep(suspect, settle(suspect.finding, judgement, suspect.looks, wall))

    def _keep(self, suspect: Suspect, finding: Finding) -> None:
        mark = next((look.mark for look in suspect.looks if look.mark is not None), None)
        if finding.verdict is Verdict.PERSISTENT and isinstance(mark, str):
            self.marked.append(Marked(len(self.settled), finding.replica, mark))
        self.settled.append(finding)

    def give_up(self, now: datetime) -> None:
        """No time is left: what is not settled stays in flight, with the time to judge it."""
        self.settled += (settle(each.finding, each.judgement, each.looks, now) for each in self.suspects.drain())

    def leave(self) -> None:
        """Nothing is to be rechecked: suspects are reported as such."""
        self.settled += (
            settle(each.finding, each.unjudged, each.looks, each.looks[0].wall) for each in self.suspects.drain()
        )


class _Again:
    """The looks of one round; what breaks one of them is no different for the others.

    Args:
        looker: Looks.
        clock: Tells when.
        replicas: Names.
    """

    def __init__(self, looker: Looker, clock: Clock, replicas: Iterable[str]) -> None:
        self._looker = looker
        self._clock = clock
        self._replicas = tuple(replicas)
        self._problem = ""

    def look(self, due: Sequence[Suspect]) -> datetime:
        """Look at some suspects together, and have each take it into account; returns when that was.

        Raises:
            DeadlineError: The run's time is over.
        """
        now, wall = self._clock.monotonic(), self._clock.now()
        self._add(due, self._look_at(due), now, wall)
        return wall

    def _look_at(self, due: Sequence[Suspect]) -> EntityLook:
        keys = {suspect.finding.key for suspect in due if suspect.finding.key is not None}
        unkeyed = any(_is_unkeyed(suspect.finding) for suspect in due)
        if not self._problem:
            try:
                return _whole_look(self._looker, Suspects(keys, unkeyed))
            except (StoreError, WorkspaceError) as error:
                self._problem = error.message
        return EntityLook(replicas={name: ReplicaLook(error=self._problem) for name in self._replicas})

    def _add(self, due: Iterable[Suspect], look: EntityLook, now: float, wall: datetime) -> None:
        seen: dict[_Subject, list[Sight]] = {}
        for sight, replica in _sights(look):
            seen.setdefault((replica, sight.finding.key), []).append(sight)
        moments: dict[str | None, _Moments] = {}
        for suspect in due:
            finding = suspect.finding
            replica = finding.replica
            same = _same(finding, seen.get((replica, finding.key), []))
            told = self._problem or _unsure(look, replica)
            failed = next(iter(told.splitlines()), "")
            if replica not in moments:
                moments[replica] = _moments(look, replica, now)
            if same is None:
                suspect.see(Look(moments[replica].first, wall, "", "", None, problem=failed))
            else:
                suspect.see(_look(same, moments[replica], wall, problem=failed), same.finding)


def _packed_mark(marked: Marked) -> tuple[int, str | None, str]:
    return marked.position, marked.replica, marked.mark


def _mark_of(packed: tuple[int, str | None, str]) -> Marked:
    return Marked(*packed)


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
    behind: bool = False
    heard: float | None = None
    told: str = ""
    taken: float | None = None
    owner_sign: Sign | None = None


def _moments(look: EntityLook, replica: str | None, otherwise: float = 0.0) -> _Moments:
    """When the sides of one look were read; `otherwise`: where nothing was."""
    owner, copy = look.watermark, look.replicas[replica].watermark if replica in look.replicas else None
    marks = [mark for mark in (owner, copy) if mark is not None]
    first = min((mark.monotonic for mark in marks), default=otherwise)
    last = max((_read_by(mark, look) for mark in marks), default=otherwise)
    owner_last = owner is None or copy is None or owner.monotonic >= _read_by(copy, look)
    behind = owner is not None and owner.behind
    heard, told = (None, "") if copy is None else (copy.heard, copy.told)
    sign = None if owner is None or owner.heard is None else Sign(owner.heard, owner.told, beats=owner.beats)
    return _Moments(first, last, owner_last, behind, heard, told, None if owner is None else owner.monotonic, sign)


def _read_by(mark: Watermark, look: EntityLook) -> float:
    """When a side had surely been read: one without a snapshot may have been read as late as the look ended."""
    if mark.isolation != "snapshot" or math.isinf(mark.by):
        return max(mark.monotonic, look.read_until)
    return mark.by


def _look(sight: Sight, moments: _Moments, wall: datetime, *, problem: str = "") -> Look:
    older = moments.behind or not moments.owner_last
    stale = older and sight.finding.replica is not None and sight.owner in GONE
    return Look(
        moments.first, wall, sight.owner, sight.replica, sight.finding, problem=problem, until=moments.last,
        mark=sight.mark, copied=sight.copied, age=sight.age, owner_last=moments.owner_last, doubt=sight.doubt,
        history=sight.history, passed=sight.history.passed if sight.history is not None else None,
        stale=stale, heard=moments.heard, told=moments.told, taken=moments.taken, settled=sight.settled,
        owner_sign=sight.sign if sight.finding.divergence is Divergence.REFERENCE else moments.owner_sign,
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
