"""`audit compensate` and `audit verify`: what a plan says, what it leaves to people, and which plans are refused."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auditor.compensations.plan import COMPENSATION_MEMBERS, digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Outcome

    Audit = Callable[..., Outcome]

SETTINGS = """
version: 1
contracts: contracts
connections:
  shop: {url: "sqlite:///shop.db"}
  copy: {url: "sqlite:///copy.db"}
  export: {url: "file:./export"}
ledger: {url: "sqlite:///auditor.db"}
"""
CONTRACT = """
entity: order
version: 1
owner: {service: shop, dataset: shop/orders}
key: [id]
fields:
  id: {type: int}
  status: {type: text}
  email: {type: text, sensitive: true}
  total: {type: "decimal(10,2)"}
invariants:
  - {name: positive, holds: "total > 0"}
replicas:
  - {service: copy, dataset: copy/orders, fields: {status: status, email: {path: email, equality: redacted},
     total: total}, lag_bound: 1s}
  - {service: export, dataset: export/orders.csv, fields: [status], lag_bound: 1s}
"""


def sql(file: str, *statements: str) -> None:
    """Change a database."""
    connection = sqlite3.connect(file)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An owner with five orders, a copy of them and an export of them, all right."""
    monkeypatch.chdir(tmp_path)
    Path("contracts").mkdir()
    Path("export").mkdir()
    Path("auditor.yaml").write_text(SETTINGS, "utf-8")
    Path("contracts/order.yaml").write_text(CONTRACT, "utf-8")
    rows = ", ".join(f"({i}, 'paid', 'mail-{i}', '{i}.50')" for i in range(1, 6))
    copies = ", ".join(f"({i}, 'paid', 'x', '{i}.50')" for i in range(1, 6))
    sql("shop.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, email TEXT, total TEXT)",
        f"INSERT INTO orders VALUES {rows}")  # fmt: skip
    sql("copy.db", "CREATE TABLE orders (id INTEGER, status TEXT, email TEXT, total TEXT)",
        f"INSERT INTO orders VALUES {copies}")  # fmt: skip
    lines = "".join(f"{i},paid\n" for i in range(1, 6))
    Path("export/orders.csv").write_text(f"id,status\n{lines}", "utf-8")
    return tmp_path


def planned(audit: Audit, *options: str, code: int = 0) -> dict[str, Any]:
    """The plan of a run made just now."""
    audit("reconcile", "--recheck-after", "0s")
    outcome = audit("compensate", "--out", "plan", *options)
    assert outcome.code == code, outcome.err
    document: dict[str, Any] = json.loads(Path("plan/plan.json").read_text("utf-8"))
    return document


def acts(plan: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Action, store and key of each compensation, in the plan's order."""
    return [
        (one["action"], one["store"], ",".join((one["verify"]["key"] or {}).values())) for one in plan["compensations"]
    ]


@pytest.mark.usefixtures("project")
def test_a_plan_has_the_form_of_the_interface(audit: Audit) -> None:
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id = 1", "DELETE FROM orders WHERE id = 2",
        "INSERT INTO orders VALUES (9, 'x', NULL, '1.00')")  # fmt: skip
    plan = planned(audit)
    assert plan["plan_version"] == 1
    assert plan["complete"]
    assert acts(plan) == [("upsert", "copy", "1"), ("upsert", "copy", "2"), ("delete", "copy", "9")]
    for order, one in enumerate(plan["compensations"], 1):
        assert tuple(one) == COMPENSATION_MEMBERS
        assert one["order"] == order
        assert one["expires_at"] == plan["expires_at"]
    update = plan["compensations"][0]
    assert update["parameters"]["status"] == "paid"
    assert ":was_status" in update["precondition"]
    assert update["precondition"] in update["statement"]
    assert Path("plan/copy.sql").read_text("utf-8").count("COMMIT;") == 1


@pytest.mark.usefixtures("project")
def test_programs_can_bind_the_parameters_of_a_plan(audit: Audit) -> None:
    """Statement and parameters are enough; the inverse brings the old state back."""
    sql("copy.db", "UPDATE orders SET status = 'it''s', total = '7.00' WHERE id = 1", "DELETE FROM orders WHERE id = 2")
    drifted = _rows()
    plan = planned(audit)
    with sqlite3.connect("copy.db") as copy:
        for one in plan["compensations"]:
            assert copy.execute(one["statement"], one["parameters"]).rowcount == 1
            assert copy.execute(one["statement"], one["parameters"]).rowcount == 0
    assert audit("verify", "plan").code == 0
    with sqlite3.connect("copy.db") as copy:
        for one in reversed(plan["compensations"]):
            assert copy.execute(one["inverse"]["statement"], one["inverse"]["parameters"]).rowcount == 1
    assert _rows() == drifted
    copy.close()


@pytest.mark.parametrize(
    ("kind", "keys", "acts_then"),
    [
        ("decimal(10,2)", ("1.50", "2.25"), "upsert"),
        ("decimal(10,2)", ("1.5", "2.25", "4"), "upsert"),
        ("decimal(10,2)", ("1.5", "4.00"), "escalate"),
        ("timestamp", ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), "upsert"),
        ("timestamp", ("2026-01-01T02:00:00+02:00", "2026-01-02T02:00:00+02:00"), "escalate"),
        ("int", ("7", "08"), "escalate"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_row_is_inserted_only_where_its_key_can_be_spelled_in_one_way(
    audit: Audit, kind: str, keys: tuple[str, ...], acts_then: str
) -> None:
    """It may come meanwhile in another spelling: then the plan would make a duplicate."""
    contract = Path("contracts/order.yaml").read_text("utf-8").replace("id: {type: int}", f'id: {{type: "{kind}"}}')
    Path("contracts/order.yaml").write_text(contract.split("  - {service: export")[0], "utf-8")
    lost = {"decimal(10,2)": "3.5", "timestamp": "2026-01-03T00:00:00Z", "int": "9"}[kind]
    for name, some in (("shop.db", (*keys, lost)), ("copy.db", keys)):
        rows = ", ".join(f"('{key}', 'paid', 'x', '1.00')" for key in some)
        sql(name, "DROP TABLE orders", "CREATE TABLE orders (id TEXT, status TEXT, email TEXT, total TEXT)",
            f"INSERT INTO orders VALUES {rows}")  # fmt: skip
    (act,) = planned(audit)["compensations"]
    assert act["action"] == acts_then
    if acts_then == "escalate":
        assert "as text, and not in one way" in json.dumps(act)


def _rows() -> list[tuple[Any, ...]]:
    connection = sqlite3.connect("copy.db")
    rows = connection.execute("SELECT * FROM orders ORDER BY id").fetchall()
    connection.close()
    return rows


@pytest.mark.usefixtures("project")
def test_what_is_not_certain_is_left_to_people(audit: Audit) -> None:
    """The owner's own faults, duplicates, NULL keys, what is made of a broken row, and files."""
    sql("shop.db", "UPDATE orders SET total = '-1.00' WHERE id = 1", "UPDATE orders SET total = 'x' WHERE id = 2")
    sql("copy.db", "INSERT INTO orders SELECT * FROM orders WHERE id = 3",
        "INSERT INTO orders VALUES (NULL, '', '', 1)",
        "UPDATE orders SET status = 'new' WHERE id < 3", "UPDATE orders SET email = 'y' WHERE id = 4")  # fmt: skip
    Path("export/orders.csv").write_text("id,status\n1,paid\n2,paid\n3,paid\n4,paid\n5,new\n", "utf-8")
    plan = planned(audit)
    assert {one["action"] for one in plan["compensations"]} == {"escalate"}
    assert {one["statement"] for one in plan["compensations"]} == {None}
    reasons = {(one["replica"], one["verify"]["divergence"]): one["reason"] for one in plan["compensations"]}
    assert "its service can say" in reasons[None, "invariant"]
    assert "which of them to keep" in reasons["copy", "duplicate"]
    assert "nobody can tell" in reasons["copy", "null_key"]
    assert "make it again" in reasons["export", "mismatch"]
    ours = [one["reason"] for one in plan["compensations"] if one["replica"] == "copy"]
    assert sum("breaks its contract" in reason for reason in ours) == 2
    assert sum("redacted" in reason for reason in ours) == 1
    assert audit("verify", "plan").code == 0


@pytest.mark.usefixtures("project")
def test_a_new_row_that_needs_what_nobody_knows_is_left_to_people(audit: Audit) -> None:
    sql("copy.db", "DROP TABLE orders",
        "CREATE TABLE orders (id INTEGER, status TEXT, email TEXT, total TEXT, region TEXT NOT NULL)",
        "INSERT INTO orders VALUES (1, 'paid', 'x', '1.50', 'eu')")  # fmt: skip
    plan = planned(audit)
    assert {one["reason"] for one in plan["compensations"]} == {
        "a new row needs a value for region, of which the contract says nothing certain"
    }


@pytest.mark.usefixtures("project")
def test_a_view_is_left_to_people(audit: Audit) -> None:
    sql("copy.db", "ALTER TABLE orders RENAME TO base", "UPDATE base SET status = 'new' WHERE id = 1",
        "CREATE VIEW orders AS SELECT * FROM base")  # fmt: skip
    assert [one["reason"] for one in planned(audit)["compensations"]] == [
        "copy/orders is a view, which is not written to"
    ]


@pytest.mark.usefixtures("project")
def test_what_lies_inside_a_document_is_left_to_people(audit: Audit) -> None:
    contract = CONTRACT.replace("{status: status, email", "{status: doc.status, email")
    Path("contracts/order.yaml").write_text(contract, "utf-8")
    sql("copy.db", "ALTER TABLE orders ADD COLUMN doc TEXT", "UPDATE orders SET doc = json_object('status', status)",
        """UPDATE orders SET doc = '{"status":"new"}', total = '7' WHERE id = 1""", "DELETE FROM orders WHERE id = 2",
        "UPDATE orders SET total = '8' WHERE id = 3")  # fmt: skip
    found = {one["verify"]["key"]["id"]: (one["action"], one["reason"]) for one in planned(audit)["compensations"]}
    inside = "doc.status lies inside a document of copy/orders, which no statement here writes"
    assert found["1"] == found["2"] == ("escalate", inside)
    assert found["3"][0] == "upsert"


@pytest.mark.parametrize(
    ("column", "flagged", "value"),
    [("INTEGER", "1", 1), ("BOOLEAN DEFAULT 0", "1", 1), ("TEXT", "'true'", "true"), ("TEXT", "'yes'", None)],
)
@pytest.mark.usefixtures("project")
def test_a_flag_is_set_only_where_its_meaning_is_certain(
    audit: Audit, column: str, flagged: str, value: object
) -> None:
    contract = CONTRACT.replace("total: total}, lag_bound", "total: total}, deletes: {soft: gone}, lag_bound", 1)
    Path("contracts/order.yaml").write_text(contract, "utf-8")
    sql("copy.db", f"ALTER TABLE orders ADD COLUMN gone {column}",
        f"INSERT INTO orders VALUES (7, 'x', 'x', '1.00', {flagged}), (8, 'y', 'x', '1.00', NULL)")  # fmt: skip
    plan = planned(audit)
    if value is None:
        assert acts(plan) == [("escalate", "copy", "8")]
        assert "not certain" in plan["compensations"][0]["reason"]
        return
    assert acts(plan) == [("delete", "copy", "8")]
    with sqlite3.connect("copy.db") as copy:
        copy.executescript(Path("plan/copy.sql").read_text("utf-8").replace(".bail on", ""))
        assert copy.execute("SELECT status, gone FROM orders WHERE id = 8").fetchall() == [("y", value)]
    copy.close()
    assert audit("verify", "plan").code == 0


@pytest.mark.usefixtures("project")
def test_what_moved_on_is_left_out_and_said(audit: Audit) -> None:
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id < 4")
    audit("reconcile", "--recheck-after", "0s")
    sql("copy.db", "UPDATE orders SET status = 'paid' WHERE id = 1", "UPDATE orders SET status = 'other' WHERE id = 2")
    outcome = audit("compensate", "--out", "plan", "--format", "json")
    assert outcome.code == 0
    reasons = sorted(one["reason"].partition(":")[0] for one in outcome.json["left_out"])
    assert reasons == ["it differs otherwise by now (other fields or values)", "it no longer differs"]
    assert acts(outcome.json) == [("upsert", "copy", "3")]


@pytest.mark.usefixtures("project")
def test_what_is_accepted_is_left_alone(audit: Audit) -> None:
    """Accepted before the run or after it."""
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id < 4")
    report = audit("reconcile", "--recheck-after", "0s", "--format", "json").json
    first, second, _ = (finding["id"] for finding in report["findings"])
    assert audit("accept", first, "--until", "2999-01-01", "--why", "known").code == 0
    audit("reconcile", "--recheck-after", "0s")
    assert audit("accept", second, "--until", "2999-01-01", "--why", "known").code == 0
    outcome = audit("compensate", "--out", "plan", "--format", "json")
    assert acts(outcome.json) == [("upsert", "copy", "3")]
    assert outcome.json["left_out"] == [{"finding_id": second, "reason": "it is accepted"}]


@pytest.mark.usefixtures("project")
def test_a_plan_beyond_its_limit_says_so_and_is_trouble(audit: Audit) -> None:
    sql("copy.db", "UPDATE orders SET status = 'new'")
    audit("reconcile", "--recheck-after", "0s")
    outcome = audit("compensate", "--out", "plan", "--limit", "2")
    assert outcome.code == 2
    assert "3 findings are not in the plan" in outcome.err
    plan = json.loads(Path("plan/plan.json").read_text("utf-8"))
    assert len(acts(plan)) == 2
    assert plan["beyond_limit"] == 3
    assert not plan["complete"]


@pytest.mark.usefixtures("project")
def test_a_store_that_cannot_be_read_is_named_and_the_others_are_planned(audit: Audit) -> None:
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id = 1")
    audit("reconcile", "--recheck-after", "0s")
    Path("copy.db").rename("elsewhere.db")
    outcome = audit("compensate", "--out", "plan")
    assert outcome.code == 2
    assert "not in the plan: order at copy" in outcome.err
    assert json.loads(Path("plan/plan.json").read_text("utf-8"))["compensations"] == []


@pytest.mark.usefixtures("project")
def test_files_of_an_earlier_plan_do_not_stay(audit: Audit) -> None:
    """A file that belongs to no plan would be applied by mistake; what is not ours is not touched."""
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id = 1")
    planned(audit)
    Path("plan/mine.sql").write_text("SELECT 1", "utf-8")
    sql("copy.db", "UPDATE orders SET status = 'paid'")
    assert planned(audit)["compensations"] == []
    assert sorted(path.name for path in Path("plan").iterdir()) == ["mine.sql", "plan.json"]


@pytest.mark.usefixtures("project")
def test_a_plan_needs_a_directory(audit: Audit) -> None:
    assert "name one: audit compensate --out DIR" in audit("compensate").err
    Path("file").write_text("", "utf-8")
    outcome = audit("compensate", "--out", "file/plan")
    assert outcome.code == 2
    assert "writing a plan to file/plan failed" in outcome.err


@pytest.mark.usefixtures("project")
def test_verify_tells_restored_from_unchanged_and_worse(audit: Audit) -> None:
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id < 4", "DELETE FROM orders WHERE id = 4")
    planned(audit)
    sql("copy.db", "UPDATE orders SET status = 'paid' WHERE id = 1", "UPDATE orders SET total = '0.01' WHERE id = 2",
        "INSERT INTO orders VALUES (4, 'x', 'x', '4.50')")  # fmt: skip
    outcome = audit("verify", "plan", "--format", "json")
    assert outcome.code == 1
    assert [one["state"] for one in outcome.json["compensations"]] == ["restored", "worse", "unchanged", "worse"]
    assert outcome.json["restored"] == 1
    assert outcome.json["worse"] == 2
    assert "4 acts: 1 restored, 1 unchanged, 2 worse" in audit("verify", "plan/plan.json").out


@pytest.mark.usefixtures("project")
def test_a_redacted_field_that_no_act_touched_makes_nothing_worse(audit: Audit) -> None:
    """Its constant may happen to be what the owner holds."""
    sql("shop.db", "UPDATE orders SET email = 'x' WHERE id = 1")
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id = 1", "UPDATE orders SET total = '9.00' WHERE id = 2")
    planned(audit)
    sql("copy.db", "UPDATE orders SET status = 'paid' WHERE id = 1", "UPDATE orders SET total = '2.50' WHERE id = 2")
    outcome = audit("verify", "plan")
    assert (outcome.code, "2 restored" in outcome.out) == (0, True), outcome.out


@pytest.mark.parametrize("sensitive", [False, True])
def test_what_is_written_went_through_all_that_a_list_of_equalities_does_to_it(
    project: Path, audit: Audit, *, sensitive: bool
) -> None:
    """A cut, a mask or a digest is made of the trimmed text where the contract trims it first."""
    lists = {"a": "[trimmed, {truncated_to: 5}]", "b": "[case_insensitive, {hash: sha256}]",
             "c": '[trimmed, {mask: "*", keep_last: 2}]', "d": "[{truncated_to: 3}, trimmed]"}  # fmt: skip
    kind = "{type: text, sensitive: true}" if sensitive else "{type: text}"
    fields = "".join(f"\n  {name}: {kind}" for name in lists)
    maps = ", ".join(f"{name}: {{path: {name}, equality: {equality}}}" for name, equality in lists.items())
    (project / "contracts" / "order.yaml").write_text(
        "entity: note\nversion: 1\nowner: {service: shop, dataset: shop/notes}\nkey: [id]\n"
        f"fields:\n  id: {{type: int}}{fields}\n"
        f"replicas:\n  - {{service: copy, dataset: copy/notes, lag_bound: 1s, fields: {{{maps}}}}}\n"
    )
    table = "CREATE TABLE notes (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT, d TEXT)"
    sql("shop.db", table, "INSERT INTO notes VALUES (1, '  Abcdefg ', 'Abc', ' Abcd ', ' ab c')")
    sql("copy.db", table, "INSERT INTO notes VALUES (1, 'x', 'x', 'x', 'x')")
    plan = planned(audit)
    if sensitive:  # no statement of SQLite's trims as the contract does
        assert [one["action"] for one in plan["compensations"]] == ["escalate"]
        return
    (act,) = plan["compensations"]
    script = (project / "plan" / "copy.sql").read_text()
    sql("copy.db", script[script.rindex("\nUPDATE") :].partition(";")[0])
    held = sqlite3.connect("copy.db").execute("SELECT a, b, c, d FROM notes").fetchone()
    assert held == ("Abcde", hashlib.sha256(b"abc").hexdigest(), "**cd", " ab")
    assert audit("verify", "plan/plan.json").code == 0
    assert act["action"] == "upsert"


@pytest.mark.usefixtures("project")
def test_a_plan_that_is_no_longer_what_was_made_is_refused(audit: Audit) -> None:
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id = 1")
    plan = planned(audit)
    file = Path("plan/plan.json")
    edited = json.loads(file.read_text("utf-8"))
    edited["compensations"][0]["parameters"]["status"] = "stolen"
    file.write_text(json.dumps(edited), "utf-8")
    outcome = audit("verify", "plan")
    assert outcome.code == 2
    assert "was changed after it was made" in outcome.err

    file.write_text(json.dumps({**plan, "plan_version": 2}), "utf-8")
    assert "a plan of version 2; this version reads 1" in audit("verify", "plan").err
    file.write_text("{}", "utf-8")
    assert "is no compensation plan" in audit("verify", "plan").err
    file.write_text("no json", "utf-8")
    assert "it is no JSON" in audit("verify", "plan").err
    assert "No such file" in audit("verify", "elsewhere.json").err

    file.write_text(json.dumps(plan), "utf-8")
    contract = Path("contracts/order.yaml")
    contract.write_text(CONTRACT.replace("version: 1", "version: 2"), "utf-8")
    outcome = audit("verify", "plan")
    assert outcome.code == 2
    assert "the contract of order changed after the plan was made (version 1 then, version 2 now)" in outcome.err
    contract.unlink()
    Path("contracts/other.yaml").write_text(CONTRACT.replace("entity: order", "entity: other"), "utf-8")
    assert "of which there is no contract any more" in audit("verify", "plan").err


@pytest.mark.usefixtures("project")
def test_an_expired_plan_can_still_be_looked_at(audit: Audit) -> None:
    """What it restored is worth knowing on the next day too."""
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id = 1")
    planned(audit, "--valid-for", "0s")
    outcome = audit("verify", "plan")
    assert outcome.code == 1
    assert "the plan expired at" in outcome.out


@pytest.mark.usefixtures("project")
def test_a_store_that_cannot_be_looked_at_is_trouble(audit: Audit) -> None:
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id = 1")
    planned(audit)
    Path("copy.db").rename("elsewhere.db")
    outcome = audit("verify", "plan")
    assert outcome.code == 2
    assert "1 unreadable" in outcome.out


@pytest.mark.usefixtures("project")
def test_a_row_with_a_sensitive_key_is_left_to_people(audit: Audit) -> None:
    Path("contracts/order.yaml").write_text(CONTRACT.replace("id: {type: int}", "id: {type: int, sensitive: true}"))
    sql("copy.db", "UPDATE orders SET status = 'new' WHERE id = 1")
    plan = planned(audit)
    assert [one["reason"].partition(",")[0] for one in plan["compensations"]] == ["its key is sensitive"]


def test_the_digest_is_over_all_that_a_plan_says() -> None:
    assert digest({"a": 1, "digest": "x"}) == digest({"a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
