"""The clocks of a world: each shows its own time, is apart from the true one, and may be set while the world runs."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from auditor.clock import ManualClock

if TYPE_CHECKING:
    from datetime import datetime


class WallClock:
    """A clock that somebody sets.

    Args:
        start: What it shows when the world begins, in seconds since 1970.
    """

    def __init__(self, start: float) -> None:
        self.start = start
        self._moments, self._ahead = [float("-inf")], [0.0]

    def set(self, moment: float, seconds: float) -> None:
        """Set it forwards, or back."""
        self._moments.append(moment)
        self._ahead.append(self._ahead[-1] + seconds)

    def at(self, moment: float) -> float:
        """What it shows at a moment of the true one, in seconds since 1970."""
        return self.start + moment + self._ahead[bisect_right(self._moments, moment) - 1]

    @property
    def was_set(self) -> bool:
        """Whether it ever was."""
        return len(self._moments) > 1


class AuditorsClock(ManualClock):
    """The auditor's: its monotonic clock is the true one, its wall clock may be set."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.wall = WallClock(start.timestamp())
        self._shown: dict[datetime, float] = {}

    def now(self) -> datetime:
        """What the wall clock shows."""
        shown = super().now()
        if self.wall.was_set:
            shown += timedelta(seconds=self.wall.at(self.monotonic()) - self.wall.start - self.monotonic())
        self._shown[shown] = self.monotonic()
        return shown

    def moment(self, shown: datetime) -> float:
        """When it showed a time last, on the true clock."""
        return self._shown[shown.astimezone(UTC)]
