"""Fixtures that every test may use; `tests/README.md` says how."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.services.backends import NAMES, Backends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import Kafka, KafkaConnect, MariaDB, MySQL, PostgreSQL, PostgreSQLStandby, SchemaRegistry

_BACKENDS = pytest.StashKey[Backends]()
_WORLDS = Path(__file__).parent / "simulation"

# The same examples in every run, however busy the machine is: a failure is a change in the code, never luck.
hypothesis.settings.register_profile(
    "steady", derandomize=True, deadline=None, database=None, print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)  # fmt: skip
hypothesis.settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    """Read which services are required, before anything runs; let SIGTERM stop them as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.stash[_BACKENDS] = Backends()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the services it uses, so that ``-m 'not services'`` leaves them out.

    Where two processes share the tests, those of a file stay together for what its fixtures cost; worlds share none.
    """
    for item in items:
        if not item.path.is_relative_to(_WORLDS):
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
        used = set(NAMES) & set(getattr(item, "fixturenames", ()))
        for name in sorted(used | ({"services"} if used else set())):
            item.add_marker(name)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a process that runs a share of the tests: hand over the account of its servers."""
    handed = getattr(session.config, "workeroutput", None)
    if handed is not None:
        handed["backends"] = session.config.stash[_BACKENDS].told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the process that collects what the others did: take their accounts.  One that crashed has none."""
    told = getattr(node, "workeroutput", {}).get("backends")
    if told is not None:
        node.config.stash[_BACKENDS].learn(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name every backend that ran, and every one that did not."""
    terminalreporter.section("backends")
    for line in config.stash[_BACKENDS].account():
        terminalreporter.line(line)


@pytest.fixture(scope="session")
def backends(pytestconfig: pytest.Config) -> Iterator[Backends]:
    """Every server of this run; most tests ask for one by name instead."""
    yield pytestconfig.stash[_BACKENDS]
    pytestconfig.stash[_BACKENDS].stop()


@pytest.fixture(scope="session")
def postgres(backends: Backends) -> PostgreSQL:
    """A PostgreSQL server that belongs to this run alone."""
    return backends.postgres()


@pytest.fixture(scope="session")
def postgres_standby(backends: Backends) -> PostgreSQLStandby:
    """A streaming standby of `postgres`."""
    return backends.postgres_standby()


@pytest.fixture(scope="session")
def mariadb(backends: Backends) -> MariaDB:
    """A MariaDB server that belongs to this run alone."""
    return backends.mariadb()


@pytest.fixture(scope="session")
def mysql(backends: Backends) -> MySQL:
    """A MySQL 8.0 server that belongs to this run alone."""
    return backends.mysql()


@pytest.fixture(scope="session")
def kafka(backends: Backends) -> Kafka:
    """A Kafka broker that belongs to this run alone."""
    return backends.kafka()


@pytest.fixture(scope="session")
def schema_registry(backends: Backends) -> SchemaRegistry:
    """A schema registry with Confluent's API that belongs to this run alone."""
    return backends.schema_registry()


@pytest.fixture(scope="session")
def kafka_connect(backends: Backends) -> KafkaConnect:
    """Kafka Connect with Debezium, on `kafka`."""
    return backends.kafka_connect()


@pytest.fixture(scope="session")
def sqlite3_program() -> Path:
    """SQLite's own shell, which compensations for SQLite are applied with."""
    from tests.services.program import program

    return program("sqlite3")
