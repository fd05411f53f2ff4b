"""A truncate as members of a group tell it each other: it has no key, and so it is told in one partition alone."""

from __future__ import annotations

from typing import NamedTuple


class Truncate(NamedTuple):
    """Every row of a table was gone then.

    Attributes:
        topic: The table's.
        stream: Of the positions.
        position: Where in it: what is before was gone.
        stamp: The record's time, in milliseconds since 1970.
        at: When it was committed, in ISO 8601; None where the record does not tell.
        part: The partition that tells of it.
        off: The record's offset there.
    """

    topic: str
    stream: str
    position: tuple[int, int, int]
    stamp: int
    at: str | None
    part: int
    off: int

    @property
    def place(self) -> tuple[str, int, int]:
        """What tells it from every other."""
        return self.topic, self.part, self.off
