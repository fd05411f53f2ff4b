"""A dataset that is known only by its feed is compared as any other: its rows are the fold of its changes.

The feeds were recorded from real connectors; the copies are what their databases held in the end.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.debezium_sets import DIRECTORY, DebeziumSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

CONTRACT = """\
entity: thing
version: 1
team: t
owner: {{service: own, feed: {{name: replay, topic: {topic}}}}}
key: [{key}]
fields:
{fields}
replicas:
  - {{service: copy, dataset: lake/rows.csv, lag_bound: 1s}}
"""

TYPES = {
    "integer": "int", "int": "int", "int(11)": "int", "bigint": "int", "bigint(20)": "int", "text": "text",
    "character varying(20)": "text", "varchar(20)": "text", "numeric(12,2)": "decimal(12,2)",
    "decimal(12,2)": "decimal(12,2)", "boolean": "bool", "timestamp with time zone": "timestamp",
    "bigint(20) unsigned": "int",
    "double precision": "float", "date": "date", "character varying(32)": "text", "character varying(64)": "text",
    "character varying(2048)": "text",
}  # fmt: skip


@dataclass
class World:
    """A feed and a copy, with the settings and the contract to compare them."""

    directory: Path
    audit: Callable[..., Outcome]

    def settle(
        self, name: str, table: str, *, records: Iterable[dict[str, Any]] | None = None
    ) -> list[list[str | None]]:
        """Write everything for one table of a recorded set; returns the rows of the copy, header first."""
        recorded = DebeziumSet(name)
        found = next(one for one in recorded.tables if one.name == table)
        columns = [column for column, kind in found.types.items() if kind in TYPES]
        topic = next(record.topic for record in recorded.records if record.topic.endswith(f".{table}"))
        feed = DIRECTORY / name / "records.jsonl"
        if records is not None:
            feed = self.directory / "records.jsonl"
            feed.write_text("".join(f"{json.dumps(record)}\n" for record in records))
        schemas = DIRECTORY / name / "schemas.json"
        named = f", schemas: {schemas}" if "avro" in name else ""
        (self.directory / "auditor.yaml").write_text(
            "version: 1\ncontracts: contracts\nconnections:\n"
            f'  lake: {{url: "file:{self.directory}"}}\n'
            f"feeds:\n  replay: {{type: recorded, path: {feed}{named}}}\n"
        )
        fields = "\n".join(f'  {column}: {{type: "{TYPES[found.types[column]]}"}}' for column in columns)
        (self.directory / "contracts").mkdir(exist_ok=True)
        (self.directory / "contracts" / "thing.yaml").write_text(
            CONTRACT.format(topic=topic, key=", ".join(found.key), fields=fields)
        )
        places = [list(found.types).index(column) for column in columns]
        rows: list[list[str | None]] = [[row[place] for place in places] for row in found.rows]
        return [list(columns), *rows]

    def copy(self, rows: list[list[str | None]]) -> None:
        """What the copy holds; None is an unquoted empty cell."""
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_NOTNULL if hasattr(csv, "QUOTE_NOTNULL") else csv.QUOTE_MINIMAL)
        for row in rows:
            cells = ["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in row]
            text.write(",".join(cells) + "\n")
        (self.directory / "rows.csv").write_text(text.getvalue())

    def reconcile(self) -> Outcome:
        """Compare, without waiting: nothing here is still on its way."""
        return self.audit("reconcile", "--recheck-after", "0s", "--format", "json")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    return World(tmp_path, audit)


def raw_records(name: str) -> list[dict[str, Any]]:
    """The records of a set, as the file has them."""
    with (DIRECTORY / name / "records.jsonl").open() as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("pg-txn-avro", "app.acct"),
        ("pg-crash-dups-json", "app.dup"),
        ("pg-incremental-avro", "app.inc"),
        ("pg-incremental-avro", "app.dbz_signal"),
        ("pg-nulldef-avro", "app.nulldef"),
        ("pg-partitioned-avro", "app.part"),
        ("pg-unwrap-avro", "app.acct"),
        ("pg-types-avro", "shop.trunc_me"),
        ("my-types-avro", "m1.ops"),
        ("mysql-types-avro", "q1.trunc_me"),
    ],
)
def test_the_copy_that_equals_the_database_is_clean(world: World, name: str, table: str) -> None:
    """Transactions, replays, snapshots, changed keys, truncates and replaced NULLs: the fold is the table."""
    rows = world.settle(name, table)
    world.copy(rows)
    outcome = world.reconcile()
    report = outcome.json
    assert (outcome.code, report["exit_reasons"], report["findings"]) == (0, [], []), outcome.err
    (replica,) = report["entities"][0]["replicas"]
    assert replica["compared_rows"] == len(rows) - 1
    assert replica["coverage"]["complete"] is True


def test_a_copy_known_by_the_feed_of_the_connectors_own_table_holds_its_rows(world: World) -> None:
    """A contract names the topic: what is told there are rows, though a connector reads them as signals."""
    world.copy(world.settle("pg-incremental-avro", "app.dbz_signal"))
    contract = world.directory / "contracts" / "thing.yaml"
    owner, copy = "feed: {name: replay, topic: pg-incremental-avro.app.dbz_signal}", "dataset: lake/rows.csv"
    text = contract.read_text().replace(owner, "OWNER").replace(copy, owner).replace("OWNER", copy)
    contract.write_text(text)
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["findings"]) == (0, []), outcome.err
    (replica,) = outcome.json["entities"][0]["replicas"]
    assert replica["compared_rows"] == 11


def test_a_row_that_looks_like_a_connectors_signal_is_a_row(world: World) -> None:
    """A table of a business may have the columns id, type and data, and a type named log: its lack is drift."""
    rows = {1: {"id": 1, "type": "mail", "data": "x"}, 2: {"id": 2, "type": "log", "data": "y"}}
    world.settle("pg-crash-dups-json", "app.dup", records=[record("t", key, row) for key, row in rows.items()])
    fields = "  id: {type: int}\n  type: {type: text}\n  data: {type: text}"
    (world.directory / "contracts" / "thing.yaml").write_text(CONTRACT.format(topic="t", key="id", fields=fields))
    world.copy([["id", "type", "data"], ["1", "mail", "x"], ["2", "log", "y"]])
    assert world.reconcile().code == 0
    world.copy([["id", "type", "data"], ["1", "mail", "x"]])
    outcome = world.reconcile()
    assert (outcome.code, outcome.findings()) == (1, {("copy", "2", "missing")}), outcome.err


def test_what_differs_from_the_feed_is_found_with_its_key(world: World) -> None:
    """A lost row, an invented one and a wrong one: exactly these."""
    header, *rows = world.settle("pg-crash-dups-json", "app.dup")
    lost, wrong, *rest = rows
    world.copy([header, [wrong[0], "4711"], *rest, ["99", "1"]])
    outcome = world.reconcile()
    assert outcome.code == 1, outcome.err
    key = [str(row[0]) for row in (lost, wrong)]
    assert outcome.findings() == {
        ("copy", key[0], "missing"),
        ("copy", key[1], "mismatch"),
        ("copy", "99", "orphan"),
    }


def test_a_feed_that_begins_in_its_middle_decides_neither_missing_nor_orphan(world: World) -> None:
    """Rows from before the first record may be there: only what both sides tell is compared."""
    records = [record for record in raw_records("pg-crash-dups-json") if record["offset"] >= 8]
    header, *rows = world.settle("pg-crash-dups-json", "app.dup", records=records)
    world.copy([header, *rows, ["99", "1"]])
    outcome = world.reconcile()
    assert outcome.code == 2, outcome.err
    (orphan,) = [one for one in outcome.json["findings"] if one["key"]["id"] == "99"]
    assert (orphan["divergence"], orphan["verdict"]) == ("orphan", "undecided")
    assert "read from its middle on" in orphan["evidence"]["note"]


def test_a_record_that_is_no_record_leaves_its_key_undecided_and_no_other(world: World) -> None:
    """Poison is kept with its bytes; what it is about is not called consistent."""
    records = raw_records("pg-txn-avro")
    rows = world.settle("pg-txn-avro", "app.acct")
    topic = next(record["topic"] for record in records if record["topic"].endswith(".app.acct"))
    ours = [record for record in records if record["topic"] == topic]
    poisoned = dict(ours[-1], value=base64.b64encode(b"\0\0\0\0\1no avro").decode(), offset=ours[-1]["offset"] + 1)
    world.settle("pg-txn-avro", "app.acct", records=[*records, poisoned])
    world.copy(rows)
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided"]), outcome.err
    (finding,) = outcome.json["findings"]
    assert finding["verdict"] == "undecided"
    assert "could not be understood" in finding["evidence"]["note"]
    assert (
        f"the first such record is {topic}/{poisoned['partition']}@{poisoned['offset']}: "
        in finding["evidence"]["note"]
    )


def test_an_owner_of_which_only_poison_is_told_is_not_taken_for_empty(world: World) -> None:
    """Its keys are undecided, and the poison is named; nobody is told to allow an empty owner, nor of others' drift."""
    records = raw_records("pg-crash-dups-json")
    header, *rows = world.settle("pg-crash-dups-json", "app.dup")
    ours = [one for one in records if one["topic"].endswith(".app.dup")]
    for number, one in enumerate(ours):  # for several reasons: else it is the feed's settings that are wrong
        one["value"] = base64.b64encode((b"{", b"[", b"\xff")[number % 3]).decode()
    world.settle("pg-crash-dups-json", "app.dup", records=records)
    world.copy([header, *rows, ["99", "1"]])
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided", "incomplete"]), outcome.err
    assert "may_be_empty" not in outcome.out + outcome.err
    keys = {base64.b64decode(one["key"]) for one in ours}
    (entity,) = outcome.json["entities"]
    (replica,) = entity["replicas"]
    first = f"{ours[0]['topic']}/{ours[0]['partition']}@{ours[0]['offset']}"
    told = f"{len(ours)} records about {len(keys)} keys could not be understood; the first is {first}: no JSON"
    for coverage in (entity["owner"]["coverage"], replica["coverage"]):
        assert (coverage["complete"], [told in note for note in coverage["notes"]]) == (False, [True])
    assert replica["undecided"] == replica["compared_rows"] == len(keys)
    assert {one["verdict"] for one in outcome.json["findings"]} == {"undecided"}
    assert "99" not in {one["key"]["id"] for one in outcome.json["findings"]}


def test_a_record_without_a_readable_key_is_named_with_its_place_and_why(world: World) -> None:
    """Somebody has to look at it: the topic, the partition, the offset and the reason, and nothing of its content."""
    records = raw_records("pg-txn-avro")
    world.settle("pg-txn-avro", "app.acct")
    topic = next(record["topic"] for record in records if record["topic"].endswith(".app.acct"))
    last = [record for record in records if record["topic"] == topic][-1]
    content = base64.b64encode(b"topsecret").decode()
    poisoned = dict(last, key=content, value=content, offset=last["offset"] + 1)
    rows = world.settle("pg-txn-avro", "app.acct", records=[*records, poisoned])
    world.copy(rows)
    outcome = world.reconcile()
    assert outcome.code == 2, outcome.err
    (replica,) = outcome.json["entities"][0]["replicas"]
    told = " ".join(replica["coverage"]["notes"])
    place = f"{topic}/{poisoned['partition']}@{poisoned['offset']}"
    assert f"do not tell which row they are about; the first of these is {place}: no JSON: expecting value" in told
    assert "topsecret" not in outcome.out + outcome.err
    one = world.audit("entity", "thing", str(rows[1][rows[0].index("id")]), "--format", "json")
    (seen,) = one.json["replicas"]
    assert (one.code, seen["state"]) == (2, "undecided"), "it may have been about any row"


def test_a_column_that_no_record_has_is_told_before_anything_is_compared(world: World) -> None:
    """A mistyped name is neither NULL nor unknown: it is a mistake in the contract."""
    world.copy(world.settle("pg-txn-avro", "app.acct"))
    contract = world.directory / "contracts" / "thing.yaml"
    contract.write_text(contract.read_text().replace("replicas:", "  blance: {type: int}\nreplicas:", 1))
    outcome = world.reconcile()
    assert outcome.code == 2
    assert "no record has a column 'blance'" in outcome.err
    assert (
        "there are 'bal', 'id'; correct the name in the contract, or, where its table has the column, " in outcome.err
    )


def test_a_feed_that_is_not_configured_is_told_where_the_contract_names_it(world: World) -> None:
    """With the file and the line, whoever reads the feed."""
    world.copy(world.settle("pg-crash-dups-json", "app.dup"))
    contract = world.directory / "contracts" / "thing.yaml"
    contract.write_text(contract.read_text().replace("name: replay", "name: rplay"))
    for command in (("reconcile",), ("monitor", "--until-caught-up")):
        outcome = world.audit(*command)
        assert outcome.code == 2
        assert "thing.yaml:4: unknown feed `rplay`; auditor.yaml has replay" in outcome.err


def test_a_recording_without_a_record_says_what_was_found_and_what_is_expected(world: World) -> None:
    """A topic of which nothing was recorded is not told from one whose name is mistyped."""
    world.copy(world.settle("pg-crash-dups-json", "app.dup", records=[]))
    outcome = world.reconcile()
    assert outcome.code == 2
    assert "records.jsonl holds no record (0 bytes, 0 lines); expected records of " in outcome.err
    assert "record them with `audit feed record`" in outcome.err


def test_a_topic_that_a_feed_lacks_stops_only_the_entity_that_needs_it(world: World) -> None:
    """The others are compared; one that has not been read is named, and the run is not clean."""
    header, *rows = world.settle("pg-crash-dups-json", "app.dup")
    world.copy([header, [rows[0][0], "4711"], *rows[1:]])
    contracts = world.directory / "contracts"
    text = (contracts / "thing.yaml").read_text().replace("entity: thing", "entity: gone")
    (contracts / "gone.yaml").write_text(text.replace("app.dup}", "app.gone}").replace("rows.csv", "others.csv"))
    (world.directory / "others.csv").write_text((world.directory / "rows.csv").read_text())
    alone = world.audit("reconcile", "thing", "--recheck-after", "0s", "--format", "json")
    assert (alone.code, alone.findings()) == (1, {("copy", str(rows[0][0]), "mismatch")}), alone.err
    outcome = world.reconcile()
    assert (outcome.code, sorted(outcome.json["exit_reasons"])) == (2, ["drift", "unreadable"]), outcome.err
    assert outcome.findings() == alone.findings()
    assert "gone: reading the recorded feed replay:" in outcome.err
    assert "has no record of the topic pg-crash-dups-json.app.gone" in outcome.err
    monitor = world.audit("monitor", "--until-caught-up", "--format", "json")
    assert monitor.code == 2, "a monitor says it before it begins"


def test_a_topic_that_nobody_understands_stops_only_the_entity_that_needs_it(world: World) -> None:
    """As one that is not there."""
    records = raw_records("pg-crash-dups-json")
    garbage = base64.b64encode(b"\0\0\1").decode()
    records += [{"topic": "garbage", "partition": 0, "offset": offset, "timestamp": 1, "key": garbage, "value": garbage,
                 "headers": []} for offset in range(30)]  # fmt: skip
    header, *rows = world.settle("pg-crash-dups-json", "app.dup", records=records)
    world.copy([header, [rows[0][0], "4711"], *rows[1:]])
    contracts = world.directory / "contracts"
    text = (contracts / "thing.yaml").read_text().replace("entity: thing", "entity: gone")
    text = re.sub(r"topic: [^}]+}", "topic: garbage}", text).replace("rows.csv", "others.csv")
    (contracts / "gone.yaml").write_text(text)
    (world.directory / "others.csv").write_text((world.directory / "rows.csv").read_text())
    outcome = world.reconcile()
    assert (outcome.code, sorted(outcome.json["exit_reasons"])) == (2, ["drift", "unreadable"]), outcome.err
    assert outcome.findings() == {("copy", str(rows[0][0]), "mismatch")}
    assert "none of its first 30 records can be understood" in outcome.err
    assert world.audit("monitor", "--until-caught-up", "--format", "json").code == 2


def test_a_copy_that_holds_an_older_version_is_stale_and_the_change_that_it_lacks_is_named(world: World) -> None:
    """The owner's versions are the witnesses: nothing has to be waited for, and the evidence names both changes."""
    header, *rows = world.settle("pg-crash-dups-json", "app.dup")
    older = next(row for row in rows if row[0] == "1")
    older[1] = "3"
    world.copy([header, *rows])
    outcome = world.audit("reconcile", "--format", "json")
    assert outcome.code == 1, outcome.err
    (finding,) = outcome.json["findings"]
    assert (finding["key"], finding["verdict"], finding["cause"]) == ({"id": "1"}, "persistent", "stale")
    reflected, lacking = finding["evidence"]["changes"]
    assert reflected["position"] != lacking["position"]
    assert reflected["offset"] != lacking["offset"]
    assert {"partition", "transaction", "committed_at"} <= set(lacking)


def test_what_a_run_left_in_flight_is_due_when_it_said_so(world: World) -> None:
    """Though a recording tells each run anew of the change that the copy lacks, and no clock says how old it is."""
    header, *rows = world.settle("pg-crash-dups-json", "app.dup")
    next(row for row in rows if row[0] == "1")[1] = "3"
    world.copy([header, *rows])
    contract = world.directory / "contracts" / "thing.yaml"
    contract.write_text(contract.read_text().replace("lag_bound: 1s", "lag_bound: 4s"))
    due: list[datetime] = []
    until, command = time.monotonic() + DUE_SECONDS, ("reconcile", "--max-wait", "0s", "--format", "json")
    while (finding := _only(world.audit(*command)))["verdict"] == "in_flight":
        assert time.monotonic() < until
        due.append(datetime.fromisoformat(finding["judge_after"]))
    assert (finding["verdict"], finding["cause"]) == ("persistent", "stale")
    assert max(due) - min(due) < timedelta(seconds=1), "it is not put off"


DUE_SECONDS = 60
"""After which it is taken for certain that a change is never due."""


def _only(outcome: Outcome) -> dict[str, Any]:
    (finding,) = outcome.json["findings"]
    return dict(finding)


def test_a_copy_that_holds_what_the_owner_never_held_is_a_phantom_write(world: World) -> None:
    """Of a row that was born in the stream every version is known; of one that a snapshot told, none before."""
    header, *rows = world.settle("pg-crash-dups-json", "app.dup")
    for row in rows:
        row[1] = "4711" if row[0] in ("1", "50") else row[1]
    world.copy([header, *rows])
    findings = {one["key"]["id"]: one for one in world.reconcile().json["findings"]}
    assert {key: (one["verdict"], one["cause"]) for key, one in findings.items()} == {
        "1": ("persistent", "unknown"),
        "50": ("persistent", "phantom_write"),
    }
    assert "what the row was before that is not known" in findings["1"]["evidence"]["note"]


def test_a_row_that_the_owner_never_had_is_not_to_be_deleted_by_a_delete_published_again(world: World) -> None:
    """There was no delete: somebody has written the row there."""
    rows = world.settle("pg-crash-dups-json", "app.dup")
    world.copy([*rows, ["4711", *rows[-1][1:]]])
    (finding,) = world.reconcile().json["findings"]
    assert (finding["divergence"], finding["cause"]) == ("orphan", "phantom_write")
    assert "the change stream begins with a snapshot and has never told this row" in finding["evidence"]["note"]
    (suggestion,) = world.audit("entity", "thing", "4711", "--format", "json").json["suggestions"]
    assert "find out who wrote the row there" in suggestion
    assert "delete" not in suggestion


@pytest.mark.parametrize(
    ("name", "table", "says"),
    [
        ("pg-nulldef-json", "app.nulldef", "NULL may arrive as a column's default"),
        ("my-types-avro", "m1.types_all", "arrives negative"),
    ],
)
def test_what_a_connector_cannot_carry_is_undecided_and_says_why(
    world: World, name: str, table: str, says: str
) -> None:
    """A difference that the connector itself makes is no drift, and no equality either."""
    world.copy(world.settle(name, table))
    outcome = world.reconcile()
    assert outcome.code == 2
    verdicts = {one["verdict"] for one in outcome.json["findings"]}
    assert verdicts == {"undecided"}
    assert any(says in one["evidence"]["note"] for one in outcome.json["findings"])


def test_what_a_feed_does_not_tell_of_its_rows_is_remarked_with_column_count_and_reason(world: World) -> None:
    """A thousand undecided keys have one reason, and it is said once."""
    lines = [
        record("t", key, {"id": key, "paid_at": 1_769_860_800_000 if key < 3 else None, "note": "n"})
        for key in range(1, 4)
    ]
    world.settle("pg-crash-dups-json", "app.dup", records=lines)
    fields = "  id: {type: int}\n  paid_at: {type: timestamp}\n  note: {type: text}"
    (world.directory / "contracts" / "thing.yaml").write_text(CONTRACT.format(topic="t", key="id", fields=fields))
    noon = "2026-01-31T12:00:00Z"
    world.copy([["id", "paid_at", "note"], ["1", noon, "n"], ["2", noon, "n"], ["3", "", "n"]])
    outcome = world.reconcile()
    assert outcome.code == 2
    (remark,) = outcome.json["entities"][0]["owner"]["coverage"]["remarks"]
    assert remark == (
        "the owner: its feed does not tell paid_at of 2 of 3 rows (unreadable: JSON without a schema does not tell its "
        "type (see `schemaless` in the settings)): differences in it are undecided"
    )


def test_the_entity_command_shows_what_happened_to_a_key(world: World) -> None:
    """Who is on the phone sees the owner's latest changes, each once, however often the connector sent it."""
    world.copy(world.settle("pg-crash-dups-json", "app.dup"))
    outcome = world.audit("entity", "thing", "1", "--format", "json")
    assert outcome.code == 0, outcome.err
    assert [(change["change"], change["v"]) for change in outcome.json["changes"]] == [
        ("snapshot", "0"), ("write", "1"), ("write", "2"), ("write", "3"), ("write", "4"), ("write", "104")
    ]  # fmt: skip
    assert outcome.json["replicas"][0]["state"] == "consistent"


def test_what_a_change_does_not_tell_is_not_shown_as_null(world: World) -> None:
    """Without a schema and without hints a time has no unit: the change is shown, and that its value is not known."""
    line = record("t", 1, {"id": 1, "paid_at": 1_769_860_800_000})
    world.settle("pg-crash-dups-json", "app.dup", records=[line])
    contract = CONTRACT.format(topic="t", key="id", fields="  id: {type: int}\n  paid_at: {type: timestamp}")
    (world.directory / "contracts" / "thing.yaml").write_text(contract)
    world.copy([["id", "paid_at"], ["1", "2026-01-31T12:00:00Z"]])
    (change,) = world.audit("entity", "thing", "1", "--format", "json").json["changes"]
    assert change["not_told"] == "paid_at"
    assert "paid_at" not in change


def test_the_entity_command_decides_nothing_that_the_feed_does_not_tell(world: World) -> None:
    """A value that no record tells is neither equal nor different."""
    world.copy(world.settle("pg-nulldef-json", "app.nulldef"))
    outcome = world.audit("entity", "thing", "3", "--format", "json")
    (replica,) = outcome.json["replicas"]
    assert (outcome.code, replica["state"]) == (2, "undecided"), outcome.out


def record(topic: str, key: int, row: dict[str, Any]) -> dict[str, Any]:
    """An insert, as plain JSON."""
    value = {"op": "c", "after": row, "before": None, "source": {"connector": "postgresql", "name": "s", "lsn": 7 + key,
             "ts_ms": 1}}  # fmt: skip
    texts = [base64.b64encode(json.dumps(part).encode()).decode() for part in ({"id": key}, value)]
    return {
        "topic": topic, "partition": 0, "offset": key - 1, "timestamp": 1, "key": texts[0], "value": texts[1],
        "headers": [],
    }  # fmt: skip


def told_by(server: int, file: int, pos: int, number: int, status: str) -> dict[str, Any]:
    """A change of the one row, made by one of several servers and told from its own log."""
    source = {"connector": "mysql", "name": "shop", "server_id": server, "file": f"binlog.{file:06}", "pos": pos,
              "row": 0, "gtid": f"server-{server}:{number}", "ts_ms": 1_760_000_000_000 + 1000 * number,
              "snapshot": "false"}  # fmt: skip
    value = {"before": None, "after": {"id": 1, "status": status}, "source": source, "op": "u" if number > 1 else "c"}
    return {
        "topic": "shop.orders", "partition": 0, "offset": number - 1, "timestamp": source["ts_ms"],
        "key": base64.b64encode(json.dumps({"id": 1}).encode()).decode(),
        "value": base64.b64encode(json.dumps(value).encode()).decode(), "headers": [],
    }  # fmt: skip


def test_what_a_server_wrote_after_a_failback_is_the_latest(world: World) -> None:
    """A second server took over, with places of its own, and gave back."""
    records = [told_by(1, 9, 500, 1, "new"), told_by(2, 3, 40, 2, "paid"), told_by(1, 9, 900, 3, "shipped"),
               told_by(1, 9, 950, 4, "done"), told_by(2, 3, 80, 5, "closed"), told_by(1, 9, 990, 6, "x")]  # fmt: skip
    world.settle("pg-crash-dups-json", "app.dup", records=records)
    fields = "  id: {type: int}\n  status: {type: text}"
    (world.directory / "contracts" / "thing.yaml").write_text(
        CONTRACT.format(topic="shop.orders", key="id", fields=fields)
    )
    world.copy([["id", "status"], ["1", "x"]])
    assert world.reconcile().code == 0
    world.copy([["id", "status"], ["1", "closed"]])
    (finding,) = world.reconcile().json["findings"]
    assert (finding["verdict"], finding["cause"]) == ("persistent", "stale")
    assert [one["position"] for one in finding["evidence"]["changes"]] == ["binlog.000003:80", "binlog.000009:990"]
