"""Ctrl-C at once, whatever the main thread is doing just then.

Python calls a signal's handler in the main thread, and only between two of its own steps.  A main thread that waits for
others wakes up for that, but not where the signal came in the moment before it fell asleep, nor where the system gave
the signal to another thread; one that waits within a library's own code, such as for DuckDB's threads, does not wake
up at all.  Then the handler is called when the wait is over, which may be in an hour.

So signals are heard by a thread, by the number that Python writes down for each at the very moment.  It ends the work,
ends it again, since what began just then was not there to be ended, and wakes up the main thread.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_KNOCK = signal.SIGURG
"""Wakes up the main thread, and means nothing else to anybody: who does not know it ignores it."""

AGAIN_SECONDS = 0.2
"""Until what goes on all the same is ended again."""

_BYTES = 64


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Have Ctrl-C, and the signal by which schedulers end a program, stop the work.

    Args:
        stop: Makes the threads that do the work end soon; called from a thread, again and again until they have.

    Raises:
        KeyboardInterrupt: There was such a signal, whatever became of the work; at once, or when it has stopped.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    ear = _Ear(stop)
    try:
        with ear.listening():
            yield
    except Exception as error:
        if ear.heard:  # of work that was stopped in its middle
            raise KeyboardInterrupt from error
        raise
    if ear.heard:
        raise KeyboardInterrupt


class _Ear:
    """Hears signals in a thread of its own, and the main thread's handler being called.

    Args:
        stop: See `interruptible`.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.heard = False
        self._handled = False
        self._stop = stop
        self._main = threading.get_ident()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear signals while this lasts; for the main thread."""
        end, mouth = os.pipe()
        os.set_blocking(mouth, False)
        thread = threading.Thread(target=self._listen, args=(end,), name="signals", daemon=True)
        thread.start()
        heard_before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        before = {}
        try:
            before[_KNOCK] = signal.signal(_KNOCK, _nothing)
            for number in _SIGNALS:
                before[number] = signal.signal(number, self._handle)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(heard_before)
            os.close(mouth)
            thread.join()
            os.close(end)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.heard = self._handled = True
        raise KeyboardInterrupt

    def _listen(self, end: int) -> None:
        """Read what Python writes down, until nobody writes any more."""
        poll = select.poll()
        poll.register(end, select.POLLIN)
        while True:
            if poll.poll(AGAIN_SECONDS * 1000 if self.heard else None):
                numbers = os.read(end, _BYTES)
                if not numbers:
                    return
                if not any(number in _SIGNALS for number in numbers):
                    continue  # such as a knock
                self.heard = True
            self._stop()
            if not self._handled:
                signal.pthread_kill(self._main, _KNOCK)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """What matters is that Python looks which handlers it has to call."""
