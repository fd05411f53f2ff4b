"""Ctrl-C at once: while stores are read, the main thread waits for others, which do not hear it."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Have Ctrl-C, and the signal by which schedulers end a program, stop the work and raise `KeyboardInterrupt`.

    Args:
        stop: Makes the threads that do the work end soon; called within a signal handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
