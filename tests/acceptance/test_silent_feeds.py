"""A copy that is known by its feed alone: a connector that stands still is no drift, and hides none when it lives."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.worlds.change_feed import ChangeFeed, heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

SETTINGS = """\
version: 1
contracts: contracts
connections:
  shop: {url: "sqlite:///shop.db"}
feeds:
  replay: {type: recorded, path: records.jsonl}
"""
CONTRACT = """\
entity: order
version: 1
team: t
owner: {service: orders, dataset: shop/orders, feed: {name: replay, topic: shop.public.orders}}
key: [id]
fields:
  id: {type: int}
  status: {type: text}
replicas:
  - {service: mirror, feed: {name: replay, topic: copy.public.orders}, lag_bound: 5s}
"""
HOUR = 3600.0


@dataclass
class World:
    """Orders with their feed, and a mirror whose connector is another one."""

    directory: Path
    audit: Callable[..., Outcome]
    began: float
    owner: ChangeFeed
    mirror: ChangeFeed
    beats: list[dict[str, Any]] = field(default_factory=list)

    def at(self, seconds: float) -> None:
        """From now on, what is committed is committed that long after the beginning."""
        self.owner.started = self.mirror.started = self.began + seconds

    def beat(self, seconds: float) -> None:
        """The mirror's connector shows that it lives."""
        self.beats.append(heartbeat("copy", self.began + seconds, len(self.beats)))

    def reconcile(self) -> Outcome:
        self.settle()
        return self.audit("reconcile", "--recheck-after", "0s", "--format", "json")

    def entity(self, key: int) -> tuple[int, str]:
        """The exit code of a look at one row, and how the mirror stands there."""
        outcome = self.audit("entity", "order", str(key), "--format", "json")
        return outcome.code, outcome.json["replicas"][0]["state"]

    def settle(self) -> None:
        """Write down what there is."""
        records = [*self.owner.records, *self.mirror.records, *self.beats]
        (self.directory / "records.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
        with closing(sqlite3.connect(self.directory / "shop.db")) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, status TEXT)")
            connection.execute("DELETE FROM orders")
            rows = [(key, row["status"]) for (key,), row in self.owner.rows.items()]
            connection.executemany("INSERT INTO orders VALUES (?, ?)", rows)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT)
    began = time.time() - 10 * HOUR
    made = World(
        tmp_path, audit, began, ChangeFeed("shop.public.orders", started=began, connector="shop"),
        ChangeFeed("copy.public.orders", started=began, connector="copy"),
    )  # fmt: skip
    rows: list[dict[str, Any]] = [{"id": key, "status": "new"} for key in range(1, 6)]
    made.owner.snapshot(rows)
    made.mirror.snapshot(rows)
    made.beat(10)
    return made


def only(outcome: Outcome) -> dict[str, Any]:
    """The one finding."""
    (finding,) = outcome.json["findings"]
    found: dict[str, Any] = finding
    return found


def test_a_connector_that_stands_still_makes_no_drift_of_what_it_did_not_tell(world: World) -> None:
    """The mirror may be right: its feed has told nothing since before the owner's change."""
    world.at(HOUR)
    world.owner.put(id=2, status="paid")
    outcome = world.reconcile()
    finding = only(outcome)
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided"])
    assert (finding["key"], finding["verdict"]) == ({"id": "2"}, "undecided")
    assert "neither a change nor a heartbeat" in finding["evidence"]["note"]
    (remark,) = outcome.json["entities"][0]["owner"]["coverage"]["remarks"]
    assert "mirror: its feed has told nothing since" in remark


@pytest.mark.parametrize("put", [{"id": 2, "status": "paid"}, {"id": 9, "status": "new"}])
def test_a_look_at_one_row_knows_no_better_than_a_run(world: World, put: dict[str, Any]) -> None:
    """Nobody is sent to repair what may be right: neither before a run has judged it, nor after."""
    world.at(HOUR)
    world.owner.put(**put)
    world.settle()
    assert world.entity(put["id"]) == (2, "undecided")
    assert only(world.reconcile())["verdict"] == "undecided"
    assert world.entity(put["id"]) == (2, "undecided")
    world.beat(HOUR + 60)
    assert only(world.reconcile())["verdict"] == "persistent"
    assert world.entity(put["id"]) == (1, "divergent" if put["id"] == 2 else "absent")


def test_a_row_that_was_changed_just_now_is_in_flight_until_its_feed_must_have_told_it(world: World) -> None:
    """A connector's heartbeats come by the minute: until then its silence says nothing."""
    world.at(10 * HOUR - 20)
    world.owner.put(id=2, status="paid")
    world.settle()
    assert world.entity(2) == (0, "in_flight")


def test_the_same_lack_is_drift_where_the_connector_lives(world: World) -> None:
    """A heartbeat after the change: the mirror really does not have it."""
    world.at(HOUR)
    world.owner.put(id=2, status="paid")
    world.beat(HOUR + 60)
    finding = only(outcome := world.reconcile())
    assert (outcome.code, finding["key"], finding["verdict"]) == (1, {"id": "2"}, "persistent")
    assert finding["cause"] == "stale"


def test_a_later_change_of_another_row_is_a_sign_of_life(world: World) -> None:
    """Whoever tells what came after has told what came before."""
    world.at(HOUR)
    world.owner.put(id=2, status="paid")
    world.at(2 * HOUR)
    world.owner.put(id=3, status="paid")
    world.mirror.put(id=3, status="paid")
    finding = only(outcome := world.reconcile())
    assert (outcome.code, finding["key"], finding["verdict"]) == (1, {"id": "2"}, "persistent")


def test_a_heartbeat_of_another_connector_is_none(world: World) -> None:
    """The owner's connector lives; that of the mirror does not."""
    world.at(HOUR)
    world.owner.put(id=2, status="paid")
    world.beats.append({**heartbeat("shop", world.began + 2 * HOUR), "offset": 0})
    assert only(world.reconcile())["verdict"] == "undecided"


def test_a_silent_connector_hides_nothing_that_was_told_before(world: World) -> None:
    """What the feed had passed when it fell silent stays drift."""
    world.at(HOUR)
    world.owner.put(id=2, status="paid")
    world.beat(HOUR + 60)
    world.at(5 * HOUR)
    world.owner.put(id=3, status="paid")
    found = {one["key"]["id"]: one["verdict"] for one in world.reconcile().json["findings"]}
    assert found == {"2": "persistent", "3": "undecided"}


def test_a_recording_without_heartbeats_has_its_end_for_now(world: World) -> None:
    """Nothing in it tells whether a connector lived: it is taken as it is."""
    world.beats.clear()
    world.at(HOUR)
    world.owner.put(id=2, status="paid")
    assert only(world.reconcile())["verdict"] == "persistent"


# -- an owner that is known by its feed alone --------------------------------------------------------------------------

BY_FEED = """\
entity: order
version: 1
team: t
owner: {service: orders, feed: {name: replay, topic: shop.public.orders}}
key: [id]
fields:
  id: {type: int}
  status: {type: text}
replicas:
  - {service: copy, dataset: shop/orders, lag_bound: 5s}
"""


@pytest.fixture
def ahead(world: World) -> World:
    """A table beside its owner's topic: it has a row and a value that the topic never told, and lacks a change."""
    (world.directory / "contracts" / "order.yaml").write_text(BY_FEED)
    world.at(HOUR)
    world.owner.put(id=3, status="paid")
    world.beats = [heartbeat("copy", world.began + 3 * HOUR)]  # another connector goes on
    return world


def table(world: World) -> dict[str, tuple[str, str, str]]:
    """Verdict, cause and note of what differs, by key; and the remarks beside it."""
    rows = [(1, "new"), (2, "sent"), (3, "new"), (4, "new"), (5, "new"), (6, "new")]
    records = [*world.owner.records, *world.beats]
    (world.directory / "records.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    with closing(sqlite3.connect(world.directory / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", rows)
    outcome = world.audit("reconcile", "--recheck-after", "0s", "--format", "json")
    found = {
        one["key"]["id"]: (one["verdict"], one["cause"], one["evidence"].get("note", ""))
        for one in outcome.json["findings"]
    }
    remarks = outcome.json["entities"][0]["owner"]["coverage"].get("remarks", [])
    assert (outcome.code, bool(remarks)) == (
        (2, True) if "undecided" in {one[0] for one in found.values()} else (1, False)
    )
    return found


def test_a_copy_that_may_be_ahead_of_a_silent_owner_is_no_phantom(ahead: World) -> None:
    """The owner's connector beat once, and has not for hours: what its owner held since is not known."""
    ahead.beats.append(heartbeat("shop", ahead.began + 10))
    found = table(ahead)
    assert {key: verdict for key, (verdict, _, _) in found.items()} == dict.fromkeys("236", "undecided")
    assert all("the owner's feed has told nothing since" in note for _, _, note in found.values())
    assert all("the replica be ahead of what is known of its owner" in note for _, _, note in found.values())


def test_the_same_copy_holds_what_its_owner_never_held_where_the_owners_connector_lives(ahead: World) -> None:
    ahead.beats.append(heartbeat("shop", ahead.began + 3 * HOUR))
    found = {key: (verdict, cause) for key, (verdict, cause, _) in table(ahead).items()}
    assert found == {
        "2": ("persistent", "unknown"),  # a snapshot told its first row: what it was before is not known
        "3": ("persistent", "stale"),
        "6": ("persistent", "phantom_write"),
    }


def test_an_owner_in_a_recording_without_its_heartbeats_has_its_end_for_now(ahead: World) -> None:
    assert {verdict for verdict, _, _ in table(ahead).values()} == {"persistent"}
