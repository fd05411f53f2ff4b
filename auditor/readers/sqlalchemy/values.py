"""What a database driver hands over, as the text that readers deliver.

Nothing passes through binary floating point that did not come as such.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from auditor.readers.documents import inner_text
from contracts.logical_types import Kind, LogicalType

UUID_BYTES = 16


def value_text(value: Any, logical: LogicalType | None) -> str | None:
    """The text of one value of any Python type that drivers use."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | UUID):
        return str(value)
    if isinstance(value, float | Decimal):
        return _special(repr(value) if isinstance(value, float) else f"{value:f}")
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes_text(bytes(value), logical)
    return _time_text(value, logical) or _structure_text(value)


@dataclass(frozen=True, slots=True)
class Cell:
    """One wanted thing of a row.

    Attributes:
        path: Where in the column's document, or empty.
        logical: What it is read under.
        padded: The database fills it up with blanks that are no part of it.
        single: It is a 32-bit float, which drivers hand over as a double with other digits.
    """

    path: tuple[str, ...]
    logical: LogicalType | None
    padded: bool
    single: bool

    def text(self, value: Any) -> str | None:
        """What reaches the comparison."""
        if self.single and isinstance(value, float):
            value = float(str(np.float32(value)))
        text = value_text(value, self.logical)
        if text is not None and self.padded:
            text = text.rstrip(" ")
        return inner_text(text, self.path, self.logical) if self.path else text


def _special(text: str) -> str:
    words = {"nan": "NaN", "inf": "infinity", "-inf": "-infinity", "Infinity": "infinity", "-Infinity": "-infinity"}
    return words.get(text, text)


def _bytes_text(value: bytes, logical: LogicalType | None) -> str:
    kind = logical.kind if logical is not None else None
    if kind is Kind.UUID and len(value) == UUID_BYTES:
        return str(UUID(bytes=value))
    if kind in (Kind.INT, Kind.BOOL) and len(value) <= 8:  # noqa: PLR2004  a BIT column, as MySQL's drivers have it
        return str(int.from_bytes(value))
    if kind in (Kind.TEXT, Kind.ENUM, Kind.JSON):  # text under a binary collation
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    return f"\\x{value.hex()}"


def _time_text(value: Any, logical: LogicalType | None) -> str | None:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat(timespec="microseconds")
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, timedelta):
        return _span_text(value, as_time=logical is not None and logical.kind is Kind.TIME)
    return None


def _span_text(value: timedelta, *, as_time: bool) -> str:
    """A time of day, as some drivers tell it, or a length of time in ISO 8601."""
    micros = value // timedelta(microseconds=1)
    sign, whole, part = "-" if micros < 0 else "", abs(micros) // 1_000_000, abs(micros) % 1_000_000
    if as_time:
        return f"{sign}{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{part:06}"
    return f"PT{sign}{whole}.{part:06}S"


def _structure_text(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=lambda item: value_text(item, None))
    return str(value)
