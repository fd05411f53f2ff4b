"""One monitor beside two that share its topic as a group: whole programs, on a real broker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.events import COLUMNS, PARTITIONS
from benchmarks.feed import produce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.services import Kafka, SchemaRegistry

TOPIC = "shop.public.shared"
FASTER_MIN = 1.4
"""How much sooner two members are through than one, on two cores."""

_PROGRAM = Path(sys.executable).with_name("audit")
_CONTRACT = f"""\
entity: order
version: 1
team: t
owner: {{service: orders, dataset: orders_db/orders, feed: {{name: shop, topic: {TOPIC}}}}}
key: [id]
fields:
  id: {{type: int}}
  customer_id: {{type: int}}
  status: {{type: text}}
  total: {{type: "decimal(12,2)"}}
  note: {{type: text}}
  paid: {{type: bool}}
  updated_at: {{type: timestamp(local)}}
replicas:
  - {{service: copy, dataset: read_model/orders, lag_bound: 1d}}
"""


def compare(kafka: Kafka, registry: SchemaRegistry, directory: Path, *, events: int, rounds: int) -> bool:
    """From the start of the programs until each has read what is its own; nothing is due to be looked at by then."""
    size = produce(kafka, registry, events, TOPIC)
    print(f"\n## Monitors: {events:,} events of {size:.0f} bytes, {PARTITIONS} partitions\n")
    print(f"{'':28} {'seconds':>8} {'events/s':>9} {'CPU s':>7}")
    walls: dict[int, list[float]] = {1: [], 2: []}
    busy: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds):
        for members in (1, 2):
            work = directory / f"{number}-{members}"
            _set_up(kafka, registry, work, group=f"bench-{number}-{members}")
            wall, cpu = _followed(work, members, events)
            walls[members].append(wall)
            busy[members].append(cpu)
            shutil.rmtree(work)
    for members, seconds in walls.items():
        wall, cpu = statistics.median(seconds), statistics.median(busy[members])
        name = "one monitor" if members == 1 else "two members of a group"
        print(f"{name:28} {wall:8.1f} {events / wall:9,.0f} {cpu:7.1f}")
    faster = statistics.median(walls[1]) / statistics.median(walls[2])
    print(f"  {faster:.2f} times as fast; at least {FASTER_MIN} {'✓' if faster >= FASTER_MIN else '✗'}")
    return faster >= FASTER_MIN


def _set_up(kafka: Kafka, registry: SchemaRegistry, work: Path, *, group: str) -> None:
    (work / "contracts").mkdir(parents=True)
    (work / "contracts" / "order.yaml").write_text(_CONTRACT)
    (work / "auditor.yaml").write_text(
        "version: 1\ncontracts: contracts\nconnections:\n"
        '  orders_db: {url: "sqlite:///orders.db"}\n  read_model: {url: "sqlite:///copy.db"}\n'
        f'feeds:\n  shop: {{type: kafka, bootstrap_servers: ["{kafka.url}"], group_id: "{group}", '
        f'schema_registry: {{url: "{registry.url}", format: confluent}}}}\n'
    )
    for name in ("orders.db", "copy.db"):
        with closing(sqlite3.connect(work / name)) as db, db:
            db.execute(f"CREATE TABLE orders ({', '.join(COLUMNS)})")


def _followed(work: Path, members: int, events: int) -> tuple[float, float]:
    """Seconds until all is read, and seconds of the processor that all of them took."""
    names = [["--member", f"m{number}"] for number in range(members)] if members > 1 else [[]]
    began = time.time()
    processes = [_started(work, options) for options in names]
    try:
        ended = max(_read(process) for process in processes)
    finally:
        cpu = sum(map(_stopped, processes))
    kept = _kept(work)
    if kept != events:
        raise AssertionError(f"{members} monitors have kept {kept} of {events} events")
    return ended - began, cpu


def _started(work: Path, options: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [_PROGRAM, "monitor", "--format", "json", *options], cwd=work, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )  # fmt: skip


def _read(process: subprocess.Popen[str]) -> float:
    """When the program had read everything that it was given."""
    for event in _events(process):
        if event["event"] == "progress" and not any(event["lag"].values()):
            return datetime.fromisoformat(event["at"]).timestamp()
    raise AssertionError(f"the monitor has ended: {process.wait()}")


def _events(process: subprocess.Popen[str]) -> Any:
    if process.stdout is None:
        raise TypeError("its events are not read")
    for line in process.stdout:
        yield json.loads(line)


def _stopped(process: subprocess.Popen[str]) -> float:
    """End a program; returns the seconds of the processor that it took."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    if process.stdout is not None:
        process.stdout.close()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def _kept(work: Path) -> int:
    """How many events all members together have kept of the partitions that they read: each once."""
    import duckdb

    offsets: dict[tuple[str, int], int] = {}
    for path in (work / ".auditor" / "feeds" / "monitor").rglob("*.duckdb"):
        with duckdb.connect(str(path), read_only=True) as db:
            for topic, part, following in db.execute("SELECT topic, part, next_offset FROM offsets").fetchall():
                offsets[topic, part] = max(following, offsets.get((topic, part), 0))
    return sum(offsets.values())
