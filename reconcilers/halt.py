"""The end of a run before its time: asked for once, heard by every thread that works for it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts.errors import AuditorError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Halt:
    """Whether the run is to end now, and why."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._reason: AuditorError | None = None
        self._ends: set[Callable[[], None]] = set()

    @property
    def reason(self) -> AuditorError | None:
        """What the run was ended with, or None while it goes on."""
        return self._reason

    def stop(self, reason: AuditorError | None = None) -> None:
        """End the run; the first reason counts.  From any thread, as often as somebody likes."""
        self._reason = self._reason or reason or StoreError("the run was interrupted", hint="run again")
        self._asked.set()
        for end in list(self._ends):
            end()

    def add(self, more: str) -> None:
        """Say more about why, once."""
        reason = self._reason
        if reason is not None and more not in reason.message:
            self._reason = type(reason)(f"{reason.message}; {more}", hint=reason.hint)

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """Have something that would wait for a store be ended when the run is to end; from any thread."""
        self._ends.add(end)
        if self._asked.is_set():
            end()
        try:
            yield
        finally:
            self._ends.discard(end)

    def check(self) -> None:
        """Go on, or not.

        Raises:
            AuditorError: The run is to end; a new one each time, since several threads raise it.
        """
        if self._reason is not None:
            raise type(self._reason)(self._reason.message, hint=self._reason.hint)

    def pause(self, seconds: float) -> None:
        """Let this thread wait, no longer than the run goes on.

        Raises:
            AuditorError: The run is to end.
        """
        self._asked.wait(min(max(seconds, 0.0), threading.TIMEOUT_MAX))
        self.check()
