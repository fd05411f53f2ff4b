"""Is a PostgreSQL table what its own topic says?  The topic is past the table's watermark, or it is not: no time is."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.worlds.audited import reconciled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import Kafka, PostgreSQL

CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: shop, dataset: shop/public.orders, feed: {{name: shop, topic: {topic}}}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
replicas:
  - {{service: topic, feed: {{name: shop, topic: {topic}}}, lag_bound: 1h}}
"""


@dataclass
class World:
    """A table, and a connector of our own that tells its changes as Debezium does: places, transactions and all."""

    server: PostgreSQL
    url: str
    kafka: Kafka
    topic: str

    def write(self, key: int, status: str) -> dict[str, Any]:
        """A transaction that writes one row; returns its record, which is not sent yet."""
        with self.server.connect(self.url) as connection:
            connection.autocommit = False
            place = _one(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'")
            connection.execute(
                "INSERT INTO orders VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET status = excluded.status",
                [key, status],
            )
            transaction = _one(connection, "SELECT pg_current_xact_id()::text::bigint % 4294967296")
            connection.commit()
        source = {"connector": "postgresql", "name": self.topic, "schema": "public", "table": "orders", "lsn": place,
                  "txId": transaction, "ts_ms": int(time.time() * 1000), "snapshot": "false",
                  "sequence": json.dumps([None, str(place)])}  # fmt: skip
        return {"before": None, "after": {"id": key, "status": status}, "source": source, "op": "u"}

    def send(self, *records: dict[str, Any]) -> None:
        with closing(self.kafka.producer()) as producer:
            for record in records:
                key = json.dumps({"id": record["after"]["id"]}).encode()
                producer.send(self.topic, json.dumps(record).encode(), key=key)
            producer.flush()


def _one(connection: Any, sql: str) -> int:
    (value,) = connection.execute(sql).fetchone()
    return int(value)


@pytest.fixture
def world(postgres: PostgreSQL, kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    url = postgres.fresh_database("shop")
    postgres.admin("CREATE TABLE orders (id int PRIMARY KEY, status text)", database=url)
    topic = kafka.fresh_topic("orders", 3)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT.format(topic=topic))
    (tmp_path / "auditor.yaml").write_text(
        f"version: 1\ncontracts: contracts\nconnections:\n  shop: {{url: '{url}'}}\n"
        f"feeds:\n  shop: {{type: kafka, bootstrap_servers: ['{kafka.url}']}}\n"
    )
    made = World(postgres, url, kafka, topic)
    made.send(*(made.write(key, "new") | {"op": "c"} for key in range(1, 5)))
    return made


class Busy:
    """Writes two rows again and again as long as the block goes on; each change is told some writes later, in order."""

    def __init__(self, world: World, behind: int) -> None:
        self._world, self._behind = world, behind
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        waiting: deque[dict[str, Any]] = deque()
        number = 0
        while not self._stop.wait(0.2):
            number += 1
            waiting.append(self._world.write(3 + number % 2, f"busy {number}"))
            while len(waiting) > self._behind:
                self._world.send(waiting.popleft())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("behind", [0, 5])
def test_a_change_that_the_topic_never_told_is_proven_by_position_long_before_the_lag_bound(
    world: World, capsys: pytest.CaptureFixture[str], behind: int
) -> None:
    """Young as it is, and an hour as the bound is: the topic is past the watermark; what is on its way is no drift."""
    world.write(2, "paid")
    with Busy(world, behind):
        _, report = reconciled(capsys, "--max-wait", "20s")
    found = {one["key"]["id"]: one for one in report["findings"] if one["verdict"] == "persistent"}
    assert set(found) == {"2"}, report["findings"]
    assert "drift" in report["exit_reasons"]  # the two others may be hot by then: undecided, and no drift
    assert found["2"]["evidence"]["proof"] == "position"


@pytest.mark.parametrize(("operation", "missing"), [("c", {"6"}), ("r", set())])
def test_a_row_is_proven_to_be_missing_unless_an_incremental_snapshot_may_not_have_come_to_it(
    world: World, capsys: pytest.CaptureFixture[str], operation: str, missing: set[str]
) -> None:
    """Nothing says when such a snapshot is finished, and the changes that come meanwhile are ahead of it."""
    record = world.write(5, "new") | {"op": operation}
    if operation == "r":
        record["source"] |= {"snapshot": "incremental", "lsn": None, "txId": None}
    world.send(record)
    world.write(6, "new")
    with Busy(world, 0):
        _, report = reconciled(capsys, "--max-wait", "8s")
    assert {one["key"]["id"] for one in report["findings"] if one["verdict"] == "persistent"} == missing


def test_a_quiet_topic_proves_nothing_by_position(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """No change stands behind the watermark in the log: the lag bound is what is left."""
    world.write(2, "paid")
    code, report = reconciled(capsys, "--max-wait", "3s")
    (finding,) = report["findings"]
    assert (code, finding["verdict"]) == (0, "in_flight")
