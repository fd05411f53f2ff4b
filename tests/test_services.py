"""The servers that other tests stand on are what they say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

from tests.services import Backends, DatabaseServer, PostgreSQL, PostgreSQLStandby, Unavailable
from tests.services.account import Account
from tests.services.backends import REQUIRE_VARIABLE
from tests.services.contained import ContainedMariaDB, ContainedMySQL, ContainedPostgreSQL, ContainedService
from tests.services.contained_streams import ContainedKafka, ContainedKafkaConnect, ContainedSchemaRegistry
from tests.services.container import Engine

COMPOSE_FILE = Path(__file__).parents[1] / "docker-compose.yml"
CONTAINED: dict[str, type[ContainedService]] = {
    "postgres": ContainedPostgreSQL, "mariadb": ContainedMariaDB, "mysql": ContainedMySQL, "kafka": ContainedKafka,
    "registry": ContainedSchemaRegistry, "connect": ContainedKafkaConnect,
}  # fmt: skip


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, DatabaseServer)
    return found


def test_fresh_databases_are_empty_and_apart(server: DatabaseServer) -> None:
    one, other = server.fresh_database("apart"), server.fresh_database("apart")
    server.admin("CREATE TABLE t (a int); INSERT INTO t VALUES (1)", database=one)
    server.admin("CREATE TABLE t (a int)", database=other)
    assert server.admin("SELECT a FROM t", database=one) == [(1,)]
    assert server.admin("SELECT a FROM t", database=other) == []


def test_statement_log_holds_the_statements_of_its_block_only(server: DatabaseServer) -> None:
    server.admin("SELECT 'before'")
    with server.statement_log() as log:
        server.admin("SELECT 'within'")
    server.admin("SELECT 'after'")
    assert "SELECT 'within'" in log.text()
    assert "SELECT 'before'" not in log.text()
    assert "SELECT 'after'" not in log.text()


def test_standby_follows_and_can_fall_behind(postgres: PostgreSQL, postgres_standby: PostgreSQLStandby) -> None:
    name = postgres.database_name(postgres.fresh_database("followed"))
    postgres.admin("CREATE TABLE t (a int)", database=name)
    postgres_standby.catch_up()
    postgres_standby.pause_replay()
    postgres.admin("INSERT INTO t VALUES (1)", database=name)
    assert postgres_standby.admin("SELECT a FROM t", database=name) == []
    postgres_standby.resume_replay()
    postgres_standby.catch_up()
    assert postgres_standby.admin("SELECT a FROM t", database=name) == [(1,)]


def _cannot_start() -> NoReturn:
    raise Unavailable("this machine lacks it")


def test_missing_service_skips_where_optional_and_fails_where_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRE_VARIABLE, raising=False)
    optional = Backends()
    with pytest.raises(pytest.skip.Exception, match="this machine lacks it"):
        optional._need(PostgreSQL, _cannot_start)
    assert optional.account()[0].endswith("did not run: this machine lacks it")
    monkeypatch.setenv(REQUIRE_VARIABLE, "mysql, postgres")
    with pytest.raises(pytest.fail.Exception, match="this machine lacks it"):
        Backends()._need(PostgreSQL, _cannot_start)


def test_unknown_required_service_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE_VARIABLE, "postgers")
    with pytest.raises(pytest.UsageError, match="postgers"):
        Backends()


def test_the_containers_of_tests_are_those_that_users_start() -> None:
    """One version of each image: what the compose file names is what tests fall back to."""
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    named = {name: service["image"] for name, service in services.items()}
    short = {name: kind.image.removeprefix("docker.io/").removeprefix("library/") for name, kind in CONTAINED.items()}
    assert named == short


def test_a_contained_broker_has_its_storage_made_and_sees_nothing_of_this_machine_but_its_directory() -> None:
    """The certificates are read from there, and readable; its ports are the machine's own, on loopback."""
    broker = ContainedKafka(Account.caller())
    try:
        broker.engine = Engine(Path("docker"))
        broker._prepare()
        command = broker.engine.command(broker.container())
        settings = broker._settings_path.read_text()
    finally:
        shutil.rmtree(broker.directory)
    assert command[:4] == ["docker", "run", "--name", broker.directory.name]
    assert command[4:6] == ["--network", "host"]
    assert str(broker.directory) not in settings
