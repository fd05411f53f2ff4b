"""What changes oblige replicas to: written with the change and its offset, and let go of exactly once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from contracts.errors import FeedError
from reconcilers.change import Change, ChangeKind
from reconcilers.streams.obligations import Drifting, Duty, Owed, Took
from reconcilers.streams.state import FeedState, Offset, Pass, Step
from tests.unit.reconcilers.streams.test_state import BACKFILL, DELETE, NOW, TOPIC, WRITE, begun, change, step

if TYPE_CHECKING:
    from pathlib import Path

DUTY = Duty("order", "search", TOPIC, by_owner=True, key=("id",))
OTHER = Duty("order", "cache", TOPIC, by_owner=True, key=("id",))


def owed(state: FeedState, duty: Duty = DUTY) -> dict[str | None, int]:
    """How many obligations are open, by key."""
    return {one.key[0]: one.count for one in all_owed(state, duty)}


def all_owed(state: FeedState, duty: Duty = DUTY) -> list[Owed]:
    """What is open of a duty."""
    number = state.obligations.number(duty)
    assert number is not None
    return [one for some in state.obligations.owed([number]) for one in some]


def obliged(state: FeedState, *duties: Duty) -> FeedState:
    """A state of one topic that obliges."""
    begun(state, "status")
    state.take_on(duties or [DUTY])
    return state


def test_each_version_is_owed_by_each_replica() -> None:
    """A write and a delete are two obligations, on every replica of the contract."""
    with obliged(FeedState(None), DUTY, OTHER) as state:
        changes = [change(0, WRITE, "1", 10, status="a"), change(1, DELETE, "1", 11), change(2, WRITE, "2", 12)]
        state.apply(step(state, 0, *changes))
        assert owed(state) == owed(state, OTHER) == {"1": 2, "2": 1}


def test_a_batch_that_is_not_applied_owes_nothing() -> None:
    """Effects and offsets are one: whoever reads the same records a second time owes nothing more."""
    with obliged(FeedState(None)) as state:
        batch = step(state, 0, change(0, WRITE, "1", 10, status="a"))
        state.apply(batch)
        with pytest.raises(FeedError):
            state.apply(batch)
        assert owed(state) == {"1": 1}


def test_what_was_let_go_of_is_what_was_looked_at() -> None:
    """A change that comes while a key is looked at is still owed after the look."""
    with obliged(FeedState(None)) as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a")))
        looked_at = all_owed(state)
        state.apply(step(state, 1, change(1, WRITE, "1", 11, status="b")))
        state.settle(looked_at, (), (), NOW)
        assert owed(state) == {"1": 1}
        state.settle(all_owed(state), (), (), NOW)
        assert owed(state) == {}


def test_what_is_open_outlives_the_process_and_is_not_owed_again(tmp_path: Path) -> None:
    """A duty that is known already takes nothing on a second time."""
    path = tmp_path / "shop.duckdb"
    with obliged(FeedState(path)) as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a"), change(1, WRITE, "2", 11, status="a")))
        state.settle([one for one in all_owed(state) if one.key == ("1",)], (), (), NOW)
    with FeedState(path) as state:
        state.take_on([DUTY])
        assert owed(state) == {"2": 1}


def test_a_replica_that_is_new_owes_everything_that_is_kept() -> None:
    """One that is in the contract no more owes nothing."""
    with obliged(FeedState(None)) as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a"), change(1, WRITE, "2", 11, status="a")))
        state.fold(TOPIC)
        state.apply(step(state, 2, change(2, WRITE, "3", 12, status="a")))
        state.take_on([OTHER])
        assert owed(state, OTHER) == {"1": 1, "2": 1, "3": 1}
        assert state.obligations.number(DUTY) is None
        assert state.obligations.count() == 3


def test_rows_that_a_snapshot_did_not_meet_are_owed_as_deletes_are() -> None:
    """Nobody tells of them one by one, and yet each has to go."""
    with obliged(FeedState(None)) as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a"), change(1, WRITE, "2", 11, status="a")))
        state.settle(all_owed(state), (), (), NOW)
        batch = step(state, 2, change(2, BACKFILL, "1", 50, status="a"), snapshot=1)
        state.apply(Step(batch.intakes, batch.moves, (), [Pass(TOPIC, 1, 2, 2)], batch.seqs))
        state.fold(TOPIC)
        assert owed(state) == {"1": 1, "2": 1}
        state.fold(TOPIC)
        assert owed(state) == {"1": 1, "2": 1}


def test_a_topic_that_is_forgotten_is_owed_anew() -> None:
    """It is read again from its beginning, and everything in it is an obligation then."""
    with obliged(FeedState(None)) as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a")))
        state.forget(TOPIC)
        assert state.obligations.count() == 0
        obliged(state)
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a")))
        assert owed(state) == {"1": 1}


def test_only_what_comes_from_partitions_of_ours_is_shown_and_the_rest_stays() -> None:
    """A member of a group judges its own keys; what it has kept of others is there when they come back to it."""
    drift = [
        Drifting("order", "search", (("id", key),), "mismatch", None, part=part) for key, part in (("1", 0), ("2", 1))
    ]
    with obliged(FeedState(None)) as state:
        state.begin({(TOPIC, 1): Offset(0, 0)})
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a"), change(1, WRITE, "3", 11, status="a")))
        state.settle((), drift, (), NOW)
        everything = owed(state)
        for share, keys, drifting in (({TOPIC: {0}}, everything, ["1"]), ({TOPIC: {1}}, {}, ["2"]), ({}, {}, [])):
            state.obligations.share(share)
            assert owed(state) == keys
            assert state.obligations.count_of(DUTY) == sum(keys.values())
            assert [one.key[0][1] for one in state.obligations.drifting("order")] == drifting
        state.obligations.share({TOPIC: {0, 1}})
        assert owed(state) == everything


def test_a_partition_that_is_forgotten_takes_nothing_else_along() -> None:
    """Its rows, offsets, obligations and drift go; the others' stay."""
    drift = [
        Drifting("order", "search", (("id", key),), "mismatch", None, part=part) for key, part in (("1", 0), ("2", 1))
    ]
    with obliged(FeedState(None)) as state:
        state.begin({(TOPIC, 1): Offset(0, 0)})
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a")))
        state.fold(TOPIC)
        state.settle((), drift, (), NOW)
        state.forget_partition(TOPIC, 0)
        assert (owed(state), list(state.offsets())) == ({}, [(TOPIC, 1)])
        assert state.cursor().execute(f"SELECT count(*) FROM {state.tables[TOPIC].head}").fetchone() == (0,)
        assert [one.part for one in state.obligations.drifting("order")] == [1]


def test_drift_is_known_until_it_has_gone_and_how_often_it_was_written() -> None:
    """The same drift is one, however often it is found."""
    drift = Drifting("order", "search", (("id", "1"),), "mismatch", None, applied=2)
    with obliged(FeedState(None)) as state:
        state.settle((), [drift], (), NOW)
        state.settle((), [drift], (), NOW)
        assert [one.applied for one in state.obligations.drifting("order")] == [4]
        state.settle((), (), [drift], NOW)
        assert state.obligations.drifting("order") == []


def test_changes_are_counted_by_how_long_they_took_and_rows_of_snapshots_are_not() -> None:
    """What is not known is not counted, unless it is drift: that has not arrived."""
    with obliged(FeedState(None)) as state:
        rows = [change(0, BACKFILL, "0", 1), *(change(i, WRITE, str(i), 10 + i) for i in range(1, 5))]
        state.apply(step(state, 0, *rows, snapshot=1))
        state.cursor().execute("UPDATE obligations SET committed = TIMESTAMP '2026-01-31 11:59:00'")
        by_key = {one.key[0]: one for one in all_owed(state)}
        state.settle([by_key["0"], by_key["1"], by_key["2"], by_key["3"]], (), (), NOW, Took({0: 1, 1: 0.5, 2: 30}))
        state.settle([by_key["4"]], (), (), NOW, Took(late=True))
        (hour,) = state.obligations.arrivals("order")
        assert (hour.changes, hour.within) == (3, (1, 1, 2, 2, 2))
        state.compact_arrivals(NOW.replace(year=2025))
        assert state.obligations.arrivals("order") == [hour]


def test_what_a_look_saw_is_known_to_have_arrived_by_then_and_not_since_when() -> None:
    """Within less than that it may have arrived, or not; drift has not, whichever time is asked for."""
    with obliged(FeedState(None)) as state:
        state.apply(step(state, 0, *(change(i, WRITE, str(i), 10 + i) for i in range(3))))
        state.cursor().execute("UPDATE obligations SET committed = TIMESTAMP '2026-01-31 11:59:00'")
        by_key = {one.key[0]: one for one in all_owed(state)}
        looked = NOW.replace(hour=11, minute=59, second=30, microsecond=0)
        state.settle([by_key["0"], by_key["1"]], (), (), NOW, Took(looked=looked, longest=60))
        state.settle([by_key["2"]], (), (), NOW, Took(late=True))
        (hour,) = state.obligations.arrivals("order")
        assert (hour.changes, hour.within, hour.unknown) == (3, (0, 0, 2, 2, 2), (2, 2, 0, 0, 0))
        state.compact_arrivals(NOW.replace(year=2025))
        assert state.obligations.arrivals("order") == [hour]


def test_of_many_reasons_for_records_that_nobody_understands_five_are_told_and_the_others_counted() -> None:
    """The most frequent first; what differs in numbers alone, such as where it stands, is one reason."""
    errors = ["bad at 1", "bad at 22", *(f"odd {letter}" for letter in "abcdef")]
    with obliged(FeedState(None)) as state:
        for seq, error in enumerate(errors):
            state.cursor().execute(
                "INSERT INTO dead_letters (topic, part, off, error, seq) VALUES (?, 0, ?, ?, ?)",
                [TOPIC, seq, error, seq],
            )
        why = state.dead_reasons(TOPIC)
        assert why.reasons == (("bad at 1", 2), *((f"odd {letter}", 1) for letter in "abcd"))
        assert str(why).startswith(f"{TOPIC}/0@0: bad at 1; by reason: bad at 1 (2 records); odd a (1 record); ")
        assert str(why).endswith("odd d (1 record); and 2 more reasons")
        assert str(state.dead_reasons(TOPIC, "off = 3")) == f"{TOPIC}/0@3: odd b"
        assert str(state.dead_reasons("another")) == ""


def counted(state: FeedState) -> int:
    """How many changes were counted, where all that is owed has arrived within a second."""
    state.cursor().execute("UPDATE obligations SET committed = TIMESTAMP '2026-01-31 11:59:00' WHERE committed NOTNULL")
    seqs = [seq for (seq,) in state.cursor().execute("SELECT seq FROM obligations").fetchall()]
    state.settle(all_owed(state), (), (), NOW, Took(dict.fromkeys(seqs, 0.5)))
    return sum(hour.changes for hour in state.obligations.arrivals("order"))


def test_rows_that_are_gone_without_a_word_are_no_change_of_the_time_when_they_were_written() -> None:
    """A truncate has every row owed once more, and says nothing of when the row was written last."""
    with obliged(FeedState(None)) as state:
        state.apply(step(state, 0, committed(0, WRITE, 10), committed(1, ChangeKind.TRUNCATE, 20)))
        state.fold(TOPIC)
        assert owed(state) == {"1": 2}
        assert counted(state) == 1


@pytest.mark.parametrize("folds_between", [False, True])
def test_changes_that_are_sent_again_are_owed_and_not_counted_a_second_time(folds_between: bool) -> None:  # noqa: FBT001
    """A connector that crashed goes back; its replica may apply all of it anew."""
    with obliged(FeedState(None)) as state:
        state.apply(step(state, 0, committed(0, WRITE, 10), committed(1, WRITE, 20)))
        if folds_between:
            state.fold(TOPIC)
        state.apply(step(state, 2, committed(2, WRITE, 10)))
        if folds_between:
            state.fold(TOPIC)
        state.apply(step(state, 3, committed(3, WRITE, 20)))
        state.fold(TOPIC)
        assert owed(state) == {"1": 4}
        assert counted(state) == 2


def committed(offset: int, kind: ChangeKind, lsn: int) -> Change:
    """A change with the time of its commit."""
    return replace(change(offset, kind, "1", lsn, status="a"), committed_at=NOW)


def test_what_was_read_before_the_clock_was_set_back_is_due_as_well() -> None:
    """It seems to have been read in the future, and would not be looked at until that has come."""
    with obliged(FeedState(None)) as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a")))
        number = state.obligations.number(DUTY)
        assert number is not None
        seen = NOW.replace(tzinfo=None)
        minute, hour = timedelta(minutes=1), timedelta(hours=1)
        assert not list(state.obligations.owed([number], seen - minute, seen + minute))
        assert list(state.obligations.owed([number], seen - hour - minute, seen - hour))
