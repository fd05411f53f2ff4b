"""Flattened records: the row alone, as `ExtractNewRecordState` leaves it, with what little it keeps of the envelope.

Which deletes are seen is the connector's setting `delete.tombstone.handling.mode`: with `drop` none is; with
`tombstone` and `delete-to-tombstone` a record without a value is the delete; with `rewrite` the row comes with
`__deleted` set to `true`, its other columns filled with nothing that can be relied on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditor.feeds.debezium.envelope import told_at
from auditor.feeds.positions import last_commit
from auditor.feeds.shape import AVRO_TRUE, BadValueError
from auditor.feeds.temporal import instant
from reconcilers.change import Change, ChangeKind, Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditor.feeds.debezium.envelope import Told
    from auditor.feeds.rows import Row

_DELETED = ("true", True, AVRO_TRUE)
_KINDS = {"c": ChangeKind.WRITE, "u": ChangeKind.WRITE, "r": ChangeKind.BACKFILL, "d": ChangeKind.DELETE,
          "t": ChangeKind.TRUNCATE}  # fmt: skip


def deletion(told: Told) -> Change:
    """The delete that a record without a value stands for; whether there was a row, it does not say."""
    return Change(told.place, ChangeKind.DELETE, "", told.key, other_key=told.other_key)


def change(meta: Mapping[str, Any], row: Row, told: Told, connector: str) -> Change:
    """The change that a flattened record tells.

    Args:
        meta: The added fields, without their prefix: `op`, `deleted`, `lsn`, `table`, `source_ts_ms`, ….
        row: The columns.
        told: What stands around it.
        connector: The kind of the database, where it is known.

    Raises:
        BadValueError: The added fields are not what they should be.
    """
    operation = str(meta.get("op") or "")
    kind = ChangeKind.DELETE if meta.get("deleted") in _DELETED else _KINDS.get(operation, ChangeKind.WRITE)
    micros = _micros(meta)
    return Change(
        told.place,
        kind,
        operation,
        told.key,
        {} if kind is ChangeKind.DELETE else row,
        position=_position(meta, connector),
        transaction="" if meta.get("txId") is None else str(meta["txId"]),
        committed_at=None if micros is None else instant(micros),
        snapshot=_snapshot(meta),
        other_key=told.other_key,
        relation=_relation(meta),
        source=connector,
        told_at=told_at(meta),
        database=_database(meta),
    )


def _relation(meta: Mapping[str, Any]) -> str:
    table = meta.get("table") or meta.get("source_table") or ""
    space = meta.get("schema") or meta.get("source_schema") or meta.get("db") or meta.get("source_db")
    return f"{space}.{table}" if space and table else str(table)


def _database(meta: Mapping[str, Any]) -> str:
    has_schema = meta.get("schema") or meta.get("source_schema")
    return str(meta.get("db") or meta.get("source_db") or "") if has_schema else ""


def _snapshot(meta: Mapping[str, Any]) -> str:
    mark = meta.get("source_snapshot", meta.get("snapshot"))
    return "" if mark in (None, "false", False) else str(mark)


def _micros(meta: Mapping[str, Any]) -> int | None:
    for name, factor in (("source_ts_us", 1), ("source_ts_ms", 1000)):
        if (value := meta.get(name)) is not None:
            if value.__class__ is not int:
                raise BadValueError(f"the added field {name} is no time")
            return int(value) * factor
    return None


def _position(meta: Mapping[str, Any], connector: str) -> Position | None:
    """PostgreSQL's alone: the other databases' positions are several fields, and their files have no server."""
    lsn = meta.get("lsn", meta.get("source_lsn"))
    if lsn is None or connector not in ("", "postgresql"):
        return None
    if lsn.__class__ is not int or not 0 <= lsn < 2**63:
        raise BadValueError("the added field lsn is no position")
    commit = last_commit(meta.get("sequence", meta.get("source_sequence")))
    return Position("postgresql/", (lsn,), commit, f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}")
