"""PostgreSQL's log and its snapshots: what a snapshot has seen, and which places of the log are before which.

A transaction is in a snapshot by its id, not by its place in the log: a commit may stand in the log and be invisible
still.  Ids in a change stream have 32 bits and begin anew after some four thousand millions; a snapshot's have 64.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from reconcilers.ports import Told
    from reconcilers.watermark import Watermark

_ROUND = 2**32
_SNAPSHOT = re.compile(r"(\d{1,20}):(\d{1,20}):((?:\d{1,20}(?:,\d{1,20})*)?)\Z")
_PLACE = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})\Z")


@dataclass(frozen=True, slots=True)
class PostgresqlLog:
    """See `reconcilers.owner_log.OwnerLog`.

    Attributes:
        snapshot: As `pg_current_snapshot()` has it.
        place: Every commit that it sees is before this place.
    """

    snapshot: str
    place: int
    connector: ClassVar[str] = "postgresql"
    leads: ClassVar[bool] = False  # its snapshots' rows have transactions, by which more is known

    @classmethod
    def of(cls, mark: Watermark) -> PostgresqlLog | None:
        """What a watermark says of PostgreSQL's log; None where it is no such, or on a standby."""
        place = log_place(mark.log)
        return None if place is None else cls(mark.position, place)

    def has_seen(self, transaction: str) -> bool:
        """See `reconcilers.owner_log.OwnerLog`."""
        return is_in_snapshot(self.snapshot, transaction)

    def is_before(self, told: Told) -> bool:
        """See `reconcilers.owner_log.OwnerLog`: the change's commit comes after its place."""
        return told.place >= self.place


def log_place(text: str) -> int | None:
    """A place in the log, such as `0/1E2D3C8`, as a number; None where it is none."""
    match = _PLACE.match(text)
    return None if match is None else int(match[1], 16) << 32 | int(match[2], 16)


def is_in_snapshot(snapshot: str, transaction: str) -> bool:
    """Whether a committed transaction is among those that a snapshot sees.

    Args:
        snapshot: As `pg_current_snapshot()` has it: `xmin:xmax:xip,…`.
        transaction: Its id, of 32 bits or whole; committed, since a change stream tells of no others.

    Returns:
        False where it cannot be told.
    """
    match = _SNAPSHOT.match(snapshot)
    if match is None or not transaction.isdigit():
        return False
    first_unseen = int(match[2])
    identity = _whole(int(transaction), first_unseen)
    return identity < first_unseen and str(identity) not in match[3].split(",")


def _whole(transaction: int, near: int) -> int:
    """The id of 64 bits that is nearest to another one, of those that end in these 32."""
    whole = near - near % _ROUND + transaction % _ROUND
    return min((whole - _ROUND, whole, whole + _ROUND), key=lambda each: abs(each - near))
