"""Outbox events as an owner's feed: one that is repeated is one event, and one that says something else is another."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

TOPIC = "outbox.event.order"
SETTINGS = """\
version: 1
contracts: contracts
connections: {lake: {url: "file:."}}
feeds:
  replay: {type: recorded, path: records.jsonl, debezium: {records: outbox, keys: text}}
"""
CONTRACT = f"""\
entity: order
version: 1
team: t
owner: {{service: shop, feed: {{name: replay, topic: {TOPIC}}}}}
key: [id]
fields: {{id: {{type: int}}, status: {{type: text}}}}
replicas:
  - {{service: copy, dataset: lake/rows.csv, lag_bound: 1s}}
"""
FIRST, SECOND = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "12")


@dataclass
class Outbox:
    """Events on one order."""

    directory: Path
    audit: Callable[..., Outcome]
    lines: list[str] = field(default_factory=list)

    def tell(self, event: str, status: str) -> None:
        record = {"topic": TOPIC, "partition": 0, "offset": len(self.lines), "timestamp": 1_770_000_000_000,
                  "key": _base64("1"), "value": _base64(json.dumps({"id": 1, "status": status})),
                  "headers": [["id", _base64(event)], ["eventType", _base64("Changed")]]}  # fmt: skip
        self.lines.append(json.dumps(record) + "\n")
        (self.directory / "records.jsonl").write_text("".join(self.lines))

    def copy(self, status: str) -> None:
        (self.directory / "rows.csv").write_text(f"id,status\n1,{status}\n")

    def found(self, *command: str) -> tuple[int, list[Any]]:
        outcome = self.audit(*command, "--format", "json")
        return outcome.code, [one["verdict"] for one in outcome.json["findings"]]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> Outbox:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT)
    return Outbox(tmp_path, audit)


def test_an_event_that_is_told_again_is_not_applied_again(outbox: Outbox) -> None:
    outbox.tell(FIRST, "new")
    outbox.tell(SECOND, "paid")
    outbox.tell(FIRST, "new")
    outbox.copy("paid")
    assert outbox.found("reconcile", "--recheck-after", "0s") == (0, [])


def test_nor_where_a_monitor_read_it_the_first_time_long_ago(outbox: Outbox) -> None:
    outbox.copy("paid")
    outbox.tell(FIRST, "new")
    outbox.tell(SECOND, "paid")
    assert outbox.found("monitor", "--until-caught-up") == (0, [])
    outbox.tell(FIRST, "new")
    assert outbox.found("monitor", "--until-caught-up") == (0, [])


def test_an_id_that_a_producer_gives_to_all_its_events_loses_none(outbox: Outbox) -> None:
    outbox.tell(FIRST, "new")
    outbox.tell(FIRST, "paid")
    outbox.copy("paid")
    assert outbox.found("reconcile", "--recheck-after", "0s") == (0, [])
    outbox.copy("new")
    assert outbox.found("reconcile", "--recheck-after", "0s") == (1, ["persistent"])
