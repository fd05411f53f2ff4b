"""`audit doctor` and `audit contracts check --live` find out what is wrong with a feed before it is followed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kafka import TopicPartition

from auditor.feeds.record import Record
from auditor.feeds.record_text import record_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Outcome
    from tests.services import Kafka, SchemaRegistry

CONTRACT = """\
entity: {entity}
version: 1
team: checkout
owner: {{service: s, feed: {{name: shop, topic: {owner}}}}}
key: [id]
fields: {{id: {{type: int}}}}
replicas:
  - service: copy
    feed: {{name: shop, topic: {replica}}}
    lag_bound: 1m
    applied_by: {{feed: shop, group_id: writer}}
"""


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that commands run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "contracts").mkdir()
    return tmp_path


def write(feed: str, owner: str, replica: str) -> None:
    Path("contracts/order.yaml").write_text(CONTRACT.format(entity="order", owner=owner, replica=replica))
    Path("auditor.yaml").write_text(f"version: 1\ncontracts: contracts\nfeeds: {{shop: {feed}}}\n")


def send(kafka: Kafka, topic: str) -> None:
    with closing(kafka.producer()) as producer:
        for number in range(10):
            producer.send(topic, b"{}", b"%d" % number)
        producer.flush()


def told(audit: Callable[..., Outcome]) -> tuple[int, dict[str, list[str]]]:
    """The exit code, and messages about feeds by status."""
    done = audit("doctor", "--format", "json")
    found: dict[str, list[str]] = {"ok": [], "warning": [], "error": []}
    for one in done.json["checks"]:
        if one["subject"].startswith(("feed", "schema registry", "consumer group")):
            found[one["status"]].append(one["message"])
    return done.code, found


def test_topics_tell_for_how_long_they_keep_what(
    kafka: Kafka, schema_registry: SchemaRegistry, audit: Callable[..., Outcome]
) -> None:
    owner = kafka.fresh_topic("kept", 2)
    replica = kafka.fresh_topic("compacted", settings={"cleanup.policy": "compact"})
    send(kafka, owner)
    send(kafka, replica)
    write(
        f"{{type: kafka, bootstrap_servers: ['{kafka.url}'], schema_registry: {{url: '{schema_registry.url}'}}}}",
        owner,
        replica,
    )
    code, found = told(audit)
    assert code == 0, found
    assert any(f"{kafka.url} answers" in message for message in found["ok"])
    assert f"{owner}: 2 partitions, 10 offsets; keeps 7 d: whoever is away for longer misses records" in found["ok"]
    assert f"{schema_registry.url} answers" in found["ok"]
    compacted = next(message for message in found["warning"] if replica in message)
    assert "what a row was before its last change is lost" in compacted
    assert "after 1 d" in compacted
    assert any("no proof can rest on it" in message for message in found["warning"])
    with closing(kafka.admin()) as admin:
        admin.delete_records({TopicPartition(owner, 0): 1})
    _, found = told(audit)
    assert any(
        f"{owner}: " in message and "1 offset at its beginning is gone" in message for message in found["warning"]
    )


def test_a_topic_that_is_not_there_is_an_error_with_what_it_may_have_been(
    kafka: Kafka, audit: Callable[..., Outcome]
) -> None:
    there = kafka.fresh_topic("shop.orders")
    write(f"{{type: kafka, bootstrap_servers: ['{kafka.url}']}}", there, "shop.order")
    code, found = told(audit)
    assert code == 2
    assert any("contracts name the topic shop.order, which is not there" in one for one in found["error"])
    live = audit("contracts", "check", "--live")
    assert live.code == 2
    assert f"feed shop has no topic shop.order; did you mean `{there}`" in live.out


def test_a_topic_beside_those_of_contracts_that_nobody_names_is_a_warning(
    kafka: Kafka, audit: Callable[..., Outcome]
) -> None:
    owner, replica, other = (kafka.fresh_topic(f"beside.{name}") for name in ("orders", "copies", "items"))
    kafka.create_topic("beside.transaction")
    write(f"{{type: kafka, bootstrap_servers: ['{kafka.url}']}}", owner, replica)
    live = audit("contracts", "check", "--live")
    assert live.code == 0, live.out
    assert f"auditor.yaml: warning: feed shop: no contract names {other}: nobody looks at it" in live.out


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ("{type: kafka, bootstrap_servers: ['127.0.0.1:1']}", "no broker lets us in"),
        ("{type: recorded, path: nowhere.jsonl}", "No such file"),
    ],
)
def test_a_feed_that_cannot_be_had_is_an_error_of_its_own(
    audit: Callable[..., Outcome], feed: str, message: str
) -> None:
    write(feed, "orders", "copies")
    code, found = told(audit)
    assert code == 2
    assert any(message in one for one in found["error"])
    assert audit("contracts", "check", "--live").code == 2


def test_a_registry_that_is_not_there_is_an_error(kafka: Kafka, audit: Callable[..., Outcome]) -> None:
    topic = kafka.fresh_topic("kept")
    registry = "schema_registry: {url: 'http://127.0.0.1:1'}"
    write(f"{{type: kafka, bootstrap_servers: ['{kafka.url}'], {registry}}}", topic, topic)
    code, found = told(audit)
    assert code == 2
    assert any("could not be asked for a schema" in one for one in found["error"])


def test_what_is_wrong_with_a_feed_that_no_contract_uses_stops_nothing(audit: Callable[..., Outcome]) -> None:
    """It is told all the same; where the contracts cannot be read, nobody knows that it is not used."""
    records = [Record("orders", 0, 0, 0, b"{}", b"{}"), Record("copies", 0, 0, 0, b"{}", b"{}")]
    Path("records.jsonl").write_text("".join(map(record_line, records)))
    write("{type: recorded, path: records.jsonl}, old: {type: recorded, path: gone.jsonl}", "orders", "copies")
    code, found = told(audit)
    assert (code, found["error"]) == (0, [])
    assert any("gone.jsonl" in one and "; no contract uses this feed" in one for one in found["warning"])
    Path("contracts/order.yaml").write_text("entity: [")
    code, found = told(audit)
    assert code == 2
    assert any("gone.jsonl" in one and "no contract uses" not in one for one in found["error"])


def test_a_recording_is_read_to_its_end(audit: Callable[..., Outcome]) -> None:
    records = [Record("orders", 0, 7, 0, b"{}", b"{}"), Record("copies", 0, 0, 0, b"{}", b"{}")]
    Path("records.jsonl").write_text("".join(map(record_line, records)))
    write("{type: recorded, path: records.jsonl}", "orders", "copies")
    code, found = told(audit)
    assert code == 0
    assert "copies: 1 partition, 1 offset" in found["ok"]
    assert any("orders: " in one and "7 offsets at its beginning are gone" in one for one in found["warning"])
