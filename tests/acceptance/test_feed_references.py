"""A reference to a row that the feed of its entity does not show is broken only where that feed tells every row."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.test_feed_datasets import World, record
from tests.worlds.change_feed import heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

LINE = """\
entity: line
version: 1
team: t
owner: {service: own, dataset: lake/rows.csv}
key: [id]
fields:
  id: {type: int}
  thing_id: {type: int, references: thing}
"""
THING = """\
entity: thing
version: 1
team: t
owner: {service: own, feed: {name: replay, topic: t}}
key: [id]
fields:
  id: {type: int}
  v: {type: text}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    return World(tmp_path, audit)


def settle(world: World, things: list[dict[str, Any]]) -> None:
    """Two lines that refer to things 1 and 2, and what the feed tells of things."""
    world.settle("pg-crash-dups-json", "app.dup", records=things)
    for name, text in (("line", LINE), ("thing", THING)):
        (world.directory / "contracts" / f"{name}.yaml").write_text(text)
    world.copy([["id", "thing_id"], ["1", "1"], ["2", "2"]])


def thing(key: int, **changed: object) -> dict[str, Any]:
    """An insert of a thing, or another change of it."""
    line = record("t", key, {"id": key, "v": "a"})
    value = json.loads(base64.b64decode(line["value"])) | changed
    return line | {"value": base64.b64encode(json.dumps(value).encode()).decode()}


def broken(world: World, *options: str) -> dict[str, Any]:
    """The one finding, of the line that refers to the second thing."""
    outcome = world.audit("reconcile", "--recheck-after", "0s", *options, "--format", "json")
    (finding,) = outcome.json["findings"]
    assert (finding["entity"], finding["divergence"], finding["key"]) == ("line", "reference", {"id": "2"})
    assert outcome.code == {"persistent": 1, "undecided": 2, "in_flight": 0}[finding["verdict"]]
    return dict(finding)


def test_a_reference_to_what_a_feed_that_tells_every_row_does_not_show_is_broken(world: World) -> None:
    settle(world, [thing(1)])
    assert broken(world)["verdict"] == "persistent"


def test_a_reference_to_a_row_that_no_record_need_tell_is_undecided(world: World) -> None:
    """The topic shows that it does not tell every row that was there when it began."""
    settle(world, [thing(1, op="u")])
    finding = broken(world)
    assert finding["verdict"] == "undecided"
    assert "by its feed, not every row of thing is known: t/0@0" in finding["evidence"]["note"]


def test_a_reference_to_a_row_whose_latest_record_is_not_understood_is_undecided(world: World) -> None:
    """It may be there, or have been deleted; the record is named, and no other reference is in doubt."""
    poison = thing(2) | {"value": base64.b64encode(b"garbage").decode(), "offset": 2}
    settle(world, [thing(1), thing(2), poison])
    finding = broken(world)
    assert finding["verdict"] == "undecided"
    assert "could not be understood" in finding["evidence"]["note"]
    assert "t/0@2" in finding["evidence"]["note"]


def test_a_reference_to_what_a_feed_has_not_told_yet_waits_for_a_sign_of_its_connector(world: World) -> None:
    """It has been silent since before the reference was seen: the row may be there."""
    beats = [heartbeat("s", 1_000), heartbeat("other", 5_000)]
    settle(world, [thing(1), *beats])
    finding = broken(world, "--max-wait", "0s")
    assert finding["verdict"] == "in_flight"
    settle(world, [thing(1), *beats, heartbeat("s", 5_000, 1)])
    assert broken(world)["verdict"] == "persistent"
