"""Where a condition depends on a value that a feed does not tell, its row is undecided: neither equal, drift nor out.

The column was added to the table after the first row had been told, and that row was not written since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.test_feed_datasets import World, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

OWNER = """\
entity: thing
version: 1
team: t
owner: {{service: own, feed: {{name: replay, topic: t}}{more}}}
key: [id]
fields:
  id: {{type: int}}
  v: {{type: text}}
{rules}
replicas:
  - service: copy
    dataset: lake/rows.csv
    lag_bound: 1s
    fields: [v]
{terms}
"""
COPY = """\
entity: thing
version: 1
team: t
owner: {{service: own, dataset: lake/rows.csv}}
key: [id]
fields:
  id: {{type: int}}
  v: {{type: text}}
replicas:
  - {{service: copy, feed: {{name: replay, topic: t}}, lag_bound: 1s, {terms}}}
"""
ST, GONE = "  st: {type: text}", "  gone: {type: bool}"
WHERE = "    where: \"st = 'ok'\""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    return World(tmp_path, audit)


def settle(world: World, contract: str, told: dict[str, Any]) -> None:
    """Row 1 was told before there was another column, row 2 with it; the table beside the feed holds both."""
    rows = [{"id": 1, "v": "a"}, {"id": 2, "v": "b", **told}]
    world.settle("pg-crash-dups-json", "app.dup", records=[record("t", row["id"], row) for row in rows])
    (world.directory / "contracts" / "thing.yaml").write_text(contract)
    settings = world.directory / "auditor.yaml"
    types = "jsonl, schemaless: {columns: {t: {st: text, gone: boolean}}}}"
    settings.write_text(settings.read_text().replace("jsonl}", types))
    world.copy([["id", "v"], ["1", "a"], ["2", "b"]])


def undecided(outcome: Outcome, name: str, what: str) -> list[tuple[str, str | None]]:
    """Key and rule of what was found, all of which must be undecided for a column that is not told."""
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided"]), outcome.out + outcome.err
    for one in outcome.json["findings"]:
        assert one["verdict"] == "undecided"
        assert f"what {name} of this row is, and {what} depends on it" in one["evidence"]["note"]
    return [(one["key"]["id"], one["rule"]) for one in outcome.json["findings"]]


@pytest.mark.parametrize("copied", [["1", "a"], ["1", "other"], None])
@pytest.mark.parametrize(
    ("contract", "name", "what", "arguments"),
    [
        (OWNER.format(more="", rules=ST, terms=WHERE), "st", "`where`", ()),
        (OWNER.format(more="", rules=ST, terms=""), "st", "`--where`", ("--where", "st = 'ok'")),
        (OWNER.format(more=", soft_delete: {field: gone}", rules=GONE, terms=""), "gone", "`soft_delete`", ()),
    ],
    ids=["where", "filter", "soft_delete"],
)
def test_an_owners_row_that_may_not_be_to_be_held_is_undecided(
    world: World, contract: str, name: str, what: str, arguments: tuple[str, ...], copied: list[str | None] | None
) -> None:
    """Whether the copy has it, has it otherwise, or lacks it; and the command for one row says the same."""
    settle(world, contract, {"st": "ok", "gone": False})
    world.copy([["id", "v"], *([copied] if copied else []), ["2", "b"]])
    outcome = world.audit("reconcile", "--recheck-after", "0s", "--format", "json", *arguments)
    assert undecided(outcome, name, what) == [("1", None)]
    if not arguments:
        entity = world.audit("entity", "thing", "1", "--format", "json")
        assert (entity.code, entity.json["replicas"][0]["state"]) == (2, "undecided")


def test_a_where_that_is_decided_without_the_value_is_decided(world: World) -> None:
    """Row 1 is out of scope for what is told of it, and no copy of it is to be there."""
    where = WHERE.replace("'ok'", "'ok' and v = 'b'")
    settle(world, OWNER.format(more="", rules=ST, terms=where), {"st": "ok"})
    world.copy([["id", "v"], ["2", "b"]])
    assert world.reconcile().code == 0
    world.copy([["id", "v"], ["1", "a"], ["2", "b"]])
    (finding,) = world.reconcile().json["findings"]
    assert (finding["verdict"], finding["divergence"]) == ("persistent", "orphan")


def test_a_partial_copy_need_not_hold_what_may_not_be_to_be_held(world: World) -> None:
    """It is lawful either way."""
    settle(world, OWNER.format(more="", rules=ST, terms=f"{WHERE}\n    completeness: partial"), {"st": "ok"})
    world.copy([["id", "v"], ["2", "b"]])
    assert world.reconcile().code == 0
    assert world.audit("entity", "thing", "1").code == 0


def test_a_rule_about_a_value_that_is_not_told_is_undecided(world: World) -> None:
    rules = f"{ST}\ninvariants:\n  - {{name: fine, holds: \"st = 'ok'\"}}"
    settle(world, OWNER.format(more="", rules=rules, terms=""), {"st": "ok"})
    assert undecided(world.reconcile(), "st", "the rule") == [("1", "fine")]


def test_a_rule_that_is_broken_whatever_is_not_told_is_broken(world: World) -> None:
    rules = f"{ST}\ninvariants:\n  - {{name: fine, holds: \"st = 'ok' and v = 'b'\"}}"
    settle(world, OWNER.format(more="", rules=rules, terms=""), {"st": "ok"})
    (finding,) = world.reconcile().json["findings"]
    assert (finding["verdict"], finding["rule"], finding["key"]) == ("persistent", "fine", {"id": "1"})


def test_a_row_that_may_be_deleted_breaks_no_rule_for_certain(world: World) -> None:
    rules = f"{GONE}\ninvariants:\n  - {{name: fine, holds: \"v = 'b'\"}}"
    settle(world, OWNER.format(more=", soft_delete: {field: gone}", rules=rules, terms=""), {"gone": False})
    assert undecided(world.reconcile(), "gone", "`soft_delete`") == [("1", "fine"), ("1", None)]


@pytest.mark.parametrize("owned", [["1", "a"], None])
@pytest.mark.parametrize(
    ("terms", "name", "what"),
    [
        ("fields: [v], deletes: {soft: gone}", "gone", "`deletes`"),
        ("fields: [v], select: \"st = 'ok'\"", "st", "`select`"),
    ],
    ids=["deletes", "select"],
)
def test_a_copys_row_that_may_not_be_one_is_undecided(
    world: World, terms: str, name: str, what: str, owned: list[str | None] | None
) -> None:
    """Whether the owner has it or not."""
    settle(world, COPY.format(terms=terms), {"st": "ok", "gone": False})
    world.copy([["id", "v"], *([owned] if owned else []), ["2", "b"]])
    assert undecided(world.reconcile(), name, what) == [("1", None)]
    entity = world.audit("entity", "thing", "1", "--format", "json")
    assert (entity.code, entity.json["replicas"][0]["state"]) == (2, "undecided")
