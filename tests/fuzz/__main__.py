"""`./run fuzz --records N --seed S`: hostile records by the million."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.attack import Outcome, attack

_ROUND = 10_000


def main() -> int:
    """Attack in rounds, each with its own seed, and say what came of it."""
    parser = argparse.ArgumentParser(prog="./run fuzz", description="Throws mutated records at the decoder of feeds.")
    parser.add_argument("--records", type=int, default=1_000_000, help="how many (default 1000000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round of 10000 (default 0)")
    asked = parser.parse_args()
    start, whole = time.monotonic(), Outcome()
    for seed in range(asked.seed, asked.seed + -(-asked.records // _ROUND)):
        outcome = attack(min(_ROUND, asked.records - whole.records), seed)
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
    return bool(whole.failures)


if __name__ == "__main__":
    sys.exit(main())
