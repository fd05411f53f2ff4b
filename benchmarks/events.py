"""Events of an orders table as Debezium writes them for PostgreSQL, about 270 bytes each, in Confluent's Avro."""

from __future__ import annotations

import io
import json
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC, PARTITIONS = "shop.public.orders", 6
COLUMNS = ("id", "customer_id", "status", "total", "note", "paid", "updated_at")
_DECIMAL = {
    "type": "bytes", "logicalType": "decimal", "scale": 2, "precision": 12, "connect.version": 1,
    "connect.parameters": {"scale": "2", "connect.decimal.precision": "12"},
    "connect.name": "org.apache.kafka.connect.data.Decimal",
}  # fmt: skip
_STAMP = {"type": "long", "connect.version": 1, "connect.name": "io.debezium.time.MicroTimestamp"}
_OPTIONAL_LONG = ["null", "long"]
KEY = {"type": "record", "name": "Key", "namespace": TOPIC, "fields": [{"name": "id", "type": "long"}]}
_ROW = {
    "type": "record", "name": "Value", "connect.name": f"{TOPIC}.Value", "fields": [
        {"name": "id", "type": "long"},
        {"name": "customer_id", "type": "int"},
        {"name": "status", "type": "string"},
        {"name": "total", "type": _DECIMAL},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "paid", "type": "boolean"},
        {"name": "updated_at", "type": _STAMP},
    ],
}  # fmt: skip
_SNAPSHOT = {
    "type": "string",
    "connect.version": 1,
    "connect.default": "false",
    "connect.name": "io.debezium.data.Enum",
}
_SOURCE = {
    "type": "record", "name": "Source", "namespace": "io.debezium.connector.postgresql", "fields": [
        {"name": "version", "type": "string"},
        {"name": "connector", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "ts_ms", "type": "long"},
        {"name": "snapshot", "type": [_SNAPSHOT, "null"], "default": "false"},
        {"name": "db", "type": "string"},
        {"name": "sequence", "type": ["null", "string"], "default": None},
        {"name": "ts_us", "type": _OPTIONAL_LONG, "default": None},
        {"name": "ts_ns", "type": _OPTIONAL_LONG, "default": None},
        {"name": "schema", "type": "string"},
        {"name": "table", "type": "string"},
        {"name": "txId", "type": _OPTIONAL_LONG, "default": None},
        {"name": "lsn", "type": _OPTIONAL_LONG, "default": None},
        {"name": "xmin", "type": _OPTIONAL_LONG, "default": None},
    ],
}  # fmt: skip
_BLOCK = {
    "type": "record", "name": "block", "namespace": "event", "fields": [
        {"name": "id", "type": "string"},
        {"name": "total_order", "type": "long"},
        {"name": "data_collection_order", "type": "long"},
    ],
}  # fmt: skip
VALUE: dict[str, Any] = {
    "type": "record", "name": "Envelope", "namespace": TOPIC, "connect.name": f"{TOPIC}.Envelope", "fields": [
        {"name": "before", "type": ["null", _ROW], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {"name": "source", "type": _SOURCE},
        {"name": "transaction", "type": ["null", _BLOCK], "default": None},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": _OPTIONAL_LONG, "default": None},
        {"name": "ts_us", "type": _OPTIONAL_LONG, "default": None},
        {"name": "ts_ns", "type": _OPTIONAL_LONG, "default": None},
    ],
}  # fmt: skip
_FIRST_MICROS, _FIRST_LSN, _FIRST_TRANSACTION = 1_795_237_057_187_000, 5 << 32, 700


class Events:
    """Inserts, updates and deletes of random orders, the same ones for the same seed.

    Args:
        key_id: The id of the keys' schema in the registry.
        value_id: The id of the values' schema.
        keys: How many orders there are.
    """

    def __init__(self, key_id: int, value_id: int, keys: int) -> None:
        from fastavro import parse_schema, schemaless_writer

        self._write = schemaless_writer
        self._key, self._value = parse_schema(_copied(KEY)), parse_schema(_copied(VALUE))
        self._key_start, self._value_start = (b"\x00" + number.to_bytes(4, "big") for number in (key_id, value_id))
        self._keys, self._random = keys, random.Random(7)  # the same in every run
        self._number = 0

    def take(self, count: int) -> Iterator[tuple[int, bytes, bytes]]:
        """The next events: partition, key, value."""
        for _ in range(count):
            order, operation = self._random.randrange(self._keys), self._random.choices("cud", (2, 7, 1))[0]
            yield (
                order % PARTITIONS,
                self._encoded(self._key, self._key_start, {"id": order}),
                self._encoded(self._value, self._value_start, self._envelope(order, operation)),
            )
            self._number += 1

    def _encoded(self, schema: Any, start: bytes, value: Any) -> bytes:
        stream = io.BytesIO(start)
        stream.seek(len(start))
        self._write(stream, schema, value)
        return stream.getvalue()

    def _envelope(self, order: int, operation: str) -> dict[str, Any]:
        micros, lsn = _FIRST_MICROS + self._number * 50, _FIRST_LSN + self._number * 160
        transaction = _FIRST_TRANSACTION + self._number // 10
        times = {"ts_ms": micros // 1000, "ts_us": micros, "ts_ns": micros * 1000}
        source = {
            "version": "3.2.4.Final", "connector": "postgresql", "name": "shop", "snapshot": "false", "db": "shop",
            "sequence": f'["{lsn - 100}","{lsn}"]', "schema": "public", "table": "orders", "txId": transaction,
            "lsn": lsn, "xmin": None, **times,
        }  # fmt: skip
        block = {"id": f"{transaction}:{lsn}", "total_order": 1, "data_collection_order": 1}
        return {
            "before": None, "after": None if operation == "d" else self._row(order, micros), "source": source,
            "transaction": block, "op": operation, **times,
        }  # fmt: skip

    def _row(self, order: int, micros: int) -> dict[str, Any]:
        total = self._random.randrange(10_000_000)
        where = "at the door of the house behind the one with the red roof"
        note = f"note {self._number} of the order {order}: leave it {where}" if self._number % 3 else None
        return {
            "id": order, "customer_id": self._random.randrange(1_000_000), "note": note,
            "status": self._random.choice(("new", "paid", "shipped", "done")), "paid": self._random.random() < 0.5,
            "total": total.to_bytes(total.bit_length() // 8 + 1, "big"), "updated_at": micros,
        }  # fmt: skip


def _copied(schema: Any) -> Any:
    """A schema that its reader may change."""
    return json.loads(json.dumps(schema))
