"""A row that is flagged as deleted, or that leaves what is to be compared, has gone: its cause is told as of a delete.

The copy has a change stream of its own, alone or beside a table; what it tells is the same.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
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
  own: {url: "sqlite:///own.db"}
  rep: {url: "sqlite:///rep.db"}
feeds:
  shop: {type: recorded, path: shop.jsonl, schemaless: {columns: {copy.orders: {doc: text}}}}
"""

CONTRACT = """\
entity: order
version: 1
owner:
  service: own
  dataset: own/orders
  feed: {name: shop, topic: shop.orders}
  soft_delete: {field: gone}
key: [id]
fields:
  id: {type: int}
  status: {type: text}
replicas:
  - service: copy
    feed: {name: shop, topic: copy.orders}
    lag_bound: 1s
    fields: [status]
    deletes: {soft: gone}
    select: "doc = 'order'"
"""

ROWS = range(1, 10)
HIDDEN = "the replica has a row with this key, and it is flagged as deleted or left out by the replica's `select`"
LOST = "the replica had the row and lost it, by its own feed"
Told = dict[tuple[str, str], tuple[str, str, str]]


@dataclass
class Soft:
    """Nine orders, and a copy of them; each flags what it deletes."""

    directory: Path
    audit: Callable[..., Outcome]
    owner: ChangeFeed = field(default_factory=lambda: ChangeFeed("shop.orders"))
    copy: ChangeFeed = field(default_factory=lambda: ChangeFeed("copy.orders", connector="copy"))

    def __post_init__(self) -> None:
        self.copy.started += 60  # it follows
        for feed in (self.owner, self.copy):
            feed.snapshot([_order(key) for key in ROWS])

    def beside(self) -> None:
        """The copy is a table, too."""
        path = self.directory / "contracts" / "order.yaml"
        path.write_text(path.read_text().replace("service: copy", "service: copy\n    dataset: rep/orders"))

    def told(self, *command: str) -> Told:
        """Verdict, cause and note of what is found, by key and divergence."""
        self.owner.save(self.directory / "shop.jsonl", self.copy)
        for name, feed in (("own.db", self.owner), ("rep.db", self.copy)):
            with sqlite3.connect(self.directory / name) as db:
                db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER, status TEXT, gone BOOLEAN, doc TEXT)")
                db.execute("DELETE FROM orders")
                db.executemany("INSERT INTO orders VALUES (:id, :status, :gone, :doc)", list(feed.rows.values()))
            db.close()
        outcome = self.audit(*command, "--format", "json")
        return {
            (one["key"]["id"], one["divergence"]): (one["verdict"], one["cause"], one["evidence"].get("note") or "")
            for one in outcome.json["findings"]
        }

    def is_told(self, expected: Told) -> None:
        """By the nightly job as by the monitor."""
        assert self.told("monitor", "--until-caught-up") == expected
        assert self.told("reconcile") == expected


def _order(key: int, **more: Any) -> dict[str, Any]:
    return {"id": key, "status": "new", "gone": False, "doc": "order"} | more


@pytest.fixture(params=["alone", "beside"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]
) -> Soft:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT)
    world = Soft(tmp_path, audit)
    if request.param == "beside":
        world.beside()
    return world


def test_a_row_that_the_copy_had_and_lost_is_told_so_in_whichever_way_it_went(world: Soft) -> None:
    """Flagged, deleted, flagged and then deleted, no longer chosen; a row that was never there has never arrived."""
    world.copy.put(id=1, gone=True)
    world.copy.delete(id=2)
    world.copy.put(id=3, gone=True)
    world.copy.delete(id=3)
    world.copy.put(id=4, doc="invoice")
    world.copy.put(id=4, status="paid")
    for key, more in ((11, {"gone": True}), (12, {"doc": "invoice"}), (13, None)):
        world.owner.put(**_order(key))
        if more is not None:
            world.copy.put(**_order(key, **more))
    world.copy.put(id=9, status="new")
    lost = {(str(key), "missing"): ("persistent", "unknown", LOST) for key in (1, 2, 3, 4)}
    never = {(str(key), "missing"): ("persistent", "never_arrived", "") for key in (11, 12, 13)}
    world.is_told(lost | never)


def test_a_row_that_a_copy_without_a_feed_holds_and_does_not_count_has_not_failed_to_arrive(world: Soft) -> None:
    """The table itself shows it; and an INSERT of what `select` leaves out may meet its key."""
    path = world.directory / "contracts" / "order.yaml"
    text = path.read_text().replace("    dataset: rep/orders\n", "")
    path.write_text(text.replace("feed: {name: shop, topic: copy.orders}", "dataset: rep/orders"))
    world.copy.put(id=1, gone=True)
    world.copy.put(id=2, doc="invoice")
    world.copy.delete(id=3)
    hidden = {(key, "missing"): ("persistent", "unknown", HIDDEN) for key in ("1", "2")}
    world.is_told(hidden | {("3", "missing"): ("persistent", "never_arrived", "")})
    plan = world.directory / "plan"
    world.audit("compensate", "--out", str(plan))
    keys = {one["id"]: one["key"]["id"] for one in world.audit("report", "--format", "json").json["findings"]}
    planned = json.loads((plan / "plan.json").read_text())["compensations"]
    risks = {keys[one["finding_id"]]: one["risk"] for one in planned}
    assert "fails and changes nothing" in risks["2"]
    assert "fails" not in risks["1"]


def test_rows_that_a_truncate_took_were_there(world: Soft) -> None:
    """And those that were flagged by then had gone before."""
    world.copy.put(id=1, gone=True)
    world.copy.truncate()
    for key in ROWS[2:]:
        world.copy.put(**_order(key))
    lost = {(key, "missing"): ("persistent", "unknown", LOST) for key in ("1", "2")}
    world.is_told(lost)


def test_a_row_whose_key_the_copy_changed_went_with_its_old_key(world: Soft) -> None:
    world.copy.rename({"id": 5}, {"id": 55})
    world.copy.put(id=9, status="new")
    told = world.told("reconcile")
    assert told["5", "missing"] == ("persistent", "unknown", LOST)
    assert told["55", "orphan"][:2] == ("persistent", "phantom_write")
    assert world.told("monitor", "--until-caught-up") == told


@pytest.mark.parametrize("is_flagged", [True, False], ids=["flagged", "deleted"])
def test_what_the_owner_flags_is_a_delete_that_the_copy_may_have_missed(
    world: Soft,
    is_flagged: bool,  # noqa: FBT001 - of a row of data
) -> None:
    """One that has the row still, or an older version of it; one that flagged it and took that back has woken it."""
    world.owner.put(id=2, status="paid")
    for key in (1, 2, 3, 4, 5, 6):
        if is_flagged:
            world.owner.put(id=key, gone=True)
        else:
            world.owner.delete(id=key)
    for key in (3, 4):
        world.copy.put(id=key, gone=True)
    world.copy.put(id=4, gone=False)
    world.copy.put(id=5, doc="invoice")
    world.copy.put(id=5, doc="order")
    world.copy.delete(id=6)
    world.copy.put(**_order(6))
    world.copy.put(id=9, status="new")
    missed = {(str(key), "orphan"): ("persistent", "missed_delete", "") for key in (1, 2)}
    woken = {(str(key), "orphan"): ("persistent", "resurrected", "") for key in (4, 5, 6)}
    world.is_told(missed | woken)


def test_one_delete_in_two_steps_is_one(world: Soft) -> None:
    """A copy that flagged and then removed a row followed one of its owner's two deletes, and missed the other."""
    world.owner.put(id=1, gone=True)
    world.copy.put(id=1, gone=True)
    world.copy.delete(id=1)
    world.owner.put(id=1, gone=False)
    world.copy.put(**_order(1))
    world.owner.put(id=1, gone=True)
    world.copy.put(id=9, status="new")
    world.is_told({("1", "orphan"): ("persistent", "missed_delete", "")})


def test_a_row_that_was_flagged_and_is_live_again_on_both_sides_is_right(world: Soft) -> None:
    for feed in (world.owner, world.copy):
        feed.put(id=1, gone=True)
        feed.put(id=1, gone=False)
        feed.put(id=2, gone=True)
    world.is_told({})
