"""The verdict: when a difference is drift, and when it is replication still under way.

The model.  Two live stores are read at different moments, so a first difference is expected.  A replica read at time
t is right when it equals the owner's value at some instant in [t − lag bound, t].  A difference is therefore only a
*suspect*, until both sides have been read again at least the lag bound (and a margin for our own reading) later,
measured on the auditor's monotonic clock.

The rules for two or more looks at one key of one replica (`judge`):

| the looks | verdict |
|---|---|
| equal now (or lawfully absent now) | healed |
| the owner is the same in looks the lag bound and the margin apart, and they differ now | persistent: `elapsed` |
| the owner changed since, or not enough time has passed | in flight: look again |
| the owner changed and nothing else is known | undecided, hot, once no time is left to look again |
| a side could not be read | undecided |

The clock of a suspect belongs to the oldest version that the replica has not reflected, not to the owner's last
change: restarting it at each change would hide a stuck replica behind a busy key.

What it cannot see: a version that came and went between two looks (change streams see it); whether an elapsed time was
long enough where the declared lag bound is wrong.

Limits: no look is worth waiting for beyond `max_wait`; what needs longer stays in flight, with the time to judge it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reconcilers.finding import Cause, Divergence, Evidence, Finding, Read, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN_SECONDS = 1.0
"""Added to every lag bound: what our own two reads may be apart from the moments that we note for them."""

HOT_LOOKS_MIN = 3
"""Looks with another owner's row each, from which on a key counts as hot: one change between two looks is ordinary."""

ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one key on both sides.

    Attributes:
        at: The auditor's monotonic clock, in seconds, when the *earlier* of the two snapshots began.
        wall: The same moment for people, UTC.
        owner: A digest of the compared fields at the owner, or `absent`.
        replica: The same of the replica.
        finding: The divergence seen, None where the two agree (or the absence is lawful).
        problem: Why a side could not be read, or an empty string.
        until: The same clock when both sides had surely been read: what the owner held then, it held from then on.
    """

    at: float
    wall: datetime
    owner: str
    replica: str
    finding: Finding | None
    problem: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the looks so far say.

    Attributes:
        again_in: Seconds after which another look could settle it; None when it is settled.
    """

    verdict: Verdict
    proof: str = ""
    cause: Cause = Cause.UNKNOWN
    again_in: float | None = None
    note: str = ""


def judge(looks: Sequence[Look], lag_bound: float) -> Judgement:
    """Apply the rules of the module's docstring.

    Args:
        looks: Oldest first, at least one; the first shows a difference.
        lag_bound: In seconds.
    """
    now = looks[-1]
    if now.problem:
        return Judgement(Verdict.UNDECIDED, note=f"a side could not be read again: {now.problem}")
    if now.finding is None:
        return Judgement(Verdict.HEALED)
    needed = lag_bound + MARGIN_SECONDS if lag_bound else 0.0
    since = _stable_since(looks)
    if len(looks) > 1 and now.at - since >= needed:
        return Judgement(Verdict.PERSISTENT, "elapsed", now.finding.cause)
    return Judgement(Verdict.SUSPECT, again_in=max(needed - (now.at - since), 0.0))


def _stable_since(looks: Sequence[Look]) -> float:
    """The end of the earliest look since which every look showed the owner as it is now."""
    since = looks[-1]
    for look in reversed(looks):
        if look.owner != looks[-1].owner:
            break
        since = look
    return max(since.at, since.until)


def settle(finding: Finding, judgement: Judgement, looks: Sequence[Look], now: datetime) -> Finding:
    """The finding with its verdict and its evidence."""
    reads = tuple(read for look in looks for read in _reads(finding.replica or "owner", look))
    judge_after = None
    verdict = judgement.verdict
    if judgement.again_in is not None:  # no time left to look again
        verdict, judge_after = Verdict.IN_FLIGHT, now + timedelta(seconds=judgement.again_in)
        if _hot(looks):
            verdict, judge_after = Verdict.UNDECIDED, None
    note = judgement.note or (
        "hot: the owner's row changed again at every look" if _hot(looks) and verdict is Verdict.UNDECIDED else ""
    )
    evidence = Evidence(judgement.proof, reads, finding.evidence.changes, note)
    return finding.judged(verdict, judgement.cause, evidence, judge_after)


def _hot(looks: Sequence[Look]) -> bool:
    return len(looks) >= HOT_LOOKS_MIN and len({look.owner for look in looks}) == len(looks)


def _reads(replica: str, look: Look) -> list[Read]:
    if replica == "owner":
        return [_read("owner", look.wall, look.owner)]
    return [_read("owner", look.wall, look.owner), _read(replica, look.wall, look.replica)]


def _read(side: str, wall: datetime, digest: str) -> Read:
    absent = digest in (ABSENT, "deleted", "out_of_scope", "")
    return Read(side, wall, "", digest or ABSENT if absent else "present", "" if absent else digest)


OWNER_ONLY = frozenset({Divergence.INVARIANT, Divergence.REFERENCE, Divergence.NULL_KEY})
"""Divergences of the owner alone: no replication is under way in them, a second look needs no lag bound."""
