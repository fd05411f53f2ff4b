"""Envelopes: `before`, `after`, `source`, `op`, of every connector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.feeds.positions import position
from auditor.feeds.shape import BadValueError
from auditor.feeds.temporal import instant
from reconcilers.change import Change, ChangeKind, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from auditor.feeds.rows import Row

MEMBERS = frozenset({"before", "after", "source", "op"})
"""What an envelope has, beside `transaction` and its own times."""

MYSQL = frozenset({"mysql", "mariadb"})

_KINDS = {"c": ChangeKind.WRITE, "u": ChangeKind.WRITE, "d": ChangeKind.DELETE, "r": ChangeKind.BACKFILL,
          "t": ChangeKind.TRUNCATE}  # fmt: skip
TOLD_MILLIS_MAX = 253_402_300_799_999
"""The last moment of the calendar: what is later is no time that a connector has told."""

_STREAMED = (None, "false", False, b"\x00")


@dataclass(frozen=True, slots=True)
class Told:
    """What a record says beside its value.

    Attributes:
        place: Where it stands.
        key: Its key by column.
        other_key: Of a change of key, the other one.
        raw_key: The key as it was decoded.
    """

    place: Place
    key: Row
    other_key: Row | None = None
    raw_key: Any = None


def change(
    envelope: Mapping[str, Any], told: Told, after: Callable[[Any], Row], before: Callable[[Any], Row] | None
) -> Change:
    """The change that an envelope tells.

    Args:
        envelope: Decoded.
        told: What stands around it.
        after: Reads `after`.
        before: Reads `before`, where it is known to be the whole row; else None.

    Raises:
        BadValueError: It tells no change.
    """
    operation, source = envelope.get("op"), envelope.get("source")
    kind = _KINDS.get(operation) if isinstance(operation, str) else None
    if kind is None or not isinstance(source, dict):
        raise BadValueError("the envelope has no operation that is known, or no source")
    snapshot = snapshot_of(source)
    if kind is ChangeKind.WRITE and operation == "c" and snapshot:
        kind = ChangeKind.BACKFILL  # a transform may have made inserts of what a snapshot read
    row = _row(envelope, kind, after)
    old = envelope.get("before")
    return Change(
        told.place,
        kind,
        str(operation),
        {} if kind is ChangeKind.TRUNCATE else told.key,
        row,
        before(old) if before is not None and old is not None else {},
        position(source),
        transaction(envelope, source),
        committed_at(source),
        snapshot,
        told.other_key,
        relation(source),
        str(source.get("connector") or ""),
        told_at=told_at(envelope),
        database=database(source),
    )


def told_at(envelope: Mapping[str, Any]) -> int | None:
    """When the connector told it, in milliseconds since 1970."""
    millis = envelope.get("ts_ms")
    return millis if isinstance(millis, int) and 0 <= millis <= TOLD_MILLIS_MAX else None


def _row(envelope: Mapping[str, Any], kind: ChangeKind, after: Callable[[Any], Row]) -> Row:
    image = envelope.get("after")
    if kind in (ChangeKind.DELETE, ChangeKind.TRUNCATE):
        if image is not None:
            raise BadValueError("a delete or truncate has a row after it")
        return {}
    if image is None:
        raise BadValueError("the row after the change is missing")
    return after(image)


def snapshot_of(source: Mapping[str, Any]) -> str:
    """Which snapshot a change was read by; empty for a streamed one.  Old connectors have a boolean there."""
    mark = source.get("snapshot")
    if mark in _STREAMED:
        return ""
    return mark if isinstance(mark, str) else "true"


def committed_at(source: Mapping[str, Any]) -> datetime | None:
    """When the change was committed by the owner's clock; old connectors have milliseconds only."""
    micros = source.get("ts_us")
    if micros is None:
        millis = source.get("ts_ms")
        micros = millis * 1000 if millis.__class__ is int else None
    if micros is None:
        return None
    if micros.__class__ is not int:
        raise BadValueError("source.ts_us is no time")
    return instant(micros)


def relation(source: Mapping[str, Any]) -> str:
    """The table that a change is about, without its database where there are schemas."""
    table = source.get("table") or source.get("collection")
    if not table:
        return ""
    space = source.get("schema") or source.get("db")
    return f"{space}.{table}" if space else str(table)


def database(source: Mapping[str, Any]) -> str:
    """The database of a table that has a schema; where it has none, `relation` names it."""
    return str(source.get("db") or "") if source.get("schema") else ""


def transaction(envelope: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    """The id of the transaction, the same in each of its changes.

    PostgreSQL's has the place of the change after a colon; that differs from change to change.
    """
    connector, block = source.get("connector"), envelope.get("transaction")
    if isinstance(block, dict) and block.get("id"):
        return transaction_id(str(block["id"]), str(connector))
    name = {"postgresql": "txId", "sqlserver": "commit_lsn"}.get(str(connector), "gtid")
    value = source.get(name)
    return "" if value is None else str(value)


def transaction_id(text: str, connector: str) -> str:
    """A transaction's id without what differs from change to change."""
    return text.partition(":")[0] if connector == "postgresql" else text
