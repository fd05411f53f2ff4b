"""A ledger that any earlier version has left is upgraded, and loses nothing.

`released/NNNN.json` holds the rows of a ledger as the version with that schema wrote them, and what it read of them.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, Table

from auditor.ledger.database import Database
from auditor.ledger.hash_key import ledger_hash_key
from auditor.ledger.ledger import Ledger
from auditor.ledger.schema import found_version, upgrade
from auditor.ledger.version import SCHEMA_VERSION
from auditor.store_url import SQLALCHEMY_SCHEMES, parse_store_url
from contracts.errors import LedgerError
from tests.unit.ledger.documents import START, finding, report

RELEASED = sorted((Path(__file__).parent / "released").glob("*.json"))


def made(url: str, released: dict[str, Any]) -> None:
    """Make the ledger as that version left it."""
    parsed = parse_store_url(url, directory=Path.cwd(), schemes=SQLALCHEMY_SCHEMES)
    database = Database(parsed, read_only=False, must_exist=False)
    with database.writing("make") as connection:
        upgrade(connection, released["schema"])
        for name, rows in released["tables"].items():
            table = Table(name, MetaData(), autoload_with=connection)
            if name == "ledger_metadata":
                connection.execute(table.delete())
            if rows:
                connection.execute(table.insert(), rows)
    database.close()


def test_every_schema_but_the_newest_has_a_ledger_to_upgrade() -> None:
    assert [path.stem for path in RELEASED] == [f"{number:04}" for number in range(1, int(SCHEMA_VERSION))]


@pytest.mark.parametrize("path", RELEASED, ids=[path.stem for path in RELEASED])
def test_an_older_ledger_is_upgraded_and_tells_the_same(any_url: str, path: Path) -> None:
    released = json.loads(path.read_text("utf-8"))
    made(any_url, released)
    with pytest.raises(LedgerError, match=f"has the older schema {path.stem}; .*\n.*audit ledger upgrade"):
        Ledger.open(any_url, read_only=True)
    expected = released["expected"]
    with Ledger.open(any_url) as ledger:
        assert ledger.status().schema_version == SCHEMA_VERSION
        assert ledger.hash_key().hex() == released["tables"]["ledger_metadata"][0]["value"]
        assert [ledger.report(one["run_id"]) for one in expected["reports"]] == expected["reports"]
        told = [
            {name: value for name, value in one.items() if name not in ("state", "closed_by", "accepted")}
            for one in ledger.findings()
        ]
        assert told == expected["findings"]
        assert [one["id"] for one in ledger.findings(open_only=True)] == expected["open"]
        ledger.record(report("after", 40), [finding("1", value="lost")])
        assert ledger.accept([finding("1")["id"]], now=START, until=START + timedelta(days=90), why="known")
    assert ledger_hash_key(any_url).hex() == released["tables"]["ledger_metadata"][0]["value"]


def test_an_upgrade_that_fails_leaves_the_older_ledger_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from auditor.ledger import schema

    made(url, json.loads(RELEASED[0].read_text("utf-8")))

    def fail(_: object) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(schema, "_make_hash_key", fail)
    with pytest.raises(RuntimeError):
        Ledger.open(url)
    monkeypatch.undo()
    database = Database(parse_store_url(url, directory=Path.cwd()), read_only=True, must_exist=True)
    with database.reading("look into") as connection:
        assert found_version(connection, "it") == "0001"
    database.close()
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert "leases" not in tables
    with Ledger.open(url) as ledger:
        assert ledger.status().runs == 3
