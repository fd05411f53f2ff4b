"""Reading feeds in tests: to their end, or until something has come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from auditor.feeds.ports import RecordSource
    from auditor.feeds.record import Record

_SECONDS = 120.0


def read_to_end(source: RecordSource) -> list[Record]:
    """Everything up to where the partitions end now, control records passed."""
    end = source.end(source.partitions())
    return read_until(source, lambda _: all(source.position(partition) >= end[partition] for partition in end))


def read_until(source: RecordSource, enough: Callable[[Sequence[Record]], bool]) -> list[Record]:
    """What comes until it is enough."""
    found: list[Record] = []
    end = time.monotonic() + _SECONDS
    while not enough(found):
        assert time.monotonic() < end, f"{len(found)} records within {_SECONDS:g} s were not enough"
        found += source.poll(0.2)
    return found
