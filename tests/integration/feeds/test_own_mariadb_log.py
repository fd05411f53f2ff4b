"""Is a MariaDB table what its own topic says?  Debezium reads it from a replica, whose files and places are others.

Proven is what the log has passed, and nothing else: not what it has not come to, not what is prepared and not
committed, and not by the log of another server.
"""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from auditor.feeds.kafka.broker import Broker
from auditor.feeds.kafka.source import KafkaSource
from tests.integration.feeds.following import read_until
from tests.services import MariaDB
from tests.services.availability import Unavailable
from tests.services.deadline import wait_until
from tests.worlds.audited import reconciled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pymysql

    from auditor.feeds.record import Record
    from tests.services import Kafka, KafkaConnect

CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: shop, dataset: {dataset}, feed: {{name: shop, topic: {topic}}}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
replicas:
  - {{service: topic, feed: {{name: shop, topic: {topic}}}, lag_bound: 1h}}
"""
PREFIX = "own"
BUSY = (3, 4)
"""Keys that are written again and again."""


class Repeater(MariaDB):
    """A server that repeats another one, and logs what it repeats."""

    def _options(self) -> list[str]:
        return ["--log-slave-updates"]

    def repeat(self, primary: MariaDB) -> None:
        """Take everything that the primary has in its log, and whatever comes."""
        self.admin("SET GLOBAL server_id = 2", "RESET MASTER")
        self.admin(
            f"CHANGE MASTER TO MASTER_HOST = '{primary.host}', MASTER_PORT = {primary.port}, "
            f"MASTER_USER = '{primary.user}', MASTER_PASSWORD = '{primary.password}', MASTER_USE_GTID = slave_pos",
            "START SLAVE",
        )


@dataclass
class World:
    """A primary, its replica, and a connector that follows the replica."""

    primary: MariaDB
    replica: MariaDB
    kafka: Kafka
    connect: KafkaConnect

    def write(self, *statements: str) -> None:
        self.primary.admin(*statements, database="shop")

    def has_told(self, table: str, key: int, status: str) -> None:
        """Wait until the topic has told so of a key."""

        def tells(record: Record) -> bool:
            row = json.loads(record.value)["after"] if record.value else None
            return row is not None and (row["id"], row["status"]) == (key, status)

        topic = topic_of(table)
        with closing(self.kafka.admin()) as admin:
            wait_until(lambda: topic in admin.list_topics(), seconds=60, what=f"the topic {topic}")
        with KafkaSource(Broker("shop", (self.kafka.url,)), [topic]) as source:
            read_until(source, lambda found: any(map(tells, found)))

    @contextmanager
    def late(self, seconds: int) -> Iterator[None]:
        """What the replica repeats, and so the topic tells, comes so much later as long as the block goes on."""
        self.replica.admin("STOP SLAVE", f"CHANGE MASTER TO MASTER_DELAY = {seconds}", "START SLAVE")
        try:
            yield
        finally:
            self.replica.admin("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY = 0", "START SLAVE")


def topic_of(table: str) -> str:
    return f"{PREFIX}.shop.{table}"


@pytest.fixture(scope="module")
def world(mariadb: MariaDB, kafka: Kafka, kafka_connect: KafkaConnect) -> Iterator[World]:
    """Servers of our own: what a session does to its log stays there, and another test's would be in it."""
    with ExitStack() as stack:
        primary = type(mariadb).start()
        stack.callback(primary.stop)
        primary.admin("CREATE DATABASE shop", "CREATE TABLE shop.first (id int PRIMARY KEY, status varchar(20))")
        primary.admin("INSERT INTO shop.first VALUES (1, 'new'), (2, 'new'), (3, 'new'), (4, 'new')")
        try:
            replica = Repeater.start()
        except Unavailable as reason:
            pytest.skip(f"a replica of MariaDB does not run here: {reason}")
        stack.callback(replica.stop)
        replica.repeat(primary)
        wait_until(lambda: bool(replica.admin("SHOW DATABASES LIKE 'shop'")), seconds=30, what="the replication")
        replica.admin("FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
        made = World(primary, replica, kafka, kafka_connect)
        kafka_connect.follow(replica, "shop", PREFIX)
        stack.callback(kafka_connect.delete, PREFIX)
        made.has_told("first", 1, "new")
        yield made


@pytest.fixture
def orders(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A table of its own for each test, with four rows that the topic has told, and a contract for it."""
    monkeypatch.chdir(tmp_path)
    table = f"orders_{sum(map(ord, request.node.name))}"
    world.write(
        f"CREATE TABLE {table} (id int PRIMARY KEY, status varchar(20))",
        f"INSERT INTO {table} VALUES (1, 'new'), (2, 'new'), (3, 'new'), (4, 'new')",
    )
    world.has_told(table, 4, "new")
    settle(tmp_path, world, world.primary, table)
    return table


def settle(directory: Path, world: World, owner: MariaDB, table: str) -> None:
    """Write the contract and the settings."""
    (directory / "contracts").mkdir(exist_ok=True)
    text = CONTRACT.format(topic=topic_of(table), dataset=f"shop/{table}")
    (directory / "contracts" / "order.yaml").write_text(text)
    (directory / "auditor.yaml").write_text(
        f"version: 1\ncontracts: contracts\nconnections:\n  shop: {{url: '{owner.url_of('shop')}'}}\n"
        f"feeds:\n  shop: {{type: kafka, bootstrap_servers: ['{world.kafka.url}']}}\n"
    )


@contextmanager
def busy(server: MariaDB, table: str) -> Iterator[None]:
    """Somebody writes two rows again and again."""
    stop = threading.Event()

    def work() -> None:
        with closing(server.connect("shop")) as session:
            number = 0
            while not stop.wait(0.2):
                number += 1
                ran(session, f"UPDATE {table} SET status = 'busy {number}' WHERE id = {BUSY[number % 2]}")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def ran(session: pymysql.Connection[Any], *statements: str) -> None:
    with session.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def persistent(report: dict[str, Any]) -> dict[str, Any]:
    """By key, what is drift beyond doubt."""
    return {one["key"]["id"]: one for one in report["findings"] if one["verdict"] == "persistent"}


def test_what_the_topic_never_told_is_proven_by_position_whoevers_log_it_is_read_from(
    world: World, orders: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change, a delete and a new row that are in no log, an hour as the bound is; what is on its way is no drift."""
    with closing(world.primary.connect("shop")) as session:
        ran(
            session, "SET SESSION sql_log_bin = 0", f"UPDATE {orders} SET status = 'paid' WHERE id = 2",
            f"DELETE FROM {orders} WHERE id = 1", f"INSERT INTO {orders} VALUES (5, 'new')",
        )  # fmt: skip
    with busy(world.primary, orders):
        _, report = reconciled(capsys, "--max-wait", "15s")
    found = persistent(report)
    assert set(found) == {"1", "2", "5"}, report["findings"]
    assert {one["evidence"]["proof"] for one in found.values()} == {"position"}


def test_of_rows_that_only_the_connectors_snapshot_told_it_is_enough_that_they_were_read_before(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They have no GTID.  The primary repeats nobody: whatever others were told of its rows, it has shown."""
    monkeypatch.chdir(tmp_path)
    settle(tmp_path, world, world.primary, "first")
    with closing(world.primary.connect("shop")) as session:
        ran(session, "SET SESSION sql_log_bin = 0", "UPDATE first SET status = 'paid' WHERE id = 2")
    with busy(world.primary, "first"):
        _, report = reconciled(capsys, "--max-wait", "15s")
    found = persistent(report)
    assert set(found) == {"2"}, report["findings"]
    assert found["2"]["evidence"]["proof"] == "position"


def test_what_the_topic_has_not_come_to_yet_is_no_drift(
    world: World, orders: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It tells of changes all the time, and of none that came after what the owner was seen to hold."""
    with world.late(5), busy(world.primary, orders):
        world.has_told(orders, BUSY[1], "busy 1")
        world.write(f"UPDATE {orders} SET status = 'paid' WHERE id = 2")
        _, report = reconciled(capsys, "--max-wait", "15s")
    (verdict,) = (one["verdict"] for one in report["findings"] if one["key"]["id"] == "2")
    assert (verdict, persistent(report)) == ("healed", {})


def test_what_is_told_and_not_committed_yet_is_no_drift(
    world: World, orders: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A prepared change is in the log, with a place before that of snapshots, and none of them shows it."""
    with closing(world.primary.connect("shop")) as session:
        change = f"UPDATE {orders} SET status = 'prepared' WHERE id = 2"
        ran(session, "XA START 'x'", change, "XA END 'x'", "XA PREPARE 'x'")
        try:
            world.has_told(orders, 2, "prepared")
            with busy(world.primary, orders):
                _, report = reconciled(capsys, "--max-wait", "6s")
        finally:
            ran(session, "XA COMMIT 'x'")
    assert {one["key"]["id"] for one in report["findings"]} >= {"2"}
    assert persistent(report) == {}


def test_another_servers_log_proves_nothing(
    mariadb: MariaDB, world: World, orders: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its numbers say that it has seen all that the topic told, and then that the topic has passed it."""
    other = type(mariadb).start()
    with ExitStack() as stack:
        stack.callback(other.stop)
        other.admin("SET GLOBAL server_id = 3", "RESET MASTER")
        other.admin("CREATE DATABASE shop")
        ((gtid,),) = world.primary.admin("SELECT @@global.gtid_binlog_pos")
        with closing(other.connect("shop")) as session:
            ran(
                session, f"CREATE TABLE {orders} (id int PRIMARY KEY, status varchar(20))",
                f"SET SESSION gtid_seq_no = {gtid.rpartition('-')[2]}",
                f"INSERT INTO {orders} VALUES (1, 'new'), (2, 'paid'), (3, 'new'), (4, 'new')",
            )  # fmt: skip
        settle(tmp_path, world, other, orders)
        with busy(world.primary, orders):
            _, report = reconciled(capsys, "--max-wait", "6s")
    assert {one["key"]["id"] for one in report["findings"]} >= {"2"}
    assert persistent(report) == {}
