"""What `auditor.yaml` says is what the program gets, defaults applied and paths absolute."""

from __future__ import annotations

import os
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from auditor.quantities import Window
from auditor.settings import KafkaFeed, RecordedFeed
from contracts.errors import UsageError

if TYPE_CHECKING:
    from tests.unit.auditor.conftest import SettingsFile

# Every setting of the public interface.
WHOLE = """
version: 1
contracts: contracts/entities
connections:
  orders_db:
    url: "postgresql://auditor@db:5432/orders"
    password: "${file:secrets/orders}"
    tls: {mode: verify-full, ca: ca.pem, cert: client.pem, key: client.key}
    standby: "postgresql://auditor@db-ro:5432/orders"
    timezone: UTC
    limits: {connections: 2, statement_timeout: 10m, lock_timeout: 1s, rows_per_second: 200000,
             windows: ["01:00-05:00"]}
  reporting:  {url: "mysql://auditor@db2/reporting"}
  read_model: {url: "sqlite:///read_model.db"}
  lake:       {url: "file:./export"}
  analytics:  {url: "mongodb://127.0.0.1:27017/shop"}
  cache:      {url: "redis://127.0.0.1:6379/0"}
  search:     {url: "elasticsearch+http://127.0.0.1:9200"}
  metrics:    {url: "influxdb+http://127.0.0.1:8086/shop"}
feeds:
  shop:   {type: kafka, bootstrap_servers: ["127.0.0.1:9092"], group_id: auditor, isolation_level: read_committed,
           bootstrap_from: earliest,
           security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, username: auditor, password: "${KAFKA_PASSWORD}",
                      ca: ca.pem},
           schema_registry: {url: "http://127.0.0.1:8081", auth: {basic: "user:${SR_PASSWORD}"}, format: confluent}}
  replay: {type: recorded, path: feeds/shop.jsonl, schemas: feeds/schemas.json}
ledger:    {url: "sqlite:///auditor.db"}
report:    {hash_key: "${AUDITOR_HASH_KEY}"}
workspace: {directory: .auditor, memory_limit: 1GB, threads: 2, max_disk: 100GB}
tolerate:  {undecided: 3}
"""


def test_every_setting_of_the_interface_is_read(settings_file: SettingsFile) -> None:
    directory = settings_file.path.parent
    (directory / "secrets").mkdir()
    (directory / "secrets" / "orders").write_text("from the file\n")
    settings = settings_file.load(WHOLE, KAFKA_PASSWORD="kafka", SR_PASSWORD="registry", AUDITOR_HASH_KEY="key")

    orders = settings.connection("orders_db")
    assert (orders.scheme, orders.user, orders.host, orders.port) == ("postgresql", "auditor", "db", 5432)
    assert orders.database == "orders"
    assert orders.password is not None
    assert orders.password.get_secret_value() == "from the file", "without the newline at the end"
    assert orders.standby is not None
    assert orders.standby.host == "db-ro"
    assert orders.standby.password == orders.password, "a standby has its primary's users"
    assert orders.tls is not None
    assert (orders.tls.mode, orders.tls.ca) == ("verify-full", directory / "ca.pem")
    assert orders.limits.statement_timeout == timedelta(minutes=10)
    assert orders.limits.windows == (Window(time(1), time(5)),)
    assert settings.connection("read_model").path == directory / "read_model.db"
    assert settings.connection("lake").path == directory / "export"

    shop, replay = settings.feed("shop"), settings.feed("replay")
    assert isinstance(shop, KafkaFeed)
    assert isinstance(replay, RecordedFeed)
    assert shop.schema_registry is not None
    assert shop.schema_registry.auth is not None
    assert shop.schema_registry.auth.basic is not None
    assert shop.schema_registry.auth.basic.get_secret_value() == "user:registry"
    assert replay.path == directory / "feeds/shop.jsonl"

    assert settings.ledger.url_with_password() == f"sqlite:///{directory}/auditor.db"
    assert settings.report.key() == b"key"
    assert settings.workspace.memory_limit == 1_000_000_000
    assert settings.contracts == (directory / "contracts/entities",)
    assert settings.tolerate.undecided == 3


def test_what_is_left_out_has_its_default(settings_file: SettingsFile) -> None:
    settings = settings_file.load("version: 1\nworkspace:\n", HOME="/nowhere")
    directory = settings_file.path.parent
    assert settings.contracts == (directory / "contracts/entities",)
    assert settings.ledger.url.path == directory / "auditor.db"
    assert settings.workspace.directory == directory / ".auditor"
    assert (settings.workspace.memory_limit, settings.workspace.threads) == (10**9, 2)
    assert settings.workspace.max_disk == 100 * 10**9
    assert settings.report.key() is None
    assert settings.tolerate.undecided == 0


def test_paths_are_relative_to_the_settings_file_not_to_where_the_program_runs(
    settings_file: SettingsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings_file.path.write_text("connections: {a: {url: 'sqlite:///x.db'}, b: {url: 'sqlite:////abs/y.db'}}")
    from auditor.settings import load_settings

    settings = load_settings(Path(os.path.relpath(settings_file.path)), {})
    assert settings.connection("a").path == tmp_path / "x.db"
    assert settings.connection("b").path == Path("/abs/y.db")
    assert settings.ledger.url.path == tmp_path / "auditor.db"


def test_scalars_are_text_whatever_yaml_makes_of_them(settings_file: SettingsFile) -> None:
    settings = settings_file.load(
        "connections: {a: {url: 'mysql://h/d', password: 0123}, yes: {url: 'mysql://h/d', password: no}}"
    )
    assert [settings.connection(name).url.secrets() for name in ("a", "yes")] == [("0123",), ("no",)]


def test_a_contract_directory_or_a_list_of_them(settings_file: SettingsFile) -> None:
    directory = settings_file.path.parent
    assert settings_file.load("contracts: one").contracts == (directory / "one",)
    assert settings_file.load("contracts: [one, ../two]").contracts == (directory / "one", directory.parent / "two")


def test_shared_settings_may_be_written_once(settings_file: SettingsFile) -> None:
    settings = settings_file.load(
        "connections:\n"
        "  a: &usual {url: 'mysql://h/a', timezone: Europe/Berlin, limits: {connections: 4}}\n"
        "  b: {<<: *usual, url: 'mysql://h/b'}\n"
    )
    assert settings.connection("b").database == "b"
    assert settings.connection("b").timezone == "Europe/Berlin"
    assert settings.connection("b").limits.connections == 4


def test_an_unknown_name_names_the_known_ones(settings_file: SettingsFile) -> None:
    settings = settings_file.load("connections: {one: {url: 'mysql://h/a'}, two: {url: 'mysql://h/a'}}")
    with pytest.raises(UsageError, match=r"unknown connection `three`; .* has one, two"):
        settings.connection("three")
    with pytest.raises(UsageError, match=r"unknown feed `x`; .* has none"):
        settings.feed("x")


def test_the_digest_changes_with_the_file_and_not_with_a_secret(settings_file: SettingsFile) -> None:
    text = "connections: {a: {url: 'mysql://h/d', password: '${P}'}}"
    first = settings_file.load(text, P="one").digest
    assert settings_file.load(text, P="two").digest == first
    assert settings_file.load(text + "\n# changed", P="one").digest != first


@pytest.mark.parametrize(
    "text",
    [
        "connections: {a: {url: 'sqlite:///${NAME}.db'}}",
        "connections: {a: {url: 'mysql://u:${P}@${NAME}/d'}}",
        "connections: {a: {url: 'mysql://${NAME}:${P}@h/d'}}",
        "feeds: {a: {type: kafka, bootstrap_servers: ['${NAME}:9092']}}",
        "feeds: {a: {type: kafka, bootstrap_servers: ['h:1'], schema_registry: {url: 'http://${NAME}/'}}}",
    ],
)
def test_the_digest_changes_with_what_a_reference_stands_for(text: str, settings_file: SettingsFile) -> None:
    """Else an incremental run went on from a clean run of another database."""
    first = settings_file.load(text, NAME="prod", P="one").digest
    assert settings_file.load(text, NAME="prod", P="two").digest == first
    assert settings_file.load(text, NAME="other", P="one").digest != first


def test_settings_do_not_change(settings_file: SettingsFile) -> None:
    settings = settings_file.load("version: 1")
    with pytest.raises(ValueError, match="frozen"):
        settings.version = 2


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MB", 512 * 10**6), ("1GB", 10**9), ("1 gb", 10**9), ("1.5KiB", 1536), ("2TiB", 2 * 2**40), ("7B", 7)],
)
def test_sizes_count_as_duckdb_counts(settings_file: SettingsFile, text: str, size: int) -> None:
    assert settings_file.load(f"workspace: {{max_disk: {text}}}").workspace.max_disk == size


@pytest.mark.parametrize("text", ["512MB", "1GB", "100KB", "3GiB"])
def test_duckdb_agrees_about_sizes(settings_file: SettingsFile, text: str) -> None:
    import duckdb

    ours = settings_file.load(f"workspace: {{memory_limit: {text}}}").workspace.memory_limit
    with duckdb.connect() as connection:
        shown = []
        for limit in (text, f"{ours}B"):
            connection.execute(f"SET memory_limit = '{limit}'")
            shown.append(connection.execute("SELECT current_setting('memory_limit')").fetchall())
    assert shown[0] == shown[1]


def test_a_window_may_run_over_midnight() -> None:
    from auditor.quantities import parse_window

    night = parse_window("22:00-05:30")
    assert time(23) in night
    assert time(5, 29) in night
    assert time(5, 30) not in night
    assert time(12) not in night
    assert str(night) == "22:00-05:30"
