"""Truncates that members of a group have read: each tells the others, whose partitions do not tell of it.

They stand among the ledger's own facts, a few of each feed, as JSON.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select

from auditor.ledger.tables import LEDGER_METADATA
from reconcilers.streams.truncate import Truncate

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT_MAX = 20
"""Of each feed: the latest.  A row that an earlier one took was taken by a later one as well."""


def told(connection: Connection, feed: str) -> list[Truncate]:
    """What members have told of a feed, the latest last."""
    wanted = select(LEDGER_METADATA.c.value).where(LEDGER_METADATA.c.name == _name(feed))
    row = connection.execute(wanted).first()
    return [] if row is None else [_truncate(*one) for one in json.loads(row.value)]


def tell(connection: Connection, feed: str, truncates: Iterable[Truncate]) -> None:
    """Add truncates to what is told of a feed; within a transaction that writes."""
    latest = together(told(connection, feed), truncates)
    connection.execute(delete(LEDGER_METADATA).where(LEDGER_METADATA.c.name == _name(feed)))
    connection.execute(insert(LEDGER_METADATA), {"name": _name(feed), "value": json.dumps(latest)})


def together(some: Iterable[Truncate], others: Iterable[Truncate]) -> list[Truncate]:
    """The latest of two lists, the latest last."""
    every = {one.place: one for one in (*some, *others)}
    return sorted(every.values(), key=lambda one: (one.stamp, one.place))[-KEPT_MAX:]


def _truncate(  # noqa: PLR0913, PLR0917 - its members
    topic: str, stream: str, position: list[int], stamp: int, at: str | None, part: int, off: int
) -> Truncate:
    first, second, third = position
    return Truncate(topic, stream, (first, second, third), stamp, at, part, off)


def _name(feed: str) -> str:
    return f"truncates {hashlib.blake2b(feed.encode(), digest_size=14).hexdigest()}"
