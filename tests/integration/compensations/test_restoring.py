"""A plan, applied with the store's own client, restores the copy to the last byte, and changes nothing else."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from auditor.cli import run
from tests.integration.compensations.copies import (
    CANARY,
    Copy,
    MySqlCopy,
    PostgreSqlCopy,
    SqliteCopy,
    write_project,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.services import MariaDB, MySQL, PostgreSQL


@dataclass(slots=True)
class World:
    """A copy, its owner, and the audit of the two."""

    copy: Copy
    directory: Path

    def audit(self, *arguments: str) -> int:
        """Run the program."""
        return run([*arguments, "--config", str(self.directory / "auditor.yaml"), "--quiet"])

    def reconcile(self) -> int:
        """The nightly job, with no lag to wait for."""
        return self.audit("reconcile", "--recheck-after", "0s")

    def plan(self) -> dict[str, Any]:
        """A plan of the last run."""
        assert self.audit("compensate", "--out", str(self.directory / "plan")) == 0
        document: dict[str, Any] = json.loads((self.directory / "plan" / "plan.json").read_text("utf-8"))
        return document

    @property
    def script(self) -> str:
        """The SQL file of the copy."""
        return (self.directory / "plan" / "copy.sql").read_text("utf-8")

    def filled(self, plan: dict[str, Any]) -> str:
        """What whoever applies the plan says first: the owner's values, which are in no plan."""
        lines = []
        owner = sqlite3.connect(self.directory / "shop.db")
        for one in plan["compensations"]:
            for name, value in one["parameters"].items():
                if isinstance(value, dict):
                    asked = value["from_owner"]
                    assert asked["dataset"] == "shop/customers"
                    query = f"SELECT {asked['field']} FROM customers WHERE id = ?"
                    ((found,),) = owner.execute(query, (asked["key"]["id"],)).fetchall()
                    lines.append(self.copy.setting(f"{one['id']}_{name}", found))
        owner.close()
        return "".join(f"{line}\n" for line in lines)

    def apply(self, script: str) -> None:
        """Run a script with the store's client; whatever it says on stderr is an error."""
        done = self.copy.client(script)
        assert done.returncode == 0, done.stderr + script
        assert not re.search("error", done.stderr, re.IGNORECASE), done.stderr


@pytest.fixture
def postgresql(postgres: PostgreSQL, tmp_path: Path) -> World:
    """A copy in PostgreSQL."""
    return _world(PostgreSqlCopy(postgres), tmp_path)


@pytest.fixture
def mariadb_copy(mariadb: MariaDB, tmp_path: Path) -> World:
    """A copy in MariaDB, its client in a mode that reads backslashes and quotes otherwise."""
    return _world(MySqlCopy(mariadb, "NO_BACKSLASH_ESCAPES,ANSI_QUOTES"), tmp_path)


@pytest.fixture
def mysql_copy(mysql: MySQL, tmp_path: Path) -> World:
    """A copy in MySQL."""
    return _world(MySqlCopy(mysql), tmp_path)


@pytest.fixture
def sqlite_copy(sqlite3_program: Path, tmp_path: Path) -> World:
    """A copy in SQLite."""
    return _world(SqliteCopy(sqlite3_program, tmp_path), tmp_path)


def _world(copy: Copy, directory: Path) -> World:
    copy.build()
    write_project(directory, copy)
    return World(copy, directory)


def restores(world: World) -> None:
    """The whole path: drift, plan, apply, apply again, undo."""
    right = world.copy.rows()
    assert world.reconcile() == 0, "the copy is built right"
    world.copy.drift()
    drifted = world.copy.rows()
    assert world.reconcile() == 1
    plan = world.plan()
    acts = [one for one in plan["compensations"] if one["action"] != "escalate"]
    assert not [one["reason"] for one in plan["compensations"] if one["action"] == "escalate"]
    assert not plan["left_out"]
    assert world.copy.rows() == drifted, "planning changes nothing"

    kept = _kept(world, acts)
    world.apply(world.filled(plan) + world.script)
    restored = world.copy.rows()
    assert _difference(_without_moments(restored), _without_moments(right)) == []
    assert world.reconcile() == 0
    assert world.audit("verify", str(world.directory / "plan")) == 0

    world.apply(world.filled(plan) + world.script)
    assert _difference(world.copy.rows(), restored) == [], "a second time changes nothing"

    world.apply(kept + _inverses(world.script))
    assert _difference(world.copy.rows(), drifted) == [], "the inverse brings the old state back"
    assert world.audit("verify", str(world.directory / "plan")) == 1


def _without_moments(rows: dict[str, list[Any]]) -> dict[str, list[str]]:
    """The rows without when the customer of nobody was flagged: that is when the plan was made."""
    return {
        table: sorted("flagged" if "gone-canary" in str(row) and _is_flagged(str(row)) else str(row) for row in found)
        for table, found in rows.items()
    }


def _is_flagged(row: str) -> bool:
    return "None, None, 'loader'" not in row and ",,loader" not in row


def _difference(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> list[str]:
    """Rows that only one of two states has."""
    found = []
    for table, rows in one.items():
        found += [f"{table}: first {row}" for row in rows if row not in other[table]]
        found += [f"{table}: second {row}" for row in other[table] if row not in rows]
    assert {table: len(rows) for table, rows in one.items()} == {table: len(rows) for table, rows in other.items()}
    return found


def _kept(world: World, acts: Sequence[dict[str, Any]]) -> str:
    """What whoever wants to undo keeps first: the copy's sensitive values, and what no contract speaks of."""
    known = {"email": f"old-{CANARY}@example.org", "loaded_by": "loader", "seen": "7"}
    lines = []
    for one in acts:
        for name, value in one["inverse"]["parameters"].items():
            if isinstance(value, dict):
                assert set(value) == {"from_replica"}
                lines.append(world.copy.setting(f"{one['id']}_{name}", known[value["from_replica"]["field"]]))
    return "".join(f"{line}\n" for line in lines)


def _inverses(script: str) -> str:
    found = re.findall(r"^--   inverse: (.*)$", script, re.MULTILINE)
    return "SET NAMES utf8mb4;\n" * ("SET NAMES" in script) + "\n".join(reversed(found)) + "\n"


def test_a_plan_restores_postgresql_with_psql(postgresql: World) -> None:
    restores(postgresql)


def test_a_plan_restores_mariadb_with_its_client_in_any_mode(mariadb_copy: World) -> None:
    restores(mariadb_copy)


def test_a_plan_restores_mysql_with_its_client(mysql_copy: World) -> None:
    restores(mysql_copy)


def test_a_plan_restores_sqlite_with_its_shell(sqlite_copy: World) -> None:
    restores(sqlite_copy)


def leaves_a_moved_world_alone(world: World) -> None:
    """A plan that expired does not run; after one was made, every row that it is about changes, or comes."""
    world.copy.drift()
    world.reconcile()
    _refuses_when_expired(world)
    plan = world.plan()
    spell = world.copy.words.spell
    world.copy.run(
        spell("UPDATE {customers} SET born = '2001-01-01'"),
        spell("UPDATE {orders} SET placed = '2020-01-01 00:00:00'"),
        spell("UPDATE {lines} SET price = 3"),
        spell("INSERT INTO {customers} (customer_id, {name}, vip){overriding} VALUES (3, 'a', {false})"),
        spell("INSERT INTO {customers} (customer_id, {name}, vip){overriding} VALUES (4, 'a', {false})"),
        spell("INSERT INTO {customers} (customer_id, {name}, vip){overriding} VALUES (5, 'a', {false})"),
        *(
            spell(f"INSERT INTO {{orders}} (order_id, customer) VALUES ('aaaaaaaa-0000-4000-8000-00000000000{i}', 2)")
            for i in (3, 4, 5)
        ),
        spell("INSERT INTO {lines} VALUES ({line}, 5, 'S9', 5, 'line')").replace(
            "bbbbbbbb", "aaaaaaaa").replace("0001'", "0005'").replace(", 5, 'S9'", ", 1, 'S9'"),
    )  # fmt: skip
    moved = world.copy.rows()
    world.apply(world.filled(plan) + world.script)
    assert _difference(world.copy.rows(), moved) == []


def _refuses_when_expired(world: World) -> None:
    """The file itself looks at the clock."""
    assert world.audit("compensate", "--out", str(world.directory / "plan"), "--valid-for", "0s") == 0
    before = world.copy.rows()
    done = world.copy.client(world.script)
    assert "expired" in done.stderr
    assert done.returncode != 0
    assert _difference(world.copy.rows(), before) == []


def test_a_moved_world_is_left_alone_in_postgresql(postgresql: World) -> None:
    leaves_a_moved_world_alone(postgresql)


def test_a_moved_world_is_left_alone_in_mariadb(mariadb_copy: World) -> None:
    leaves_a_moved_world_alone(mariadb_copy)


def test_a_moved_world_is_left_alone_in_mysql(mysql_copy: World) -> None:
    leaves_a_moved_world_alone(mysql_copy)


def test_a_moved_world_is_left_alone_in_sqlite(sqlite_copy: World) -> None:
    leaves_a_moved_world_alone(sqlite_copy)


def test_no_sensitive_value_is_in_a_plan_or_its_sql(sqlite_copy: World, capsys: pytest.CaptureFixture[str]) -> None:
    sqlite_copy.copy.drift()
    sqlite_copy.reconcile()
    plan = sqlite_copy.plan()
    text = json.dumps(plan) + sqlite_copy.script + "".join(capsys.readouterr())
    assert CANARY not in text
    asked = [value for one in plan["compensations"] for value in one["parameters"].values() if isinstance(value, dict)]
    assert {"from_owner": {"dataset": "shop/customers", "field": "email", "key": {"id": "2"}}} in asked


def programs_restore(world: World, connection: Any, session: str) -> None:
    """Statements, parameters and inverses of plan.json, through a driver that binds text."""
    world.copy.drift()
    drifted = world.copy.rows()
    world.reconcile()
    plan = world.plan()
    owner = sqlite3.connect(world.directory / "shop.db")
    acts = [act for act in plan["compensations"] if act["statement"]]

    def bound(parameters: dict[str, Any], kept: dict[str, str]) -> dict[str, Any]:
        return {name: one(value, kept) for name, value in parameters.items()}

    def one(value: Any, kept: dict[str, str]) -> Any:
        if not isinstance(value, dict):
            return value
        if "from_replica" in value:
            return kept[value["from_replica"]["field"]]
        asked = value["from_owner"]
        query = f"SELECT {asked['field']} FROM customers WHERE id = ?"
        return owner.execute(query, (asked["key"]["id"],)).fetchone()[0]

    def execute(statement: str, values: dict[str, Any]) -> int:
        names = "|".join(sorted(values, key=len, reverse=True)) or "(?!)"
        text = re.sub(rf":({names})\b", r"%(\1)s", statement.replace("%", "%%"))
        cursor = connection.cursor()
        cursor.execute(text, values)
        return int(cursor.rowcount)

    connection.cursor().execute(session)
    assert [execute(act["statement"], bound(act["parameters"], {})) for act in acts] == [1] * len(acts)
    assert world.reconcile() == 0
    assert [execute(act["statement"], bound(act["parameters"], {})) for act in acts] == [0] * len(acts)
    kept = {"email": f"old-{CANARY}@example.org", "loaded_by": "loader", "seen": "7"}
    for act in reversed(acts):
        assert execute(act["inverse"]["statement"], bound(act["inverse"]["parameters"], kept)) == 1
    assert _difference(world.copy.rows(), drifted) == []
    owner.close()
    connection.close()


def test_programs_restore_postgresql(postgresql: World, postgres: PostgreSQL) -> None:
    programs_restore(postgresql, postgres.connect(postgresql.copy.url), "SET TimeZone = 'UTC'")


def test_programs_restore_mariadb(mariadb_copy: World, mariadb: MariaDB) -> None:
    programs_restore(mariadb_copy, mariadb.connect(mariadb_copy.copy.url), "SET time_zone = '+00:00'")


def test_programs_restore_mysql(mysql_copy: World, mysql: MySQL) -> None:
    programs_restore(mysql_copy, mysql.connect(mysql_copy.copy.url), "SET time_zone = '+00:00'")


def test_a_role_that_may_read_no_more_than_the_contract_names_is_enough(postgresql: World) -> None:
    """What else a deleted row held is then asked of whoever undoes the delete."""
    copy = postgresql.copy
    name = f"reader_{copy.url.rsplit('/', 1)[1]}"
    copy.run(
        f"CREATE ROLE {name} LOGIN PASSWORD 'secret'",
        f"GRANT USAGE ON SCHEMA copies TO {name}",
        f'GRANT SELECT ON copies.customers, copies."Order Lines" TO {name}',
        'GRANT SELECT (order_id, customer, "State", note, total, weight, placed, due, photo)'
        f" ON copies.orders TO {name}",
    )
    settings = postgresql.directory / "auditor.yaml"
    mine = f"//{name}:secret@{copy.url.partition('@')[2]}"
    settings.write_text(settings.read_text("utf-8").replace(copy.url.partition(":")[2], mine), "utf-8")
    copy.drift()
    postgresql.reconcile()
    plan = postgresql.plan()
    assert not [one["reason"] for one in plan["compensations"] if one["action"] == "escalate"]
    deleted = next(one for one in plan["compensations"] if one["action"] == "delete" and "orders" in one["statement"])
    asked = deleted["inverse"]["parameters"]["before_seen"]
    assert asked["from_replica"]["field"] == "seen"
