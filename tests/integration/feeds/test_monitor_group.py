"""Monitors that share a topic as one consumer group: each key is judged by one of them, whoever comes, goes or dies."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kafka.admin import MemberToRemove

from tests.services.deadline import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.services import Kafka

PROGRAM = Path(sys.executable).with_name("audit")
PARTITIONS = 6
ROWS = 60
_SECONDS = 150.0
DEFAULT_SILENCE = 45.0

CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: orders, dataset: orders_db/orders, feed: {{name: shop, topic: {topic}}}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
replicas:
  - {{service: copy, dataset: read_model/orders, lag_bound: 1s}}
"""


@dataclass
class Shop:
    """An owner with its topic, and a copy; monitors are started below its directory."""

    directory: Path
    kafka: Kafka
    topic: str
    partitions: int = PARTITIONS
    lsn: int = 1000
    monitors: list[Member] = field(default_factory=list)

    def write(self, changes: Iterable[tuple[int, str]], *, copy: bool = True) -> None:
        """The owner changes rows, and tells it; the copy follows, or does not."""
        some = list(changes)
        for name in ("orders.db", "copy.db") if copy else ("orders.db",):
            with closing(sqlite3.connect(self.directory / name, timeout=30)) as db, db:
                db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, status TEXT)")
                db.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", some)
        with closing(self.kafka.producer()) as producer:
            for key, status in some:
                self.lsn += 8
                source = {"connector": "postgresql", "name": "shop", "schema": "public", "table": "orders",
                          "lsn": self.lsn, "txId": self.lsn, "ts_ms": 1_770_000_000_000, "snapshot": "false",
                          "sequence": json.dumps([None, str(self.lsn)])}  # fmt: skip
                value = {"before": None, "after": {"id": key, "status": status}, "source": source, "op": "u"}
                told = json.dumps({"id": key}).encode(), json.dumps(value).encode()
                producer.send(self.topic, key=told[0], value=told[1], partition=key % self.partitions)
            producer.flush()

    def truncate(self) -> None:
        """The owner empties its table, and tells it in one partition; the copy keeps all of it."""
        with closing(sqlite3.connect(self.directory / "orders.db", timeout=30)) as db, db:
            db.execute("DELETE FROM orders")
        self.lsn += 8
        source = {"connector": "postgresql", "name": "shop", "schema": "public", "table": "orders", "lsn": self.lsn,
                  "txId": self.lsn, "ts_ms": 1_770_000_000_000, "snapshot": "false",
                  "sequence": json.dumps([None, str(self.lsn)])}  # fmt: skip
        value = json.dumps({"before": None, "after": None, "source": source, "op": "t"}).encode()
        with closing(self.kafka.producer()) as producer:
            producer.send(self.topic, key=None, value=value, partition=0)
            producer.flush()

    def start(self, name: str) -> Member:
        """Start a member that goes on."""
        self.monitors.append(Member(name, self.directory))
        return self.monitors[-1]

    def dismiss(self, name: str) -> None:
        """Tell the group that a member does not come back: by itself, it waits for it for 45 seconds."""
        with closing(self.kafka.admin()) as admin:
            admin.remove_group_members(f"group-{self.topic}", [MemberToRemove(group_instance_id=name)])

    def spoil(self, changes: Iterable[tuple[int, str | None]]) -> None:
        """Somebody writes into the copy by hand, or deletes there; no feed tells of it."""
        with closing(sqlite3.connect(self.directory / "copy.db", timeout=30)) as db, db:
            for key, status in changes:
                db.execute("DELETE FROM orders WHERE id = ?", [key])
                if status is not None:
                    db.execute("INSERT INTO orders VALUES (?, ?)", [key, status])

    def reconcile(self) -> int:
        """The nightly job; returns its exit code."""
        command = [str(PROGRAM), "reconcile", "--recheck-after", "0s", "--quiet"]
        return subprocess.run(command, cwd=self.directory, check=False, capture_output=True).returncode

    def catch_up(self, *names: str) -> dict[str, tuple[int, dict[str, Any]]]:
        """Members side by side, until each has caught up: their exit codes and reports."""
        started = {
            name: subprocess.Popen(
                [PROGRAM, "monitor", "--until-caught-up", "--format", "json", "--member", name],
                cwd=self.directory, env={**os.environ, "PYTHONWARNINGS": ""}, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )
            for name in names
        }  # fmt: skip
        told = {name: process.communicate(timeout=2 * _SECONDS)[0] for name, process in started.items()}
        return {name: (process.returncode, json.loads(told[name])) for name, process in started.items()}

    def open_findings(self) -> set[tuple[str, str]]:
        """What the ledger says is there: keys and divergences."""
        told = subprocess.run(
            [PROGRAM, "findings", "--open", "--format", "json"], cwd=self.directory, check=False, capture_output=True
        )
        return {(one["key"]["id"], one["divergence"]) for one in json.loads(told.stdout or "{}")["findings"]}


class Member:
    """A monitor at work, whose events are read as they come."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.events: list[dict[str, Any]] = []
        with (directory / f"{name}.err").open("a") as told:  # kept with the directory of a test that fails
            self.process = subprocess.Popen(
                [PROGRAM, "monitor", "--format", "json", "--member", name],
                cwd=directory, env={**os.environ, "PYTHONWARNINGS": ""}, stdout=subprocess.PIPE, stderr=told, text=True,
            )  # fmt: skip
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    @property
    def partitions(self) -> list[str]:
        """What is its own, by what it said last."""
        return next((e["partitions"] for e in reversed(self.events) if e["event"] == "assigned"), [])

    @property
    def is_idle(self) -> bool:
        """It has read everything, and nothing is owed or suspected."""
        told = next((e for e in reversed(self.events) if e["event"] == "progress"), None)
        return told is not None and not any((*told["lag"].values(), *told["open"].values(), told["suspects"]))

    def findings(self) -> list[tuple[str, str, str]]:
        """What it told: keys, divergences and verdicts."""
        found = [e["finding"] for e in self.events if e["event"] == "finding"]
        return [(one["key"]["id"], one["divergence"], one["verdict"]) for one in found]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait until it has ended by itself; returns its exit code."""
        self.process.wait(_SECONDS)
        self._thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.returncode


@pytest.fixture
def shop(tmp_path: Path, kafka: Kafka) -> Iterator[Shop]:
    topic = kafka.fresh_topic("orders", PARTITIONS)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT.format(topic=topic))
    (tmp_path / "auditor.yaml").write_text(
        "version: 1\ncontracts: contracts\nconnections:\n"
        '  orders_db: {url: "sqlite:///orders.db"}\n  read_model: {url: "sqlite:///copy.db"}\n'
        f'feeds:\n  shop: {{type: kafka, bootstrap_servers: ["{kafka.url}"], group_id: "group-{topic}"}}\n'
    )
    made = Shop(tmp_path, kafka, topic)
    made.write((key, "new") for key in range(1, ROWS + 1))
    yield made
    for member in made.monitors:
        if member.process.returncode is None:
            member.stop(signal.SIGKILL)


def until(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, seconds=_SECONDS, what=what)


def shared(*members: Member) -> Callable[[], bool]:
    """Every partition is somebody's, and nobody has another's."""

    def done() -> bool:
        each = [set(member.partitions) for member in members]
        return sum(map(len, each)) == len(set().union(*each)) == PARTITIONS and all(each)

    return done


def test_each_key_is_judged_by_one_member_whoever_comes_and_dies(shop: Shop) -> None:
    """One that comes back goes on with its own; what one that is gone had found is told as healed by its heir."""
    first = shop.start("a")
    until(shared(first), "the first to have everything")
    shop.write([(1, "lost")], copy=False)
    until(lambda: ("1", "mismatch", "persistent") in first.findings(), "what the copy lacks")
    second = shop.start("b")
    until(shared(first, second), "both to have their share")
    until(lambda: first.is_idle and second.is_idle, "both to be done")
    shop.write([(key, "lost") for key in range(2, 14)], copy=False)
    expected = {(str(key), "mismatch") for key in range(1, 14)}
    until(lambda: shop.open_findings() == expected, "all that is lost")
    assert not set(first.findings()) & {one for one in second.findings() if one[0] != "1"}
    assert set(second.partitions) == {
        f"{shop.topic}/{int(key) % PARTITIONS}" for key, _, _ in second.findings() if key != "1"
    }
    assert second.stop(signal.SIGKILL) == -signal.SIGKILL
    moved = len([event for event in first.events if event["event"] == "assigned"])
    again = shop.start("b")
    until(lambda: again.is_idle and again.partitions == second.partitions, "it to have come back to its own")
    assert len([event for event in first.events if event["event"] == "assigned"]) == moved, "nothing was moved for it"
    assert again.findings() == [], "it knows what it had told"
    again.stop(signal.SIGKILL)
    shop.dismiss("b")
    shop.write((key, "lost") for key in range(1, 14))
    until(lambda: shop.open_findings() == set(), "everything to be told as gone")
    assert len(first.partitions) == PARTITIONS, "those of the dead one, too"
    assert first.stop() == 0


def test_what_another_member_has_found_is_looked_at_again_by_whoever_has_its_partition(shop: Shop) -> None:
    """One comes back to partitions that it had read before: what was found meanwhile, and put right, is no more.

    Nothing is owed there: it has read and met those changes itself, and no feed tells of the hands that spoilt the copy
    and put it right.  A key that no partition tells of is watched by whoever has the first one.
    """
    first = shop.start("a")
    until(shared(first), "the first to have everything")
    until(lambda: first.is_idle, "it to have read everything")
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    shop.dismiss("a")
    shop.spoil([(1, "odd"), (2, "odd"), (999, "never told")])
    second = shop.start("b")
    until(shared(second), "the second to have everything")
    until(lambda: shop.open_findings() == {("1", "mismatch"), ("2", "mismatch")}, "what the feed tells of")
    assert second.stop(signal.SIGKILL) == -signal.SIGKILL
    shop.dismiss("b")
    assert shop.reconcile() == 1
    assert shop.open_findings() == {("1", "mismatch"), ("2", "mismatch"), ("999", "orphan")}
    shop.spoil([(1, "new"), (2, "new")])
    again = shop.start("a")
    until(shared(again), "the first to have everything once more")
    until(lambda: shop.open_findings() == {("999", "orphan")}, "what was put right to be told as gone")
    shop.spoil([(999, None)])
    until(lambda: shop.open_findings() == set(), "what no partition tells of to be told as gone")
    assert again.stop() == 0


def test_members_side_by_side_until_caught_up_see_everything_between_them(shop: Shop) -> None:
    """Each says which partitions were its own; drift is found by one of them, and that one's exit code says so.

    A third that comes alone later has everything once the two have been silent for as long as the settings say.
    """
    settings = shop.directory / "auditor.yaml"
    settings.write_text(settings.read_text().replace('group_id: "', 'member_silence: 10s, group_id: "'))
    shop.write([(7, "lost")], copy=False)
    reports = shop.catch_up("a", "b")
    assert shop.open_findings() == {("7", "mismatch")}
    codes = {name: code for name, (code, _) in reports.items()}
    found = {name: [one["key"]["id"] for one in report["findings"]] for name, (_, report) in reports.items()}
    assert {code for name, code in codes.items() if found[name]} == {1}
    assert all(code == 0 for name, code in codes.items() if not found[name])
    assert "7" in [*found["a"], *found["b"]]
    keys = 0
    for _, report in reports.values():
        (entity,) = report["entities"]
        keys += entity["replicas"][0]["coverage"]["followed"]["keys"]
        remarks = " ".join(entity["owner"]["coverage"].get("remarks", ()))
        alone = entity["replicas"][0]["coverage"]["followed"]["keys"] >= ROWS
        assert alone or f"of the {PARTITIONS} partitions of {shop.topic}, " in remarks
    assert keys >= ROWS, {name: report["entities"] for name, (_, report) in reports.items()}
    began = time.monotonic()
    ((code, report),) = shop.catch_up("c").values()
    assert time.monotonic() - began < DEFAULT_SILENCE
    assert (code, [one["key"]["id"] for one in report["findings"]]) == (1, ["7"])
    assert report["entities"][0]["replicas"][0]["coverage"]["followed"]["keys"] >= ROWS


def test_a_topic_that_is_begun_at_its_end_is_followed_from_there_by_whoever_comes(shop: Shop) -> None:
    """What it told before is nobody's to judge; one that comes later goes on where the group has come to."""
    settings = shop.directory / "auditor.yaml"
    text = settings.read_text().replace('group_id: "', 'bootstrap_from: latest, member_silence: 10s, group_id: "')
    settings.write_text(text)
    shop.write([(7, "lost")], copy=False)
    shop.catch_up("a")
    assert shop.open_findings() == set()
    shop.write([(8, "lost")], copy=False)
    shop.catch_up("b")
    assert shop.open_findings() == {("8", "mismatch")}


def test_a_truncate_that_one_member_reads_is_heard_by_all(shop: Shop) -> None:
    """It is told in one partition, and takes the rows of every one: what the copy keeps is found by whoever has it."""
    contract = shop.directory / "contracts" / "order.yaml"
    contract.write_text(contract.read_text().replace("feed:", "may_be_empty: true, feed:"))
    first = shop.start("a")
    until(shared(first), "the first to have everything")
    second = shop.start("b")
    until(shared(first, second), "both to have their share")
    until(lambda: first.is_idle and second.is_idle, "both to be done")
    shop.truncate()
    every = {(str(key), "orphan") for key in range(1, ROWS + 1)}
    until(lambda: shop.open_findings() == every, "every row that the copy has kept")
    until(lambda: bool(first.findings() and second.findings()), "either to have told of some")
    assert (first.stop(), second.stop()) == (0, 0)


def test_a_topic_that_changes_under_a_member_is_read_whole(shop: Shop) -> None:
    """Made anew, it may be as long as it was: the member ends, and begins it again; partitions are added to it."""
    first = shop.start("a")
    until(lambda: first.is_idle, "the member to be done")
    shop.kafka.make_anew(shop.topic, PARTITIONS)
    shop.write((key, "new") for key in range(2, ROWS + 1))
    shop.write([(1, "paid")], copy=False)
    assert first.ended() == 2
    again = shop.start("a")
    until(lambda: ("1", "mismatch", "persistent") in again.findings(), "what was told by the topic of now")
    shop.partitions += 1
    shop.kafka.add_partitions({shop.topic: shop.partitions})
    shop.write([(PARTITIONS, "paid")], copy=False)
    until(lambda: (str(PARTITIONS), "mismatch", "persistent") in again.findings(), "what a new partition tells")
    assert again.stop() == 0
