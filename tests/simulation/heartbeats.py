"""The heartbeats of a simulated connector, as `auditor.feeds.heartbeats.Heartbeats` tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.simulation.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.clocks import WallClock
    from tests.simulation.connector import Connector


@dataclass
class SimulatedHeartbeats:
    """Of one connector.

    Attributes:
        connector: Whose.
        wall: Its clock.
        now: The true one.
        every: Seconds from one to the next; 0: it has none.
        recorded: The feed is none.
    """

    connector: Connector
    wall: WallClock
    now: Callable[[], float]
    every: float
    recorded: bool = False
    _last: float = 0.0

    def latest(self) -> Mapping[str, datetime]:
        """The last one, if there is any."""
        if not self.every:
            return {}
        lived = self.now() if self.connector.down_since is None else self.connector.down_since
        self._last = max(self._last, lived // self.every * self.every)
        return {NAME: datetime.fromtimestamp(self.wall.at(self._last), UTC)}
