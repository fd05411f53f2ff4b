"""`./run fuzz --records N --seed S`: hostile records by the million."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.attack import Outcome, attack
from tests.fuzz.batches import BatchOutcome, attack_batches

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
    start, whole = time.monotonic(), Outcome()
    for seed in range(first, first + -(-records // _ROUND)):
        outcome = attack(min(_ROUND, records - whole.records), seed)
        whole.records += outcome.records
        whole.accepted += outcome.accepted
        for failure in outcome.failures:
            print(failure, flush=True)
        whole.failures += outcome.failures
        if sys.stderr.isatty():
            print(f"\r{whole.records} records", end="", file=sys.stderr)
    print(
        f"{whole.records} mutated records in {time.monotonic() - start:.0f} s: {whole.accepted} read, "
        f"{whole.records - whole.accepted} poison, {len(whole.failures)} failures"
    )
    return len(whole.failures)


def _in_batches(records: int, first: int) -> int:
    """In batches, each held to its records one by one; returns the number of failures."""
    start, whole = time.monotonic(), BatchOutcome(0, 0, 0, [])
    for seed in range(first, first + -(-records // _ROUND)):
        outcome = attack_batches(min(_ROUND, records - whole.records), seed)
        whole.records += outcome.records
        whole.at_once += outcome.at_once
        whole.poison += outcome.poison
        for failure in outcome.failures:
            print(failure, flush=True)
        whole.failures += outcome.failures
        if sys.stderr.isatty():
            print(f"\r{whole.records} records in batches", end="", file=sys.stderr)
    print(
        f"{whole.records} mutated records in batches in {time.monotonic() - start:.0f} s: "
        f"{whole.at_once} read at once, {whole.poison} poison, {len(whole.failures)} failures"
    )
    return len(whole.failures)


if __name__ == "__main__":
    sys.exit(main())
