"""What a record turns out to be: a change, something beside the changes, or poison."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from reconcilers.change import Change, Place, Position

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from auditor.feeds.record import Record

MISREAD_MIN = 2
"""Records at the beginning of a topic that cannot be understood for one reason: one alone may be poison, several are a
feed that is read wrongly."""


class AsideKind(Enum):
    """Records that change no row."""

    TOMBSTONE = "tombstone"  # after a delete; says nothing that the delete did not say
    HEARTBEAT = "heartbeat"
    TRANSACTION = "transaction"  # BEGIN or END
    SCHEMA_CHANGE = "schema change"
    MESSAGE = "message"  # written into the log by hand (`pg_logical_emit_message`)
    SIGNAL = "signal"  # the connector's own table
    NOTIFICATION = "notification"  # what the connector says of its own work


@dataclass(frozen=True, slots=True)
class Aside:
    """A record that changes no row, with what it proves about how far the feed has come.

    Attributes:
        place: Where it stands.
        kind: What it is.
        key: Of a tombstone: its key by column.
        position: In the owner's log, where it tells.
        happened_at: By the owner's clock, else by the connector's.
        facts: What else it says, as texts: `status`, `id`, `event_count`, `ddl`, ….
    """

    place: Place
    kind: AsideKind
    key: Mapping[str, object] = field(default_factory=dict)
    position: Position | None = None
    happened_at: datetime | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be understood, now or ever.

    Attributes:
        record: It, with all of its bytes: they go to the dead letters.
        error: What was found and what was expected; never a value.
        key: Its key by column, where at least that could be read: that key is undecided from here on.
    """

    record: Record
    error: str
    key: Mapping[str, object] | None = None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.record.topic, self.record.partition, self.record.offset)


Decoded = Change | Aside | Poison
