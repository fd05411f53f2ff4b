"""What a state file promises: batches whole or not at all, onto the offsets they were read from."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from contracts.errors import FeedError, WorkspaceError
from reconcilers.change import Cell, Change, ChangeKind, DefaultOrNull, Lack, Place, Position
from reconcilers.streams import state as state_module
from reconcilers.streams import waiting
from reconcilers.streams.intake import Intake
from reconcilers.streams.state import SCHEMA_VERSION, DeadLetter, FeedState, Offset, Pass, Step
from reconcilers.streams.table import CellState, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TOPIC = "shop.orders"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WRITE, DELETE, BACKFILL = ChangeKind.WRITE, ChangeKind.DELETE, ChangeKind.BACKFILL


def change(offset: int, kind: ChangeKind, key: str, lsn: int, **row: Cell) -> Change:
    """A change of one row."""
    position = Position("postgresql shop", (lsn,), None, f"0/{lsn:X}")
    return Change(Place(TOPIC, 0, offset), kind, "", {"id": key}, row, position=position)


def step(state: FeedState, before: int, *changes: Change, snapshot: int = 0) -> Step:
    """A batch of these changes, read from offset `before` on."""
    intake = Intake(state.tables[TOPIC], state.epochs, NOW)
    for number, one in enumerate(changes):
        backfill = one.kind is BACKFILL
        intake.add(before + number, one, stamp=before + number, snapshot=snapshot if backfill else 0)
    after = before + len(changes)
    return Step([intake], {(TOPIC, 0): (before, Offset(0, after))}, seqs={TOPIC: after})


def begun(state: FeedState, *columns: str) -> FeedState:
    """A state that keeps some columns of one topic."""
    state.keep(TOPIC, ["id", *columns], ["id"])
    state.begin({(TOPIC, 0): Offset(0, 0)})
    return state


def rows(state: FeedState) -> dict[str, list[object]]:
    """What every key holds after a fold: its kind, then text and state of each column."""
    state.fold(TOPIC)
    table = state.tables[TOPIC]
    cells = ", ".join(f"{cell}, {kind}" for cell, kind in zip(table.cells[1:], table.states[1:], strict=True))
    found = state.cursor().execute(f"SELECT c0, kind, {cells} FROM {table.head}").fetchall()
    return {key: rest for key, *rest in found}


def test_a_batch_is_applied_only_onto_the_offset_that_it_was_read_from() -> None:
    """Whoever reads the same records a second time writes nothing."""
    with begun(FeedState(None), "status") as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="new")))
        with pytest.raises(FeedError, match="somebody else has read on meanwhile, so nothing was written"):
            state.apply(step(state, 0, change(0, WRITE, "1", 10, status="twice")))
        assert state.offsets()[TOPIC, 0].following == 1
        assert rows(state) == {"1": [Kind.WRITE, "new", CellState.VALUE]}


def test_a_place_that_is_not_stored_is_shown_all_the_same() -> None:
    """What a position says takes no room; a snapshot's position is not its rows' own, so its text is kept."""
    with begun(FeedState(None), "status") as state:
        told = [
            replace(change(number, kind, str(number), 0), position=Position("postgresql shop", (lsn,), None, text))
            for number, (kind, lsn, text) in enumerate(
                [(BACKFILL, 159 << 32 | 1, "9F/1"), (WRITE, 159 << 32 | 2, "9F/2")]
            )
        ]
        state.apply(step(state, 0, *told))
        state.bring_in(TOPIC)
        table = state.tables[TOPIC]
        for name, expected in ((table.stored, ["9F/1", None]), (table.versions, ["9F/1", "9F/2"])):
            found = state.cursor().execute(f"SELECT place FROM {name} ORDER BY seq").fetchall()
            assert [place for (place,) in found] == expected


def test_a_delete_that_tells_no_position_stands_where_it_arrives() -> None:
    """What is left of it by compaction, and deletes of flattened records, follow what came before them."""
    with begun(FeedState(None), "status") as state:
        gone = replace(change(1, DELETE, "1", 0), position=None)
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="new"), gone))
        assert rows(state)["1"][0] == Kind.DELETE
        assert state.is_gone(TOPIC, '["1"]')
        state.apply(step(state, 2, change(2, WRITE, "1", 12, status="again")))
        assert rows(state) == {"1": [Kind.WRITE, "again", CellState.VALUE]}
        assert not state.is_gone(TOPIC, '["1"]')


def test_what_a_file_holds_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    """Offsets, versions and the epochs of positions outlive the process."""
    path = tmp_path / "feeds" / "shop.duckdb"
    with begun(FeedState(path), "status") as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="new")))
    with FeedState(path) as state:
        assert state.offsets()[TOPIC, 0].following == 1
        state.apply(step(state, 1, change(1, WRITE, "1", 9, status="older")))
        assert rows(state)["1"] == [Kind.WRITE, "new", CellState.VALUE]


def test_an_older_change_that_is_sent_again_does_not_override_a_newer_one() -> None:
    """The position in the owner's log decides, not the order of arrival."""
    with begun(FeedState(None), "status") as state:
        changes = [change(0, WRITE, "1", 10, status="a"), change(1, WRITE, "1", 20, status="b")]
        state.apply(step(state, 0, *changes, change(2, WRITE, "1", 10, status="a")))
        assert rows(state)["1"] == [Kind.WRITE, "b", CellState.VALUE]


def test_of_two_changes_at_one_position_the_later_one_counts() -> None:
    """Nobody knows how they came to stand there; one that is told again says the same."""
    with begun(FeedState(None), "status") as state:
        two = [change(0, WRITE, "1", 10, status="a"), change(1, WRITE, "1", 10, status="b")]
        state.apply(step(state, 0, *two))
        assert rows(state)["1"] == [Kind.WRITE, "b", CellState.VALUE]
        state.apply(step(state, 2, *(replace(one, place=Place(TOPIC, 0, 2 + i)) for i, one in enumerate(two))))
        assert rows(state)["1"] == [Kind.WRITE, "b", CellState.VALUE]


@pytest.mark.parametrize("at_once", [True, False], ids=["one batch", "two batches"])
def test_a_snapshots_row_that_is_delivered_again_does_not_override_what_came_after_it(*, at_once: bool) -> None:
    """A mirror of the topic, or a producer, does that; the row says when it was told, and when it was read."""
    read = replace(change(0, BACKFILL, "1", 100, status="a"), committed_at=NOW, told_at=1)
    written = replace(change(1, WRITE, "1", 110, status="b"), committed_at=NOW + timedelta(seconds=5), told_at=2)
    again = replace(read, place=Place(TOPIC, 0, 2))
    for changes, expected in (([read, written, again], "b"), ([read, written, replace(again, told_at=3)], "a")):
        with begun(FeedState(None), "status") as state:
            for batch in [changes] if at_once else [changes[:2], changes[2:]]:
                before = batch[0].place.offset
                intake = Intake(state.tables[TOPIC], state.epochs, NOW)
                for number, one in enumerate(batch, before):
                    intake.add(number, one, stamp=one.told_at or 0)
                after = before + len(batch)
                state.apply(Step([intake], {(TOPIC, 0): (before, Offset(0, after))}, seqs={TOPIC: after}))
                state.fold(TOPIC)
            assert rows(state)["1"] == [Kind.WRITE if expected == "b" else Kind.BACKFILL, expected, CellState.VALUE]


def test_a_snapshot_says_what_was_there_whatever_its_position() -> None:
    """A transaction that began before the snapshot and ended after it has lower positions, and is newer."""
    with begun(FeedState(None), "status") as state:
        changes = [change(0, BACKFILL, "1", 100, status="a"), change(1, WRITE, "1", 90, status="b")]
        state.apply(step(state, 0, *changes))
        assert rows(state)["1"] == [Kind.WRITE, "b", CellState.VALUE]


def test_a_finished_snapshot_ends_the_rows_that_it_did_not_meet() -> None:
    """A delete that was lost leaves no record: only that the snapshot has no such row tells."""
    with begun(FeedState(None), "status") as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a"), change(1, WRITE, "2", 11, status="a")))
        batch = step(state, 2, change(2, BACKFILL, "1", 50, status="a"), snapshot=1)
        unfinished = Pass(TOPIC, 1, 2, None)
        state.apply(Step(batch.intakes, batch.moves, (), [unfinished], batch.seqs))
        assert set(rows(state)) == {"1", "2"}
        state.apply(Step((), {}, (), [Pass(TOPIC, 1, 2, 2)]))
        state.apply(step(state, 3, change(3, WRITE, "1", 60, status="b")))
        assert set(rows(state)) == {"1"}


def test_what_was_not_written_stays_unknown_until_it_is_told() -> None:
    """A large value that the first record of a row leaves out is unknown, and so is a column that a schema lacks."""
    with begun(FeedState(None), "large", "added") as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, large=Lack.KEPT)))
        assert rows(state)["1"] == [Kind.WRITE, None, CellState.KEPT, None, CellState.ABSENT]
        told: dict[str, Cell] = {"large": "x", "added": DefaultOrNull("0")}
        state.apply(step(state, 1, change(1, WRITE, "1", 11, **told)))
        assert rows(state)["1"] == [Kind.WRITE, "x", CellState.VALUE, "0", CellState.EITHER]


def test_a_value_from_before_a_delete_is_not_taken_for_one_after_it() -> None:
    """A row that is born anew has nothing of the one that had its key."""
    with begun(FeedState(None), "large") as state:
        changes = [
            change(0, WRITE, "1", 10, large="old"),
            change(1, DELETE, "1", 11),
            change(2, WRITE, "1", 12, large=Lack.KEPT),
        ]
        state.apply(step(state, 0, *changes))
        assert rows(state)["1"] == [Kind.WRITE, None, CellState.KEPT]


def test_a_row_moved_to_a_key_that_a_truncate_freed_has_its_own_large_value_not_the_one_that_stood_there() -> None:
    """A truncate ends a life without a record of the key; the birth by a change of key begins the next one."""
    with begun(FeedState(None), "large") as state:
        changes = [
            change(0, WRITE, "5", 10, large="gone"),
            replace(change(1, ChangeKind.TRUNCATE, "", 11), key={}),
            change(2, WRITE, "4", 12, large="moved"),
            replace(change(3, DELETE, "4", 13), other_key={"id": "5"}),
            replace(change(4, WRITE, "5", 13, large=Lack.KEPT), other_key={"id": "4"}),
        ]
        state.apply(step(state, 0, *changes))
        assert rows(state)["5"] == [Kind.WRITE, "moved", CellState.VALUE]


def test_a_row_that_a_younger_snapshot_has_read_is_there_whatever_was_truncated_before() -> None:
    """Its insert was lost; what is known of it besides is from before the truncate."""
    with begun(FeedState(None), "status") as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="old"), change(1, WRITE, "2", 11, status="old")))
        state.apply(step(state, 2, replace(change(2, ChangeKind.TRUNCATE, "", 12), key={})))
        read = step(state, 3, change(3, BACKFILL, "1", 20, status="new"), snapshot=1)
        state.apply(replace(read, passes=[Pass(TOPIC, 1, 3, 3)]))
        assert rows(state) == {"1": [Kind.BACKFILL, "new", CellState.VALUE]}


@pytest.mark.parametrize("delivered_again", [False, True])
def test_a_change_counts_that_a_connector_whose_clock_was_set_back_tells_after_a_snapshot(
    delivered_again: bool,  # noqa: FBT001
) -> None:
    """It comes behind the snapshot's rows, later by its owner's clock; what is delivered again is older by both."""
    committed = NOW + timedelta(seconds=-9 if delivered_again else 1)
    told = [
        (change(0, BACKFILL, "1", 5, status="read"), 1010, NOW, 1),
        (change(1, BACKFILL, "2", 5, status="read"), 1011, NOW, 1),
        (change(2, WRITE, "2", 20, status="new"), 1002, committed, 0),
        (change(3, WRITE, "3", 21, status="new"), 1003, committed, 0),
    ]
    with begun(FeedState(None), "status") as state:
        intake = Intake(state.tables[TOPIC], state.epochs, NOW)
        for seq, (one, stamp, moment, snapshot) in enumerate(told):
            intake.add(seq, replace(one, committed_at=moment), stamp=stamp, snapshot=snapshot)
        moves = {(TOPIC, 0): (0, Offset(0, 4))}
        state.apply(Step([intake], moves, passes=[Pass(TOPIC, 1, 1010, 1011)], seqs={TOPIC: 4}))
        assert set(rows(state)) == ({"1", "2"} if delivered_again else {"1", "2", "3"})
        assert rows(state)["2"][1] == "new"


@pytest.mark.parametrize("key", ["1", "9"])
def test_a_record_after_a_snapshot_that_nobody_understands_leaves_its_key_in_doubt_whatever_its_time(key: str) -> None:
    """The broker's clock may be behind the connector's; what nobody understands says no time of its own."""
    with begun(FeedState(None), "status") as state:
        intake = Intake(state.tables[TOPIC], state.epochs, NOW)
        for seq, row in enumerate(("1", "2")):
            intake.add(seq, change(seq, BACKFILL, row, 5, status="read"), stamp=1010 + seq, snapshot=1)
        intake.doubt(2, {"id": key}, (0, 2), 1002)
        letter = DeadLetter(TOPIC, 0, 2, b"k", b"v", "[]", "it is no JSON", f'["{key}"]')
        moves = {(TOPIC, 0): (0, Offset(0, 3))}
        state.apply(Step([intake], moves, [letter], [Pass(TOPIC, 1, 1010, 1011)], {TOPIC: 3}))
        assert rows(state)[key] == [Kind.DOUBT, None, CellState.UNREADABLE]


def test_a_truncate_among_several_servers_changes_is_in_no_order_with_those_of_other_partitions() -> None:
    """Until a whole snapshot that began after it tells which rows there are."""
    servers = [Position(f"mysql/shop/{server}/binlog", (1, place, 0)) for server, place in ((1, 900), (2, 70))]
    with begun(FeedState(None), "status") as state:
        state.apply(step(state, 0, replace(change(0, WRITE, "1", 0), position=servers[0])))
        emptied = replace(change(1, ChangeKind.TRUNCATE, "", 0), key={}, position=servers[1])
        state.apply(step(state, 1, emptied))
        assert state.unordered_truncate(TOPIC) is None, "one partition has an order"
        state.begin({(TOPIC, 1): Offset(0, 0)})
        assert state.unordered_truncate(TOPIC) == emptied.place
        read = step(state, 2, change(2, BACKFILL, "1", 20, status="new"), snapshot=1)
        state.apply(replace(read, passes=[Pass(TOPIC, 1, 2, 2, begun=True)]))
        assert state.unordered_truncate(TOPIC) is None


def moved(key: str, to: str, lsn: int, **before: Cell) -> tuple[Change, Change]:
    """A change of key: the old row's end, and the new row's birth, which leaves its large value out."""
    gone = replace(change(0, DELETE, key, lsn, **before), other_key={"id": to})
    return gone, replace(change(0, WRITE, to, lsn, large=Lack.KEPT), other_key={"id": key})


def folded_apart(*batches: Sequence[Change]) -> dict[str, list[object]]:
    """What every key holds where each of these batches was folded before the next one was read."""
    with begun(FeedState(None), "large") as state:
        for number, changes in enumerate(batches):
            before = 10 * number
            state.apply(replace(step(state, before, *changes), moves={}))
            found = rows(state)
        return found


def test_a_row_has_its_large_value_whichever_of_its_keys_is_read_first() -> None:
    """The old key and the new one are in two partitions, and a fold may have the end of one without the other's."""
    first, (gone, born) = change(0, WRITE, "1", 10, large="moved"), moved("1", "2", 20)
    again = change(0, WRITE, "2", 30, large=Lack.KEPT)
    for batches in (
        [[first, gone], [born]],
        [[born], [first, gone]],
        [[born], [first], [gone]],
        [[born, again], [first, gone]],
        [[born], [again], [first, gone]],
        [[first, gone], [born, again]],
    ):
        assert folded_apart(*batches)["2"] == [Kind.WRITE, "moved", CellState.VALUE]


def test_a_row_whose_key_was_changed_twice_has_its_large_value_whichever_key_is_read_first() -> None:
    """What the first key held goes through the second one's last image to the third."""
    (one, born), (two, born_again) = moved("1", "2", 20), moved("2", "3", 30)
    partitions = [[change(0, WRITE, "1", 10, large="moved"), one], [born, two], [born_again]]
    for batches in permutations(partitions):
        assert folded_apart(*batches)["3"] == [Kind.WRITE, "moved", CellState.VALUE]


def test_a_row_does_not_have_the_large_value_of_an_earlier_one_that_got_the_same_key_from_the_same() -> None:
    """What a change of key takes along is what was there at its own position, though that is read later."""
    (one, born), (two, born_again) = moved("1", "2", 20), moved("1", "2", 50)
    earlier = [change(0, WRITE, "1", 10, large="first"), one]
    later = [change(0, WRITE, "1", 40, large="second"), two]
    new_key = [born, change(0, DELETE, "2", 30), born_again]
    assert folded_apart(earlier, new_key)["2"] == [Kind.WRITE, None, CellState.KEPT]
    for batches in permutations([[*earlier, *later], new_key]):
        assert folded_apart(*batches)["2"] == [Kind.WRITE, "second", CellState.VALUE]
    assert folded_apart(earlier, new_key, later)["2"] == [Kind.WRITE, "second", CellState.VALUE]


def test_a_row_has_its_large_value_from_an_end_that_tells_the_whole_row() -> None:
    """A batch that leaves out nothing may have what another one lacks."""
    gone, born = moved("1", "2", 20, large="whole")
    for batches in permutations([[gone], [born]]):
        assert folded_apart(*batches)["2"] == [Kind.WRITE, "whole", CellState.VALUE]


def test_a_key_whose_record_could_not_be_read_is_in_doubt_until_it_is_told_again() -> None:
    """Poison takes nothing from other keys, and the next readable change of its own ends the doubt."""
    with begun(FeedState(None), "status") as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a")))
        intake = Intake(state.tables[TOPIC], state.epochs, NOW)
        intake.doubt(1, {"id": "1"}, (0, 1), 1)
        letter = DeadLetter(TOPIC, 0, 1, b"k", b"v", "[]", "it is no Avro", '["1"]')
        state.apply(Step([intake], {(TOPIC, 0): (1, Offset(0, 2))}, [letter], (), {TOPIC: 2}))
        assert rows(state)["1"] == [Kind.DOUBT, None, CellState.UNREADABLE]
        assert state.dead_letters(TOPIC) == (1, 0)
        state.apply(step(state, 2, change(2, WRITE, "1", 12, status="c")))
        assert rows(state)["1"] == [Kind.WRITE, "c", CellState.VALUE]


def test_a_topic_that_is_kept_with_more_columns_is_read_again() -> None:
    """What a new column held earlier is nowhere else than in the topic."""
    with begun(FeedState(None), "status") as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a")))
        assert state.keep(TOPIC, ["status"], ["id"]).columns == ("id", "status")
        assert state.keep(TOPIC, ["id", "total"], ["id"]).columns == ("id", "status", "total")
        assert state.offsets() == {}


def test_a_state_of_another_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """A newer program's file is neither read nor written."""
    path = tmp_path / "shop.duckdb"
    FeedState(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE state SET schema_version = 99")
    with pytest.raises(WorkspaceError, match=f"it has version 99, this program knows {SCHEMA_VERSION}"):
        FeedState(path)


def modes(directory: Path) -> dict[str, int]:
    """The permissions of all that is below a directory."""
    return {str(one.relative_to(directory)): one.stat().st_mode & 0o777 for one in directory.rglob("*")}


def test_what_is_kept_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    """It holds sensitive values in plain text: the file, its log before and after a checkpoint, and what is spilled."""
    path = tmp_path / "feeds" / "monitor" / "shop.duckdb"
    before = os.umask(0o022)
    try:
        with begun(FeedState(path), "status") as state:
            state.apply(step(state, 0, change(0, WRITE, "1", 10, status="open")))
            logged = modes(tmp_path)
            state.checkpoint()
            state.apply(step(state, 1, change(1, WRITE, "1", 20, status="paid")))
            assert modes(tmp_path) == logged
            kept = "feeds/monitor/shop.duckdb"
            assert logged == {
                "feeds": 0o700, "feeds/monitor": 0o700, kept: 0o600, f"{kept}.wal": 0o600, f"{kept}.tmp": 0o700,
            }  # fmt: skip
        assert modes(tmp_path) == {"feeds": 0o700, "feeds/monitor": 0o700, kept: 0o600}
    finally:
        os.umask(before)


def test_a_state_that_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    """An older program made it as the umask said; the directory is the user's, and stays as it is."""
    path = tmp_path / "given" / "shop.duckdb"
    path.parent.mkdir(mode=0o755)
    path.parent.chmod(0o755)
    FeedState(path).close()
    path.chmod(0o644)
    FeedState(path).close()
    assert modes(tmp_path) == {"given": 0o755, "given/shop.duckdb": 0o600}


def test_a_second_process_is_told_who_is_in_the_way(tmp_path: Path) -> None:
    """Two followers of one state would fight over its offsets."""
    path = tmp_path / "shop.duckdb"
    hold = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(WorkspaceError, match="another process holds it"):
            FeedState(path)
        process.communicate()


def test_a_fold_that_sorts_nothing_wide_gives_what_the_general_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every version stands as it came, rows are copied; head and history are those of the long way."""
    found = []
    for is_plain in (True, False):
        if not is_plain:
            monkeypatch.setattr(state_module, "is_plain_sql", lambda _: "SELECT false")
        with FeedState(None) as state:
            begun(state, "name")
            state.apply(step(state, 0, change(0, BACKFILL, "1", 5, name="a"), change(1, WRITE, "2", 20, name="b")))
            state.fold(TOPIC)
            later = [
                change(2, WRITE, "1", 30, name="c"),
                change(3, WRITE, "2", 25, name="d"),
                change(4, DELETE, "2", 31),
            ]
            state.apply(
                step(state, 2, *later, change(5, WRITE, "3", 10, name="e"), change(6, WRITE, "1", 29, name="f"))
            )
            state.fold(TOPIC)
            table = state.tables[TOPIC]
            found.append(
                [
                    state.cursor().execute(f"FROM {name} ORDER BY seq").fetchall()
                    for name in (table.head, table.versions)
                ]
            )
    assert found[0] == found[1]
    assert len(found[0][1]) == 7


def test_a_long_log_is_brought_into_the_file_between_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short log is left alone; a long one is gone afterwards, and the rows are still there."""
    log = tmp_path / "state.duckdb.wal"
    with FeedState(tmp_path / "state.duckdb") as state:
        begun(state, "name")
        state.apply(step(state, 0, change(0, WRITE, "1", 5, name="a")))
        state.advance(())
        assert log.stat().st_size > 0
        monkeypatch.setattr(state_module, "LOG_BYTES_MAX", 0)
        state.advance(())
        assert not log.exists() or log.stat().st_size == 0
        assert rows(state) == {"1": [0, "a", 0]}


def lost(state: FeedState, *, until: int) -> None:
    """Of a topic that was read up to offset 2, the records at 2 and 3 were removed; it ends elsewhere."""
    state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a"), change(1, WRITE, "2", 11, status="a")))
    state.lose(TOPIC, 0, (2, 3), "removed", {(TOPIC, 0): until})


def snapshot(state: FeedState, begun: bool = True, began: int = 5) -> None:  # noqa: FBT001, FBT002 - of a row of data
    """A snapshot that was finished."""
    state.apply(Step((), {}, (), [Pass(TOPIC, 1, began, began + 3, begun)]))


@pytest.mark.parametrize(
    ("until", "there", "begun_read", "heals"), [(4, 4, True, True), (8, 7, True, False), (4, 4, False, False)]
)
def test_a_loss_is_made_good_by_a_snapshot_that_began_after_all_that_was_there_when_it_was_noted(
    until: int,
    there: int,
    begun_read: bool,  # noqa: FBT001
    heals: bool,  # noqa: FBT001
) -> None:
    """Whatever our own clock says; and its beginning must have been read, or half of it may be among what was lost."""
    with begun(FeedState(None), "status") as state:
        lost(state, until=until)
        batch = step(state, 4, change(4, WRITE, "1", 20, status="b"))
        state.apply(Step(batch.intakes, batch.moves, seqs=batch.seqs, there={TOPIC: there}))
        assert state.gaps(TOPIC)
        snapshot(state, begun_read)
        assert bool(state.gaps(TOPIC)) is not heals
        assert bool(state.gap_ends()) is (until > 5)


def test_versions_from_before_a_loss_are_not_all_that_there_were() -> None:
    """Nor are those from before a record that does not even tell its key."""
    with begun(FeedState(None), "status") as state:
        assert state.known_from(TOPIC) == 0
        lost(state, until=4)
        assert state.known_from(TOPIC) == 2
        letter = DeadLetter(TOPIC, 0, 4, None, b"v", "[]", "it is no Avro", None, seq=2)
        state.apply(Step((), {}, [letter]))
        assert state.known_from(TOPIC) == 3


def test_a_clock_that_was_put_back_makes_no_change_old() -> None:
    """What it showed before the step is no time of anything after it."""
    with begun(FeedState(None), "status") as state:
        assert state.clock(TOPIC) is None
        changes = [
            replace(change(i, WRITE, str(i), 10 + i, status="a"), committed_at=NOW + timedelta(minutes=minutes))
            for i, minutes in enumerate([0, 60, 5])
        ]
        state.apply(step(state, 0, *changes[:2]))
        assert (state.clock(TOPIC) or ())[:2] == (NOW + timedelta(minutes=60), NOW)
        state.apply(step(state, 2, changes[2]))
        assert (state.clock(TOPIC) or ())[:2] == (NOW + timedelta(minutes=5), NOW)


def read_on(state: FeedState, batches: int, keys: int) -> None:
    """Batches of three changes each, of keys in turn, with a piece of the work behind them after each."""
    for batch in range(batches):
        at = range(batch * 3, batch * 3 + 3)
        changes = [change(n, WRITE, str(n % keys), 100 + n, status=f"v{n}") for n in at]
        state.apply(step(state, at[0], *changes))
        state.advance([TOPIC])


def count(state: FeedState, name: str) -> int:
    """Rows of a table."""
    found = state.cursor().execute(f"SELECT count(*) FROM {name}").fetchone()
    return found[0] if found is not None else 0


def test_batches_wait_until_there_are_enough_of_them_and_none_is_lost_or_there_twice(tmp_path: Path) -> None:
    """Whole pieces are brought in and folded as batches come; what is left over waits, also for the next process."""
    path = tmp_path / "state.duckdb"
    with begun(FeedState(path, piece=4), "status") as state:
        read_on(state, 5, keys=7)
        table = state.tables[TOPIC]
        assert (count(state, table.versions), count(state, table.latest)) == (12, 7)
        assert waiting.count(state.cursor(), table) == 3
    with FeedState(path, piece=4) as state:
        assert rows(state) == {str(n % 7): [Kind.WRITE, f"v{n}", CellState.VALUE] for n in range(8, 15)}
        assert count(state, state.tables[TOPIC].versions) == 15


def test_a_batch_waits_for_one_piece_of_work_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bringing in, picking, ordering, folding, letting go and a checkpoint are each done after a batch of their own."""
    monkeypatch.setattr(state_module, "MANY_KEYS", 1)  # none is known before the first fold
    done: list[str] = []
    after: list[str] = []
    picked: list[str] = []
    with begun(FeedState(tmp_path / "state.duckdb", piece=3), "status") as state:
        for name in ("_fold", "checkpoint", "bring_in", "_let_go_of_outlived"):
            monkeypatch.setattr(state, name, _noting(getattr(state, name), name, done))
        monkeypatch.setattr(state, "_pick", _noting(state._pick, "_pick", picked))
        for log_max in (10**9, 10**9, 10**9, 10**9, 10**9, 10**9, 0):
            monkeypatch.setattr(state_module, "LOG_BYTES_MAX", log_max)
            done.clear()
            read_on_from = state.next_seq(TOPIC)
            state.apply(step(state, read_on_from, *[change(read_on_from + i, WRITE, "1", 10) for i in range(3)]))
            state.advance([TOPIC])
            assert len(done) <= 1
            after += done or picked or ["_order"]
            picked.clear()
    assert after == ["bring_in", "_fold", "bring_in", "_pick", "_order", "_fold", "checkpoint"]


@pytest.mark.parametrize("steps", [["_pick"], ["_pick", "_order"]])
@pytest.mark.parametrize("meanwhile", ["nothing", "more came", "a partition was forgotten", "its columns changed"])
def test_what_was_put_into_order_is_folded_as_it_is_by_then(
    meanwhile: str, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch brings versions in, the next picks, then orders, and a later one folds: much may come in between."""
    monkeypatch.setattr(state_module, "MANY_KEYS", 0)
    monkeypatch.setattr(state_module, "MANY_FOLDED", 1)
    done: list[str] = []
    with begun(FeedState(None, piece=3), "status") as state:
        for name in ("_pick", "_order"):
            monkeypatch.setattr(state, name, _noting(getattr(state, name), name, done))
        state.apply(step(state, 0, *[change(i, WRITE, str(i), 10 + i, status="old") for i in range(3)]))
        for _ in ("bring_in", *steps):
            state.advance([TOPIC])
        assert done == steps
        expected = {key: [Kind.WRITE, "old", CellState.VALUE] for key in "012"}
        if meanwhile == "more came":
            state.apply(step(state, 3, change(3, WRITE, "1", 20, status="new")))
            expected["1"][1] = "new"
        elif meanwhile == "a partition was forgotten":
            state.forget_partition(TOPIC, 0)
            expected = {}
        elif meanwhile == "its columns changed":
            state.keep(TOPIC, ["id", "status", "total"], ["id"])
            expected = {}
        assert {key: row[:3] for key, row in rows(state).items()} == expected


def _noting(act: Callable[..., Any], name: str, done: list[str]) -> Callable[..., Any]:
    def noted(*arguments: Any, **named: Any) -> Any:
        found = act(*arguments, **named)
        if found is not False:
            done.append(name)
        return found

    return noted


def test_versions_are_let_go_of_in_pieces_and_the_latest_of_each_key_stays() -> None:
    """However many there are, no batch waits for more than one piece."""
    with begun(FeedState(None, piece=4), "status") as state:
        read_on(state, 6, keys=3)
        state.fold(TOPIC)
        table, kept = state.tables[TOPIC], []
        state.remember(TOPIC, NOW + timedelta(days=1))
        for _ in range(6):
            kept.append(count(state, table.versions))
            state.advance(())
        assert kept == [14, 10, 6, 3, 3, 3]
        assert rows(state) == {str(n % 3): [Kind.WRITE, f"v{n}", CellState.VALUE] for n in range(15, 18)}
        assert state.forgotten(TOPIC) is not None


def test_keys_are_found_again_where_another_duckdb_hashed_them(tmp_path: Path) -> None:
    """Its hash of a text may be another one: what it kept of keys is hashed anew, and no key has two heads."""
    path = tmp_path / "state.duckdb"
    with begun(FeedState(path), "status") as state:
        state.apply(step(state, 0, change(0, WRITE, "1", 10, status="a")))
        state.fold(TOPIC)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE state SET made_by = 'v0.0.1'; UPDATE latest_1 SET h = h + 1")
    with FeedState(path) as state:
        state.apply(step(state, 1, change(1, WRITE, "1", 20, status="b")))
        assert rows(state) == {"1": [Kind.WRITE, "b", CellState.VALUE]}
        assert count(state, state.tables[TOPIC].latest) == 1


def test_the_head_is_told_in_parts_that_together_are_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A join of the whole head would hold the number of every key in memory."""
    monkeypatch.setattr(state_module, "HEAD_PART_ROWS", 4)
    monkeypatch.setattr(state_module, "_SAMPLED", 2)
    with begun(FeedState(None), "status") as state:
        read_on(state, 7, keys=16)
        state.fold(TOPIC)
        parts = state.head_parts(TOPIC)
        found = [state.cursor().execute(f"SELECT c0 FROM ({part})").fetchall() for part in parts]
        assert len(parts) > 2
        assert sorted(int(key) for part in found for (key,) in part) == list(range(16))


def test_a_limit_of_memory_that_holds_no_state_is_told_as_that(tmp_path: Path) -> None:
    """Nobody else holds the file, and making it anew would not help."""
    path = tmp_path / "feeds" / "shop.duckdb"
    for _ in range(2):  # it is made by the first, and opened by the second
        with pytest.raises(WorkspaceError, match="Out of Memory") as told:
            FeedState(path, memory_limit="300B")
        assert told.value.hint is not None
        assert "workspace.memory_limit" in told.value.hint
