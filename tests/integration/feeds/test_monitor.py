"""The monitor on a real broker, while changes come: what is late is met, what is lost found, a kill loses nothing."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from auditor.ledger.holder import this_process
from auditor.ledger.ledger import Ledger
from auditor.runs.monitor_loop import ROUND_SECONDS
from reconcilers.recheck import MARGIN_SECONDS
from tests.worlds.change_feed import ChangeFeed, heartbeat
from tests.worlds.mirror import CONTRACT, send
from tests.worlds.monitor import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.services import Kafka

LAG_SECONDS = 3
ROUNDS = 4
"""In which what is due has been judged."""


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
        """Hand the broker what is new of both.

        The mirror's connector lives, and will for a minute: without that, nothing that it does not tell is drift.
        """
        send(self.kafka, [heartbeat(self.mirror.connector, time.time() + 60)])
        for feed in (self.owner, self.mirror):
            send(self.kafka, feed.records[self.sent.get(feed.topic, 0) :], self.partition)
            self.sent[feed.topic] = len(feed.records)


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
    monitor = Monitor.start(live.directory)
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


def test_a_topic_that_is_made_anew_while_it_is_read_is_read_again_from_its_first_record(live: Live) -> None:
    """It may be as long by then as it was: the monitor ends, and what it had passed over is seen by the next call."""
    monitor = Monitor.start(live.directory)
    monitor.read_until(all_met(20))
    live.kafka.make_anew(live.owner.topic)
    live.sent[live.owner.topic] = 0
    live.owner.records.clear()
    live.owner.snapshot([{"id": key, "status": "new" if key > 1 else "lost"} for key in range(1, 11)])
    for _ in range(10):
        live.owner.put(id=2, status="new")
    live.send()
    assert monitor.ended() == 2
    again = Monitor.start(live.directory)
    again.read_until(lambda event: event["event"] == "finding")
    assert [found[:2] for found in again.findings] == [("1", "mismatch")]
    assert again.stop() in (0, 2)  # the copy may be ahead of an owner whose connector shows no sign of life


def test_what_is_found_while_a_run_is_at_work_waits_and_is_no_trouble(live: Live) -> None:
    """A nightly run takes its time, and what it finds is not written over; nobody is woken up for that."""
    monitor = Monitor.start(live.directory)
    monitor.read_until(all_met(20))
    with Ledger.open(f"sqlite:///{live.directory / 'auditor.db'}") as ledger:
        ledger.take_leases(["order"], "nightly", this_process(), timedelta(minutes=10))
        live.owner.put(id=2, status="lost")
        live.send()
        found = time.time() + LAG_SECONDS + MARGIN_SECONDS + ROUNDS * ROUND_SECONDS
        monitor.read_until(lambda event: event["event"] == "progress" and time.time() > found)
        assert [event for event in monitor.events if event["event"] in ("trouble", "finding")] == []
        ledger.release_leases("nightly", this_process())
    monitor.read_until(lambda event: event["event"] == "finding")
    assert monitor.findings == [("2", "mismatch", "persistent")]
    assert monitor.stop() == 0


def test_what_comes_late_is_met_what_is_lost_is_found_and_a_kill_changes_nothing(live: Live) -> None:
    """A change that arrives within its bound is no finding; one that does not is, and is told when it has healed."""
    monitor = Monitor.start(live.directory)
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
    again = Monitor.start(live.directory)
    again.read_until(lambda event: event["event"] == "finding")
    assert (monitor.findings, again.findings) == ([], [("2", "mismatch", "persistent")])
    live.mirror.put(id=2, status="lost")
    live.send()
    again.read_until(lambda event: event["event"] == "finding")
    assert again.findings[1:] == [("2", "mismatch", "healed")]
    assert again.stop() == 0
