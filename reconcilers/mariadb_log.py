"""MariaDB's log: which transactions a snapshot has seen, and which ones are written after all of them.

A transaction is known by its GTID, `domain-server-number`, whichever server's log it is read from.  A server numbers
the transactions that it makes itself in the order of its log, and whoever repeats them keeps that order; those of other
servers have a count of their own, and a domain has an order of its own.  So two GTIDs are compared where domain and
server are the same, and nowhere else: two primaries that write to one another count in one domain, each on its own.

A snapshot's own place in the log is exact, but for one thing: what is prepared (`XA PREPARE`) is in the log before it
is committed.  Hence two places: see `auditor.readers.mysql.position`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from reconcilers.ports import Told
    from reconcilers.watermark import Watermark

_NUMBER = r"(\d{1,20})"
_GTID = re.compile(rf"(\d{{1,10}}-\d{{1,10}})-{_NUMBER}\Z", re.ASCII)
_PLACES = re.compile(rf"(\d{{1,10}}-\d{{1,10}})-{_NUMBER} \1-{_NUMBER}( alone)?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class MariadbLog:
    """See `reconcilers.owner_log.OwnerLog`.

    Attributes:
        origin: The domain and the server whose transactions can be compared, `0-1`.
        seen: The number up to which the snapshot surely shows all of them.
        last: The number behind which it shows none.
        leads: See `reconcilers.owner_log.OwnerLog`.
    """

    origin: str
    seen: int
    last: int
    leads: bool = False
    connector: ClassVar[str] = "mariadb"

    @classmethod
    def of(cls, mark: Watermark) -> MariadbLog | None:
        """What a watermark says of MariaDB's log; None where it is no such, or does not tell."""
        match = _PLACES.match(mark.log)
        if match is None:
            return None
        written, last = int(match[2]), int(match[3])
        return cls(match[1], min(written, last), last, match[4] is not None and written <= last)

    def has_seen(self, transaction: str) -> bool:
        """See `reconcilers.owner_log.OwnerLog`."""
        number = self._number(transaction)
        return number is not None and number <= self.seen

    def is_before(self, told: Told) -> bool:
        """See `reconcilers.owner_log.OwnerLog`."""
        number = self._number(told.transaction)
        return number is not None and number > self.last

    def _number(self, transaction: str) -> int | None:
        """A transaction's number, where it counts as the snapshot's do."""
        match = _GTID.match(transaction)
        return int(match[2]) if match is not None and match[1] == self.origin else None
