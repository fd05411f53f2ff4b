"""Sizes and times of day as people write them in settings.  Durations are those of contracts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from decimal import Decimal

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)\Z", re.IGNORECASE)
# As DuckDB counts, which is who obeys most of them: KB is 1000 bytes, KiB is 1024.
_SIZE_UNITS = {"b": 1} | {
    f"{prefix}{suffix}": base ** (power + 1)
    for power, prefix in enumerate("kmgt")
    for suffix, base in (("b", 1000), ("ib", 1024))
}

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)\Z")


def parse_size(text: str) -> int:
    """Read `512MB`, `1GB` (powers of 1000, as in DuckDB) or `1GiB` (powers of 1024) as bytes.

    Raises:
        ValueError: The text is no size, or one of no bytes; the message says what one looks like.
    """
    match = _SIZE.match(text.strip())
    size = int(Decimal(match[1]) * _SIZE_UNITS[match[2].lower()]) if match else 0
    if not 0 < size < 2**63:
        raise ValueError("expected a size with its unit (KB, MB, GB, TB, or KiB to TiB), such as 512MB or 1GB")
    return size


@dataclass(frozen=True, slots=True)
class Window:
    """A part of every day, in UTC; one that ends before it begins runs over midnight."""

    begin: time
    end: time

    def __contains__(self, moment: time) -> bool:
        if self.begin <= self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"


def parse_window(text: str) -> Window:
    """Read `01:00-05:00`.

    Raises:
        ValueError: The text is no such window, or an empty one.
    """
    match = _WINDOW.match(text.strip())
    if match is None or match.group(1, 2) == match.group(3, 4):
        raise ValueError('expected a part of the day in UTC, such as "01:00-05:00"')
    begin_hour, begin_minute, end_hour, end_minute = map(int, match.groups())
    return Window(time(begin_hour, begin_minute), time(end_hour, end_minute))
