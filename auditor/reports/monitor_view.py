"""What a monitor's terminal shows while it goes on: how fast it reads, how far it is behind, what is owed, what drifts.

Whatever there is fits the narrowest terminal: of many partitions, and of many copies, those with the most are shown,
and how many more there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.reports.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rich.table import Table

SHOWN_MAX = 5
"""Partitions, and copies, that are shown by name: with both, and all else, the view takes less than 24 lines."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What is shown beside the progress itself.

    Attributes:
        rate: Records a second since the last time; None: nobody knows yet.
        told: Findings that were told.
        troubles: What does not answer just now.
    """

    rate: float | None = None
    told: int = 0
    troubles: Collection[str] = ()


def monitor_view(progress: Mapping[str, Any], glance: Glance) -> Table:
    """The members of a `progress` event as a table."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")

    def row(name: str, what: str, number: str = "", style: str = "") -> None:
        table.add_row(Text(name, "bold"), number, Text(what, style))

    kept = sum(progress["records"].values())
    speed = "" if glance.rate is None else f"{glance.rate:,.0f} a second"
    row("records", speed, f"{kept:,}")
    _largest(row, "behind", progress["lag"], "partition", "partitions")
    _largest(row, "owed", progress["open"], "copy", "copies")
    row("suspects", "", f"{progress['suspects']:,}")
    row("drift", f"{glance.told:,} told since it was started", f"{progress['drifting']:,}")
    if glance.troubles:
        row("trouble", ", ".join(sorted(glance.troubles)), style="red")
    return table


def _largest(row: Any, name: str, counts: Mapping[str, int], noun: str, plural: str) -> None:
    """The sum, and those that have the most of it."""
    some = sorted(((count, what) for what, count in counts.items() if count), reverse=True)
    every = counted(len(counts), noun, plural)
    where = f"in {len(some):,} of {every}" if some else f"nothing, in {every}"
    row(name, where, f"{sum(count for count, _ in some):,}")
    for count, what in some[:SHOWN_MAX]:
        row("", what, f"{count:,}", "dim")
    if len(some) > SHOWN_MAX:
        row("", f"and {len(some) - SHOWN_MAX} more", f"{sum(count for count, _ in some[SHOWN_MAX:]):,}", "dim")
