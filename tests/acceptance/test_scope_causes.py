"""What a copy holds beyond its `where`: the row has left it only if it ever was within, as far as that is known."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
  shop: {type: recorded, path: shop.jsonl}
"""

OWNERS_FEED = ", feed: {name: shop, topic: shop.orders}"
CONTRACT = f"""\
entity: order
version: 1
owner: {{service: own, dataset: own/orders{OWNERS_FEED}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
  name: {{type: text}}
replicas:
  - service: copy
    dataset: rep/orders
    lag_bound: 1s
    fields: [name]
    where: "status <> 'draft'"
"""

NEVER = "by the owner's feed, the row was never one that the replica is to hold"
MAYBE = "the owner's row is none that the replica is to hold; whether it ever was one is not known"
Told = dict[tuple[str, str], tuple[str, str, str]]


@dataclass
class Scoped:
    """Nine orders, of which a copy is to hold those that are no drafts."""

    directory: Path
    audit: Callable[..., Outcome]
    owner: ChangeFeed = field(default_factory=lambda: ChangeFeed("shop.orders"))
    copy: ChangeFeed = field(default_factory=lambda: ChangeFeed("copy.orders", connector="copy"))

    def __post_init__(self) -> None:
        self.copy.started += 60  # it follows
        statuses = dict.fromkeys(range(1, 10), "new") | {10: "draft"}
        self.owner.snapshot([{"id": key, "status": one, "name": "a", "gone": False} for key, one in statuses.items()])
        self.copy.snapshot([{"id": key, "name": "a"} for key in range(1, 10)])

    def declare(self, old: str, new: str) -> None:
        """Another contract."""
        path = self.directory / "contracts" / "order.yaml"
        path.write_text(path.read_text().replace(old, new))

    def told(self, *command: str) -> Told:
        """Verdict, cause and note of what is found, by key and divergence."""
        self.owner.save(self.directory / "shop.jsonl", self.copy)
        owned = [(row["id"], row["status"], row["name"], row.get("gone")) for row in self.owner.rows.values()]
        copied = [(row["id"], None, row["name"], None) for row in self.copy.rows.values()]
        for name, rows in (("own.db", owned), ("rep.db", copied)):
            with sqlite3.connect(self.directory / name) as db:
                db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER, status TEXT, name TEXT, gone BOOLEAN)")
                db.execute("DELETE FROM orders")
                db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
            db.close()
        outcome = self.audit(*command, "--format", "json")
        return {
            (one["key"]["id"], one["divergence"]): (one["verdict"], one["cause"], one["evidence"].get("note") or "")
            for one in outcome.json["findings"]
        }

    def plant(self) -> Told:
        """Rows in and out of scope in every order, all of which the copy holds; what is to be found."""
        self.owner.put(id=1, status="draft")  # left as it was
        self.owner.put(id=2, name="b")
        self.owner.put(id=2, status="draft")  # left later than the copy has followed
        self.owner.put(id=3, status="draft", name="b")
        self.copy.put(id=3, name="b")  # which has followed beyond its scope
        self.owner.put(id=4, status="draft")
        self.owner.put(id=4, status="new")  # is back
        self.copy.put(id=10, name="a")  # a draft when it was told first
        self.owner.put(id=11, status="draft", name="a")
        self.copy.put(id=11, name="a")  # never anything else
        self.owner.put(id=12, status="draft", name="a")
        self.copy.put(id=12, name="x")  # nor that
        self.owner.put(id=13, status="draft", name="a")
        self.owner.put(id=13, status="new", name="b")
        self.copy.put(id=13, name="a")  # what it was before it came
        self.owner.put(id=14, status="draft", name="a")
        self.owner.delete(id=14)
        self.copy.put(id=14, name="a")  # what it was when it was deleted
        self.owner.put(id=9, name="c")
        self.copy.put(id=9, name="c")
        left = {(key, "orphan"): ("persistent", "left_scope", "") for key in ("1", "2", "3")}
        return left | {
            ("10", "orphan"): ("persistent", "unknown", MAYBE),
            ("11", "orphan"): ("persistent", "unknown", NEVER),
            ("12", "orphan"): ("persistent", "phantom_write", ""),
            ("13", "mismatch"): ("persistent", "stale", ""),
            ("14", "orphan"): ("persistent", "missed_delete", ""),
        }


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> Scoped:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT)
    return Scoped(tmp_path, audit)


@pytest.mark.parametrize("copy", ["dataset: rep/orders", "feed: {name: shop, topic: copy.orders}"])
@pytest.mark.parametrize("owner", ["dataset: own/orders, ", ""], ids=["table", "feed alone"])
def test_a_row_has_left_the_scope_if_the_versions_show_that_it_was_within(world: Scoped, owner: str, copy: str) -> None:
    """Whatever the two sides are known by."""
    world.declare("dataset: own/orders, ", owner)
    world.declare("dataset: rep/orders", copy)
    expected = world.plant()
    assert world.told("reconcile") == expected
    assert world.told("monitor", "--until-caught-up") == expected


def test_without_a_feed_of_the_owner_nothing_shows_that_a_row_was_ever_within(world: Scoped) -> None:
    """A row that the copy is not to hold is drift all the same; what it was before is not known."""
    world.declare(OWNERS_FEED, "")
    expected = {key: ("persistent", "unknown", MAYBE) for key in world.plant() if key[0] not in ("13", "14")}
    told = world.told("reconcile")
    assert {key: told[key] for key in expected} == expected


def test_a_row_that_left_and_that_its_copy_removed_and_wrote_again_is_resurrected(world: Scoped) -> None:
    world.declare("dataset: rep/orders", "feed: {name: shop, topic: copy.orders}")
    world.owner.put(id=1, status="draft")
    world.owner.put(id=9, name="c")
    world.copy.delete(id=1)
    world.copy.put(id=1, name="a")
    world.copy.put(id=9, name="c")
    assert world.told("reconcile") == {("1", "orphan"): ("persistent", "resurrected", "")}


def test_what_the_owner_flagged_is_a_missed_delete_whatever_it_wrote_with_the_flag(world: Scoped) -> None:
    """A copy that took the values and not the flag; where the row is live again, what it took is stale."""
    world.declare("where: \"status <> 'draft'\"", "deletes: propagate")
    world.declare(OWNERS_FEED, f"{OWNERS_FEED}, soft_delete: {{field: gone}}")
    for key in (1, 2, 3):
        world.owner.put(id=key, gone=True, name="b")
        world.copy.put(id=key, name="b")
    world.owner.put(id=2, gone=False, name="c")
    world.owner.delete(id=3)
    world.owner.delete(id=10)
    assert world.told("reconcile") == {
        ("1", "orphan"): ("persistent", "missed_delete", ""),
        ("2", "mismatch"): ("persistent", "stale", ""),
        ("3", "orphan"): ("persistent", "missed_delete", ""),
    }
