"""Scans are read on a standby, and what looks wrong there is confirmed where changes are made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from auditor.cli import run
from reconcilers import perseverance
from reconcilers.finding import Verdict
from tests.kindness.night import CREATE, Night, settings_of, things

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import MariaDB, PostgreSQL, PostgreSQLStandby


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perseverance, "PAUSES_SECONDS", (0.1, 0.1, 0.1))


def standby_night(
    postgres: PostgreSQL, standby: PostgreSQLStandby, directory: Path, *names: str
) -> tuple[Night, str, str]:
    """An owner with a standby and a copy elsewhere, and the databases of both."""
    owner, copy = postgres.fresh_database("lagging"), postgres.fresh_database("copied")
    postgres.admin(CREATE, things("a", "b", "c"), database=owner)
    postgres.admin(CREATE, things(*names), database=copy)
    standby.catch_up()
    at_standby = standby.url_of(standby.database_name(owner))
    night = Night(directory, settings_of(owner, standby=at_standby), settings_of(copy))
    return night, owner, copy


def copied_from_things(log: str) -> list[str]:
    """Statements of the auditor's that bring rows of the owner's table."""
    return [line for line in log.splitlines() if "@lagging" in line and "COPY" in line and '"public"."things"' in line]


def test_scans_are_read_at_the_standby_and_suspects_at_the_primary(
    postgres: PostgreSQL, postgres_standby: PostgreSQLStandby, tmp_path: Path
) -> None:
    night, _, _ = standby_night(postgres, postgres_standby, tmp_path, "a", "x", "c")
    with postgres.statement_log() as primary, postgres_standby.statement_log() as standby:
        result = night.run()
    assert [(finding.key, finding.verdict) for finding in result.findings] == [((("id", "2"),), Verdict.PERSISTENT)]
    at_standby, at_primary = (copied_from_things(log.text()) for log in (standby, primary))
    assert any("WHERE" not in line for line in at_standby)
    assert at_primary
    assert all("WHERE" in line for line in at_primary), at_primary
    (replica,) = result.entities[0].replicas
    assert "on a standby, replayed to 2" in replica.owner_watermark
    assert set(result.loads) == {"owner", "owner (standby)", "copy"}
    assert result.loads["owner (standby)"]["rows"] == 4  # three scanned, one fetched
    assert result.loads["owner"]["rows"] == 2  # one looked up, one fetched


def test_a_copy_that_is_ahead_of_a_lagging_standby_is_no_phantom(
    postgres: PostgreSQL, postgres_standby: PostgreSQLStandby, tmp_path: Path
) -> None:
    """Changed, inserted and deleted rows that the standby has not replayed; drift beside them is still found."""
    night, owner, copy = standby_night(postgres, postgres_standby, tmp_path, "a", "b", "x")
    postgres_standby.pause_replay()
    try:
        changes = ("UPDATE things SET name = 'new' WHERE id = 1", "INSERT INTO things VALUES (4, 'd')")
        for database in (owner, copy):
            postgres.admin(*changes, "DELETE FROM things WHERE id = 2", database=database)
        result = night.run()
    finally:
        postgres_standby.resume_replay()
    verdicts = {finding.key: finding.verdict for finding in result.findings}
    assert verdicts == {
        (("id", "1"),): Verdict.HEALED,
        (("id", "2"),): Verdict.HEALED,
        (("id", "3"),): Verdict.PERSISTENT,
        (("id", "4"),): Verdict.HEALED,
    }


def test_a_standby_that_is_down_is_told_and_the_primary_is_not_scanned_in_its_place(
    postgres: PostgreSQL, tmp_path: Path
) -> None:
    database = postgres.fresh_database("alone")
    postgres.admin(CREATE, things("a"), database=database)
    down = "postgresql://postgres@127.0.0.1:1/alone"
    night = Night(tmp_path, settings_of(database, standby=down), settings_of("sqlite:///copy.db"))
    with postgres.statement_log() as log:
        result = night.run()
    assert result.exit_code == 2
    assert "unreadable" in result.exit_reasons
    assert "it is the connection's standby, and scans are read nowhere else" in result.errors[0]
    assert "@alone" not in log.text()


def test_a_server_that_takes_changes_is_not_scanned_as_a_standby(
    postgres: PostgreSQL, mariadb: MariaDB, tmp_path: Path
) -> None:
    for server in (postgres, mariadb):
        database = server.fresh_database("primary")
        server.admin(CREATE, things("a"), database=database)
        night = Night(tmp_path, settings_of(database, standby=database), settings_of("sqlite:///copy.db"))
        result = night.run()
        assert result.exit_code == 2
        assert "this is to be a standby, and it " in result.errors[0]


def test_a_replica_of_mariadb_is_scanned_while_it_only_reads(mariadb: MariaDB, tmp_path: Path) -> None:
    database, copy = mariadb.fresh_database("replica"), mariadb.fresh_database("copied")
    for each in (database, copy):
        mariadb.admin(CREATE, things("a", "b"), database=each)
    mariadb.admin("SET GLOBAL read_only = ON")
    try:
        night = Night(tmp_path, settings_of(database, standby=database), settings_of(copy))
        result = night.run()
    finally:
        mariadb.admin("SET GLOBAL read_only = OFF")
    assert result.exit_code == 0
    assert result.loads["owner (standby)"]["rows"] == 2


def test_a_scan_that_the_standby_cancels_is_read_again(
    postgres: PostgreSQL, postgres_standby: PostgreSQLStandby, tmp_path: Path
) -> None:
    """A conflict with recovery: the primary has removed rows that our snapshot still sees."""
    night, owner, _ = standby_night(postgres, postgres_standby, tmp_path, "a", "x", "c")
    left = [1]

    def remove_rows(dataset: str, what: str) -> None:
        if dataset == "owner/things" and what == "scan" and left:
            left.pop()
            postgres.admin(
                "INSERT INTO things SELECT i, 'gone' FROM generate_series(10, 2000) i",
                "DELETE FROM things WHERE id >= 10",
                "UPDATE things SET name = name",
                "VACUUM things",
                database=owner,
            )
            postgres_standby.catch_up()

    night.before_load = remove_rows
    for setting in ("max_standby_streaming_delay = 0", "hot_standby_feedback = off"):
        postgres_standby.admin(f"ALTER SYSTEM SET {setting}", "SELECT pg_reload_conf()")
    try:
        result = night.run()
    finally:
        for setting in ("max_standby_streaming_delay", "hot_standby_feedback"):  # not ALL: it would forget its primary
            postgres_standby.admin(f"ALTER SYSTEM RESET {setting}", "SELECT pg_reload_conf()")
    assert [(finding.key, finding.verdict) for finding in result.findings] == [((("id", "2"),), Verdict.PERSISTENT)]
    assert result.exit_reasons == ("drift",)
    (told,) = result.entities[0].coverage.read_again
    assert "conflict with recovery" in told


def test_a_dry_run_shows_what_runs_where_and_reads_no_row(
    postgres: PostgreSQL,
    postgres_standby: PostgreSQLStandby,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    night, owner, _ = standby_night(postgres, postgres_standby, tmp_path, "a", "x", "c")
    postgres.admin("ANALYZE things", database=owner)
    postgres_standby.catch_up()
    with postgres.statement_log() as primary, postgres_standby.statement_log() as standby:
        code = run(["reconcile", "--dry-run", "--format", "json", "--config", str(night.settings)])
    assert code == 0
    at_owner, at_copy = json.loads(capsys.readouterr().out)["queries"]
    assert (at_owner["connection"], at_owner["by_key"]) == ("owner (standby)", "owner")
    assert at_owner["estimated_rows"] == 3
    assert at_owner["estimated_bytes"] > 0
    assert '"public"."things"' in at_owner["query"]
    assert (at_copy["connection"], at_copy["by_key"]) == ("copy", "copy")
    for log in (primary, standby):
        assert copied_from_things(log.text()) == []
    assert "@lagging" not in primary.text()
    assert run(["reconcile", "--dry-run", "--config", str(night.settings)]) == 0
    assert "at owner (standby) (about 3 rows, " in capsys.readouterr().out
