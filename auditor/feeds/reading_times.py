"""When records were read, by the monotonic clock: what is kept of them has the wall clock's time, which may be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

SET_SECONDS = 0.5
"""A wall clock that is further off from the monotonic one than at the batch before was set; else it is but adjusted."""


@dataclass(slots=True)
class _Span:
    """A time in which nobody set the wall clock.

    Attributes:
        first: What it showed when the first batch was read.
        last: The same of the last.
        ahead: Seconds that it was ahead of the monotonic one at least.
        ahead_last: The same at the last batch.
    """

    first: datetime
    last: datetime
    ahead: float
    ahead_last: float


class ReadingTimes:
    """Of one process."""

    def __init__(self) -> None:
        self._spans: list[_Span] = []

    def note(self, wall: datetime, monotonic: float) -> None:
        """A batch is read now."""
        ahead = wall.timestamp() - monotonic
        span = self._spans[-1] if self._spans else None
        if span is None or abs(ahead - span.ahead_last) > SET_SECONDS:
            self._spans.append(_Span(wall, wall, ahead, ahead))
            return
        span.first, span.last = min(span.first, wall), max(span.last, wall)
        span.ahead, span.ahead_last = min(span.ahead, ahead), ahead

    def monotonic(self, seen: datetime) -> float | None:
        """When a batch was read that has this time; the latest such moment, and None where it was not read by us."""
        ahead = [span.ahead for span in self._spans if span.first <= seen <= span.last]
        return seen.timestamp() - min(ahead) if ahead else None
