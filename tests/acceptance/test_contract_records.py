"""`audit contracts check --live` looks into the latest records of the topics that contracts name.

What a run would only find once it reads the feed is told before: a column that is not there, or that cannot be read.
"""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from auditor.feeds import samples
from tests.worlds.change_feed import ChangeFeed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome
    from tests.services import Kafka

OWNER, COPY = "shop.public.orders", "copy.public.orders"
CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: own, {owner}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
  total: {{type: "decimal(10,2)"}}
replicas:
  - {{service: mirror, feed: {{name: shop, topic: {copy}}}, fields: {{status: state}}, lag_bound: 5s}}
"""
ALONE = f"feed: {{name: shop, topic: {OWNER}}}"
BESIDE = f"dataset: own/orders.csv, {ALONE}"


@dataclass
class World:
    """A shop's topic and its mirror's, as a recorded feed."""

    directory: Path
    audit: Callable[..., Outcome]
    owner: ChangeFeed
    copy: ChangeFeed

    def check(self, owner: str = ALONE) -> tuple[int, dict[str, list[str]]]:
        """The exit code, and what was told of feeds, by severity."""
        (self.directory / "contracts" / "order.yaml").write_text(CONTRACT.format(owner=owner, copy=COPY))
        if not (self.directory / "records.jsonl").exists():
            self.owner.save(self.directory / "records.jsonl", self.copy)
        done = self.audit("contracts", "check", "--live", "--format", "json")
        told: dict[str, list[str]] = {"error": [], "warning": []}
        for one in done.json["problems"]:
            assert one["file"].endswith("order.yaml")
            told[one["severity"]].append(one["message"])
        return done.code, told


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "auditor.yaml").write_text(
        'version: 1\ncontracts: contracts\nconnections: {own: {url: "file:."}}\n'
        "feeds: {shop: {type: recorded, path: records.jsonl, schemaless: {decimals: string}}}\n"
    )
    (tmp_path / "orders.csv").write_text("id,status,total\n1,new,1.00\n")
    (tmp_path / "contracts").mkdir()
    made = World(tmp_path, audit, ChangeFeed(OWNER), ChangeFeed(COPY))
    for key in range(1, 4):
        made.owner.put(id=key, status="new", total=f"{key}.00")
        made.copy.put(id=key, state="new")
    return made


def test_records_that_have_what_contracts_name_are_no_problem(world: World) -> None:
    code, told = world.check()
    assert not told["error"] + told["warning"]
    assert code == 0


def test_a_column_that_no_record_has_is_an_error_that_names_field_and_what_it_may_have_been(world: World) -> None:
    world.copy.records.clear()
    world.copy.put(id=9, status="new")
    code, told = world.check()
    assert code == 2
    (error,) = told["error"]
    assert f"replica mirror (shop/{COPY} (feed)): none of the latest 1 row has a column state to hold status" in error
    assert "did you mean `status`" in error


def test_a_column_that_the_latest_records_lack_was_dropped_or_renamed_and_the_place_is_told(world: World) -> None:
    world.owner.rows.clear()
    world.owner.put(id=4, status="new", total_amount="4.00")
    code, told = world.check()
    assert code == 2
    (error,) = told["error"]
    assert f"owner (shop/{OWNER} (feed)): rows have no column total any more, since {OWNER}/0@3" in error
    assert "it was dropped or renamed; what came then is total_amount; correct the name in the contract" in error


def test_a_column_that_came_later_is_a_warning(world: World) -> None:
    for record in world.owner.records[:1]:
        without(record, "total")
    code, told = world.check()
    assert (code, told["error"]) == (0, [])
    assert "1 of the latest 3 rows have no column total" in told["warning"][0]


def test_values_of_another_type_than_the_declared_one_are_an_error_where_all_are(world: World) -> None:
    world.owner.records.clear()
    world.owner.put(id=4, status="new", total="four")
    world.owner.put(id=5, status="new", total="five")
    code, told = world.check()
    assert code == 2
    assert (
        "none of the latest 2 values of column total can be read as decimal(10,2), which total is" in told["error"][0]
    )
    assert "four" not in told["error"][0]


def test_some_values_that_their_type_cannot_hold_are_the_owners_rows_and_a_warning(world: World) -> None:
    world.owner.put(id=4, status="new", total="four")
    code, told = world.check()
    assert (code, told["error"]) == (0, [])
    assert "of the latest 4 values of column total" in told["warning"][0]
    assert "1 cannot; a run names their rows" in told["warning"][0]


def test_a_column_whose_type_nothing_tells_is_an_error(world: World) -> None:
    """Decimals as texts, and no setting that says so: what a run could only leave undecided."""
    settings = world.directory / "auditor.yaml"
    settings.write_text(settings.read_text().replace(", schemaless: {decimals: string}", ""))
    code, told = world.check()
    assert code == 2
    (error,) = told["error"]
    assert "column total, which holds total, is unreadable: JSON without a schema does not tell its type" in error
    assert "`schemaless` in the settings" in error


def test_what_a_feed_beside_a_dataset_lacks_is_a_warning_but_for_its_key(world: World) -> None:
    """A run goes on without it: rows are read at the store, and the feed only explains them."""
    world.owner.records.clear()
    world.owner.put(id=4, status="new")
    code, told = world.check(BESIDE)
    assert (code, told["error"]) == (0, [])
    assert "has a column total to hold total" in told["warning"][0]
    (world.directory / "records.jsonl").unlink()
    world.owner.key = ("number",)
    world.owner.records.clear()
    world.owner.rows.clear()
    world.owner.put(number=4, status="new", total="1.00")
    code, told = world.check(BESIDE)
    assert code == 2
    assert "column number" in told["error"][0]


def test_records_that_cannot_be_understood_are_an_error_where_all_are(world: World) -> None:
    world.owner.poison(id=4)
    code, told = world.check()
    assert (code, told["error"]) == (0, [])
    assert "1 of the latest 4 records cannot be understood, and leave their keys undecided" in told["warning"][0]
    (world.directory / "records.jsonl").unlink()
    world.owner.records.clear()
    world.owner.poison(id=4)
    world.owner.poison(id=5)
    code, told = world.check()
    assert code == 2
    assert "none of the latest 2 records can be understood" in told["error"][0]


def test_what_is_wrong_with_a_topic_is_told_where_the_contract_names_it(world: World) -> None:
    """At the line of `feed`, not at the head of the file."""
    world.owner.records.clear()
    world.owner.poison(id=4)
    world.owner.poison(id=5)
    world.owner.save(world.directory / "records.jsonl", world.copy)
    apart = f"\n  feed:\n    name: shop\n    topic: {OWNER}"
    text = CONTRACT.format(owner=ALONE, copy="copy.public.order")
    contract = world.directory / "contracts" / "order.yaml"
    contract.write_text(text.replace(f"{{service: own, {ALONE}}}", f"\n  service: own{apart}"))
    told = world.audit("contracts", "check", "--live", "--format", "json").json["problems"]
    lines = {one["message"]: one["line"] for one in told if one["severity"] == "error"}
    assert sorted(lines.values()) == [6, 15], lines


def test_a_record_without_a_value_shows_nothing_of_how_values_are_read(world: World) -> None:
    """All that have one cannot be understood: it is an error, tombstones or not."""
    world.owner.records.clear()
    world.owner.delete(id=1)
    del world.owner.records[0]
    world.owner.poison(id=4)
    world.owner.poison(id=5)
    code, told = world.check()
    assert code == 2
    assert "none of the latest 2 records with a value can be understood" in told["error"][0]
    assert "check the feed's wire format" in told["error"][0]


def test_only_the_latest_records_of_each_partition_are_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that came long ago is no news: rows of before are not read."""
    monkeypatch.setattr(samples, "SAMPLE_RECORDS", 2)
    without(world.owner.records[0], "total")
    code, told = world.check()
    assert not told["error"] + told["warning"]
    assert code == 0


def test_records_that_tell_no_row_leave_columns_unsaid(world: World) -> None:
    world.owner.records.clear()
    world.owner.delete(id=1)
    code, told = world.check()
    assert (code, told["error"]) == (0, [])
    assert "none of the latest 2 records tells a row" in told["warning"][0]


def test_a_topic_without_records_is_said_and_no_error_and_one_with_them_is_looked_into(
    kafka: Kafka, world: World
) -> None:
    owner, copy = kafka.fresh_topic("orders", 2), kafka.fresh_topic("copies")
    (world.directory / "auditor.yaml").write_text(
        "version: 1\ncontracts: contracts\n"
        f"feeds: {{shop: {{type: kafka, bootstrap_servers: ['{kafka.url}'], isolation_level: read_committed, "
        "schemaless: {decimals: string}}}\n"
    )
    text = CONTRACT.format(owner=ALONE, copy=copy).replace(OWNER, owner)
    (world.directory / "contracts" / "order.yaml").write_text(text)
    done = world.audit("contracts", "check", "--live")
    assert done.code == 0, done.out
    assert done.out.count("there is no record yet, so its columns were not looked at") == 2, done.out
    with closing(kafka.producer()) as producer:
        for record in world.owner.records:
            producer.send(owner, base64.b64decode(record["value"]), base64.b64decode(record["key"]))
        producer.send(copy, b'{"op": "c", "before": null, "after": {"id": 1}, "source": {}, "ts_ms": 1}', b'{"id": 1}')
        producer.flush()
    done = world.audit("contracts", "check", "--live")
    assert done.code == 2, done.out
    (error,) = [line for line in done.out.splitlines() if ": error: " in line]
    assert "none of the latest 1 row has a column state to hold status" in error


def test_time_that_is_over_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples.samples, "__defaults__", (0.0,))
    code, told = world.check()
    assert (code, told["error"]) == (0, [])
    assert all("time was over after 0 records" in one for one in told["warning"]), told
    assert len(told["warning"]) == 2


def without(record: dict[str, Any], column: str) -> None:
    """Take a column out of a record."""
    value = json.loads(base64.b64decode(record["value"]))
    del value["after"][column]
    record["value"] = base64.b64encode(json.dumps(value).encode()).decode()
