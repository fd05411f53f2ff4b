"""Records that carry the broker's time: what was committed when, and which records a snapshot consists of."""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.worlds.audited import reconciled
from tests.worlds.change_feed import ChangeFeed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import Kafka

HOUR = 3600.0
CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: orders, feed: {{name: shop, topic: {topic}}}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
replicas:
  - {{service: copy, dataset: copy/orders, lag_bound: 1h}}
"""


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChangeFeed:
    """Ten rows in two partitions, told by a snapshot ten hours ago; a copy of them."""
    monkeypatch.chdir(tmp_path)
    feed = ChangeFeed("shop.public.orders", started=time.time() - 10 * HOUR, connector="shop")
    feed.snapshot([{"id": key, "status": "new"} for key in range(1, 11)])
    return feed


def shared_out(feed: ChangeFeed) -> list[list[dict[str, Any]]]:
    """The records of two partitions: the first has the beginning of the snapshot, and its end."""
    parts: list[list[dict[str, Any]]] = [[], []]
    for one in feed.records:
        number = json.loads(base64.b64decode(one["key"]))["id"] % 9 != 1  # 1 and 10 go into the first
        parts[number].append({**one, "partition": int(number), "offset": len(parts[number])})
    return parts


def settle(directory: Path, topic: str, settings: str, status: dict[int, str]) -> None:
    (directory / "contracts").mkdir()
    (directory / "contracts" / "order.yaml").write_text(CONTRACT.format(topic=topic))
    (directory / "auditor.yaml").write_text(
        "version: 1\ncontracts: contracts\nconnections:\n  copy: {url: 'sqlite:///copy.db'}\n"
        f"feeds:\n  shop: {settings}\n"
    )
    with closing(sqlite3.connect(directory / "copy.db")) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        rows = [(key, status.get(key, "new")) for key in range(1, 11)]
        connection.executemany("INSERT INTO orders VALUES (?, ?)", rows)


def test_a_topic_with_the_brokers_times_is_understood_by_the_connectors(
    kafka: Kafka, feed: ChangeFeed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The partition that the snapshot began in reached the broker last, and everything hours after its commit."""
    topic = kafka.fresh_topic("shop.public.orders", 2, {"message.timestamp.type": "LogAppendTime"})
    feed.put(id=3, status="paid")
    feed.started += 9 * HOUR
    feed.put(id=7, status="paid")  # by then, the owner's clock says, the change of 3 was due
    began, others = shared_out(feed)
    with closing(kafka.producer()) as producer:
        for one in [*others, *began]:
            key, value = (base64.b64decode(one[part]) for part in ("key", "value"))
            sent = producer.send(topic, value, key=key, partition=one["partition"], timestamp_ms=one["timestamp"])
            assert sent.get(30).timestamp > one["timestamp"] + 0.9 * HOUR * 1000  # the broker's own
    settle(tmp_path, topic, f"{{type: kafka, bootstrap_servers: ['{kafka.url}']}}", {7: "paid"})
    code, report = reconciled(capsys, "--max-wait", "0s")
    assert report["entities"][0]["owner"]["rows"] == 10
    (finding,) = report["findings"]
    assert (code, finding["key"], finding["verdict"], finding["cause"]) == (1, {"id": "3"}, "persistent", "stale")
    committed = json.loads(base64.b64decode(feed.records[-2]["value"]))["source"]["ts_us"] / 1e6
    told = finding["evidence"]["changes"][-1]["committed_at"]
    assert told.startswith(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(committed)))


def test_a_young_change_is_in_flight_however_old_the_brokers_time_is(
    feed: ChangeFeed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a recording says the same: a broker whose clock is a day behind makes no change a day old."""
    feed.started = time.time() - 10
    feed.put(id=3, status="paid")
    began, others = shared_out(feed)
    for late, some in ((60_000, began), (0, others)):
        for one in some:
            one["timestamp"] += late - 24 * 3_600_000
    feed.records = [*began, *others]
    feed.save(tmp_path / "records.jsonl")
    settle(tmp_path, feed.topic, "{type: recorded, path: records.jsonl}", {})
    code, report = reconciled(capsys, "--max-wait", "0s")
    (finding,) = report["findings"]
    assert (code, finding["key"], finding["verdict"]) == (0, {"id": "3"}, "in_flight")
    assert report["entities"][0]["owner"]["rows"] == 10
