"""A topic that tells of several tables is not taken for one table: equal keys of two would look like one row."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.test_feed_datasets import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

TOPIC = "shop.all"
SHARD = "__dbz__physicalTableIdentifier"
OWNER = f"feed: {{name: replay, topic: {TOPIC}}}"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    return World(tmp_path, audit)


def settle(world: World, told: list[tuple[str, int, str]], settings: str = "", *, routed: bool = False) -> None:
    """A feed of creates, each of a table, with an id and a name, or a truncate; the owner is known by it alone."""
    lines = []
    for offset, (named, key, name) in enumerate(told):
        database, _, table = named.rpartition(".")
        source = {"connector": "postgresql", "name": "s", "lsn": 10 + offset, "ts_ms": 1, "schema": "public",
                  "table": table, "db": database or "shop"}  # fmt: skip
        key_row = {"id": key, SHARD: f"s.public.{table}"} if routed else {"id": key}
        after = {"id": key, "name": name}
        parts: tuple[Any, Any] = key_row, {"op": "c", "before": None, "after": after, "source": source}
        if name == "truncate":
            parts = None, {"op": "t", "before": None, "after": None, "source": source}
        texts = [part and base64.b64encode(json.dumps(part).encode()).decode() for part in parts]
        line: dict[str, Any] = {"topic": TOPIC, "partition": 0, "offset": offset, "timestamp": 1, "headers": []}
        lines.append(json.dumps({**line, "key": texts[0], "value": texts[1]}))
    (world.directory / "records.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (world.directory / "auditor.yaml").write_text(
        f'version: 1\ncontracts: contracts\nconnections: {{lake: {{url: "file:{world.directory}"}}}}\n'
        f"feeds: {{replay: {{type: recorded, path: records.jsonl, {settings}}}}}\n"
    )
    (world.directory / "contracts").mkdir(exist_ok=True)
    (world.directory / "contracts" / "thing.yaml").write_text(
        f"entity: thing\nversion: 1\nteam: t\nowner: {{service: own, {OWNER}}}\nkey: [id]\n"
        "fields: {id: {type: int}, name: {type: text}}\n"
        'invariants: [{name: short, holds: "length(name) < 9"}]\n'
        "replicas: [{service: copy, dataset: lake/rows.csv, lag_bound: 1s}]\n"
    )


def declared(*tables: str) -> str:
    """Settings by which these tables are one dataset."""
    return f"debezium: {{tables: {{{TOPIC}: [{', '.join(tables)}]}}}}"


TWO = [("accounts", 1, "a"), ("accounts", 2, "b"), ("suppliers", 1, "x"), ("suppliers", 3, "far too long")]
COMMANDS = pytest.mark.parametrize("command", [("reconcile",), ("monitor", "--until-caught-up")])


@COMMANDS
def test_nothing_is_known_of_rows_in_a_topic_of_two_tables(world: World, command: tuple[str, ...]) -> None:
    """Neither that a copy agrees, nor that it differs, lacks a row or has one too many, nor that a rule is broken."""
    settle(world, TWO)
    world.copy([["id", "name"], ["1", "x"], ["2", "other"], ["9", "y"]])
    outcome = world.audit(*command, "--max-wait", "0s", "--format", "json")
    assert (outcome.code, sorted(outcome.json["exit_reasons"])) == (2, ["incomplete", "undecided"]), outcome.out
    assert {one["verdict"] for one in outcome.json["findings"]} <= {"undecided", "in_flight"}  # it does not wait
    world.copy([["id", "name"], ["1", "x"], ["2", "b"], ["3", "far too long"]])  # as the fold has it
    outcome = world.audit(*command, "--max-wait", "0s", "--format", "json")
    assert outcome.code == 2, outcome.out
    assert f"{TOPIC}/0@2 is of the table shop.public.suppliers" in outcome.out


@pytest.mark.parametrize("reversed_", [False, True])
def test_where_the_two_tables_are_said_to_be_one_dataset_their_rows_are_compared(
    world: World, *, reversed_: bool
) -> None:
    """Partitions of one table, say; and a third table in the topic is noticed all the same."""
    told = [("orders_1", 1, "a"), ("orders_2", 2, "b")]
    settle(world, told[::-1] if reversed_ else told, declared('"public.orders_*"'))
    world.copy([["id", "name"], ["1", "a"], ["2", "b"]])
    assert world.reconcile().code == 0
    world.copy([["id", "name"], ["1", "a"]])
    outcome = world.reconcile()
    assert (outcome.code, outcome.findings()) == (1, {("copy", "2", "missing")})
    settle(world, [*told, ("accounts", 3, "c")], declared('"public.orders_*"'))
    outcome = world.reconcile()
    assert outcome.code == 2
    assert "the table shop.public.accounts, which `debezium.tables` does not name" in outcome.out


@COMMANDS
@pytest.mark.parametrize("routed", [False, True])
def test_a_truncate_of_one_of_several_tables_leaves_all_rows_open(
    world: World, command: tuple[str, ...], *, routed: bool
) -> None:
    """No row says of which table it is: whether the truncate took it is not known."""
    told = [("orders_1", 1, "a"), ("orders_2", 2, "b"), ("orders_2", 0, "truncate"), ("orders_2", 3, "c")]
    settle(world, told, "" if routed else declared('"public.orders_*"'), routed=routed)
    rows: list[list[str | None]] = [["id", "name"], ["1", "a"], ["3", "c"]]
    for copied in (rows, [rows[0], rows[2]]):
        world.copy(copied)
        outcome = world.audit(*command, "--max-wait", "0s", "--format", "json")
        assert outcome.code == 2, outcome.out
        assert "is a truncate of one of the topic's tables" in outcome.out


def test_a_truncate_of_the_only_table_that_came_takes_its_rows(world: World) -> None:
    """Others are named in the settings, and have told nothing."""
    settle(world, [("o_1", 1, "a"), ("o_1", 0, "truncate"), ("o_1", 3, "c")], declared('"*.o_?"'))
    world.copy([["id", "name"], ["3", "c"]])
    assert world.reconcile().code == 0


def test_one_table_that_is_not_the_one_that_is_expected_is_noticed(world: World) -> None:
    """Whoever names a topic's tables has them checked."""
    settle(world, [("accounts", 1, "a")], declared("public.orders"))
    world.copy([["id", "name"], ["1", "a"]])
    assert world.reconcile().code == 2


def test_tables_of_one_name_in_two_databases_are_two(world: World) -> None:
    """A database for each of several customers, say, and a router that drops its name."""
    settle(world, [("one.orders", 1, "a"), ("two.orders", 1, "b")])
    world.copy([["id", "name"], ["1", "b"]])
    assert world.reconcile().code == 2
    settle(world, [("one.orders", 1, "a"), ("two.orders", 2, "b")], declared("public.orders"))
    world.copy([["id", "name"], ["1", "a"], ["2", "b"]])
    assert world.reconcile().code == 0
    settle(world, [("one.orders", 1, "a"), ("two.orders", 1, "b")], declared("one.public.orders"))
    assert world.reconcile().code == 2


def test_shards_whose_keys_never_meet_are_one_table(world: World) -> None:
    """Debezium's router of logical tables tells the shard in the key: it is no part of the row's own key."""
    settle(world, [("orders_1", 1, "a"), ("orders_2", 2, "b")], routed=True)
    world.copy([["id", "name"], ["1", "a"], ["2", "b"]])
    assert world.reconcile().code == 0
    world.copy([["id", "name"], ["1", "a"], ["2", "c"]])
    assert world.reconcile().findings() == {("copy", "2", "mismatch")}


@COMMANDS
@pytest.mark.parametrize("settings", ["", declared('"*"')])
def test_shards_with_rows_of_one_key_are_not_known(world: World, command: tuple[str, ...], settings: str) -> None:
    """Whatever the settings say: two rows have been taken for one."""
    settle(world, [("orders_1", 1, "a"), ("orders_2", 1, "b")], settings, routed=True)
    world.copy([["id", "name"], ["1", "b"]])
    outcome = world.audit(*command, "--max-wait", "0s", "--format", "json")
    assert outcome.code == 2, outcome.out
    assert "two of them have rows with the same key" in outcome.out


def test_in_a_copy_of_two_tables_a_leak_may_be_the_other_tables_value(world: World) -> None:
    """What is in a redacted field may stand in a row of another table."""
    settle(world, [("copies", key, "-") for key in range(1, 5)] + [("people", 1, "x")])
    contract = world.directory / "contracts" / "thing.yaml"
    text = contract.read_text().replace(OWNER, "dataset: lake/owner.csv").replace("dataset: lake/rows.csv", OWNER)
    contract.write_text(text.replace("lag_bound: 1s", "lag_bound: 1s, fields: {name: {equality: redacted}}"))
    (world.directory / "owner.csv").write_text("id,name\n1,x\n2,y\n3,z\n4,z\n")
    outcome = world.reconcile()
    assert outcome.code == 2, outcome.out
    assert {one["verdict"] for one in outcome.json["findings"]} == {"undecided"}


@COMMANDS
def test_between_tables_such_a_topic_is_no_witness(world: World, command: tuple[str, ...]) -> None:
    """The owner's table says what its rows are; what another table's row was once explains no difference."""
    settle(world, TWO[:3])
    contract = world.directory / "contracts" / "thing.yaml"
    contract.write_text(contract.read_text().replace(OWNER, f"dataset: lake/owner.csv, {OWNER}"))
    (world.directory / "owner.csv").write_text("id,name\n1,x\n")
    world.copy([["id", "name"], ["1", "a"]])
    outcome = world.audit(*command, "--max-wait", "1m", "--format", "json")  # what it takes is the copy's lag bound
    (finding,) = outcome.json["findings"]
    assert (finding["verdict"], finding["cause"]) == ("persistent", "unknown"), outcome.out
    assert "is of the table shop.public.suppliers" in outcome.err
