"""How long a person waits: `audit --help`, and `audit entity` on PostgreSQL and MariaDB, as whole processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import orders
from benchmarks.figures import show
from benchmarks.process import Contender, in_turn, median
from benchmarks.servers import fill_postgresql

if TYPE_CHECKING:
    from tests.services import MariaDB, PostgreSQL

HELP_AT_MOST_SECONDS = 0.3
ENTITY_AT_MOST_SECONDS = 0.8
ROWS = 100_000


def measure(postgresql: PostgreSQL, mariadb: MariaDB, directory: Path, *, rounds: int) -> bool:
    """Both commands, several times."""
    owner, replica = postgresql.fresh_database("owner"), mariadb.fresh_database("replica")
    fill_postgresql(postgresql, owner, ROWS)
    mariadb.admin(
        orders.MARIADB_TABLE.format(table="orders"),
        orders.MARIADB_ROWS.format(table="orders", rows=ROWS),
        database=replica,
    )
    settings = orders.project(directory, owner=owner, replica=replica, tables=("public.orders", "orders"))
    program = str(Path(sys.executable).with_name("audit"))
    contenders = [
        Contender("audit --help", [program, "--help"], codes=(0,)),
        Contender("audit entity", [program, "entity", "order", "42", "--config", str(settings)], codes=(0,)),
        Contender("python -c pass", [sys.executable, "-c", "pass"], codes=(0,)),
    ]
    runs = in_turn(contenders, directory, rounds=rounds)
    show("Start-up", runs, "audit --help")
    met = True
    for name, at_most in (("audit --help", HELP_AT_MOST_SECONDS), ("audit entity", ENTITY_AT_MOST_SECONDS)):
        seconds = median(runs[name], "wall")
        met &= seconds <= at_most
        print(f"  {name}: {seconds:.2f} s, at most {at_most} {'ok' if seconds <= at_most else 'NOT MET'}")
    return met
