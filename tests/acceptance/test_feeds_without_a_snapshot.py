"""A connector that took no snapshot: its topic begins at offset 0, and does not tell every row all the same."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.worlds.change_feed import ChangeFeed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

SETTINGS = """\
version: 1
contracts: contracts
connections:
  shop: {url: "sqlite:///shop.db"}
  lake: {url: "file:."}
feeds:
  replay: {type: recorded, path: records.jsonl}
"""
CONTRACT = """\
entity: order
version: 1
team: t
owner: {owner}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
replicas:
  - {{service: copy, dataset: lake/copy.csv, lag_bound: 5s}}
"""
BY_FEED = "{service: orders, feed: {name: replay, topic: shop.public.orders}}"
BY_TABLE = "{service: orders, dataset: shop/orders, feed: {name: replay, topic: shop.public.orders}}"


@dataclass
class World:
    """Orders, some of which were there before their connector began; and a copy of them."""

    directory: Path
    audit: Callable[..., Outcome]
    feed: ChangeFeed

    def reconcile(self, copy: dict[int, str], owner: str = BY_FEED) -> dict[str, tuple[str, str, str]]:
        """Compare; returns of each finding's key: divergence, verdict and cause, and keeps the report."""
        (self.directory / "contracts" / "order.yaml").write_text(CONTRACT.format(owner=owner))
        self.feed.save(self.directory / "records.jsonl")
        with closing(sqlite3.connect(self.directory / "shop.db")) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, status TEXT)")
            connection.execute("DELETE FROM orders")
            rows = [(key, row["status"]) for (key,), row in self.feed.rows.items()]
            connection.executemany("INSERT INTO orders VALUES (?, ?)", rows)
        with (self.directory / "copy.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "status"), *copy.items()])
        self.outcome = self.audit("reconcile", "--recheck-after", "0s", "--format", "json")
        return {
            one["key"]["id"]: (one["divergence"], one["verdict"], one["cause"]) for one in self.outcome.json["findings"]
        }

    def note(self, key: str) -> str:
        """What the evidence of a key's finding says."""
        (finding,) = (one for one in self.outcome.json["findings"] if one["key"]["id"] == key)
        note: str = finding["evidence"]["note"]
        return note


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
    (tmp_path / "contracts").mkdir()
    return World(tmp_path, audit, ChangeFeed("shop.public.orders", connector="shop"))


def orders(*keys: int) -> list[dict[str, Any]]:
    """New orders."""
    return [{"id": key, "status": "new"} for key in keys]


@pytest.mark.parametrize("first", ["update", "delete"])
def test_rows_that_the_topic_never_told_are_no_orphans(world: World, first: str) -> None:
    """The topic itself shows that it does not tell every row: one that was there is told first by an update."""
    world.feed.begin_without(orders(1, 2, 3))
    world.feed.put(id=4, status="new")
    if first == "update":
        world.feed.put(id=2, status="paid")
    else:
        world.feed.delete(id=2)
    copy = {key: row["status"] for (key,), row in world.feed.rows.items()}
    found = world.reconcile(copy)
    assert {key: verdict[:2] for key, verdict in found.items()} == {
        "1": ("orphan", "undecided"), "3": ("orphan", "undecided")
    }, world.outcome.err  # fmt: skip
    assert world.outcome.code == 2
    what = {"update": "an update", "delete": "a delete"}[first]
    assert f"shop.public.orders/0@1, the first record of its row, is {what}: " in world.note("1")
    assert "does not tell every row that was there when it began" in world.note("1")


def test_what_the_topic_does_tell_is_compared_all_the_same(world: World) -> None:
    """A row whose value is wrong is drift, whatever is not known of others; so it stays night after night."""
    world.feed.begin_without(orders(1, 2))
    world.feed.put(id=2, status="paid")
    world.feed.put(id=4, status="new")
    for _ in range(2):
        found = world.reconcile({1: "new", 2: "paid", 4: "lost"})
        assert {key: verdict[:2] for key, verdict in found.items()} == {
            "1": ("orphan", "undecided"), "4": ("mismatch", "persistent")
        }  # fmt: skip


def test_a_finished_snapshot_tells_every_row_from_then_on(world: World) -> None:
    """What it did not meet is not there: the copy's row of it is an orphan."""
    world.feed.begin_without(orders(1, 2, 3))
    world.feed.put(id=2, status="paid")
    assert world.reconcile({1: "new", 2: "paid", 3: "new", 9: "new"})["9"][:2] == ("orphan", "undecided")
    world.feed.snapshot([dict(row) for row in world.feed.rows.values()])
    found = world.reconcile({1: "new", 2: "paid", 3: "new", 9: "new"})
    assert {key: verdict[:2] for key, verdict in found.items()} == {"9": ("orphan", "persistent")}


def test_a_compacted_topic_tells_every_row_though_it_begins_with_updates(world: World) -> None:
    """Offsets are lacking before them: what was there is gone from the topic, and the last of each row is told."""
    for order in orders(1, 2, 3):
        world.feed.put(**order)
    world.feed.put(id=2, status="paid")
    world.feed.put(id=3, status="paid")
    world.feed.compact()
    assert [record["offset"] for record in world.feed.records] == [0, 3, 4]
    found = world.reconcile({1: "new", 2: "paid", 3: "paid", 9: "new"})
    assert {key: verdict[:2] for key, verdict in found.items()} == {"9": ("orphan", "persistent")}


def test_a_tombstone_without_a_delete_shows_nothing(world: World) -> None:
    """It is what compaction leaves of one, for a while."""
    world.feed.put(id=1, status="new")
    world.feed.put(id=5, status="new")
    world.feed.delete(id=5)
    world.feed.compact()
    world.feed.records[-1]["offset"] = 1
    assert [record["value"] is None for record in world.feed.records] == [False, True]
    found = world.reconcile({1: "new", 9: "new"})
    assert {key: verdict[:2] for key, verdict in found.items()} == {"9": ("orphan", "persistent")}


@pytest.mark.parametrize("is_compacted", [False, True])
def test_a_copy_that_holds_what_a_row_was_before_its_first_update_wrote_nothing_of_its_own(
    world: World, *, is_compacted: bool
) -> None:
    """The owner held it before the topic began, or before what compaction left: the copy lacks the update."""
    if is_compacted:
        for order in orders(1, 2):
            world.feed.put(**order)
    else:
        world.feed.begin_without(orders(1, 2))
    world.feed.put(id=2, status="paid")
    if is_compacted:
        world.feed.compact()
    found = world.reconcile({1: "new", 2: "new"}, BY_TABLE)
    assert found == {"2": ("mismatch", "persistent", "unknown")}
    assert "what the row was before that is not known" in world.note("2")
    (change,) = next(one for one in world.outcome.json["findings"])["evidence"]["changes"]
    assert (change["replica"], change["offset"]) == ("lacks", str(world.feed.records[-1]["offset"]))


def test_a_copy_that_holds_what_a_row_never_was_since_its_birth_is_a_phantom_write(world: World) -> None:
    """Of a row that a create told first every version is known, however often it was updated since."""
    world.feed.put(id=2, status="new")
    world.feed.put(id=2, status="paid")
    found = world.reconcile({2: "lost"}, BY_TABLE)
    assert found == {"2": ("mismatch", "persistent", "phantom_write")}


def test_rows_that_a_snapshot_has_not_come_to_are_no_orphans(world: World) -> None:
    """It may take hours; once changes are told after it, it is over, whatever became of the record that ended it."""
    world.feed.snapshot(orders(1, 2, 3), ends=False)
    copy = dict.fromkeys((1, 2, 3, 4), "new") | {2: "paid"}
    found = world.reconcile(copy)
    assert found == {"2": ("mismatch", "persistent", "unknown"), "4": ("orphan", "undecided", "unknown")}
    assert "a snapshot in shop.public.orders has been begun, and not read to its end" in world.note("4")
    world.feed.put(id=2, status="paid")
    assert {key: verdict[:2] for key, verdict in world.reconcile(copy).items()} == {"4": ("orphan", "persistent")}
