"""A process that records runs: `python -m tests.unit.ledger.writer URL NAME RUNS FINDINGS`.

Writers with different names record the same findings in opposite order, which deadlocks where it can.
"""

from __future__ import annotations

import sys

from auditor.ledger.ledger import Ledger
from tests.unit.ledger.documents import findings, report


def main(url: str, name: str, runs: int, count: int) -> None:
    """Wait for a line on stdin, then open the ledger and record."""
    found = findings(count)
    if name > "m":
        found.reverse()
    print("ready", flush=True)
    sys.stdin.readline()
    with Ledger.open(url) as ledger:
        for number in range(runs):
            ledger.record(report(f"{name}-{number}", number), found)
            print(f"recorded {name}-{number}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
