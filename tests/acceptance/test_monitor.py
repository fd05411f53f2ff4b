"""`audit monitor --until-caught-up`: what the feeds oblige the copies to, and exactly what of it is not met."""

from __future__ import annotations

import sqlite3
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
  orders_db: {url: "sqlite:///orders.db"}
  read_model: {url: "sqlite:///copy.db"}
feeds:
  shop: {type: recorded, path: shop.jsonl}
  mirror: {type: recorded, path: mirror.jsonl}
"""

CONTRACT = """\
entity: order
version: 1
owner: {service: orders, dataset: orders_db/orders, feed: {name: shop, topic: shop.orders}}
key: [id]
fields:
  id: {type: int}
  status: {type: text}
  total: {type: int}
replicas:
  - {service: copy, dataset: read_model/orders, lag_bound: 1s}
  - {service: mirror, feed: {name: mirror, topic: mirror.orders}, lag_bound: 1s}
"""


@dataclass
class Monitored:
    """An owner with its feed, a copy in a table, and a mirror that is known by its feed alone; all agree at first."""

    directory: Path
    audit: Callable[..., Outcome]
    owner: ChangeFeed
    mirror: ChangeFeed
    copy: dict[int, tuple[str, int]]

    def put(self, key: int, status: str, total: int, *, copy: bool = True, mirror: bool = True) -> None:
        """The owner changes a row, and the copies follow, or do not."""
        self.owner.put(id=key, status=status, total=total)
        if copy:
            self.copy[key] = (status, total)
        if mirror:
            self.mirror.put(id=key, status=status, total=total)

    def delete(self, key: int, *, copy: bool = True, mirror: bool = True) -> None:
        """The owner deletes a row, and the copies follow, or do not."""
        self.owner.delete(id=key)
        if copy:
            del self.copy[key]
        if mirror:
            self.mirror.delete(id=key)

    def save(self) -> None:
        """Write everything."""
        self.owner.save(self.directory / "shop.jsonl")
        self.mirror.save(self.directory / "mirror.jsonl")
        rows = {key[0]: (row["status"], row["total"]) for key, row in self.owner.rows.items()}
        contents: dict[str, dict[int, tuple[str, int]]] = {"orders.db": rows, "copy.db": self.copy}
        for name, content in contents.items():
            with sqlite3.connect(self.directory / name) as db:
                db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, status TEXT, total INTEGER)")
                db.execute("DELETE FROM orders")
                db.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(k, *v) for k, v in content.items()])
            db.close()

    def monitor(self, *options: str) -> Outcome:
        """Follow what there is to its end."""
        self.save()
        return self.audit("monitor", "--until-caught-up", "--format", "json", *options)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> Monitored:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT)
    rows: list[dict[str, Any]] = [{"id": key, "status": "new", "total": key * 10} for key in range(1, 21)]
    world = Monitored(
        tmp_path, audit, ChangeFeed("shop.orders"), ChangeFeed("mirror.orders"),
        {row["id"]: (row["status"], row["total"]) for row in rows},
    )  # fmt: skip
    world.owner.snapshot(rows)
    world.mirror.snapshot(rows)
    return world


def verdicts(outcome: Outcome) -> dict[tuple[str | None, str, str], tuple[str, str]]:
    """Verdict and cause of every finding, by replica, key and divergence."""
    return {
        (one["replica"], (one["key"] or {}).get("id", ""), one["divergence"]): (one["verdict"], one["cause"])
        for one in outcome.json["findings"]
    }


def test_copies_that_met_every_obligation_are_clean(world: Monitored) -> None:
    """Changes, deletes and a snapshot that all arrived: nothing is found, and everything owed was compared."""
    world.put(1, "paid", 10)
    world.put(21, "new", 210)
    world.delete(2)
    outcome = world.monitor()
    report = outcome.json
    assert (outcome.code, report["findings"], report["kind"]) == (0, [], "monitor"), outcome.err
    compared = {one["replica"]: one["compared_rows"] for one in report["entities"][0]["replicas"]}
    assert compared["copy"] >= 20


def test_exactly_the_planted_drift_is_found(world: Monitored) -> None:
    """A lost update, a lost insert, a missed delete and a write by hand, each with its key and its cause."""
    world.put(1, "paid", 10, copy=False)
    world.put(2, "paid", 20, mirror=False)
    world.put(22, "new", 220, copy=False)
    world.put(23, "new", 230, mirror=False)
    world.delete(3, copy=False)
    world.delete(4, mirror=False)
    world.mirror.put(id=5, status="by hand", total=50)
    world.put(6, "paid", 60)
    outcome = world.monitor()
    assert outcome.code == 1, outcome.err
    assert verdicts(outcome) == {
        ("copy", "1", "mismatch"): ("persistent", "stale"),
        ("copy", "22", "missing"): ("persistent", "never_arrived"),
        ("copy", "3", "orphan"): ("persistent", "missed_delete"),
        ("mirror", "2", "mismatch"): ("persistent", "stale"),
        ("mirror", "23", "missing"): ("persistent", "never_arrived"),
        ("mirror", "4", "orphan"): ("persistent", "missed_delete"),
        ("mirror", "5", "mismatch"): ("persistent", "phantom_write"),
    }


def test_what_is_met_is_owed_no_more_and_drift_is_told_until_it_has_gone(world: Monitored) -> None:
    """A second run looks at what is known to differ, tells it again under its name, and tells when it is healed."""
    world.put(1, "paid", 10, copy=False)
    first = world.monitor().json["findings"]
    again = world.monitor()
    assert (again.code, [one["id"] for one in again.json["findings"]]) == (1, [one["id"] for one in first])
    assert again.json["findings"][0]["first_seen"] == first[0]["first_seen"]
    world.copy[1] = ("paid", 10)
    healed = world.monitor()
    assert (healed.code, verdicts(healed)) == (0, {("copy", "1", "mismatch"): ("healed", "unknown")})
    assert world.audit("findings", "--open", "--format", "json").json["findings"] == []
    assert world.monitor().json["findings"] == []


def test_a_truncate_owes_every_row_that_it_took(world: Monitored) -> None:
    """Nobody tells of the rows one by one, and yet each has to go."""
    world.owner.truncate()
    world.mirror.truncate()
    world.put(30, "new", 1)
    kept = dict(list(world.copy.items())[:2])
    world.copy = {**kept, 30: ("new", 1)}
    outcome = world.monitor()
    assert {key: verdict for key, (verdict, _) in verdicts(outcome).items()} == {
        ("copy", str(key), "orphan"): "persistent" for key in kept
    }, outcome.err


def test_an_entity_without_a_feed_is_named_as_not_followed(world: Monitored) -> None:
    """What the monitor does not see, it says."""
    text = CONTRACT.replace(", feed: {name: shop, topic: shop.orders}", "").replace("order\n", "stock\n", 1)
    text = text.replace("/orders", "/stock")
    (world.directory / "contracts" / "stock.yaml").write_text(text.partition("  - {service: mirror")[0])
    outcome = world.monitor()
    assert outcome.code == 0
    assert "stock: its owner has no feed, so it is not followed" in outcome.err
    alone = world.audit("monitor", "--until-caught-up", "stock")
    assert (alone.code, alone.out) == (2, "")
    assert "no owner has a feed" in alone.err


def test_a_key_that_could_not_be_read_is_undecided(world: Monitored) -> None:
    """A record that nobody understands: what the mirror holds of its key is not known."""
    world.mirror.poison(id=7)
    outcome = world.monitor()
    assert outcome.code == 2, outcome.err
    assert verdicts(outcome) == {("mirror", "7", "missing"): ("undecided", "unknown")}
