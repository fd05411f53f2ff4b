"""A field under `at_creation` holds what the owner held when the replica's row was made: the owner's feed tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.test_incremental import OWNER_FEED, TOPIC, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: shop, {known_by}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text, equality: at_creation}}
replicas:
  - {{service: index, dataset: copy/orders, lag_bound: 1s}}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    """Orders whose first status was `new`, and of which some were paid afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    made = World(tmp_path, audit)
    settle(made)
    for name in ("shop", "copy"):
        with made.store(name) as connection:
            connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
    for key in range(1, 6):
        made.write("shop", key, "new")
        made.write("copy", key, "new")
        made.tell(key, "new", operation="c")
    for key in (1, 2, 3):
        made.write("shop", key, "paid")
        made.tell(key, "paid")
    return made


def settle(world: World, known_by: str = f"dataset: shop/orders{OWNER_FEED}") -> None:
    world.settle()
    (world.directory / "contracts" / "order.yaml").write_text(CONTRACT.format(known_by=known_by))


def coverage(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = outcome.json["entities"][0]["replicas"][0]["coverage"]
    return found


def test_what_the_owner_once_held_is_right(world: World) -> None:
    world.write("copy", 2, "paid")  # its row was made later
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["findings"]) == (0, []), outcome.out + outcome.err
    assert (coverage(outcome)["skipped"], coverage(outcome)["complete"]) == ([], True)


def test_what_the_owner_never_held_is_drift(world: World) -> None:
    """Of a row that has changed, and of one that never has."""
    world.write("copy", 1, "lost")
    world.write("copy", 5, "lost")
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (1, ["drift"]), outcome.out + outcome.err
    assert {one["key"]["id"]: one["verdict"] for one in outcome.json["findings"]} == dict.fromkeys("15", "persistent")
    assert outcome.json["findings"][0]["fields"] == [
        {
            "name": "status",
            "owner": "paid",
            "replica": "lost",
            "note": "the owner has never held what the replica holds",
        }
    ]
    assert coverage(outcome)["skipped"] == []


def test_drift_of_an_owner_that_is_known_by_its_feed_alone(world: World) -> None:
    settle(world, f"feed: {{name: replay, topic: {TOPIC}}}")
    world.write("copy", 1, "lost")
    outcome = world.reconcile()
    assert [one["key"]["id"] for one in outcome.json["findings"]] == ["1"], outcome.out + outcome.err
    assert outcome.code == 1


@pytest.mark.parametrize("command", [("reconcile",), ("monitor", "--until-caught-up")])
def test_a_row_of_which_not_all_is_told_is_not_compared(world: World, command: tuple[str, ...]) -> None:
    """What it held before the first record on it nobody knows; the field is named, and nothing else is in doubt."""
    world.write("shop", 9, "paid")
    world.write("copy", 9, "older")
    world.tell(9, "paid")
    outcome = world.audit(*command, "--format", "json")
    assert (outcome.code, outcome.json["findings"]) == (0, []), outcome.out + outcome.err
    assert (coverage(outcome)["skipped"], coverage(outcome)["complete"]) == (["status"], True)
    assert any("not compared in 1 row" in note for note in coverage(outcome)["notes"])


def test_a_row_that_the_feed_has_not_told_of_yet_is_not_compared(world: World) -> None:
    """Between the owner's row and the end of its feed, there may have been what the replica holds."""
    world.write("shop", 4, "sent")
    world.write("copy", 4, "paid")
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["findings"]) == (0, []), outcome.out + outcome.err
    assert coverage(outcome)["skipped"] == ["status"]


def test_without_a_feed_it_is_not_compared(world: World) -> None:
    settle(world, "dataset: shop/orders")
    world.write("copy", 1, "lost")
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["findings"]) == (0, []), outcome.out + outcome.err
    assert (coverage(outcome)["skipped"], coverage(outcome)["complete"]) == (["status"], True)


def test_no_compensation_is_guessed(world: World) -> None:
    """Which of the values that the owner held is the right one, nobody knows."""
    world.write("copy", 1, "lost")
    world.reconcile()
    plan = world.audit("compensate", "--out", "plan", "--format", "json")
    assert "which of the values that it held, is not certain" in plan.out, plan.out + plan.err
    assert not [path for path in (world.directory / "plan").rglob("*.sql") if "lost" in path.read_text()]


def test_what_was_drift_and_is_once_held_again_has_healed(world: World) -> None:
    world.write("copy", 1, "lost")
    world.reconcile()
    world.write("copy", 1, "new")
    assert world.reconcile().code == 0
    assert world.audit("findings", "--open", "--format", "json").json["findings"] == []


def test_where_the_feed_cannot_be_read_it_is_open(world: World) -> None:
    """A finding of an earlier run has not gone because a broker is down."""
    world.write("copy", 1, "lost")
    world.reconcile()
    (world.directory / "records.jsonl").unlink()
    outcome = world.reconcile()
    assert (outcome.code, outcome.json["exit_reasons"]) == (2, ["undecided"]), outcome.out + outcome.err
    assert all("could not be read" in one["evidence"]["note"] for one in outcome.json["findings"])
    left = world.audit("findings", "--open", "--format", "json").json["findings"]
    assert "1" in {one["key"]["id"] for one in left}
