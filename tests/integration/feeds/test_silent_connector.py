"""On a real broker: a mirror whose connector stands still is no drift; one whose connector lives is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.worlds.audited import reconciled
from tests.worlds.change_feed import ChangeFeed, heartbeat
from tests.worlds.mirror import CONTRACT, send

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.services import Kafka

HOUR = 3600.0


def test_what_a_standing_connector_does_not_tell_is_undecided_until_it_lives_again(
    kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hours past its bound, and known to be lacking only when the mirror's connector shows a sign of life."""
    monkeypatch.chdir(tmp_path)
    began = time.time() - 10 * HOUR
    owner, mirror = (
        ChangeFeed(topic, started=began, connector=topic)
        for topic in (kafka.fresh_topic("own"), kafka.fresh_topic("copy"))
    )
    beats = f"__debezium-heartbeat.{mirror.connector}"
    kafka.create_topic(beats, 1)
    (tmp_path / "contracts").mkdir()
    text = CONTRACT.format(owner=owner.topic, mirror=mirror.topic, lag=5)
    (tmp_path / "contracts" / "order.yaml").write_text(text)
    (tmp_path / "auditor.yaml").write_text(
        "version: 1\ncontracts: contracts\nconnections: {}\n"
        f"feeds:\n  shop: {{type: kafka, bootstrap_servers: ['{kafka.url}']}}\n"
    )
    rows = [{"id": key, "status": "new"} for key in range(1, 4)]
    owner.snapshot(rows)
    mirror.snapshot(rows)
    owner.started = began + HOUR
    owner.put(id=2, status="paid")
    owner.started = began + 2 * HOUR
    owner.put(id=3, status="paid")  # its own clock goes on: the change of 2 is an hour old by it
    send(kafka, [*owner.records, *mirror.records, heartbeat(mirror.connector, began + 10)])
    code, report = reconciled(capsys, "--max-wait", "0s")
    found = {one["key"]["id"]: one["verdict"] for one in report["findings"]}
    assert (code, found["2"]) == (2, "undecided")
    assert "persistent" not in found.values()
    send(kafka, [heartbeat(mirror.connector, time.time())])
    code, report = reconciled(capsys, "--max-wait", "0s")
    found = {one["key"]["id"]: one["verdict"] for one in report["findings"]}
    assert (code, found["2"]) == (1, "persistent")
