"""`audit doctor` finds what would stop a run before it stops one; `--grants` is enough, and nothing more."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auditor.doctor import examine
from auditor.settings import load_settings
from tests.acceptance.test_reconcile import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Outcome
    from tests.acceptance.shop import Shop

SETTINGS = """\
version: 1
contracts: contracts
connections:
  shop: {{url: "{url}", password: secret}}
"""
CONTRACT = """\
entity: order
version: 1
team: checkout
owner: {service: shop, query: {connection: shop, sql: "WITH live AS (SELECT * FROM own.orders) SELECT l.id, l.customer_id, s.label AS status FROM live l JOIN own.states s ON s.state = l.state"}}
key: [id]
fields:
  id: {type: int}
  customer_id: {type: int, references: customer}
  status: {type: text}
replicas:
  - {service: search, dataset: "shop/copies.Order Search", fields: [customer_id, status], lag_bound: 1s}
"""  # noqa: E501
CUSTOMER = """\
entity: customer
version: 1
team: checkout
owner: {service: crm, dataset: shop/own.customers}
key: [id]
fields: {id: {type: int}}
replicas: []
"""
TABLES = (
    "CREATE TABLE own.orders (id int PRIMARY KEY, customer_id int, state int)",
    "CREATE TABLE own.states (state int PRIMARY KEY, label varchar(20))",
    "CREATE TABLE own.customers (id int PRIMARY KEY)",
    "CREATE TABLE own.secrets (id int PRIMARY KEY)",
    "INSERT INTO own.orders VALUES (1, 1, 1), (2, 1, 2)",
    "INSERT INTO own.states VALUES (1, 'paid'), (2, 'sent')",
    "INSERT INTO own.customers VALUES (1)",
)
COPY = "CREATE TABLE copies.{0}Order Search{0} (id int PRIMARY KEY, customer_id int, status varchar(20))"
ROWS = "INSERT INTO copies.{0}Order Search{0} VALUES (1, 1, 'paid'), (2, 1, 'lost')"
READ = {("own", "orders"), ("own", "states"), ("own", "customers"), ("copies", "Order Search")}


def write(url: str) -> None:
    Path("contracts").mkdir()
    Path("contracts/order.yaml").write_text(CONTRACT)
    Path("contracts/customer.yaml").write_text(CUSTOMER)
    Path("auditor.yaml").write_text(SETTINGS.format(url=url))


def granted(audit: Callable[..., Outcome]) -> list[str]:
    done = audit("doctor", "--grants", "--format", "json")
    assert done.code == 0
    (grants,) = done.json["grants"]
    script = audit("doctor", "--grants").out
    assert all(f"{statement}\n" in script for statement in grants["statements"])
    assert "secret" not in script
    statements: list[str] = grants["statements"]
    return statements


def checks(done: Outcome) -> dict[str, str]:
    """The worst status of each subject."""
    order = ("ok", "warning", "error")
    found: dict[str, str] = {}
    for check in done.json["checks"]:
        found[check["subject"]] = max(found.get(check["subject"], "ok"), check["status"], key=order.index)
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_a_postgresql_role_with_these_grants_can_audit_and_nothing_else(
    postgres: Any, audit: Callable[..., Outcome]
) -> None:
    url = postgres.fresh_database("grants")
    postgres.admin("DROP ROLE IF EXISTS aud_least", "CREATE ROLE aud_least LOGIN PASSWORD 'secret'")
    postgres.admin(
        "CREATE SCHEMA own", "CREATE SCHEMA copies", *TABLES, COPY.format('"'), ROWS.format('"'), database=url
    )
    name = url.rpartition("/")[2]
    postgres.admin(f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')
    write(f"postgresql://aud_least@{url.rpartition('@')[2]}")
    assert audit(*NOW).code == 2
    statements = granted(audit)
    postgres.admin(*statements, database=url)
    done = audit(*NOW)
    assert (done.code, done.findings()) == (1, {("search", "2", "mismatch")})
    assert checks(audit("doctor", "--format", "json"))["connection shop"] == "ok"
    tables = postgres.admin(
        "SELECT table_schema, table_name, privilege_type FROM information_schema.role_table_grants"
        " WHERE grantee = 'aud_least'",
        database=url,
    )
    assert set(tables) == {(*table, "SELECT") for table in READ}
    for statement in statements:
        postgres.admin(statement.replace("GRANT", "REVOKE").replace(" TO ", " FROM "), database=url)
        assert audit(*NOW).code == 2, f"{statement} is needed"
        postgres.admin(statement, database=url)
    postgres.admin("GRANT UPDATE (label) ON own.states TO aud_least", database=url)
    assert checks(audit("doctor", "--format", "json"))["connection shop"] == "warning"
    postgres.admin(f'DROP DATABASE "{name}" WITH (FORCE)', "DROP ROLE aud_least")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", ["mariadb", "mysql"])
def test_a_mysql_user_with_these_grants_can_audit_and_nothing_else(
    request: pytest.FixtureRequest, audit: Callable[..., Outcome], kind: str
) -> None:
    server = request.getfixturevalue(kind)
    server.admin("DROP DATABASE IF EXISTS own", "DROP DATABASE IF EXISTS copies", "DROP USER IF EXISTS aud_least@'%'")
    server.admin("CREATE DATABASE own", "CREATE DATABASE copies", *TABLES, COPY.format("`"), ROWS.format("`"))
    server.admin("CREATE USER aud_least@'%' IDENTIFIED BY 'secret'")
    write(f"{kind}://aud_least@{server.host}:{server.port}/own")
    assert audit(*NOW).code == 2
    statements = granted(audit)
    assert len(statements) == len(READ)
    server.admin(*statements)
    done = audit(*NOW)
    assert (done.code, done.findings()) == (1, {("search", "2", "mismatch")})
    assert checks(audit("doctor", "--format", "json"))["connection shop"] == "ok"
    shown = [row[0] for row in server.admin("SHOW GRANTS FOR aud_least@'%'")]
    assert len([grant for grant in shown if grant.startswith("GRANT SELECT ON")]) == len(READ)
    assert all(grant.startswith(("GRANT SELECT ON", "GRANT USAGE ON *.*")) for grant in shown)
    for statement in statements:
        server.admin(statement.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))
        assert audit(*NOW).code == 2, f"{statement} is needed"
        server.admin(statement)
    server.admin("GRANT UPDATE (label) ON own.states TO aud_least@'%'")
    assert checks(audit("doctor", "--format", "json"))["connection shop"] == "warning"
    server.admin("DROP DATABASE own", "DROP DATABASE copies", "DROP USER aud_least@'%'")


def test_files_need_to_be_readable(shop: Shop, audit: Callable[..., Outcome]) -> None:
    script = audit("doctor", "--grants").out
    assert f"setfacl -m u:auditor:r {shop.directory / 'shop.db'}\n" in script
    assert f"setfacl -m u:auditor:rx {shop.directory / 'export'}\n" in script
    assert f"setfacl -m u:auditor:r {shop.directory / 'export' / 'orders.csv'}\n" in script
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_shop_in_order_has_nothing_to_warn_of(shop: Shop, audit: Callable[..., Outcome]) -> None:
    before = shop.files()
    done = audit("doctor", "--format", "json")
    assert done.code == 0
    assert set(checks(done).values()) <= {"ok", "warning"}
    assert checks(done)["ledger"] == "ok"
    assert shop.files() == before


def test_a_connection_that_contracts_name_must_be_configured(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.replace_settings('  export:     {url: "file:./export"}\n', "")
    done = audit("doctor", "--format", "json")
    assert (done.code, checks(done)["connection export"]) == (2, "error")
    assert "order names it" in done.out


@pytest.mark.parametrize(
    ("url", "says"), [("none/auditor.db", "there is no directory"), ("shop.db", "is no ledger"), (".", "a directory")]
)
def test_a_ledger_that_cannot_be_is_an_error(shop: Shop, audit: Callable[..., Outcome], url: str, says: str) -> None:
    with shop.settings.open("a") as settings:
        settings.write(f'ledger: {{url: "sqlite:///{url}"}}\n')
    done = audit("doctor", "--format", "json")
    assert (done.code, checks(done)["ledger"]) == (2, "error")
    assert says in done.out


def test_an_older_ledger_is_a_warning(shop: Shop, audit: Callable[..., Outcome]) -> None:
    audit(*NOW)
    with closing(sqlite3.connect(shop.directory / "auditor.db")) as ledger, ledger:
        ledger.execute("UPDATE ledger_version SET version_num = '0001'")
    done = audit("doctor", "--format", "json")
    assert (done.code, checks(done)["ledger"]) == (0, "warning")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("hours", "says"), [(-3.5, "ahead of ours"), (3.5, "behind ours")])
def test_clocks_that_are_hours_apart_are_told(postgres: Any, hours: float, says: str) -> None:
    import time

    url = postgres.fresh_database("clocks")
    write(url)
    Path("auditor.yaml").write_text(SETTINGS.format(url=url).replace(", password: secret", ""))
    told = examine(load_settings(Path("auditor.yaml")), lambda: time.time() + hours * 3600)
    (clock,) = [one for one in told if "its clock is" in one.message]
    assert clock.status == "warning"
    assert clock.message.startswith("its clock is 3 h ")
    assert says in clock.message
    assert not any("its clock is" in one.message for one in examine(load_settings(Path("auditor.yaml"))))
