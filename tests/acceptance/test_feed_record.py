"""A feed that was recorded is the feed: the same records, the same schemas, and nobody else may read it."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from auditor.feeds.opening import open_feed
from auditor.settings import load_settings
from tests.integration.feeds.following import read_to_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Outcome
    from tests.services import Kafka, SchemaRegistry

KEY = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "int"}]}
VALUE = {"type": "record", "name": "Value", "fields": [{"name": "id", "type": "int"}]}


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that commands run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def topics(kafka: Kafka) -> list[str]:
    """Ten JSON records in one, two in the other."""
    names = [kafka.fresh_topic("orders", 2), kafka.fresh_topic("items")]
    with closing(kafka.producer()) as producer:
        for number in range(10):
            producer.send(names[0], b'{"id":1}', b"%d" % number, [("h", b"\xff")], partition=number % 2)
        for _ in range(2):
            producer.send(names[1], b"{}")
        producer.flush()
    return names


def settings(kafka: Kafka, more: str = "") -> None:
    feed = f"{{type: kafka, bootstrap_servers: ['{kafka.url}']{more}}}"
    Path("auditor.yaml").write_text(f"version: 1\nfeeds: {{shop: {feed}}}\n")


def test_a_recording_reads_as_the_topics_do(
    kafka: Kafka, topics: list[str], audit: Callable[..., Outcome], work: Path
) -> None:
    settings(kafka)
    done = audit("feed", "record", *topics, "--out", "recorded")
    assert done.code == 0, done.err
    assert "sensitive fields too" in done.err
    assert stat.S_IMODE((work / "recorded/records.jsonl").stat().st_mode) == 0o600
    with closing(open_feed(load_settings(Path("auditor.yaml")), "shop", topics)) as source:
        there = sorted(map(repr, read_to_end(source)))
    Path("auditor.yaml").write_text("version: 1\n" + done.out)
    assert yaml.safe_load(done.out)["feeds"]["replay"]["type"] == "recorded"
    with closing(open_feed(load_settings(Path("auditor.yaml")), "replay", topics)) as source:
        found = sorted(map(repr, read_to_end(source)))
    assert [one.replace("leader_epoch=None", "leader_epoch=0") for one in found] == there


def test_nothing_is_replaced(kafka: Kafka, topics: list[str], audit: Callable[..., Outcome]) -> None:
    settings(kafka)
    assert audit("feed", "record", topics[1], "--out", "recorded").code == 0
    before = Path("recorded/records.jsonl").read_text()
    again = audit("feed", "record", topics[0], "--out", "recorded")
    assert again.code == 2
    assert "is there already, and is not replaced" in again.err
    assert Path("recorded/records.jsonl").read_text() == before


def test_where_to_begin_and_how_much(kafka: Kafka, topics: list[str], audit: Callable[..., Outcome]) -> None:
    settings(kafka)
    options = ("--from", "2", "--max-records", "3", "--format", "json")
    done = audit("feed", "record", topics[0], "--out", "recorded", *options)
    assert done.code == 0
    lines = Path("recorded/records.jsonl").read_text().splitlines()
    assert len(lines) == done.json["records"] == 3
    assert min(json.loads(line)["offset"] for line in lines) == 2


def test_a_deadline_ends_what_has_no_end(kafka: Kafka, topics: list[str], audit: Callable[..., Outcome]) -> None:
    settings(kafka)
    done = audit("feed", "record", topics[1], "--out", "recorded", "--follow", "--deadline", "1s")
    assert done.code == 0
    assert len(Path("recorded/records.jsonl").read_text().splitlines()) == 2
    assert audit("feed", "record", topics[1], "--out", "other", "--follow").code == 2


def test_the_schemas_that_records_name_are_recorded_too(
    kafka: Kafka, schema_registry: SchemaRegistry, audit: Callable[..., Outcome]
) -> None:
    topic = kafka.fresh_topic("avro")
    ids = [schema_registry.register(f"{topic}-{side}", schema) for side, schema in (("key", KEY), ("value", VALUE))]
    with closing(kafka.producer()) as producer:
        for _ in range(5):
            producer.send(topic, *(b"\x00" + number.to_bytes(4) + b"\x02" for number in reversed(ids)))
        producer.send(topic, b"\x00" + (4711).to_bytes(4) + b"\x02", b"\x00\x01")
        producer.flush()
    settings(kafka, f", schema_registry: {{url: '{schema_registry.url}'}}")
    done = audit("feed", "record", topic, "--out", "recorded")
    assert done.code == 0, done.err
    assert json.loads(Path("recorded/schemas.json").read_text()) == {str(ids[0]): KEY, str(ids[1]): VALUE}
    assert stat.S_IMODE(Path("recorded/schemas.json").stat().st_mode) == 0o600
    assert yaml.safe_load(done.out)["feeds"]["replay"]["schemas"].endswith("recorded/schemas.json")
    assert "has no schema with id 4711" in done.err


def test_what_cannot_be_recorded_is_told_and_leaves_nothing(
    kafka: Kafka, topics: list[str], audit: Callable[..., Outcome]
) -> None:
    settings(kafka)
    for arguments, told in (
        (("record", topics[0].upper()), f"did you mean '{topics[0]}'"),
        (("record", topics[0], "--from", "x"), "expected an offset or `earliest`"),
        (("record", topics[0], "--from", "99"), "recording from offset 99: everything ends before it"),
        (("record", topics[0], "--feed", "other"), "unknown feed `other`"),
        (("record", kafka.fresh_topic("empty")), "no record came"),
    ):
        done = audit("feed", *arguments, "--out", "recorded")
        assert done.code == 2, arguments
        assert told in done.err
        assert done.out == ""
        assert not list(Path().glob("recorded/*")), arguments
        assert not list(Path().glob("recorded/.*")), arguments


def test_a_broker_that_is_not_there_is_one_message_and_exit_code_2(audit: Callable[..., Outcome]) -> None:
    Path("auditor.yaml").write_text("version: 1\nfeeds: {shop: {type: kafka, bootstrap_servers: ['127.0.0.1:1']}}\n")
    done = audit("feed", "record", "orders", "--out", "recorded")
    assert done.code == 2
    assert "no broker lets us in: 127.0.0.1:1 does not take a connection" in done.err
    assert "Traceback" not in done.err
    assert not Path("recorded").exists()
