"""A monitor and what goes wrong around it: one clear message and nothing moved, or a pause and nothing lost."""

from __future__ import annotations

import io
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from fastavro import parse_schema, schemaless_writer

from auditor.cli import run
from auditor.feeds.kafka.broker import Broker
from auditor.feeds.kafka.groups import committed_offsets
from tests.services.ports import free_port
from tests.worlds.monitor import Monitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import Kafka, SchemaRegistry

PROGRAM = Path(sys.executable).with_name("audit")
GROUP = "trouble"
_SECONDS = 90.0

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
SETTINGS = """\
version: 1
contracts: contracts
connections:
  orders_db: {url: "sqlite:///orders.db"}
  read_model: {url: "sqlite:///copy.db"}
feeds:
  shop:
    type: kafka
    group_id: trouble
"""
KEY = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}
ROW = {
    "type": "record",
    "name": "Value",
    "fields": [{"name": "id", "type": "long"}, {"name": "status", "type": "string"}],
}
WIDER = {**ROW, "fields": [*ROW["fields"], {"name": "note", "type": "string", "default": ""}]}


def avro(number: int, schema: dict[str, Any], row: dict[str, Any]) -> bytes:
    """A row in Confluent's wire format."""
    stream = io.BytesIO(b"\0" + number.to_bytes(4))
    stream.seek(5)
    schemaless_writer(stream, parse_schema(schema), row)
    return stream.getvalue()


@dataclass
class World:
    """An owner in Avro on a broker, and a copy of it in a table."""

    directory: Path
    kafka: Kafka
    topic: str
    ids: dict[str, int] = field(default_factory=dict)

    def configure(self, *lines: str, topic: str | None = None) -> None:
        """Write the settings of the feed, and the contract."""
        (self.directory / "auditor.yaml").write_text(SETTINGS + "".join(f"    {line}\n" for line in lines))
        (self.directory / "contracts").mkdir(exist_ok=True)
        (self.directory / "contracts" / "order.yaml").write_text(CONTRACT.format(topic=topic or self.topic))

    def register(self, registry: SchemaRegistry) -> None:
        """Tell a registry the schemas, always in one order: one that has forgotten gives the same ids again."""
        for name, schema in (("key", KEY), ("row", ROW), ("wider", WIDER)):
            self.ids[name] = registry.register(f"{self.topic}-{name}", schema)

    def put(self, key: int, status: str, *, wider: bool = False, copy: bool = True) -> None:
        """The owner writes a row, and tells it; the copy follows, or does not."""
        for name in ("orders.db", "copy.db") if copy else ("orders.db",):
            with closing(sqlite3.connect(self.directory / name, timeout=30)) as db, db:
                db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, status TEXT)")
                db.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", (key, status))
        row = {"id": key, "status": status, "note": "-"}
        value = avro(self.ids["wider"], WIDER, row) if wider else avro(self.ids["row"], ROW, row)
        with closing(self.kafka.producer()) as producer:
            producer.send(self.topic, key=avro(self.ids["key"], KEY, {"id": key}), value=value)
            producer.flush()

    def offsets(self) -> list[int]:
        """How far the monitor has read, by what it has kept."""
        path = self.directory / ".auditor" / "feeds" / "monitor" / "shop.duckdb"
        if not path.exists():
            return []
        with duckdb.connect(str(path), read_only=True) as db:
            return [offset for (offset,) in db.execute("SELECT next_offset FROM offsets ORDER BY ALL").fetchall()]


@pytest.fixture(scope="module")
def forgetful(schema_registry: SchemaRegistry) -> Iterator[SchemaRegistry]:
    """A registry of these tests' own, for they shut it."""
    server = type(schema_registry).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Kafka, forgetful: SchemaRegistry) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    made = World(tmp_path, kafka, kafka.fresh_topic("orders"))
    made.register(forgetful)
    made.put(1, "new")
    made.put(2, "new")
    return made


def at(world: World, registry: SchemaRegistry) -> tuple[str, str]:
    """The feed's settings as they are right."""
    return (
        f'bootstrap_servers: ["{world.kafka.url}"]',
        f"schema_registry: {{url: '{registry.url}', format: confluent}}",
    )


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a monitor that must end with one message."""
    capsys.readouterr()
    code = run(("monitor", "--until-caught-up", *arguments))
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert "Traceback" not in err
    assert "next: " in err
    return err


def test_what_cannot_be_followed_is_one_message_and_moves_nothing(
    world: World, forgetful: SchemaRegistry, kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broker, registry or topic not there, wrong credentials or wire format: exit code 2, and no offset."""
    broker, registry = at(world, forgetful)
    nobody = free_port()
    login = (
        "security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, username: auditor, password: hunter2, "
        f"ca: {kafka.authority_certificate}}}"
    )
    away = (f'bootstrap_servers: ["127.0.0.1:{nobody}"]', registry)
    stranger = (f'bootstrap_servers: ["{kafka.login_url}"]', login, registry)
    silent = (broker, f"schema_registry: {{url: 'http://127.0.0.1:{nobody}'}}")
    for lines, topic, told in (
        (away, None, f"127.0.0.1:{nobody} does not take a connection"),
        (stranger, None, "refuses to let us in as auditor by SCRAM-SHA-512"),
        ((broker, registry), f"{world.topic}x", "has no such topic, or we may not see it; did you mean"),
        (silent, None, f"127.0.0.1:{nobody}"),
        ((broker,), None, "none of its first 2 records can be understood"),
        (
            (broker, registry.replace("confluent", "apicurio-8byte")),
            None,
            "none of its first 2 records can be understood",
        ),
    ):
        world.configure(*lines, topic=topic)
        err = refused(capsys)
        assert told in err, err
        assert "hunter2" not in err
        assert set(world.offsets()) <= {0}, told
    assert committed_offsets(Broker("shop", (kafka.url,)), GROUP) == {}
    world.configure(broker, registry)
    assert "nosuch" in refused(capsys, "nosuch")
    assert run(("monitor", "--until-caught-up")) == 0
    assert world.offsets() == [2]


@pytest.fixture
def monitor(world: World, forgetful: SchemaRegistry) -> Iterator[Monitor]:
    world.configure(*at(world, forgetful))
    made = Monitor.start(world.directory)
    yield made
    if made.process.returncode is None:
        made.process.kill()
        made.process.communicate()


def test_a_registry_that_is_gone_pauses_the_feed_and_skips_nothing(
    world: World, forgetful: SchemaRegistry, monitor: Monitor
) -> None:
    """Known schemas are read on; at an unknown one the monitor says what it waits for, and goes on where it stopped."""
    monitor.read_until(lambda event: event["event"] == "progress" and event["records"] == {"shop": 2})
    forgetful.shut()
    try:
        world.put(3, "known", copy=False)
        monitor.read_until(lambda event: event["event"] == "finding")
        world.put(4, "unknown", wider=True, copy=False)
        told = monitor.read_until(lambda event: event["event"] == "trouble")
        assert (told["what"], "registry" in told["message"]) == ("shop", True)
    finally:
        forgetful.launch()
    world.register(forgetful)
    monitor.read_until(lambda event: event == {"event": "trouble_over", "what": "shop", "at": event["at"]})
    monitor.read_until(lambda event: event["event"] == "finding")
    assert monitor.findings == [("3", "missing", "persistent"), ("4", "missing", "persistent")]
    assert monitor.stop() == 0


def test_a_broker_that_is_killed_is_waited_for_and_nothing_is_lost(world: World, monitor: Monitor) -> None:
    """It is told as trouble, once it has not answered for as long as a request may take; then all goes on."""
    monitor.read_until(lambda event: event["event"] == "progress" and event["records"] == {"shop": 2})
    world.put(3, "before", copy=False)
    world.kafka.kill()
    try:
        told = monitor.read_until(lambda event: event["event"] == "trouble")
        assert (told["what"], "no answer" in told["message"]) == ("shop", True), told
    finally:
        world.kafka.launch()
    monitor.read_until(lambda event: event["event"] == "trouble_over")
    world.put(4, "after", copy=False)
    world.put(5, "met")
    monitor.read_until(lambda _: len(monitor.findings) == 2)
    assert monitor.findings == [("3", "missing", "persistent"), ("4", "missing", "persistent")]
    assert monitor.stop() == 0
