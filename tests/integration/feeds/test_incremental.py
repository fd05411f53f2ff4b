"""`--incremental` over a topic of a real broker: what is told, what is not, and a connector that stands still."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from kafka import TopicPartition

from tests.worlds.audited import reconciled

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.services import Kafka

ROWS = 300
PARTITIONS = 3
HOUR = 3600.0
CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: shop, dataset: shop/orders, feed: {{name: shop, topic: {topic}}}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
replicas:
  - {{service: index, dataset: copy/orders, lag_bound: 1s}}
"""


@dataclass
class World:
    """Orders in SQLite, their copy, and the topic that tells of the orders' changes."""

    directory: Path
    kafka: Kafka
    topic: str

    def write(self, name: str, rows: Iterable[tuple[int, str]]) -> None:
        with closing(sqlite3.connect(self.directory / f"{name}.db")) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, status TEXT)")
            connection.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", rows)

    def tell(self, *changes: tuple[int, str], ago: float = 1.0) -> None:
        """Send changes that were committed so many seconds ago."""
        moment = int((time.time() - ago) * 1000)
        with closing(self.kafka.producer()) as producer:
            for number, (key, status) in enumerate(changes):
                source = {"connector": "postgresql", "name": self.topic, "lsn": 1_000 + number, "txId": 700,
                          "ts_ms": moment, "snapshot": "false"}  # fmt: skip
                value = {"before": None, "after": {"id": key, "status": status}, "source": source, "op": "u"}
                producer.send(self.topic, json.dumps(value).encode(), key=json.dumps({"id": key}).encode())
            producer.flush()

    def beat(self) -> None:
        """The connector shows that it lives."""
        with closing(self.kafka.producer()) as producer:
            value, key = {"ts_ms": int(time.time() * 1000)}, {"serverName": self.topic}
            producer.send(
                f"__debezium-heartbeat.{self.topic}", json.dumps(value).encode(), key=json.dumps(key).encode()
            )
            producer.flush()

    def reconcile(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
        return reconciled(capsys, "--recheck-after", "0s", *arguments)


def coverage(report: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """What the owner's coverage says of an incremental run, and its remarks."""
    found = report["entities"][0]["owner"]["coverage"]
    return found.get("incremental"), " ".join(found.get("remarks", ()))


@pytest.fixture
def world(kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    topic = kafka.fresh_topic("orders", PARTITIONS)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT.format(topic=topic))
    (tmp_path / "auditor.yaml").write_text(
        "version: 1\ncontracts: contracts\nconnections:\n  shop: {url: 'sqlite:///shop.db'}\n"
        f"  copy: {{url: 'sqlite:///copy.db'}}\n"
        f"feeds:\n  shop: {{type: kafka, bootstrap_servers: ['{kafka.url}']}}\n"
    )
    made = World(tmp_path, kafka, topic)
    rows = [(key, "new") for key in range(1, ROWS + 1)]
    made.write("shop", rows)
    made.write("copy", rows)
    made.tell(*rows[:20])
    return made


def test_only_what_the_topic_has_told_since_is_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """From where the last clean run noted the ends of all partitions; a copy that lacks a change is found."""
    assert world.reconcile(capsys)[0] == 0
    world.write("shop", [(250, "paid"), (251, "paid")])
    world.write("copy", [(250, "paid")])
    world.tell((250, "paid"), (251, "paid"))
    code, report = world.reconcile(capsys, "--incremental")
    told, _ = coverage(report)
    assert told is not None
    assert told["changed_keys"] == 2
    assert (code, [(one["key"], one["verdict"]) for one in report["findings"]]) == (1, [({"id": "251"}, "persistent")])
    assert report["entities"][0]["replicas"][0]["compared_rows"] < ROWS // 10


def test_a_topic_that_tells_nothing_recent_is_no_proof_that_nothing_changed(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A quiet owner and a dead connector look alike; a heartbeat tells them apart."""
    other = World(world.directory, world.kafka, world.kafka.fresh_topic("quiet"))
    path = world.directory / "contracts" / "order.yaml"
    path.write_text(CONTRACT.format(topic=other.topic))
    other.tell((1, "new"), ago=5 * HOUR)
    assert other.reconcile(capsys)[0] == 0
    code, report = other.reconcile(capsys, "--incremental")
    told, remarks = coverage(report)
    assert (code, told) == (0, None)
    assert "has told nothing since" in remarks
    world.kafka.create_topic(f"__debezium-heartbeat.{other.topic}", 1)
    other.beat()
    code, report = other.reconcile(capsys, "--incremental")
    assert code == 0
    assert coverage(report)[0] is not None


@pytest.mark.parametrize("silent", ["owner", "copy"])
def test_each_topic_must_be_alive_whoever_else_writes_to_the_same_broker(
    world: World, capsys: pytest.CaptureFixture[str], silent: str
) -> None:
    """One connector's changes say nothing of another's: what a copy's feed does not tell was changed by hand."""
    topics = {name: world.kafka.fresh_topic(name) for name in ("owner", "copy")}
    path = world.directory / "contracts" / "order.yaml"
    feed = f"feed: {{name: shop, topic: {topics['copy']}}}, lag_bound"
    path.write_text(CONTRACT.format(topic=topics["owner"]).replace("lag_bound", feed))
    sides = {name: World(world.directory, world.kafka, topic) for name, topic in topics.items()}
    for side in sides.values():
        side.tell((1, "new"), ago=5 * HOUR)
    assert world.reconcile(capsys)[0] == 0
    for name, side in sides.items():
        side.tell((1, "new"), ago=5 * HOUR if name == silent else 0)
    world.write("copy", [(290, "by hand")])  # which its connector has not told yet
    code, report = world.reconcile(capsys, "--incremental")
    told, remarks = coverage(report)
    assert (code, told, [one["key"] for one in report["findings"]]) == (1, None, [{"id": "290"}])
    assert f"{topics[silent]} of shop has told nothing since" in remarks


def test_records_that_were_removed_have_everything_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """What the broker's retention took away unread may have been anything."""
    assert world.reconcile(capsys)[0] == 0
    world.tell((2, "new"), (3, "new"), (4, "new"), (5, "new"))
    with closing(world.kafka.admin()) as admin:
        admin.delete_records({TopicPartition(world.topic, part): -1 for part in range(PARTITIONS)})
    code, report = world.reconcile(capsys, "--incremental")
    told, remarks = coverage(report)
    assert (code, told) == (0, None)
    assert "removed" in remarks
    assert report["entities"][0]["replicas"][0]["compared_rows"] == ROWS
