r"""From decoded values to cells: one reader a column, made once from what the writer's schema says.

Nothing is rounded.  What the connector itself rounded is real but coarse: it is kept, and a note says so.  What cannot
be told apart from something else (an interval in microseconds, bits of an unknown database) is unreadable, with a note.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from auditor.feeds import avro_logical, numbers, temporal
from auditor.feeds.hints import (
    BARE_TIME,
    BASE64_TEXT,
    BASE64_URL_TEXT,
    BINARY_TEXT,
    BIT,
    BIT_OR_BOOLEAN,
    HEX_TEXT,
    MYSQL,
    PADDED_TEXT,
    ROUNDED,
    UNSIGNED,
)
from auditor.feeds.placeholder import Placeholder, placeholder
from auditor.feeds.shape import AVRO_FALSE, AVRO_TRUE, NO_DEFAULT, BadValueError, Carrier, CellReader, Shape
from reconcilers.change import Cell, DefaultOrNull, Lack
from reconcilers.value_text import float_text

if TYPE_CHECKING:
    from collections.abc import Callable

_DEBEZIUM_TIME, _DEBEZIUM, _CONNECT = "io.debezium.time.", "io.debezium.data.", "org.apache.kafka.connect.data."
_INT_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_PLAIN = (*_INT_BITS, "float32", "float64", "boolean", "string")
"""What is the same in a map as in JSON."""

_FLOAT_WORDS = {"NaN": "NaN", "Infinity": "infinity", "-Infinity": "-infinity"}

TRUNCATED = "truncated to milliseconds by the connector (time.precision.mode=connect)"
DOUBLE = "digits beyond the 15th may be lost by the connector (decimal.handling.mode=double)"
ONE_BIT = (
    "the connector writes one bit as true or false, as it does booleans; say the column's type in `schemaless.columns`"
)
WRAPS = "a bigint unsigned above 9223372036854775807 arrives negative; say its type in `schemaless.columns`"
NAN = "NULL may be NaN, which the connector cannot write"
OUT_OF_DAY = "NULL may be a time before 00:00 or after 24:00, which the connector cannot write"
_NOTES = {
    f"{_DEBEZIUM_TIME}MicroDuration": "unreadable: an interval in microseconds has lost its months and days "
    "(set interval.handling.mode=string)",
    f"{_DEBEZIUM_TIME}NanoDuration": "unreadable: an interval in nanoseconds has lost its months and days "
    "(set interval.handling.mode=string)",
    f"{_CONNECT}Time": TRUNCATED,
    f"{_CONNECT}Timestamp": TRUNCATED,
    f"{_DEBEZIUM_TIME}ZonedTime": "unreadable: the connector turns it to UTC, and the offset that the database holds "
    "is lost",
    ROUNDED: DOUBLE,
    BIT_OR_BOOLEAN: ONE_BIT,
    BASE64_TEXT: "unreadable where NULL: with binary.handling.mode=base64 a value that was left as it was is NULL too",
    BASE64_URL_TEXT: "unreadable where NULL: with binary.handling.mode=base64 a value that was left as it was is NULL "
    "too",
    BINARY_TEXT: "unreadable: bytes came as text, and how they are written is not known (say binary.handling.mode in "
    "`schemaless.binary`)",
    f"{_DEBEZIUM}VariableScaleDecimal": NAN,
    BARE_TIME: "unreadable: it came as an integer, and the schema does not say of what unit; say the column's type in "
    "`schemaless.columns`, and time.precision.mode in `schemaless.time`",
}


_NOTES_BY_DATABASE = {
    **{(connector, "int64"): WRAPS for connector in MYSQL},
    **{(connector, f"{_CONNECT}Time"): f"{OUT_OF_DAY}; {TRUNCATED}" for connector in MYSQL},
    **{(connector, f"{_DEBEZIUM_TIME}IsoTime"): OUT_OF_DAY for connector in MYSQL},
    ("postgresql", f"{_CONNECT}Decimal"): NAN,
}


@dataclass(frozen=True, slots=True)
class CellContext:
    """What else than its own type decides how a column is read.

    Attributes:
        carrier: How values arrive.
        connector: The kind of the database, as far as it is known.
        placeholder: What stands for a value that was left as it was.
        nulls_kept: The converter is known to write NULL as NULL, not as the default.
    """

    carrier: Carrier
    connector: str = ""
    placeholder: Placeholder = field(default_factory=placeholder)
    nulls_kept: bool = False


def note_of(shape: Shape, context: CellContext) -> str:
    """What a reader of the comparison must know of a column's values; empty where there is nothing."""
    if shape.kind == "unknown" or _is_unreadable(shape, context):
        return _NOTES.get(shape.name) or f"unreadable: the type {shape.name or shape.kind} cannot be told"
    if shape.kind == "array" and shape.item:
        return note_of(shape.item, context)
    if shape.default is not NO_DEFAULT and shape.optional and not context.nulls_kept:
        return "NULL may arrive as the column's default"
    return _NOTES_BY_DATABASE.get((context.connector, shape.name or shape.kind)) or _NOTES.get(shape.name, "")


def cell_reader(shape: Shape, context: CellContext) -> CellReader:
    """What turns the values of one column, NULL among them, into cells.

    The reader raises `BadValueError` where a value is none of the type.
    """
    read, null = value_reader(shape, context), null_cell(shape, context)
    if not shape.optional:
        return lambda value: _required() if value is None else read(value)
    return lambda value: null if value is None else read(value)


def value_reader(shape: Shape, context: CellContext) -> CellReader:
    """What turns the values of one column other than NULL into cells."""
    if _is_unreadable(shape, context):
        return _unreadable
    read = _value_reader(shape, context)
    if shape.default is NO_DEFAULT or not shape.optional or context.nulls_kept:
        return read
    return _with_default(read, shape.default)


def null_cell(shape: Shape, context: CellContext) -> Cell:
    """What NULL in a column means: nothing else than NULL, but where kept values come as NULL."""
    is_base64 = shape.name in (BASE64_TEXT, BASE64_URL_TEXT, BINARY_TEXT)
    is_ambiguous = is_base64 and context.connector in ("postgresql", "")
    return Lack.UNREADABLE if is_ambiguous else None


def _with_default(read: CellReader, default: object) -> CellReader:
    def reader(value: object) -> Cell:
        cell = read(value)
        return DefaultOrNull(cell) if value == default and isinstance(cell, str) else cell

    return reader


def _required() -> Cell:
    raise BadValueError("NULL in a column that is declared NOT NULL")


def _unreadable(_value: object) -> Cell:
    return Lack.UNREADABLE


def _is_unreadable(shape: Shape, context: CellContext) -> bool:
    if shape.kind == "array":
        return shape.item is None or _is_unreadable(shape.item, context)
    if shape.name == f"{_DEBEZIUM}Bits":
        return not context.connector
    if shape.kind == "struct":
        return shape.name not in _STRUCTS
    if shape.kind == "map":
        return shape.item is None or shape.item.name != "" or shape.item.kind not in _PLAIN
    return shape.kind == "unknown" or shape.name.endswith(("Duration", ".ZonedTime"))


def _value_reader(shape: Shape, context: CellContext) -> CellReader:
    """Reads values other than NULL."""
    kind = shape.kind
    if kind == "string":
        return _string(shape, context)
    if kind in _INT_BITS:
        return _integer(shape, _INT_BITS[kind])
    if kind == "bytes":
        return _bytes(shape, context)
    if kind in ("float32", "float64"):
        return _float(numbers.float32_text if kind == "float32" else float_text)
    return _OTHERS[kind](shape, context)


def _string(shape: Shape, context: CellContext) -> CellReader:
    kept, clean = context.placeholder.text, _STRINGS.get(shape.name)

    def plain(value: object) -> Cell:
        if value.__class__ is not str:
            raise BadValueError("expected a text")
        return Lack.KEPT if value == kept else value

    if clean is None:
        return plain

    def cleaned(value: object) -> Cell:
        cell = plain(value)
        return clean(cell) if isinstance(cell, str) else cell

    return cleaned


def _without_zone(text: str) -> str:
    """Wall-clock times are written with a `Z` that they do not have."""
    return text.removesuffix("Z")


def _hex_of_base64(text: str) -> str:
    return f"\\x{_octets_of_json(text).hex()}"


def _hex_of_url_base64(text: str) -> str:
    return _hex_of_base64(text.translate(_URL_SAFE))


def _hex(text: str) -> str:
    try:
        return f"\\x{bytes.fromhex(text).hex()}"
    except ValueError:
        raise BadValueError("expected bytes in hexadecimal digits") from None


def _without_padding(text: str) -> str:
    return text.rstrip(" ")


_URL_SAFE = str.maketrans("-_", "+/")
_STRINGS: dict[str, Callable[[str], str]] = {
    **{f"{_DEBEZIUM_TIME}{name}": _without_zone for name in ("IsoDate", "IsoTime", "IsoTimestamp")},
    BASE64_TEXT: _hex_of_base64,
    BASE64_URL_TEXT: _hex_of_url_base64,
    HEX_TEXT: _hex,
    PADDED_TEXT: _without_padding,
}


def _integer(shape: Shape, bits: int) -> CellReader:
    least, most, text = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, _INTEGERS.get(shape.name, str)

    def integer(value: object) -> Cell:
        if value.__class__ is not int or not least <= value <= most:
            raise BadValueError(f"expected an integer of {bits} bits")
        try:
            return text(value)
        except OverflowError:
            raise BadValueError("a time is out of range") from None

    return integer


def _micro_timestamp(value: int) -> Cell:
    text = temporal.timestamp_us_text(value)
    return Lack.UNREADABLE if text is None else text


def _unsigned(value: int) -> Cell:
    """An integer of 64 bits without a sign, which the connector wrote as one with a sign."""
    return str(value if value >= 0 else value + 2**64)


_INTEGERS: dict[str, Callable[[Any], Cell]] = {
    **avro_logical.INTEGERS,
    UNSIGNED: _unsigned,
    f"{_DEBEZIUM_TIME}Date": temporal.date_text,
    f"{_DEBEZIUM_TIME}Time": lambda value: temporal.time_text(value, 3),
    f"{_DEBEZIUM_TIME}MicroTime": lambda value: temporal.time_text(value, 6),
    f"{_DEBEZIUM_TIME}NanoTime": lambda value: temporal.time_text(value, 9),
    f"{_DEBEZIUM_TIME}Timestamp": temporal.timestamp_ms_text,
    f"{_DEBEZIUM_TIME}MicroTimestamp": _micro_timestamp,
    f"{_DEBEZIUM_TIME}NanoTimestamp": temporal.timestamp_ns_text,
    f"{_CONNECT}Date": temporal.date_text,
    f"{_CONNECT}Time": lambda value: temporal.time_text(value, 3),
    f"{_CONNECT}Timestamp": temporal.timestamp_ms_text,
}


def _float(text: Callable[[float], str]) -> CellReader:
    def reader(value: object) -> Cell:
        if isinstance(value, str):  # JSON has no other way
            if value in _FLOAT_WORDS:
                return _FLOAT_WORDS[value]
        elif isinstance(value, float | int | Decimal) and not isinstance(value, bool):
            return text(_double(value))
        raise BadValueError("expected a number")

    return reader


def _double(value: float | Decimal) -> float:
    """The number as a double; only a double may be infinite, and no number that was written out."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number) and not isinstance(value, float):
        raise BadValueError("expected a number that a double holds")
    return number


def _bytes(shape: Shape, context: CellContext) -> CellReader:
    make, octets = _octets(context.carrier), context.placeholder.octets
    if shape.name == f"{_CONNECT}Decimal":
        return _decimal(shape, make)
    if shape.name == f"{_DEBEZIUM}Bits":
        return _bits(shape, context, make)
    if (text := avro_logical.OCTETS.get(shape.name)) is not None:
        return lambda value: text(make(value))

    def reader(value: object) -> Cell:
        raw = make(value)
        return Lack.KEPT if raw == octets else f"\\x{raw.hex()}"

    return reader


def _octets(carrier: Carrier) -> Callable[[object], bytes]:
    return _octets_of_json if carrier is Carrier.JSON else _octets_of_avro


def _octets_of_avro(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise BadValueError("expected bytes")
    return value


def _octets_of_json(value: object) -> bytes:
    if not isinstance(value, str):
        raise BadValueError("expected bytes in base64")
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadValueError("expected bytes in base64") from None
    if base64.b64encode(raw) != value.encode():  # bits after the end, which readers take differently
        raise BadValueError("expected bytes in base64")
    return raw


def _decimal(shape: Shape, make: Callable[[object], bytes]) -> CellReader:
    try:
        scale = int(shape.parameters["scale"])
    except (KeyError, ValueError):
        return _unreadable

    def reader(value: object) -> Cell:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):  # decimal.format=NUMERIC
            return str(value)
        return numbers.unscaled_text(make(value), scale)

    return reader


_BITS_DIGITS = 6
"""Digits of a column's number of bits; more would fill the memory."""


def _bits(shape: Shape, context: CellContext, make: Callable[[object], bytes]) -> CellReader:
    """Bits come with the lowest first; MySQL shows them as a number, PostgreSQL as ones and zeros."""
    length = shape.parameters.get("length", "")
    most = int(length) if length.isdecimal() and len(length) <= _BITS_DIGITS else 0
    is_number = context.connector in MYSQL

    def reader(value: object) -> Cell:
        number = int.from_bytes(make(value), "little")
        if most and number >> most:
            raise BadValueError(f"expected {most} bits")
        return str(number) if is_number else f"{number:0{most}b}"

    return reader


def boolean_texts(shape: Shape) -> tuple[str, str]:
    """What false and true are written as."""
    return ("0", "1") if shape.name == BIT else ("false", "true")


def _boolean(shape: Shape, _context: CellContext) -> CellReader:
    no, yes = boolean_texts(shape)

    def reader(value: object) -> Cell:
        if value is True or value == AVRO_TRUE:
            return yes
        if value is False or value == AVRO_FALSE:
            return no
        raise BadValueError("expected true or false")

    return reader


def _array(shape: Shape, context: CellContext) -> CellReader:
    assert shape.item is not None  # noqa: S101  else it is unreadable
    item, literal = cell_reader(shape.item, context), _is_literal(shape.item)
    unavailable = context.placeholder

    def reader(value: object) -> Cell:
        if not isinstance(value, list):
            raise BadValueError("expected a list")
        if value and unavailable.is_in(value):
            return Lack.KEPT
        cells = [item(element) for element in value]
        if any(isinstance(cell, Lack) for cell in cells):
            return Lack.UNREADABLE
        return f"[{','.join([_element(cell, literal=literal) for cell in cells])}]"

    return reader


def _is_literal(shape: Shape) -> bool:
    """Whether an element's text is JSON by itself."""
    numeric = shape.kind in (*_INT_BITS, "float32", "float64", "boolean", "array") and not shape.name
    return numeric or shape.name in (f"{_DEBEZIUM}Json", f"{_CONNECT}Decimal", f"{_DEBEZIUM}VariableScaleDecimal")


def _element(cell: Cell, *, literal: bool) -> str:
    if cell is None:
        return "null"
    text = cell.text if isinstance(cell, DefaultOrNull) else str(cell)
    return text if literal and text not in _FLOAT_WORDS.values() else json.dumps(text, ensure_ascii=False)


def _map(shape: Shape, context: CellContext) -> CellReader:
    assert shape.item is not None  # noqa: S101  else it is unreadable
    item, literal = value_reader(shape.item, context), _is_literal(shape.item)
    unavailable = context.placeholder

    def reader(value: object) -> Cell:
        if not isinstance(value, dict):
            raise BadValueError("expected a map")
        if unavailable.is_in(value):
            return Lack.KEPT
        cells = {name: None if each is None else item(each) for name, each in value.items()}
        if any(isinstance(cell, Lack) for cell in cells.values()):
            return Lack.UNREADABLE
        members = [f"{json.dumps(name)}: {_element(cell, literal=literal)}" for name, cell in cells.items()]
        return f"{{{', '.join(members)}}}"

    return reader


def _struct(shape: Shape, context: CellContext) -> CellReader:
    read = _STRUCTS[shape.name](context)

    def reader(value: object) -> Cell:
        if not isinstance(value, dict):
            raise BadValueError("expected a struct")
        return read(value)

    return reader


def _variable_decimal(context: CellContext) -> Callable[[dict[str, Any]], Cell]:
    make = _octets(context.carrier)

    def reader(value: dict[str, Any]) -> Cell:
        scale = value.get("scale")
        if scale.__class__ is not int:
            raise BadValueError("expected a decimal with its scale")
        return numbers.unscaled_text(make(value.get("value")), scale)

    return reader


def _point(context: CellContext) -> Callable[[dict[str, Any]], Cell]:
    form = "POINT({} {})" if context.connector in MYSQL else "({},{})"

    def reader(value: dict[str, Any]) -> Cell:
        coordinates = [value.get("x"), value.get("y")]
        if not all(isinstance(number, float | int | Decimal) for number in coordinates):
            raise BadValueError("expected a point")
        return form.format(*(float_text(_double(number)).removesuffix(".0") for number in coordinates))  # type: ignore[arg-type]

    return reader


def _geometry(context: CellContext) -> Callable[[dict[str, Any]], Cell]:
    make = _octets(context.carrier)
    return lambda value: f"\\x{make(value.get('wkb')).hex()}"


_STRUCTS: dict[str, Callable[[CellContext], Callable[[dict[str, Any]], Cell]]] = {
    f"{_DEBEZIUM}VariableScaleDecimal": _variable_decimal,
    f"{_DEBEZIUM}geometry.Point": _point,
    f"{_DEBEZIUM}geometry.Geometry": _geometry,
    f"{_DEBEZIUM}geometry.Geography": _geometry,
}

_OTHERS: dict[str, Callable[[Shape, CellContext], CellReader]] = {
    "boolean": _boolean, "array": _array, "map": _map, "struct": _struct,
}  # fmt: skip
