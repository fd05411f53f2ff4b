"""`./run simulate --seeds N --seed S`: worlds by the thousand."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from reconcilers.workspace import Workspace
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import FAULTS
from tests.simulation.world import Failure, run_seed, shrunk

WORLDS_A_WORKSPACE = 200
"""Worlds that share a scratch database: opening one costs as much as a small world."""


def main() -> int:
    """Run worlds, and say of each that failed how it is had again."""
    parser = argparse.ArgumentParser(prog="./run simulate", description="Simulates owners, feeds and replicas by seed.")
    parser.add_argument("--seeds", type=int, help="how many worlds (default 500; 50 for each mutation)")
    parser.add_argument("--seed", type=int, default=0, help="of the first one (default 0)")
    parser.add_argument(
        "--steps", type=int, help="of drawing, oldest first: a seed as it was with so many (default all)"
    )
    parser.add_argument("--mutations", action="store_true", help="break the code by hand, and see who notices")
    asked = parser.parse_args()
    if asked.mutations:
        return break_by_hand(asked.seed, asked.seeds or 50)
    return simulate(asked.seed, asked.seeds or 500, asked.steps)


def simulate(first_seed: int, seeds: int, steps: int | None = None) -> int:
    """Run worlds as they are; 0 where all of them ran clean."""
    began, failures, happened = time.monotonic(), 0, Counter[str]()
    end = first_seed + seeds
    for first in range(first_seed, end, WORLDS_A_WORKSPACE):
        with tempfile.TemporaryDirectory() as directory, Workspace(Path(directory), threads=1) as workspace:
            for seed in range(first, min(first + WORLDS_A_WORKSPACE, end)):
                failure = run_seed(seed, workspace, happened, steps)
                if failure is not None:
                    failures += 1
                    tell(failure, workspace, steps)
        done = min(first + WORLDS_A_WORKSPACE, end) - first_seed
        print(f"{done} of {seeds} worlds, {failures} failures, {time.monotonic() - began:.0f} s", flush=True)
    for name in FAULTS:
        print(f"{happened[name]:8} {name}")
    return bool(failures)


def break_by_hand(first: int, seeds: int) -> int:
    """Plant each fault, and count the worlds that notice it; 0 where each is noticed by some.

    Of a world that is known to notice it, and others from a seed on.
    """
    unnoticed = 0
    with tempfile.TemporaryDirectory() as directory, Workspace(Path(directory), threads=1) as workspace:
        for mutation in MUTATIONS:
            chosen = dict.fromkeys((*mutation.seeds, *range(first, first + seeds)))
            with mutation.planted():
                noticed = [failure for seed in chosen if (failure := run_seed(seed, workspace)) is not None]
            unnoticed += not noticed
            oracles = ", ".join(sorted({failure.oracle for failure in noticed})) or "no oracle"
            print(f"{len(noticed):4} of {len(chosen)}  {mutation.name}: {oracles}", flush=True)
    return bool(unnoticed)


def tell(failure: Failure, workspace: Workspace, steps: int | None = None) -> None:
    """Make a failure small, and print it."""
    smaller, plan = shrunk(failure, workspace)
    print(f"seed {smaller.seed}: {smaller.oracle}: {smaller.what}", flush=True)
    print(f"  {plan.form}, {plan.owner}, {', '.join(plan.replicas)}, {plan.partitions} partitions; the last steps:")
    print("\n".join(f"  {step}" for step in smaller.steps))
    drawn = "" if steps is None else f" --steps {steps}"
    print(f"  replay: ./run simulate --seeds 1 --seed {smaller.seed}{drawn}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
