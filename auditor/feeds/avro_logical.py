"""Avro's own logical types, for schemas that no connector has written: which type of a connector says the same.

A schema of Kafka Connect tells its types by `connect.name`, which wins: an Avro `timestamp-millis` is a moment, and
Connect writes it for a clock on the wall too.  With `connect.meta.data=false`, and in topics of other programs, there
is nothing else.  As Avro's specification wants it, a logical type that does not fit what it stands on is none.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

from auditor.feeds import temporal
from auditor.feeds.shape import BadValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconcilers.change import Cell

_TIME, _CONNECT = "io.debezium.time.", "org.apache.kafka.connect.data."
_INSTANTS = {digits: f"auditor.avro.Instant{digits}" for digits in (3, 6, 9)}
_UUID, _SPAN = "auditor.avro.Uuid", "auditor.avro.Span"

_NAMES = {
    ("int", "date"): f"{_TIME}Date",
    ("int", "time-millis"): f"{_TIME}Time",
    ("long", "time-micros"): f"{_TIME}MicroTime",
    ("long", "local-timestamp-millis"): f"{_TIME}Timestamp",
    ("long", "local-timestamp-micros"): f"{_TIME}MicroTimestamp",
    ("long", "local-timestamp-nanos"): f"{_TIME}NanoTimestamp",
    ("long", "timestamp-millis"): _INSTANTS[3],
    ("long", "timestamp-micros"): _INSTANTS[6],
    ("long", "timestamp-nanos"): _INSTANTS[9],
    ("string", "uuid"): "io.debezium.data.Uuid",
}
_FIXED: Mapping[tuple[str, object], str] = {("uuid", 16): _UUID, ("duration", 12): _SPAN}
_DIGITS_MAX = 100_000
"""Of a decimal; more than any database has."""


def logical_type(schema: Mapping[str, Any], told: object) -> tuple[str, dict[str, str]]:
    """The logical type's name and parameters in the words of connectors; an empty name where there is none.

    Args:
        schema: Of a primitive, or of a `fixed`.
        told: Its `logicalType`, whatever somebody wrote there.
    """
    kind = schema["type"]
    if not isinstance(told, str) or not isinstance(kind, str):
        return "", {}
    if told == "decimal" and kind in ("bytes", "fixed"):
        return _decimal(schema.get("precision"), schema.get("scale", 0))
    if kind == "fixed":
        return _FIXED.get((told, schema.get("size")), ""), {}
    return _NAMES.get((kind, told), ""), {}


def _decimal(precision: object, scale: object) -> tuple[str, dict[str, str]]:
    if precision.__class__ is not int or scale.__class__ is not int:
        return "", {}
    if not 0 <= scale <= precision <= _DIGITS_MAX or not precision:
        return "", {}
    return f"{_CONNECT}Decimal", {"scale": str(scale)}


def _moment(text: Callable[[int], str | None]) -> Callable[[int], str]:
    """Text of a moment, from that of a clock on the wall in UTC."""

    def moment(value: int) -> str:
        told = text(value)
        if told is None or not told[0].isdigit():
            raise BadValueError("a time is out of range")
        return f"{told}Z"

    return moment


INTEGERS: Mapping[str, Callable[[int], Cell]] = {
    _INSTANTS[3]: _moment(temporal.timestamp_ms_text),
    _INSTANTS[6]: _moment(temporal.timestamp_us_text),
    _INSTANTS[9]: _moment(temporal.timestamp_ns_text),
}
"""What turns the integers of our own types into cells."""


def _span(raw: bytes) -> Cell:
    months, days, millis = struct.unpack("<III", raw)
    seconds, rest = divmod(millis, 1000)
    return f"P{months}M{days}DT{seconds}.{rest:03}S"


OCTETS: Mapping[str, Callable[[bytes], Cell]] = {_UUID: lambda raw: str(UUID(bytes=raw)), _SPAN: _span}
"""What turns the bytes of our own types into cells."""
