"""The time that a run has: until its deadline, and within the windows in which its stores may be read.

A window says when reading may *begin*.  A scan that outlives its window is finished: what the store has borne until
then would be lost otherwise, and would have to be borne again the next night.  Looking again at suspects, a few rows by
key, is not bound to windows either, or what was found at the end of a window would never be judged.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING

from contracts.durations import duration_text
from contracts.errors import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from auditor.clock import Clock
    from auditor.quantities import Window
    from reconcilers.workspace import Workspace

DAYS_LOOKED_AHEAD = 2
"""Every window has opened once by then."""


class RunTime:
    """What is left of a run's time.

    Args:
        clock: Tells it.
        workspace: Where the run works; what runs there is ended at the deadline.
        deadline: From now on, or None.
        patience: How long a window may be waited for where there is no deadline.
    """

    def __init__(self, clock: Clock, workspace: Workspace, deadline: timedelta | None, patience: timedelta) -> None:
        self._clock = clock
        self._workspace = workspace
        self._deadline = deadline
        self._patience = patience
        self.ends = inf if deadline is None else clock.monotonic() + deadline.total_seconds()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have everything that still runs at the deadline end there."""
        if self._deadline is None:
            yield
            return
        seconds = min(self._deadline.total_seconds(), threading.TIMEOUT_MAX)
        timer = threading.Timer(seconds, self._workspace.interrupt, (self._over(),))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def check(self) -> None:
        """Go on while there is time.

        Raises:
            DeadlineError: There is none left.
        """
        self._workspace.halt.check()
        if self._clock.monotonic() >= self.ends:
            raise self._over()

    def wait_for_windows(self, windows: Mapping[str, Sequence[Window]], say: Callable[[str], None]) -> None:
        """Wait until every one of some connections may be read.

        Args:
            windows: Of each connection that has any, by its name.
            say: Told what is waited for.

        Raises:
            DeadlineError: That is later than this run can wait.
        """
        now = self._clock.now()
        opening = next_opening(list(windows.values()), now)
        if opening == now:
            return
        closed = "; ".join(_told(name, windows[name]) for name in sorted(windows) if not _is_open(windows[name], now))
        if opening is None:
            raise DeadlineError(f"{closed}: there is no time of day at which all of them may be read", hint=_LONGER)
        wait = (opening - now).total_seconds()
        if wait > self._left():
            raise DeadlineError(
                f"{closed}; it is {now:%H:%M} now, and {opening:%H:%M} is later than this run waits ({self._limit()})",
                hint="start it closer to the window, or give it a longer --deadline or --max-wait",
            )
        say(f"waiting until {opening:%H:%M} UTC: {closed}")
        self._clock.wait_until(self._clock.monotonic() + wait)
        self.check()

    def _left(self) -> float:
        return self._patience.total_seconds() if self._deadline is None else self.ends - self._clock.monotonic()

    def _limit(self) -> str:
        return (
            f"--max-wait {duration_text(self._patience)}"
            if self._deadline is None
            else f"--deadline {duration_text(self._deadline)}"
        )

    def _over(self) -> DeadlineError:
        return DeadlineError(
            f"the run's time was over ({self._limit()})",
            hint="give it a longer --deadline, or name fewer entities",
        )


_LONGER = "let limits.windows of these connections overlap"


def next_opening(windows: Collection[Sequence[Window]], now: datetime) -> datetime | None:
    """The first moment from now on at which a window of each of several stores is open; None where there is none."""
    if all(_is_open(some, now) for some in windows):
        return now
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begins = {window.begin for some in windows for window in some}
    moments = sorted(
        midnight + timedelta(days=day, hours=begin.hour, minutes=begin.minute)
        for begin in begins
        for day in range(DAYS_LOOKED_AHEAD)
    )
    return next((m for m in moments if m > now and all(_is_open(some, m) for some in windows)), None)


def _is_open(windows: Sequence[Window], moment: datetime) -> bool:
    return not windows or any(moment.astimezone(UTC).time() in window for window in windows)


def _told(name: str, windows: Sequence[Window]) -> str:
    return f"{name} may be read at {', '.join(map(str, windows))} UTC (limits.windows)"
