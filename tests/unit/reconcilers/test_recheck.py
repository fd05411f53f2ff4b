"""The verdict: one test for each row of the table in `reconcilers.recheck`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconcilers.finding import Cause, Divergence, FieldDifference, Finding, Verdict
from reconcilers.recheck import (
    ABSENT,
    CERTAIN_LOOKS_MIN,
    FLAPPING_LOOKS_MAX,
    HOT_BOUNDS,
    LOG_LOOK_SECONDS,
    LOG_WAIT_SECONDS,
    LOOK_SECONDS_MIN,
    MARGIN_SECONDS,
    MAYBE_NEVER_IN_SCOPE,
    NEVER_IN_SCOPE,
    OUT_OF_SCOPE,
    SILENCE_SECONDS,
    TRANSACTION_SECONDS,
    History,
    Look,
    Passed,
    Sign,
    Version,
    judge,
    one_look,
    settle,
)

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


def test_a_replica_that_equals_its_owner_in_all_that_is_compared_with_it_is_not_stale() -> None:
    """A redacted field that is not constant differs from other rows of the replica, not from the owner."""
    judgement = judge([seen(0, "v1", "v1"), seen(ENOUGH, "v1", "v1")], BOUND)
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.UNKNOWN)


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


@pytest.mark.parametrize("bound", [0.0, 0.1, BOUND])
@pytest.mark.parametrize("span", [0.0, 3.5])
def test_one_look_alone_is_judged_alike_in_short(bound: float, span: float) -> None:
    """The short way for a million first looks is the way of all looks."""
    look = Look(100.0, START, "v1", "v0", SUSPECT, until=100.0 + span)
    assert one_look(bound, span) == judge([look], bound)


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


def test_a_replica_that_was_just_written_is_looked_at_again() -> None:
    """Who wrote it may have known a version of the owner that came and went between our looks."""
    looks = [seen(0, replica="x"), seen(ENOUGH / 2, replica="x"), seen(ENOUGH, replica="y")]
    judgement = judge(looks, BOUND)
    assert judgement.verdict is Verdict.SUSPECT
    assert 0 < (judgement.again_in or 0) < ENOUGH
    assert judge([*looks, seen(2 * ENOUGH, replica="y")], BOUND).verdict is Verdict.PERSISTENT


def test_a_replica_that_flaps_by_itself_is_drift_all_the_same() -> None:
    """Its owner has been still for all that time; nobody may hide by changing."""
    looks = [seen(ENOUGH * i, replica=f"v{i % 2}") for i in range(FLAPPING_LOOKS_MAX)]
    assert judge(looks[:-1], BOUND).verdict is Verdict.SUSPECT
    assert judge(looks, BOUND).verdict is Verdict.PERSISTENT


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


def test_an_owner_that_was_read_before_its_replica_is_looked_at_once_more() -> None:
    """It may have changed in between, and the replica have it already; the same owner later says that it did not."""
    owner_first = [replace(look, owner_last=False) for look in (seen(0), seen(ENOUGH), seen(ENOUGH + 1))]
    assert judge(owner_first[:2], BOUND).verdict is Verdict.SUSPECT
    assert judge(owner_first[:2], BOUND).again_in == pytest.approx(LOOK_SECONDS_MIN)
    assert judge(owner_first, BOUND).verdict is Verdict.PERSISTENT
    changed = replace(owner_first[2], owner="v2", mark=None)
    assert judge([*owner_first[:2], changed], BOUND).verdict is Verdict.SUSPECT


# -- a busy owner ------------------------------------------------------------------------------------------------------


def test_a_missing_row_is_drift_however_often_its_owner_changes_it() -> None:
    """Every version in the window is live, so a replica without any is right at no instant of it."""
    lacking = Finding("order", "copy", (("id", "1"),), Divergence.MISSING, Verdict.SUSPECT)
    looks = [Look(i * ENOUGH / 4, START, f"v{i}", ABSENT, lacking) for i in range(CERTAIN_LOOKS_MIN)]
    assert judge(looks, BOUND).verdict is Verdict.PERSISTENT
    assert judge(looks[1:], BOUND).verdict is Verdict.SUSPECT  # it may have been deleted and written again
    was_away = Look(ENOUGH, START, "deleted", ABSENT, None)
    assert judge([*looks[:4], was_away, *looks[5:]], BOUND).verdict is Verdict.SUSPECT


def test_an_orphan_is_drift_whichever_way_its_owner_lacks_it() -> None:
    """Deleted, flagged or out of scope: the replica may hold it at none of these instants."""
    orphan = Finding("order", "copy", (("id", "1"),), Divergence.ORPHAN, Verdict.SUSPECT, cause=Cause.MISSED_DELETE)
    looks = [Look(0, START, "deleted", "v0", orphan), Look(ENOUGH, START, "absent", "v0", orphan)]
    judgement = judge(looks, BOUND)
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.MISSED_DELETE)


def marked(at: float, mark: int, replica: str = "old", copied: int | None = None) -> Look:
    """A look at a busy owner whose rows have a version number."""
    return Look(at, START, f"v{mark}", replica, SUSPECT, mark=mark, copied=copied)


def test_a_replica_that_holds_an_older_version_than_was_due_is_stale_however_hot_the_key() -> None:
    """The clock belongs to the oldest version that it has not reflected, though it still moves on."""
    looks = [marked(0, 10, "r7", 7), marked(ENOUGH / 2, 15, "r8", 8), marked(ENOUGH, 20, "r9", 9)]
    judgement = judge(looks, BOUND)
    assert (judgement.verdict, judgement.cause, judgement.proof) == (Verdict.PERSISTENT, Cause.STALE, "elapsed")


def test_a_replica_that_has_reflected_what_was_due_is_not_stale() -> None:
    """It trails a busy owner by less than its lag bound."""
    looks = [marked(0, 10, "r7", 7), marked(ENOUGH / 2, 15, "r12", 12), marked(ENOUGH, 20, "r17", 17)]
    assert judge(looks, BOUND).verdict is Verdict.SUSPECT


def test_an_unchanged_replica_of_an_owner_whose_version_grows_is_stale() -> None:
    """Without a version of its own it takes many looks: a row may go to and fro between two values."""
    looks = [marked(i * ENOUGH / 4, 10 + i) for i in range(CERTAIN_LOOKS_MIN)]
    assert judge(looks[:-1], BOUND).verdict is Verdict.SUSPECT
    judgement = judge(looks, BOUND)
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.STALE)
    unmarked = [seen(look.at, look.owner, look.replica) for look in looks]
    assert judge(unmarked, BOUND).verdict is not Verdict.PERSISTENT


def test_a_field_that_differs_by_the_same_values_in_many_looks_is_drift_in_a_busy_row() -> None:
    """The rest of the row may change as it likes."""

    def differing(at: float, number: int) -> Look:
        wrong = FieldDifference("total", "10.00", "9.00")
        busy = FieldDifference("touched", str(number), str(number - 1))
        finding = Finding("order", "copy", (("id", "1"),), Divergence.MISMATCH, Verdict.SUSPECT, fields=(busy, wrong))
        return Look(at, START, f"v{number}", f"r{number}", finding)

    looks = [differing(i * ENOUGH / 4, i) for i in range(CERTAIN_LOOKS_MIN)]
    assert judge(looks[:-1], BOUND).verdict is Verdict.SUSPECT
    assert judge(looks, BOUND).verdict is Verdict.PERSISTENT
    assert "total stays the same" in judge(looks, BOUND).note


def test_a_replica_that_holds_what_the_owner_held_within_the_bound_is_in_flight() -> None:
    """It was right at an instant that lies within the lag bound."""
    looks = [
        seen(0, "v1", "v0"),
        seen(ENOUGH / 2, "v2", "v1"),
        seen(ENOUGH - 5, "v3", "v2"),
        seen(ENOUGH, "v4", "v3"),
    ]
    judgement = judge(looks, BOUND)
    assert (judgement.verdict, judgement.again_in) == (Verdict.IN_FLIGHT, None)
    assert "the replica holds what the owner held" in judgement.note


def test_a_busy_key_is_given_up_after_some_lag_bounds() -> None:
    """Every suspect is settled within a bound, whatever its owner does."""
    looks = [seen(i * ENOUGH / 2, f"v{i}", f"r{i}") for i in range(max(HOT_BOUNDS * 2 + 1, CERTAIN_LOOKS_MIN))]
    assert judge(looks[:-1], BOUND).verdict is Verdict.SUSPECT
    judgement = judge(looks, BOUND)
    assert (judgement.verdict, judgement.again_in) == (Verdict.UNDECIDED, None)
    assert judgement.note.startswith("hot")


# -- what the owner's database dates -----------------------------------------------------------------------------------


def aged(at: float, age: float, owner: str = "v1") -> Look:
    """A look at an owner whose database says when the row changed."""
    return Look(at, START, owner, "v0", SUSPECT, age=age)


def test_a_row_that_its_database_dates_well_before_the_bound_needs_no_waiting() -> None:
    """A second look is had all the same; a transaction may have been open for long before others saw its rows."""
    enough = ENOUGH + TRANSACTION_SECONDS
    assert judge([aged(0, enough)], BOUND).verdict is Verdict.SUSPECT
    judgement = judge([aged(0, enough), aged(1, enough)], BOUND)
    assert (judgement.verdict, judgement.proof) == (Verdict.PERSISTENT, "elapsed")
    assert judge([aged(0, enough - 1), aged(1, enough - 1)], BOUND).verdict is Verdict.SUSPECT
    assert judge([aged(0, enough), aged(1, enough, "v2")], BOUND).verdict is Verdict.SUSPECT


# -- proofs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proof", ["position", "applied"])
def test_a_replica_that_is_proven_past_its_owners_version_needs_no_waiting(proof: str) -> None:
    """It has consumed everything up to where its owner was seen with this version, and differs still."""
    past = Look(2.0, START, "v1", "v0", SUSPECT, passed=Passed(proof, 0.5))
    judgement = judge([seen(0), past], BOUND)
    assert (judgement.verdict, judgement.proof) == (Verdict.PERSISTENT, proof)


def test_a_replica_that_is_not_past_its_owners_version_is_waited_for() -> None:
    """What it has consumed lies before the look."""
    short = Look(2.0, START, "v1", "v0", SUSPECT, passed=Passed("position", -0.5))
    assert judge([seen(0), short], BOUND).verdict is Verdict.SUSPECT


# -- with the owner's versions -----------------------------------------------------------------------------------------


def history(*since: float, complete: bool = False) -> History:
    """Versions v0, v1, … of the owner from these moments on."""
    return History(tuple(Version(f"v{i}", moment) for i, moment in enumerate(since)), complete)


def test_known_version_whose_successor_is_young_is_in_flight() -> None:
    """The replica may lawfully trail the next change by the lag bound; after that it is looked at again."""
    judgement = judge([seen(BOUND, "v1", "v0")], BOUND, history(-500, 0.0))
    assert (judgement.verdict, judgement.again_in) == (Verdict.IN_FLIGHT, MARGIN_SECONDS)


def test_known_version_whose_successor_is_old_is_stale_however_hot_the_key() -> None:
    """Each look shows another owner; what counts is the oldest version that the replica has not reflected."""
    known = history(-500, 0.0, 20.0, 40.0, ENOUGH)
    judgement = judge([seen(ENOUGH, "v4", "v0")], BOUND, known)
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.STALE)
    assert judge([seen(ENOUGH, "v4", "v2")], BOUND, known).verdict is Verdict.IN_FLIGHT


def test_known_version_after_a_later_one_was_seen_is_reordered() -> None:
    """It went from k back to an older one."""
    looks = [seen(50, "v2", "v1"), seen(50 + ENOUGH, "v2", "v0")]
    judgement = judge(looks, BOUND, history(-500, 0.0, 49.0))
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.REORDERED)


def test_a_replica_whose_own_stream_shows_a_later_version_went_back() -> None:
    """One look is enough: what it held before it held this is known, and no lawful order leads from there to here."""
    known = replace(history(-500, -400, -300, complete=True), reached=2)
    judgement = judge([seen(0, "v2", "v1")], BOUND, known)
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.REORDERED)
    assert judge([seen(0, "v2", "v1")], BOUND, replace(known, reached=1)).cause is Cause.STALE


def test_a_row_whose_key_was_changed_has_that_cause_whichever_end_is_judged_last() -> None:
    """A look that sees both ends tells it; the last one may be at one of them alone, when the other has been judged."""
    versions = (Version(ABSENT, float("-inf")), Version("v1", 0.0))
    both, alone = (History(versions, complete=True, moved=moved) for moved in (True, False))
    looks = [replace(seen(0, "v1", ABSENT), history=both), replace(seen(ENOUGH, "v1", ABSENT), history=alone)]
    assert judge(looks, BOUND).cause is Cause.KEY_CHANGED
    assert judge([replace(looks[0], history=alone), looks[1]], BOUND).cause is Cause.NEVER_ARRIVED


def test_a_row_that_the_replica_had_and_lost_neither_never_arrived_nor_came_in_the_wrong_order() -> None:
    """Its own stream shows it there before: what took it away is not known."""
    versions = (Version(ABSENT, float("-inf")), Version("v1", -500))
    known = History(versions, complete=True, reached=1, was_there=True)
    judgement = judge([seen(0, "v1", ABSENT)], BOUND, known)
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.UNKNOWN)
    assert "had the row and lost it" in judgement.note
    assert judge([seen(0, "v1", ABSENT)], BOUND, History(versions, complete=True)).cause is Cause.NEVER_ARRIVED


@pytest.mark.parametrize("cause", [Cause.UNKNOWN, Cause.MISSED_DELETE], ids=["deleted", "flagged"])
def test_a_replica_that_holds_what_its_owner_has_deleted_missed_the_delete_however_it_was_deleted(cause: Cause) -> None:
    """A flag at the owner's row says so already; the versions say no less."""
    versions = (Version(ABSENT, float("-inf")), Version("v1", -500), Version("v2", -400), Version(ABSENT, -300))
    known, orphan = History(versions, complete=True), replace(SUSPECT, divergence=Divergence.ORPHAN, cause=cause)
    for held in ("v1", "v2"):
        assert judge([Look(0, START, "deleted", held, orphan)], BOUND, known).cause is Cause.MISSED_DELETE


def out_of_scope(*held: str) -> list[Look]:
    """Looks at a row that the replica has as v1, and that its owner held as told; it is out of scope in the end."""
    orphan = replace(SUSPECT, divergence=Divergence.ORPHAN)
    owned = (*held, OUT_OF_SCOPE, OUT_OF_SCOPE)
    return [Look(i * ENOUGH, START, owner, "v1", orphan) for i, owner in enumerate(owned)]


def test_a_row_has_left_its_scope_if_a_look_or_a_version_shows_it_within() -> None:
    """That its owner's row is out of scope now does not show it."""
    left, never = (Cause.LEFT_SCOPE, ""), (Cause.UNKNOWN, MAYBE_NEVER_IN_SCOPE)
    within = (Version("v0", -500), Version(ABSENT, -400))
    for looks, known, expected in (
        (out_of_scope(), None, never),
        (out_of_scope("v1"), None, left),
        (out_of_scope(), History((Version("v1", -500), Version(ABSENT, -400))), left),
        (out_of_scope(), History(within, outside=True), left),
        (out_of_scope(), History(within, complete=True, outside=True), left),
        (out_of_scope(), History(within, complete=True), (Cause.PHANTOM_WRITE, "")),
        (out_of_scope(), History((Version(ABSENT, -400),), outside=True), never),
        (
            out_of_scope(),
            History((Version(ABSENT, -400),), complete=True, outside=True),
            (Cause.UNKNOWN, NEVER_IN_SCOPE),
        ),
    ):
        judgement = judge(looks, BOUND, known)
        assert (judgement.verdict, judgement.cause, judgement.note) == (Verdict.PERSISTENT, *expected)


def test_what_the_owner_held_outside_of_the_scope_is_no_phantom() -> None:
    """It is stale where the owner holds something else within, and a missed delete where it holds nothing."""
    versions = (Version(ABSENT, -500), Version("v2", -400))
    looks = [seen(0, "v2", "v1"), seen(ENOUGH, "v2", "v1")]
    assert judge(looks, BOUND, History(versions, complete=True, outside=True)).cause is Cause.STALE
    orphans = [replace(look, owner=ABSENT, finding=replace(SUSPECT, divergence=Divergence.ORPHAN)) for look in looks]
    gone = History((Version(ABSENT, -500),), complete=True, outside=True)
    assert judge(orphans, BOUND, gone).cause is Cause.MISSED_DELETE


def test_no_version_ever_is_a_phantom_where_every_version_is_known() -> None:
    """The owner never held what the replica holds."""
    looks = [seen(0, "v1", "x"), seen(ENOUGH, "v1", "x")]
    known = history(-500, -400, complete=True)
    judgement = judge(looks, BOUND, known)
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.PHANTOM_WRITE)
    assert judge(looks[:1], BOUND, known).verdict is Verdict.SUSPECT


def test_a_row_that_was_told_never_may_have_gone_before_the_snapshot_that_the_stream_begins_with() -> None:
    orphan = replace(SUSPECT, divergence=Divergence.ORPHAN)
    looks = [replace(seen(at, ABSENT, "x"), finding=orphan) for at in (0, ENOUGH)]
    never = History((Version(ABSENT, -500),), complete=True)
    assert judge(looks, BOUND, never).note == ""
    judgement = judge(looks, BOUND, replace(never, before_snapshot=True))
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.PHANTOM_WRITE)
    assert "deleted before the snapshot would look the same" in judgement.note


def test_of_a_stream_with_a_gap_only_what_came_since_is_called_told() -> None:
    """An older version may have been told, and be left out."""
    since = history(-ENOUGH, -5)
    whole, cut = (judge([seen(0, "v1", "x")], BOUND, replace(since, cut=cut)).note for cut in (False, True))
    assert "that the change stream tells of; " in whole
    assert "tells of since records of it were lost" in cut


def test_a_replica_that_had_come_as_far_as_the_history_holds_a_phantom_too() -> None:
    """Its own stream shows one of the owner's versions: it does not trail from before the first that is known."""
    looks = [seen(0, "v1", "x"), seen(ENOUGH, "v1", "x")]
    judgement = judge(looks, BOUND, replace(history(-500, -400), reached=0))
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.PHANTOM_WRITE)


def test_no_version_since_the_history_began_is_drift_of_unknown_cause() -> None:
    """What the owner held before is unknown, but no lawful replica trails it by that much."""
    judgement = judge([seen(0, "v1", "x")], BOUND, history(-ENOUGH, -5))
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.UNKNOWN)
    assert judge([seen(0, "v1", "x")], BOUND, history(-ENOUGH + 1, -5)).verdict is Verdict.SUSPECT


def test_a_proof_makes_a_known_version_due_before_its_time() -> None:
    """The replica's own feed has passed the change."""
    past = Look(2.0, START, "v1", "v0", SUSPECT, passed=Passed("position", 1.0))
    judgement = judge([past], BOUND, history(-500, 0.5))
    assert (judgement.verdict, judgement.proof, judgement.cause) == (Verdict.PERSISTENT, "position", Cause.STALE)


def test_an_owner_that_was_seen_older_than_its_replica_does_not_start_the_clock_of_an_absence() -> None:
    """A standby shows no row yet, the replica has it already; it is gone again at the next look: that is no orphan."""
    stale = replace(seen(0, ABSENT, "v1"), stale=True)
    again = seen(ENOUGH, ABSENT, "v1")
    assert judge([stale, again], BOUND).verdict is Verdict.SUSPECT
    late = seen(2 * ENOUGH + 1, ABSENT, "v1")
    assert judge([stale, again, late], BOUND).verdict is Verdict.PERSISTENT


# -- a replica that is known by its feed alone -------------------------------------------------------------------------


def silent(look: Look, heard: float, told: str = "2026-01-01T00:00:00+00:00") -> Look:
    """The same look at a replica whose connector was last heard of then."""
    return replace(look, heard=heard, told=told)


def test_a_feed_that_tells_nothing_any_more_proves_no_drift() -> None:
    """The connector may stand still, and the replica be right: waited for a while, then undecided, with the reason."""
    looks = [silent(seen(0), 0), silent(seen(ENOUGH), 0)]
    judgement = judge(looks, BOUND)
    assert judgement.verdict is Verdict.SUSPECT
    assert judgement.again_in is not None
    assert 0 < judgement.sample_in <= judgement.again_in <= SILENCE_SECONDS
    judgement = judge([*looks, silent(seen(ENOUGH + SILENCE_SECONDS), 0)], BOUND)
    assert (judgement.verdict, judgement.again_in) == (Verdict.UNDECIDED, None)
    assert "its feed has told nothing since 2026-01-01" in judgement.note.replace("the replica's feed", "its feed")


def test_a_feed_that_lives_shows_drift_as_a_store_does() -> None:
    """A sign of life after the change was due: what the feed tells is what the replica holds."""
    judgement = judge([silent(seen(0), 0), silent(seen(ENOUGH + 5), ENOUGH)], BOUND)
    assert (judgement.verdict, judgement.proof) == (Verdict.PERSISTENT, "elapsed")


def test_a_sign_of_life_before_the_bound_was_over_is_none() -> None:
    """The replica may have applied the change within its bound, and its connector have died before it told."""
    judgement = judge([silent(seen(0), 0), silent(seen(ENOUGH + SILENCE_SECONDS), ENOUGH - 1)], BOUND)
    assert judgement.verdict is Verdict.UNDECIDED


def test_the_databases_own_clocks_show_how_far_a_feed_reaches() -> None:
    """A version that was committed at noon is lacking where the replica's feed speaks of a minute past its bound."""
    change = {"committed_at": "2026-01-01T12:00:00.000000Z"}
    history = History((Version("v0", -900), Version("v1", -800, change)))
    old = silent(seen(0), -1000, "2026-01-01T12:00:59+00:00")
    assert judge([old], BOUND, history).verdict is Verdict.UNDECIDED
    assert judge([silent(seen(0), -1000, "2026-01-01T12:01:01+00:00")], BOUND, history).verdict is Verdict.PERSISTENT


def test_a_silent_replica_that_equals_its_owner_is_healed() -> None:
    """Silence makes nothing wrong."""
    assert judge([silent(seen(0), 0), silent(equal(10 * ENOUGH), 0)], BOUND).verdict is Verdict.HEALED


# -- an owner that is known by its feed alone --------------------------------------------------------------------------


def untold(look: Look, heard: float, *, beats: bool = False) -> Look:
    """The same look at an owner whose connector was last heard of then."""
    return replace(look, owner_sign=Sign(heard, "2026-01-01T00:00:00+00:00", beats=beats))


def test_a_copy_that_equals_nothing_that_a_silent_owner_told_may_be_ahead_of_it() -> None:
    """Waited for a sign of life for a while, then undecided, with the reason."""
    known = history(-500, complete=True)
    looks = [untold(seen(0, "v0", "v9"), -1), untold(seen(ENOUGH, "v0", "v9"), -1)]
    judgement = judge(looks, BOUND, known)
    assert judgement.verdict is Verdict.SUSPECT
    assert judgement.again_in is not None
    assert 0 < judgement.sample_in <= judgement.again_in <= SILENCE_SECONDS
    judgement = judge([*looks, untold(seen(ENOUGH + SILENCE_SECONDS, "v0", "v9"), -1)], BOUND, known)
    assert (judgement.verdict, judgement.again_in) == (Verdict.UNDECIDED, None)
    assert "the owner's feed has told nothing since 2026-01-01" in judgement.note


def test_a_sign_of_an_owners_life_after_its_copy_was_seen_so_proves_a_phantom() -> None:
    """Whatever the owner held until then is known, and the copy equalled none of it."""
    known = history(-500, complete=True)
    looks = [untold(seen(0, "v0", "v9"), -1), untold(seen(ENOUGH, "v0", "v9"), MARGIN_SECONDS)]
    judgement = judge(looks, BOUND, known)
    assert (judgement.verdict, judgement.cause) == (Verdict.PERSISTENT, Cause.PHANTOM_WRITE)


def test_a_copy_that_changed_since_the_owners_last_sign_may_be_ahead_again() -> None:
    """What counts is since when it holds what it holds now."""
    known = history(-500, complete=True)
    looks = [untold(seen(0, "v0", "v8"), -1), untold(seen(ENOUGH, "v0", "v9"), ENOUGH - 1)]
    assert judge(looks, BOUND, known).verdict is Verdict.SUSPECT


def test_a_copy_that_holds_an_older_version_is_stale_unless_heartbeats_say_that_the_owner_is_silent() -> None:
    """That the owner went back to just that version, untold, is believed of a connector that surely stands still."""
    known = history(-500, -400)
    at = ENOUGH + SILENCE_SECONDS
    quiet = [untold(seen(0, "v1", "v0"), -300), untold(seen(at, "v1", "v0"), -300)]
    assert judge(quiet, BOUND, known).verdict is Verdict.PERSISTENT
    dead = [replace(look, owner_sign=Sign(-300, beats=True)) for look in quiet]
    assert judge(dead, BOUND, known).verdict is Verdict.UNDECIDED


def test_a_copy_that_is_proven_to_follow_its_owners_topic_is_never_ahead_of_it() -> None:
    """The group that fills it has read the change that it lacks: from nowhere else does it learn."""
    applied = Passed("applied", 0)
    looks = [untold(replace(seen(0, "v0", "v9"), passed=applied), -1)]
    looks += [untold(replace(seen(ENOUGH, "v0", "v9"), passed=applied), -1)]
    assert judge(looks, BOUND, history(-500, complete=True)).verdict is Verdict.PERSISTENT


# -- a replica that is its owner's own log -----------------------------------------------------------------------------


def of_log(at: float, owner: str = "v1", *, settled: tuple[float, ...] = ()) -> Look:
    """A look at an owner, whose snapshot is known by that moment, and at its own log."""
    return replace(seen(at, owner), taken=at, settled=settled)


def test_a_log_that_has_passed_the_owners_watermark_and_says_otherwise_is_wrong_at_once() -> None:
    """No lag bound has to pass: it is the log itself."""
    judgement = judge([of_log(0), of_log(2, settled=(0,))], BOUND)
    assert (judgement.verdict, judgement.proof, judgement.again_in) == (Verdict.PERSISTENT, "position", None)


def test_a_log_is_waited_for_by_seconds_and_not_for_ever() -> None:
    """It is asked again soon whether it has passed the watermark; after a minute, the lag bound is waited for."""
    judgement = judge([of_log(0), of_log(1)], 10 * BOUND)
    assert judgement.again_in is not None
    assert judgement.again_in <= LOG_LOOK_SECONDS
    later = judge([of_log(0), of_log(LOG_WAIT_SECONDS + 1)], 10 * BOUND)
    assert later.again_in is not None
    assert later.again_in > LOG_LOOK_SECONDS


def test_a_watermark_at_which_the_owner_held_another_row_proves_nothing() -> None:
    """The log has passed a look since which the owner has changed: the change may not be told yet."""
    judgement = judge([of_log(0, "v0"), of_log(1, "v1"), of_log(2, "v1", settled=(0,))], BOUND)
    assert judgement.verdict is Verdict.SUSPECT


def test_a_broken_reference_waits_for_a_sign_of_the_owner_that_is_referred_to() -> None:
    """What its feed has not told by the time at which the reference was seen may be there."""
    reference = replace(SUSPECT, divergence=Divergence.REFERENCE, replica=None)
    looks = [replace(seen(at), finding=reference, owner_sign=Sign(heard, "2026-07-01T12:00:00")) for at, heard in
             ((0, -30), (1, -30), (70, -30))]  # fmt: skip
    assert judge(looks[:2], 0.0).verdict is Verdict.SUSPECT
    judgement = judge(looks, 0.0)
    assert (judgement.verdict, judgement.again_in) == (Verdict.UNDECIDED, None)
    assert "the row be there" in judgement.note
    heard = replace(looks[1], owner_sign=Sign(0.5))
    assert judge([looks[0], heard], 0.0).verdict is Verdict.PERSISTENT
    unknown = [replace(look, owner_sign=None) for look in looks[:2]]
    assert judge(unknown, 0.0).verdict is Verdict.PERSISTENT


def test_a_change_is_as_old_as_an_earlier_run_knew() -> None:
    """A recording tells each run anew; only that very change counts."""
    change = {"topic": "t", "partition": "0", "offset": "7"}
    versions = (Version("v0", -5), Version("v1", -1, change))
    now = seen(0, "v1", "v0")
    earlier = replace(seen(-ENOUGH), owed=Version("", -ENOUGH, change))
    other = replace(earlier, owed=Version("", -ENOUGH, {**change, "offset": "6"}))
    assert judge([earlier, now], BOUND, History(versions)).verdict is Verdict.PERSISTENT
    assert judge([other, now], BOUND, History(versions)).verdict is Verdict.IN_FLIGHT
