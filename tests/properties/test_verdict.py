"""The verdict against a model of time: an owner, a replica that trails it, faults, and looks at any moment.

Two oracles hold whatever happens: **no false alarm** (a key that its replica applies within the lag bound is never
persistent) and **no missed drift** (a key that is stuck and differs ends persistent, or undecided where its owner never
rests).  And every suspect is settled within its bound.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from auditor.clock import ManualClock
from auditor.runs.suspicion import Suspicion
from reconcilers.finding import Divergence, FieldDifference, Finding, Verdict
from reconcilers.recheck import ABSENT, HOT_BOUNDS, MARGIN_SECONDS
from reconcilers.sight import EntityLook, ReplicaLook, Sight
from reconcilers.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconcilers.sight import Suspects

LAG_BOUND = 10.0
KEYS = ["a", "b", "c"]
BETWEEN_READS_MAX = MARGIN_SECONDS / 2
"""How far apart the two sides of one look are read at most."""
SETTLED_WITHIN = (HOT_BOUNDS + 2) * (LAG_BOUND + MARGIN_SECONDS)
"""Of its first look: hot keys are given up, and one last change of a still one gets its lag bound."""

Value = tuple[str, int] | None
"""What a row holds, and its version number; None where there is none."""


@dataclass
class Side:
    """Every value that one key had on one side, with the moment from which on it had it."""

    moments: list[float] = field(default_factory=lambda: [float("-inf")])
    values: list[Value] = field(default_factory=lambda: [None])

    def put(self, moment: float, value: Value) -> None:
        self.moments.append(moment)
        self.values.append(value)

    def at(self, moment: float) -> Value:
        return self.values[bisect_right(self.moments, moment) - 1]

    def within(self, begin: float, end: float) -> set[str | None]:
        """The contents that it had at some instant of an interval."""
        first, last = bisect_right(self.moments, begin) - 1, bisect_right(self.moments, end)
        return {_content(value) for value in self.values[first:last]}


def _content(value: Value) -> str | None:
    return None if value is None else value[0]


class World:
    """The true course of things; the suspicion sees it only through `look`."""

    def __init__(self, *, versioned: bool) -> None:
        self.clock = ManualClock()
        self.owner = {key: Side() for key in KEYS}
        self.replica = {key: Side() for key in KEYS}
        self.stuck: set[str] = set()
        self.versioned = versioned
        self.number = 0
        self.gap = 0.0
        self.owner_first = True

    def write(self, key: str, content: str | None, lag: float) -> None:
        """A change at the owner that the replica has `lag` later, never before an earlier change of the same key."""
        now, self.number = self.clock.monotonic(), self.number + 1
        value = None if content is None else (content, self.number)
        self.owner[key].put(now, value)
        if key not in self.stuck:
            moment = max(now + lag, self.replica[key].moments[-1])
            self.replica[key].put(moment, value)

    def break_down(self, key: str, phantom: str | None) -> None:
        """From now on nothing reaches this key of the replica any more; what was on its way is lost."""
        now, side = self.clock.monotonic(), self.replica[key]
        kept = bisect_right(side.moments, now)
        del side.moments[kept:], side.values[kept:]
        self.stuck.add(key)
        if phantom is not None:
            side.put(now, (phantom, 0))

    def look(self, suspects: Suspects | None = None) -> EntityLook:
        """Both sides, one a little later than the other."""
        keys = KEYS if suspects is None else [key[0][1] for key in suspects.keys]
        first = self.clock.monotonic()
        sides = (self.owner, self.replica) if self.owner_first else (self.replica, self.owner)
        early = {key: sides[0][key].at(first) for key in keys if key is not None}
        self.clock.advance(self.gap)
        second = self.clock.monotonic()
        late = {key: sides[1][key].at(second) for key in early}
        owner, replica = (early, late) if self.owner_first else (late, early)
        owner_at, replica_at = (first, second) if self.owner_first else (second, first)
        seen = ReplicaLook(watermark=self._watermark(replica_at))
        seen.sights = [sight for key in early for sight in self._sights(key, owner[key], replica[key])]
        return EntityLook(watermark=self._watermark(owner_at), replicas={"copy": seen}, read_until=second)

    def _watermark(self, moment: float) -> Watermark:
        return Watermark("d", self.clock.now(), moment)

    def _sights(self, key: str, owner: Value, replica: Value) -> Iterator[Sight]:
        if _content(owner) == _content(replica):
            return
        divergence = Divergence.MISSING if replica is None else Divergence.ORPHAN if owner is None else None
        fields = () if divergence or self.versioned else (FieldDifference("v", _content(owner), _content(replica)),)
        finding = Finding(
            "e", "copy", (("id", key),), divergence or Divergence.MISMATCH, Verdict.SUSPECT, fields=fields
        )
        mark, copied = (value[1] if value and self.versioned else None for value in (owner, replica))
        yield Sight(finding, _content(owner) or ABSENT, _content(replica) or ABSENT, mark, copied)

    def is_right(self, key: str, moment: float) -> bool:
        """Whether the replica at that moment equals its owner at some instant within the lag bound."""
        held = self.owner[key].within(moment - LAG_BOUND, moment)
        return _content(self.replica[key].at(moment)) in held


class Verdicts(RuleBasedStateMachine):
    """Changes, faults and looks in any order; every content is written once, so nothing comes back unseen."""

    versioned = False
    sampled = 1000

    @initialize(lags=st.lists(st.floats(0, LAG_BOUND), min_size=3, max_size=3))
    def begin(self, lags: list[float]) -> None:
        self.world = World(versioned=self.versioned)
        self.suspicion = Suspicion({"copy": LAG_BOUND}, sampled=self.sampled)
        self.first_look: float | None = None
        self.contents = 0
        self.written_since: set[str] = set()
        self.wrong_at_first: set[str] = set()
        for key, lag in zip(KEYS, lags, strict=True):
            self.world.write(key, self.content(0), lag)
        self.world.clock.advance(2 * LAG_BOUND)

    def content(self, _wanted: int) -> str:
        """A content that no row ever had."""
        self.contents += 1
        return f"c{self.contents}"

    @rule(key=st.sampled_from(KEYS), lag=st.floats(0, LAG_BOUND), wanted=st.integers(0, 2))
    def write(self, key: str, lag: float, wanted: int) -> None:
        self.world.write(key, self.content(wanted), lag)
        self.written_since.add(key)

    @precondition(lambda self: self.first_look is not None and self.world.gap > 0)
    @rule(key=st.sampled_from(KEYS), wanted=st.integers(0, 2), share=st.floats(0.1, 0.4))
    def change_within_the_next_look(self, key: str, wanted: int, share: float) -> None:
        """A change comes, and has arrived, between the two reads of one look."""
        content, clock, world = self.content(wanted), self.world.clock, self.world
        moment = clock.monotonic() + (self.suspicion.next_look_in(clock.monotonic()) or 0.0)
        clock.at(moment + share * world.gap, lambda: world.write(key, content, share * world.gap))
        self.written_since.add(key)

    @precondition(lambda self: not self.versioned)  # a row that is not there has no version to tell by
    @rule(key=st.sampled_from(KEYS), lag=st.floats(0, LAG_BOUND))
    def delete(self, key: str, lag: float) -> None:
        self.world.write(key, None, lag)
        self.written_since.add(key)

    @rule(key=st.sampled_from(KEYS), phantom=st.booleans())
    def break_down(self, key: str, phantom: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
        self.world.break_down(key, "phantom" if phantom else None)

    @rule(seconds=st.floats(0.01, LAG_BOUND))
    def pass_time(self, seconds: float) -> None:
        """Time passes, and who waits for suspects looks whenever it wants to."""
        clock = self.world.clock
        end = clock.monotonic() + seconds
        while self.first_look is not None:
            wait = self.suspicion.next_look_in(clock.monotonic())
            if wait is None or clock.monotonic() + wait > end:
                break
            clock.advance(wait)
            self.look_again()
        clock.advance(max(end - clock.monotonic(), 0.0))

    @precondition(lambda self: self.first_look is None)
    @rule(gap=st.floats(0, BETWEEN_READS_MAX), owner_first=st.booleans())
    def look(self, gap: float, owner_first: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
        world = self.world
        world.gap, world.owner_first = gap, owner_first
        self.first_look = world.clock.monotonic()
        self.suspicion.begin(world.look(), world.clock.now())
        self.written_since = set()
        self.wrong_at_first = {key for key in world.stuck if not world.is_right(key, world.clock.monotonic())}

    def look_again(self) -> None:
        settled = len(self.suspicion.settled)
        self.suspicion.look_again(self.world, self.world.clock)  # type: ignore[arg-type]
        for finding in self.suspicion.settled[settled:]:
            self.no_false_alarm(finding)

    def no_false_alarm(self, finding: Finding) -> None:
        key = self.key(finding)
        if finding.verdict is Verdict.PERSISTENT:
            assert key in self.world.stuck

    @staticmethod
    def key(finding: Finding) -> str:
        assert finding.key is not None
        return finding.key[0][1] or ""

    def teardown(self) -> None:
        """Everything comes to rest; what is suspect is settled, and nothing that was stuck has slipped through."""
        if getattr(self, "first_look", None) is None:
            return
        clock = self.world.clock
        while (wait := self.suspicion.next_look_in(clock.monotonic())) is not None:
            clock.advance(wait)
            self.look_again()
        assert self.first_look is not None
        verdicts = {self.key(finding): finding.verdict for finding in self.suspicion.settled}
        for key in self.wrong_at_first:
            assert verdicts[key] is Verdict.PERSISTENT or key in self.written_since, verdicts
            assert verdicts[key] in (Verdict.PERSISTENT, Verdict.UNDECIDED, Verdict.HEALED), verdicts

    @invariant()
    def settled_in_time(self) -> None:
        """No suspect outlives its bound, whatever its owner does."""
        if getattr(self, "first_look", None) is None:
            return
        assert self.first_look is not None
        assert not self.suspicion.suspects or self.world.clock.monotonic() <= self.first_look + SETTLED_WITHIN


class VersionedVerdicts(Verdicts):
    """Rows have a version number that the replica copies, and contents come back: A, B, A."""

    versioned = True

    def content(self, wanted: int) -> str:
        """One of three contents, again and again."""
        return "ABC"[wanted]


class HurriedVerdicts(Verdicts):
    """So many suspects that each is looked at when it is due, and not before."""

    sampled = 0


@pytest.mark.parametrize("machine", [Verdicts, VersionedVerdicts, HurriedVerdicts])
def test_no_false_alarm_and_no_missed_drift(machine: type[Verdicts]) -> None:
    """Whatever is written, lost and looked at, in whichever order."""
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None))


EXAMPLES = 150


def test_a_change_between_the_two_reads_of_a_look_is_no_drift() -> None:
    """The owner is read, changes, its replica has the change already and is read: one course that must not alarm."""
    course = HurriedVerdicts()
    course.begin(lags=[0.0, 0.0, 0.0])
    course.write(key="a", lag=5.0, wanted=0)
    course.look(gap=BETWEEN_READS_MAX, owner_first=True)
    course.change_within_the_next_look(key="a", wanted=1, share=0.2)
    course.pass_time(seconds=LAG_BOUND)
    course.pass_time(seconds=LAG_BOUND)
    assert [finding.verdict for finding in course.suspicion.settled] == [Verdict.HEALED]
