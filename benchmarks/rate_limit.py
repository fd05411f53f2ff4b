"""What `limits.rows_per_second` costs where it does not bind, and what it allows where it does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import orders
from benchmarks.figures import Demand, show
from benchmarks.process import in_turn, median
from benchmarks.servers import audit, fill_postgresql

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import PostgreSQL

FAR_ABOVE = 1_000_000_000
OVERHEAD_AT_MOST = 1.25
BINDING_SECONDS = 20
"""How long a scan takes under the limit that binds."""


def measure(server: PostgreSQL, directory: Path, *, rows: int, rounds: int) -> bool:
    """One table on both sides; the owner has no limit, one that never binds, and one that does."""
    owner, replica = server.fresh_database("owner"), server.fresh_database("replica")
    for url in (owner, replica):
        fill_postgresql(server, url, rows)
    binding = rows // BINDING_SECONDS
    contenders = []
    for name, limit in (("no limit", 0), ("a limit far above", FAR_ABOVE), ("a limit that binds", binding)):
        limits = f"limits: {{rows_per_second: {limit}}}" if limit else ""
        place = directory / name.replace(" ", "-")
        tables = ("public.orders", "public.orders")
        settings = orders.project(place, owner=owner, replica=replica, tables=tables, limits=limits)
        contenders.append(replace(audit(settings), name=name))
    runs = in_turn(contenders, directory, rounds=rounds)
    demand = Demand("no limit", at_most=OVERHEAD_AT_MOST)
    title = f"Rate limit: PostgreSQL against PostgreSQL, {rows:,} rows, {binding:,} rows a second where it binds"
    met = show(title, runs, "a limit far above", [demand])
    seconds = median(runs["a limit that binds"], "wall")
    achieved = rows / seconds
    kept = achieved <= binding
    print(f"  {achieved:,.0f} rows a second of the owner, of {binding:,} allowed {'ok' if kept else 'NOT MET'}")
    return met and kept
