"""What versions say of a suspect: how old each is at least, by clocks that may be set, and what came before them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconcilers.ports import OwnerClock
from reconcilers.recheck import ABSENT, History, Version
from reconcilers.streams.table import IS_NEW, WAS_THERE, Kind
from reconcilers.witness import CLOCK_GRAIN_SECONDS, Moment, _age, _history, _may_be_emptied, _number, _Stream

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def moment(owner_ahead: timedelta = timedelta(0)) -> Moment:
    """The replica was read at NOW, at 1000 on the monotonic clock."""
    return Moment(1000.0, NOW, NOW + owner_ahead)


def version(seconds: float, *, written: float | None = None, read: float = 0.0) -> dict[str, Any]:
    """A version that was committed so long ago, its record written and read so long ago."""
    return {
        "committed": (NOW - timedelta(seconds=seconds)).replace(tzinfo=None),
        "stamp": stamp(seconds if written is None else written),
        "seen": (NOW - timedelta(seconds=read)).replace(tzinfo=None),
    }


def stamp(seconds: float) -> int:
    """When a record was written so long ago."""
    return int((NOW - timedelta(seconds=seconds)).timestamp() * 1000)


def stream(clock: OwnerClock | None = None, read_at: float | None = None) -> _Stream:
    """What is known of the feed."""
    return _Stream("orders", clock, whole=True, read_at=lambda _seen: read_at)


def test_a_version_that_was_read_just_now_is_as_old_as_its_owner_says() -> None:
    """The nightly job reads a feed when it looks; what was committed an hour before needs no waiting."""
    assert _age(version(3600), moment(), stream()) == 3600 - CLOCK_GRAIN_SECONDS


def test_an_owners_clock_that_is_set_forwards_makes_no_version_old() -> None:
    """Its database says that an hour has passed since the commit, the record says that it was three seconds."""
    assert _age(version(3), moment(HOUR), stream()) == 3 - CLOCK_GRAIN_SECONDS
    later = OwnerClock(NOW + HOUR, NOW, stamp(0))
    assert _age(version(3), Moment(1000.0, NOW, None), stream(later)) == 3 - CLOCK_GRAIN_SECONDS


def test_a_record_without_a_time_leaves_it_to_the_owners_clock() -> None:
    """Old formats have none."""
    one = version(3600) | {"stamp": -1}
    assert _age(one, moment(), stream()) == 3600 - CLOCK_GRAIN_SECONDS


@pytest.mark.parametrize("wall_ahead", [timedelta(hours=-1), timedelta(0), HOUR])
def test_our_own_wall_clock_does_not_count_where_we_have_read_the_version_ourselves(wall_ahead: timedelta) -> None:
    """It was read three seconds ago by the monotonic clock, whatever the wall clock was set to since."""
    at = Moment(1000.0, NOW + wall_ahead, None)
    assert _age(version(5, read=3), at, stream(read_at=997.0)) == 3


@pytest.mark.parametrize(
    ("age", "shared", "replica", "expected"),
    [(5, True, ABSENT, True), (20, True, ABSENT, False), (5, False, ABSENT, False), (5, True, "version 1", False)],
)
def test_a_row_that_is_not_there_may_have_gone_with_a_truncate_that_another_member_has_read(
    age: float,
    shared: bool,  # noqa: FBT001 - of a row of data
    replica: str,
    expected: bool,  # noqa: FBT001 - of a row of data
) -> None:
    """Until the owner's latest version is due, its own history does not say why a replica lacks the row."""
    at = moment()
    history = History((Version(ABSENT, float("-inf")), Version("version 1", at.monotonic - age)), complete=True)
    assert _may_be_emptied(history, replica, at, replace(stream(), shared=shared), needed=11) is expected


def told(kind: Kind, snapshot: int = 0, *, seq: int = 1, age: float = 60) -> dict[str, Any]:
    """A version that the replica does not hold."""
    return version(age) | {
        "epoch": 1, "p0": seq, "p1": 0, "p2": 0, "kind": kind,
        "snapshot": snapshot, "seq": seq, "part": 0, "off": seq, "place": "0/1", "tx": "7",
        "current": True, "same": False, "gone": False, "held": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "versions", "is_complete"),
    [
        (told(Kind.WRITE), [ABSENT, "version 1"], True),
        (told(Kind.WRITE, WAS_THERE), ["version 1"], False),
        (told(Kind.BACKFILL, 1), [ABSENT, "version 1"], False),
        (told(Kind.DELETE, WAS_THERE), [ABSENT], False),
        (told(Kind.DELETE), [ABSENT, ABSENT], False),
    ],
    ids=["a create", "an update", "a snapshot's row", "a delete", "what is left of a delete"],
)
def test_a_row_that_an_update_told_first_was_there_before_as_something_else(
    first: dict[str, Any], versions: list[str], *, is_complete: bool
) -> None:
    """What it was is no version that is known, nor is that it was not; so a replica may hold it still."""
    known = _history([first], "what the replica holds", moment(), stream(), 11)
    assert known is not None
    assert [one.digest for one in known.versions] == versions
    assert known.complete is is_complete
    later = _history([first, told(Kind.WRITE, WAS_THERE, seq=2)], "what the replica holds", moment(), stream(), 11)
    assert later is not None
    assert later.complete is is_complete


def test_a_row_that_is_created_while_it_is_there_was_gone_in_between() -> None:
    """A connector has lost its delete: a replica that lacks the row may be as its owner was a moment before."""
    some = [told(Kind.WRITE, IS_NEW), told(Kind.WRITE, IS_NEW, seq=2, age=5)]
    known = _history(some, ABSENT, moment(), stream(), 11)
    assert known is not None
    assert [one.digest for one in known.versions] == [ABSENT, "version 1", ABSENT, "version 2"]
    assert known.versions[2].since == known.versions[3].since
    assert not known.complete, "nobody knows what else was lost"
    assert (_number(known, 0), _number(known, 1)) == (1, 3)


def test_a_row_that_is_changed_while_it_is_gone_was_there_as_nobody_knows() -> None:
    """A connector has lost its create: until the change is due, the replica may hold what was created."""
    for age, is_known in ((5, False), (60, True)):
        some = [
            told(Kind.WRITE, IS_NEW),
            told(Kind.DELETE, WAS_THERE, seq=2),
            told(Kind.WRITE, WAS_THERE, seq=3, age=age),
        ]
        known = _history(some, "what the replica holds", moment(), stream(), 11)
        assert (known is not None) == is_known
        assert known is None or not known.complete


@pytest.mark.parametrize("birth", [0, WAS_THERE], ids=["not told", "an update"])
def test_a_row_that_is_written_again_was_there_all_the_time(birth: int) -> None:
    some = [told(Kind.WRITE, IS_NEW), told(Kind.WRITE, birth, seq=2)]
    known = _history(some, "what the replica holds", moment(), stream(), 11)
    assert known is not None
    assert [one.digest for one in known.versions] == [ABSENT, "version 1", "version 2"]
    assert known.complete


def test_versions_of_which_a_value_is_not_known_take_nothing_from_those_that_came_later() -> None:
    """A column that was added when the stream had told the row: the replica holds what came then, and is behind it."""
    some = [told(Kind.WRITE, IS_NEW), *(told(Kind.WRITE, WAS_THERE, seq=seq) for seq in (2, 3, 4))]
    some[1]["same"], some[2]["same"] = None, True
    known = _history(some, "what the replica holds", moment(), stream(), 11)
    assert known is not None
    assert [one.digest for one in known.versions] == ["what the replica holds", "version 4"]
    assert not known.complete
    assert [_number(known, told, 2) for told in (0, 1, 2, 3)] == [-1, -1, 0, 1]


@pytest.mark.parametrize("unknown", [0, 1, 2])
def test_a_replica_that_may_hold_what_is_not_known_and_no_later_version_is_told_nothing(unknown: int) -> None:
    some = [told(Kind.WRITE, IS_NEW), *(told(Kind.WRITE, WAS_THERE, seq=seq) for seq in (2, 3))]
    some[unknown]["same"] = None
    if unknown:
        some[0]["same"] = True
    assert _history(some, "what the replica holds", moment(), stream(), 11) is None


def test_a_create_that_is_told_again_shows_no_loss() -> None:
    """A connector that crashed sends again: at the same place of its owner's log."""
    some = [told(Kind.WRITE, IS_NEW), told(Kind.WRITE, IS_NEW)]
    known = _history(some, "what the replica holds", moment(), stream(), 11)
    assert known is not None
    assert known.complete
