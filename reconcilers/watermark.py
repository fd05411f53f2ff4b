"""A moment in the life of a dataset: everything committed up to here is included in what was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Watermark:
    """When, and where in its own history, a dataset was read.

    Attributes:
        dataset: The dataset, as reports name it (`orders_db/public.orders`).
        read_at: The auditor's wall clock when the read began, in UTC; for people.
        monotonic: The auditor's monotonic clock at that moment, in seconds; lag bounds are measured on it alone.
        store_time: The store's own `now()`, in UTC, or None where it has no clock.
        position: An opaque position (a PostgreSQL snapshot, a GTID set, a file's size and time) that only the
            dataset's reader compares; empty where the store has none.
        display: The position for people, such as an LSN.
        taken_by: The same clock when the snapshot had surely been taken; None: at `monotonic` already.
        isolation: `snapshot` (one consistent read), or `none` (rows may stem from different moments).
        behind: Read on a standby: what its primary had some time before, nobody knows how long.
        heard: The monotonic clock up to which is known what the dataset held, where that is earlier than the reading:
            a feed says nothing of the time after its connector's last sign of life.  None: known up to the reading.
        log: Where in the store's log it stands, as `owner_log` reads it: PostgreSQL's LSN that everything included is
            before, or two GTIDs of MariaDB's, up to the first of which all is included, and behind the second nothing
            (`alone`: of a server that repeats no other); empty where that cannot be told.
        told: The moment of that sign by the clock that it came with, in ISO 8601, or empty.
        beats: That connector has heartbeats, so that it stands still where there are none.
    """

    dataset: str
    read_at: datetime
    monotonic: float
    store_time: datetime | None = None
    position: str = ""
    display: str = ""
    isolation: str = "snapshot"
    taken_by: float | None = None
    behind: bool = False
    heard: float | None = None
    told: str = ""
    log: str = ""
    beats: bool = False

    @property
    def by(self) -> float:
        """The monotonic clock when the snapshot had surely been taken."""
        return self.monotonic if self.taken_by is None else self.taken_by
