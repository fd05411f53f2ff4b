"""A shop on real servers, with everything that goes wrong: exactly what is planted is found, and nothing else.

The order service owns PostgreSQL, which Debezium follows in Avro; the replica service consumes that topic into
MariaDB, which Debezium follows in JSON.  Business never rests while orders are truncated, the table gets a column, and
Connect, the broker and the monitor are killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auditor.cli import run
from auditor.runs.entity import STORE_SECONDS
from tests.integration.shop.orders import OrderService
from tests.integration.shop.reporting import (
    CREATE,
    KEPT,
    LAG_SECONDS,
    LATE,
    LOST,
    NEVER,
    REORDERED,
    SURVIVOR,
    TABLE,
    TOUCHED,
    ReplicaService,
)
from tests.services.deadline import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.services import Kafka, KafkaConnect, MariaDB, PostgreSQL, SchemaRegistry

PROGRAM = Path(sys.executable).with_name("audit")
WAIT_SECONDS = 240.0
"""For what takes a moment, on a machine that has much else to do."""

CHANGES = 50
"""Of the owner, while something is dead."""

REPLICAS = ("reporting", "mirror")
"""The replica's table with its feed beside it, and the same known by its feed alone."""

PLANTED = {
    LOST: ("mismatch", "stale"),
    NEVER: ("missing", "never_arrived"),
    REORDERED: ("mismatch", "reordered"),
    KEPT: ("orphan", "missed_delete"),
    TOUCHED: ("mismatch", "phantom_write"),
    SURVIVOR: ("orphan", "resurrected"),
}

SETTINGS = """\
version: 1
contracts: contracts
connections:
  orders: {{url: "{orders}"}}
  reporting: {{url: "{reporting}"}}
feeds:
  shop: {{type: kafka, bootstrap_servers: ["{kafka}"], schema_registry: {{url: "{registry}"}}}}
  copy: {{type: kafka, bootstrap_servers: ["{kafka}"], schemaless: {{decimals: string}}}}
"""
CONTRACT = """\
entity: order
version: 1
team: checkout
owner: {{service: orders, dataset: orders/public.orders, feed: {{name: shop, topic: {owner_topic}}}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
  total: {{type: "decimal(10,2)"}}
replicas:
  - service: reporting
    dataset: reporting/order_copy
    feed: {{name: copy, topic: {copy_topic}}}
    key: {{id: order_id}}
    fields: {{status: state, total: total}}
    lag_bound: {lag}s
  - service: mirror
    feed: {{name: copy, topic: {copy_topic}}}
    key: {{id: order_id}}
    fields: {{status: state, total: total}}
    lag_bound: {lag}s
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """Everything that the shop runs on."""

    postgres: PostgreSQL
    mariadb: MariaDB
    kafka: Kafka
    connect: KafkaConnect
    registry: SchemaRegistry


@dataclass
class Monitor:
    """A monitor at work, as a supervisor starts it.

    Attributes:
        events: What it has said.
    """

    directory: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Start it, and wait until it is at work."""
        self._process = subprocess.Popen(
            [PROGRAM, "monitor", "--format", "json"], cwd=self.directory,
            env={**os.environ, "PYTHONWARNINGS": ""}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        before = len(self.events)
        self._reader.start()
        self.wait(lambda: any(one["event"] == "progress" for one in self.events[before:]), "its first round")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        assert self._process is not None
        assert self._reader is not None
        self._process.send_signal(number)
        code = self._process.wait(WAIT_SECONDS)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def wait(self, enough: Callable[[], bool], what: str) -> None:
        """Wait for what it says."""
        assert self._process is not None
        process = self._process
        wait_until(lambda: enough() or process.poll() is not None, seconds=WAIT_SECONDS, what=f"the monitor: {what}")
        assert enough(), f"the monitor ended with {process.returncode}: {self.events[-3:]}"

    def told(self, replica: str) -> set[int]:
        """The keys that it has called drift in a replica."""
        found = (one["finding"] for one in self.events if one["event"] == "finding")
        return set(drift({"findings": list(found)}, replica))

    def has_told(self, replica: str, keys: set[int]) -> bool:
        """Whether it has called all of these drift in a replica."""
        return self.told(replica) >= keys

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(json.loads(line))


@dataclass
class Shop:
    """Both services, their connectors, and the auditor's settings.

    Attributes:
        name: Begins the names of topics and connectors.
    """

    servers: Servers
    directory: Path
    name: str
    owner: OrderService
    service: ReplicaService
    copy_url: str

    def rows_of_copy(self) -> dict[int, tuple[str, str]]:
        """Everything that the replica holds."""
        found = self.servers.mariadb.admin(f"SELECT order_id, state, total FROM {TABLE}", database=self.copy_url)
        return {key: (state, str(total)) for key, state, total in found}

    def differing(self) -> set[int]:
        """The keys of which the two tables say different things."""
        owned, copied = self.owner.rows(), self.rows_of_copy()
        return {key for key in owned.keys() | copied.keys() if owned.get(key) != copied.get(key)}

    def wait_for_arrival(self) -> None:
        """Until a change that the owner makes now is in the replica's table."""
        key = self.owner.add()

        def arrived() -> bool:
            self.service.check()
            return key in self.rows_of_copy()

        wait_until(arrived, seconds=WAIT_SECONDS, what=f"order {key} at the replica")

    def wait_for_business(self) -> None:
        """Until the owner has made more changes by itself, whatever is dead meanwhile."""
        enough = self.owner.written + CHANGES
        wait_until(lambda: self.owner.written >= enough, seconds=WAIT_SECONDS, what=f"{CHANGES} changes of the owner")

    def touch(self) -> None:
        """Change a row of the replica by hand, once it is there."""

        def arrived() -> bool:
            self.service.check()
            return TOUCHED in self.rows_of_copy()

        wait_until(arrived, seconds=WAIT_SECONDS, what=f"order {TOUCHED} at the replica")
        self.servers.mariadb.admin(
            f"UPDATE {TABLE} SET total = 0.01 WHERE order_id = {TOUCHED}", database=self.copy_url
        )

    def reconcile(self) -> subprocess.Popen[str]:
        """Start the nightly job, with a ledger of its own."""
        settings = (self.directory / "auditor.yaml").read_text()
        (self.directory / "nightly.yaml").write_text(f'{settings}ledger: {{url: "sqlite:///nightly.db"}}\n')
        return subprocess.Popen(
            [PROGRAM, "reconcile", "--config", "nightly.yaml", "--format", "json"],
            cwd=self.directory, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_for_offsets(self) -> None:
        """Until both connectors have noted how far they have come in what follows their snapshots."""

        def noted() -> bool:
            kept = [self.servers.connect.offsets(name) for name in (self.name, f"{self.name}-copy")]
            return all(one and "snapshot" not in json.dumps(one) for one in kept)

        wait_until(noted, seconds=WAIT_SECONDS, what="the connectors noting how far they have come")


@pytest.fixture(scope="module")
def replicas_server(mariadb: MariaDB) -> Iterator[MariaDB]:
    """A server of the replica service's own: Debezium waits for whatever other tests have left undone in another."""
    server = type(mariadb).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def servers(
    postgres: PostgreSQL,
    replicas_server: MariaDB,
    kafka: Kafka,
    kafka_connect: KafkaConnect,
    schema_registry: SchemaRegistry,
) -> Servers:
    return Servers(postgres, replicas_server, kafka, kafka_connect, schema_registry)


@pytest.fixture
def shop(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.chdir(tmp_path)
    postgres, mariadb, connect = servers.postgres, servers.mariadb, servers.connect
    orders, copy = postgres.fresh_database("orders"), mariadb.fresh_database("reporting")
    owned, copied = postgres.database_name(orders), mariadb.database_name(copy)
    name = f"shop{random.SystemRandom().randrange(10**8)}"
    topics = {"owner_topic": f"{name}.public.orders", "copy_topic": f"{name}-copy.{copied}.{TABLE}"}
    owner = OrderService(postgres, orders)
    owner.fill()
    mariadb.admin(CREATE, database=copied)
    beat = "1000"
    connect.follow(
        postgres, owned, name, servers.registry,
        skipped_operations="none", heartbeat_interval_ms=beat, topic_creation_default_partitions="3",
    )  # fmt: skip
    connect.follow(
        mariadb, copied, f"{name}-copy",
        skipped_operations="none", heartbeat_interval_ms=beat, decimal_handling_mode="string",
    )  # fmt: skip
    with closing(servers.kafka.admin()) as admin:
        wait_until(lambda: topics["owner_topic"] in admin.list_topics(), seconds=WAIT_SECONDS, what="the topic")
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT.format(lag=LAG_SECONDS, **topics))
    (tmp_path / "auditor.yaml").write_text(
        SETTINGS.format(orders=orders, reporting=copy, kafka=servers.kafka.url, registry=servers.registry.url)
    )
    service = ReplicaService(mariadb, copy, servers.kafka, servers.registry, topics["owner_topic"])
    with service, owner:
        yield Shop(servers, tmp_path, name, owner, service, copy)
    for connector in (name, f"{name}-copy"):
        connect.delete(connector)
    postgres.admin(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                   f"WHERE database = '{owned}' AND NOT active")  # fmt: skip


@pytest.fixture
def monitor(shop: Shop) -> Iterator[Monitor]:
    with closing(shop.servers.kafka.admin()) as admin:
        topic = f"{shop.name}-copy.{shop.servers.mariadb.database_name(shop.copy_url)}.{TABLE}"

        def told() -> bool:
            shop.service.check()
            shop.servers.connect.check(f"{shop.name}-copy")
            return topic in admin.list_topics()

        try:
            wait_until(told, seconds=WAIT_SECONDS, what=f"the topic {topic}")
        except TimeoutError as error:
            doing = shop.servers.mariadb.admin("SHOW FULL PROCESSLIST")
            raise TimeoutError(
                f"{error}; {len(shop.rows_of_copy())} rows in the replica, whose server does {doing}"
            ) from error
    monitor = Monitor(shop.directory)
    monitor.start()
    yield monitor
    if monitor._process is not None and monitor._process.poll() is None:
        monitor.stop(signal.SIGKILL)


def audit(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """What a command says in JSON."""
    capsys.readouterr()
    code = run((*arguments, "--format", "json"))
    out, err = capsys.readouterr()
    assert out, err
    return code, json.loads(out)


@contextmanager
def dead(server: Kafka | KafkaConnect) -> Iterator[None]:
    """A crash, and a new start after the block, with what was kept."""
    server.kill()
    try:
        yield
    finally:
        server.launch()


def finished(nightly: subprocess.Popen[str]) -> dict[str, Any]:
    """What the nightly job has found."""
    out, _ = nightly.communicate(timeout=WAIT_SECONDS)
    assert nightly.returncode in (1, 2)  # a hot row may be undecided
    report: dict[str, Any] = json.loads(out)
    return report


def drift(report: dict[str, Any], replica: str) -> dict[int, tuple[str, str]]:
    """Divergence and cause of what is persistent in a replica, by key."""
    return {
        int(one["key"]["id"]): (one["divergence"], one["cause"])
        for one in report["findings"]
        if one["verdict"] == "persistent" and one["replica"] == replica
    }


def found_in(report: dict[str, Any], besides: frozenset[int] = frozenset()) -> dict[str, dict[int, tuple[str, str]]]:
    """What is persistent in each replica, besides some keys."""
    return {name: {key: one for key, one in drift(report, name).items() if key not in besides} for name in REPLICAS}


def test_exactly_what_is_planted_is_found_whatever_is_killed(
    shop: Shop, monitor: Monitor, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lost, late, twice, out of order, missed, by hand: who is wrong in the end, and in the tables, is found, with why.

    A machine at its limits brings a change later than the lag bound: then it was drift, and may have been said.
    """
    everywhere = dict.fromkeys(REPLICAS, PLANTED)
    connect, kafka, owner, service = shop.servers.connect, shop.servers.kafka, shop.owner, shop.service
    connect.begin_anew(shop.name)
    shop.wait_for_arrival()
    owner.empty()
    owner.change_special_orders()
    wait_until(service.holds_late, seconds=WAIT_SECONDS, what="the change that comes late")
    asked = time.monotonic()
    entity = audit(capsys, "entity", "order", str(LATE))[1]
    in_time = time.monotonic() - asked < STORE_SECONDS
    assert entity["replicas"][0]["state"] == "in_flight" or not in_time, entity
    service.released.set()
    shop.touch()
    shop.wait_for_offsets()
    with dead(connect):
        owner.execute("ALTER TABLE orders ADD COLUMN note text DEFAULT 'none'")
        shop.wait_for_business()
    shop.wait_for_arrival()
    with dead(kafka):
        shop.wait_for_business()
    shop.wait_for_arrival()
    overdue = set(service.overdue)
    service.overdue.clear()
    monitor.stop(signal.SIGKILL)
    shop.wait_for_business()
    monitor.start()
    nightly = shop.reconcile()
    for replica in REPLICAS:
        monitor.wait(partial(monitor.has_told, replica, set(PLANTED)), f"what is planted in {replica}: {set(PLANTED)}")
    busy = finished(nightly)
    assert found_in(busy, frozenset(service.overdue)) == everywhere
    owner.rest()
    wait_until(lambda: shop.differing() == set(PLANTED), seconds=WAIT_SECONDS, what="the replica service's end")
    assert monitor.stop() == 0
    code, report = audit(capsys, "monitor", "--until-caught-up")
    assert (code, found_in(report)) == (1, everywhere)
    assert found_in(audit(capsys, "findings", "--open")[1]) == everywhere
    for replica in REPLICAS:
        assert monitor.told(replica) - overdue - service.overdue == set(PLANTED)
