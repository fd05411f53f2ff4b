"""A feed beside a dataset that cannot be read: named in every form of a report, though nothing differs."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.test_incremental import COPY_TOPIC, OWNER_FEED, TOPIC, World, filled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome
    from tests.services import Kafka

GONE = "  gone: {type: kafka, bootstrap_servers: ['127.0.0.1:1']}\n"
COPY_FEED = f", feed: {{name: gone, topic: {COPY_TOPIC}}}"
FORMATS = ("terminal", "json", "markdown", "html", "junit", "csv")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    return filled(tmp_path, monkeypatch, audit)


def remarks(outcome: Outcome) -> list[str]:
    """Of the owner's coverage; the run must be clean."""
    assert (outcome.code, outcome.json["exit_reasons"], outcome.json["findings"]) == (0, [], [])
    found: list[str] = outcome.json["entities"][0]["owner"]["coverage"].get("remarks", [])
    return found


def test_a_copys_feed_that_cannot_be_reached_is_named_in_every_format_though_nothing_differs(world: World) -> None:
    """Nobody needed the feed, so nobody asked for it: all the same, the next drift would be told without its cause."""
    world.settle(owner_feed="", replica_feed=COPY_FEED, settings=GONE)
    (remark,) = remarks(world.reconcile())
    assert remark.startswith(f"the change stream gone/{COPY_TOPIC} could not be read (")
    assert remark.endswith("): its versions and positions are not known, and causes are told without it")
    assert "127.0.0.1:1" in remark
    for form in FORMATS:
        shown = world.audit("report", "--format", form).out
        assert f"thechangestreamgone/{COPY_TOPIC}couldnotberead" in "".join(shown.split()), form


@pytest.mark.parametrize("narrowed", [("--replica", "index"), ("--where", "id < 100"), ("--no-recheck",)])
def test_a_run_that_is_narrowed_names_the_owners_feed_too(world: World, narrowed: tuple[str, ...]) -> None:
    """A run of which no later one goes on asks nobody where feeds end."""
    world.settle(owner_feed=OWNER_FEED.replace("replay", "gone"), settings=GONE)
    (remark,) = remarks(world.reconcile(*narrowed))
    assert remark.startswith(f"the change stream gone/{TOPIC} could not be read (")


def test_of_several_topics_only_the_one_that_cannot_be_read_is_named(world: World) -> None:
    world.settle(replica_feed=f", feed: {{name: replay, topic: {COPY_TOPIC}}}")
    (remark,) = remarks(world.reconcile("--replica", "index"))
    assert remark.startswith(f"the change stream replay/{COPY_TOPIC} could not be read (")


def test_records_of_which_none_can_be_understood_are_a_feed_that_cannot_be_read(world: World) -> None:
    """A wire format that is set wrongly."""
    for one in world.records * 3:
        world.records.append({**one, "offset": len(world.records), "value": base64.b64encode(b"\x00{").decode()})
    world.records = [{**one, "value": base64.b64encode(b"\x00{").decode()} for one in world.records]
    world.record()
    (remark,) = remarks(world.reconcile())
    assert "none of its latest" in remark


def test_thousands_of_records_that_nobody_understands_fit_into_memory(world: World) -> None:
    """Below the number at which a feed is given up: each of their keys is in doubt, and nothing else."""
    contract = world.directory / "contracts" / "order.yaml"
    contract.write_text(contract.read_text().replace("dataset: shop/orders, feed:", "feed:"))
    for number in range(4_000):
        world.records.append({
            "topic": TOPIC, "partition": 0, "offset": number + 1, "timestamp": 1_770_000_000_000 + number,
            "key": base64.b64encode(json.dumps({"id": number + 1_000}).encode()).decode(),
            "value": base64.b64encode(b"no record").decode(), "headers": [],
        })  # fmt: skip
    world.record()
    outcome = world.reconcile()
    assert (outcome.code, "undecided" in outcome.json["exit_reasons"]) == (2, True), outcome.err
    assert (
        sum(one["key"]["id"].isdigit() and int(one["key"]["id"]) >= 1_000 for one in outcome.json["findings"]) == 4_000
    )


def test_a_feed_that_can_be_read_needs_no_remark(world: World) -> None:
    world.tell(1, "new", COPY_TOPIC)
    world.settle(replica_feed=f", feed: {{name: replay, topic: {COPY_TOPIC}}}")
    assert remarks(world.reconcile()) == []


def test_a_registry_that_is_down_is_named_where_records_need_it(world: World, kafka: Kafka) -> None:
    """The broker answers and knows where the topic ends; what its records say cannot be known without the registry."""
    topic = kafka.fresh_topic("orders")
    _send(kafka, topic, b"\x00\x00\x00\x00\x07\x02")
    feed = (
        f"  gone: {{type: kafka, bootstrap_servers: ['{kafka.url}'], schema_registry: {{url: 'http://127.0.0.1:1'}}}}\n"
    )
    world.settle(owner_feed=f", feed: {{name: gone, topic: {topic}}}", settings=feed)
    (remark,) = remarks(world.reconcile())
    assert remark.startswith(f"the change stream gone/{topic} could not be read (")
    assert "http://127.0.0.1:1" in remark


def _send(kafka: Kafka, topic: str, value: bytes) -> None:
    producer = kafka.producer()
    producer.send(topic, value, key=json.dumps({"id": 1}).encode())
    producer.flush()
    producer.close()


def test_a_group_that_cannot_be_asked_is_told_once_however_often_is_looked(world: World) -> None:
    """Each look asks how far whoever fills the copy has come; a broker that is down is no news the second time."""
    world.settle(replica_feed=", applied_by: {feed: gone, group_id: filler}", settings=GONE)
    world.write("copy", 1, "wrong")
    outcome = world.reconcile()
    assert outcome.code == 1
    assert outcome.err.count("how far filler has come is not known") == 1
