"""The ledger as a run holds it: open from before the first read to the end, with the leases of what the run looks at.

Trouble with the ledger is told before a store is read, since a run of hours that cannot be recorded is of little use.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from contracts.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from auditor.ledger.holder import Holder
    from auditor.ledger.ledger import Ledger
    from auditor.wiring import Wiring

LEASE_TERM = timedelta(minutes=2)
"""How long a lease outlives the last word of its run.

Long enough for a renewal that waits a minute while another run records; short enough for a scheduler to try again.
"""

RENEWALS_A_TERM = 6


@contextmanager
def ledger_for_run(
    wiring: Wiring, entities: Collection[str], run_id: str, say: Callable[[str], None]
) -> Iterator[Ledger]:
    """The ledger, with the leases of these entities as long as the context lasts.

    A ledger that was made for this run and holds no run in the end is taken away again.

    Raises:
        LedgerError: The ledger cannot be opened or written, or a newer auditor made it.
        UsageError: Another run is at work on one of the entities.
    """
    from auditor.ledger.holder import this_process

    with wiring.ledger() as ledger:
        try:
            heartbeat = _Heartbeat(ledger, tuple(entities), run_id, this_process(), say)
            with heartbeat.beating():
                yield ledger
        finally:
            _withdraw(ledger, say)


def _withdraw(ledger: Ledger, say: Callable[[str], None]) -> None:
    """What could not be tidied away does not take the outcome of the run away."""
    try:
        ledger.withdraw_if_unused()
    except LedgerError as error:
        say(f"the ledger is left as it is: {error}")


@dataclass(frozen=True, slots=True)
class _Heartbeat:
    """Takes leases, prolongs them in a thread of its own, and gives them back."""

    ledger: Ledger
    entities: tuple[str, ...]
    run_id: str
    holder: Holder
    say: Callable[[str], None]

    @contextmanager
    def beating(self) -> Iterator[None]:
        self.ledger.take_leases(self.entities, self.run_id, self.holder, LEASE_TERM)
        over = threading.Event()
        thread = threading.Thread(target=self._renew, args=(over,), name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._release()

    def _renew(self, over: threading.Event) -> None:
        pause = LEASE_TERM.total_seconds() / RENEWALS_A_TERM
        while not over.wait(pause):
            is_ours = self.ledger.is_recording
            try:
                kept = self.ledger.renew_leases(self.run_id, self.holder, LEASE_TERM)
            except LedgerError as error:
                if not (is_ours or self.ledger.is_recording):  # else it is this run that writes, and nobody else can
                    self.say(f"a lease could not be renewed, trying again in {pause:.0f} s: {error}")
                continue
            if kept < len(self.entities):
                self.say("another run has taken over what this one is looking at; this one will not be recorded")
                return

    def _release(self) -> None:
        try:
            self.ledger.release_leases(self.run_id, self.holder)
        except LedgerError as error:
            self.say(f"a lease could not be given back; it ends within {LEASE_TERM.total_seconds():.0f} s: {error}")
