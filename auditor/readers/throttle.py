"""How fast rows may be read from one store: a token bucket for all of its readers together.

A batch that has come is let through after the time in which it may come, so that no more than one batch of each reader
is ever ahead of its time.  Whoever sends more waits: streams have room for a few batches, and then the store's own
sending stops.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconcilers.halt import Halt

BURST_SECONDS = 1.0
"""What was not read in this time before now may be read at once; what was not read earlier is forfeit."""


BATCHES_PER_SECOND = 4
"""How finely rows are let through, where a reader can choose the size of its batches."""

BATCH_ROWS_MIN = 256


class Throttle:
    """One store's limit.

    Args:
        rows_per_second: Most rows a second, over all of its readers.

    Attributes:
        batch_rows: Rows that readers are to let through at once.
    """

    def __init__(self, rows_per_second: int) -> None:
        self._rate = rows_per_second
        self.batch_rows = max(rows_per_second // BATCHES_PER_SECOND, BATCH_ROWS_MIN)
        self._lock = threading.Lock()
        self._earned_until = 0.0

    def take(self, rows: int, halt: Halt) -> None:
        """Wait until these rows, which have just come, may go on.

        Raises:
            AuditorError: The run is to end.
        """
        now = time.monotonic()
        with self._lock:
            self._earned_until = max(self._earned_until, now - BURST_SECONDS) + rows / self._rate
            early = self._earned_until - now
        if early > 0:
            halt.pause(early)
        else:
            halt.check()
