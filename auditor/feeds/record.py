"""One record of a feed, in raw bytes, wherever it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the broker keeps it; nothing is decoded.

    Attributes:
        topic: Its topic.
        partition: Its partition.
        offset: Its offset there.
        timestamp: In milliseconds since 1970, by the broker or the producer; -1 where it has none.
        key: Its bytes, or None.
        value: Its bytes; None is a tombstone.
        headers: Names with their bytes, in order; names may stand several times.
        leader_epoch: Of the leader that wrote it, where the source tells.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    leader_epoch: int | None = None
