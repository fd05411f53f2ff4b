"""`audit monitor`: what the feeds oblige the copies to, exactly what of it is not met, and being killed meanwhile."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import sqlite3
import struct
import subprocess
import termios
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.fixtures.debezium_sets import DIRECTORY as SETS
from tests.worlds.change_feed import ChangeFeed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

SHOWN_SECONDS = 120.0
"""Until what is found is seen on a terminal, on a machine that has much else to do."""

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


def write(world: Monitored, name: str, statement: str) -> None:
    """Change a store by hand."""
    with sqlite3.connect(world.directory / name) as db:
        db.execute(statement)
    db.close()


def verdicts(outcome: Outcome) -> dict[tuple[str | None, str, str], tuple[str, str]]:
    """Verdict and cause of every finding, by replica, key and divergence."""
    return {
        (one["replica"], (one["key"] or {}).get("id", ""), one["divergence"]): (one["verdict"], one["cause"])
        for one in outcome.json["findings"]
    }


def test_a_tombstone_that_is_all_that_compaction_left_of_a_delete_is_one(world: Monitored) -> None:
    """Whoever holds the row still is found, also where the copy's own topic was compacted; whoever follows is not."""
    assert world.monitor().code == 0
    for key, copy, mirror in ((3, False, True), (4, True, False), (5, True, True)):
        world.delete(key, copy=copy, mirror=mirror)
        for feed in (world.owner, *((world.mirror,) if mirror else ())):
            del feed.records[-2]
    world.put(6, "paid", 60)
    outcome = world.monitor()
    assert (outcome.code, set(verdicts(outcome))) == (1, {("copy", "3", "orphan"), ("mirror", "4", "orphan")})
    world.put(3, "again", 30)
    told = {key: verdict for (_, key, _), (verdict, _) in verdicts(world.monitor()).items()}
    assert told == {"3": "healed", "4": "persistent"}


def test_copies_that_met_every_obligation_are_clean(world: Monitored) -> None:
    """Changes, deletes and a snapshot that all arrived: nothing is found, and everything owed was compared."""
    world.put(1, "paid", 10)
    world.put(21, "new", 210)
    world.delete(2)
    outcome = world.monitor()
    report = outcome.json
    assert (outcome.code, report["findings"], report["kind"]) == (0, [], "monitor"), outcome.err
    (entity,) = report["entities"]
    names = ("owner_rows", "replica_rows", "compared_rows")
    counted = {one["replica"]: tuple(one[name] for name in names) for one in entity["replicas"]}
    assert counted == dict.fromkeys(("copy", "mirror"), (20, 20, 20))
    assert entity["owner"]["rows"] == 20


def test_a_key_that_is_looked_at_again_counts_once_and_as_it_was_last(world: Monitored) -> None:
    """Drift is looked at several times; rows are distinct keys in every report."""
    world.put(1, "paid", 10, copy=False)
    world.delete(2, copy=False)
    world.put(21, "new", 210, copy=False)
    (entity,) = world.monitor().json["entities"]
    copy, mirror = entity["replicas"]
    assert (copy["owner_rows"], copy["replica_rows"], copy["compared_rows"], copy["persistent"]) == (20, 20, 21, 3)
    assert (mirror["owner_rows"], mirror["replica_rows"], mirror["compared_rows"]) == (20, 20, 20)
    assert (entity["owner"]["rows"], copy["coverage"]["followed"]["keys"]) == (20, 21)


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


def test_a_copy_in_a_table_with_a_feed_beside_it_is_explained_by_both(world: Monitored) -> None:
    """Its feed tells that it was further once, and that what it holds is none of the owner's versions.

    What the feed tells of later than the table was read is no such thing: it has orders 25 and 26 as they should be.
    No verdict of the nightly job needs it: where it cannot be read, the table is compared all the same.
    """
    path = world.directory / "contracts" / "order.yaml"
    beside = "dataset: read_model/orders, feed: {name: mirror, topic: mirror.orders}"
    text = path.read_text().replace("dataset: read_model/orders", beside)
    path.write_text(text.partition("  - {service: mirror")[0])
    for status in ("new", "paid", "packed"):
        world.put(24, status, 240, mirror=False)
    for status in ("new", "packed", "paid"):
        world.mirror.put(id=24, status=status, total=240)
    world.copy[24] = ("paid", 240)
    world.mirror.put(id=5, status="by hand", total=50)
    world.copy[5] = ("by hand", 50)
    world.put(6, "paid", 60)
    world.put(25, "new", 250)
    world.delete(25)
    world.put(25, "new", 251, copy=False)
    world.put(26, "new", 260)
    world.put(26, "paid", 260, copy=False)
    expected = {
        ("copy", "26", "mismatch"): ("persistent", "stale"),
        ("copy", "25", "missing"): ("persistent", "stale"),
        ("copy", "24", "mismatch"): ("persistent", "reordered"),
        ("copy", "5", "mismatch"): ("persistent", "phantom_write"),
    }
    assert verdicts(world.monitor()) == expected
    assert verdicts(world.audit("reconcile", "--format", "json")) == expected
    path.write_text(path.read_text().replace("mirror.orders", "mirror.lost"))
    alone = world.audit("reconcile", "--format", "json")
    assert {key: verdict for key, (verdict, _) in verdicts(alone).items()} == dict.fromkeys(expected, "persistent")


def test_a_copy_whose_feed_tells_that_it_wrote_a_deleted_row_again_has_it_resurrected(world: Monitored) -> None:
    """It deleted the row as its owner had; not one that missed a delete, nor one that replaces rows in two steps."""
    world.owner.put(id=6, status="paid", total=60)
    world.mirror.delete(id=6)
    world.mirror.put(id=6, status="paid", total=60)
    for key in (3, 4):
        world.owner.delete(id=key)
    for key in (3, 4):
        world.mirror.delete(id=key)
        world.mirror.put(id=key, status="new", total=key * 10)
    world.owner.put(id=4, status="new", total=40)  # which the mirror followed
    for key in (4, 5, 6):
        world.owner.delete(id=key)
    for key in (3, 4, 5, 6):
        del world.copy[key]
    expected = {
        ("mirror", "3", "orphan"): ("persistent", "resurrected"),
        ("mirror", "4", "orphan"): ("persistent", "missed_delete"),
        ("mirror", "5", "orphan"): ("persistent", "missed_delete"),
        ("mirror", "6", "orphan"): ("persistent", "missed_delete"),
    }
    assert verdicts(world.monitor()) == expected
    assert verdicts(world.audit("reconcile", "--format", "json")) == expected


def test_a_row_whose_key_changed_and_that_its_copies_have_under_the_old_one_is_one_fault_at_both_ends(
    world: Monitored,
) -> None:
    """Where only one end differs, it is that end's own fault."""
    for old, new in ((3, 33), (4, 44), (5, 55)):
        world.owner.rename({"id": old}, {"id": new})
    world.copy[44] = world.copy[4]
    del world.copy[5]
    for key in (3, 4, 5):
        world.mirror.delete(id=key)
        world.mirror.put(id=key + key * 10, status="new", total=key * 10)
    expected = {
        ("copy", "3", "orphan"): ("persistent", "key_changed"),
        ("copy", "33", "missing"): ("persistent", "key_changed"),
        ("copy", "4", "orphan"): ("persistent", "missed_delete"),
        ("copy", "55", "missing"): ("persistent", "never_arrived"),
    }
    assert verdicts(world.monitor()) == expected
    assert verdicts(world.audit("reconcile", "--format", "json")) == expected


def test_a_copy_that_is_known_by_its_feed_alone_is_named_where_one_row_is_shown(world: Monitored) -> None:
    world.save()
    shown = world.audit("entity", "order", "1", "--format", "json").json["replicas"]
    assert {one["replica"]: one["dataset"] for one in shown}["mirror"] == "mirror/mirror.orders (feed)"


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


def test_the_entity_command_knows_from_the_feed_that_a_change_is_on_its_way(world: Monitored) -> None:
    """A row without a time of its own: what its feed says of its latest change decides, a delete's, too."""
    path = world.directory / "contracts" / "order.yaml"
    path.write_text(path.read_text().replace("dataset: read_model/orders, lag_bound: 1s", "dataset: read_model/orders"))
    world.put(1, "paid", 10, copy=False)
    world.owner.started = time.time() - 60
    world.put(2, "paid", 20, copy=False)
    world.delete(3, copy=False)
    world.save()
    states = {}
    for key in ("1", "2", "3", "4"):
        found = world.audit("entity", "order", key, "--format", "json")
        states[key] = {one["replica"]: one["state"] for one in found.json["replicas"]}["copy"]
    assert states == {"1": "divergent", "2": "in_flight", "3": "in_flight", "4": "consistent"}


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
    assert outcome.json["not_followed"] == [{"entity": "stock", "why": "its owner has no feed"}]
    for form in ("terminal", "markdown", "html"):
        shown = world.audit("monitor", "--until-caught-up", "--quiet", "--format", form)
        assert (shown.code, "stock was not followed: its owner has no feed." in " ".join(shown.out.split())) == (
            0,
            True,
        )
    junit, lines = (
        world.audit("monitor", "--until-caught-up", "--quiet", "--format", form).out for form in ("junit", "csv")
    )
    assert '<skipped message="not followed: its owner has no feed"/>' in junit
    assert ",stock,,,,,not_compared," in lines
    both = world.audit("monitor", "--until-caught-up", "--format", "json", "order", "stock")
    assert (both.code, both.json["exit_reasons"]) == (2, ["incomplete"])


def test_what_the_nightly_job_has_found_is_looked_at_again(world: Monitored) -> None:
    """No stream tells of a write by hand: the ledger does, and the monitor tells it until it has gone."""
    assert world.monitor().code == 0
    world.copy[9] = ("by hand", 90)
    world.save()
    nightly = world.audit("reconcile", "--format", "json").json["findings"]
    found = world.monitor()
    assert (found.code, [one["id"] for one in found.json["findings"]]) == (1, [one["id"] for one in nightly])
    assert found.json["findings"][0]["first_seen"] == nightly[0]["first_seen"]
    again = world.monitor()
    assert (again.code, [one["id"] for one in again.json["findings"]]) == (1, [one["id"] for one in nightly])
    world.copy[9] = ("new", 90)
    healed = world.monitor()
    assert (healed.code, [one["verdict"] for one in healed.json["findings"]]) == (0, ["healed"])
    assert open_findings(world) == {}


def test_what_the_nightly_job_has_found_is_told_as_gone(world: Monitored) -> None:
    """Mended before the monitor ever saw it, by hand or by the owner's next change: once, and closed in the ledger."""
    assert world.monitor().code == 0
    world.copy[9] = world.copy[10] = ("by hand", 0)
    world.save()
    assert world.audit("reconcile").code == 1
    world.copy[9] = ("new", 90)
    world.put(10, "paid", 100)
    healed = world.monitor()
    assert (healed.code, verdicts(healed)) == (
        0,
        {("copy", key, "mismatch"): ("healed", "unknown") for key in ("9", "10")},
    )
    assert len(healed.json["findings"]) == 2
    assert open_findings(world) == {}


@pytest.mark.parametrize("key", ["{type: int}", "{type: int, sensitive: true}"])
def test_what_the_nightly_job_has_told_as_gone_is_not_told_again(world: Monitored, key: str) -> None:
    """The ledger keeps who closed it, and since when it was open; what comes back is told anew.

    Under a sensitive key it has other ids than the monitor: of the hashes that it shows.
    """
    contract = world.directory / "contracts" / "order.yaml"
    contract.write_text(CONTRACT.replace("id: {type: int}", f"id: {key}"))
    assert world.monitor().code == 0
    world.put(9, "paid", 90, copy=False)
    (found,) = world.monitor().json["findings"]
    world.copy[9] = ("paid", 90)
    world.save()
    assert world.audit("reconcile").code == 0
    (kept,) = world.audit("findings", "--format", "json").json["findings"]
    again = world.monitor()
    assert (again.code, again.json["findings"]) == (0, [])
    assert world.audit("findings", "--format", "json").json["findings"] == [kept]
    assert (kept["finding_id"] if "finding_id" in kept else kept["id"]) == found["id"]
    world.put(9, "sent", 90, copy=False)
    (anew,) = world.monitor().json["findings"]
    assert (anew["id"], anew["verdict"]) == (found["id"], "persistent")
    world.copy[9] = ("sent", 90)
    (healed,) = world.monitor().json["findings"]
    assert (healed["id"], healed["verdict"]) == (found["id"], "healed")


def test_a_change_that_puts_right_what_the_nightly_job_found_closes_it_under_a_sensitive_key(world: Monitored) -> None:
    """Its hash says nothing to a monitor that has not heard of the key; with the key's change it is known again."""
    contract = world.directory / "contracts" / "order.yaml"
    contract.write_text(CONTRACT.replace("id: {type: int}", "id: {type: int, sensitive: true}"))
    assert world.monitor().code == 0
    world.copy[10] = ("by hand", 0)
    world.save()
    (found,) = world.audit("reconcile", "--format", "json").json["findings"]
    world.put(10, "paid", 100)
    (healed,) = world.monitor().json["findings"]
    assert (healed["id"], healed["verdict"]) == (found["id"], "healed")
    assert open_findings(world) == {}


def test_a_monitor_that_goes_on_tells_what_the_nightly_job_has_found(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """It is judged by what the stream tells, and told once, as what it finds itself."""
    assert world.monitor().code == 0
    world.copy[9] = ("by hand", 90)
    world.save()
    nightly = world.audit("reconcile", "--format", "json").json["findings"]
    process = audit_process("monitor", "--format", "json")
    assert process.stdout is not None
    told = next(event for line in process.stdout if (event := json.loads(line))["event"] == "finding")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert (told["finding"]["id"], told["finding"]["verdict"]) == (nightly[0]["id"], "persistent")


def test_what_the_nightly_job_has_found_in_one_side_alone_is_looked_at_by_its_key(world: Monitored) -> None:
    """A key that stands twice in a copy, or in the owner, and a row that breaks its rule: told until they have gone."""
    rule = "invariants: [{name: total_is_positive, holds: total > 0}]\n"
    with (world.directory / "contracts" / "order.yaml").open("a") as contract:
        contract.write(rule)
    for name in ("orders.db", "copy.db"):
        write(world, name, "CREATE TABLE orders (id INTEGER, status TEXT, total INTEGER)")
    assert world.monitor().code == 0
    write(world, "copy.db", "INSERT INTO orders VALUES (7, 'new', 70), (7, 'new', 70)")
    write(world, "orders.db", "INSERT INTO orders VALUES (8, 'new', 80)")
    for name in ("orders.db", "copy.db"):
        write(world, name, "UPDATE orders SET total = -90 WHERE id = 9")
    nightly = world.audit("reconcile", "--format", "json").json
    found = {(one["replica"], one["key"]["id"], one["divergence"]) for one in nightly["findings"]}
    assert {("copy", "7", "duplicate"), (None, "8", "duplicate"), (None, "9", "invariant")} <= found
    for _ in range(2):
        told = world.audit("monitor", "--until-caught-up", "--format", "json")
        assert told.code == 1
        assert {one["id"] for one in told.json["findings"]} == {one["id"] for one in nightly["findings"]}
        assert {one["verdict"] for one in told.json["findings"]} == {"persistent"}
        coverage = told.json["entities"][0]["owner"]["coverage"]
        assert not [one for one in coverage["remarks"] if "of earlier runs" in one]
        (copy,) = (one for one in told.json["entities"][0]["replicas"] if one["replica"] == "copy")
        assert (copy["owner_rows"], copy["replica_rows"], copy["compared_rows"]) == (4, 5, 3)
    healed = world.monitor()
    assert (healed.code, {one["verdict"] for one in healed.json["findings"]}) == (0, {"healed"})
    assert open_findings(world) == {}


def test_a_rule_that_the_contract_has_no_more_is_not_told_as_kept(world: Monitored) -> None:
    """Nobody has looked whether its rows keep it now: that is counted, and the finding stays open."""
    contract = world.directory / "contracts" / "order.yaml"
    text = contract.read_text()
    contract.write_text(text + "invariants: [{name: total_is_small, holds: total < 100}]\n")
    world.save()
    found = world.audit("reconcile", "--format", "json")
    assert found.code == 1
    contract.write_text(text)
    told = world.monitor()
    assert (told.code, told.json["findings"]) == (0, [])
    remarks = told.json["entities"][0]["owner"]["coverage"]["remarks"]
    assert [one for one in remarks if one.startswith(f"{len(found.json['findings'])} open findings of earlier runs")]


def test_nothing_compared_is_not_called_consistent(world: Monitored) -> None:
    """Where nothing new was owed, every form says that, and none that the copies agree."""
    first = world.monitor().json["entities"][0]
    assert first["owner"]["coverage"]["followed"] == {"keys": 40}
    idle = world.monitor().json
    coverage = {one["replica"]: one["coverage"] for one in idle["entities"][0]["replicas"]}
    nothing = {"complete": True, "skipped": [], "followed": {"keys": 0}}
    assert coverage == {"copy": nothing, "mirror": nothing}
    for form in ("terminal", "markdown", "html"):
        shown = world.audit("monitor", "--until-caught-up", "--format", form)
        text = " ".join(shown.out.split())
        assert (shown.code, "othing new was owed, and nothing was compared." in text) == (0, True), text
        assert "agree" not in text
        assert "Consistent" not in text.partition("</style>")[2 if form == "html" else 0]
    junit = world.audit("monitor", "--until-caught-up", "--format", "junit").out
    assert junit.count('<skipped message="nothing new was owed, and nothing was compared"/>') == 3  # the owner, too
    lines = world.audit("monitor", "--until-caught-up", "--format", "csv").out.splitlines()[1:]
    assert [line.split(",")[2:8] for line in lines] == [
        ["order", name, "", "", "", "not_compared"] for name in ("copy", "mirror")
    ]


def test_a_copy_of_which_nothing_was_owed_is_not_said_to_agree(world: Monitored) -> None:
    """Beside another one that was compared."""
    world.monitor()
    (one,) = [world.owner.rows[key] for key in world.owner.rows if key == (1,)]
    world.mirror.put(**one)  # written again as it was: only the mirror is looked at
    outcome = world.monitor()
    assert [copy["coverage"]["followed"]["keys"] for copy in outcome.json["entities"][0]["replicas"]] == [0, 1]
    run = outcome.json["run_id"]
    for form in ("terminal", "markdown", "html"):
        text = " ".join(world.audit("report", run, "--format", form).out.split())
        assert "1 replica of 1 entity agrees with the owner" in text
        assert "Of order → copy, nothing new was owed, and nothing was compared." in text


def test_a_store_that_has_gone_is_said_though_nothing_is_owed(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """Each store is opened once, the copy's and the owner's, by a monitor that goes on, too."""
    assert world.monitor().code == 0
    for name, said in (("copy.db", "order at copy: "), ("orders.db", "order: ")):
        (world.directory / name).rename(world.directory / "away.db")
        gone = world.audit("monitor", "--until-caught-up", "--format", "json")
        assert (gone.code, gone.json["exit_reasons"]) == (2, ["unreadable"])
        assert [error.startswith(said) for error in gone.json["errors"]] == [True]
        process = audit_process("monitor", "--format", "json")
        assert process.stdout is not None
        told = next(event for line in process.stdout if (event := json.loads(line))["event"] == "trouble")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert told["what"] == ("order/copy" if name == "copy.db" else "order/owner")
        (world.directory / "away.db").rename(world.directory / name)


def test_a_key_that_could_not_be_read_is_undecided(world: Monitored) -> None:
    """A record that nobody understands: what the mirror holds of its key is not known."""
    world.mirror.poison(id=7)
    outcome = world.monitor()
    assert outcome.code == 2, outcome.err
    assert verdicts(outcome) == {("mirror", "7", "missing"): ("undecided", "unknown")}
    (finding,) = outcome.json["findings"]
    assert finding["evidence"]["note"].endswith("the first such record is mirror.orders/0@20: " + NO_JSON)
    assert f"could not be understood; the first is mirror.orders/0@20: {NO_JSON}" in outcome.err


@pytest.mark.parametrize("copied", [True, False])
def test_between_tables_a_record_that_nobody_understands_has_its_key_compared_all_the_same(
    world: Monitored, *, copied: bool
) -> None:
    """Its key tells which rows to look at, and the tables hold them; the record itself is a sign of trouble."""
    assert world.monitor().code == 0
    world.put(7, "paid", 71, copy=copied)
    world.owner.records[-1]["value"] = base64.b64encode(b"{").decode()
    outcome = world.monitor()
    assert "dead_letters" in {one["sign"] for one in outcome.json["signs"]}
    found = {} if copied else {("copy", "7", "mismatch"): ("persistent", "unknown")}
    by_table = {key: said for key, said in verdicts(outcome).items() if key[0] == "copy"}
    assert (by_table, outcome.code) == (found, 0 if copied else 1), outcome.err


def test_a_record_that_does_not_even_tell_its_key_is_named_with_its_place_and_why(world: Monitored) -> None:
    """No row can be named then, but the record can."""
    world.mirror.poison(id=7)
    world.mirror.records[-1]["key"] = world.mirror.records[-1]["value"]
    outcome = world.monitor()
    assert outcome.code == 2, outcome.err
    assert f"the first of these is mirror.orders/0@20: {NO_JSON}" in outcome.err
    (_, mirror) = outcome.json["entities"][0]["replicas"]
    assert any(NO_JSON in note for note in mirror["coverage"]["notes"])


def test_a_key_that_was_put_right_is_not_called_wrong_for_having_been_written_often(world: Monitored) -> None:
    """The sign speaks of keys that are wrong now: with the finding, it is gone."""
    world.put(1, "paid", 10, mirror=False)
    for status in ("sent", "new", "sent", "new"):
        world.mirror.put(id=1, status=status, total=10)
    first = world.monitor().json
    assert "reapplied" in {one["sign"] for one in first["signs"]}
    world.mirror.put(id=1, status="paid", total=10)
    second = world.monitor().json
    assert [(one["key"]["id"], one["verdict"]) for one in second["findings"]] == [("1", "healed")]
    assert "reapplied" not in {one["sign"] for one in second["signs"]}


def test_of_several_reasons_each_is_told_with_its_count_and_no_value(world: Monitored) -> None:
    """What is to be done about one of them mends nothing of the others; by the nightly job as by the monitor."""
    for value in (b"{", b'{ "s3cret', b"\xff", b"[s3cret", b"{"):
        world.mirror.poison(value, id=7)
        world.mirror.records[-1]["key"] = world.mirror.records[-1]["value"]
    outcome = world.monitor()
    (sign,) = (one for one in outcome.json["signs"] if one["sign"] == "dead_letters")
    assert sign["first"] == f"mirror.orders/0@20: {NO_JSON}"
    assert sum(one["records"] for one in sign["reasons"]) == sign["records"] == 5
    assert len({one["reason"] for one in sign["reasons"]}) == len(sign["reasons"]) >= 3
    assert (sign["reasons"][0], sign["more_reasons"]) == ({"reason": NO_JSON, "records": 2}, 0)
    nightly = world.audit("reconcile", "--format", "json", "--no-recheck")
    for one in (outcome, nightly):
        told = " ".join(note for note in one.json["entities"][0]["replicas"][1]["coverage"]["notes"])
        assert f"the first of these is mirror.orders/0@20: {NO_JSON}; by reason: {NO_JSON} (2 records); " in told
        assert all(each["reason"] in told for each in sign["reasons"])
        assert "s3cret" not in one.out + one.err


NO_JSON = "no JSON: expecting property name enclosed in double quotes at character 1"


def plant(world: Monitored) -> dict[tuple[str | None, str, str], tuple[str, str]]:
    """Much that arrives, and four things that do not; returns what is to be found."""
    for key in range(100, 1100):
        world.put(key, "new", key)
    for key in range(100, 1100, 3):
        world.put(key, "paid", key + 1)
    world.put(1, "paid", 10, copy=False)
    world.delete(2, mirror=False)
    world.put(101, "lost", 0, mirror=False)
    world.mirror.put(id=7, status="by hand", total=70)
    return {
        ("copy", "1", "mismatch"): ("persistent", "stale"),
        ("mirror", "2", "orphan"): ("persistent", "missed_delete"),
        ("mirror", "101", "mismatch"): ("persistent", "stale"),
        ("mirror", "7", "mismatch"): ("persistent", "phantom_write"),
    }


def open_findings(world: Monitored) -> dict[tuple[str | None, str, str], tuple[str, str]]:
    """What the ledger says is there."""
    return verdicts(world.audit("findings", "--open", "--format", "json"))


def state(directory: Path) -> list[object]:
    """What the monitor has kept: rows of both topics, what is owed, what drifts, and how far it has read."""
    kept: list[object] = []
    for name in ("shop", "mirror"):
        with duckdb.connect(str(directory / ".auditor" / "feeds" / "monitor" / f"{name}.duckdb")) as db:
            for sql in (
                "SELECT id, kind, part, off, c0, c1, c2 FROM head_1 ORDER BY id",
                "SELECT count(*) FROM versions_1",
                "SELECT count(*) FROM obligations",
                "SELECT entity, replica, key, divergence FROM drifting ORDER BY ALL",
                "SELECT topic, part, next_offset FROM offsets ORDER BY ALL",
            ):
                kept += db.execute(sql).fetchall()
    return kept


def test_a_monitor_goes_on_until_it_is_told_to_stop(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """Findings are events of one line; SIGTERM ends it after the round under way, with exit code 0."""
    expected = plant(world)
    world.save()
    process = audit_process("monitor", "--format", "json", "--metrics-port", "0")
    assert process.stdout is not None
    assert process.stderr is not None
    said = next(line for line in process.stderr if "Prometheus" in line)
    found: dict[object, object] = {}
    events, told = [], False
    for line in process.stdout:
        event = json.loads(line)
        events.append(event["event"])
        if event["event"] == "finding":
            one = event["finding"]
            found[one["replica"], one["key"]["id"], one["divergence"]] = one["verdict"], one["cause"]
        if len(found) == len(expected) and not told:
            with urllib.request.urlopen(said.partition(": ")[2].strip()) as answer:  # noqa: S310 - of our own
                figures = answer.read().decode()
            process.send_signal(signal.SIGTERM)
            told = True
    process.communicate(timeout=30)
    assert (process.returncode, found, events[0], events[-1]) == (0, expected, "started", "stopped")
    assert open_findings(world) == expected
    assert 'audit_findings_total{entity="order",replica="mirror",verdict="persistent"} 3\n' in figures
    assert 'audit_feed_lag_offsets{feed="shop",topic="shop.orders",partition="0"} 0\n' in figures
    assert "audit_up 1\n" in figures


def test_what_was_seen_since_the_last_minute_is_told_in_the_end(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """Signs of trouble are told every minute; a monitor that is stopped before is not silent about them."""
    for _ in range(3):
        world.mirror.put(id=5, status="by hand", total=50)
    world.save()
    process = audit_process("monitor", "--format", "json")
    assert process.stdout is not None
    events = (json.loads(line) for line in process.stdout)
    assert next(event for event in events if event["event"] == "finding")["finding"]["key"] == {"id": "5"}
    process.send_signal(signal.SIGTERM)
    (sign,) = [event for event in events if event["event"] == "sign" and event["sign"] == "reapplied"]
    process.communicate(timeout=30)
    assert (process.returncode, sign["records"], sign["keys"]) == (0, 4, 1)


def test_a_whole_second_that_a_database_tells_is_not_taken_for_its_beginning(world: Monitored) -> None:
    """MariaDB tells no fraction: a copy that deleted the row after its owner seems to have done so before."""
    world.owner.delete(id=3)
    world.mirror.delete(id=3)
    second = int(time.time()) - 300
    for feed, millis in ((world.owner, 500), (world.mirror, 0)):
        told = next(one for one in reversed(feed.records) if one["value"] is not None)
        value = json.loads(base64.b64decode(told["value"]))
        moment = second * 1000 + millis
        value["source"] |= {"ts_ms": moment, "ts_us": moment * 1000, "ts_ns": moment * 1_000_000}
        told["value"] = base64.b64encode(json.dumps(value).encode()).decode()
    world.mirror.put(id=3, status="new", total=30)
    del world.copy[3]
    assert verdicts(world.monitor()) == {("mirror", "3", "orphan"): ("persistent", "resurrected")}


def test_a_recording_that_grows_is_followed_as_a_topic_is(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """Whoever appends records, in a new partition too, is heard by a monitor that goes on; its lag is told."""
    world.save()
    process = audit_process("monitor", "--format", "json")
    assert process.stdout is not None
    events = (json.loads(line) for line in process.stdout)
    assert next(event for event in events if event["event"] == "progress")["records"] == {"mirror": 20, "shop": 20}
    world.put(3, "paid", 30, copy=False)
    world.put(4, "paid", 40, mirror=False)
    world.owner.records[-1] |= {"partition": 1, "offset": 0}
    with contextlib.closing(sqlite3.connect(world.directory / "orders.db")) as db, db:
        db.execute("UPDATE orders SET status = 'paid' WHERE id IN (3, 4)")
    with contextlib.closing(sqlite3.connect(world.directory / "copy.db")) as db, db:
        db.execute("UPDATE orders SET status = 'paid' WHERE id = 4")
    for name, feed in (("mirror", world.mirror), ("shop", world.owner)):
        with (world.directory / f"{name}.jsonl").open("a") as file:
            file.write("".join(f"{json.dumps(record)}\n" for record in feed.records[20:]))
    found: set[tuple[str, str, str]] = set()
    while len(found) < 2:
        event = next(events)
        if event["event"] == "finding":
            found.add((event["finding"]["replica"], event["finding"]["key"]["id"], event["finding"]["verdict"]))
        if event["event"] == "progress" and event["records"]["shop"] == 22:
            assert event["lag"]["shop/shop.orders/1"] == 0
    assert found == {("copy", "3", "persistent"), ("mirror", "4", "persistent")}
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_monitor_that_is_killed_again_and_again_finds_what_an_undisturbed_one_finds(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """Nothing is lost and nothing is there twice, at whatever moment the process dies."""
    expected = plant(world)
    world.save()
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    for _ in range(4):
        process = audit_process("monitor", "--format", "json")
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.6 + 3 * chance.random())
        process.kill()
        process.communicate()
    world.audit("monitor", "--until-caught-up", "--format", "json")
    killed = state(world.directory)
    assert open_findings(world) == expected, f"seed {seed}"
    shutil.rmtree(world.directory / ".auditor" / "feeds" / "monitor")
    (world.directory / "auditor.db").unlink()
    world.audit("monitor", "--until-caught-up", "--format", "json")
    assert open_findings(world) == expected
    assert state(world.directory) == killed, f"seed {seed}"


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_was_recorded_just_before_a_kill_is_told_when_it_has_gone(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]], *, goes_on: bool
) -> None:
    """The ledger has it, the monitor's own state has not: it is healed all the same, and stays open for nobody."""
    assert world.monitor().code == 0
    kept = world.directory / ".auditor"
    shutil.copytree(kept, world.directory / "kept")
    world.put(1, "paid", 10, copy=False)
    world.put(2, "paid", 20, mirror=False)
    assert len(world.monitor().json["findings"]) == 2
    shutil.rmtree(kept)
    shutil.copytree(world.directory / "kept", kept)
    world.copy[1] = ("paid", 10)
    world.mirror.put(id=2, status="paid", total=20)
    if goes_on:
        world.save()
        process = audit_process("monitor", "--format", "json")
        assert process.stdout is not None
        events = (json.loads(line) for line in process.stdout)
        healed = (one["finding"]["verdict"] for one in events if one["event"] == "finding")
        assert [next(healed), next(healed)] == ["healed", "healed"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    else:
        assert {verdict for verdict, _ in verdicts(world.monitor()).values()} == {"healed"}
    assert open_findings(world) == {}


def test_a_second_monitor_is_refused_and_moves_nothing(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """One message, exit code 2."""
    world.save()
    first = audit_process("monitor", "--format", "json")
    assert first.stdout is not None
    assert json.loads(first.stdout.readline())["event"] == "started"
    second = audit_process("monitor", "--until-caught-up")
    out, err = second.communicate(timeout=30)
    assert (second.returncode, out) == (2, "")
    assert "another monitor holds its state" in err
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)
    assert first.returncode == 0


@pytest.mark.parametrize("lost", [1, 4096, 100_000])
def test_a_state_that_lost_its_end_is_told_as_a_damaged_file(world: Monitored, lost: int) -> None:
    """More memory would not help, nor more disk: it says which file to move away."""
    assert world.monitor().code == 0
    path = next((world.directory / ".auditor" / "feeds" / "monitor").glob("shop.duckdb"))
    os.truncate(path, path.stat().st_size - lost)
    outcome = world.audit("monitor", "--until-caught-up")
    assert (outcome.code, "room" in outcome.err) == (2, False), outcome.err
    assert str(path) in outcome.err
    assert "move " in outcome.err


def test_a_state_of_a_newer_version_is_refused_and_left_as_it_is(world: Monitored) -> None:
    """Who knows what it says: one message, exit code 2, nothing written."""
    world.monitor()
    path = world.directory / ".auditor" / "feeds" / "monitor" / "shop.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute("UPDATE state SET schema_version = 99")
    before = path.read_bytes()
    outcome = world.monitor()
    assert (outcome.code, outcome.out) == (2, "")
    assert "it has version 99" in outcome.err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("topic: shop.orders", "topic: shop.order", "has no record of the topic shop.order"),
        ("feed: {name: shop,", "feed: {name: shopp,", "shopp"),
    ],
)
def test_a_topic_or_feed_that_is_not_there_is_one_message(world: Monitored, old: str, new: str, told: str) -> None:
    """Nothing is monitored then: exit code 2."""
    (world.directory / "contracts" / "order.yaml").write_text(CONTRACT.replace(old, new))
    outcome = world.monitor()
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert told in outcome.err


def test_what_cannot_be_shared_by_members_is_named_before_anything_is_read(world: Monitored) -> None:
    """A mirror that is followed, and a recording: who sees some partitions only could not judge them."""
    outcome = world.monitor("--member", "a")
    assert (outcome.code, outcome.out) == (2, "")
    assert "order at mirror has a feed of its own; the feed shop of order is recorded" in outcome.err
    (world.directory / "contracts" / "order.yaml").write_text(CONTRACT.replace("dataset: orders_db/orders, ", ""))
    assert "order has an owner that is known by its feed alone" in world.monitor("--member", "a").err
    assert "is no name of a member" in world.monitor("--member", "../a").err
    assert not (world.directory / ".auditor" / "feeds").exists()


def test_how_soon_changes_arrive_is_told_in_shares_and_kept_in_the_ledger(world: Monitored) -> None:
    """A mirror that is 30 s behind, and one change that it lost: what its feed tells, and nothing of the other copy."""
    world.mirror.started = world.owner.started + 30
    for key in range(30, 40):
        world.put(key, "new", key)
    world.put(40, "new", 1, mirror=False)
    outcome = world.monitor()
    assert outcome.code == 1, outcome.err
    told = {one["replica"]: one for one in outcome.json["consistency"]}
    assert told["copy"]["measured"] == "looks"
    assert told["copy"]["windows"]["24h"]["changes"] == 0
    assert told["mirror"]["windows"]["24h"] == {
        "changes": 11, "within": {"1s": 0.0, "10s": 0.0, "1m": 10 / 11, "5m": 10 / 11, "1h": 10 / 11},
    }  # fmt: skip
    with sqlite3.connect(world.directory / "auditor.db") as db:
        (row,) = db.execute("SELECT sum(changes), sum(within_1m), sum(within_1s) FROM arrivals").fetchall()
    db.close()
    assert row == (11, 10, 0)
    said = outcome.err[outcome.err.index("order at mirror: of 11 changes within 24h") :].splitlines()
    assert max(map(len, said)) <= 80
    assert "0% in 1s, 0% in 10s, 90.909% in 1m, 90.909% in 5m" in " ".join(map(str.strip, said))


@pytest.mark.parametrize("again", ["type", "state"])
def test_a_change_is_counted_once_however_often_its_topic_is_read(world: Monitored, again: str) -> None:
    """What was lost counts as late for ever, though a topic that is read again finds it repaired."""
    world.mirror.started = world.owner.started + 30
    for key in range(30, 40):
        world.put(key, "new", key)
    world.put(40, "new", 1, mirror=False)
    assert world.monitor().code == 1
    world.mirror.put(id=40, status="new", total=1)
    assert world.monitor().code == 0
    if again == "type":
        contract = world.directory / "contracts" / "order.yaml"
        contract.write_text(contract.read_text().replace("total: {type: int}", 'total: {type: "decimal(9,0)"}'))
    else:
        shutil.rmtree(world.directory / ".auditor" / "feeds")
    assert world.monitor().code == 0
    with contextlib.closing(sqlite3.connect(world.directory / "auditor.db")) as db:
        (row,) = db.execute("SELECT sum(changes), sum(within_1m) FROM arrivals WHERE replica = 'mirror'").fetchall()
    assert row == (11, 10)


def test_what_looks_cannot_see_so_finely_is_not_known_and_never_none_at_all(world: Monitored) -> None:
    """The copy is right: the first look at it comes when its lag bound of a second is over, and sees it so."""
    world.owner.started = time.time() - 10
    for key in range(30, 40):
        world.put(key, "new", key, mirror=False)
    outcome = world.monitor()
    (told,) = (one["windows"]["24h"] for one in outcome.json["consistency"] if one["replica"] == "copy")
    assert (told["changes"], told["within"]["1s"], told["within"]["1m"], told["within"]["1h"]) == (10, None, 1.0, 1.0)
    assert "100% in 1m, 100% in 5m, 100% in 1h, not known in 1s" in " ".join(outcome.err.split())
    with sqlite3.connect(world.directory / "auditor.db") as db:
        rows = db.execute("SELECT within_1s, within_1m FROM arrivals WHERE replica = 'copy'").fetchall()
    db.close()
    assert {one for one, _ in rows} == {None}
    assert sum(one for _, one in rows) == 10


def test_a_column_that_a_feed_does_not_tell_of_all_rows_is_named_once_with_what_helps(world: Monitored) -> None:
    """By the monitor as by the nightly job; what is undecided for it says so once, and not twice."""
    for one in (world.mirror, world.owner):
        one.put(id=1, status="new", total=10, note="n")
    world.save()
    with sqlite3.connect(world.directory / "orders.db") as db:
        db.execute("ALTER TABLE orders ADD COLUMN note TEXT")
        db.execute("UPDATE orders SET note = CASE id WHEN 1 THEN 'n' END")
    db.close()
    contract = CONTRACT.replace("  total: {type: int}\n", "  total: {type: int}\n  note: {type: text}\n")
    contract = contract.replace("orders, lag_bound", "orders, fields: [status, total], lag_bound")
    (world.directory / "contracts" / "order.yaml").write_text(contract)
    said = (
        "mirror: its feed does not tell note of 19 of 20 rows (no change that is remembered has told it): differences "
        "in it are undecided, until they are written again or a new snapshot of the connector tells note"
    )
    for command in (("reconcile",), ("monitor", "--until-caught-up")):
        outcome = world.audit(*command, "--format", "json")
        assert outcome.json["entities"][0]["owner"]["coverage"]["remarks"].count(said) == 1, command
        for form, count in (("terminal", 1), ("csv", 19)):
            shown = " ".join(world.audit("report", "--format", form, "--limit-findings", "1").out.split())
            assert shown.count("the feed does not tell what one side holds") == count


def test_a_column_that_no_record_has_is_an_error_whichever_process_has_read_them(world: Monitored) -> None:
    """Another monitor finds the rows in what is kept: they lack the column as much as before, and all say so."""
    contract = CONTRACT.replace("  total: {type: int}\n", "  total: {type: int}\n  totl: {type: int}\n")
    contract = contract.replace("orders, lag_bound", "orders, fields: [status, total], lag_bound")
    contract = contract.replace("mirror.orders}, lag", "mirror.orders}, fields: {totl: totl}, lag")
    (world.directory / "contracts" / "order.yaml").write_text(contract)
    world.save()
    with sqlite3.connect(world.directory / "orders.db") as db:
        db.execute("ALTER TABLE orders ADD COLUMN totl INTEGER")
    db.close()
    for hint in ("did you mean 'total'? correct the name in the contract", "correct the name in the contract"):
        outcome = world.audit("monitor", "--until-caught-up", "--format", "json")
        assert (outcome.code, outcome.json["exit_reasons"], outcome.json["findings"]) == (2, ["unreadable"], [])
        (error,) = outcome.json["errors"]
        assert "no record has a column 'totl'" in error
        assert hint in error


def test_a_key_that_was_looked_at_several_times_is_one_key(world: Monitored) -> None:
    """What the nightly job has found is looked at because it is known, and because its change is owed."""
    world.put(1, "paid", 10, copy=False)
    world.save()
    assert world.audit("reconcile").code == 1
    (copy, mirror) = world.monitor().json["entities"][0]["replicas"]
    assert (copy["coverage"]["followed"], mirror["coverage"]["followed"]) == ({"keys": 20}, {"keys": 20})


def test_loops_that_hide_wrong_data_are_named_with_their_counts(world: Monitored) -> None:
    """Equal content written again, to and fro, a connector that went back, and what nobody can read."""
    for status in ("paid", "new", "paid", "new"):
        world.put(1, status, 10)
    for _ in range(3):
        world.mirror.put(id=2, status="new", total=20)
    world.owner.again(2)
    world.mirror.poison(id=3)
    signs = {(one["sign"], one["feed"]): (one["records"], one["keys"]) for one in world.monitor().json["signs"]}
    assert signs == {
        ("flip_flop", "shop"): (1, 1),
        ("flip_flop", "mirror"): (1, 1),
        ("rewritten_equal", "mirror"): (3, 1),
        ("restarted_connector", "shop"): (2, 1),
        ("dead_letters", "mirror"): (1, 1),
    }


def test_a_key_that_is_written_again_and_again_and_stays_wrong_is_a_sign(world: Monitored) -> None:
    """Each retry looks like work that is being done."""
    for _ in range(3):
        world.mirror.put(id=5, status="by hand", total=50)
    outcome = world.monitor()
    assert outcome.code == 1, outcome.err
    signs = {one["sign"]: (one["records"], one["keys"]) for one in outcome.json["signs"]}
    assert signs["reapplied"] == (4, 1)


def anew(world: Monitored, *, snapshot: bool) -> None:
    """The owner's topic is made anew, and holds the rows as they are now, or only what changes from now on."""
    world.save()
    before, world.owner = world.owner, ChangeFeed("shop.orders", started=time.time() - 600)
    rows = list(before.rows.values())
    if snapshot:
        world.owner.snapshot(rows)
    else:
        world.owner.rows = before.rows
        for row in rows:
            world.owner.put(**row)


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_topic_that_was_made_anew_is_trouble_until_a_snapshot_tells_every_row(
    world: Monitored, *, snapshot: bool
) -> None:
    """All that the copies hold is right, and yet what the old topic told is lost: exit code 2, named with the topic."""
    assert world.monitor().code == 0
    anew(world, snapshot=snapshot)
    outcome = world.monitor()
    report = outcome.json
    assert (outcome.code, report["exit_reasons"], report["findings"]) == (2, ["incomplete"], []), outcome.err
    coverage = report["entities"][0]["replicas"][0]["coverage"]
    assert coverage["complete"] is False
    assert any("shop/shop.orders" in note and "made anew or cut off" in note for note in coverage["notes"])
    assert world.monitor().code == (0 if snapshot else 2), "it was told anew, or it was not"


def undated(world: Monitored) -> ChangeFeed:
    """The contract has a time that is told as a mere number, and no setting says of which unit; 20 rows are there."""
    contract = CONTRACT.replace("  total: {type: int}", "  total: {type: timestamp}")
    contract = contract.replace("dataset: orders_db/orders, ", "").replace(
        contract[contract.index("  - {service: mir") :], ""
    )
    (world.directory / "contracts" / "order.yaml").write_text(contract)
    feed = ChangeFeed("shop.orders")
    feed.snapshot([{"id": key, "status": "new", "total": 1_700_000_000_000_000 + key * 1_000_000} for key in range(20)])
    with contextlib.closing(sqlite3.connect(world.directory / "copy.db")) as db, db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, total TEXT)")
        moments = [(key, "new", f"2023-11-14T22:13:{20 + key}Z") for key in range(20)]
        db.executemany("INSERT INTO orders VALUES (?, ?, ?)", moments)
    feed.save(world.directory / "shop.jsonl")
    return feed


TOLD = "{type: recorded, path: shop.jsonl, schemaless: {time: adaptive, columns: {shop.orders: {total: timestamp(6)}}}}"
AGAIN = "was read before the feed's settings that say how records are read were changed"


def test_a_setting_that_is_put_right_has_its_topic_read_again(world: Monitored) -> None:
    """Else what was read with the wrong one would stay wrong for ever; nothing is read twice for any other reason."""
    undated(world)
    caught_up = ("monitor", "--until-caught-up", "--format", "json")
    wrong = world.audit(*caught_up)
    assert wrong.code == 2, wrong.err
    settings = world.directory / "auditor.yaml"
    settings.write_text(settings.read_text().replace("{type: recorded, path: shop.jsonl}", TOLD))
    outcome = world.audit(*caught_up)
    assert outcome.code == 0, outcome.err
    assert f"shop.orders {AGAIN}; it is read again from its beginning" in outcome.err
    assert AGAIN not in world.audit(*caught_up).err


def test_what_cannot_be_read_again_stays_and_is_told_each_time(world: Monitored) -> None:
    """The topic no longer has its first records: what was read of them is kept, as it was understood then."""
    feed = undated(world)
    caught_up = ("monitor", "--until-caught-up", "--format", "json")
    world.audit(*caught_up)
    del feed.records[:5]
    feed.save(world.directory / "shop.jsonl")
    settings = world.directory / "auditor.yaml"
    settings.write_text(settings.read_text().replace("{type: recorded, path: shop.jsonl}", TOLD))
    for _ in range(2):
        outcome = world.audit(*caught_up)
        assert outcome.code == 2, outcome.err
        assert f"{AGAIN}; it lacks its beginning now, so what was read before stays as it was" in outcome.err


def test_a_topic_whose_end_was_cut_off_is_trouble(world: Monitored) -> None:
    """A leader that lacked the last records: what was read of them is not what the topic says."""
    world.put(1, "paid", 10)
    assert world.monitor().code == 0
    del world.owner.records[-1]
    outcome = world.monitor()
    assert (outcome.code, outcome.json["exit_reasons"][-1]) == (2, "incomplete"), outcome.err


def test_records_that_were_removed_unread_are_trouble_until_a_snapshot_has_told_every_row(world: Monitored) -> None:
    """The topic keeps records for less long than the monitor was away: exit code 2, with the offsets."""
    assert world.monitor().code == 0
    for key in range(1, 4):
        world.put(key, "paid", key)
    unread = world.owner.records[20:]
    world.owner.records = unread[1:]
    outcome = world.monitor()
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["incomplete"]), outcome.err
    (note, *_) = outcome.json["entities"][0]["replicas"][0]["coverage"]["notes"]
    assert "records were removed before they were read (offsets 20 to 20)" in note
    assert world.monitor().code == 2, "nobody has told since"
    world.owner.started = time.time()  # a snapshot that began after that
    world.owner.snapshot(list(world.owner.rows.values()))
    assert world.monitor().code == 0


def test_what_a_copys_feed_lost_is_said_of_the_copy_and_not_of_its_owner(world: Monitored) -> None:
    """Nor of another copy: what it was compared with is known whole."""
    assert world.monitor().code == 0
    for key in (1, 2, 3):
        world.put(key, "paid", key)
    unread = world.mirror.records[20:]
    world.mirror.records = unread[1:]
    outcome = world.monitor()
    assert outcome.code == 2
    assert "incomplete" in outcome.json["exit_reasons"], outcome.err
    (entity,) = outcome.json["entities"]
    copy, mirror = (one["coverage"] for one in entity["replicas"])
    assert (entity["owner"]["coverage"]["complete"], copy["complete"], mirror["complete"]) == (True, True, False)
    assert "notes" not in entity["owner"]["coverage"]
    assert any("mirror/mirror.orders: records of the feed were lost" in note for note in mirror["notes"])


@pytest.mark.parametrize("lost", ["owner", "mirror"])
def test_what_is_undecided_for_a_loss_names_the_side_that_lost_it(world: Monitored, lost: str) -> None:
    """In a nightly run, too; a snapshot of which only the end was read tells no more than what was read."""
    feeds = "feed: {name: shop, topic: shop.orders}"
    contract = CONTRACT.replace(f"dataset: orders_db/orders, {feeds}", feeds)
    (world.directory / "contracts" / "order.yaml").write_text(contract)
    world.owner.put(id=30, status="new", total=1)
    world.mirror.put(id=31, status="new", total=1)
    changed = world.owner if lost == "owner" else world.mirror
    changed.records = changed.records[1:]
    world.save()
    outcome = world.audit("reconcile", "--replica", "mirror", "--recheck-after", "0s", "--format", "json")
    notes = {one["key"]["id"]: one["evidence"]["note"] for one in outcome.json["findings"]}
    whose = "the owner" if lost == "owner" else "mirror"
    assert {"30", "31"} <= notes.keys()
    for key in ("30", "31"):
        assert notes[key].startswith(
            f"by its feed, not every row of {whose} is known: {changed.topic} was read from"
        ), notes


def test_a_monitor_that_goes_on_tells_what_it_does_not_know(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """A topic that was made anew is an event of its own, with its place."""
    assert world.monitor().code == 0
    anew(world, snapshot=False)
    world.save()
    process = audit_process("monitor", "--format", "json")
    assert process.stdout is not None
    events = (json.loads(line) for line in process.stdout)
    told = next(event for event in events if event["event"] == "incomplete")
    assert (told["entity"], told["replica"], told["feed"], told["topic"]) == ("order", None, "shop", "shop.orders")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_the_terminal_shows_progress_below_what_was_found(
    world: Monitored, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """On a terminal of 80 columns: findings stay, and are not mixed up with the table that is drawn anew below them."""
    plant(world)
    world.save()
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be made here: {error}")
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = audit_process("monitor", stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    shown, end = b"", time.monotonic() + SHOWN_SECONDS
    while not (b"mirror, id 101" in shown and b"drift" in shown.partition(b"id 101")[2]):
        ready, _, _ = select.select([ours], [], [], max(end - time.monotonic(), 0))
        assert ready, shown
        shown += os.read(ours, 65536)
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(OSError):  # the terminal's end
        while some := os.read(ours, 65536):
            shown += some
    os.close(ours)
    assert process.wait(30) == 0
    text = shown.decode()
    for part in ("records", "2,714", "nothing, in 2 partitions", "order/copy", "suspects", "told since it was started"):
        assert part in text
    assert not re.search(r"[^\x1b\r\n]persistent: .*\x1b\[2K", text), "a finding is never taken away again"


OUTBOX = """\
entity: outbox_order
version: 1
team: t
owner: {service: orders, dataset: orders_db/outbox, feed: {name: outbox, topic: pg-outbox-json.Order}}
key: [number]
fields: {number: {type: text}, tenant: {type: text}}
replicas: [{service: copy, dataset: read_model/outbox, lag_bound: 1s}]
"""


def test_outbox_events_that_come_again_are_a_sign_and_so_is_what_others_put_away(world: Monitored) -> None:
    """Records of a real outbox connector, sent again as after its crash; and a topic of dead letters that grows."""
    records = [json.loads(line) for line in (SETS / "pg-outbox-json" / "records.jsonl").read_text().splitlines()]
    (event,) = (record for record in records if record["topic"] == "pg-outbox-json.Order")
    letters = [{**event, "topic": "copy.dead", "offset": offset} for offset in (3, 4, 5)]
    again = [{**event, "offset": offset} for offset in range(3)]
    path = world.directory / "outbox.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in (*again, *letters)))
    settings = "  outbox: {type: recorded, path: outbox.jsonl, dead_letter_topics: [copy.dead, not.there]}\n"
    (world.directory / "auditor.yaml").write_text(SETTINGS + settings)
    (world.directory / "contracts" / "outbox.yaml").write_text(OUTBOX)
    world.save()
    for name in ("orders.db", "copy.db"):
        with contextlib.closing(sqlite3.connect(world.directory / name)) as db, db:
            db.execute("CREATE TABLE outbox (number TEXT, tenant TEXT)")
            db.execute("INSERT INTO outbox VALUES ('o-1', 't1')")
    outcome = world.monitor("outbox_order")
    assert (outcome.code, outcome.json["findings"]) == (0, []), outcome.err
    assert outcome.json["entities"][0]["replicas"][0]["compared_rows"] == 1, "its key is a bare text"
    signs = {(one["sign"], one["topic"]): (one["records"], one["keys"]) for one in outcome.json["signs"]}
    assert signs == {
        ("duplicate_events", "pg-outbox-json.Order"): (2, 1),
        ("dead_letter_topic", "copy.dead"): (3, None),
    }
    for form in ("terminal", "markdown", "html"):
        told = " ".join(world.audit("report", "--format", form).out.split())
        for part in ("outbox events that came again", "2 records, 1 key", "3 records", "put away"):
            assert part in told, form


def test_an_entity_without_a_replica_is_named_as_not_followed(world: Monitored) -> None:
    """Nothing is owed for it, so no key of it would be looked at: a rule that its rows break is not found here."""
    text = CONTRACT.partition("replicas:")[0].replace("order\n", "price\n", 1)
    text = re.sub("owner: .*", "owner: {service: mirror, feed: {name: mirror, topic: mirror.orders}}", text)
    rule = "invariants:\n  - {name: cheap, holds: total < 100}\n"
    (world.directory / "contracts" / "price.yaml").write_text(text + rule)
    outcome = world.monitor("--quiet")
    assert (outcome.code, [one["entity"] for one in outcome.json["entities"]]) == (0, ["order"])
    assert outcome.json["not_followed"] == [{"entity": "price", "why": "it has no replica"}]
    both = world.audit("monitor", "--until-caught-up", "--format", "json", "order", "price")
    assert (both.code, both.json["exit_reasons"]) == (2, ["incomplete"])
    alone = world.audit("monitor", "--until-caught-up", "price")
    assert (alone.code, alone.out) == (2, "")
    assert "nothing can be followed (price: it has no replica)" in alone.err
    assert world.audit("reconcile", "price").code == 1


def test_a_copy_behind_a_column_that_was_added_is_stale_by_what_came_since(world: Monitored) -> None:
    """The first versions of the row do not tell the column; those that do say which one the copy holds."""
    world.owner.put(id=30, status="new")
    for total in (1, 2):
        world.owner.put(id=30, status="new", total=total)
    world.mirror.put(id=30, status="new", total=2)
    world.copy[30] = ("new", 1)
    world.save()
    (found,) = world.audit("reconcile", "--format", "json").json["findings"]
    assert (found["verdict"], found["cause"]) == ("persistent", "stale")
    reflected, lacking = found["evidence"]["changes"]
    assert (reflected["replica"], lacking["replica"]) == ("reflects", "lacks")
    assert int(lacking["offset"]) == int(reflected["offset"]) + 1
