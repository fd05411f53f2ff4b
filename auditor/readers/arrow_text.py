r"""Arrow values as text with nothing lost: what DuckDB would bend, and what has structure.

Scalars become the text that readers deliver (`\x` and hex for bytes, ISO 8601 for times, all nine digits of a
nanosecond); lists, structs and maps become JSON, in which decimals are numbers with all their digits.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def texts(array: pa.Array) -> list[str | None]:
    """The text of every value."""
    kind = array.type
    if types.is_nested(kind):
        return json_texts(array)
    write = _writer(kind)
    return [None if value is None else write(value) for value in _plain(array)]


def json_texts(array: pa.Array) -> list[str | None]:
    """Every value as JSON text; None where there is no value."""
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    kind = array.type
    if types.is_nested(kind):
        return _structs(array) if types.is_struct(kind) else _maps(array) if types.is_map(kind) else _lists(array)
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_decimal(kind):
        return texts(array)
    if types.is_floating(kind):
        return [text if text is None or text[-1].isdigit() else json.dumps(text) for text in texts(array)]
    if isinstance(kind, pa.ExtensionType) and kind.extension_name == "arrow.json":
        return texts(array)
    return [None if text is None else json.dumps(text, ensure_ascii=False) for text in texts(array)]


def _structs(array: pa.Array) -> list[str | None]:
    names = [json.dumps(array.type.field(i).name, ensure_ascii=False) for i in range(array.type.num_fields)]
    members = [json_texts(child) for child in array.flatten()]
    present = array.is_valid().to_pylist()
    return [
        "{" + ",".join(f"{name}:{member[row] or 'null'}" for name, member in zip(names, members, strict=True)) + "}"
        if present[row]
        else None
        for row in range(len(array))
    ]


def _ranges(array: pa.Array) -> list[tuple[int, int] | None]:
    """Where in the flattened children each list lies."""
    lengths = pc.list_value_length(array).to_pylist()
    found: list[tuple[int, int] | None] = []
    start = 0
    for length in lengths:
        found.append(None if length is None else (start, start + length))
        start += length or 0
    return found


def _lists(array: pa.Array) -> list[str | None]:
    items = json_texts(array.flatten())
    return [
        None if found is None else "[" + ",".join(item or "null" for item in items[found[0] : found[1]]) + "]"
        for found in _ranges(array)
    ]


def _maps(array: pa.Array) -> list[str | None]:
    """Maps as objects; a key that is no text is written as its text."""
    offsets = array.offsets.to_pylist()
    keys, items = texts(array.keys), json_texts(array.items)
    base = offsets[0] if offsets and len(array.keys) != offsets[-1] else 0
    present = array.is_valid().to_pylist()
    return [
        "{"
        + ",".join(
            f"{json.dumps(keys[i], ensure_ascii=False)}:{items[i] or 'null'}" for i in range(start - base, end - base)
        )
        + "}"
        if there
        else None
        for start, end, there in zip(offsets, offsets[1:], present, strict=False)
    ]


def _plain(array: pa.Array) -> list[Any]:
    """Values as Python has them; times as counts of their own unit, which Python's types could not hold."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(array.storage if isinstance(array, pa.ExtensionArray) else pa.chunked_array(array).storage)
    if types.is_dictionary(kind):
        return _plain(array.cast(kind.value_type))
    if types.is_timestamp(kind) or types.is_time64(kind) or types.is_duration(kind):
        return list(array.cast(pa.int64()).to_pylist())
    if types.is_time32(kind):
        return list(array.cast(pa.int32()).to_pylist())
    if types.is_floating(kind) and not types.is_float64(kind):
        return [None if value is None else _narrow(kind)(value) for value in array.to_pylist()]
    return list(array.to_pylist())


def _narrow(kind: pa.DataType) -> Callable[[float], Any]:
    return np.float16 if types.is_float16(kind) else np.float32


def _writer(kind: pa.DataType) -> Callable[[Any], str]:
    """How a plain value of an Arrow type is written."""
    if isinstance(kind, pa.BaseExtensionType):
        return _uuid_text if kind.extension_name == "arrow.uuid" else _writer(kind.storage_type)
    if types.is_dictionary(kind):
        return _writer(kind.value_type)
    if types.is_timestamp(kind):
        unit, zone = kind.unit, "Z" if kind.tz else ""
        return lambda value: stamp_text(value, unit) + zone
    if types.is_duration(kind):
        unit = kind.unit
        return lambda value: duration_text(value, unit)
    if types.is_time(kind):
        unit = kind.unit
        return lambda value: clock_text(value, unit)
    choices: list[tuple[bool, Callable[[Any], str]]] = [
        (types.is_boolean(kind), lambda value: "true" if value else "false"),
        (types.is_decimal(kind), lambda value: f"{value:f}"),
        (types.is_floating(kind), _float_text),
        (types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind), _bytes_text),
        (types.is_date(kind), lambda value: value.isoformat()),
    ]
    return next((write for fits, write in choices if fits), str)


def _float_text(value: Any) -> str:
    text = str(value)
    return {"nan": "NaN", "inf": "infinity", "-inf": "-infinity"}.get(text, text)


def _bytes_text(value: bytes) -> str:
    return f"\\x{value.hex()}"


def _uuid_text(value: Any) -> str:
    return str(value if isinstance(value, UUID) else UUID(bytes=value))


def stamp_text(count: int, unit: str) -> str:
    """A moment, counted from 1970 in its unit, as ISO 8601 with as many digits as the unit has; years 1 to 9999.

    Beyond those years the count itself, which no logical type takes for a time.
    """
    per_second = _PER_SECOND[unit]
    try:
        moment = _EPOCH + timedelta(seconds=count // per_second)
    except OverflowError:
        return f"{count}{unit}"
    return moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + _fraction(count % per_second, per_second)


def clock_text(count: int, unit: str) -> str:
    """A time of day, counted from midnight in its unit."""
    per_second = _PER_SECOND[unit]
    seconds = count // per_second
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return clock + _fraction(count % per_second, per_second)


def duration_text(count: int, unit: str) -> str:
    """A length of time, counted in its unit, as ISO 8601."""
    per_second = _PER_SECOND[unit]
    whole, part = divmod(abs(count), per_second)
    return f"PT{'-' if count < 0 else ''}{whole}{_fraction(part, per_second)}S"


def _fraction(count: int, per_second: int) -> str:
    digits = len(str(per_second)) - 1
    return f".{count:0{digits}}" if digits else ""
