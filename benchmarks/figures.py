"""What was measured, as a table for people, with ratios and what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.process import Run, median

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Demand:
    """How a figure of ours must relate to another contender's.

    Attributes:
        against: The other contender.
        at_least: We must be at least this many times as fast, or None.
        at_most: We may take at most this many times as long, or None.
        goal: What we are after, in the same sense.
    """

    against: str
    at_least: float | None = None
    at_most: float | None = None
    goal: float | None = None


def show(title: str, runs: Mapping[str, Sequence[Run]], ours: str, demands: Sequence[Demand] = ()) -> bool:
    """Print a table; returns whether every demand is met."""
    print(f"\n## {title}\n")
    print(f"{'':28} {'wall s':>8} {'min':>7} {'max':>7} {'cpu s':>7} {'MiB':>7}  runs")
    for name, several in runs.items():
        walls = [run.wall for run in several]
        print(
            f"{name:28} {median(several, 'wall'):8.2f} {min(walls):7.2f} {max(walls):7.2f} "
            f"{median(several, 'cpu'):7.2f} {median(several, 'peak'):7.0f}  {len(several)}"
        )
    return all(_demand(runs, ours, demand) for demand in demands)


def _demand(runs: Mapping[str, Sequence[Run]], ours: str, demand: Demand) -> bool:
    mine, theirs = median(runs[ours], "wall"), median(runs[demand.against], "wall")
    if demand.at_most is not None:
        ratio, met = mine / theirs, mine / theirs <= demand.at_most
        print(f"  {ratio:.2f}× the time of {demand.against}; at most {demand.at_most} {_mark(met=met)}")
        return met
    ratio = theirs / mine
    wanted = demand.at_least or 0.0
    goal = f", goal {demand.goal}" if demand.goal else ""
    print(f"  {ratio:.2f}× as fast as {demand.against}; at least {wanted}{goal} {_mark(met=ratio >= wanted)}")
    return ratio >= wanted


def _mark(*, met: bool) -> str:
    return "ok" if met else "NOT MET"
