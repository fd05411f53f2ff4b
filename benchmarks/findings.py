"""What findings cost: the same tables with no, a few and only differences, from the command to the written report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import orders
from benchmarks.figures import show
from benchmarks.process import run
from benchmarks.servers import audit, check_count, fill_postgresql

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.process import Run
    from tests.services import PostgreSQL

PEAK_TIMES_MAX, PEAK_MORE_MIB = 1.5, 256
"""A run in which every row differs may take so many times the memory of one in which none does, and so much more."""


def measure(server: PostgreSQL, directory: Path, *, rows: int, rounds: int) -> bool:
    """PostgreSQL against PostgreSQL; suspects are looked at again, and everything is recorded in an empty ledger."""
    owner, replica = server.fresh_database("owner"), server.fresh_database("replica")
    for url in (owner, replica):
        fill_postgresql(server, url, rows)
    settings = orders.project(directory, owner=owner, replica=replica, tables=("public.orders", "public.orders"))
    runs: dict[str, list[Run]] = {}
    for count in (0, rows // 1000, rows):
        plant = f"UPDATE orders SET status = 'wrong' WHERE {orders.spread(rows, count)}" if count < rows else ""
        plant = plant or "UPDATE orders SET status = 'wrong'"
        server.admin(plant if count else "SELECT 1", "VACUUM FULL orders", "ANALYZE orders", database=replica)
        contender = audit(settings)
        command = [part for part in contender.command if part != "--no-recheck"]
        told = replace(
            contender,
            name=f"{count:,} findings",
            command=[*command, "--recheck-after", "1s"],
            before=lambda: _forget(directory),
        )
        runs[told.name] = [run(told, directory / f"{count}-{number}.log") for number in range(rounds)]
        check_count(settings, count)
    none, *_, all_of_them = (max(one.peak for one in several) for several in runs.values())
    show(f"Findings: PostgreSQL against PostgreSQL, {rows:,} rows", runs, f"{rows:,} findings")
    allowed = PEAK_TIMES_MAX * none + PEAK_MORE_MIB
    met = all_of_them <= allowed
    print(f"  {all_of_them:.0f} MiB beside {none:.0f} without any; at most {allowed:.0f} {'ok' if met else 'NOT MET'}")
    return met


def _forget(directory: Path) -> None:
    """Begin with an empty ledger: everything is new."""
    for file in directory.glob("auditor.db*"):
        file.unlink()
