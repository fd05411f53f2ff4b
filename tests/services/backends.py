"""The servers of one test run: started when first asked for, accounted for at the end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.services.availability import Unavailable
from tests.services.contained import ContainedMariaDB, ContainedMySQL, ContainedPostgreSQL
from tests.services.contained_streams import ContainedKafka, ContainedKafkaConnect, ContainedSchemaRegistry
from tests.services.kafka import Kafka
from tests.services.kafka_connect import KafkaConnect
from tests.services.mariadb import MariaDB
from tests.services.mysql import MySQL
from tests.services.postgresql import PostgreSQL
from tests.services.schema_registry import SchemaRegistry
from tests.services.standby import PostgreSQLStandby

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.services.service import Service

REQUIRE_VARIABLE = "AUDITOR_REQUIRE_SERVICES"
KINDS: tuple[type[Service], ...] = (
    PostgreSQL,
    PostgreSQLStandby,
    MariaDB,
    MySQL,
    Kafka,
    SchemaRegistry,
    KafkaConnect,
)
NAMES = tuple(kind.name for kind in KINDS)

Server = TypeVar("Server", bound="Service")


def required_services() -> frozenset[str]:
    """Return the names of the services that must run, from the environment.

    Raises:
        pytest.UsageError: A name is unknown.
    """
    value = os.environ.get(REQUIRE_VARIABLE, "")
    names = {name.strip() for name in value.split(",")} - {""}
    if names == {"all"}:
        return frozenset(NAMES)
    if unknown := sorted(names - set(NAMES)):
        raise pytest.UsageError(f"{REQUIRE_VARIABLE} names {', '.join(unknown)}; known are all, {', '.join(NAMES)}")
    return frozenset(names)


def _first_available(*starts: Callable[[], Server]) -> Server:
    """Return the first server that can be had: on the machine itself, else in a container."""
    reasons = []
    for start in starts:
        try:
            return start()
        except Unavailable as reason:
            reasons.append(str(reason))
    raise Unavailable("; ".join(reasons))


def _start_kafka() -> Kafka:
    return _first_available(Kafka.start, ContainedKafka.start)


class Backends:
    """The servers that this run has started, and the reasons for those it could not."""

    def __init__(self) -> None:
        self.required = required_services()
        self._running: dict[str, Service] = {}
        self._versions: dict[str, str] = {}
        self._reasons: dict[str, str] = {}

    def postgres(self) -> PostgreSQL:
        """Return the run's PostgreSQL server."""
        return self._need(PostgreSQL, self._obtain_postgres)

    def postgres_standby(self) -> PostgreSQLStandby:
        """Return the standby of the run's PostgreSQL server."""
        return self._need(PostgreSQLStandby, lambda: PostgreSQLStandby.of(self._obtain_postgres()))

    def mariadb(self) -> MariaDB:
        """Return the run's MariaDB server."""
        return self._need(MariaDB, lambda: _first_available(MariaDB.start, ContainedMariaDB.start))

    def mysql(self) -> MySQL:
        """Return the run's MySQL server."""
        return self._need(MySQL, lambda: _first_available(MySQL.start, ContainedMySQL.start))

    def kafka(self) -> Kafka:
        """Return the run's Kafka broker."""
        return self._need(Kafka, _start_kafka)

    def schema_registry(self) -> SchemaRegistry:
        """Return the run's schema registry."""
        return self._need(SchemaRegistry, lambda: _first_available(SchemaRegistry.start, ContainedSchemaRegistry.start))

    def kafka_connect(self) -> KafkaConnect:
        """Return the run's Kafka Connect, which stands on the run's broker."""
        return self._need(KafkaConnect, self._start_kafka_connect)

    def _start_kafka_connect(self) -> KafkaConnect:
        kafka = self._obtain(Kafka, _start_kafka)
        return _first_available(lambda: KafkaConnect.of(kafka), lambda: ContainedKafkaConnect.of(kafka))

    def _obtain_postgres(self) -> PostgreSQL:
        return self._obtain(PostgreSQL, lambda: _first_available(PostgreSQL.start, ContainedPostgreSQL.start))

    def _need(self, kind: type[Server], start: Callable[[], Server]) -> Server:
        """Return the server; without it, fail the test if required, else skip it."""
        try:
            return self._obtain(kind, start)
        except Unavailable as reason:
            message = f"{kind.title} does not run here: {reason}"
        if kind.name in self.required:
            pytest.fail(f"{message} ({REQUIRE_VARIABLE} asks for it)", pytrace=False)
        pytest.skip(message)

    def _obtain(self, kind: type[Server], start: Callable[[], Server]) -> Server:
        """Return the server, starting it at the first call; what could not be had is not tried again."""
        running = self._running.get(kind.name)
        if isinstance(running, kind):
            return running
        if kind.name in self._reasons:
            raise Unavailable(self._reasons[kind.name])
        try:
            server = start()
        except Unavailable as reason:
            self._reasons[kind.name] = str(reason)
            raise
        self._running[kind.name] = server
        self._versions[kind.name] = server.version
        return server

    def stop(self) -> None:
        """Stop every server, the latest first."""
        while self._running:
            _, server = self._running.popitem()
            server.stop()

    def account(self) -> list[str]:
        """Return one line a service: the version that ran, or why none did."""
        width = max(map(len, NAMES))
        return [f"{name:<{width}}  {self._account_of(name)}" for name in NAMES]

    def told(self) -> dict[str, dict[str, str]]:
        """Return what ran and what could not, to be learned by another process's account."""
        return {"versions": dict(self._versions), "reasons": dict(self._reasons)}

    def learn(self, told: Mapping[str, Mapping[str, str]]) -> None:
        """Take what another process of this run told into this account."""
        self._versions.update(told["versions"])
        self._reasons.update(told["reasons"])

    def _account_of(self, name: str) -> str:
        if name in self._versions:
            return f"ran, version {self._versions[name]}"
        if name in self._reasons:
            return f"did not run: {self._reasons[name]}"
        return "did not run: no selected test uses it"
