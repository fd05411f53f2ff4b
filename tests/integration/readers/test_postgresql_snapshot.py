"""One moment: what is read from PostgreSQL stands as it stood when the snapshot was taken, or the reader says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from auditor.readers.postgresql import snapshot as postgresql_snapshot
from contracts.errors import StoreError
from reconcilers.workspace import Workspace
from tests.integration.readers.postgresql_bank import ACCOUNTS, TOTAL, Bank
from tests.integration.readers.postgresql_reading import looked_up, reader, scanned, texts, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services import PostgreSQL, PostgreSQLStandby

SCANS = 20


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("workspace")) as space:
        yield space


def totals(workspace: Workspace) -> tuple[int, int]:
    row = workspace.cursor().execute("SELECT count(*), sum(c1) FROM accounts").fetchone()
    assert row is not None
    return row[0], row[1]


def test_the_bank_on_a_primary(postgres: PostgreSQL, workspace: Workspace) -> None:
    """While money moves, each parallel scan finds every account once and the exact sum."""
    bank = Bank.founded(postgres)
    with bank.open():
        for _ in range(SCANS):
            before = bank.transfers
            with reader(bank.url, "account").snapshot(workspace) as snapshot:
                relation = snapshot.scan(wanted("id", "balance", "pad"))
                assert "postgres_query" not in relation.sql
                assert snapshot.load(f"SELECT c0, c1 FROM {relation.sql}", "accounts") == ACCOUNTS
                assert totals(workspace) == (ACCOUNTS, TOTAL)
                assert not snapshot.incomplete()
            assert bank.transfers > before


def test_the_bank_on_a_standby(postgres: PostgreSQL, postgres_standby: PostgreSQLStandby, workspace: Workspace) -> None:
    """A standby replays while it is scanned; it is read over one connection: the scanner shares no snapshot there."""
    bank = Bank.founded(postgres)
    postgres_standby.catch_up()
    source = reader(postgres_standby.url_of(postgres.database_name(bank.url)), "account")
    seen = set()
    with bank.open():
        for _ in range(SCANS):
            with source.snapshot(workspace) as snapshot:
                relation = snapshot.scan(wanted("id", "balance", "pad"))
                assert "postgres_query" in relation.sql
                snapshot.load(f"SELECT c0, c1 FROM {relation.sql}", "accounts")
                assert totals(workspace) == (ACCOUNTS, TOTAL)
                seen.add(snapshot.watermark.position)
    assert len(seen) > 1  # the standby did replay meanwhile


def test_scan_and_lookup_and_statements_see_one_moment(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Whatever is read within a snapshot, and however: changes made meanwhile are in none of it."""
    url = postgres.fresh_database("moment")
    postgres.admin(
        "CREATE TABLE t (id int PRIMARY KEY, n numeric(10,2), u numeric)",
        "INSERT INTO t SELECT i, 1, 1 FROM generate_series(1, 100) i",
        "ANALYZE t",
        database=url,
    )
    with reader(url, "t").snapshot(workspace) as snapshot:
        postgres.admin("UPDATE t SET n = 'NaN', u = 2", "DELETE FROM t WHERE id > 50", database=url)
        assert len(scanned(snapshot, workspace, "id", "u")) == 100
        assert looked_up(snapshot, workspace, ["id"], [("99",)]) == [("99",)]
        keys = snapshot.nan_keys(wanted("n"), wanted("id"))
        assert keys is not None
        assert texts(snapshot, workspace, keys) == []
    with reader(url, "t").snapshot(workspace) as snapshot:
        assert len(scanned(snapshot, workspace, "id")) == 50


def test_a_statement_that_scans_twice_sees_one_moment(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Of several scans each leaves its first connection without the snapshot; the reader prevents that."""
    bank = Bank.founded(postgres)
    with bank.open(), reader(bank.url, "account").snapshot(workspace) as snapshot:
        relation = snapshot.scan(wanted("id", "balance"))
        assert "postgres_query" not in relation.sql
        twice = f"SELECT a.c0, a.c1 - b.c1 AS c1 FROM {relation.sql} a JOIN {relation.sql} b USING (c0)"
        for _ in range(3):
            snapshot.load(twice, "accounts")
            assert totals(workspace) == (ACCOUNTS, 0)
            snapshot.load(f"SELECT * FROM {relation.sql}", "accounts")
            assert totals(workspace) == (ACCOUNTS, TOTAL)


def test_the_watermark(postgres: PostgreSQL, workspace: Workspace) -> None:
    """The position is PostgreSQL's own snapshot, that of the reading transaction; both clocks are told."""
    url = postgres.fresh_database("watermark")
    postgres.admin("CREATE TABLE t (id int)", database=url)
    with postgres.connect(url) as writer, writer.transaction():
        writer.execute("INSERT INTO t VALUES (1)")
        row = writer.execute("SELECT pg_current_xact_id()::text").fetchone()
        assert row is not None
        with reader(url, "t").snapshot(workspace) as snapshot:
            mark = snapshot.watermark
            assert scanned(snapshot, workspace, "id") == []
    assert (mark.dataset, mark.isolation) == ("db/t", "snapshot")
    lowest, highest, running = mark.position.split(":")
    assert int(lowest) <= int(row[0])
    assert int(row[0]) >= int(highest) or row[0] in running.split(",")  # not included: it had not been committed
    assert "/" in mark.display
    assert mark.store_time is not None
    for moment in (mark.read_at, mark.store_time):
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


def test_a_standby_tells_its_replay_position(postgres_standby: PostgreSQLStandby, workspace: Workspace) -> None:
    url = postgres_standby.fresh_database("position")
    postgres_standby.primary.admin("CREATE TABLE t (id int)", database=url)
    postgres_standby.catch_up()
    with reader(url, "t").snapshot(workspace) as snapshot:
        assert "/" in snapshot.watermark.display
        assert snapshot.watermark.position.count(":") == 2


@pytest.mark.parametrize("statement", ["TRUNCATE t", "ALTER TABLE t ALTER COLUMN id TYPE bigint"])
def test_a_table_emptied_or_rewritten_before_it_was_read_is_incomplete(
    postgres: PostgreSQL, workspace: Workspace, statement: str
) -> None:
    """TRUNCATE and rewriting DDL show an older snapshot an empty table; the reader says that it missed something."""
    url = postgres.fresh_database("rewritten")
    postgres.admin("CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 9) i", database=url)
    with reader(url, "t").snapshot(workspace) as snapshot:
        postgres.admin(statement, database=url)
        assert scanned(snapshot, workspace, "id") == []
        assert snapshot.incomplete() == "the table was truncated or rewritten while it was read"
    with reader(url, "t").snapshot(workspace) as snapshot:
        assert not snapshot.incomplete()


def test_what_lies_below_is_watched_as_well(postgres: PostgreSQL, workspace: Workspace) -> None:
    """A view, a query, a partitioned table and a materialised view are incomplete when a table below them is."""
    url = postgres.fresh_database("below")
    postgres.admin(
        "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 9) i",
        "CREATE VIEW inner_view AS SELECT * FROM t",
        "CREATE VIEW v AS SELECT id + 1 AS id FROM inner_view",
        "CREATE TABLE p (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
        "INSERT INTO p SELECT i FROM generate_series(1, 9) i",
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
        "CREATE TABLE more (id int)",
        "INSERT INTO more VALUES (11)",
        database=url,
    )
    view, query = reader(url, "v"), reader(url, query="SELECT id FROM inner_view WHERE id > 0")
    with view.snapshot(workspace) as first, query.snapshot(workspace) as second:
        assert (first.incomplete(), second.incomplete()) == ("", "")
        postgres.admin("TRUNCATE t", "INSERT INTO t VALUES (1)", database=url)
        assert first.incomplete()
        assert second.incomplete()
    with reader(url, "m").snapshot(workspace) as snapshot:
        postgres.admin("REFRESH MATERIALIZED VIEW m", database=url)
        assert snapshot.incomplete()
    with reader(url, "p").snapshot(workspace) as snapshot:
        postgres.admin("TRUNCATE p1", database=url)
        assert snapshot.incomplete()
    with reader(url, "p").snapshot(workspace) as snapshot:
        postgres.admin("ALTER TABLE p ATTACH PARTITION more FOR VALUES FROM (10) TO (20)", database=url)
        assert snapshot.incomplete()


def test_a_column_dropped_and_made_anew_is_told(postgres: PostgreSQL, workspace: Workspace) -> None:
    """The new column has the old one's name, and its default in every row."""
    url = postgres.fresh_database("anew")
    postgres.admin("CREATE TABLE t AS SELECT 1 AS id, 'shipped'::text AS status", database=url)
    with reader(url, "t").snapshot(workspace) as snapshot:
        postgres.admin("ALTER TABLE t DROP COLUMN status, ADD COLUMN status text DEFAULT 'new'", database=url)
        assert scanned(snapshot, workspace, "status") == [("new",)]
        assert snapshot.incomplete() == "columns of the table were dropped while it was read"


def test_a_table_dropped_meanwhile_is_an_error(postgres: PostgreSQL, workspace: Workspace) -> None:
    url = postgres.fresh_database("dropped")
    postgres.admin("CREATE TABLE t AS SELECT 1 AS id", database=url)
    with reader(url, "t").snapshot(workspace) as snapshot:
        relation = snapshot.scan(wanted("id"))
        postgres.admin("DROP TABLE t", database=url)
        with pytest.raises(StoreError, match=r'reading db/t failed at .*: relation "public\.t" does not exist'):
            snapshot.load(f"SELECT * FROM {relation.sql}", "rows")


def test_ddl_after_the_first_read_waits_for_us(postgres: PostgreSQL, workspace: Workspace) -> None:
    """The lock of a SELECT is held until the snapshot is let go: nothing can be truncated below a scan."""
    url = postgres.fresh_database("waits")
    postgres.admin("CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 9) i", database=url)
    with reader(url, "t").snapshot(workspace) as snapshot:
        assert len(scanned(snapshot, workspace, "id")) == 9
        with postgres.connect(url) as other:
            other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(Exception, match="lock timeout"):
                other.execute("TRUNCATE t")
        assert not snapshot.incomplete()
    postgres.admin("TRUNCATE t", database=url)  # and let go at the end


def test_a_standby_that_cancels_the_read_says_so(
    postgres: PostgreSQL, postgres_standby: PostgreSQLStandby, workspace: Workspace
) -> None:
    """Replay goes before readers once max_standby_streaming_delay is over."""
    url = postgres.fresh_database("conflict")
    postgres.admin("CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 1000) i", database=url)
    postgres_standby.catch_up()
    postgres_standby.admin("ALTER SYSTEM SET max_standby_streaming_delay = '1ms'", "SELECT pg_reload_conf()")
    source = reader(postgres_standby.url_of(postgres.database_name(url)), "t")
    try:
        with source.snapshot(workspace) as snapshot:
            relation = snapshot.scan(wanted("id"))
            postgres.admin("DELETE FROM t", "VACUUM t", database=url)
            postgres_standby.catch_up()
            with pytest.raises(StoreError, match=r"the standby cancelled the read[^\n]*\(conflict with recovery\)\n"):
                snapshot.load(f"SELECT * FROM {relation.sql}", "rows")
    finally:
        postgres_standby.admin("ALTER SYSTEM RESET max_standby_streaming_delay", "SELECT pg_reload_conf()")


def test_limits_reach_the_server(postgres: PostgreSQL, workspace: Workspace) -> None:
    """A statement that takes too long, and a lock that is not given, are errors that name the limit."""
    url = postgres.fresh_database("limits")
    postgres.admin("CREATE TABLE t AS SELECT 1 AS id", database=url)
    slow = "SELECT count(*) AS n FROM generate_series(1, 100000000) a, generate_series(1, 1000) b"
    with reader(url, query=slow, statement_timeout=0.2).snapshot(workspace) as snapshot:
        relation = snapshot.scan(wanted("n"))
        with pytest.raises(StoreError, match=r"statement timeout\n  next: raise limits\.statement_timeout"):
            snapshot.load(f"SELECT * FROM {relation.sql}", "rows")
    with postgres.connect(url) as other, other.transaction():
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with reader(url, "t", lock_timeout=0.1).snapshot(workspace) as snapshot:
            relation = snapshot.scan(wanted("id"))
            with pytest.raises(StoreError, match=r"somebody holds a lock.*\n  next: .*limits\.lock_timeout"):
                snapshot.load(f"SELECT * FROM {relation.sql}", "rows")


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_connections_than_allowed(postgres: PostgreSQL, tmp_path: Path, most: int) -> None:
    """A parallel scan with many threads keeps to `limits.connections`."""
    bank = Bank.founded(postgres)
    ours = f"SELECT pid FROM pg_stat_activity WHERE datname = '{postgres.database_name(bank.url)}'"
    with (
        Workspace(tmp_path, threads=8) as workspace,
        reader(bank.url, "account", connections=most).snapshot(workspace) as snapshot,
    ):
        relation = snapshot.scan(wanted("id", "balance", "pad"))
        assert ("postgres_query" in relation.sql) == (most == 1)
        assert snapshot.load(f"SELECT c0 FROM {relation.sql}", "accounts") == ACCOUNTS
        assert 1 <= len(postgres.admin(ours)) <= most  # connections are kept until the snapshot is let go


def test_two_tables_that_differ_by_case_alone(
    postgres: PostgreSQL, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB does not tell "Orders" from "orders": the scanner, asked for one, may read the other."""
    url = postgres.fresh_database("case")
    postgres.admin(
        'CREATE TABLE orders AS SELECT 1 AS id, 2 AS "ID"', 'CREATE TABLE "Orders" AS SELECT 3 AS id', database=url
    )
    postgres.admin("ANALYZE", database=url)
    monkeypatch.setattr(postgresql_snapshot, "PARALLEL_PAGES_MIN", 1)
    for relation, fields, row in (("orders", ["id", "ID"], ("1", "2")), ("Orders", ["id"], ("3",))):
        with reader(url, relation).snapshot(workspace) as snapshot:
            assert scanned(snapshot, workspace, *fields) == [row]


def test_nothing_of_ours_stays_at_the_server(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Connections are closed with the snapshot, and after errors too; while open they carry our name."""
    url = postgres.fresh_database("stays")
    postgres.admin("CREATE TABLE t AS SELECT 1 AS id", database=url)
    ours = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'consistency-auditor' AND datname = current_database()"
    )
    with reader(url, "t").snapshot(workspace):
        assert postgres.admin(ours, database=url) == [(1,)]
    with pytest.raises(StoreError), reader(url, "none").snapshot(workspace):
        pass
    attached = "SELECT database_name FROM duckdb_databases() WHERE type = 'postgres'"
    assert workspace.cursor().execute(attached).fetchall() == []
    assert workspace.cursor().execute("SELECT name FROM duckdb_secrets()").fetchall() == []
    with postgres.connect(url) as watching:
        for _ in range(1000):
            row = watching.execute(ours).fetchone()
            if row == (0,):
                break
        assert row == (0,)
