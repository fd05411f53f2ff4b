"""What is changed, emptied or hidden while it is read is never called clean."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from reconcilers import perseverance
from reconcilers.finding import Verdict
from tests.kindness.night import CREATE, Night, settings_of, things

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconcilers.tally import RunResult
    from tests.services import MariaDB, MySQL, PostgreSQL


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perseverance, "PAUSES_SECONDS", (0.1, 0.1, 0.1))


def other_side(directory: Path, *names: str) -> str:
    """The same things in SQLite."""
    with closing(sqlite3.connect(directory / "other.db")) as connection, connection:
        connection.execute(CREATE)
        connection.execute(things(*names))
    return settings_of("sqlite:///other.db")


def night_with(side: str, connection: str, directory: Path) -> Night:
    """The store in question is the owner's or the copy's."""
    other = other_side(directory, "a", "b", "c")
    return Night(directory, connection, other) if side == "owner" else Night(directory, other, connection)


def when_scanned(night: Night, side: str, act: Callable[[], object]) -> None:
    """Do something when the snapshot has been taken and nothing is read yet."""
    left = [1]

    def disturb(dataset: str, what: str) -> None:
        if dataset == f"{side}/things" and what == "scan" and left:
            left.pop()
            act()

    night.before_load = disturb


def assert_not_called_clean(result: RunResult, side: str, reason: str) -> None:
    assert result.exit_code == 2
    assert reason in result.exit_reasons
    (entity,) = result.entities
    assert not entity.replicas[0].coverage.complete
    if side == "owner":
        assert not entity.coverage.complete


@pytest.mark.parametrize("side", ["owner", "copy"])
@pytest.mark.parametrize(
    "statement", ["TRUNCATE things", "ALTER TABLE things ALTER COLUMN id TYPE bigint", "VACUUM FULL things"]
)
def test_a_table_of_postgresql_that_is_rewritten_is_incomplete(
    postgres: PostgreSQL, tmp_path: Path, side: str, statement: str
) -> None:
    database = postgres.fresh_database("rewritten")
    postgres.admin(CREATE, things("a", "b", "c"), database=database)
    night = night_with(side, settings_of(database), tmp_path)
    when_scanned(night, side, lambda: postgres.admin(statement, database=database))
    result = night.run()
    assert_not_called_clean(result, side, "incomplete")
    notes = result.entities[0].coverage.notes if side == "owner" else result.entities[0].replicas[0].coverage.notes
    assert any("truncated or rewritten while it was read" in note for note in notes)


@pytest.mark.parametrize("side", ["owner", "copy"])
def test_rows_that_a_policy_hides_are_not_missing_but_unreadable(
    postgres: PostgreSQL, tmp_path: Path, side: str
) -> None:
    database = postgres.fresh_database("hidden")
    postgres.admin(
        CREATE,
        things("a", "b", "c"),
        "ALTER TABLE things ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON things USING (id < 3)",
        f"CREATE ROLE limited_{side} LOGIN PASSWORD '{postgres.password}'",
        f"GRANT SELECT ON things TO limited_{side}",
        database=database,
    )
    night = night_with(side, settings_of(database.replace("//postgres:", f"//limited_{side}:")), tmp_path)
    result = night.run()
    assert_not_called_clean(result, side, "unreadable")
    assert "row-level security policy" in result.errors[0]
    assert not result.findings


@pytest.mark.parametrize("server", ["mariadb", "mysql"])
@pytest.mark.parametrize("side", ["owner", "copy"])
def test_a_table_of_mysql_that_is_emptied_is_read_again_as_it_is_now(
    server: str, side: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The server itself refuses the older snapshot; the next one shows what is there: nothing, and so it is told."""
    database_server: MariaDB | MySQL = request.getfixturevalue(server)
    database = database_server.fresh_database("emptied")
    database_server.admin(CREATE, things("a", "b", "c"), database=database)
    night = night_with(side, settings_of(database), tmp_path)
    when_scanned(night, side, lambda: database_server.admin("TRUNCATE TABLE things", database=database))
    result = night.run()
    assert result.exit_code == (2 if side == "owner" else 1)
    again = result.entities[0].coverage if side == "owner" else result.entities[0].replicas[0].coverage
    assert any("altered, truncated or made anew" in told for told in again.read_again)


def test_a_table_of_mariadb_that_is_dropped_is_unreadable(mariadb: MariaDB, tmp_path: Path) -> None:
    database = mariadb.fresh_database("dropped")
    mariadb.admin(CREATE, things("a", "b", "c"), database=database)
    night = night_with("copy", settings_of(database), tmp_path)
    when_scanned(night, "copy", lambda: mariadb.admin("DROP TABLE things", database=database))
    assert_not_called_clean(night.run(), "copy", "unreadable")


@pytest.mark.parametrize("side", ["owner", "copy"])
def test_a_sqlite_file_that_nobody_had_open_and_is_written_meanwhile_is_incomplete(tmp_path: Path, side: str) -> None:
    """Write-ahead mode without its files beside it: it is read as a file that nobody writes to."""
    path = tmp_path / "written.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(CREATE)
        connection.execute(things("a", "b", "c"))

    def write() -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE things SET name = 'z' WHERE id = 1")

    night = night_with(side, settings_of("sqlite:///written.db"), tmp_path)
    when_scanned(night, side, write)
    assert_not_called_clean(night.run(), side, "incomplete")


def rewritten_again(night: Night, side: str, act: Callable[[], object], times: int) -> None:
    """Do something in the middle of so many looks again."""
    left = [1] * times

    def disturb(dataset: str, what: str) -> None:
        if dataset == f"{side}/things" and what == "scan again" and left:
            left.pop()
            act()

    night.before_load = disturb


@pytest.mark.parametrize("side", ["owner", "copy"])
def test_a_table_that_is_emptied_in_every_look_again_proves_nothing(
    postgres: PostgreSQL, tmp_path: Path, side: str
) -> None:
    """The snapshot shows no row, which looks as if the difference had gone, or as if a row were missing."""
    database = postgres.fresh_database("emptied")
    postgres.admin(CREATE, things("a", "x", "c"), database=database)
    night = night_with(side, settings_of(database), tmp_path)
    rewritten_again(night, side, lambda: postgres.admin("TRUNCATE things", database=database), times=100)
    result = night.run()
    assert [(one.key, one.verdict) for one in result.findings] == [((("id", "2"),), Verdict.UNDECIDED)]
    assert "truncated or rewritten while it was read" in result.findings[0].evidence.note
    assert (result.exit_code, result.exit_reasons) == (2, ("undecided",))


@pytest.mark.parametrize("side", ["owner", "copy"])
def test_a_table_that_is_loaded_anew_in_a_look_again_is_looked_at_once_more(
    postgres: PostgreSQL, tmp_path: Path, side: str
) -> None:
    database = postgres.fresh_database("loaded")
    postgres.admin(CREATE, things("a", "x", "c"), database=database)
    night = night_with(side, settings_of(database), tmp_path)

    def load() -> None:
        postgres.admin("TRUNCATE things", things("a", "x", "c"), database=database)

    rewritten_again(night, side, load, times=1)
    result = night.run()
    assert [(one.key, one.verdict) for one in result.findings] == [((("id", "2"),), Verdict.PERSISTENT)]
    assert result.exit_reasons == ("drift",)


def test_a_table_of_mariadb_that_is_altered_in_every_look_again_proves_nothing(
    mariadb: MariaDB, tmp_path: Path
) -> None:
    database = mariadb.fresh_database("altered")
    mariadb.admin(CREATE, things("a", "x", "c"), database=database)
    night = night_with("copy", settings_of(database), tmp_path)
    renamed = ("RENAME TABLE things TO others", "CREATE TABLE things LIKE others")
    rewritten_again(night, "copy", lambda: mariadb.admin(*renamed, "DROP TABLE others", database=database), times=100)
    result = night.run()
    assert [(one.key, one.verdict) for one in result.findings] == [((("id", "2"),), Verdict.UNDECIDED)]
