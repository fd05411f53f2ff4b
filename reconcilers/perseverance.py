"""Reading again what broke off for reasons that pass: a lost connection, a conflict on a standby, a deadlock.

What is read again is read whole, from a new snapshot: nothing of the old one is kept, so that both sides' moments stay
what their watermarks say.  The limits are few tries with growing pauses; what still breaks off is told as an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from contracts.errors import InterruptedReadError, UnreachableStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.errors import StoreError
    from reconcilers.halt import Halt

Got = TypeVar("Got")

PAUSES_SECONDS = (0.5, 5.0, 15.0)
"""Before the second, third and fourth try: most interruptions have passed at once, a server that starts anew needs
some seconds, a DDL that waited for us somewhat more.  Longer than that is for people to look at."""


class Perseverance:
    """The tries that one side has in one look.

    Args:
        halt: Ends the pauses.
        again: Told, before each further try, what broke off the last one.
    """

    def __init__(self, halt: Halt, again: Callable[[StoreError], None]) -> None:
        self._halt = halt
        self._again = again
        self._tries = 0

    def run(self, read: Callable[[], Got]) -> Got:
        """Read, and read again while tries are left.

        A store that is not there is told at once, unless it was there before: then it may be starting anew.

        Raises:
            StoreError: None is left.
        """
        while True:
            try:
                return read()
            except InterruptedReadError as error:
                self.allow(error)
            except UnreachableStoreError as error:
                if not self._tries:
                    raise
                self.allow(error)

    def allow(self, error: StoreError) -> None:
        """Pause before another try.

        Raises:
            StoreError: None is left.
            AuditorError: The run is to end.
        """
        self._halt.check()
        if self._tries == len(PAUSES_SECONDS):
            raise type(error)(f"{error.message} (tried {self._tries + 1} times)", hint=error.hint) from error
        self._again(error)
        self._halt.pause(PAUSES_SECONDS[self._tries])
        self._tries += 1
