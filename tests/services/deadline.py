"""Waiting for a condition, never for an amount of time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE_SECONDS = 0.05


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Return as soon as *condition* holds.

    Args:
        condition: Asked again and again; cheap.
        seconds: How long to ask at most.
        what: What is waited for, for the message.

    Raises:
        TimeoutError: The condition did not hold within *seconds*.
    """
    end = time.monotonic() + seconds
    pause = threading.Event()  # never set: its wait only spaces the probes out
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        pause.wait(_PAUSE_SECONDS)
