"""What the documentation shows is done step by step, and prints what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import DOCS, ROOT
from tests.docs.walkthrough import Walkthrough, copied, statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.services import MariaDB, PostgreSQL
    from tests.services.database import DatabaseServer


def _runner(server: DatabaseServer, database: str) -> Callable[[str], object]:
    """Runs the statements of a block in one database."""
    return lambda text: server.admin(*statements(text), database=database)


@pytest.mark.usefixtures("sqlite3_program")
def test_the_tutorial_works_from_top_to_bottom(tmp_path: Path, postgres: PostgreSQL, mariadb: MariaDB) -> None:
    shop, reporting = postgres.fresh_database("shop"), mariadb.fresh_database("reporting")
    walk = Walkthrough(
        tmp_path,
        variables={"SHOP_URL": shop, "REPORTING_URL": reporting},
        servers={"postgres": _runner(postgres, shop), "mariadb": _runner(mariadb, reporting)},
    )
    assert walk.walk(DOCS / "tutorial.md") > 20


def test_the_example_of_files_works(tmp_path: Path) -> None:
    example = ROOT / "examples" / "files"
    assert Walkthrough(copied(example, tmp_path / "files")).walk(example / "README.md") == 2


def test_the_example_of_change_streams_works(tmp_path: Path) -> None:
    example = ROOT / "examples" / "change-streams"
    assert Walkthrough(copied(example, tmp_path / "streams")).walk(example / "README.md") == 15


def test_the_example_of_servers_works(tmp_path: Path, postgres: PostgreSQL, mariadb: MariaDB) -> None:
    example = ROOT / "examples" / "postgresql-mariadb"
    accounts, support = postgres.fresh_database("accounts"), mariadb.fresh_database("support")
    _runner(postgres, accounts)((example / "owner.sql").read_text("utf-8"))
    _runner(mariadb, support)((example / "replica.sql").read_text("utf-8"))
    walk = Walkthrough(
        copied(example, tmp_path / "example"), variables={"ACCOUNTS_URL": accounts, "SUPPORT_URL": support}
    )
    assert walk.walk(example / "README.md") == 2


OWNER = """
CREATE TABLE orders (id bigint PRIMARY KEY, status text NOT NULL, total numeric(10, 2) NOT NULL,
                     updated_at timestamptz NOT NULL);
INSERT INTO orders SELECT n, CASE WHEN n % 3 = 0 THEN 'shipped' ELSE 'paid' END, n * 1.10, now()
  FROM generate_series(1, 500) AS n;
"""
REPLICA = """
CREATE TABLE order_copies (order_id BIGINT PRIMARY KEY, status VARCHAR(20) NOT NULL, total DECIMAL(10, 2) NOT NULL);
INSERT INTO order_copies SELECT seq, IF(seq % 3 = 0, 'shipped', 'paid'), seq * 1.10 FROM seq_1_to_500 WHERE seq <> 77;
UPDATE order_copies SET total = 1 WHERE order_id = 42;
"""


def test_the_readme_leads_to_a_report_on_two_databases_of_ones_own(
    tmp_path: Path, postgres: PostgreSQL, mariadb: MariaDB
) -> None:
    """The databases are somebody's own: the README says nothing of how they came to be."""
    orders, reporting = postgres.fresh_database("orders"), mariadb.fresh_database("reporting")
    _runner(postgres, orders)(OWNER)
    _runner(mariadb, reporting)(REPLICA)
    walk = Walkthrough(
        tmp_path,
        instead={
            "postgresql://auditor@db.example:5432/orders": orders,
            "mysql://auditor@db2.example:3306/reporting": reporting,
            "password:": "# password:",
        },
        variables={"ORDERS_PASSWORD": "unused", "REPORTING_PASSWORD": "unused"},
    )
    assert walk.walk(ROOT / "README.md") > 5


LEAST = """
version: 1
contracts: contracts
connections:
  orders_db: {{url: "postgresql://auditor@{postgres}", password: secret}}
  reporting: {{url: "mysql://auditor@{mariadb}", password: secret}}
"""
CONTRACT = """
entity: order
version: 1
owner: {service: shop, dataset: orders_db/public.orders}
key: [id]
fields: {id: {type: int}, status: {type: text}, total: {type: "decimal(10,2)"}}
replicas:
  - {service: reporting, dataset: reporting/order_copies, key: {id: order_id}, fields: [status, total], lag_bound: 1s}
"""


def test_the_least_privileges_are_enough(tmp_path: Path, postgres: PostgreSQL, mariadb: MariaDB) -> None:
    """What the reference of settings grants is all that doctor and an audit need, and nothing that could write."""
    orders, reporting = postgres.fresh_database("orders"), mariadb.fresh_database("reporting")
    _runner(postgres, orders)(OWNER)
    _runner(mariadb, reporting)(REPLICA)
    name = mariadb.database_name(reporting)
    grant = Walkthrough(
        tmp_path,
        servers={"postgres": _runner(postgres, orders), "mariadb": _runner(mariadb, reporting)},
        instead={"ON reporting.*": f"ON {name}.*"},
    )
    assert grant.walk(DOCS / "reference" / "settings.md") == 2
    hosts = {server: url.partition("@")[2] for server, url in (("postgres", orders), ("mariadb", reporting))}
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT, "utf-8")
    (tmp_path / "auditor.yaml").write_text(LEAST.format(**hosts), "utf-8")
    audit = Path(sys.executable).with_name("audit")
    doctor = subprocess.run([audit, "doctor"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert "may write" not in doctor.stdout
    assert "answers, as auditor" in doctor.stdout
    assert subprocess.run([audit, "reconcile", "--quiet"], cwd=tmp_path, check=False).returncode == 1


@pytest.mark.parametrize("name", ["owner.sql", "replica.sql"])
def test_statements_are_told_apart(name: str) -> None:
    """Each ends with a semicolon at the end of a line, and so do the texts of the examples."""
    text = (ROOT / "examples" / "postgresql-mariadb" / name).read_text("utf-8")
    assert [statement.split()[0] for statement in statements(text)] == ["CREATE", "INSERT"]
