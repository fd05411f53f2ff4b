"""How far a topic has come in its owner's log, among the changes that were read since a look at the owner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from reconcilers.change import Change, ChangeKind, Place, Position
from reconcilers.ports import Told
from reconcilers.streams.intake import Intake
from reconcilers.streams.state import FeedState, Offset, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC = "shop.orders"
READ = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def state() -> Iterator[FeedState]:
    with FeedState(None) as made:
        made.keep(TOPIC, ["id", "status"], ["id"])
        made.begin({(TOPIC, 0): Offset(0, 0)})
        yield made


def change(place: tuple[int, int], gtid: str, made: datetime = READ, server: int = 1, *, read: bool = False) -> Change:
    """A change of MariaDB's: the file's number and the place in it."""
    stream = f"mariadb/shop/{server}/binlog"
    return Change(
        Place(TOPIC, 0, 0), ChangeKind.BACKFILL if read else ChangeKind.WRITE, "r" if read else "c", {"id": gtid},
        {"status": "new"}, position=Position(stream, (*place, 0)), transaction=gtid, committed_at=made,
    )  # fmt: skip


def told(state: FeedState, *changes: Change, shown: datetime | None = None, since: datetime = READ) -> Told | None:
    """What is the furthest of the first epoch, with one change an offset, all read at once."""
    intake = Intake(state.tables[TOPIC], state.epochs, READ)
    for seq, one in enumerate(changes):
        snapshot = 1 if one.kind is ChangeKind.BACKFILL else 0
        intake.add(seq, one, stamp=1000 + seq, snapshot=snapshot)
    move = (0, Offset(0, len(changes)))
    state.apply(Step((intake,), {(TOPIC, 0): move}, seqs={TOPIC: len(changes)}))
    return state.furthest(TOPIC, 1, since, READ + SECOND, shown)


def test_the_transaction_is_that_of_the_furthest_place_in_the_furthest_file(state: FeedState) -> None:
    """Whichever was read last: partitions are read as they come."""
    furthest = change((3, 5), "0-1-9")
    assert told(state, change((2, 900), "0-1-7"), furthest, change((3, 4), "0-1-8")) == Told(3, "0-1-9")


def test_another_servers_log_is_an_epoch_of_its_own(state: FeedState) -> None:
    """A failover begins one; its places are in other files."""
    assert told(state, change((2, 1), "0-1-7"), change((1, 9), "0-2-8", server=2)) == Told(2, "0-1-7")


def test_a_log_may_hold_what_another_server_has_made(state: FeedState) -> None:
    """A replica's log, or that of one of two primaries."""
    assert told(state, change((2, 1), "0-1-7"), change((9, 9), "0-2-8", server=2)) == Told(9, "0-2-8")


def test_what_was_made_before_the_look_by_the_owners_clock_does_not_count(state: FeedState) -> None:
    """A log that was begun anew has its places twice, and the old ones may be read only now."""
    old, young = change((9, 9), "0-1-5000", READ - SECOND), change((1, 4), "0-1-20", READ)
    assert told(state, old, young, shown=READ) == Told(1, "0-1-20")


def test_a_change_of_an_unknown_time_is_before_every_look(state: FeedState) -> None:
    one = change((1, 4), "0-1-20")
    timeless = Change(one.place, one.kind, one.operation, one.key, one.row, position=one.position, transaction="0-1-20")
    assert told(state, timeless, shown=READ) is None


def test_rows_of_a_snapshot_and_what_was_read_before_do_not_count(state: FeedState) -> None:
    """A snapshot's place is where it was taken, not where its row was written."""
    assert told(state, change((1, 4), "", read=True)) is None
    assert state.furthest(TOPIC, 1, READ + SECOND, READ + 2 * SECOND) is None
