r"""A change: one committed event on one key, as a feed tells it.

A feed carries less than the owner's log: columns that the connector left out, values that it could not know, defaults
that may stand for NULL.  A cell therefore has states beside a text and NULL, and none of them may be taken for a value.

Cells are raw texts in the forms that `canonical` reads from a VARCHAR (numbers as decimal text, times in ISO 8601 with
`Z` where they are instants, JSON and lists as JSON text, bytes as `\x` and hex), made from the *writer's* schema; what
a contract declares turns them into canonical values later, by the same SQL as a store's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Lack(Enum):
    """Why a cell has no value.

    KEPT: not written by this change (an unchanged large value, a partial row image): what it was before, it still is.
    ABSENT: this version of the writer's schema has no such column: what the row holds now is not known.
    UNREADABLE: what came cannot be told apart from something else (an integer time of unknown unit), or was lost on
        the way (an interval in microseconds).
    """

    KEPT = "kept"
    ABSENT = "absent"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class DefaultOrNull:
    """The column's default in a nullable column: the converter writes it for NULL too, so it may be either."""

    text: str


Cell = str | DefaultOrNull | Lack | None
"""A raw text; None is NULL."""


class ChangeKind(Enum):
    """What a change does to its key.

    WRITE: the row is now as told (created or updated; which of the two a feed often does not know).
    DELETE: the row is gone.
    BACKFILL: a snapshot found the row as told; it must not override a change with a later position.
    TRUNCATE: every row whose position is earlier is gone; the change has no key.
    """

    WRITE = "write"
    DELETE = "delete"
    BACKFILL = "backfill"
    TRUNCATE = "truncate"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a feed a record stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Position:
    """A point in the owner's log.

    Attributes:
        stream: What it is comparable within: the kind of connector, its logical name and, where the log has such, the
            server (MySQL without GTIDs).  Positions of two streams say nothing about each other.
        row: Orders the changes *of one key* within the stream: integers, compared as a tuple.
        commit: Orders transactions within the stream, non-decreasing in a partition; None where the feed does not say.
        text: For people, in the log's own spelling, such as `0/1E2D3C8` or `binlog.000003:4711`.
        gtid: The transaction's GTID, where there is one.
    """

    stream: str
    row: tuple[int, ...]
    commit: int | None = None
    text: str = ""
    gtid: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One committed event on one key.

    Attributes:
        place: Where in the feed it stands.
        kind: What it does.
        operation: The connector's own letter (`c`, `u`, `d`, `r`, `t`); empty where the record has none.
        key: The key's columns by their names at the writer; empty for a truncate and for a table without a key.  A
            key that is one bare value stands under the empty name.
        row: The row after the change by column; empty for a delete.
        before: The row before, only where the connector is known to tell all of it; else empty.
        position: In the owner's log; None where the record does not tell (flattened records): offsets order them.
        transaction: Its id without what differs from event to event; empty where unknown.
        committed_at: By the owner's clock.
        snapshot: Empty, or the snapshot that it was read by: `first`, `true`, `last`, `incremental`, ….
        other_key: Of a change of key: for a delete the new key, for a write the old one, by column.
        relation: The table that the record itself names (`schema.table`); empty where it does not.
        database: The table's database, where it has a schema in it and the record names both.
        source: The connector's kind: `postgresql`, `mysql`, `mariadb`, `sqlserver`, `mongodb`; empty where unknown.
        event_id: An id that stands for this event wherever it is repeated (an outbox's `id`); empty where none.
        event_type: What an outbox's event says that happened; empty where it does not.
        partial: Columns that `row` lacks are as they were.
        document: The row is a whole document: columns that it lacks are NULL.
        routed: Its record's key tells its table beside the row's own key, which other tables' rows may have as well.
        told_at: When the connector told it, in milliseconds since 1970 by the connector's clock: records of several
            partitions are in this order, which the broker's times need not show.  None where it does not say.
    """

    place: Place
    kind: ChangeKind
    operation: str
    key: Mapping[str, Cell]
    row: Mapping[str, Cell] = field(default_factory=dict)
    before: Mapping[str, Cell] = field(default_factory=dict)
    position: Position | None = None
    transaction: str = ""
    committed_at: datetime | None = None
    snapshot: str = ""
    other_key: Mapping[str, Cell] | None = None
    relation: str = ""
    source: str = ""
    event_id: str = ""
    event_type: str = ""
    partial: bool = False
    routed: bool = False
    database: str = ""
    told_at: int | None = None
    document: bool = False

    @property
    def lacking(self) -> Cell:
        """What a column is that `row` lacks; of one that is neither partial nor a document nothing is known."""
        if self.document:
            return None
        return Lack.KEPT if self.partial else Lack.ABSENT

    @property
    def table(self) -> str:
        """The table that the record names, as far as it does: `database.schema.table`."""
        return whole_name(self.database, self.relation)

    @property
    def was_there(self) -> bool:
        """Whether the record says that its row was there before; where it does not tell what it is, it says nothing."""
        return self.operation in ("u", "d")

    @property
    def is_new(self) -> bool:
        """Whether the record says that its row was not there before."""
        return self.operation == "c" and self.kind is ChangeKind.WRITE


def whole_name(database: str, relation: str) -> str:
    """The name of a table in some database; empty where no table is named."""
    return f"{database}.{relation}" if database and relation else relation
