"""Records that change no row: heartbeats, transaction marks, schema changes, messages, rows of the connector's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from auditor.feeds.debezium.envelope import committed_at, transaction_id
from auditor.feeds.decoded import Aside, AsideKind
from auditor.feeds.positions import position
from auditor.feeds.shape import BadValueError
from auditor.feeds.temporal import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconcilers.change import Place

_BY_SCHEMA = {
    "Heartbeat": AsideKind.HEARTBEAT,
    "TransactionMetadataValue": AsideKind.TRANSACTION,
    "SchemaChangeValue": AsideKind.SCHEMA_CHANGE,
    "MessageValue": AsideKind.MESSAGE,
    "Notification": AsideKind.NOTIFICATION,
}
_BY_FORM = (
    (AsideKind.TRANSACTION, frozenset({"status", "id", "event_count", "data_collections"})),
    (AsideKind.SCHEMA_CHANGE, frozenset({"source", "ddl", "tableChanges"})),
    (AsideKind.NOTIFICATION, frozenset({"id", "aggregate_type", "type", "additional_data"})),
)
SIGNAL_COLUMNS = frozenset({"id", "type", "data"})
_SIGNAL_TYPES = frozenset({
    "snapshot-window-open", "snapshot-window-close", "execute-snapshot", "stop-snapshot", "pause-snapshot",
    "resume-snapshot", "log", "schema-changes",
})  # fmt: skip
_DDL_CHARACTERS = 2000


def kind_by_schema(name: str) -> AsideKind | None:
    """What a record is by the last word of its schema's name; None for changes and everything else."""
    return _BY_SCHEMA.get(name.rpartition(".")[2])


def kind_by_form(value: Any, key: Any) -> AsideKind | None:
    """What a record without a schema is by its members; None for changes and everything else."""
    if not isinstance(value, dict):
        return None
    members = value.keys()
    if members == {"ts_ms"} and isinstance(key, dict) and key.keys() == {"serverName"}:
        return AsideKind.HEARTBEAT
    if value.get("op") == "m" and isinstance(value.get("message"), dict):
        return AsideKind.MESSAGE
    if {"status", "event_count"} <= members and value["status"] not in ("BEGIN", "END"):
        return None  # a table with columns of these names
    return next((kind for kind, wanted in _BY_FORM if wanted <= members), None)


def is_signal(row: Any) -> bool:
    """Whether a row looks like one of the table that tells connectors what to do; others may, too."""
    return isinstance(row, dict) and row.keys() == SIGNAL_COLUMNS and str(row["type"]) in _SIGNAL_TYPES


def aside(kind: AsideKind, value: Mapping[str, Any], place: Place) -> Aside:
    """What such a record says.

    Raises:
        BadValueError: It lacks what its kind must have.
    """
    return _READERS[kind](value, place)


def _heartbeat(value: Mapping[str, Any], place: Place) -> Aside:
    return Aside(place, AsideKind.HEARTBEAT, happened_at=instant(_millis(value) * 1000))


def _millis(value: Mapping[str, Any]) -> int:
    millis = value.get("ts_ms")
    if millis.__class__ is not int:
        raise BadValueError("ts_ms is no time")
    return millis


def _transaction(value: Mapping[str, Any], place: Place) -> Aside:
    status, name, count = value.get("status"), value.get("id"), value.get("event_count")
    if status not in ("BEGIN", "END") or not isinstance(name, str):
        raise BadValueError("a transaction mark has neither BEGIN nor END, or no id")
    facts = {"status": str(status), "id": name, "transaction": _bare(name)}
    if count is not None:
        facts["event_count"] = str(count)
    for collection in _listed(value, "data_collections"):
        if not isinstance(collection, dict):
            raise BadValueError("a transaction mark counts no collection")
        facts[f"event_count {collection.get('data_collection')}"] = str(collection.get("event_count"))
    return Aside(place, AsideKind.TRANSACTION, happened_at=instant(_millis(value) * 1000), facts=facts)


def _listed(value: Mapping[str, Any], name: str) -> list[Any]:
    items = value.get(name) or []
    if not isinstance(items, list):
        raise BadValueError(f"{name} is no list")
    return items


def _bare(name: str) -> str:
    """PostgreSQL's ids are `number:place`; nobody else's have a number before the first colon."""
    return transaction_id(name, "postgresql") if name.partition(":")[0].isdecimal() else name


def _schema_change(value: Mapping[str, Any], place: Place) -> Aside:
    source = value.get("source")
    if not isinstance(source, dict):
        raise BadValueError("a schema change has no source")
    tables = [str(entry.get("id")) for entry in _listed(value, "tableChanges") if isinstance(entry, dict)]
    facts = {
        "database": str(value.get("databaseName") or ""),
        "ddl": str(value.get("ddl") or "")[:_DDL_CHARACTERS],
        "tables": json.dumps(tables),
    }
    return Aside(
        place, AsideKind.SCHEMA_CHANGE, position=position(source), happened_at=committed_at(source), facts=facts
    )


def _message(value: Mapping[str, Any], place: Place) -> Aside:
    source, message = value.get("source"), value.get("message")
    if not isinstance(source, dict) or not isinstance(message, dict):
        raise BadValueError("a message has no source, or says nothing")
    return Aside(
        place,
        AsideKind.MESSAGE,
        position=position(source),
        happened_at=committed_at(source),
        facts={"prefix": str(message.get("prefix") or "")},
    )


def _notification(value: Mapping[str, Any], place: Place) -> Aside:
    names = ("id", "aggregate_type", "type")
    return Aside(place, AsideKind.NOTIFICATION, facts={name: str(value.get(name) or "") for name in names})


_READERS: dict[AsideKind, Callable[[Mapping[str, Any], Place], Aside]] = {
    AsideKind.HEARTBEAT: _heartbeat,
    AsideKind.TRANSACTION: _transaction,
    AsideKind.SCHEMA_CHANGE: _schema_change,
    AsideKind.MESSAGE: _message,
    AsideKind.NOTIFICATION: _notification,
}
