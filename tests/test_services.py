"""The servers that other tests stand on are what they say."""

from __future__ import annotations

import pytest

from tests.services import DatabaseServer, PostgreSQL, PostgreSQLStandby


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
