"""What `limits` of a connection and `--deadline` promise, measured at real servers."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from auditor.clock import ManualClock
from tests.kindness.night import CREATE, Night, settings_of, things

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services import MariaDB, MySQL, PostgreSQL

MANY = 60_000
"""Rows of a table that is read in parallel: well over 2000 pages."""


@pytest.fixture(scope="module")
def large(postgres: PostgreSQL) -> str:
    """A database with a table of things that is worth several connections."""
    database = postgres.fresh_database("large")
    postgres.admin(
        CREATE.replace("100", "400"),
        f"INSERT INTO things SELECT i, repeat('x', 350) FROM generate_series(1, {MANY}) i",
        "ANALYZE things",
        database=database,
    )
    return database


def empty_copy(directory: Path, **more: object) -> str:
    """A copy without rows in SQLite, as settings name it."""
    with closing(sqlite3.connect(directory / "copy.db")) as connection, connection:
        connection.execute(CREATE)
    return settings_of("sqlite:///copy.db", **more)


@contextmanager
def sessions_counted(postgres: PostgreSQL, database: str) -> Iterator[list[int]]:
    """How many sessions the auditor has in a database, looked at all the time."""
    counts: list[int] = []
    over = threading.Event()
    question = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name LIKE 'consistency-auditor%'"
    )

    def look() -> None:
        with closing(postgres.connect(database)) as connection:
            while not over.wait(0.01):
                row = connection.execute(question).fetchone()
                counts.append(row[0] if row else 0)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield counts
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_more_connections_are_open_than_allowed(
    postgres: PostgreSQL, large: str, tmp_path: Path, limit: int
) -> None:
    limits = {"connections": limit, "rows_per_second": MANY}
    night = Night(tmp_path, settings_of(large, limits=limits), empty_copy(tmp_path), workspace={"threads": 6})
    with sessions_counted(postgres, large) as counts:
        result = night.run(recheck=False)
    assert result.entities[0].owner_rows == MANY
    assert max(map(min, counts, counts[1:])) <= limit  # one that is just being closed is seen once
    assert night.said == []


def test_more_datasets_than_connections_are_told(postgres: PostgreSQL, tmp_path: Path) -> None:
    """Both sides are read at once: one connection for two datasets cannot be."""
    database = postgres.fresh_database("both")
    postgres.admin(CREATE, "CREATE TABLE copies AS SELECT * FROM things", database=database)
    connection = settings_of(database, limits={"connections": 1})
    night = Night(tmp_path, connection, connection, contract=("copy/things", "owner/copies"))
    night.run()
    assert night.said[0] == (
        "2 datasets of owner are read at once, each over a connection of its own: limits.connections of 1 is not enough"
    )


@pytest.mark.parametrize("server", ["mariadb", "mysql"])
def test_one_connection_is_enough_for_mysql(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    database_server: MariaDB | MySQL = request.getfixturevalue(server)
    database = database_server.fresh_database("one")
    database_server.admin(CREATE, things("a", "b"), database=database)
    night = Night(tmp_path, settings_of(database, limits={"connections": 1}), empty_copy(tmp_path))
    name = database_server.database_name(database)
    counts: list[int] = []

    def count(_dataset: str, _what: str) -> None:
        sql = f"SELECT count(*) FROM information_schema.processlist WHERE db = '{name}'"
        counts.append(database_server.admin(sql)[0][0])

    night.before_load = count
    result = night.run()
    assert result.exit_reasons == ("drift",)
    assert set(counts) == {1}


def test_rows_come_no_faster_than_allowed(large: str, tmp_path: Path) -> None:
    """A second's worth may come at once; the rest takes its time."""
    limits = {"rows_per_second": MANY // 3}
    night = Night(tmp_path, settings_of(large, limits=limits), empty_copy(tmp_path))
    began = time.monotonic()
    night.run(recheck=False)
    assert time.monotonic() - began >= 2
    assert night.wiring.loads()["owner"].rows == MANY


def test_rows_of_mysql_and_sqlite_come_no_faster_than_allowed(mariadb: MariaDB, tmp_path: Path) -> None:
    database = mariadb.fresh_database("slow")
    rows = ", ".join(f"({number}, 'x')" for number in range(3000))
    mariadb.admin(CREATE, f"INSERT INTO things VALUES {rows}", database=database)
    copy = empty_copy(tmp_path, limits={"rows_per_second": 1500})
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection, connection:
        connection.execute(f"INSERT INTO things VALUES {rows}")
    for slow, quick in (({"rows_per_second": 1500}, {}), ({}, {"rows_per_second": 1500})):
        copy = settings_of("sqlite:///copy.db", limits=quick)
        night = Night(tmp_path, settings_of(database, limits=slow), copy)
        began = time.monotonic()
        result = night.run()
        assert result.exit_code == 0
        assert time.monotonic() - began >= 1


def test_a_statement_of_sqlite_takes_no_longer_than_allowed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "owner.db")) as connection, connection:
        connection.execute("CREATE VIEW things AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n "
                           "WHERE id < 1000000000) SELECT max(id) AS id, 'x' AS name FROM n")  # fmt: skip
    night = Night(
        tmp_path, settings_of("sqlite:///owner.db", limits={"statement_timeout": "300ms"}), empty_copy(tmp_path)
    )
    began = time.monotonic()
    result = night.run()
    assert time.monotonic() - began < 10
    assert result.exit_reasons == ("unreadable",)
    assert "limits.statement_timeout" in result.errors[0]


@pytest.mark.parametrize("limits", [{"statement_timeout": "300ms"}, {}])
def test_a_statement_of_postgresql_ends_with_its_time_or_with_the_runs(
    postgres: PostgreSQL, tmp_path: Path, limits: dict[str, str]
) -> None:
    """An owner's query that thinks for long before it gives its first row."""
    database = postgres.fresh_database("thinking")
    slow = "SELECT count(*)::int AS id, 'x' AS name FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
    replaced = ("dataset: owner/things", f'query: {{connection: owner, sql: "{slow}"}}')
    night = Night(tmp_path, settings_of(database, limits=limits), empty_copy(tmp_path), contract=replaced)
    began = time.monotonic()
    result = night.run(deadline=timedelta(seconds=2))
    assert time.monotonic() - began < 8
    assert result.exit_reasons == (("unreadable",) if limits else ("incomplete",))
    assert ("statement_timeout" if limits else "--deadline") in result.errors[0]


# -- the deadline ------------------------------------------------------------------------------------------------------


def test_what_is_not_compared_at_the_deadline_is_told(large: str, tmp_path: Path) -> None:
    """In the middle of a slow scan: the run ends, nothing is called clean."""
    limits = {"rows_per_second": 1000}
    night = Night(tmp_path, settings_of(large, limits=limits), empty_copy(tmp_path))
    began = time.monotonic()
    result = night.run(deadline=timedelta(seconds=1.5))
    assert time.monotonic() - began < 5
    assert result.exit_reasons == ("incomplete",)
    assert result.exit_code == 2
    assert result.errors[0].startswith("thing: the run's time was over (--deadline 1500ms)")
    assert not result.entities[0].coverage.complete


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_the_deadline_ends_waiting_for_a_lock(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    database_server: PostgreSQL | MariaDB = request.getfixturevalue(server)
    database = database_server.fresh_database("locked")
    database_server.admin(CREATE, database=database)
    night = Night(tmp_path, settings_of(database), empty_copy(tmp_path))
    with closing(database_server.connect(database)) as connection:
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        lock = "LOCK TABLE things IN ACCESS EXCLUSIVE MODE" if server == "postgres" else "LOCK TABLES things WRITE"
        cursor.execute(lock)
        began = time.monotonic()
        result = night.run(deadline=timedelta(seconds=1))
        took = time.monotonic() - began
    assert took < 10
    assert result.exit_reasons == ("incomplete",)


def test_a_deadline_while_suspects_are_waited_for_leaves_them_in_flight(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "owner.db")) as connection, connection:
        connection.execute(CREATE)
        connection.execute(things("a"))
    night = Night(tmp_path, settings_of("sqlite:///owner.db"), empty_copy(tmp_path))
    clock = ManualClock()
    result = night.run(clock, recheck_after=timedelta(minutes=5), deadline=timedelta(minutes=2))
    assert [finding.verdict.value for finding in result.findings] == ["in_flight"]
    assert result.findings[0].judge_after is not None
    assert clock.monotonic() <= 120


# -- windows -----------------------------------------------------------------------------------------------------------


def window_night(directory: Path, *windows: str) -> Night:
    with closing(sqlite3.connect(directory / "owner.db")) as connection, connection:
        connection.execute(CREATE)
        connection.execute(things("a"))
    owner = settings_of("sqlite:///owner.db", limits={"windows": list(windows)})
    return Night(directory, owner, empty_copy(directory))


def at(hour: int, minute: int) -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, hour, minute, tzinfo=UTC))


@pytest.mark.parametrize(
    ("window", "hour", "minute"), [("01:00-05:00", 1, 0), ("01:00-05:00", 4, 59), ("22:00-02:00", 0, 30)]
)
def test_within_a_window_a_run_begins_at_once(tmp_path: Path, window: str, hour: int, minute: int) -> None:
    clock = at(hour, minute)
    night = window_night(tmp_path, window)
    assert night.run(clock, recheck=False).exit_reasons == ("suspects",)
    assert clock.monotonic() == 0


def test_a_window_that_opens_soon_is_waited_for(tmp_path: Path) -> None:
    clock = at(0, 55)
    night = window_night(tmp_path, "01:00-05:00", "12:00-13:00")
    assert night.run(clock, recheck=False).exit_reasons == ("suspects",)
    assert clock.now() == datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
    assert night.said == ["waiting until 01:00 UTC: owner may be read at 01:00-05:00, 12:00-13:00 UTC (limits.windows)"]


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"max_wait": timedelta(minutes=10)}, "--max-wait 10m"),
        ({"deadline": timedelta(hours=1)}, "--deadline 1h"),
    ],
)
def test_a_window_that_opens_too_late_ends_the_run(tmp_path: Path, limit: dict[str, timedelta], told: str) -> None:
    clock = at(23, 10)
    night = window_night(tmp_path, "01:00-05:00")
    result = night.run(clock, **limit)
    assert result.exit_reasons == ("incomplete",)
    assert result.exit_code == 2
    assert result.errors[0].startswith(
        "thing: owner may be read at 01:00-05:00 UTC (limits.windows); "
        f"it is 23:10 now, and 01:00 is later than this run waits ({told})"
    )
    assert clock.monotonic() == 0


def test_a_longer_deadline_waits_for_the_window(tmp_path: Path) -> None:
    clock = at(23, 10)
    night = window_night(tmp_path, "01:00-05:00")
    assert night.run(clock, recheck=False, deadline=timedelta(hours=3)).exit_reasons == ("suspects",)
    assert clock.now().hour == 1


def test_windows_that_never_meet_are_told(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "owner.db")) as connection, connection:
        connection.execute(CREATE)
    owner = settings_of("sqlite:///owner.db", limits={"windows": "01:00-05:00"})
    night = Night(tmp_path, owner, empty_copy(tmp_path, limits={"windows": "05:00-06:00"}))
    result = night.run(at(1, 0), deadline=timedelta(days=3))
    assert "there is no time of day at which all of them may be read" in result.errors[0]
