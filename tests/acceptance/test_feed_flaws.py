"""What a connector and a table's history do to values is no drift, and is said; what is drift stays drift."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.test_feed_datasets import CONTRACT, World, raw_records, record
from tests.fixtures.debezium_sets import DebeziumSet

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


def held(name: str, table: str, names: list[str]) -> list[list[str | None]]:
    """Some columns of what a set's database held in the end, header first."""
    found = next(one for one in DebeziumSet(name).tables if one.name == table)
    places = [list(found.types).index(column) for column in names]
    return [[*names], *([row[place] for place in places] for row in found.rows)]


def test_a_column_made_anew_with_another_type_breaks_no_rule_for_certain(world: World) -> None:
    """Rows that no record has told since have the older column's text: what the database holds is not known."""
    world.settle("pg-evolve-avro", "app.evolve")
    declare(
        world,
        {"a": "int", "added": "int"},
        'invariants:\n  - {name: small, holds: "added < 100"}\n'
        '  - {name: told, holds: "added is not null or id = 1 or id > 3"}\n',
    )
    world.copy(held("pg-evolve-avro", "app.evolve", ["id", "a", "added"]))
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided"]), outcome.err
    owner = [one for one in outcome.json["findings"] if one["replica"] is None]
    told = {one["key"]["id"]: one["evidence"]["note"] for one in owner}
    assert "does not tell for certain what added of this row is" in told.pop("2")  # there before the column was
    assert told.keys() == {"1", "4", "5"}
    assert {one["verdict"] for one in outcome.json["findings"]} == {"undecided"}
    assert all("its type changed" in note for note in told.values())


def test_a_type_that_changed_while_no_monitor_ran_is_noticed(world: World) -> None:
    """Each monitor goes on where the last one stopped, and reads no other schema than that of the next record."""
    records = [one for one in raw_records("pg-evolve-avro") if one["topic"].endswith(".evolve")]
    world.copy(held("pg-evolve-avro", "app.evolve", ["id", "a", "added"]))
    for count in range(WITH_THE_COLUMN, len(records) + 1):
        world.settle("pg-evolve-avro", "app.evolve", records=records[:count])
        declare(world, {"a": "int", "added": "int"})
        patience = "0s" if count < len(records) else "1m"  # the last one looks until it can tell; so long is a failure
        outcome = world.audit("monitor", "--until-caught-up", "--max-wait", patience, "--format", "json")
    notes = {one["key"]["id"]: one["evidence"].get("note", "") for one in outcome.json["findings"]}
    assert {one["verdict"] for one in outcome.json["findings"]} == {"undecided"}, outcome.out
    assert notes
    assert all("its type changed" in note for note in notes.values())


WITH_THE_COLUMN = 4
"""Of the records of that set, the first that has the column `added`."""


def test_null_under_bytes_of_an_unknown_spelling_is_not_known(world: World) -> None:
    """In base64, a large value that was left as it was comes as NULL; whether it is base64 nobody says."""
    name = "pg-types-avro-string-isostring"
    world.settle(name, "shop.types_all")
    declare(world, {"c_int": "int", "c_bigbytea": "bytes"})
    world.copy(held(name, "shop.types_all", ["id", "c_int", "c_bigbytea"]))
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided"]), outcome.err
    assert any("`schemaless.binary`" in one for one in outcome.json["entities"][0]["owner"]["coverage"]["remarks"])


@pytest.mark.parametrize(("mode", "verdict"), [("", "undecided"), ("base64", "undecided"), ("hex", "persistent")])
def test_null_of_bytes_in_json_without_a_schema_is_known_only_where_the_mode_writes_what_was_kept(
    world: World, mode: str, verdict: str
) -> None:
    """The settings say it: with hex, a value that was left as it was is no NULL."""
    world.settle("pg-crash-dups-json", "app.dup", records=[record("t", 1, {"id": 1, "photo": None})])
    settings = world.directory / "auditor.yaml"
    if mode:
        settings.write_text(settings.read_text().replace("jsonl}", f"jsonl, schemaless: {{binary: {mode}}}}}"))
    fields = "  id: {type: int}\n  photo: {type: bytes}"
    (world.directory / "contracts" / "thing.yaml").write_text(CONTRACT.format(topic="t", key="id", fields=fields))
    world.copy([["id", "photo"], ["1", "\\x00ff"]])
    (finding,) = world.reconcile().json["findings"]
    assert finding["verdict"] == verdict


@pytest.mark.parametrize(
    ("told", "copied", "types", "verdict"),
    [
        ("v", "v ", "", "persistent"),
        ("v ", "v", "", "undecided"),
        ("v ", "v", "varchar(20)", "persistent"),
        ("v ", "v", "character varying(20)", "persistent"),
        ("v ", "v", "text", "persistent"),
        ("v ", "v", "char(2)", ""),
    ],
)
def test_only_the_padding_of_a_char_explains_blanks_at_the_end(
    world: World, told: str, copied: str, types: str, verdict: str
) -> None:
    """A feed shows padding as blanks of its own; what the copy has beyond it was written there."""
    world.settle("pg-crash-dups-json", "app.dup", records=[record("t", 1, {"id": 1, "name": told})])
    settings = world.directory / "auditor.yaml"
    if types:
        known = f'jsonl, schemaless: {{columns: {{t: {{name: "{types}"}}}}}}}}'
        settings.write_text(settings.read_text().replace("jsonl}", known))
    fields = "  id: {type: int}\n  name: {type: text}"
    (world.directory / "contracts" / "thing.yaml").write_text(CONTRACT.format(topic="t", key="id", fields=fields))
    world.copy([["id", "name"], ["1", copied]])
    outcome = world.reconcile()
    assert [one["verdict"] for one in outcome.json["findings"]] == [verdict] * bool(verdict), outcome.err


@pytest.mark.parametrize(
    ("told", "equality", "copied", "verdict"),
    [
        ("ab   ", '{mask: "*"}', "**", "undecided"),
        ("ab   ", '{mask: "*"}', "***", "persistent"),
        ("ab   ", '{mask: "*"}', "ab", "persistent"),
        ("ab", '{mask: "*"}', "ab", "persistent"),
        ("ab   ", "{hash: sha256}", hashlib.sha256(b"ab").hexdigest(), "undecided"),
        ("ab", "{hash: sha256}", "ab", "persistent"),
        ("ab   ", "{truncated_to: 3}", "ab", "undecided"),
        ("ab   ", "{truncated_to: 3}", "ab   ", "persistent"),
        ("AB   ", "case_insensitive", "ab", "undecided"),
        ("AB   ", "case_insensitive", "a", "persistent"),
        ("ab   ", "trimmed", "ab", ""),
    ],
)
def test_padding_is_what_makes_a_difference_by_the_equality_of_its_field(
    world: World, told: str, equality: str, copied: str, verdict: str
) -> None:
    """A mask has as many characters as the value, a digest is another one: blanks explain what they make of them."""
    world.settle("pg-crash-dups-json", "app.dup", records=[record("t", 1, {"id": 1, "name": told})])
    fields = f"  id: {{type: int}}\n  name: {{type: text, equality: {equality}}}"
    (world.directory / "contracts" / "thing.yaml").write_text(CONTRACT.format(topic="t", key="id", fields=fields))
    world.copy([["id", "name"], ["1", copied]])
    outcome = world.reconcile()
    assert [one["verdict"] for one in outcome.json["findings"]] == [verdict] * bool(verdict), outcome.err


@pytest.mark.parametrize(
    ("told", "owned", "equality", "verdict"),
    [
        ("**   ", "ab", '{mask: "*"}', "undecided"),
        ("ab   ", "ab", '{mask: "*"}', "persistent"),
        ("ab", "ab", '{mask: "*"}', "persistent"),
        ("ab   ", "abc", "{truncated_to: 2}", "undecided"),
        ("ab", "ab ", "exact", "persistent"),
    ],
)
def test_the_padding_of_a_copy_explains_what_it_adds_to_what_the_copy_is_to_hold(
    world: World, told: str, owned: str, equality: str, verdict: str
) -> None:
    world.settle("pg-crash-dups-json", "app.dup", records=[record("t", 1, {"id": 1, "name": told})])
    fields = f"  id: {{type: int}}\n  name: {{type: text, equality: {equality}}}"
    text = CONTRACT.format(topic="t", key="id", fields=fields).replace("dataset: lake/rows.csv", "FEED")
    text = text.replace("feed: {name: replay, topic: t}", "dataset: lake/rows.csv")
    text = text.replace("FEED", "feed: {name: replay, topic: t}")
    (world.directory / "contracts" / "thing.yaml").write_text(text)
    world.copy([["id", "name"], ["1", owned]])
    outcome = world.reconcile()
    assert [one["verdict"] for one in outcome.json["findings"]] == [verdict], outcome.err


@pytest.mark.parametrize("key", ["ab   ", "ab"])
def test_keys_that_differ_by_what_may_be_padding_are_undecided_on_both_sides(world: World, key: str) -> None:
    """One row, which the feed tells with the blanks of a char(n), or two: nobody knows without the column's type."""
    lines = [record("t", 1, {"id": one, "name": "v"}) for one in (key, "other")]
    for offset, line in enumerate(lines):
        line["offset"] = offset
        line["key"] = base64.b64encode(json.dumps({"id": (key, "other")[offset]}).encode()).decode()
    world.settle("pg-crash-dups-json", "app.dup", records=lines)
    fields = "  id: {type: text}\n  name: {type: text}"
    (world.directory / "contracts" / "thing.yaml").write_text(CONTRACT.format(topic="t", key="id", fields=fields))
    world.copy([["id", "name"], ["ab", "v"], ["other", "v"], ["new ", "v"]])
    found = {one["key"]["id"]: one["verdict"] for one in world.reconcile().json["findings"]}
    doubted = {key: "undecided", "ab": "undecided"} if key != "ab" else {}
    assert found == {**doubted, "new ": "persistent"}  # the copy's own blanks are no padding
    outcome = world.audit("entity", "thing", "ab", "--format", "json")
    (seen,) = outcome.json["replicas"]
    assert seen["state"] == ("undecided" if doubted else "consistent"), outcome.out


@pytest.mark.parametrize(
    ("told", "copied", "equality", "verdict"),
    [
        (-1, str(2**64 - 1), "exact", "undecided"),
        (-1, str(2**64 - 2), "exact", "persistent"),
        (-1, str(2**64 - 2), "within 5", "undecided"),
        (-1, hashlib.sha256(str(2**64 - 1).encode()).hexdigest(), "{hash: sha256}", "undecided"),
        (-1, hashlib.sha256(b"-1").hexdigest(), "{hash: sha256}", ""),
        (-1, hashlib.sha256(b"7").hexdigest(), "{hash: sha256}", "persistent"),
        (-(2**63), "*" * 15 + "5808", '{mask: "*", keep_last: 4}', "undecided"),
        (-(2**63), "*" * 14 + "5808", '{mask: "*", keep_last: 4}', "persistent"),
        (5, hashlib.sha256(str(2**64 + 5).encode()).hexdigest(), "{hash: sha256}", "persistent"),
    ],
)
def test_a_number_that_may_have_wrapped_is_undecided_by_the_equality_of_its_field(
    world: World, told: int, copied: str, equality: str, verdict: str
) -> None:
    """MySQL's connector tells what is unsigned and large as negative: a digest or a mask was made of what it is."""
    wrapped(world, f"int, equality: {equality}", told, copied)
    outcome = world.reconcile()
    assert [one["verdict"] for one in outcome.json["findings"]] == [verdict] * bool(verdict), outcome.err


@pytest.mark.parametrize(
    ("logical", "told", "copied", "verdict"),
    [
        ("decimal(20,0)", -1, str(2**64 - 1), "undecided"),
        ("decimal(22,2)", -(2**63), str(2**63), "undecided"),
        ("decimal(38,18)", -1, str(2**64 - 1), "undecided"),
        ("decimal(38,25)", -1, "-1", ""),
        ("decimal(20,0)", -1, str(2**64 - 2), "persistent"),
        ("decimal(20,0)", 5, str(2**64 + 5), "persistent"),
        ("float", -1, str(2**64 - 1), "undecided"),
        ("float", -1, "1.5", "persistent"),
        ("decimal(20,0), equality: within 5", -1, str(2**64 - 3), "undecided"),
    ],
)
def test_a_number_that_may_have_wrapped_is_undecided_whatever_it_is_taken_for(
    world: World, logical: str, told: int, copied: str, verdict: str
) -> None:
    """A bigint unsigned is kept as a decimal, or as a float, where nothing else has room for it."""
    wrapped(world, logical, told, copied)
    outcome = world.reconcile()
    assert [one["verdict"] for one in outcome.json["findings"]] == [verdict] * bool(verdict), outcome.err


def wrapped(world: World, logical: str, told: int, copied: str) -> None:
    """An owner whose connector tells an integer of MySQL's, and a copy of it."""
    line = record("t", 1, {"id": 1, "n": told})
    value = json.loads(base64.b64decode(line["value"]))
    value["source"] = {"connector": "mysql", "name": "s", "file": "log.000001", "pos": 7, "row": 0, "server_id": 1}
    line["value"] = base64.b64encode(json.dumps(value).encode()).decode()
    world.settle("pg-crash-dups-json", "app.dup", records=[line])
    fields = f"  id: {{type: int}}\n  n: {{type: {logical}}}"
    fields = re.sub(r"type: (decimal\([^)]*\))", r'type: "\1"', fields)
    (world.directory / "contracts" / "thing.yaml").write_text(CONTRACT.format(topic="t", key="id", fields=fields))
    world.copy([["id", "n"], ["1", copied]])


def test_a_blank_that_mariadb_tells_is_a_part_of_its_text(world: World) -> None:
    """Its char(n) come without what pads them."""
    line = record("t", 1, {"id": 1, "name": "v "})
    value = json.loads(base64.b64decode(line["value"]))
    value["source"] = {"connector": "mariadb", "name": "s", "file": "log.000001", "pos": 7, "row": 0, "server_id": 1}
    line["value"] = base64.b64encode(json.dumps(value).encode()).decode()
    world.settle("pg-crash-dups-json", "app.dup", records=[line])
    fields = "  id: {type: int}\n  name: {type: text}"
    (world.directory / "contracts" / "thing.yaml").write_text(CONTRACT.format(topic="t", key="id", fields=fields))
    world.copy([["id", "name"], ["1", "v"]])
    (finding,) = world.reconcile().json["findings"]
    assert finding["verdict"] == "persistent"


def test_digits_that_a_double_does_not_hold_are_undecided_and_others_are_drift(world: World) -> None:
    """The connector has rounded; what it could have carried is compared as it is."""
    name = "pg-types-avro-double-connect"
    world.settle(name, "shop.types_all")
    declare(world, {"c_num": "decimal(12,2)", "c_num_nop": "decimal(60,20)", "c_bignum_nn": "decimal(38,10)"})
    header, *rows = held(name, "shop.types_all", ["id", "c_num", "c_num_nop", "c_bignum_nn"])
    rows[0][1] = "4711.00"
    world.copy([header, *rows])
    outcome = world.reconcile()
    verdicts = {one["key"]["id"]: one["verdict"] for one in outcome.json["findings"]}
    assert verdicts.pop(str(rows[0][0])) == "persistent"
    assert set(verdicts.values()) == {"undecided"}
    for key, state in ((rows[0][0], "divergent"), (rows[1][0], "undecided")):
        (seen,) = world.audit("entity", "thing", str(key), "--format", "json").json["replicas"]
        assert seen["state"] == state
    notes = [field.get("note", "") for one in outcome.json["findings"] for field in one["fields"]]
    assert sum("decimal.handling.mode=double" in note for note in notes) >= 2 * len(verdicts)


@pytest.mark.parametrize(
    ("told", "kind", "types", "copied", "verdict"),
    [
        (True, "text", "", "1", "undecided"),
        (True, "text", "", "0", "persistent"),
        (True, "text", "", "true", ""),
        (True, "text", "bit(1)", "1", ""),
        (False, "text", "bit", "1", "persistent"),
        (True, "text", "boolean", "1", "persistent"),
        (True, "int", "", "1", ""),
        (False, "bool", "", "0", ""),
    ],
)
def test_one_bit_is_told_as_a_boolean_and_shown_as_a_digit(
    world: World, *, told: bool, kind: str, types: str, copied: str, verdict: str
) -> None:
    """The connector writes both alike; the column's type says which it is."""
    world.settle("pg-crash-dups-json", "app.dup", records=[record("t", 1, {"id": 1, "flag": told})])
    settings = world.directory / "auditor.yaml"
    if types:
        known = f'jsonl, schemaless: {{columns: {{t: {{flag: "{types}"}}}}}}}}'
        settings.write_text(settings.read_text().replace("jsonl}", known))
    fields = f"  id: {{type: int}}\n  flag: {{type: {kind}}}"
    (world.directory / "contracts" / "thing.yaml").write_text(CONTRACT.format(topic="t", key="id", fields=fields))
    world.copy([["id", "flag"], ["1", copied]])
    outcome = world.reconcile()
    assert [one["verdict"] for one in outcome.json["findings"]] == [verdict] * bool(verdict), outcome.err


def test_one_bit_of_batches_that_are_decoded_at_once_is_undecided_beside_its_digit(world: World) -> None:
    """As the copy has it that was made from the store."""
    world.settle("pg-types-avro", "shop.types_all")
    declare(world, {"c_bit": "text", "c_bit1": "text"})
    world.copy(held("pg-types-avro", "shop.types_all", ["id", "c_bit", "c_bit1"]))
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided"]), outcome.err
    settings, topic = world.directory / "auditor.yaml", "pg-types-avro.shop.types_all"
    text = settings.read_text().replace(
        "schemas.json}", f"schemas.json, schemaless: {{columns: {{{topic}: {{c_bit1: bit}}}}}}}}"
    )
    settings.write_text(text)
    assert world.reconcile().code == 0


def test_what_is_the_default_or_null_passes_for_either_and_is_remarked(world: World) -> None:
    """Nobody can tell which of them the owner holds, and nobody is to believe that it was compared."""
    world.settle("pg-nulldef-avro", "app.nulldef")
    declare(world, {"d_int": "int", "plain": "text"})
    header, *rows = held("pg-nulldef-avro", "app.nulldef", ["id", "d_int", "plain"])
    for wanted in ("42", None):
        world.copy([header, *([row[0], wanted if row[1] in ("42", None) else row[1], row[2]] for row in rows)])
        outcome = world.reconcile()
        assert (outcome.code, outcome.json["findings"]) == (0, []), outcome.err
        (remark,) = outcome.json["entities"][0]["owner"]["coverage"]["remarks"]
        count = sum(row[1] in ("42", None) for row in rows)
        assert remark.startswith(
            f"the owner: whether d_int of {count} of {len(rows)} rows is its default or NULL, its feed does not tell"
        )
    world.copy([header, *([row[0], "43", row[2]] for row in rows)])
    assert {one["verdict"] for one in world.reconcile().json["findings"]} == {"persistent"}


@pytest.mark.parametrize("name", ["pg-ri-avro", "pg-ri-json"])
def test_a_delete_of_a_key_that_nobody_told_makes_missing_rows_undecided_and_is_named(world: World, name: str) -> None:
    """With an identity by an index that lacks the key, the rows that are gone stay: the database has them not."""
    world.copy(world.settle(name, "app.ri_index"))
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided"]), outcome.err
    found = {(one["key"]["id"], one["divergence"], one["verdict"]) for one in outcome.json["findings"]}
    assert found == {("1", "missing", "undecided"), ("2", "missing", "undecided")}
    (remark,) = outcome.json["entities"][0]["owner"]["coverage"]["remarks"]
    assert f"{name}.app.ri_index/0@3 deletes a row that neither the whole snapshot" in remark


def test_deletes_of_rows_that_were_told_are_no_sign_of_another_identity(world: World) -> None:
    """The same history with the keys of its rows: what is missing at the copy is missing."""
    rows = world.settle("pg-ri-json", "app.ri_full")
    world.copy(rows[:1])
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (1, ["drift"]), outcome.err
    remarks = outcome.json["entities"][0]["owner"]["coverage"]["remarks"]
    assert not any("deletes a row" in remark for remark in remarks)
