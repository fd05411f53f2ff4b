"""Seeded worlds around the production code: no false alarm, no missed drift, state and offsets in step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconcilers.workspace import Workspace
from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.plan import DRAWS, draw
from tests.simulation.world import run_seed

if TYPE_CHECKING:
    from pathlib import Path

WORLDS, TOGETHER = 500, 50


@pytest.mark.parametrize("first", range(0, WORLDS, TOGETHER))
def test_the_oracles_hold_in_every_world(first: int, tmp_path: Path) -> None:
    """A world that fails is had again by `./run simulate --seeds 1 --seed N`, which makes it small, too."""
    with Workspace(tmp_path, threads=1) as workspace:
        failures = [run_seed(seed, workspace) for seed in range(first, first + TOGETHER)]
    assert [f"seed {one.seed}: {one.oracle}: {one.what}" for one in failures if one is not None] == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_what_is_broken_by_hand_is_noticed(mutation: Mutation, tmp_path: Path) -> None:
    """An oracle that nothing can offend proves nothing; `./run simulate --mutations` tries more worlds."""
    with Workspace(tmp_path, threads=1) as workspace, mutation.planted():
        found = [run_seed(seed, workspace) for seed in mutation.seeds]
    assert {one.oracle for one in found if one is not None} - {"no crash"}


def test_a_seed_gives_the_same_world_again() -> None:
    assert draw(11) == draw(11)


def test_a_later_step_of_drawing_leaves_most_worlds_as_they_were() -> None:
    """A seed that somebody has noted down must go on to mean what it meant: `--steps` has it again."""
    for step in range(len(DRAWS)):
        same = sum(draw(seed, step) == draw(seed, step + 1) for seed in range(WORLDS))
        assert same > WORLDS / 2, DRAWS[step][0]


def test_the_worlds_have_every_kind_of_fault() -> None:
    """Chance must not leave out what the oracles are there for."""
    happened = {act.name for seed in range(WORLDS) for act in draw(seed).acts}
    assert happened >= {
        "connector_down", "connector_crash", "snapshot", "incremental", "schema_change", "registry_out", "kill",
        "zombie", "move", "truncate", "poison", "poison_without_key", "loses", "cut", "pause", "by_hand", "copy_fault",
        "store_out", "ledger_locked", "ledger_refuses", "kill_recording", "mended", "stores_slow",
        "clock_set", "mirror_down", "rebalance", "member_kill", "taken_over",
    }  # fmt: skip
