"""PostgreSQL against PostgreSQL and PostgreSQL against MariaDB, beside reladiff and the floor of two COPYs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import orders, rival
from benchmarks.figures import Demand, show
from benchmarks.process import Contender, in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.services import MariaDB, PostgreSQL

POSTGRESQL_DEMANDS = {0: (3.0, 4.0), 68: (6.0, 8.0), 50_000: (8.0, 14.0)}
"""Differences to (at least, goal) times as fast as reladiff, at 5 million rows."""

MARIADB_DEMANDS = {0: (1.4, 2.0), 40: (3.5, 5.0), 20_000: (7.0, 10.0)}
"""The same at 2 million rows."""

FLOOR_AT_MOST = 1.6
"""Times that two concurrent binary COPYs to nowhere take, without many differences."""


def audit(settings: Path, *options: str) -> Contender:
    """Our whole process, from command to written report; the ledger stays from run to run, as a nightly job's does."""
    report = settings.parent / "report.json"
    command = [str(Path(sys.executable).with_name("audit")), "reconcile", "--config", str(settings), "--no-recheck"]
    return Contender("audit", [*command, "--format", "json", "--out", str(report), *options])


def reladiff(bin_directory: Path, sides: Sequence[tuple[str, str]]) -> Contender:
    """The rival, on all columns of both tables."""
    places = [part for side in sides for part in side]
    columns = [option for column in orders.COLUMNS[1:] for option in ("-c", column)]
    return Contender("reladiff", [str(bin_directory / "reladiff"), *places, "-k", "id", *columns, "--json"])


def copy_floor(urls: Sequence[str], table: str) -> Contender:
    """What no reader can beat: both tables copied out at once, in binary, to nowhere."""
    copy = f"COPY {table} TO STDOUT (FORMAT binary)"
    script = " & ".join(f"psql -q -d '{url}' -c '{copy}' > /dev/null" for url in urls)
    return Contender("two COPYs to nowhere", ["sh", "-c", f"{script} & wait"])


def compare_postgresql(
    server: PostgreSQL, directory: Path, *, rows: int, rounds: int, differences: Sequence[int]
) -> bool:
    """PostgreSQL against PostgreSQL."""
    owner, replica = server.fresh_database("owner"), server.fresh_database("replica")
    for url in (owner, replica):
        fill_postgresql(server, url, rows)
    bin_directory = rival.environment("reladiff", rival.RELADIFF)
    settings = orders.project(directory, owner=owner, replica=replica, tables=("public.orders", "public.orders"))
    met = True
    for count in differences:
        restore = f"UPDATE orders SET status = 'wrong' WHERE {orders.spread(rows, count)}" if count else "SELECT 1"
        server.admin(restore, "VACUUM ANALYZE orders", database=replica)
        contenders = [audit(settings), reladiff(bin_directory, [(owner, "orders"), (replica, "orders")])]
        demands = [Demand("reladiff", at_least=POSTGRESQL_DEMANDS[count][0], goal=POSTGRESQL_DEMANDS[count][1])]
        if count < rows // 1000:
            contenders.append(copy_floor([owner, replica], "orders"))
            demands.append(Demand("two COPYs to nowhere", at_most=FLOOR_AT_MOST))
        runs = in_turn(contenders, directory, rounds=rounds)
        met &= show(f"PostgreSQL against PostgreSQL, {rows:,} rows, {count:,} differ", runs, "audit", demands)
        check_count(settings, count)
        undo = "UPDATE orders SET status = (array['new','paid','shipped','done'])[1 + id % 4] WHERE status = 'wrong'"
        server.admin(undo, "VACUUM FULL orders", "ANALYZE orders", database=replica)
    return met


def compare_mariadb(
    postgresql: PostgreSQL, mariadb: MariaDB, directory: Path, *, rows: int, rounds: int, differences: Sequence[int]
) -> bool:
    """PostgreSQL against MariaDB."""
    owner, replica = postgresql.fresh_database("owner"), mariadb.fresh_database("replica")
    fill_postgresql(postgresql, owner, rows)
    fill_mariadb(mariadb, replica, rows)
    bin_directory = rival.environment("reladiff", rival.RELADIFF)
    name = mariadb.database_name(replica)
    settings = orders.project(directory, owner=owner, replica=replica, tables=("public.orders", "orders"))
    met = True
    for count in differences:
        if count:
            mariadb.admin(f"UPDATE orders SET status = 'wrong' WHERE {orders.spread(rows, count)}", database=name)
        rival_url = replica.replace("mariadb://", "mysql://")
        contenders = [audit(settings), reladiff(bin_directory, [(owner, "orders"), (rival_url, "orders")])]
        at_least, goal = MARIADB_DEMANDS[count]
        runs = in_turn(contenders, directory, rounds=rounds)
        title = f"PostgreSQL against MariaDB, {rows:,} rows, {count:,} differ"
        met &= show(title, runs, "audit", [Demand("reladiff", at_least=at_least, goal=goal)])
        check_count(settings, count)
        mariadb.admin(
            "UPDATE orders SET status = ELT(1 + id % 4, 'new','paid','shipped','done') WHERE status = 'wrong'",
            database=name,
        )
    return met


def memory(server: PostgreSQL, directory: Path, *, rows: int) -> bool:
    """Peak memory of a run whose workspace may use 512 MB."""
    owner, replica = server.fresh_database("owner"), server.fresh_database("replica")
    for url in (owner, replica):
        fill_postgresql(server, url, rows)
    settings = orders.project(
        directory, owner=owner, replica=replica, tables=("public.orders", "public.orders"), memory="512MB"
    )
    runs = in_turn([audit(settings)], directory, rounds=1)
    show(f"Memory: PostgreSQL against PostgreSQL, {rows:,} rows, memory_limit 512MB", runs, "audit")
    met = runs["audit"][0].peak <= MEMORY_AT_MOST_MIB
    print(f"  at most {MEMORY_AT_MOST_MIB} MiB: {'ok' if met else 'NOT MET'}")
    return met


MEMORY_AT_MOST_MIB = 700

SEGMENTS = 8
"""Of the table that is read in segments."""

SEGMENTS_AT_MOST = 1.3
"""Times that one scan takes."""

SEGMENT_DIFFERENCES = 40


def segments(server: PostgreSQL, directory: Path, *, rows: int, rounds: int) -> bool:
    """The same table in segments and in one scan, in turn; four columns of an order, so that it is made in minutes."""
    owner, replica = server.fresh_database("owner"), server.fresh_database("replica")
    for url in (owner, replica):
        server.admin(
            orders.NARROW_TABLE.format(table="orders"), orders.NARROW_ROWS.format(table="orders", rows=rows),
            "VACUUM ANALYZE orders", database=url,
        )  # fmt: skip
    spoil = f"UPDATE orders SET status = 'wrong' WHERE {orders.spread(rows, SEGMENT_DIFFERENCES)}"
    server.admin(spoil, "VACUUM ANALYZE orders", database=replica)
    settings = {}
    for name, limits in (("one scan", ""), ("segments", f"limits: {{segment_rows: {rows // SEGMENTS + 1}}}")):
        settings[name] = orders.project(
            directory / name.replace(" ", "-"), owner=owner, replica=replica, tables=("public.orders", "public.orders"),
            contract=orders.NARROW_CONTRACT, limits=limits,
        )  # fmt: skip
    contenders = [replace(audit(path), name=name) for name, path in settings.items()]
    runs = in_turn(contenders, directory, rounds=rounds)
    title = f"Segments: PostgreSQL against PostgreSQL, {rows:,} rows, {SEGMENT_DIFFERENCES} differ"
    met = show(title, runs, "segments", [Demand("one scan", at_most=SEGMENTS_AT_MOST)])
    for path in settings.values():
        check_count(path, SEGMENT_DIFFERENCES)
    return met


def fill_postgresql(server: PostgreSQL, url: str, rows: int, *, wide: bool = False) -> None:
    """Make and fill the table: of nine columns, or of twenty-four."""
    table, values = (orders.WIDE_TABLE, orders.WIDE_ROWS) if wide else (orders.POSTGRESQL_TABLE, orders.POSTGRESQL_ROWS)
    filled = values.format(table="orders", rows=rows)
    server.admin(table.format(table="orders"), filled, "VACUUM ANALYZE orders", database=url)


def fill_mariadb(server: MariaDB, url: str, rows: int, *, wide: bool = False) -> None:
    """Make and fill the same table there."""
    table, values = (
        (orders.MARIADB_WIDE_TABLE, orders.MARIADB_WIDE_ROWS) if wide else (orders.MARIADB_TABLE, orders.MARIADB_ROWS)
    )
    filled = values.format(table="orders", rows=rows)
    server.admin(table.format(table="orders"), filled, "ANALYZE TABLE orders", database=url)


def check_count(settings: Path, expected: int) -> None:
    """A fast answer that is wrong is none: the report must have found exactly what was planted.

    Raises:
        RuntimeError: It did not.
    """
    import json

    document = json.loads((settings.parent / "report.json").read_text())
    if len(document["findings"]) != expected:
        raise RuntimeError(f"expected {expected} findings, the report has {len(document['findings'])}")


def psql_available() -> bool:
    """Whether the floor can be measured."""
    return (
        subprocess.run(["sh", "-c", "command -v psql"], capture_output=True, check=False, env=os.environ).returncode
        == 0
    )
