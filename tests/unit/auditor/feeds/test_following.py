"""Whoever follows a feed: it is not closed under a thread that reads it, and knows what others have read of it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from auditor.feeds import following
from auditor.feeds.decoder import Decoder
from auditor.feeds.follower import Follower
from auditor.feeds.following import Following, Heard
from auditor.feeds.options import DecodingOptions
from auditor.feeds.reader import FeedReader
from contracts.contract import FeedRef
from contracts.errors import FeedError
from reconcilers.ports import Wanted
from reconcilers.streams.state import FeedState
from reconcilers.workspace import Workspace
from tests.simulation.process import HINTS
from tests.simulation.topic import SimulatedSource, Topic
from tests.simulation.wire import Registry, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from reconcilers.ports import OwnerClock

WAIT_SECONDS = 30


def opened(topic: Topic, path: Path | None = None, *, from_end: bool = False) -> Follower:
    state = FeedState(path)
    state.keep(topic.name, ("id", "status"), ("id",))
    decoder = Decoder(DecodingOptions(None), None, {topic.name: HINTS})
    return Follower("shop", SimulatedSource(topic, Random(1)), decoder, state, from_end=from_end)


def test_whoever_asks_gets_the_answer_to_its_own_question(tmp_path: Path) -> None:
    """Two sides of an entity may be known by one feed, and are asked at once."""
    topic, wire = Topic("orders", 1), Wire("orders", "json", Registry())
    topic.append(0, 1, wire.key(1), wire.read(1, ("A", 1, ""), 1e9, 1, "last", 1))
    shop = Following("shop", {topic.name: ("id", "status")}, lambda: opened(topic))
    questions = (shop.absence_unknown, shop.flaws, shop.incomplete, shop.whole_history, shop.known_from)
    with Workspace(tmp_path, threads=1) as workspace, shop.current(topic.name, workspace):
        expected = [ask(topic.name) for ask in questions]
        with ThreadPoolExecutor(len(questions)) as pool:
            asked = [pool.map(ask, [topic.name] * 100) for ask in questions]
            assert [list(answers) for answers in asked] == [[one] * 100 for one in expected]


def test_a_feed_that_is_read_by_a_thread_is_closed_when_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the thread catches up or looks at what it has read; nobody waits for it for long."""
    monkeypatch.setattr(following, "LET_GO_SECONDS", 0.05)
    topic, wire = Topic("orders", 1), Wire("orders", "json", Registry())
    topic.append(0, 1, wire.key(1), wire.read(1, ("A", 1, ""), 1e9, 1, "true", 1))
    reads, looks, goes_on = threading.Event(), threading.Event(), threading.Event()

    def make() -> Follower:
        reads.set()
        goes_on.wait(WAIT_SECONDS)
        goes_on.clear()
        return opened(topic)

    shop = Following("shop", {topic.name: ("id", "status")}, make)

    def work() -> None:
        with shop.current(topic.name, workspace):
            looks.set()
            goes_on.wait(WAIT_SECONDS)

    with Workspace(tmp_path, threads=1) as workspace:
        thread = threading.Thread(target=work)
        thread.start()
        assert reads.wait(WAIT_SECONDS)
        shop.close()
        goes_on.set()
        assert looks.wait(WAIT_SECONDS)
        shop.close()
        assert shop.state.next_seq(topic.name) == 1
        goes_on.set()
        thread.join(WAIT_SECONDS)
        shop.close()
        assert not shop.is_open


def test_a_table_whose_rows_are_all_gone_has_the_columns_that_they_had(tmp_path: Path) -> None:
    """The records of their deletes tell the keys alone, and the process that read the rest has ended."""
    topic, wire = Topic("orders", 1), Wire("orders", "json", Registry())
    topic.append(0, 1, wire.key(1), wire.read(1, ("A", 1, ""), 1e9, 1, "last", 1))
    reference, wanted = FeedRef("shop", topic.name), [Wanted("id", None), Wanted("status", None)]

    def rows() -> list[tuple[object, ...]]:
        shop = Following("shop", {topic.name: ("id", "status")}, lambda: opened(topic, tmp_path / "state.duckdb"))
        with Workspace(tmp_path, threads=1) as workspace, FeedReader(reference, shop).snapshot(workspace) as snapshot:
            found = snapshot.cursor.execute(f"SELECT * FROM {snapshot.scan(wanted).sql}").fetchall()
        shop.close()
        return found

    assert len(rows()) == 1
    topic.append(0, 2, wire.key(1), None)
    assert rows() == []
    assert rows() == []


@pytest.mark.parametrize("tombstones", [1, 40])
def test_a_record_without_a_value_is_no_understanding_at_a_topics_beginning(tombstones: int) -> None:
    """However many there are: where no value can be read after them, the settings are wrong, and nothing is kept."""
    topic, wire = Topic("orders", 1), Wire("orders", "json", Registry())
    for key in range(tombstones):
        topic.append(0, 1, wire.key(key), None)
    for key in range(40):
        topic.append(0, 1, wire.key(key), b"\0\0\0\0\1 of a registry that nobody names")
    follower = opened(topic)
    follower.begin()
    with pytest.raises(FeedError, match=r"none of its first \d+ records( with a value)? can be understood, .*kept"):
        follower.catch_up(lambda: None)
    assert follower.state.dead_letters(topic.name) == (0, 0)
    follower.close()


def test_a_record_that_cannot_be_understood_is_kept_where_others_were(tmp_path: Path) -> None:
    """After one that was, poison is poison, whatever else came without a value; it is kept, and named."""
    topic, wire = Topic("orders", 1), Wire("orders", "json", Registry())
    topic.append(0, 1, wire.key(1), None)
    topic.append(0, 1, wire.key(1), wire.read(1, ("A", 1, ""), 1e9, 1, "last", 1))
    for key in (2, 3):
        topic.append(0, 1, wire.key(key), b"\0\0\0\0\1 of a registry that nobody names")
    follower = opened(topic, tmp_path / "state.duckdb")
    follower.begin()
    follower.catch_up(lambda: None)
    assert follower.state.dead_letters(topic.name)[0] == 2
    follower.close()


class _NoHeartbeats:
    """Of a feed whose connectors send none."""

    recorded = False

    def latest(self) -> Mapping[str, datetime]:
        return {}

    def close(self) -> None:
        pass


def test_when_topics_were_last_heard_is_asked_once_for_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feed of many topics is caught up with for each of them: what each has told is looked up where it is news."""
    asked: list[str] = []
    clock = FeedState.clock

    def counted(state: FeedState, one: str) -> OwnerClock | None:
        asked.append(one)
        return clock(state, one)

    monkeypatch.setattr(FeedState, "clock", counted)
    topic, wire = Topic("orders", 1), Wire("orders", "json", Registry())
    others = [f"quiet{number}" for number in range(4)]

    def make() -> Follower:
        follower = opened(topic)
        for one in others:
            follower.state.keep(one, ("id", "status"), ("id",))
        return follower

    def put(key: int) -> None:
        topic.append(0, 1, wire.key(key), wire.read(key, ("A", 1, ""), 1e9 + key, 1, "true", key))

    wanted = dict.fromkeys([topic.name, *others], ("id", "status"))
    shop = Following("shop", wanted, make, heartbeats=_NoHeartbeats)  # type: ignore[arg-type]
    with Workspace(tmp_path, threads=1) as workspace:
        told: list[tuple[list[str], Heard | None]] = []
        for news in (1, 0, 1):
            if news:
                put(len(told))
            asked.clear()
            with shop.current(topic.name, workspace):
                told.append((sorted(asked), shop.heard(topic.name)))
        shop.close()
    every = sorted([topic.name, *others])
    assert [names for names, _ in told] == [every, [], every]
    assert told[0][1] == told[1][1] != told[2][1]


def test_a_topic_that_is_begun_at_its_end_is_known_from_there_on_and_not_to_tell_every_row(tmp_path: Path) -> None:
    """What comes later is read, and so are all partitions that the topic gets; who comes back goes on where it was."""
    topic, wire = Topic("orders", 2), Wire("orders", "json", Registry())

    def put(part: int, key: int) -> None:
        topic.append(part, key, wire.key(key), wire.read(key, ("A", 1, ""), 1e9, 1, "true", key))

    def keys() -> tuple[list[str], str]:
        make = partial(opened, topic, tmp_path / "state.duckdb", from_end=True)
        shop = Following("shop", {topic.name: ("id", "status")}, make)
        with Workspace(tmp_path, threads=1) as workspace, shop.current(topic.name, workspace) as table:
            rows = shop.cursor().execute(f"SELECT c0 FROM {table.head} ORDER BY ALL").fetchall()
            found = [key for (key,) in rows], shop.absence_unknown(topic.name)
        shop.close()
        return found

    put(0, 1)
    assert keys() == ([], "orders was read from its middle on (partition 0), and no snapshot in it was read whole")
    put(0, 2)
    put(1, 3)
    assert keys()[0] == ["2", "3"]
    assert keys()[0] == ["2", "3"]
