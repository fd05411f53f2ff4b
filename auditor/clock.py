"""Time as the auditor sees it: the wall clock for people, a monotonic clock for lag bounds, and waiting.

Nothing in the program sleeps: it waits for a condition, with a deadline, through a clock.  `ManualClock` is part of the
product, so that tests and simulations run the same code with time of their own making.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_SECONDS = 0.1
"""How often a condition is looked at while waiting: far below any lag bound, and next to no work."""


MANUAL_STEP_SECONDS = 1.0
MANUAL_STEPS = 1000
"""A wait on a manual clock looks at its condition every second, and about so many times where it is long."""


class Clock(Protocol):
    """What the program may know about time."""

    def now(self) -> datetime:
        """The wall clock, in UTC; for people and for names, never for measuring."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""
        ...

    def wait_until(self, deadline: float, condition: Callable[[], bool] | None = None) -> bool:
        """Wait until the condition holds, at most until `monotonic()` reads `deadline`.

        Args:
            deadline: On the monotonic clock; one in the past still looks at the condition once.
            condition: Asked again and again, so let it be cheap.  None: just wait for the deadline.

        Returns:
            Whether the condition held.

        Raises:
            KeyboardInterrupt: Ctrl-C, or somebody called `interrupt`; at once, whatever is left of the wait.
        """
        ...


class SystemClock:
    """The computer's clocks."""

    def __init__(self) -> None:
        self._interrupted = threading.Event()

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def wait_until(self, deadline: float, condition: Callable[[], bool] | None = None) -> bool:
        """Wait for the condition or the deadline; see `Clock.wait_until`."""
        while condition is None or not condition():
            left = deadline - self.monotonic()
            if left <= 0:
                return False
            pause = left if condition is None else min(left, POLL_SECONDS)
            # Python lets Ctrl-C end this in the main thread; the event ends it in every other.
            if self._interrupted.wait(min(pause, threading.TIMEOUT_MAX)):
                raise KeyboardInterrupt
        return True

    def interrupt(self) -> None:
        """End every wait on this clock, now and from now on."""
        self._interrupted.set()


class ShiftedClock:
    """Another clock, whose wall clock is set right.

    Args:
        clock: The other one.
        ahead: How far the right time is ahead of it.
    """

    def __init__(self, clock: Clock, ahead: timedelta) -> None:
        self._clock = clock
        self._ahead = ahead

    def now(self) -> datetime:
        """The right wall clock."""
        return self._clock.now() + self._ahead

    def monotonic(self) -> float:
        """See `Clock.monotonic`: that needs no setting right."""
        return self._clock.monotonic()

    def wait_until(self, deadline: float, condition: Callable[[], bool] | None = None) -> bool:
        """See `Clock.wait_until`."""
        return self._clock.wait_until(deadline, condition)


class ManualClock:
    """Time that passes only when somebody waits or advances it.  For one thread.

    Waiting returns at once: the clock jumps, step by step, and what was planned with `at` happens on the way.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._seconds = 0.0
        self._plans: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """The start and all the time that has passed since."""
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Seconds that have passed."""
        return self._seconds

    def at(self, moment: float, action: Callable[[], object]) -> None:
        """Plan an action for when `monotonic()` reads `moment`; several at one moment happen in the order planned."""
        heapq.heappush(self._plans, (moment, next(self._order), action))

    def advance(self, seconds: float) -> None:
        """Let time pass, with everything that was planned for it."""
        end = self._seconds + seconds
        while self._plans and self._plans[0][0] <= end:
            moment, _, action = heapq.heappop(self._plans)
            self._seconds = max(self._seconds, moment)
            action()
        self._seconds = max(self._seconds, end)

    def wait_until(self, deadline: float, condition: Callable[[], bool] | None = None) -> bool:
        """Let time pass until the condition holds or the deadline is reached; see `Clock.wait_until`."""
        while condition is None or not condition():
            if self._seconds >= deadline:
                return False
            planned = self._plans[0][0] if self._plans else deadline
            step = deadline - self._seconds if condition is None else self._step(deadline)
            self.advance(max(0.0, min(step, planned - self._seconds)))
        return True

    def _step(self, deadline: float) -> float:
        """How far to jump before a condition, which may be about the time itself, is looked at again."""
        left = deadline - self._seconds
        return min(left, max(MANUAL_STEP_SECONDS, left / MANUAL_STEPS))
