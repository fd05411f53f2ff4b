"""An outbox event on its way into the state: what tells whether it came before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconcilers.change import Cell, Change


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        seq: Its number in the order of arrival.
        id: That stands for it wherever it is repeated.
        content: A digest of all that it says.
    """

    seq: int
    id: str
    content: str

    @classmethod
    def of(cls, seq: int, change: Change, key: Mapping[str, Cell]) -> Self:
        """The event that a change was told by."""
        said = (change.kind.value, sorted(map(repr, key.items())), sorted(map(repr, change.row.items())))
        return cls(seq, change.event_id, hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest())
