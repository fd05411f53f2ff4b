"""The verdict: when a difference is drift, and when it is replication still under way.

The model.  Two live stores are read at different moments, so a first difference is expected.  **A replica read at time
t is right when it equals the owner's value at some instant in [t − lag bound, t].**  A difference is therefore only a
*suspect*, until the looks at both sides, or what a change stream remembers of the owner, exclude every such instant.
Time is the auditor's monotonic clock; a store's clock is compared with itself alone.

The rules, first match wins (`judge`); `due` means the lag bound and the margin for our own reading are over:

| what is known | the replica | due or proven past | verdict, cause |
|---|---|---|---|
| a side could not be read | – | – | undecided |
| anything | equals the owner now | – | healed |
| the replica is its owner's own log | differs, past what a look saw at the owner | proven | persistent (position) |
| the owner's versions | equals version k, k+1 is younger than the lag bound | no | in flight |
| the owner's versions | equals version k | yes | persistent, stale, however hot the key is |
| the owner's versions | equals k, and equalled a later one before | yes | persistent, reordered |
| the owner's versions | equals one that was flagged or out of scope then | yes | persistent, as `_outside` says |
| every version ever | equals none | yes | persistent, phantom_write or lossy_copy |
| every version since t0 | equals none since t0 | t0 is due | persistent, unknown |
| looks; the owner was the same in all that are due apart | differs in the last | yes | persistent, unknown |
| the owner's database says that the row is older than that | differs in two looks | yes | persistent, unknown |
| the owner's version grows | holds an older one than the owner had when it was due | yes | persistent, stale |
| the owner's version grows | has not changed in many looks since | yes | persistent, stale |
| looks; a field of the owner was the same in many looks | differs in it in all of them | yes | persistent, unknown |
| looks; the owner changes | equals what the owner held within the lag bound | – | in flight |
| looks; the owner changed again at every look | anything else | – | undecided, hot |
| the replica by its feed alone, silent since the change was due | anything that is drift above | yes | undecided |
| the owner by its feed alone, silent since the replica was seen so | equals none of its versions | yes | undecided |
| the same, of a connector that has heartbeats | anything that is drift above | yes | undecided |
| a referenced owner by its feed alone, silent since the reference was seen | – | – | undecided |

The clock of a suspect belongs to the oldest version that the replica has not reflected, not to the owner's last
change: restarting it at each change would hide a stuck replica behind a busy key.  For the same reason many looks at a
*missing* row count while the owner has any live row under that key, whatever it holds; those at an *orphan* count
while it has none.

Proof that a replica is past a point: `position` and `applied` come with a look (`Passed`); else `elapsed`.

What it cannot see without a change stream: a version that came and went between two looks, so an owner whose row goes
from A to B and back within the lag bound, again and again, and is met as A each time.  Many looks make that unlikely
(the looks while waiting, LOOKS_PER_BOUND), a version number or a `changed_at` of the owner's database excludes it.
Nor can it see whether the declared lag bound is true.

Limits: a key whose owner changes at every look is given up after HOT_BOUNDS lag bounds; no look is worth waiting for
beyond `max_wait`: what needs longer stays in flight, with the time to judge it, and the next run judges it first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from reconcilers.finding import Cause, Divergence, Evidence, Finding, Read, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

MARGIN_SECONDS = 1.0
"""Added to every lag bound: what our own two reads may be apart from the moments that we note for them."""

HOT_LOOKS_MIN = 3
"""Looks with another owner's row each, from which on a key counts as hot: one change between two looks is ordinary."""

HOT_BOUNDS = 3
"""Lag bounds that a key whose owner keeps changing is watched before it is given up as hot; more where the stores
are so slow that there were fewer than CERTAIN_LOOKS_MIN looks by then."""

LOOKS_PER_BOUND = 4
"""Looks at a suspect while its lag bound passes: they tell a busy key from a still one."""

LOOK_SECONDS_MIN = 0.2
"""Between two looks at one suspect, however short its lag bound: a look costs each store a query."""

CLOCK_SECONDS = 1e-6
"""What sums of moments on a clock may be off by."""

CERTAIN_LOOKS_MIN = 8
"""Looks in which a busy owner's field, or its replica's row, was the same, from which on that is no coincidence.

A field that goes to and fro between two values shows the same one in eight looks, and its lawful replica the other, in
one of 65,536 cases."""

LOG_LOOK_SECONDS = 2.0
"""Between two looks at a replica that is its owner's own log: a connector mostly tells a change within a second."""

LOG_WAIT_SECONDS = 60.0
"""How long such a log is waited for so; after that, the lag bound is."""

SILENCE_SECONDS = 60.0
"""Waited for a sign of life of a replica's connector, beyond the lag bound: heartbeats mostly come more often."""

FLAPPING_LOOKS_MAX = 6
"""Looks at a replica that changes while its owner seems still, after which the change is the replica's own."""

TRANSACTION_SECONDS = 3600.0
"""The longest transaction expected of an owner: databases date a row when its transaction begins, not when others can
see it, so a row is taken to be unchanged for as long as its `changed_at` says less this."""

ABSENT = "absent"

PRESENT = "present"
"""In place of a digest: there is a row, and nothing more is known."""

OUT_OF_SCOPE = "out_of_scope"
"""In place of a digest: the owner has a row, and none that the replica is to hold."""

GONE = frozenset({ABSENT, "deleted", OUT_OF_SCOPE, ""})
"""Digests that stand for no live row in scope."""

OWNER_ONLY = frozenset({Divergence.INVARIANT, Divergence.REFERENCE, Divergence.NULL_KEY})
"""Divergences of one side alone: no replication is under way in them, a second look needs no lag bound."""

NEVER_IN_SCOPE = "by the owner's feed, the row was never one that the replica is to hold"
MAYBE_NEVER_IN_SCOPE = "the owner's row is none that the replica is to hold; whether it ever was one is not known"

BEFORE_SNAPSHOT = (
    "the change stream begins with a snapshot and has never told this row: one that the owner deleted before the "
    "snapshot would look the same"
)

NO_VERSION = "it is no version that the change stream tells of; what the row was before that is not known"
NO_VERSION_SINCE = (
    "it is no version that the change stream tells of since records of it were lost, or told no readable key; what the "
    "row was before that is not known for certain"
)
LOST = "the replica had the row and lost it, by its own feed"
HIDDEN = "the replica has a row with this key, and it is flagged as deleted or left out by the replica's `select`"

REFLECTS, LACKS = "reflects", "lacks"
"""What a replica makes of a change that evidence shows: the last that it reflects, the first that it does not."""

Mark = int | str | None
"""What grows with each change of an owner's row: its version number, or the canonical text of its `changed_at`."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A proof that the replica has consumed everything that its owner committed up to a moment.

    Attributes:
        proof: `position` or `applied`.
        moment: On the auditor's monotonic clock.
    """

    proof: str
    moment: float


@dataclass(frozen=True, slots=True)
class Sign:
    """The last sign of life of an owner's connector, where the owner is known by its feed alone.

    Attributes:
        heard: The auditor's monotonic clock up to which it is known what the owner held.
        told: When that was by the clock that the sign came with, in ISO 8601, or empty.
        beats: The connector has heartbeats: where there are none any more, it stands still.
    """

    heard: float
    told: str = ""
    beats: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """What the owner held from a moment on: a digest of the compared fields, and the monotonic clock.

    `change` is what brought it, as evidence shows it.
    """

    digest: str
    since: float
    change: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one key on both sides.

    Attributes:
        at: The auditor's monotonic clock, in seconds, when the *earlier* of the two snapshots began.
        wall: The same moment for people, UTC.
        owner: A digest of the compared fields at the owner, or `absent`, `deleted`, `out_of_scope`.
        replica: The same of the replica.
        finding: The divergence seen, None where the two agree (or the absence is lawful).
        problem: Why a side could not be read, or an empty string.
        until: The same clock when both sides had surely been read: what the owner held then, it held from then on.
        mark: The owner's version, where its row has one that grows with every change.
        copied: The replica's copy of it.
        age: Seconds since the owner's row changed, by its own database's clock and its own database's doing.
        passed: What the replica had consumed when it was read.
        owner_last: The owner was read after the replica had been: what it held before and then, it held meanwhile.
        stale: What was seen of the owner may be older than what was seen of the replica, and tells nothing of the time
            in between: it was read on a standby, or it lacked the row and was read before the replica.
        doubt: Why it is not known whether the two diverge; empty where they do.
        history: The owner's versions as its change stream told them then, in which the one that the replica holds has
            the replica's digest.
        heard: The same clock up to which it is known what the replica held, where that is no store but a feed: that
            tells nothing of the time after its connector's last sign of life.  None: known when it was read.
        told: When that sign was by the clock that it came with, in ISO 8601, or empty.
        taken: The same clock by which the owner's snapshot is known; None where it is not known.
        settled: Of a replica that is its owner's own log: the same of those looks at the owner that the log has passed
            without telling of a change that the owner did not hold then.  None: it is no such replica.
        owner_sign: Up to when it is known what the owner held, where that is a feed alone; of a broken reference, what
            the owner that is referred to held.  None: when it was read.
    """

    at: float
    wall: datetime
    owner: str
    replica: str
    finding: Finding | None
    problem: str = ""
    until: float = 0.0
    mark: Mark = None
    copied: Mark = None
    age: float | None = None
    passed: Passed | None = None
    owner_last: bool = True
    doubt: str = ""
    history: History | None = None
    stale: bool = False
    heard: float | None = None
    told: str = ""
    taken: float | None = None
    settled: tuple[float, ...] | None = None
    owner_sign: Sign | None = None
    owed: Version | None = None

    @property
    def end(self) -> float:
        """When both sides had surely been read."""
        return max(self.at, self.until)


@dataclass(frozen=True, slots=True)
class History:
    """The owner's versions of one key, oldest first, as a change stream knows them; the last is the one now.

    Attributes:
        complete: From the key's first version on; else only since the first that is listed.
        passed: What whoever fills the replica had consumed before the replica was read.
        reached: The number of a version that the replica, by its own change stream, was past before it held what it
            holds; -1 where none is known.
        was_there: The replica, by its own change stream, had the row before, whatever it held.
        resurrected: The replica, by its own change stream, deleted the row after its owner had, and wrote it again.
        moved: The owner changed the row's key: the replica has it under the old key, and lacks it under the new one.
        outside: The replica holds what the owner held while the row was flagged as deleted, or out of scope.
        before_snapshot: The stream never told the key, and begins with a snapshot: a row that was deleted before it is
            told nowhere.
        cut: Versions that came before records which were lost, or whose keys could not be read, are left out.
        hidden: The replica lacks the row, and has one with its key that is flagged as deleted or that its `select`
            leaves out.
    """

    versions: tuple[Version, ...] = ()
    complete: bool = False
    passed: Passed | None = None
    reached: int = -1
    was_there: bool = False
    resurrected: bool = False
    moved: bool = False
    outside: bool = False
    before_snapshot: bool = False
    hidden: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the looks so far say.

    Attributes:
        again_in: Seconds after which another look could settle it; None when it is settled.
        sample_in: Seconds after which another look would tell more about the owner meanwhile.
        changes: The owner's changes that explain it, oldest first.
    """

    verdict: Verdict
    proof: str = ""
    cause: Cause = Cause.UNKNOWN
    again_in: float | None = None
    note: str = ""
    sample_in: float = 0.0
    changes: tuple[Mapping[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """The looks at a suspect, the last of which shows a difference.

    Attributes:
        bound: The lag bound in seconds.
        needed: The same with the margin: what must lie between two looks.
        same: The latest looks, oldest first, in which the owner was as it is now.
    """

    looks: Sequence[Look]
    bound: float
    needed: float
    history: History
    same: Sequence[Look]
    finding: Finding

    @property
    def now(self) -> Look:
        return self.looks[-1]

    @property
    def waited(self) -> float:
        """Seconds since the first look."""
        return self.now.at - self.looks[0].end

    @property
    def between(self) -> Look | None:
        """The latest look at whose replica the owner was surely as it is now; None where there is none yet.

        An owner that was read before its replica may have changed in between, and the replica have it already.
        """
        if self.now.owner_last:
            return self.now if len(self.same) > 1 else None
        return self.same[-2] if len(self.same) > 2 else None  # noqa: PLR2004 - the first, it, and the last

    def due(self, since: float) -> bool:
        """Whether what the owner held at that moment must have arrived at the replica by the last look."""
        return self.now.at - since >= self.needed - CLOCK_SECONDS or self.proven(since)

    def proven(self, since: float) -> bool:
        """Whether the replica is proven to be past that moment."""
        return self.now.passed is not None and self.now.passed.moment >= since

    @property
    def moved(self) -> bool:
        """Whether some look has seen both keys of a row whose key was changed; the last may be at one of them alone."""
        return self.history.moved or any(look.history is not None and look.history.moved for look in self.looks)

    @property
    def was_in_scope(self) -> bool:
        """Whether a version or a look shows that the replica was to hold the row once."""
        told = any(version.digest != ABSENT for version in self.history.versions)
        return told or any(look.owner not in GONE for look in self.looks)

    def persistent(
        self,
        since: float,
        cause: Cause,
        note: str = "",
        changes: Sequence[Mapping[str, str | None]] = (),
        *,
        is_behind: bool = False,
    ) -> Judgement:
        """Drift, with the best proof there is; undecided where the feed of one side does not reach so far.

        Args:
            since: When the owner held what the replica lacks.
            cause: Its cause.
            note: What there is to say.
            changes: The owner's changes that explain it, oldest first.
            is_behind: The replica holds what the owner is known to have held before.
        """
        if (silence := self._silence(since, changes)) is not None:
            return silence
        if (ahead := self._ahead(since, changes, is_behind=is_behind)) is not None:
            return ahead
        passed = self.now.passed
        proof = passed.proof if passed is not None and self.proven(since) else "elapsed"
        if not note and cause is Cause.UNKNOWN and self.now.owner == OUT_OF_SCOPE:
            note = NEVER_IN_SCOPE if self.history.complete else MAYBE_NEVER_IN_SCOPE
        return Judgement(Verdict.PERSISTENT, proof, cause, note=note, changes=tuple(changes))

    def _silence(self, since: float, changes: Sequence[Mapping[str, str | None]]) -> Judgement | None:
        """What is to be said where the replica's feed says nothing of the time at which the change was due."""
        now = self.now
        if now.heard is None or self.proven(since) or now.heard - since >= self.needed - CLOCK_SECONDS:
            return None
        if self._told_of(changes):
            return None
        then = "what the replica holds now is not known"
        return self._silent(now.at - since, "the replica's feed", now.told, then, changes)

    def _ahead(self, since: float, changes: Sequence[Mapping[str, str | None]], *, is_behind: bool) -> Judgement | None:
        """What is to be said where the replica may hold what its owner's feed has not told yet.

        A replica that holds what the owner is known to have held is most likely behind; that its owner went back to it,
        and its feed has not told, is believed where heartbeats say that the connector stands still.
        """
        now, sign = self.now, self.now.owner_sign
        if sign is None or now.finding is None or now.finding.replica is None or self.proven(since):
            return None
        first = _suffix(self.looks, lambda look: look.replica == now.replica)[0]
        held = first.at if first.heard is None else min(first.at, first.heard)
        margin = MARGIN_SECONDS if self.bound else 0.0
        if (is_behind and not sign.beats) or sign.heard - held >= margin - CLOCK_SECONDS:
            return None
        then = "the replica be ahead of what is known of its owner"
        return self._silent(self.waited, "the owner's feed", sign.told, then, changes)

    def unreferenced(self) -> Judgement | None:
        """What is to be said where the feed of the owner that is referred to may not have told the row yet."""
        sign = self.now.owner_sign
        if self.finding.divergence is not Divergence.REFERENCE or sign is None:
            return None
        if sign.heard - self.same[0].at >= -CLOCK_SECONDS:
            return None
        whose = "the feed of the owner that is referred to"
        return self._silent(self.waited, whose, sign.told, "the row be there", (), SILENCE_SECONDS)

    def _silent(
        self,
        waited: float,
        whose: str,
        told: str,
        then: str,
        changes: Sequence[Mapping[str, str | None]],
        patience: float | None = None,
    ) -> Judgement:
        """Wait for a sign of life of a connector; undecided when that has lasted long enough.

        Args:
            waited: Seconds so far.
            whose: Which feed has told nothing, as the beginning of a sentence.
            told: Since when, in ISO 8601, or empty.
            then: What may be so where its connector stands still.
            changes: The owner's changes that explain it, oldest first.
            patience: Seconds to wait; None: for as long as after a lag bound, if there is one.
        """
        after = (SILENCE_SECONDS if self.bound else 0.0) if patience is None else patience
        left = self.needed + after - waited
        if left > 0:
            pause = max(min(left, _pause(self.needed)), LOOK_SECONDS_MIN)
            return soon(self.now, self.waited, Judgement(Verdict.SUSPECT, again_in=pause, sample_in=pause))
        return Judgement(Verdict.UNDECIDED, note=silence(whose, told, then), changes=tuple(changes))

    def _told_of(self, changes: Sequence[Mapping[str, str | None]]) -> bool:
        """Whether the feed reaches beyond the lag bound of the change that is lacking, by the databases' own clocks."""
        committed = changes[-1].get("committed_at") if changes else None
        if not committed or not self.now.told:
            return False
        lacking, told = (datetime.fromisoformat(text) for text in (committed, self.now.told))
        return (told - lacking).total_seconds() >= self.needed - CLOCK_SECONDS


def silence(whose: str, told: str, then: str) -> str:
    """What is said of a feed that tells nothing.

    Args:
        whose: Which it is, such as `the replica's feed`.
        told: Since when, in ISO 8601, or empty.
        then: What is not known therefore.
    """
    since = f"since {told}" if told else "yet"
    return (
        f"{whose} has told nothing {since}, neither a change nor a heartbeat: its connector may stand still, and {then}"
    )


def judge(looks: Sequence[Look], lag_bound: float, history: History | None = None) -> Judgement:
    """Apply the rules of the module's docstring.

    Args:
        looks: Oldest first, at least one; the first shows a difference.
        lag_bound: In seconds.
        history: What a change stream knows of the owner's versions, None without one.
    """
    now = looks[-1]
    if now.problem:
        return Judgement(Verdict.UNDECIDED, note=f"a side could not be read again: {now.problem}")
    if now.finding is None:
        return Judgement(Verdict.HEALED, changes=_healing(looks))
    if now.doubt:
        return Judgement(Verdict.UNDECIDED, note=now.doubt)
    needed = needed_seconds(lag_bound)
    known = history or now.history or History()
    case = _Case(looks, lag_bound, needed, known, _owner_same(looks), now.finding)
    for rule in _RULES:
        if (judgement := rule(case)) is not None:
            return judgement
    return _not_yet(case)


# -- with the owner's versions -----------------------------------------------------------------------------------------


def _own_log(case: _Case) -> Judgement | None:
    """The replica is its owner's own log, which has told all that the owner held in a look at which it was the same."""
    if any(look.taken in (case.now.settled or ()) for look in case.same[:-1] if look.taken is not None):
        note = "the feed has passed the owner's watermark, and its last word about the key is another"
        return Judgement(Verdict.PERSISTENT, "position", _cause(case), note=note)
    return None


def _known_version(case: _Case) -> Judgement | None:
    """The replica equals a version that the owner is known to have held."""
    versions = case.history.versions
    held = _last_index(versions, case.now.replica)
    if held is None or held == len(versions) - 1:
        return None
    following = _since(case.looks, versions[held + 1])
    changes = [*_change(REFLECTS, versions[held]), *_change(LACKS, versions[held + 1])]
    if not case.due(following):
        return _waiting(case, following, changes)
    before = (_held(look, versions) for look in case.looks[:-1])
    unborn = all(version.digest == ABSENT for version in versions[: held + 1])
    if unborn and (case.history.was_there or case.history.hidden):
        note = LOST if case.history.was_there else HIDDEN
        return case.persistent(following, Cause.UNKNOWN, note, changes, is_behind=True)
    went_back = case.history.reached > held or any(index is not None and index > held for index in before)
    if case.history.resurrected and case.finding.divergence is Divergence.ORPHAN:
        cause = Cause.RESURRECTED
    elif case.moved:
        cause = Cause.KEY_CHANGED
    else:
        cause = Cause.REORDERED if went_back else _behind(case, held)
    return case.persistent(following, cause, "", changes, is_behind=True)


def _since(looks: Sequence[Look], version: Version) -> float:
    """Since when a version is there at the latest; an earlier run may have known of it before."""
    owed = (look.owed for look in looks)
    return min([version.since, *(one.since for one in owed if one is not None and one.change == version.change)])


def _waiting(case: _Case, following: float, changes: Sequence[Mapping[str, str | None]]) -> Judgement:
    """The replica may lawfully lack the next change: in flight, and looked at again once it may not."""
    age = max(case.now.at - following, 0.0)
    note = f"the next change is {age:.1f} s old, younger than the lag bound"
    left = max(case.needed - age, LOOK_SECONDS_MIN)
    return Judgement(
        Verdict.IN_FLIGHT, note=note, again_in=left, sample_in=min(left, _pause(case.needed)), changes=tuple(changes)
    )


def _behind(case: _Case, held: int) -> Cause:
    """Why a replica holds an older version: a row that never came or never went has a name of its own."""
    versions = case.history.versions
    if versions[held].digest == ABSENT and not any(version.digest != ABSENT for version in versions[:held]):
        return Cause.NEVER_ARRIVED
    if versions[-1].digest != ABSENT:
        return Cause.STALE
    return Cause.LEFT_SCOPE if case.now.owner == OUT_OF_SCOPE else Cause.MISSED_DELETE


def _outside(case: _Case) -> Cause:
    """Why a replica holds what its owner held only while the row was flagged as deleted, or out of scope."""
    if case.now.owner not in GONE:
        return Cause.STALE
    if case.now.owner != OUT_OF_SCOPE:
        return Cause.MISSED_DELETE
    return Cause.LEFT_SCOPE if case.was_in_scope else Cause.UNKNOWN


def _held(look: Look, versions: Sequence[Version]) -> int | None:
    """Which of the versions a replica held at an earlier look."""
    if look.history is None:
        return _last_index(versions, look.replica)
    then = _last_index(look.history.versions, look.replica)
    change = None if then is None else look.history.versions[then].change
    return next((i for i, version in enumerate(versions) if change and version.change == change), None)


def _healing(looks: Sequence[Look]) -> tuple[Mapping[str, str | None], ...]:
    """The change that the replica did not have yet when it was last seen to differ."""
    known = next((look.history for look in reversed(looks) if look.history is not None), None)
    return tuple(_change(REFLECTS, known.versions[-1])) if known is not None and known.versions else ()


def _change(what: str, version: Version) -> list[Mapping[str, str | None]]:
    """What brought a version, with what the replica makes of it; nothing where that is not known."""
    return [{"replica": what, **version.change}] if version.change else []


def _no_version(case: _Case) -> Judgement | None:
    """The replica equals no version that the owner is known to have held."""
    versions = case.history.versions
    if not versions or _last_index(versions, case.now.replica) is not None:
        return None
    if case.history.complete or case.history.reached >= 0:
        found = case.finding.cause
        held = _outside(case) if case.history.outside else Cause.PHANTOM_WRITE
        cause = found if found is not Cause.UNKNOWN else held
        last, note = _change(LACKS, versions[-1]), BEFORE_SNAPSHOT if case.history.before_snapshot else ""
        return case.persistent(case.looks[0].end, cause, note, last) if case.due(case.looks[0].end) else None
    told = next((version for version in versions if version.change), versions[0])
    if not case.due(told.since):
        return None
    if case.history.outside:
        return case.persistent(told.since, _outside(case), "", _change(LACKS, told))
    note = NO_VERSION_SINCE if case.history.cut else NO_VERSION
    return case.persistent(told.since, Cause.UNKNOWN, note, _change(LACKS, told))


def _last_index(versions: Sequence[Version], digest: str) -> int | None:
    return next((i for i in range(len(versions) - 1, -1, -1) if versions[i].digest == digest), None)


# -- with looks alone --------------------------------------------------------------------------------------------------


def _owner_alone(case: _Case) -> Judgement | None:
    """What an owner's committed rows show by themselves is so, however its row changes meanwhile."""
    if case.finding.replica is None and len(case.looks) > 1:
        return case.unreferenced() or case.persistent(case.now.at, case.finding.cause)
    return None


def _still_owner(case: _Case) -> Judgement | None:
    """The owner was the same in looks that are due apart."""
    since, between = case.same[0].end, case.between
    if between is None or _may_flap(case):
        return None
    elapsed = between.at - since >= case.needed - CLOCK_SECONDS
    return case.persistent(since, _cause(case)) if elapsed or case.proven(since) else None


def _may_flap(case: _Case) -> bool:
    """The replica was written between the last two looks: its owner may have been, too, and be back.

    Not where a version number or the database's own `changed_at` says that the owner's row is the same.
    """
    if not case.bound or case.now.mark is not None or len(case.looks) >= FLAPPING_LOOKS_MAX:
        return False
    *_, before, last = case.looks
    return before is not case.looks[0] and before.replica != last.replica


def _old_row(case: _Case) -> Judgement | None:
    """The owner's database itself says that the row has not changed for longer than the lag bound."""
    age = case.now.age
    if len(case.same) == 1 or age is None or not is_old(case.now, case.bound):
        return None
    note = f"by its database, the owner's row last changed {age / 3600:.1f} h before"
    return case.persistent(case.now.at - age, _cause(case), note)


def _older_version(case: _Case) -> Judgement | None:
    """The replica's own copy of the owner's version is older than what the owner had when it was due."""
    copied = case.now.copied
    if copied is None or not _grows(case.looks):
        return None
    for look in case.looks[:-1]:
        if _newer(look.mark, copied) and case.due(look.end):
            return case.persistent(look.end, Cause.STALE, is_behind=True)
    return None


def _unchanged_replica(case: _Case) -> Judgement | None:
    """The owner's version has grown, and the replica was the same in many looks since one that is due."""
    unchanged = _suffix(case.looks, lambda look: look.replica == case.now.replica)
    first = unchanged[0]
    if len(unchanged) < CERTAIN_LOOKS_MIN or not case.due(first.end) or not _grows(unchanged):
        return None
    return case.persistent(first.end, Cause.STALE, is_behind=True) if _newer(case.now.mark, first.mark) else None


def _stuck_field(case: _Case) -> Judgement | None:
    """One field differed in many looks, by the same two values each time, while others of the owner's row changed."""
    for difference in case.finding.fields:
        stuck = _suffix(case.looks, lambda look, d=difference: look.finding is not None and d in look.finding.fields)  # type: ignore[misc]
        if len(stuck) >= CERTAIN_LOOKS_MIN and case.due(stuck[0].end):
            note = f"the owner's row keeps changing, {difference.name} stays the same on both sides"
            return case.persistent(stuck[0].end, case.finding.cause, note, is_behind=True)
    return None


def _lawful_version(case: _Case) -> Judgement | None:
    """The replica holds what the owner was seen to hold within the lag bound."""
    if case.waited < case.needed:
        return None  # it may be stuck there: look on
    for look in case.looks[:-1]:
        if look.owner == case.now.replica and look.at >= case.now.at - case.bound and look.owner not in GONE:
            moment = look.wall.strftime("%H:%M:%S")
            return Judgement(Verdict.IN_FLIGHT, note=f"the replica holds what the owner held at {moment} UTC")
    return None


def _hot(case: _Case) -> Judgement | None:
    """The owner changed again and again, for several lag bounds and enough looks to tell a stuck replica by."""
    bounds = case.waited / case.needed if case.needed else HOT_BOUNDS
    if bounds < HOT_BOUNDS or len(case.looks) < CERTAIN_LOOKS_MIN or not is_hot(case.looks):
        return None
    return Judgement(Verdict.UNDECIDED, note=HOT_NOTE)


HOT_NOTE = "hot: the owner's row changed again at every look"


def is_hot(looks: Sequence[Look]) -> bool:
    """Whether the owner changed often enough between the looks for waiting longer to be of no use."""
    changes = sum(1 for one, other in pairwise(looks) if _owner_state(one) != _owner_state(other))
    return changes >= HOT_LOOKS_MIN - 1 and _owner_state(looks[-1]) != _owner_state(looks[-2])


def needed_seconds(lag_bound: float) -> float:
    """Seconds that must lie between two looks."""
    return lag_bound + MARGIN_SECONDS if lag_bound else 0.0


def _pause(needed: float) -> float:
    """Seconds between the looks while that time passes."""
    return max(needed / LOOKS_PER_BOUND, LOOK_SECONDS_MIN)


def is_old(look: Look, lag_bound: float) -> bool:
    """Whether the owner's database says that the row has not changed for so long that a second look needs no waiting.

    Args:
        look: The look that tells its age.
        lag_bound: In seconds.
    """
    return look.age is not None and look.age >= needed_seconds(lag_bound) + TRANSACTION_SECONDS


@lru_cache(maxsize=64)  # the same for each of perhaps a million suspects of one look
def one_look(lag_bound: float, span: float) -> Judgement:
    """What one look alone says, without any history: nothing yet.

    Args:
        lag_bound: In seconds.
        span: Seconds from the look's beginning to its end.
    """
    needed = needed_seconds(lag_bound)
    pause = _pause(needed)
    return Judgement(Verdict.SUSPECT, again_in=needed + span, sample_in=min(needed + span, pause))


def _not_yet(case: _Case) -> Judgement:
    left = max(case.needed - (case.now.at - case.same[0].end), 0.0)
    pause = _pause(case.needed)
    if len(case.looks) > 1 and left <= CLOCK_SECONDS:  # it is due, and one more look is wanted all the same
        left = pause if case.now.owner_last else LOOK_SECONDS_MIN
    return soon(case.now, case.waited, Judgement(Verdict.SUSPECT, again_in=left, sample_in=min(left, pause)))


def soon(look: Look, waited: float, judgement: Judgement) -> Judgement:
    """A log is asked again within seconds whether it has passed what the owner was seen to hold; not for ever."""
    if look.settled is None or judgement.again_in is None or waited > LOG_WAIT_SECONDS:
        return judgement
    again = min(judgement.again_in, LOG_LOOK_SECONDS)
    return replace(judgement, again_in=again, sample_in=min(judgement.sample_in, again))


_RULES: tuple[Callable[[_Case], Judgement | None], ...] = (
    _own_log,
    _known_version,
    _no_version,
    _owner_alone,
    _still_owner,
    _old_row,
    _older_version,
    _unchanged_replica,
    _stuck_field,
    _lawful_version,
    _hot,
)


def _cause(case: _Case) -> Cause:
    """The finding's own cause, else stale where the replica holds what the owner was seen to hold, and does not now.

    A row that is out of scope has left it where it was seen within.
    Where it does now, what differs is nothing that is compared with the owner: a redacted field that is not constant.
    """
    if case.finding.cause is not Cause.UNKNOWN:
        return case.finding.cause
    if case.now.owner == OUT_OF_SCOPE:
        return Cause.LEFT_SCOPE if case.was_in_scope else Cause.UNKNOWN
    replica = case.now.replica
    stale = replica not in (*GONE, case.now.owner) and any(look.owner == replica for look in case.looks)
    return Cause.STALE if stale else Cause.UNKNOWN


def _owner_same(looks: Sequence[Look]) -> Sequence[Look]:
    """The latest looks in which the owner was as it is in the last one, as far as its divergence depends on it.

    Where either side may have been otherwise in between, it takes many looks: a row that was deleted and written again
    shows by its content alone that it was away, and a lack shows nothing.
    """
    now = looks[-1]
    if now.owner in GONE:
        alike = _suffix(looks, lambda look: look.owner in GONE and not look.problem)
        if len(alike) >= CERTAIN_LOOKS_MIN:
            return alike
        return _from_fresh(_suffix(alike, lambda look: look.replica == now.replica))
    if now.finding is not None and now.finding.divergence is Divergence.MISSING:
        alike = _suffix(looks, lambda look: look.owner not in GONE and look.replica in GONE and not look.problem)
        if len(alike) >= CERTAIN_LOOKS_MIN:
            return alike
    return _suffix(looks, lambda look: _owner_state(look) == _owner_state(now))


def _from_fresh(looks: Sequence[Look]) -> Sequence[Look]:
    """The same looks without the first that saw an older owner than replica: the row may have come in between."""
    first = next((i for i, look in enumerate(looks) if not look.stale), len(looks) - 1)
    return looks[first:]


def _owner_state(look: Look) -> tuple[str, Mark]:
    return look.owner, look.mark


def _suffix(looks: Sequence[Look], condition: Callable[[Look], bool]) -> Sequence[Look]:
    """The latest looks that all meet a condition, oldest first; at least the last."""
    start = len(looks) - 1
    while start > 0 and condition(looks[start - 1]):
        start -= 1
    return looks[start:]


def _grows(looks: Iterable[Look]) -> bool:
    """Whether the owner's version is known in every look and never went back."""
    marks = [look.mark for look in looks]
    return all(mark is not None for mark in marks) and all(not _newer(one, other) for one, other in pairwise(marks))


def _newer(one: Mark, other: Mark) -> bool:
    """Whether one version is newer than another; False where they cannot be compared."""
    if isinstance(one, int) and isinstance(other, int):
        return one > other
    return isinstance(one, str) and isinstance(other, str) and one > other


# -- writing it down ---------------------------------------------------------------------------------------------------


def settle(finding: Finding, judgement: Judgement, looks: Sequence[Look], now: datetime) -> Finding:
    """The finding with its verdict and its evidence."""
    reads = tuple(read for look in looks for read in _reads(finding.replica or "owner", look))
    verdict, judge_after, note = judgement.verdict, None, judgement.note
    if judgement.again_in is not None:  # no time left to look again
        verdict, judge_after = Verdict.IN_FLIGHT, now + timedelta(seconds=judgement.again_in)
        if len(looks) > 1 and is_hot(looks) and judgement.verdict is not Verdict.IN_FLIGHT:
            verdict, judge_after, note = Verdict.UNDECIDED, None, HOT_NOTE
    changes = tuple(dict(change) for change in judgement.changes) or finding.evidence.changes
    evidence = Evidence(judgement.proof, reads, changes, note)
    return finding.judged(verdict, judgement.cause, evidence, judge_after)


def _reads(replica: str, look: Look) -> list[Read]:
    if replica == "owner":
        return [_read("owner", look.wall, look.owner)]
    return [_read("owner", look.wall, look.owner), _read(replica, look.wall, look.replica)]


def _read(side: str, wall: datetime, digest: str) -> Read:
    gone = digest in GONE
    return Read(side, wall, "", digest or ABSENT if gone else PRESENT, "" if gone or digest == PRESENT else digest)
