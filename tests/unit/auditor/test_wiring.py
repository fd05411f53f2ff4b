"""Which reader a connection gets, and what is said where there is none."""

from __future__ import annotations

from importlib import metadata
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from auditor.readers.duckdb_file import DuckDbReader
from auditor.readers.mysql.reader import MySqlReader
from auditor.readers.postgresql.reader import PostgresReader
from auditor.readers.sqlalchemy.reader import SqlAlchemyReader
from auditor.readers.sqlite.reader import SqliteReader
from auditor.settings import load_settings
from auditor.wiring import READERS_GROUP, Wiring, connection_parts, unserved_settings
from contracts.contract import DatasetRef, QueryRef
from contracts.errors import StoreError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.settings import Settings


def settings_of(directory: Path, connection: str) -> Settings:
    """Settings with one connection, called `db`."""
    path = directory / "auditor.yaml"
    path.write_text(f"contracts: contracts\nconnections:\n  db: {connection}\n")
    return load_settings(path, {})


def wiring_of(directory: Path, url: str) -> Wiring:
    return Wiring(settings_of(directory, f'{{url: "{url}"}}'))


@pytest.mark.parametrize(
    ("url", "reader"),
    [
        ("postgresql://u@h/d", PostgresReader),
        ("postgresql+psycopg://u@h/d", PostgresReader),
        ("mysql://u@h/d", MySqlReader),
        ("mariadb://u@h/d", MySqlReader),
        ("sqlite:///x.db", SqliteReader),
        ("duckdb:///x.duckdb", DuckDbReader),
    ],
)
def test_each_scheme_has_its_reader_for_relations_and_queries(tmp_path: Path, url: str, reader: type) -> None:
    wiring = wiring_of(tmp_path, url)
    assert type(wiring.reader(DatasetRef("db", "orders"))) is reader
    asked = wiring.reader(QueryRef("db", "SELECT 1 AS one"))
    assert type(asked) is reader
    assert asked.dataset == "db/(query)"


@pytest.mark.parametrize(
    ("limits", "large", "rows"),
    [
        ("{}", 50_000_000, 10_000_000),
        ("{segment_rows: 1000}", 1000, 1000),
        ("{rows_per_second: 1000}", 1_800_000, 1_800_000),
        ("{rows_per_second: 1000, longest_snapshot: 10s}", 10_000, 10_000),
        ("{segment_rows: 1000000, longest_snapshot: 10s}", 500_000, 500_000),
    ],
)
def test_what_is_read_at_a_time_follows_from_the_limits(tmp_path: Path, limits: str, large: int, rows: int) -> None:
    """A snapshot is never to be held longer than is allowed, however large a segment may be."""
    wiring = Wiring(settings_of(tmp_path, f'{{url: "sqlite:///x.db", limits: {limits}}}'))
    found = wiring.segments(["db", "unknown"])
    assert (found.large, found.rows) == (large, rows)
    assert found.room is not None
    assert found.room > wiring.settings.workspace.max_disk


def test_a_file_is_read_by_its_suffix_and_takes_no_query(tmp_path: Path) -> None:
    wiring = wiring_of(tmp_path, "file:./lake")
    assert wiring.reader(DatasetRef("db", "a/orders.csv")).dataset == "db/a/orders.csv"
    with pytest.raises(StoreError, match="takes no query"):
        wiring.reader(QueryRef("db", "SELECT 1"))


def test_any_other_dialect_of_sqlalchemy_takes_the_way_that_always_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.wiring._is_installed", lambda _module: True)
    reader = wiring_of(tmp_path, "mssql://u:p@h/d").reader(DatasetRef("db", "dbo.orders"))
    assert isinstance(reader, SqlAlchemyReader)
    assert "p@h" not in repr(reader.__dict__ | {"_url": ""})


def test_a_missing_driver_is_told_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.wiring._is_installed", lambda module: module != "pymysql")
    with pytest.raises(StoreError, match=r"consistency-auditor\[mariadb\]"):
        wiring_of(tmp_path, "mariadb://u@h/d").reader(DatasetRef("db", "orders"))


@pytest.mark.parametrize("scheme", ["mongodb", "redis", "elasticsearch+https", "clickhouse+http"])
def test_a_store_of_a_later_version_is_told_as_such(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(StoreError, match=r"does not read .* yet"):
        wiring_of(tmp_path, f"{scheme}://h/d").reader(DatasetRef("db", "orders"))


def test_another_distribution_may_bring_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*arguments: Any) -> tuple[Any, ...]:
        return arguments

    def entry_points(*, group: str) -> list[SimpleNamespace]:
        assert group == READERS_GROUP
        return [SimpleNamespace(name="redis", load=lambda: make)]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    made: Any = wiring_of(tmp_path, "redis://h/0").reader(DatasetRef("db", "order:{id}"))
    name, connection, relation, query = made
    assert (name, connection.name, relation, query) == ("db/order:{id}", "db", "order:{id}", None)


def test_an_unknown_connection_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="db"):
        wiring_of(tmp_path, "sqlite:///x.db").reader(DatasetRef("bd", "orders"))


def test_everything_that_settings_say_reaches_the_reader(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        '{url: "postgresql://u@h:5433/d?application_name=x", password: p, timezone: Europe/Berlin, '
        "tls: {mode: verify-ca, ca: ca.pem}, limits: {statement_timeout: 10m, lock_timeout: 1s, connections: 3}}",
    )
    parts = connection_parts(settings.connection("db"))
    assert (parts.host, parts.port, parts.user, parts.password, parts.database) == ("h", 5433, "u", "p", "d")
    assert (parts.timezone, parts.statement_timeout, parts.lock_timeout) == ("Europe/Berlin", 600.0, 1.0)
    assert parts.tls is not None
    assert (parts.tls.mode, parts.tls.ca, parts.tls.cert) == ("verify-ca", str(tmp_path / "ca.pem"), None)
    assert dict(parts.options) == {"application_name": "x"}


def test_settings_that_have_no_effect_at_a_store_are_named(tmp_path: Path) -> None:
    limits = "limits: {statement_timeout: 1s, lock_timeout: 1s, rows_per_second: 10}"
    files = settings_of(tmp_path, f'{{url: "file:./x", {limits}}}')
    assert unserved_settings(files.connection("db")) == ["limits.statement_timeout", "limits.lock_timeout"]
    assert unserved_settings(settings_of(tmp_path, f'{{url: "sqlite:///x", {limits}}}').connection("db")) == []


def test_scans_go_to_the_standby_and_single_keys_are_read_where_changes_are_made(tmp_path: Path) -> None:
    wiring = Wiring(settings_of(tmp_path, '{url: "postgresql://u@h/d", password: p, standby: "postgresql://s/d"}'))
    reference = DatasetRef("db", "orders")
    scanning, confirming = wiring.scanner(reference), wiring.confirmer(reference)
    assert scanning._reader._parts.host == "s"  # type: ignore[attr-defined]
    assert scanning._reader._parts.standby  # type: ignore[attr-defined]
    assert confirming._reader._parts.host == "h"  # type: ignore[attr-defined]
    assert wiring.reader(reference)._parts.host == "h"  # type: ignore[attr-defined]
    assert list(wiring.loads()) == ["db", "db (standby)"]
