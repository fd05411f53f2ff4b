"""A suspect, and the suspects that wait to be looked at again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from reconcilers.finding import Verdict
from reconcilers.packing import (
    finding_of,
    history_of,
    packed_finding,
    packed_history,
    packed_sign,
    sign_of,
    time_of,
    time_text,
)
from reconcilers.recheck import Judgement, Look, Passed, Version, is_old, judge, one_look, soon

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconcilers.finding import Finding
    from reconcilers.spill import Overflow, Spill

SUSPECTS_A_LOOK = 20_000
"""Suspects looked at together: some 80 MB with their rows, and a look costs each store a connection and two queries."""

_SAME = 1
"""In place of a look's finding: it is the suspect's."""


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

    def due(self, *, sampled: bool) -> float:
        """The moment at which another look could settle it, or, where it is sampled, tell more."""
        judgement = self.judgement
        return self.looks[-1].at + ((judgement.sample_in if sampled else judgement.again_in) or 0.0)


def _judged(looks: list[Look], lag_bound: float) -> Judgement:
    if len(looks) > 1 or looks[0].history is not None:
        return judge(looks, lag_bound)
    if looks[0].stale:  # the first that tells anything comes at once
        return Judgement(Verdict.SUSPECT, again_in=0.0)
    waits = 0.0 if is_old(looks[0], lag_bound) else lag_bound
    return soon(looks[0], 0.0, one_look(waits, looks[0].end - looks[0].at))


class _Batch:
    """Some suspects, and when the first of them is due."""

    __slots__ = ("due", "sample_due", "suspects")

    def __init__(self, suspects: Spill[Suspect]) -> None:
        self.suspects = suspects
        self.due = float("inf")
        self.sample_due = float("inf")

    def add(self, suspect: Suspect) -> None:
        self.suspects.append(suspect)
        self.due = min(self.due, suspect.due(sampled=False))
        self.sample_due = min(self.sample_due, suspect.due(sampled=True))

    def first(self, *, sampled: bool) -> float:
        return self.sample_due if sampled else self.due


class Waiting:
    """The suspects that are not settled, in batches, so that the moment at which one is due is known without them.

    Args:
        overflow: Where they wait.
        batch: Suspects of a batch.
    """

    def __init__(self, overflow: Overflow, batch: int) -> None:
        self._overflow = overflow
        self._size = batch
        self._batches: deque[_Batch] = deque()

    def __len__(self) -> int:
        return sum(len(batch.suspects) for batch in self._batches)

    def add(self, suspect: Suspect) -> None:
        """One more."""
        if not self._batches or len(self._batches[-1].suspects) >= self._size:
            self._batches.append(_Batch(self._overflow.spill(packed_suspect, suspect_of)))
        self._batches[-1].add(suspect)

    def extend(self, suspects: Iterable[Suspect]) -> None:
        """Several more."""
        for suspect in suspects:
            self.add(suspect)

    def join(self, others: Waiting) -> None:
        """Those of others as well, which has none afterwards."""
        self._batches.extend(others._batches)
        others._batches.clear()

    def due(self, *, sampled: bool) -> float | None:
        """The moment at which the first of them is due; None where nobody waits."""
        return min((batch.first(sampled=sampled) for batch in self._batches), default=None)

    def take_due(self, until: float, others: Waiting, *, sampled: bool) -> list[Suspect]:
        """Take out some of those that are due by a moment; none only where none is left.

        Args:
            until: The moment.
            others: Gets those that are not due and stood among them.
            sampled: Whether they are looked at while their lag bound passes.
        """
        while self._batches:
            batch = self._batches.popleft()
            if batch.first(sampled=sampled) > until:
                others._batches.appendleft(batch)
                continue
            due = []
            for suspect in batch.suspects:
                if suspect.due(sampled=sampled) <= until:
                    due.append(suspect)
                else:
                    others.add(suspect)
            batch.suspects.clear()
            return due
        return []

    def drain(self) -> Iterator[Suspect]:
        """Take all of them out, one after the other."""
        while self._batches:
            suspects = self._batches.popleft().suspects
            yield from suspects
            suspects.clear()


def packed_suspect(suspect: Suspect) -> tuple[Any, ...]:
    """A suspect as plain values."""
    finding = suspect.finding
    return packed_finding(finding), suspect.lag_bound, [_packed_look(look, finding) for look in suspect.looks]


def suspect_of(packed: tuple[Any, ...]) -> Suspect:
    """The way back: the same looks say the same again."""
    finding, lag_bound, looks = packed
    own = finding_of(finding)
    return Suspect(own, lag_bound, [_look_of(look, own) for look in looks])


def _packed_look(look: Look, own: Finding) -> tuple[Any, ...]:
    seen = look.finding
    passed = look.passed
    return (
        look.at,
        time_text(look.wall),
        look.owner,
        look.replica,
        _SAME if seen is own else None if seen is None else packed_finding(seen),
        look.problem,
        look.until,
        look.mark,
        look.copied,
        look.age,
        None if passed is None else (passed.proof, passed.moment),
        look.owner_last,
        look.doubt,
        packed_history(look.history),
        look.stale,
        look.heard,
        look.told,
        look.taken,
        look.settled,
        packed_sign(look.owner_sign),
        None if look.owed is None else (look.owed.digest, look.owed.since, dict(look.owed.change)),
    )


def _look_of(packed: tuple[Any, ...], own: Finding) -> Look:
    (at, wall, owner, replica, seen, problem, until, mark, copied, age, passed, owner_last, doubt, history, stale,
     heard, told, taken, settled, sign, owed) = packed  # fmt: skip
    finding = own if seen == _SAME else None if seen is None else finding_of(seen)
    proof = None if passed is None else Passed(*passed)
    return Look(
        at, time_of(wall), owner, replica, finding, problem, until, mark, copied, age, proof, owner_last, doubt,
        history_of(history), stale, heard, told, taken, None if settled is None else tuple(settled),
        sign_of(sign), None if owed is None else Version(*owed),
    )  # fmt: skip
