"""A row whose first record is an update was there before: its topic does not tell every row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from reconcilers.change import Change, ChangeKind, Place, Position
from reconcilers.streams.intake import Intake
from reconcilers.streams.latecomers import NOTED_MAX
from reconcilers.streams.state import SCHEMA_VERSION, FeedState, Offset, Pass, Step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPIC = "shop.orders"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
KINDS = {"d": ChangeKind.DELETE, "r": ChangeKind.BACKFILL, "t": ChangeKind.TRUNCATE}


def change(operation: str, key: str, offset: int, part: int = 0, lsn: int | None = None) -> Change:
    """A change; an empty operation is a record that does not tell what it is."""
    place = 10 * offset if lsn is None else lsn
    return Change(
        Place(TOPIC, part, offset), KINDS.get(operation, ChangeKind.WRITE), operation, {"id": key},
        {} if operation in ("d", "t") else {"status": "new"}, position=Position("postgresql/shop", (place,)),
    )  # fmt: skip


class Stream:
    """A state, and how far each of its partitions was read."""

    def __init__(self, state: FeedState, partitions: int = 2) -> None:
        self.state = state
        self.state.keep(TOPIC, ["id", "status"], ["id"])
        self.state.begin({(TOPIC, part): Offset(0, 0) for part in range(partitions)})
        self.seq = 0
        self.following = dict.fromkeys(range(partitions), 0)

    def read(self, *changes: Change, holes: dict[tuple[str, int], int] | None = None) -> None:
        """A batch."""
        intake = Intake(self.state.tables[TOPIC], self.state.epochs, NOW)
        moves = {}
        for one in changes:
            part, offset = one.place.partition, one.place.offset
            intake.add(self.seq, one, stamp=1000 + offset, snapshot=1 if one.kind is ChangeKind.BACKFILL else 0)
            self.seq += 1
            moves[TOPIC, part] = (self.following[part], Offset(0, offset + 1))
        self.state.apply(Step((intake,), moves, seqs={TOPIC: self.seq}, holes=holes or {}))
        self.following |= {part: moved.following for (_, part), (_, moved) in moves.items()}

    def found(self) -> str:
        """The place of what shows that rows were there before, and what it is; empty where nothing does."""
        self.state.fold(TOPIC)
        first = self.state.latecomers.first(TOPIC)
        return "" if first is None else f"{first[0]} {'delete' if first[1] else 'update'}"


@pytest.fixture
def stream() -> Iterator[Stream]:
    with FeedState(None) as state:
        yield Stream(state)


@pytest.mark.parametrize(("operation", "what"), [("u", "update"), ("d", "delete")])
def test_a_row_that_is_told_first_by_an_update_or_a_delete_was_there_before(
    stream: Stream, operation: str, what: str
) -> None:
    """The first of them is named with its place, and it stays so."""
    stream.read(change("c", "1", 0), change(operation, "2", 1), change("u", "3", 2))
    assert stream.found() == f"{TOPIC}/0@1 {what}"
    stream.read(change("u", "1", 3))
    assert stream.found() == f"{TOPIC}/0@1 {what}"


@pytest.mark.parametrize("first", ["c", "r", ""])
def test_a_row_that_was_told_before_or_of_which_the_record_does_not_tell_shows_nothing(
    stream: Stream, first: str
) -> None:
    """A create, a snapshot's row, and a record that tells no operation begin a row, in the same batch or before."""
    stream.read(change(first, "1", 0), change("u", "1", 1), change("d", "1", 2), change("u", "1", 3))
    assert not stream.found()
    stream.read(change("u", "1", 4), change(first, "2", 5))
    assert not stream.found()
    stream.read(change("d", "2", 6))
    assert not stream.found()


def test_where_offsets_are_lacking_before_it_the_row_may_have_been_told(stream: Stream) -> None:
    """Compaction takes what a later record of its key repeats; in the other partition nothing is lacking."""
    stream.read(change("c", "1", 0), change("u", "2", 2), holes={(TOPIC, 0): 1})
    assert not stream.found()
    stream.read(change("u", "3", 3))
    assert not stream.found()
    stream.read(change("c", "4", 0, part=1), change("u", "5", 1, part=1))
    assert stream.found() == f"{TOPIC}/1@1 update"


def test_what_is_lacking_behind_it_changes_nothing(stream: Stream) -> None:
    """Its own place was reached without a gap, in one batch or in several."""
    stream.read(change("u", "1", 0), change("c", "2", 2), holes={(TOPIC, 0): 1})
    assert stream.found() == f"{TOPIC}/0@0 update"


def test_a_whole_snapshot_tells_every_row(stream: Stream) -> None:
    """What is told afterwards is of interest to nobody."""
    stream.read(change("r", "1", 0))
    began = Pass(TOPIC, 1, 1000, 1001, begun=True)
    stream.state.apply(Step((), {}, passes=[began]))
    stream.read(change("u", "2", 1))
    assert not stream.found()


def test_after_a_truncate_there_are_no_rows_but_those_that_are_told(stream: Stream) -> None:
    """What was there before is gone, whichever partition tells it."""
    stream.read(change("u", "1", 0, lsn=10))
    assert stream.found()
    stream.read(change("t", "", 0, part=1, lsn=20))
    assert not stream.found()


def test_a_key_that_another_partition_told_before_was_told(stream: Stream) -> None:
    """A topic got more partitions: what was read first is not what was written first."""
    stream.read(change("u", "1", 0, part=1, lsn=50), change("u", "2", 1, part=1, lsn=60))
    stream.state.bring_in(TOPIC)
    stream.state._fold(stream.state.tables[TOPIC], swept=False)  # between two batches
    assert stream.state.latecomers.first(TOPIC) is None
    stream.read(change("c", "1", 0, lsn=10))
    assert stream.found() == f"{TOPIC}/1@1 update"


def test_a_repetition_after_everything_of_its_row_was_let_go_of_shows_nothing(stream: Stream) -> None:
    """A truncate took the row, and the connector sends an older change of it again."""
    stream.read(change("c", "1", 0, lsn=10), change("u", "1", 1, lsn=20), change("t", "", 0, part=1, lsn=30))
    assert not stream.found()
    stream.state.remember(TOPIC, datetime(2027, 1, 1))  # noqa: DTZ001 - the state's own
    stream.read(change("u", "1", 2, lsn=20))
    assert not stream.found()


def test_few_are_noted_however_many_there_are(stream: Stream) -> None:
    """A table with a million rows is told by a million updates; one of them is enough."""
    stream.read(*(change("u", str(offset), offset) for offset in range(3 * NOTED_MAX)))
    stream.state.bring_in(TOPIC)
    stream.state._fold(stream.state.tables[TOPIC], swept=False)
    noted = "SELECT count(*) FROM latecomers"
    assert stream.state.cursor().execute(noted).fetchone() == (NOTED_MAX,)
    assert stream.found() == f"{TOPIC}/0@0 update"
    assert stream.state.cursor().execute(noted).fetchone() == (1,)


def test_what_was_seen_outlives_the_process_and_goes_with_its_topic(tmp_path: Path) -> None:
    """A hole that was seen before stays one; a partition, or a topic, that is forgotten begins anew."""
    path = tmp_path / "feed.duckdb"
    with FeedState(path) as state:
        Stream(state).read(change("c", "1", 0), change("c", "2", 2), holes={(TOPIC, 0): 1})
    with FeedState(path) as state:
        assert state.latecomers.unbroken == {(TOPIC, 1)}
        intake = Intake(state.tables[TOPIC], state.epochs, NOW)
        intake.add(2, change("u", "3", 3), stamp=1)
        intake.add(3, change("u", "4", 0, part=1), stamp=1)
        moves = {(TOPIC, 0): (3, Offset(0, 4)), (TOPIC, 1): (0, Offset(0, 1))}
        state.apply(Step((intake,), moves, seqs={TOPIC: 4}))
        state.fold(TOPIC)
        found = state.latecomers.first(TOPIC)
        assert found is not None
        assert found[0] == Place(TOPIC, 1, 0)
        state.forget_partition(TOPIC, 1)
        assert state.latecomers.first(TOPIC) is None
        assert state.latecomers.unbroken == set()
        state.begin({(TOPIC, 1): Offset(0, 0)})
        assert state.latecomers.unbroken == {(TOPIC, 1)}
        state.forget(TOPIC)
        assert state.latecomers.unbroken == set()


def test_of_partitions_that_an_older_program_began_nothing_is_concluded(tmp_path: Path) -> None:
    """It did not note whether offsets were lacking, and its file has the same version: it is read on."""
    path = tmp_path / "feed.duckdb"
    with FeedState(path) as state:
        Stream(state)
        state.cursor().execute("DROP TABLE unbroken; DROP TABLE latecomers")
        assert state.cursor().execute("SELECT schema_version FROM state").fetchone() == (SCHEMA_VERSION,)
    with FeedState(path) as state:
        intake = Intake(state.tables[TOPIC], state.epochs, NOW)
        intake.add(0, change("u", "1", 0), stamp=1)
        state.apply(Step((intake,), {(TOPIC, 0): (0, Offset(0, 1))}, seqs={TOPIC: 1}))
        state.fold(TOPIC)
        assert state.latecomers.first(TOPIC) is None


def test_a_position_without_a_snapshot_is_one_whatever_the_record_says_of_its_row(stream: Stream) -> None:
    """How far the log was read is told by creates, updates and deletes alike."""
    stream.read(change("c", "1", 0, lsn=10), replace(change("u", "1", 1, lsn=70), operation="u"))
    (epoch,) = stream.state.epochs.values()
    told = stream.state.furthest(TOPIC, epoch, NOW, datetime(2026, 2, 1, tzinfo=UTC))
    assert told is not None
    assert told.place == 70
