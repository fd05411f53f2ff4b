"""The verdict: one test for each row of the table in `reconcilers.recheck`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconcilers.finding import Cause, Divergence, Finding, Verdict
from reconcilers.recheck import ABSENT, MARGIN_SECONDS, Look, judge, settle

BOUND = 60.0
ENOUGH = BOUND + MARGIN_SECONDS
START = datetime(2026, 1, 1, tzinfo=UTC)
SUSPECT = Finding("order", "copy", (("id", "1"),), Divergence.MISMATCH, Verdict.SUSPECT)


def seen(at: float, owner: str = "v1", replica: str = "v0") -> Look:
    """A look at which the two differed."""
    return Look(at, START + timedelta(seconds=at), owner, replica, SUSPECT)


def equal(at: float) -> Look:
    """A look at which nothing differed."""
    return Look(at, START + timedelta(seconds=at), "", "", None)


def unreadable(at: float) -> Look:
    """A look at which a side could not be read."""
    return Look(at, START + timedelta(seconds=at), "", "", None, problem="copy is down")


def test_equal_now_is_healed_however_it_differed_before() -> None:
    """A replica that equals its owner now has done nothing wrong, late or not."""
    judgement = judge([seen(0), seen(ENOUGH / 2), equal(10 * ENOUGH)], BOUND)
    assert (judgement.verdict, judgement.again_in) == (Verdict.HEALED, None)


@pytest.mark.parametrize("elapsed", [ENOUGH, ENOUGH + 1, 100 * ENOUGH])
def test_a_stable_owner_and_a_replica_that_differs_past_the_bound_is_persistent(elapsed: float) -> None:
    """The lag bound and the margin are over, bounds included: proof `elapsed`."""
    judgement = judge([seen(0), seen(elapsed)], BOUND)
    assert (judgement.verdict, judgement.proof, judgement.cause) == (Verdict.PERSISTENT, "elapsed", Cause.UNKNOWN)


@pytest.mark.parametrize("elapsed", [0.0, 1.0, BOUND, ENOUGH - 0.001])
def test_before_the_bound_and_the_margin_nothing_is_proven(elapsed: float) -> None:
    """Not even when the lag bound itself is over: our reads lie somewhat beside the moments that we note for them."""
    judgement = judge([seen(0), seen(elapsed)], BOUND)
    assert judgement.verdict is Verdict.SUSPECT
    assert judgement.again_in == pytest.approx(ENOUGH - elapsed)


def test_one_look_proves_nothing_even_without_a_lag_bound() -> None:
    """Two stores are read at different moments, so a first difference is expected."""
    judgement = judge([seen(0)], 0.0)
    assert (judgement.verdict, judgement.again_in) == (Verdict.SUSPECT, 0.0)
    assert judge([seen(0), seen(0)], 0.0).verdict is Verdict.PERSISTENT


def test_an_owner_that_changed_since_starts_the_clock_again() -> None:
    """The replica may lawfully lack the new version for a whole lag bound."""
    judgement = judge([seen(0, "v1"), seen(ENOUGH, "v2")], BOUND)
    assert (judgement.verdict, judgement.again_in) == (Verdict.SUSPECT, ENOUGH)
    assert judge([seen(0, "v1"), seen(ENOUGH, "v2"), seen(2 * ENOUGH, "v2")], BOUND).verdict is Verdict.PERSISTENT


def test_the_owner_must_be_the_same_in_every_look_between() -> None:
    """A version that went and came back is a change: v1, v2, v1 has been stable since the last look only."""
    judgement = judge([seen(0, "v1"), seen(ENOUGH, "v2"), seen(ENOUGH + 5, "v1")], BOUND)
    assert (judgement.verdict, judgement.again_in) == (Verdict.SUSPECT, ENOUGH)


def test_a_replica_may_change_and_still_be_wrong() -> None:
    """The owner alone decides how long the difference has lasted."""
    assert judge([seen(0, replica="x"), seen(ENOUGH, replica="y")], BOUND).verdict is Verdict.PERSISTENT


@pytest.mark.parametrize("elapsed", [0.0, ENOUGH, 100 * ENOUGH])
def test_a_side_that_cannot_be_read_again_is_undecided(elapsed: float) -> None:
    """Never consistent, never drift: we could not tell."""
    judgement = judge([seen(0), unreadable(elapsed)], BOUND)
    assert (judgement.verdict, judgement.again_in) == (Verdict.UNDECIDED, None)
    assert judgement.note == "a side could not be read again: copy is down"


def test_without_time_to_look_again_it_is_in_flight_with_the_moment_to_judge_it() -> None:
    """What needs longer than the run may wait is left to the next run, which knows when."""
    looks = [seen(0), seen(10)]
    now = START + timedelta(seconds=10)
    settled = settle(SUSPECT, judge(looks, BOUND), looks, now)
    assert settled.verdict is Verdict.IN_FLIGHT
    assert settled.judge_after == now + timedelta(seconds=ENOUGH - 10)


def test_an_owner_that_changed_at_every_look_is_hot_and_undecided() -> None:
    """Waiting longer would not help: it changes again."""
    looks = [seen(0, "v1"), seen(ENOUGH, "v2"), seen(2 * ENOUGH, "v3")]
    settled = settle(SUSPECT, judge(looks, BOUND), looks, START)
    assert (settled.verdict, settled.judge_after) == (Verdict.UNDECIDED, None)
    assert settled.evidence.note == "hot: the owner's row changed again at every look"


def test_one_change_between_two_looks_is_not_hot() -> None:
    """It is ordinary, and the next run judges it."""
    looks = [seen(0, "v1"), seen(ENOUGH, "v2")]
    assert settle(SUSPECT, judge(looks, BOUND), looks, START).verdict is Verdict.IN_FLIGHT


def test_evidence_holds_every_look_at_both_sides_oldest_first() -> None:
    """An absent side says so and has no digest."""
    looks = [seen(0, "v1", ABSENT), seen(ENOUGH, "v1", ABSENT)]
    reads = settle(SUSPECT, judge(looks, BOUND), looks, START).evidence.reads
    assert [(read.side, read.state, read.digest) for read in reads] == [
        ("owner", "present", "v1"),
        ("copy", "absent", ""),
    ] * 2
    assert [read.at for read in reads] == sorted(read.at for read in reads)


def test_a_long_look_counts_from_its_end_to_the_next_ones_beginning() -> None:
    """What was read as late as the look ended is known from then on only, and a look in time begins late enough."""
    long = Look(0.0, START, "v1", "v0", SUSPECT, until=30.0)
    early, late = seen(ENOUGH), seen(30.0 + ENOUGH)
    assert judge([long, early], BOUND).again_in == pytest.approx(30.0)
    assert judge([long, late], BOUND).verdict is Verdict.PERSISTENT
