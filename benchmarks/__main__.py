"""`./run bench [NAME …] [--small] [--rounds N]`; without a name, all."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import feed, files, findings, incremental, monitors, obligations, rate_limit, servers, startup
from benchmarks.incremental import Stores
from tests.services import Kafka, MariaDB, PostgreSQL, SchemaRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("postgresql", "mariadb", "parquet", "memory", "segments", "findings", "rate-limit", "startup", "feed",
         "feed-batches", "obligations", "monitors", "incremental", "incremental-wide",
         "incremental-mariadb", "incremental-mariadbs")  # fmt: skip
SMALL = 20
"""What `--small` divides the sizes by: to see whether it all runs, not how fast."""


class Bench:
    """The benchmarks of one call; servers are started when the first of them needs one."""

    def __init__(self, directory: Path, *, rounds: int, divisor: int) -> None:
        self.directory = directory
        self.rounds = rounds
        self.divisor = divisor
        self._postgresql: PostgreSQL | None = None
        self._mariadb: MariaDB | None = None
        self._kafka: Kafka | None = None
        self._registry: SchemaRegistry | None = None

    @property
    def postgresql(self) -> PostgreSQL:
        """A PostgreSQL server."""
        self._postgresql = self._postgresql or PostgreSQL.start()
        return self._postgresql

    @property
    def mariadb(self) -> MariaDB:
        """A MariaDB server."""
        self._mariadb = self._mariadb or MariaDB.start()
        return self._mariadb

    @property
    def kafka(self) -> Kafka:
        """A Kafka broker."""
        self._kafka = self._kafka or Kafka.start()
        return self._kafka

    @property
    def registry(self) -> SchemaRegistry:
        """A schema registry."""
        self._registry = self._registry or SchemaRegistry.start()
        return self._registry

    def stop(self) -> None:
        """Stop what was started."""
        for server in (self._postgresql, self._mariadb, self._kafka, self._registry):
            if server is not None:
                server.stop()

    def run(self, name: str) -> bool:
        """Run one benchmark; returns whether its demands are met."""
        work = self.directory / name
        work.mkdir()
        jobs: dict[str, Callable[[], bool]] = {
            "postgresql": lambda: servers.compare_postgresql(
                self.postgresql, work, rows=5_000_000 // self.divisor, rounds=self.rounds, differences=[0, 68, 50_000]
            ),
            "mariadb": lambda: servers.compare_mariadb(
                self.postgresql, self.mariadb, work, rows=2_000_000 // self.divisor, rounds=self.rounds,
                differences=[0, 40, 20_000],
            ),
            "parquet": lambda: files.compare_parquet(work, rows=10_000_000 // self.divisor, rounds=self.rounds),
            "memory": lambda: servers.memory(self.postgresql, work, rows=5_000_000 // self.divisor),
            "segments": lambda: servers.segments(
                self.postgresql, work, rows=20_000_000 // self.divisor, rounds=self.rounds
            ),
            "findings": lambda: findings.measure(
                self.postgresql, work, rows=1_000_000 // self.divisor, rounds=min(self.rounds, 1)
            ),
            "rate-limit": lambda: rate_limit.measure(
                self.postgresql, work, rows=2_000_000 // self.divisor, rounds=self.rounds
            ),
            "startup": lambda: startup.measure(self.postgresql, self.mariadb, work, rounds=self.rounds * 3),
            "feed": lambda: feed.compare(
                self.kafka, self.registry, work, events=2_000_000 // self.divisor, rounds=self.rounds
            ),
            "monitors": lambda: monitors.compare(
                self.kafka, self.registry, work, events=2_000_000 // self.divisor, rounds=self.rounds
            ),
            "feed-batches": lambda: feed.batches(
                work, keys=5_000_000 // min(self.divisor, 5), events=6_000_000 // self.divisor
            ),
            "obligations": lambda: obligations.measure(work, outstanding=1_000_000 // self.divisor, batches=20),
            "incremental": lambda: self._incremental(work, Stores(self.postgresql), wide=False),
            "incremental-wide": lambda: self._incremental(work, Stores(self.postgresql)),
            "incremental-mariadb": lambda: self._incremental(work, Stores(self.postgresql, replica=self.mariadb)),
            "incremental-mariadbs": lambda: self._incremental(
                work, Stores(self.postgresql, self.mariadb, self.mariadb)
            ),
        }  # fmt: skip
        return jobs[name]()

    def _incremental(self, work: Path, stores: Stores, *, wide: bool = True) -> bool:
        rows = 5_000_000 // self.divisor
        return incremental.compare(stores, self.kafka, work, rows=rows, rounds=self.rounds, wide=wide)


def main() -> int:
    """Run the named benchmarks, or all; 1 when a demand is not met."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contender (default 3)")
    parser.add_argument("--small", action="store_true", help=f"sizes divided by {SMALL}: does it all run?")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}; medians of whole processes")
    with tempfile.TemporaryDirectory(prefix="auditor-bench-") as directory:
        bench = Bench(Path(directory), rounds=arguments.rounds, divisor=SMALL if arguments.small else 1)
        try:
            met = [bench.run(name) for name in arguments.names or NAMES]
        finally:
            bench.stop()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
