"""A nightly run over a topic of a real broker: the owner's versions are witnesses, a consumer group's offsets proof."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from auditor.cli import run
from tests.worlds.audited import reconciled

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.services import Kafka

GROUP = "order-indexer"


@dataclass
class World:
    """Orders that are known by their topic, and a copy in SQLite that a consumer group fills."""

    directory: Path
    kafka: Kafka
    topic: str

    def write(self, *changes: tuple[int, str], first: int = 1_000, moment: int = 1_770_000_000_000) -> None:
        """Send updates of orders: each a key and its status, with rising positions, committed long ago."""
        with closing(self.kafka.producer()) as producer:
            for number, (key, status) in enumerate(changes):
                source = {"connector": "postgresql", "name": "shop", "schema": "public", "table": "orders",
                          "lsn": first + number, "txId": number, "ts_ms": moment, "snapshot": "false",
                          "sequence": json.dumps([None, str(first + number)])}  # fmt: skip
                value = {"before": None, "after": {"id": key, "status": status}, "source": source, "op": "u",
                         "ts_ms": moment}  # fmt: skip
                producer.send(self.topic, key=json.dumps({"id": key}).encode(), value=json.dumps(value).encode())
            producer.flush()

    def copy(self, rows: Iterable[tuple[int, str]]) -> None:
        with closing(sqlite3.connect(self.directory / "copy.db")) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, status TEXT)")
            connection.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", rows)

    def commit(self) -> None:
        """Let the group say that it has applied everything."""
        with closing(
            KafkaConsumer(bootstrap_servers=self.kafka.url, group_id=GROUP, enable_auto_commit=False)
        ) as consumer:
            partitions = [TopicPartition(self.topic, part) for part in consumer.partitions_for_topic(self.topic)]
            ends = consumer.end_offsets(partitions)
            consumer.commit({part: OffsetAndMetadata(end, "", -1) for part, end in ends.items()})

    def drop(self) -> None:
        """Let the broker remove every record, as its retention does."""
        with closing(self.kafka.admin()) as admin:
            admin.delete_records({TopicPartition(self.topic, 0): -1})

    def reconcile(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
        return reconciled(capsys, "--max-wait", "0s", *arguments)


@pytest.fixture
def world(kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    topic = kafka.fresh_topic("orders")
    (tmp_path / "contracts").mkdir()
    (tmp_path / "auditor.yaml").write_text(
        "version: 1\ncontracts: contracts\nconnections:\n  copy: {url: 'sqlite:///copy.db'}\n"
        f"feeds:\n  shop: {{type: kafka, bootstrap_servers: ['{kafka.url}']}}\n"
    )
    (tmp_path / "contracts" / "order.yaml").write_text(
        f"entity: order\nversion: 1\nteam: t\nowner: {{service: shop, feed: {{name: shop, topic: {topic}}}}}\n"
        "key: [id]\nfields:\n  id: {type: int}\n  status: {type: text}\n"
        "replicas:\n  - {service: index, dataset: copy/orders, lag_bound: 1h, "
        f"applied_by: {{feed: shop, group_id: {GROUP}}}}}\n"
    )
    return World(tmp_path, kafka, topic)


def test_a_change_that_its_group_has_applied_is_lost_and_nothing_has_to_be_waited_for(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Young as the change is, whoever fills the copy says that it is past it: the copy that lacks it is wrong."""
    world.write((1, "new"), (2, "new"), (2, "paid"))
    world.copy([(1, "new"), (2, "new")])
    code, report = world.reconcile(capsys)
    (finding,) = report["findings"]
    assert (code, finding["verdict"]) == (0, "in_flight")
    world.commit()
    code, report = world.reconcile(capsys)
    (finding,) = report["findings"]
    assert (code, finding["key"], finding["verdict"], finding["cause"]) == (1, {"id": "2"}, "persistent", "stale")
    assert finding["evidence"]["proof"] == "applied"
    lacking = finding["evidence"]["changes"][-1]
    assert (lacking["position"], lacking["partition"] is not None) == ("0/3EA", True)


def looked_at(capsys: pytest.CaptureFixture[str], key: str) -> tuple[int, dict[str, Any]]:
    """Look at one order: the exit code, and what is said of its copy."""
    code = run(("entity", "order", key, "--format", "json"))
    captured = capsys.readouterr()
    assert captured.out, captured.err
    (replica,) = json.loads(captured.out)["replicas"]
    return code, replica


def test_a_look_at_one_row_takes_nothing_for_in_flight_that_its_group_has_applied(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """It asks the group itself; and what a run has proven so stands, where the group cannot be asked any more."""
    now = int(time.time() * 1000)
    world.write((1, "new"), (2, "new"), (2, "paid"), moment=now)
    world.copy([(1, "new"), (2, "new")])
    code, replica = looked_at(capsys, "2")
    assert (code, replica["state"], replica["verdict"]) == (0, "in_flight", "in_flight")
    world.commit()
    code, replica = looked_at(capsys, "2")
    assert (code, replica["state"], replica["verdict"]) == (1, "divergent", "persistent")
    assert f"its consumer group {GROUP} has passed the owner's last change" in replica["note"]
    (finding,) = world.reconcile(capsys)[1]["findings"]
    assert (finding["verdict"], finding["evidence"]["proof"]) == ("persistent", "applied")
    contract = world.directory / "contracts" / "order.yaml"
    contract.write_text(contract.read_text().replace(GROUP, "nobody"))
    code, replica = looked_at(capsys, "2")
    assert (code, replica["state"], replica["verdict"]) == (1, "divergent", "persistent")
    assert (replica["cause"], f"finding {finding['id']}" in replica["note"]) == ("stale", True)
    world.write((2, "sent"), first=2_000, moment=now)  # which nobody has applied
    code, replica = looked_at(capsys, "2")
    assert (code, replica["state"]) == (0, "in_flight")


def test_the_next_night_reads_on_where_the_last_one_stopped(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """What was read is kept: records that the broker has dropped since are not missed."""
    world.write((1, "new"), (2, "new"))
    world.copy([(1, "new"), (2, "new")])
    assert world.reconcile(capsys)[0] == 0
    world.drop()
    world.write((2, "paid"), first=2_000)
    world.copy([(2, "paid")])
    code, report = world.reconcile(capsys)
    assert (code, report["findings"]) == (0, [])
    assert report["entities"][0]["owner"]["rows"] == 2


def test_versions_are_forgotten_after_a_week_and_the_latest_of_each_key_stays(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is kept from night to night grows with the keys and with a week's changes, and with nothing else."""
    world.write((1, "new"), (2, "new"), (1, "paid"))
    world.copy([(1, "paid"), (2, "new")])
    assert world.reconcile(capsys)[0] == 0
    path = next((world.directory / ".auditor" / "feeds").glob("*.duckdb"))
    versions = "SELECT c0, c1 FROM versions_1 ORDER BY ALL"
    for days, kept in ((6, [("1", "new"), ("1", "paid"), ("2", "new")]), (2, [("1", "paid"), ("2", "new")])):
        with duckdb.connect(str(path)) as db:
            db.execute(f"UPDATE past_1 SET since = since - INTERVAL {days} DAY")
        assert world.reconcile(capsys)[0] == 0
        with duckdb.connect(str(path), read_only=True) as db:
            assert db.execute(versions).fetchall() == kept


def test_records_that_were_dropped_unread_leave_the_coverage_incomplete(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gap is said, with its offsets, and no night after it is clean."""
    world.write((1, "new"), (2, "new"))
    world.copy([(1, "new"), (2, "new")])
    assert world.reconcile(capsys)[0] == 0
    world.write((1, "paid"), (2, "paid"), first=2_000)
    world.drop()
    code, report = world.reconcile(capsys)
    assert (code, report["exit_reasons"]) == (2, ["incomplete"])
    (note, *_) = report["entities"][0]["replicas"][0]["coverage"]["notes"]
    assert "records of the feed were lost" in note


def test_a_topic_that_was_made_anew_is_read_again_from_its_beginning(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was kept of the old log is not what the new one says; a longer one does not hide it.

    Of the row that the new log does not name nobody knows whether it is still there.
    """
    world.write((1, "new"), (2, "new"))
    world.copy([(1, "new"), (2, "new")])
    assert world.reconcile(capsys)[0] == 0
    with closing(world.kafka.admin()) as admin:
        admin.delete_topics([world.topic])
    world.kafka.create_topic(world.topic)
    world.write((1, "paid"), (3, "new"), (3, "paid"), first=5_000)
    world.copy([(1, "paid"), (3, "paid")])
    code, report = world.reconcile(capsys)
    assert (code, report["exit_reasons"]) == (2, ["incomplete"])
    assert {(one["key"]["id"], one["divergence"], one["verdict"]) for one in report["findings"]} == {
        ("2", "orphan", "in_flight")
    }
