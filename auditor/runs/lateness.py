"""Whether a replica is wrong row by row, or has fallen behind as a whole.

A replica that copies the time which its owner's database gives each change shows how far it has come: the newest such
time it holds.  Where it lacks every change after that point, and not just one or two, it is *late*: one finding about
the replica, and the rows behind that point are in flight.  What differs before that point is drift, as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import StoreError
from reconcilers.finding import Divergence, Evidence, Finding, Verdict
from reconcilers.marks import copies_mark

if TYPE_CHECKING:
    from datetime import datetime

    from auditor.runs.suspicion import Marked, Suspicion
    from contracts.contract import Contract, Replica
    from reconcilers.look import Looker

LATE_ROWS_MIN = 10
"""Changes that a replica must lack, all after the newest that it has, to be late: fewer may each have been lost."""


def tell_late_replicas(contract: Contract, suspicion: Suspicion, looker: Looker, now: datetime) -> None:
    """Put one finding in the place of many, for each replica that has fallen behind as a whole."""
    for replica in contract.replicas:
        drift = [marked for marked in suspicion.marked if marked.finding.replica == replica.name]
        if len(drift) >= LATE_ROWS_MIN and copies_mark(contract, replica) is not None:
            _judge(contract, replica, drift, suspicion, looker, now)


def _judge(
    contract: Contract, replica: Replica, drift: list[Marked], suspicion: Suspicion, looker: Looker, now: datetime
) -> None:
    latest = _latest(looker, replica)
    behind = [] if latest is None else [marked for marked in drift if marked.mark > latest]
    if latest is None or len(behind) < LATE_ROWS_MIN:
        return
    waiting = {id(marked.finding) for marked in behind}
    oldest = min(marked.mark for marked in behind)
    suspicion.settled = [
        _in_flight(finding, latest, now + replica.lag_bound) if id(finding) in waiting else finding
        for finding in suspicion.settled
    ]
    note = (
        f"the replica has nothing that changed after {latest}; it lacks {len(behind):,} later changes of its owner, "
        f"the oldest of {oldest}"
    )
    proof = behind[0].finding.evidence.proof
    suspicion.settled.append(
        Finding(
            contract.entity,
            replica.name,
            None,
            Divergence.LATE,
            Verdict.PERSISTENT,
            evidence=Evidence(proof, note=note),
        )
    )


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
