"""Whether a replica is wrong row by row, or has fallen behind as a whole.

A replica that copies the time which its owner's database gives each change shows how far it has come: the newest such
time it holds.  Where it lacks every change after that point, and not just one or two, it is *late*: one finding about
the replica, and the rows behind that point are in flight.  What differs before that point is drift, as ever.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.errors import StoreError
from reconcilers.finding import Divergence, Evidence, Finding, Verdict
from reconcilers.marks import copies_mark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from auditor.runs.suspicion import Marked, Suspicion
    from contracts.contract import Contract, Replica
    from reconcilers.look import Looker

LATE_ROWS_MIN = 10
"""Changes that a replica must lack, all after the newest that it has, to be late: fewer may each have been lost."""


def tell_late_replicas(contract: Contract, suspicion: Suspicion, looker: Looker, now: datetime) -> None:
    """Put one finding in the place of many, for each replica that has fallen behind as a whole."""
    drift = Counter(marked.replica for marked in suspicion.marked)
    late = {}
    for replica in contract.replicas:
        if drift[replica.name] >= LATE_ROWS_MIN and copies_mark(contract, replica) is not None:
            latest = _latest(looker, replica)
            behind = _Behind() if latest is None else _behind(suspicion, replica, latest)
            if latest is not None and behind.rows >= LATE_ROWS_MIN:
                late[replica.name] = _Late(latest, behind, now + replica.lag_bound)
    if late:
        _tell(contract, suspicion, late)


@dataclass(slots=True)
class _Behind:
    """What a late replica lacks: how many changes, since when, and where the first of them is among the settled."""

    rows: int = 0
    oldest: str = ""
    first: int = 0

    def add(self, marked: Marked) -> None:
        if not self.rows:
            self.oldest, self.first = marked.mark, marked.position
        self.rows += 1
        self.oldest = min(self.oldest, marked.mark)


@dataclass(frozen=True, slots=True)
class _Late:
    """How far a late replica has come, what it lacks, and when its rows are to be judged."""

    latest: str
    behind: _Behind
    judge_after: datetime


def _behind(suspicion: Suspicion, replica: Replica, latest: str) -> _Behind:
    behind = _Behind()
    for marked in suspicion.marked:
        if marked.replica == replica.name and marked.mark > latest:
            behind.add(marked)
    return behind


def _tell(contract: Contract, suspicion: Suspicion, late: Mapping[str, _Late]) -> None:
    """Write what is settled once more, with the rows that are behind in flight."""
    before = suspicion.settled
    proofs = {name: before[each.behind.first].evidence.proof for name, each in late.items()}
    suspicion.settled = suspicion.made()
    marks = iter(suspicion.marked)
    marked = next(marks, None)
    for position, finding in enumerate(before):
        told = finding
        if marked is not None and marked.position == position:
            found = late.get(marked.replica or "")
            if found is not None and marked.mark > found.latest:
                told = _in_flight(finding, found.latest, found.judge_after)
            marked = next(marks, None)
        suspicion.settled.append(told)
    before.clear()
    suspicion.settled += [_finding(contract, name, each, proofs[name]) for name, each in late.items()]


def _finding(contract: Contract, replica: str, late: _Late, proof: str) -> Finding:
    note = (
        f"the replica has nothing that changed after {late.latest}; it lacks {late.behind.rows:,} later changes of its "
        f"owner, the oldest of {late.behind.oldest}"
    )
    evidence = Evidence(proof, note=note)
    return Finding(contract.entity, replica, None, Divergence.LATE, Verdict.PERSISTENT, evidence=evidence)


def _latest(looker: Looker, replica: Replica) -> str | None:
    """How far the replica has come; None where it cannot be told."""
    try:
        latest = looker.latest(replica)
    except StoreError:  # the rows' own verdicts stand
        return None
    return latest if isinstance(latest, str) else None


def _in_flight(finding: Finding, latest: str, judge_after: datetime) -> Finding:
    evidence = finding.evidence
    note = f"the whole replica is behind: it has nothing that changed after {latest}"
    return finding.judged(
        Verdict.IN_FLIGHT, finding.cause, Evidence("", evidence.reads, evidence.changes, note), judge_after
    )
