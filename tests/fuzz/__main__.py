"""`./run fuzz --records N --seed S`: hostile records by the million."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, TypeVar

from tests.fuzz.attack import Outcome, attack
from tests.fuzz.batches import BatchOutcome, attack_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Came = TypeVar("Came", Outcome, BatchOutcome)

_ROUND = 10_000


def main() -> int:
    """Attack in rounds, each with its own seed, and say what came of it."""
    parser = argparse.ArgumentParser(prog="./run fuzz", description="Throws mutated records at the decoder of feeds.")
    parser.add_argument("--records", type=int, default=1_000_000, help="how many (default 1000000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round of 10000 (default 0)")
    parser.add_argument("--batches", type=int, default=100_000, help="how many in batches, too (default 100000)")
    asked = parser.parse_args()
    return bool(_singly(asked.records, asked.seed) + _in_batches(asked.batches, asked.seed))


def _singly(records: int, first: int) -> int:
    """One by one; returns the number of failures."""
    start, outcomes = time.monotonic(), list(_attacks(attack, records, first, "records"))
    thrown, accepted = sum(one.records for one in outcomes), sum(one.accepted for one in outcomes)
    failures = sum(len(one.failures) for one in outcomes)
    print(
        f"{thrown} mutated records in {time.monotonic() - start:.0f} s: {accepted} read, "
        f"{thrown - accepted} poison, {failures} failures"
    )
    return failures


def _in_batches(records: int, first: int) -> int:
    """In batches, each held to its records one by one; returns the number of failures."""
    start, outcomes = time.monotonic(), list(_attacks(attack_batches, records, first, "records in batches"))
    thrown, at_once = sum(one.records for one in outcomes), sum(one.at_once for one in outcomes)
    poison, failures = sum(one.poison for one in outcomes), sum(len(one.failures) for one in outcomes)
    print(
        f"{thrown} mutated records in batches in {time.monotonic() - start:.0f} s: "
        f"{at_once} read at once, {poison} poison, {failures} failures"
    )
    return failures


def _attacks(throw: Callable[[int, int], Came], records: int, first: int, what: str) -> Iterator[Came]:
    """What comes of each round, told while it goes on; failures at once."""
    for done in range(0, records, _ROUND):
        outcome = throw(min(_ROUND, records - done), first + done // _ROUND)
        for failure in outcome.failures:
            print(failure, flush=True)
        if sys.stderr.isatty():
            print(f"\r{done + outcome.records} {what}", end="", file=sys.stderr)
        yield outcome


if __name__ == "__main__":
    sys.exit(main())
