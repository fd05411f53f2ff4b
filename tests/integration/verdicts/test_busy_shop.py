"""Under full load exactly what is planted or stuck is drift, run after run, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.verdicts.busy_shop import (
    CONTRACT,
    HOT,
    HOT_AND_STUCK,
    MISSING,
    ORPHANS,
    STUCK,
    WRONG,
    BusyShop,
)

if TYPE_CHECKING:
    from tests.services import MariaDB, PostgreSQL, PostgreSQLStandby

RUNS = 20
AT_ONCE = 4
SEGMENT_ROWS = 1_000
REPLICAS = ("warehouse", "reporting", "mobile")
RUN_SECONDS_MAX = 240

SETTINGS = """\
version: 1
contracts: contracts
connections:
{connections}
ledger: {{url: "sqlite:///auditor{number}.db"}}
workspace: {{directory: .auditor{number}, memory_limit: 256MB, threads: 1}}
"""


def test_exactly_what_is_planted_or_stuck_is_drift(
    postgres: PostgreSQL, postgres_standby: PostgreSQLStandby, mariadb: MariaDB, tmp_path: Path
) -> None:
    """Rows in flight are never drift, a stuck row always is, however hot; only hot rows may stay undecided.

    Every other run reads in segments.  The owner is scanned on its standby, and suspects are confirmed on the primary.
    """
    shop = BusyShop(postgres, mariadb, tmp_path)
    shop.fill()
    postgres_standby.catch_up()
    standby = postgres_standby.url_of(postgres_standby.database_name(shop.owner_url))
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT)
    beside = {"orders": f', standby: "{standby}"'}
    for number in range(RUNS):
        cut = f", limits: {{segment_rows: {SEGMENT_ROWS}}}" if number % 2 else ""
        connections = "\n".join(
            f'  {name}: {{url: "{url}"{beside.get(name, "")}{cut}}}' for name, url in shop.urls.items()
        )
        (tmp_path / f"auditor{number}.yaml").write_text(SETTINGS.format(connections=connections, number=number))
    with shop.open(), ThreadPoolExecutor(AT_ONCE) as pool:
        reports = list(pool.map(lambda number: audit(tmp_path, number), range(RUNS)))
    assert shop.writes > 1_000
    overdue = {(name, key) for name, copy in zip(REPLICAS, shop.replications, strict=True) for key in copy.overdue}
    for number, report in enumerate(reports):
        check(report, overdue)
        assert ("segments of id" in str(report["entities"][0]["owner"]["coverage"])) == bool(number % 2)


def audit(directory: Path, number: int) -> dict[str, Any]:
    """One run of the nightly job, as a scheduler starts it."""
    command = [str(Path(sys.executable).with_name("audit")), "reconcile", "--config", f"auditor{number}.yaml"]
    run = subprocess.run(
        [*command, "--format", "json"], cwd=directory, capture_output=True, check=False, timeout=RUN_SECONDS_MAX
    )
    assert run.returncode in (1, 2), run.stderr.decode()
    report: dict[str, Any] = json.loads(run.stdout)
    return report


def check(report: dict[str, Any], overdue: set[tuple[str, int]]) -> None:
    """Every key with the verdict that it deserves.

    A machine at its limits brings a change later than the lag bound: then it was drift, and may have been said.
    """
    found: dict[str, set[tuple[str, int, str]]] = {}
    for finding in report["findings"]:
        place = finding["replica"], int(finding["key"]["id"]), finding["divergence"]
        if place[:2] in overdue:
            continue
        found.setdefault(finding["verdict"], set()).add(place)
    drift = found.pop("persistent")
    certain = {
        (replica, key, divergence)
        for replica in REPLICAS
        for keys, divergence in ((MISSING, "missing"), (WRONG, "mismatch"), (STUCK, "mismatch"), (ORPHANS, "orphan"))
        for key in keys
    }
    stuck_and_hot = {(replica, key, "mismatch") for replica in REPLICAS for key in HOT_AND_STUCK}
    assert certain <= drift
    assert drift == certain | stuck_and_hot
    undecided = found.pop("undecided", set())
    assert {key for _, key, _ in undecided} <= set(HOT)
    assert set(found) <= {"in_flight", "healed"}
    assert report["entities"][0]["replicas"][0]["coverage"]["complete"]
