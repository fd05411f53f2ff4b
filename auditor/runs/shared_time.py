"""The wall clock of a run, which it shares with the other hosts that record in the same ledger.

What one host leaves in flight another may judge, and between two runs only wall clocks tell how long it was: a host
whose clock is hours ahead would take a difference of a moment for one of hours, and call it drift.  So where the ledger
is a server's, its clock counts, as it does for leases.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from auditor.clock import ShiftedClock
from auditor.reports.words import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.clock import Clock
    from auditor.wiring import Wiring

APART_MAX = timedelta(seconds=1)
"""How far clocks may be apart: the margin of every lag bound."""


def shared_clock(wiring: Wiring, clock: Clock, say: Callable[[str], None]) -> Clock:
    """The clock of this host, or one that is set right by the ledger's server.

    Raises:
        LedgerError: The ledger cannot be opened.
    """
    if wiring.settings.ledger.url.path is not None:
        return clock  # a file is used on one machine, whose clock is its own
    with wiring.ledger() as ledger:
        asked = clock.now()
        told = ledger.now()
        answered = clock.now()
    if asked - APART_MAX <= told <= answered + APART_MAX:
        return clock
    ahead = told - asked
    behind = "behind" if ahead > timedelta(0) else "ahead of"
    say(
        f"this host's clock is {duration(abs(ahead.total_seconds()))} {behind} the ledger's server; "
        "the run's times are the server's: set both by NTP"
    )
    return ShiftedClock(clock, ahead)
