"""`./run simulate --seeds N --seed S`: worlds by the thousand."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from reconcilers.workspace import Workspace
from tests.simulation.plan import FAULTS
from tests.simulation.world import Failure, run_seed, shrunk

WORLDS_A_WORKSPACE = 200
"""Worlds that share a scratch database: opening one costs as much as a small world."""


def main() -> int:
    """Run worlds, and say of each that failed how it is had again."""
    parser = argparse.ArgumentParser(prog="./run simulate", description="Simulates owners, feeds and replicas by seed.")
    parser.add_argument("--seeds", type=int, default=500, help="how many worlds (default 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the first one (default 0)")
    asked = parser.parse_args()
    began, failures, happened = time.monotonic(), 0, Counter[str]()
    end = asked.seed + asked.seeds
    for first in range(asked.seed, end, WORLDS_A_WORKSPACE):
        with tempfile.TemporaryDirectory() as directory, Workspace(Path(directory), threads=1) as workspace:
            for seed in range(first, min(first + WORLDS_A_WORKSPACE, end)):
                failure = run_seed(seed, workspace, happened)
                if failure is not None:
                    failures += 1
                    tell(failure, workspace)
        done = min(first + WORLDS_A_WORKSPACE, end) - asked.seed
        print(f"{done} of {asked.seeds} worlds, {failures} failures, {time.monotonic() - began:.0f} s", flush=True)
    for name in FAULTS:
        print(f"{happened[name]:8} {name}")
    return bool(failures)


def tell(failure: Failure, workspace: Workspace) -> None:
    """Make a failure small, and print it."""
    smaller, plan = shrunk(failure, workspace)
    print(f"seed {smaller.seed}: {smaller.oracle}: {smaller.what}", flush=True)
    print(f"  {plan.form}, {plan.owner}, {', '.join(plan.replicas)}, {plan.partitions} partitions; the last steps:")
    print("\n".join(f"  {step}" for step in smaller.steps))
    print(f"  replay: ./run simulate --seeds 1 --seed {smaller.seed}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
