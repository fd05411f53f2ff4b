"""Kafka Connect with Debezium, from Maven's central repository."""

from __future__ import annotations

import json
import urllib.error
import zlib
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.services.deadline import wait_until
from tests.services.java import JavaService, class_path, properties_text
from tests.services.kafka import LOGGING, QUIET, Kafka
from tests.services.kafka import VERSION as KAFKA_VERSION
from tests.services.maven import Artifact, fetch_libraries, fetch_unpacked
from tests.services.ports import LOOPBACK, free_port
from tests.services.schema_registry import VERSION as REGISTRY_VERSION
from tests.services.web import ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.services.account import Account
    from tests.services.database import DatabaseServer
    from tests.services.schema_registry import SchemaRegistry

DEBEZIUM_VERSION = "3.5.0.Final"
_PROGRAMS = tuple(
    Artifact("org.apache.kafka", name, KAFKA_VERSION)
    for name in ("connect-runtime", "connect-json", "connect-transforms")
)
_CONNECTORS = tuple(
    Artifact("io.debezium", f"debezium-connector-{store}", DEBEZIUM_VERSION, "tar.gz", "plugin")
    for store in ("postgres", "mariadb")
)
_CONVERTER = Artifact("io.apicurio", "apicurio-registry-utils-converter", REGISTRY_VERSION)
_RUNNING_SECONDS = 90

_SETTINGS = {
    "group.id": "connect",
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "offset.storage.topic": "connect-offsets",
    "offset.storage.replication.factor": "1",
    "offset.storage.partitions": "1",
    "config.storage.topic": "connect-configs",
    "config.storage.replication.factor": "1",
    "status.storage.topic": "connect-status",
    "status.storage.replication.factor": "1",
    "status.storage.partitions": "1",
    "offset.flush.interval.ms": "1000",
    "plugin.discovery": "only_scan",
}


class KafkaConnect(JavaService):
    """One worker, which runs Debezium's connectors for PostgreSQL and MariaDB."""

    name: ClassVar[str] = "kafka_connect"
    title: ClassVar[str] = "Kafka Connect with Debezium"
    heap: ClassVar[str] = "768m"

    kafka: Kafka
    _owns_kafka = False

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.port = free_port()

    @classmethod
    def fetch(cls) -> Path:
        """Return the directory of the worker's jars, having fetched the connectors and converters too."""
        cls._plugins()
        return fetch_libraries(f"kafka-connect-{KAFKA_VERSION}", *_PROGRAMS, LOGGING)

    @classmethod
    def start(cls) -> Self:
        """Start a worker with a broker of its own; `stop` ends both."""
        kafka = Kafka.start()
        try:
            worker = cls.of(kafka)
        except BaseException:
            kafka.stop()
            raise
        worker._owns_kafka = True
        return worker

    @classmethod
    def of(cls, kafka: Kafka) -> Self:
        """Start a worker on this broker.

        Raises:
            Unavailable: It cannot be had here, or does not start.
        """
        worker = cls.begin()
        worker.kafka = kafka
        try:
            worker.launch()
        except BaseException:
            worker.stop()
            raise
        return worker

    def stop(self) -> None:
        """Stop the worker, and its broker where it is its own."""
        super().stop()
        if self._owns_kafka:
            self.kafka.stop()

    @property
    def url(self) -> str:
        """Where its REST API is."""
        return f"http://{LOOPBACK}:{self.port}"

    def launch(self) -> None:
        """Start the worker, again after `kill` too."""
        settings = self._write_settings(str(self._linked_plugins()))
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        self._run(self._java("-cp", class_path(self.fetch()), main, settings, properties=QUIET))

    def _write_settings(self, plugins: str) -> Path:
        """The worker's own settings, with where the connectors and converters are."""
        own = {"bootstrap.servers": self.kafka.url, "listeners": self.url, "plugin.path": plugins}
        path = self.directory / "connect.properties"
        path.write_text(properties_text(_SETTINGS | own))
        return path

    def create(self, name: str, settings: Mapping[str, str]) -> None:
        """Create a connector and wait until it and its task run."""
        ask(f"{self.url}/connectors", {"name": name, "config": dict(settings)})
        self.wait_for(name)

    def wait_for(self, name: str) -> None:
        """Wait until a connector and its task run."""
        wait_until(lambda: self._runs(name), seconds=_RUNNING_SECONDS, what=f"the connector {name}'s start")

    def delete(self, name: str) -> None:
        """End a connector; what it had in the database stays."""
        ask(f"{self.url}/connectors/{name}", method="DELETE")

    def offsets(self, name: str) -> list[Any]:
        """How far a connector has noted that it has come: killed before, it begins anew."""
        told: list[Any] = ask(f"{self.url}/connectors/{name}/offsets")["offsets"]
        return told

    def begin_anew(self, name: str) -> None:
        """Let a connector forget how far it has come, so that it takes another snapshot; wait until it runs."""
        ask(f"{self.url}/connectors/{name}/stop", method="PUT")
        wait_until(lambda: self._has_stopped(name), seconds=_RUNNING_SECONDS, what=f"the connector {name}'s end")
        ask(f"{self.url}/connectors/{name}/offsets", method="DELETE")
        ask(f"{self.url}/connectors/{name}/resume", method="PUT")
        self.wait_for(name)

    def status(self, name: str) -> Any:
        """What the worker says about a connector and its tasks."""
        return ask(f"{self.url}/connectors/{name}/status")

    def check(self, name: str) -> None:
        """Make sure that a connector has not failed, also while it takes its snapshot."""
        self._runs(name)

    def follow(
        self,
        server: DatabaseServer,
        database: str,
        prefix: str,
        registry: SchemaRegistry | None = None,
        **settings: str,
    ) -> None:
        """Have Debezium follow a database, and wait until it does.

        Args:
            server: PostgreSQL or MariaDB.
            database: The name of the database.
            prefix: Begins the names of the topics, and names the connector.
            registry: Records are Avro with schemas in it; without one they are JSON without schemas.
            settings: More of the connector's, with underscores for dots.
        """
        more = {name.replace("_", "."): value for name, value in settings.items()}
        self.create(
            prefix,
            _common(server, prefix) | _of_store(server, database, prefix, self.kafka) | _converters(registry) | more,
        )

    @classmethod
    def _plugins(cls) -> list[Path]:
        """The directories of jars that are a plugin each."""
        unpacked = [fetch_unpacked(connector) / connector.name for connector in _CONNECTORS]
        return [*unpacked, fetch_libraries(f"{_CONVERTER.name}-{REGISTRY_VERSION}", _CONVERTER)]

    def _linked_plugins(self) -> Path:
        """A directory with nothing but the plugins."""
        directory = self.directory / "plugins"
        directory.mkdir(exist_ok=True)
        for plugin in self._plugins():
            link = directory / plugin.name
            if not link.exists():
                link.symlink_to(plugin)
        return directory

    def _runs(self, name: str) -> bool:
        try:
            status = self.status(name)
        except urllib.error.HTTPError as error:
            if error.code in (404, 409):  # not known yet; being balanced anew
                return False
            raise
        states = [status["connector"]["state"], *(task["state"] for task in status["tasks"])]
        assert "FAILED" not in states, f"{name} failed: {json.dumps(status)[:2000]}"
        return len(states) > 1 and set(states) == {"RUNNING"}

    def _has_stopped(self, name: str) -> bool:
        status = self.status(name)
        return status["connector"]["state"] == "STOPPED" and not status["tasks"]

    def _answers(self) -> bool:
        try:
            ask(f"{self.url}/connectors")
        except (OSError, ValueError):
            return False
        return True

    def _read_version(self) -> str:
        return f"{KAFKA_VERSION} with Debezium {DEBEZIUM_VERSION}"


def _common(server: DatabaseServer, prefix: str) -> dict[str, str]:
    return {
        "topic.prefix": prefix,
        "database.hostname": server.host,
        "database.port": str(server.port),
        "database.user": server.user,
        "database.password": server.password,
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": "1",
        "topic.creation.enable": "true",
        "tasks.max": "1",
    }


def _of_store(server: DatabaseServer, database: str, prefix: str, kafka: Kafka) -> dict[str, str]:
    if server.name == "postgres":
        slot = "".join(letter if letter.isalnum() else "_" for letter in prefix.lower())
        return {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "plugin.name": "pgoutput",
            "database.dbname": database,
            "slot.name": slot,
            "publication.name": slot,
        }
    return {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "database.include.list": database,
        "database.server.id": str(1000 + zlib.crc32(prefix.encode()) % 100_000),
        "database.ssl.mode": "disable",
        "schema.history.internal.kafka.topic": f"{prefix}.history",
        "schema.history.internal.kafka.bootstrap.servers": kafka.url,
        # Other tests' databases are on the server, too: nothing of them is waited for.
        "schema.history.internal.store.only.captured.databases.ddl": "true",
        "snapshot.locking.mode": "none",
    }


def _converters(registry: SchemaRegistry | None) -> dict[str, str]:
    if registry is None:
        return _on_both_sides({"": "org.apache.kafka.connect.json.JsonConverter", ".schemas.enable": "false"})
    own = {
        "apicurio.registry.url": registry.converter_url,
        "apicurio.registry.auto-register": "true",
        "apicurio.registry.find-latest": "true",
        "apicurio.registry.as-confluent": "true",
        "apicurio.registry.use-id": "contentId",
        "apicurio.registry.headers.enabled": "false",
        "apicurio.registry.id-handler": "io.apicurio.registry.serde.Legacy4ByteIdHandler",
    }
    named = {f".{name}": value for name, value in own.items()}
    converters = _on_both_sides({"": "io.apicurio.registry.utils.converter.AvroConverter"} | named)
    return converters | {"schema.name.adjustment.mode": "avro", "field.name.adjustment.mode": "avro"}


def _on_both_sides(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings of a converter, for keys and for values."""
    return {f"{side}.converter{name}": value for side in ("key", "value") for name, value in settings.items()}
