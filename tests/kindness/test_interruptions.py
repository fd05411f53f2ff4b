"""A store that breaks off is read again from a new snapshot: nothing is lost, nothing is called clean too early."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from auditor.clock import SystemClock
from reconcilers import perseverance
from reconcilers.finding import Verdict
from tests.kindness.night import CREATE, Night, settings_of, things

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from reconcilers.tally import RunResult
    from tests.services import MariaDB, MySQL, PostgreSQL

WHEN = ["scan", "fetch", "scan again", "fetch again"]


@dataclass(slots=True)
class Once:
    """Does something the first time that the owner is read for a purpose, or each time."""

    when: str
    act: Callable[[], object]
    times: int = 1

    def __call__(self, dataset: str, what: str) -> None:
        if dataset == "owner/things" and what == self.when and self.times:
            self.times -= 1
            self.act()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perseverance, "PAUSES_SECONDS", (0.1, 0.1, 0.1))


def sqlite_copy(directory: Path, *names: str) -> str:
    """A copy of things in SQLite, as settings name it."""
    with closing(sqlite3.connect(directory / "copy.db")) as connection, connection:
        connection.execute(CREATE)
        connection.execute(things(*names))
    return settings_of("sqlite:///copy.db")


def postgres_night(postgres: PostgreSQL, directory: Path) -> tuple[Night, str]:
    """Rows 1 to 3, of which the copy has the second wrong."""
    database = postgres.fresh_database("night")
    postgres.admin(CREATE, things("a", "b", "c"), database=database)
    return Night(directory, settings_of(database), sqlite_copy(directory, "a", "x", "c")), database


def end_sessions(postgres: PostgreSQL, database: str) -> Callable[[], object]:
    """End every session of the auditor's there."""
    return lambda: postgres.admin(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'consistency-auditor%'",
        database=database,
    )


def kill_sessions(server: MariaDB | MySQL, database: str) -> Callable[[], object]:
    """The same for MariaDB and MySQL."""
    name = server.database_name(database)

    def kill() -> None:
        for (number,) in server.admin(
            f"SELECT id FROM information_schema.processlist WHERE db = '{name}' AND id <> connection_id()"
        ):
            server.admin(f"KILL {number}")

    return kill


def assert_only_the_planted_row_is_found(result: RunResult) -> None:
    """As if nothing had happened."""
    assert [(finding.key, finding.verdict) for finding in result.findings] == [((("id", "2"),), Verdict.PERSISTENT)]
    assert result.exit_reasons == ("drift",)
    (entity,) = result.entities
    assert entity.coverage.complete
    assert entity.replicas[0].coverage.complete
    assert entity.replicas[0].compared_rows == 3


@pytest.mark.parametrize("when", WHEN)
def test_a_lost_connection_to_postgresql_is_made_again(postgres: PostgreSQL, tmp_path: Path, when: str) -> None:
    night, database = postgres_night(postgres, tmp_path)
    night.before_load = once = Once(when, end_sessions(postgres, database))
    result = night.run()
    assert once.times == 0
    assert_only_the_planted_row_is_found(result)
    again = result.entities[0].coverage.read_again
    if when in ("scan", "fetch"):
        (told,) = again
        assert told.startswith("read again from a new snapshot: reading owner/things failed at ")
        assert "terminating connection" in told or "closed the connection" in told


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("server", ["mariadb", "mysql"])
def test_a_killed_connection_is_made_again(
    server: str, when: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database_server: Any = request.getfixturevalue(server)
    database = database_server.fresh_database("night")
    database_server.admin(CREATE, things("a", "b", "c"), database=database)
    night = Night(tmp_path, settings_of(database), sqlite_copy(tmp_path, "a", "x", "c"))
    night.before_load = once = Once(when, kill_sessions(database_server, database))
    result = night.run()
    assert once.times == 0
    assert_only_the_planted_row_is_found(result)
    assert len(result.entities[0].coverage.read_again) == (1 if when in ("scan", "fetch") else 0)


def test_a_store_that_breaks_off_again_and_again_is_given_up_with_its_reason(
    postgres: PostgreSQL, tmp_path: Path
) -> None:
    night, database = postgres_night(postgres, tmp_path)
    night.before_load = Once("scan", end_sessions(postgres, database), times=100)
    result = night.run()
    assert result.exit_reasons == ("unreadable",)
    assert result.exit_code == 2
    (error,) = result.errors
    assert error.startswith("thing: reading owner/things failed at ")
    assert "(tried 4 times)" in error
    assert not result.entities[0].coverage.complete


def test_a_replica_that_is_given_up_takes_nothing_from_the_owner(postgres: PostgreSQL, tmp_path: Path) -> None:
    database = postgres.fresh_database("night")
    postgres.admin(CREATE, things("a", "b", "c"), database=database)
    night = Night(tmp_path, sqlite_copy(tmp_path, "a", "x", "c"), settings_of(database))
    end = end_sessions(postgres, database)
    night.before_load = lambda dataset, _what: end() if dataset == "copy/things" else None
    result = night.run()
    assert result.exit_reasons == ("unreadable",)
    assert result.entities[0].owner_rows == 3
    assert "(tried 4 times)" in result.errors[0]


def test_a_table_that_is_dropped_meanwhile_is_told_as_such(postgres: PostgreSQL, tmp_path: Path) -> None:
    night, database = postgres_night(postgres, tmp_path)

    def end_and_drop() -> None:
        end_sessions(postgres, database)()
        postgres.admin("DROP TABLE things", database=database)

    night.before_load = Once("fetch", end_and_drop)
    result = night.run()
    assert result.exit_reasons == ("unreadable",)
    assert "there is no table or view things" in result.errors[0]


def test_a_table_that_is_altered_between_two_tries_is_read_as_it_is_now(postgres: PostgreSQL, tmp_path: Path) -> None:
    night, database = postgres_night(postgres, tmp_path)

    def end_and_alter() -> None:
        end_sessions(postgres, database)()
        postgres.admin("ALTER TABLE things ADD other text DEFAULT 'x'", database=database)

    night.before_load = Once("fetch", end_and_alter)
    assert_only_the_planted_row_is_found(night.run())


def test_a_server_that_is_stopped_meanwhile_is_one_clear_error(postgres: PostgreSQL, tmp_path: Path) -> None:
    server = type(postgres).start()
    try:
        night, _ = postgres_night(server, tmp_path)
        night.before_load = Once("scan", server.stop)
        result = night.run()
    finally:
        server.stop()
    assert result.exit_reasons == ("unreadable",)
    (error,) = result.errors
    assert "Connection refused (tried 4 times)" in error
    assert "see whether the server is up" in error


def test_clocks_that_are_hours_apart_change_no_verdict(postgres: PostgreSQL, tmp_path: Path) -> None:
    """Lag bounds are measured on our own monotonic clock; what o'clock it is at either side says nothing."""

    class Ahead(SystemClock):
        hours = 0

        def now(self) -> datetime:
            return super().now() + timedelta(hours=self.hours)

    for hours in (-7, 7):
        (tmp_path / str(hours)).mkdir()
        night, _ = postgres_night(postgres, tmp_path / str(hours))
        clock = Ahead()
        clock.hours = hours
        began = monotonic()
        assert_only_the_planted_row_is_found(night.run(clock, recheck_after=timedelta(seconds=1)))
        assert 1 <= monotonic() - began < 20


def test_what_the_run_cost_is_counted_over_scans_fetches_and_rechecks(
    postgres: PostgreSQL, mariadb: MariaDB, tmp_path: Path
) -> None:
    """Bytes of MariaDB as they came, those of PostgreSQL as its statistics say."""
    database, copy = postgres.fresh_database("cost"), mariadb.fresh_database("cost")
    rows = ", ".join(f"({number}, '{'x' * 50}')" for number in range(1, 2001))
    for server, where in ((postgres, database), (mariadb, copy)):
        server.admin(CREATE, f"INSERT INTO things VALUES {rows}", database=where)
    mariadb.admin("UPDATE things SET name = 'y' WHERE id = 7", database=copy)
    postgres.admin("ANALYZE things", database=database)
    loads = Night(tmp_path, settings_of(database), settings_of(copy)).run().loads
    assert set(loads) == {"owner", "copy"}
    for load in loads.values():
        assert load["rows"] is not None
        assert load["rows"] >= 2003  # all of them, one fetched, one looked up and fetched again
        assert load["rows"] < 2100
        assert load["bytes"] == pytest.approx(2000 * 60, rel=0.25)
        assert load["queries"] is not None
        assert load["queries"] > 5
        assert load["longest_transaction_seconds"]
