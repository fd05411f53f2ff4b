"""Writes change streams as Debezium's connector for PostgreSQL does, in Confluent's Avro, into a recorded feed.

Each begins with a snapshot of what was there when the connector was set up, and goes on with the changes since.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from auditor.demo.history import Histories
    from auditor.demo.shop import Row

RECORDS, SCHEMAS = "streams.jsonl", "schemas.json"
SET_UP = datetime(2026, 1, 15, 22, 0, tzinfo=UTC)
"""When the connectors were set up: most orders are older, and stand in the snapshot."""

_TYPES: dict[str, dict[str, Any] | str] = {
    "text": "string",
    "uuid": {"type": "string", "connect.version": 1, "connect.name": "io.debezium.data.Uuid"},
    "time": {"type": "string", "connect.version": 1, "connect.name": "io.debezium.time.ZonedTimestamp"},
    "money": {
        "type": "bytes",
        "logicalType": "decimal",
        "precision": 10,
        "scale": 2,
        "connect.version": 1,
        "connect.parameters": {"scale": "2", "connect.decimal.precision": "10"},
        "connect.name": "org.apache.kafka.connect.data.Decimal",
    },
}
_SNAPSHOT = {
    "type": "string",
    "connect.version": 1,
    "connect.default": "false",
    "connect.name": "io.debezium.data.Enum",
}
_LOG_BEGINS, _BYTES_A_CHANGE, _TRANSACTIONS_BEGIN = 0x1_0000_0000, 0xA0, 700


@dataclass(frozen=True, slots=True)
class Stream:
    """The changes of one table.

    Attributes:
        service: Whose database it is; the connector is named after it.
        table: Without the schema, which is `public`.
        columns: Name to one of this module's types; the first is the key.
        histories: What its rows were.
    """

    service: str
    table: str
    columns: dict[str, str]
    histories: Histories

    @property
    def topic(self) -> str:
        """Where the connector sends them."""
        return f"{self.service}.public.{self.table}"


@dataclass(frozen=True, slots=True)
class _Event:
    moment: datetime
    operation: str
    key: UUID
    before: Row | None
    after: Row | None
    snapshot: str = "false"


def write_feed(directory: Path, streams: Iterable[Stream]) -> None:
    """Make a recorded feed of these streams: its records, and the schemas that they name."""
    schemas: dict[str, Any] = {}
    with (directory / RECORDS).open("w", encoding="utf-8") as lines:
        for number, stream in enumerate(streams):
            key, value = (_key_schema(stream), 2 * number + 1), (_value_schema(stream), 2 * number + 2)
            schemas |= {str(one): schema for schema, one in (key, value)}
            for offset, (moment, told, said) in enumerate(_records(stream, key, value)):
                record = {
                    "topic": stream.topic,
                    "partition": 0,
                    "offset": offset,
                    "timestamp": int(moment.timestamp() * 1000),
                    "key": base64.b64encode(told).decode(),
                    "value": None if said is None else base64.b64encode(said).decode(),
                    "headers": [],
                }
                lines.write(json.dumps(record, separators=(",", ":")) + "\n")
    (directory / SCHEMAS).write_text(json.dumps(schemas), "utf-8")


def _records(
    stream: Stream, key: tuple[dict[str, Any], int], value: tuple[dict[str, Any], int]
) -> Iterator[tuple[datetime, bytes, bytes | None]]:
    """When, key and value of each record; after a delete comes one without a value, for topics that are compacted."""
    from fastavro import parse_schema, schemaless_writer

    key_schema, value_schema = (parse_schema(json.loads(json.dumps(schema))) for schema, _ in (key, value))

    def encoded(schema: Any, number: int, content: dict[str, Any]) -> bytes:
        text = io.BytesIO()
        schemaless_writer(text, schema, content)
        return b"\0" + number.to_bytes(4, "big") + text.getvalue()

    for place, event in enumerate(_events(stream.histories)):
        told = encoded(key_schema, key[1], {next(iter(stream.columns)): str(event.key)})
        yield event.moment, told, encoded(value_schema, value[1], _envelope(stream, event, place))
        if event.operation == "d":
            yield event.moment, told, None


def _events(histories: Histories) -> list[_Event]:
    """The snapshot, then the changes in the order of their commits."""
    found, changes = [], []
    for key, versions in histories.items():
        row = None
        for moment, after in versions:
            if moment > SET_UP:
                operation = "d" if after is None else "c" if row is None else "u"
                changes.append(_Event(moment, operation, key, row, after))
            row = after
        standing = [after for moment, after in versions if moment <= SET_UP]
        if standing:
            found.append(_Event(SET_UP, "r", key, None, standing[-1]))
    marks = ["first", *["true"] * (len(found) - 2), "last"]
    snapshot = [
        _Event(one.moment, one.operation, one.key, None, one.after, mark)
        for one, mark in zip(found, marks, strict=True)
    ]
    return snapshot + sorted(changes, key=lambda one: (one.moment, one.key))


def _envelope(stream: Stream, event: _Event, place: int) -> dict[str, Any]:
    streamed = event.snapshot == "false"
    at = _LOG_BEGINS + place * _BYTES_A_CHANGE if streamed else _LOG_BEGINS
    moment = int(event.moment.timestamp() * 1000)
    return {
        # Only what is gone is told, as a table does whose replica identity is its key.
        "before": _cells(event.before) if event.operation == "d" and event.before else None,
        "after": _cells(event.after) if event.after else None,
        "source": {
            "version": "3.5.0.Final",
            "connector": "postgresql",
            "name": stream.service,
            "ts_ms": moment,
            "snapshot": event.snapshot,
            "db": stream.service,
            "sequence": json.dumps([str(at - _BYTES_A_CHANGE), str(at)]) if streamed else None,
            "schema": "public",
            "table": stream.table,
            "txId": _TRANSACTIONS_BEGIN + (place if streamed else 0),
            "lsn": at,
        },
        "op": event.operation,
        "ts_ms": moment,
    }


def _cells(row: Row) -> dict[str, Any]:
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


def _key_schema(stream: Stream) -> dict[str, Any]:
    name, kind = next(iter(stream.columns.items()))
    return _record("Key", stream.topic, {name: _TYPES[kind]}, f"{stream.topic}.Key")


def _value_schema(stream: Stream) -> dict[str, Any]:
    columns = {name: _TYPES[kind] for name, kind in stream.columns.items()}
    row = _record("Value", stream.topic, columns, f"{stream.topic}.Value")
    source: dict[str, Any] = dict.fromkeys(("version", "connector", "name"), "string") | {"ts_ms": "long"}
    source |= {"snapshot": _SNAPSHOT, "db": "string", "sequence": ["null", "string"]}
    source |= dict.fromkeys(("schema", "table"), "string") | {"txId": ["null", "long"], "lsn": ["null", "long"]}
    space = "io.debezium.connector.postgresql"
    told = {"before": ["null", row], "after": ["null", "Value"]}
    told |= {"source": _record("Source", space, source, f"{space}.Source"), "op": "string", "ts_ms": ["null", "long"]}
    return _record("Envelope", stream.topic, told, f"{stream.topic}.Envelope")


def _record(name: str, space: str, fields: dict[str, Any], title: str) -> dict[str, Any]:
    """An Avro schema of a record."""
    members = [{"name": field, "type": kind} for field, kind in fields.items()]
    return {"type": "record", "name": name, "namespace": space, "fields": members, "connect.name": title}
