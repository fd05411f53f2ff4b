"""What a connector's settings and a table's history do to values is no drift, and is said; what is drift stays drift."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.test_feed_datasets import CONTRACT, World, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    return World(tmp_path, audit)


def declare(world: World, fields: dict[str, str], rules: str = "") -> None:
    """Another contract for the topic that was settled: the key, and the fields with their types."""
    contract = world.directory / "contracts" / "thing.yaml"
    topic = re.search(r"topic: ([^}]+)\}", contract.read_text())
    assert topic is not None
    lines = "\n".join(f'  {name}: {{type: "{kind}"}}' for name, kind in {"id": "int", **fields}.items())
    contract.write_text(CONTRACT.format(topic=topic[1], key="id", fields=lines) + rules)


def chosen(rows: list[list[str | None]], names: list[str]) -> list[list[str | None]]:
    """Some columns of some rows whose first one is the header."""
    places = [rows[0].index(name) for name in names]
    return [[row[place] for place in places] for row in rows]


def test_a_column_made_anew_with_another_type_breaks_no_rule_for_certain(world: World) -> None:
    """Rows that no record has told since have the older column's text: what the database holds is not known."""
    rows = world.settle("pg-evolve-avro", "app.evolve")
    declare(
        world,
        {"a": "int", "added": "int"},
        'invariants:\n  - {name: small, holds: "added < 100"}\n'
        '  - {name: told, holds: "added is not null or id = 1 or id > 3"}\n',
    )
    world.copy(chosen(rows, ["id", "a", "added"]))
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided"]), outcome.err
    owner = [one for one in outcome.json["findings"] if one["replica"] is None]
    assert {one["key"]["id"] for one in owner} == {"1", "4", "5"}
    assert {one["verdict"] for one in outcome.json["findings"]} == {"undecided"}
    assert all("its type changed" in one["evidence"]["note"] for one in owner)
