"""Logs that begin anew: what shows it, and which epoch a change belongs to, whoever reads it when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from reconcilers.change import Change, ChangeKind, Place, Position
from reconcilers.streams.epochs import Epochs, Stand
from reconcilers.streams.intake import Intake
from reconcilers.streams.state import FeedState, Offset, Step
from reconcilers.streams.stretches import Entry

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "shop.orders"
STREAM = "postgresql/shop"
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)
MYSQL = "mysql/shop/{}/binlog"
WRITE, BACKFILL = ChangeKind.WRITE, ChangeKind.BACKFILL


def epoch(epochs: Epochs, committed: int | None, *, stream: str = STREAM, place: int = 0, part: int = 0) -> int:
    return epochs.of(TOPIC, Entry(part, stream, (place, 0, 0), committed, ""))


def test_a_younger_snapshot_that_stands_before_what_was_told_begins_an_epoch() -> None:
    """By the times of its commits, a change belongs to the one or to the other, also when it is sent again."""
    epochs = Epochs()
    before = epoch(epochs, 10)
    epochs.reach(TOPIC, STREAM, Stand((1000, 0, 0), 10, 1))
    assert epochs.see(TOPIC, STREAM, Stand((50, 0, 0), 20, 2))
    after = epoch(epochs, 21)
    assert after > before
    assert epoch(epochs, 10) == before
    assert epoch(epochs, None) == after
    assert not epochs.see(TOPIC, STREAM, Stand((50, 0, 0), 20, 2)), "its other rows"
    epochs.reach(TOPIC, STREAM, Stand((1000, 0, 0), 10, 1))
    assert not epochs.see(TOPIC, STREAM, Stand((60, 0, 0), 30, 4)), "what was told of the epoch before is none of it"


def test_a_snapshot_that_is_no_younger_or_stands_behind_begins_none() -> None:
    """It is delivered again, its partition is read late, or it is another one of the same log."""
    epochs = Epochs()
    epoch(epochs, 10)
    epochs.reach(TOPIC, STREAM, Stand((1000, 0, 0), 10, 10))
    for stand in (
        Stand((50, 0, 0), 5, 5),
        Stand((50, 0, 0), 5, 20),
        Stand((50, 0, 0), 20, 5),
        Stand((1000, 0, 0), 20, 20),
    ):
        assert not epochs.see(TOPIC, STREAM, stand)


def test_a_snapshot_of_mysql_tells_no_server() -> None:
    epochs = Epochs()
    number = epoch(epochs, 10, stream=MYSQL.format(223344), place=500)
    epochs.reach(TOPIC, MYSQL.format(223344), Stand((500, 16, 0), 10, 1))
    assert epochs.see(TOPIC, MYSQL.format(0), Stand((1, 4, 0), 20, 2))
    assert epoch(epochs, 21, stream=MYSQL.format(223344), place=2) > number


def test_the_stretches_of_a_log_have_numbers_between_those_of_other_logs() -> None:
    """Also where one is met only after the log has begun anew, in a partition that is read later."""
    epochs = Epochs()
    first = epoch(epochs, 10, stream=MYSQL.format(1), place=500)
    other = epoch(epochs, 10)
    epochs.reach(TOPIC, MYSQL.format(1), Stand((500, 0, 0), 10, 1))
    assert epochs.see(TOPIC, MYSQL.format(0), Stand((1, 0, 0), 20, 2))
    anew = epoch(epochs, 21, stream=MYSQL.format(1), place=2)
    epoch(epochs, 8, stream=MYSQL.format(1), place=400, part=1)
    second = epoch(epochs, 9, stream=MYSQL.format(2), place=7, part=1)
    assert first < second < other < anew
    assert epoch(epochs, 22, stream=MYSQL.format(1), place=3, part=1) == anew


def test_another_process_calls_a_stretch_by_its_name() -> None:
    """Members of a group tell each other of truncates."""
    one, other = Epochs(), Epochs()
    epoch(one, 10, stream=MYSQL.format(1), place=500)
    later = epoch(one, 20, stream=MYSQL.format(2), place=7)
    ((_, name),) = [key for key, number in one.items() if number == later]
    heard = other.heard(TOPIC, name, 20)
    assert epoch(other, 10, stream=MYSQL.format(1), place=400) < heard
    assert epoch(other, 21, stream=MYSQL.format(2), place=9) == heard


def change(offset: int, kind: ChangeKind, lsn: int, status: str, *, snapshot: str = "", stream: str = STREAM) -> Change:
    """A change of the one row, a second after the one before."""
    return Change(
        Place(TOPIC, 0, offset), kind, "", {"id": "1"}, {"status": status}, snapshot=snapshot,
        position=Position(stream, (lsn,), None, f"0/{lsn:X}"), committed_at=BEGAN + timedelta(seconds=offset),
    )  # fmt: skip


def told(path: Path, *changes: Change) -> str | None:
    """Take in a batch in a process of its own; returns what the row is then."""
    with FeedState(path) as state:
        state.keep(TOPIC, ["id", "status"], ["id"])
        if not state.offsets():
            state.begin({(TOPIC, 0): Offset(0, 0)})
        intake, before = Intake(state.tables[TOPIC], state.epochs, BEGAN), changes[0].place.offset
        for one in changes:
            intake.add(one.place.offset, one, stamp=one.place.offset if one.told_at is None else one.told_at)
        after = before + len(changes)
        state.apply(Step([intake], {(TOPIC, 0): (before, Offset(0, after))}, seqs={TOPIC: after}))
        state.fold(TOPIC)
        found = state.cursor().execute(f"SELECT c1 FROM {state.tables[TOPIC].head}").fetchone()
        return None if found is None else found[0]


def test_what_comes_after_a_restored_database_is_newer_in_whichever_process(tmp_path: Path) -> None:
    """Its positions are lower; what is sent again of those before the restore stays where it was."""
    path = tmp_path / "state.duckdb"
    first = change(0, BACKFILL, 1_000_000, "a", snapshot="last"), change(1, WRITE, 1_000_016, "b")
    assert told(path, *first) == "b"
    assert told(path, change(2, BACKFILL, 5_000, "c", snapshot="last")) == "c"
    assert told(path, change(3, WRITE, 5_016, "d")) == "d"
    again = replace(first[1], place=Place(TOPIC, 0, 4), told_at=1)
    assert told(path, again, change(5, WRITE, 5_032, "e")) == "e"


@pytest.mark.parametrize("stream", [STREAM, MYSQL.format(1)])
def test_what_was_committed_while_a_snapshot_began_is_newer_than_what_was_before(tmp_path: Path, stream: str) -> None:
    """A snapshot tells the place at which it stands, and a time that is later than that."""
    path = tmp_path / "state.duckdb"
    assert told(path, change(0, WRITE, 1_000_000, "a", stream=stream)) == "a"
    snapshot = change(5, BACKFILL, 5_000, "b", snapshot="last", stream=stream)
    between = replace(change(6, WRITE, 5_016, "c", stream=stream), committed_at=BEGAN + timedelta(seconds=4))
    assert told(path, replace(snapshot, place=Place(TOPIC, 0, 1)), replace(between, place=Place(TOPIC, 0, 2))) == "c"


def test_a_row_of_an_incremental_snapshot_begins_no_epoch(tmp_path: Path) -> None:
    """It says where the stream was, and that may be before what was told."""
    path = tmp_path / "state.duckdb"
    assert told(path, change(0, WRITE, 1_000, "a"), change(1, BACKFILL, 900, "b", snapshot="incremental")) == "b"
    assert told(path, change(2, WRITE, 950, "older")) == "b"


def test_a_server_that_writes_again_is_newer_in_whichever_process(tmp_path: Path) -> None:
    """A failback: what the first server writes then is newer than what the second wrote."""
    path, first, second = tmp_path / "state.duckdb", MYSQL.format(1), MYSQL.format(2)
    assert told(path, change(0, WRITE, 5_000, "a", stream=first)) == "a"
    assert told(path, change(1, WRITE, 70, "b", stream=second)) == "b"
    assert told(path, change(2, WRITE, 4_000, "old", stream=first)) == "b", "sent again"
    assert told(path, change(3, WRITE, 5_100, "c", stream=first), change(4, WRITE, 80, "d", stream=second)) == "d"
    assert told(path, change(5, WRITE, 5_200, "e", stream=first)) == "e"


def test_a_state_of_an_older_program_goes_on_at_the_latest_of_its_servers(tmp_path: Path) -> None:
    path, first, second = tmp_path / "state.duckdb", MYSQL.format(1), MYSQL.format(2)
    told(path, change(0, WRITE, 5_000, "a", stream=first))
    with FeedState(path) as state:
        state.cursor().execute("DELETE FROM stretches")
        state.cursor().execute("INSERT INTO epochs VALUES (?, ?, 2)", [TOPIC, second])
    assert told(path, change(1, WRITE, 70, "b", stream=second)) == "b"
    assert told(path, change(2, WRITE, 5_100, "c", stream=first)) == "c"
