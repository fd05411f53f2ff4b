"""Durations as contracts write them: a number and its unit."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

DAYS_MAX = 36_500
"""Longest duration; a hundred years of lag is a typing mistake."""

_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_DURATION = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d)\Z")


def parse_duration(text: str) -> timedelta:
    """Read `250ms`, `30s`, `5m`, `1.5h` or `90d`.

    Raises:
        ValueError: The text is no duration; the message says what one looks like.
    """
    match = _DURATION.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration; expected a number and its unit (ms, s, m, h, d), such as 30s or 5m")
    microseconds = Decimal(match[1]) * _UNITS[match[2]]
    if microseconds > DAYS_MAX * _UNITS["d"]:
        raise ValueError(f"{text!r} is longer than {DAYS_MAX}d")
    if microseconds != int(microseconds):
        raise ValueError(f"{text!r} is finer than a microsecond")
    return timedelta(microseconds=int(microseconds))


def duration_text(duration: timedelta) -> str:
    """The shortest way to write a duration: `5m`, `90s`, `1500ms`."""
    microseconds = duration // timedelta(microseconds=1)
    if not microseconds:
        return "0s"
    for unit in ("d", "h", "m", "s", "ms"):
        if microseconds % _UNITS[unit] == 0:
            return f"{microseconds // _UNITS[unit]}{unit}"
    return f"{(Decimal(microseconds) / 1000).normalize():f}ms"
