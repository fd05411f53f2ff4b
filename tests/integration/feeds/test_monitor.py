"""The monitor on a real broker, while changes come: what is late is met, what is lost found, a kill loses nothing."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.worlds.change_feed import ChangeFeed, heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.services import Kafka

PROGRAM = Path(sys.executable).with_name("audit")
LAG_SECONDS = 3
_SECONDS = 40.0

CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: orders, feed: {{name: shop, topic: {owner}}}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
replicas:
  - {{service: mirror, feed: {{name: shop, topic: {mirror}}}, lag_bound: {lag}s}}
"""


@dataclass
class Live:
    """An owner's topic and a mirror's, on a broker, with a monitor's settings.

    Attributes:
        partition: Where what is new is written.
    """

    directory: Path
    kafka: Kafka
    owner: ChangeFeed
    mirror: ChangeFeed
    sent: dict[str, int] = field(default_factory=dict)
    partition: int = 0

    def send(self) -> None:
        """Hand the broker what is new of both."""
        with closing(self.kafka.producer()) as producer:
            self._beat(producer)
            for feed in (self.owner, self.mirror):
                for record in feed.records[self.sent.get(feed.topic, 0) :]:
                    key, value = (record[part] and base64.b64decode(record[part]) for part in ("key", "value"))
                    producer.send(feed.topic, value, key=key, partition=self.partition)
                self.sent[feed.topic] = len(feed.records)
            producer.flush()

    def _beat(self, producer: Any) -> None:
        """The mirror's connector lives, and will for a minute: without that, nothing that it does not tell is drift."""
        record = heartbeat(self.mirror.connector, time.time() + 60)
        key, value = (base64.b64decode(record[part]) for part in ("key", "value"))
        producer.send(record["topic"], value, key=key)

    def start(self) -> Monitor:
        """Start a monitor that goes on."""
        process = subprocess.Popen(
            [PROGRAM, "monitor", "--format", "json"],
            cwd=self.directory, env={**os.environ, "PYTHONWARNINGS": ""}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return Monitor(process)


@dataclass
class Monitor:
    """A monitor at work."""

    process: subprocess.Popen[str]
    findings: list[tuple[str, str, str]] = field(default_factory=list)

    def read_until(self, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read events until one will do."""
        assert self.process.stdout is not None
        end = time.monotonic() + _SECONDS
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == "finding":
                one = event["finding"]
                self.findings.append((one["key"]["id"], one["divergence"], one["verdict"]))
            if enough(event):
                return event
            assert time.monotonic() < end, event
        raise AssertionError("the monitor has ended")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=_SECONDS)
        return self.process.returncode


@pytest.fixture
def live(tmp_path: Path, kafka: Kafka) -> Live:
    owner, mirror = (
        ChangeFeed(topic, started=time.time() - 600, connector=topic)
        for topic in (kafka.fresh_topic(name) for name in ("owner", "mirror"))
    )
    kafka.create_topic(f"__debezium-heartbeat.{mirror.connector}", 1)
    (tmp_path / "contracts").mkdir()
    text = CONTRACT.format(owner=owner.topic, mirror=mirror.topic, lag=LAG_SECONDS)
    (tmp_path / "contracts" / "order.yaml").write_text(text)
    (tmp_path / "auditor.yaml").write_text(
        "version: 1\ncontracts: contracts\nconnections: {}\nfeeds:\n"
        f'  shop: {{type: kafka, bootstrap_servers: ["{kafka.url}"], group_id: auditor, bootstrap_from: earliest}}\n'
    )
    rows = [{"id": key, "status": "new"} for key in range(1, 11)]
    owner.snapshot(rows)
    mirror.snapshot(rows)
    made = Live(tmp_path, kafka, owner, mirror)
    made.send()
    return made


def all_met(records: int) -> Callable[[dict[str, Any]], bool]:
    """Everything has been read, and nothing is owed."""

    def enough(event: dict[str, Any]) -> bool:
        if event["event"] != "progress":
            return False
        return bool(event["records"]["shop"] >= records and not any(event["open"].values()))

    return enough


def test_partitions_that_are_added_to_a_topic_are_followed(live: Live) -> None:
    """What the owner changes there is owed, and what the copy tells there meets it; what is lost there is found."""
    monitor = live.start()
    monitor.read_until(all_met(20))
    live.kafka.add_partitions({live.owner.topic: 2, live.mirror.topic: 2})
    live.partition = 1
    live.owner.put(id=1, status="arrives")
    live.mirror.put(id=1, status="arrives")
    live.owner.put(id=2, status="is lost")
    live.send()
    monitor.read_until(lambda event: event["event"] == "finding")
    assert monitor.findings == [("2", "mismatch", "persistent")]
    assert monitor.stop() == 0


def test_what_comes_late_is_met_what_is_lost_is_found_and_a_kill_changes_nothing(live: Live) -> None:
    """A change that arrives within its bound is no finding; one that does not is, and is told when it has healed."""
    monitor = live.start()
    monitor.read_until(all_met(20))
    live.owner.put(id=1, status="late")
    live.send()
    monitor.read_until(lambda event: event["event"] == "progress" and event["open"]["order/mirror"] == 1)
    live.mirror.put(id=1, status="late")
    live.send()
    monitor.read_until(all_met(22))
    assert monitor.findings == []
    live.owner.put(id=2, status="lost")
    live.send()
    monitor.read_until(lambda event: event["event"] == "progress" and event["open"]["order/mirror"] == 1)
    assert monitor.stop(signal.SIGKILL) == -signal.SIGKILL
    again = live.start()
    again.read_until(lambda event: event["event"] == "finding")
    assert (monitor.findings, again.findings) == ([], [("2", "mismatch", "persistent")])
    live.mirror.put(id=2, status="lost")
    live.send()
    again.read_until(lambda event: event["event"] == "finding")
    assert again.findings[1:] == [("2", "mismatch", "healed")]
    assert again.stop() == 0
