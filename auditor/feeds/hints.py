"""What a record does not say of its columns, and others know: the contract, the store, the settings of the connector.

JSON without a schema has integers for times of any unit and base64 for decimals of any scale.  With the column's type
and the connector's settings its schema is built again here, and the value read by the same rules as all others.  What
nobody told stays unreadable: a guess would be a wrong value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from auditor.feeds.shape import Shape
from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from collections.abc import Callable

MYSQL = ("mysql", "mariadb")

BASE64_TEXT, BASE64_URL_TEXT, HEX_TEXT, BINARY_TEXT, PADDED_TEXT, UNSIGNED, ROUNDED, BIT, BIT_OR_BOOLEAN, BARE_TIME = (
    "auditor.Base64", "auditor.Base64Url", "auditor.Hex", "auditor.Binary", "auditor.Padded", "auditor.Unsigned",
    "auditor.Rounded", "auditor.Bit", "auditor.BitOrBoolean", "auditor.BareTime",
)  # fmt: skip
"""Values that are something else than they look: names of logical types of our own."""

_TIME, _DATA, _CONNECT = "io.debezium.time.", "io.debezium.data.", "org.apache.kafka.connect.data."
_STORE_TYPE = re.compile(
    r"\s*([a-z][a-z0-9_ ]*?)\s*(?:\(\s*([^)]*?)\s*\))?\s*((?:with|without) time zone|unsigned.*)?\s*\Z"
)
_ADAPTIVE = ("adaptive", "adaptive_time_microseconds")
_MILLIS, _MICROS = 3, 6
_BINARY_NAMES = {"base64": BASE64_TEXT, "base64-url-safe": BASE64_URL_TEXT, "hex": HEX_TEXT}


@dataclass(frozen=True, slots=True)
class ColumnHint:
    """What is known of a column beside what its records say.

    Attributes:
        logical: Its type in the contract.
        store_type: Its type in the owner's store, in the store's words, such as `timestamp(3)`; empty if unknown.
        default: Its default, as a cell's text, where the column may also be NULL.
    """

    logical: LogicalType | None = None
    store_type: str = ""
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Modes:
    """How the connector is set; empty where nobody said, and then nothing is assumed.

    Attributes:
        time: `time.precision.mode`.
        decimals: `decimal.handling.mode`.
        binary: `binary.handling.mode`.
    """

    time: str = ""
    decimals: str = ""
    binary: str = ""


NO_HINT, NO_MODES = ColumnHint(), Modes()


@dataclass(frozen=True, slots=True)
class _StoreType:
    """A store's type: its name, its arguments, and what stands behind them."""

    name: str
    arguments: tuple[int, ...]
    behind: str

    def precision(self, default: int) -> int:
        return self.arguments[0] if self.arguments else default


def _parsed(text: str) -> _StoreType | None:
    match = _STORE_TYPE.match(text.lower())
    if match is None:
        return None
    numbers = [part.strip() for part in (match[2] or "").split(",")]
    arguments = tuple(int(part) for part in numbers if re.fullmatch(r"-?\d+", part))
    name, behind = match[1], match[3] or ""
    for words in (" without time zone", " with time zone", " unsigned"):
        if name.endswith(words):
            name, behind = name.removesuffix(words), words.strip()
    return _StoreType(name, arguments, behind)


def refined(shape: Shape, hint: ColumnHint, modes: Modes, connector: str) -> Shape:
    """A column of a known schema with what the schema leaves open.

    A text may be bytes in disguise, PostgreSQL's `char(n)` comes with the blanks that pad it, which are no part of the
    value, MySQL's unsigned integers wrap round above 2^63, a double may have been a decimal, and a boolean one bit.
    An integer that the contract takes for a time is one whose unit the schema does not tell
    (`connect.meta.data=false` leaves it out).
    """
    if shape.name:
        return shape
    store = _parsed(hint.store_type)
    if shape.kind == "int64" and store and store.behind.startswith("unsigned"):
        return replace(shape, name=UNSIGNED)
    if shape.kind in ("int32", "int64") and hint.logical is not None and hint.logical.kind in _TEMPORAL:
        return _refined_time(shape, hint, modes, connector)
    if shape.kind == "boolean":
        return replace(shape, name=_boolean_name(hint, store))
    if shape.kind == "float64" and _is_exact(hint, store):
        return replace(shape, name=ROUNDED)
    return _refined_text(shape, hint, store, modes, connector) if shape.kind == "string" else shape


def _refined_time(shape: Shape, hint: ColumnHint, modes: Modes, connector: str) -> Shape:
    told = shape_for(hint, 0, modes, connector)
    if told.kind != shape.kind:
        return Shape("unknown", BARE_TIME, optional=shape.optional)
    return replace(shape, name=told.name)


def _boolean_name(hint: ColumnHint, store: _StoreType | None) -> str:
    """One bit comes as a boolean, and stores show it as a digit; so does whoever reads a boolean as a number."""
    if store:
        return BIT if store.name in _BITS else ""
    if hint.logical is None:
        return ""
    return {Kind.INT: BIT, Kind.DECIMAL: BIT, Kind.TEXT: BIT_OR_BOOLEAN}.get(hint.logical.kind, "")


def _refined_text(shape: Shape, hint: ColumnHint, store: _StoreType | None, modes: Modes, connector: str) -> Shape:
    if _is_binary(hint, store):
        told = _BINARY_NAMES.get(modes.binary)
        return replace(shape, name=told) if told else Shape("unknown", BINARY_TEXT, optional=shape.optional)
    if connector == "postgresql" and store and store.name in _PADDED:
        return replace(shape, name=PADDED_TEXT)
    return shape


def _is_binary(hint: ColumnHint, store: _StoreType | None) -> bool:
    if store:
        return store.name in _BINARIES
    return hint.logical is not None and hint.logical.kind is Kind.BYTES


def _is_exact(hint: ColumnHint, store: _StoreType | None) -> bool:
    """Whether a column is known to hold numbers that a double cannot carry."""
    if store:
        return store.name in _DECIMALS
    return hint.logical is not None and hint.logical.kind in (Kind.DECIMAL, Kind.INT)


def shape_for(hint: ColumnHint, example: object, modes: Modes, connector: str) -> Shape:
    """The schema that a column of JSON without one would have.

    Args:
        hint: What is known of the column.
        example: A value: texts and numbers of one column may need different schemas.
        modes: How the connector is set.
        connector: The kind of the database, empty where unknown.

    Returns:
        A shape of kind `unknown` where nothing tells.
    """
    if isinstance(example, bool):
        return refined(Shape("boolean", optional=True), hint, modes, connector)
    shape = _by_store(hint.store_type, example, modes, connector) if hint.store_type else None
    if shape is None and hint.logical is not None:
        shape = _by_contract(hint.logical, example, modes, connector)
    return replace(shape or Shape("unknown"), optional=True)


def _by_store(text: str, example: object, modes: Modes, connector: str) -> Shape | None:
    if text.endswith("[]"):
        return _array(text.removesuffix("[]"), example, modes, connector)
    store = _parsed(text)
    if store is None:
        return None
    for names, make in _FAMILIES:
        if store.name in names:
            return make(store, example, modes, connector)
    if isinstance(example, str):
        return refined(Shape("string"), ColumnHint(store_type=text), modes, connector)
    return None


def _array(element: str, example: object, modes: Modes, connector: str) -> Shape | None:
    if not isinstance(example, list):
        return None
    first = next((item for item in example if item is not None), None)
    item = Shape("string") if first is None else _by_store(element, first, modes, connector)
    return None if item is None else Shape("array", item=replace(item, optional=True))


def _temporal(names: dict[str, tuple[str, str]], precision: int, modes: Modes) -> Shape | None:
    """The schema of a date or time by the connector's mode.

    Args:
        names: By mode, the kind and the logical type; `adaptive 3`, `adaptive 6` and `adaptive 9` by precision.
        precision: Digits after the second.
        modes: How the connector is set.
    """
    mode = modes.time
    if mode in _ADAPTIVE:
        finest = _MILLIS if precision <= _MILLIS else _MICROS if precision <= _MICROS else 9
        mode = f"adaptive {finest}"
    found = names.get(mode)
    return None if found is None else Shape(*found)


_TEMPORAL = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL)
_STAMPS = {
    "adaptive 3": ("int64", f"{_TIME}Timestamp"), "adaptive 6": ("int64", f"{_TIME}MicroTimestamp"),
    "adaptive 9": ("int64", f"{_TIME}NanoTimestamp"), "connect": ("int64", f"{_CONNECT}Timestamp"),
    "microseconds": ("int64", f"{_TIME}MicroTimestamp"), "nanoseconds": ("int64", f"{_TIME}NanoTimestamp"),
    "isostring": ("string", f"{_TIME}IsoTimestamp"),
}  # fmt: skip
_TIMES = {
    "adaptive 3": ("int32", f"{_TIME}Time"), "adaptive 6": ("int64", f"{_TIME}MicroTime"),
    "adaptive 9": ("int64", f"{_TIME}NanoTime"), "connect": ("int32", f"{_CONNECT}Time"),
    "microseconds": ("int64", f"{_TIME}MicroTime"), "nanoseconds": ("int64", f"{_TIME}NanoTime"),
    "isostring": ("string", f"{_TIME}IsoTime"),
}  # fmt: skip
_PRECISIONS = {"mysql": 0, "mariadb": 0, "sqlserver": 7}
"""Digits after the second where a type does not say; PostgreSQL has 6."""


def _timestamp(store: _StoreType, example: object, modes: Modes, connector: str) -> Shape | None:
    if isinstance(example, str) and (_is_zoned(store, connector) or modes.time == "isostring"):
        return Shape("string", f"{_TIME}{'ZonedTimestamp' if _is_zoned(store, connector) else 'IsoTimestamp'}")
    default = 3 if store.name in ("datetime", "smalldatetime") and connector == "sqlserver" else 6
    return _temporal(_STAMPS, store.precision(_PRECISIONS.get(connector, default) if default != 3 else 3), modes)  # noqa: PLR2004


def _is_zoned(store: _StoreType, connector: str) -> bool:
    if connector in MYSQL:
        return store.name == "timestamp"
    return store.behind == "with time zone" or store.name in ("timestamptz", "datetimeoffset")


def _time(store: _StoreType, example: object, modes: Modes, connector: str) -> Shape | None:
    if store.behind == "with time zone" or store.name == "timetz":
        return Shape("string", f"{_TIME}ZonedTime")
    precision = store.precision(_PRECISIONS.get(connector, 6))
    if modes.time == "adaptive_time_microseconds":  # whatever the precision
        precision = _MICROS
    return _temporal(_TIMES, precision, modes) if isinstance(example, int) or modes.time == "isostring" else None


def _date(_store: _StoreType, example: object, _modes: Modes, _connector: str) -> Shape:
    """Days from 1970 in every mode but `isostring`, which writes a text."""
    return Shape("string", f"{_TIME}IsoDate") if isinstance(example, str) else Shape("int32", f"{_TIME}Date")


def _decimal(store: _StoreType, example: object, modes: Modes, connector: str) -> Shape | None:
    if isinstance(example, int | Decimal):
        return (
            Shape("float64", ROUNDED)
            if modes.decimals == "double"
            else Shape("bytes", f"{_CONNECT}Decimal", {"scale": "0"})
        )
    if isinstance(example, dict):
        return Shape("struct", f"{_DATA}VariableScaleDecimal")
    if modes.decimals == "string":
        return Shape("string")
    if modes.decimals != "precise":
        return None
    scale = store.arguments[1] if len(store.arguments) > 1 else 0
    if store.name == "money":
        scale = 2 if connector == "postgresql" else 4
    elif not store.arguments and connector not in MYSQL:
        return None  # its scale is in the message, in a struct
    return Shape("bytes", f"{_CONNECT}Decimal", {"scale": str(scale)})


def _integer(store: _StoreType, example: object, modes: Modes, connector: str) -> Shape | None:
    """MySQL's `bigint unsigned` is a decimal with `bigint.unsigned.handling.mode=precise`."""
    if isinstance(example, str):
        return _decimal(_NO_STORE, example, modes, connector) if store.behind.startswith("unsigned") else None
    is_unsigned = store.name == "bigint" and store.behind.startswith("unsigned")
    return Shape("int64", UNSIGNED if is_unsigned else "") if isinstance(example, int) else None


def _float(store: _StoreType, _example: object, _modes: Modes, connector: str) -> Shape:
    """MySQL's `float` has 32 bits, everybody else's has 64."""
    return Shape("float32" if store.name in ("real", "float4") or _is_mysql_float(store, connector) else "float64")


def _is_mysql_float(store: _StoreType, connector: str) -> bool:
    return store.name == "float" and connector == "mysql" and not store.arguments


def _bytes(_store: _StoreType, example: object, modes: Modes, _connector: str) -> Shape | None:
    if not isinstance(example, str) or not modes.binary:
        return None
    return Shape("string", _BINARY_NAMES[modes.binary]) if modes.binary != "bytes" else Shape("bytes")


def _bits(store: _StoreType, _example: object, _modes: Modes, _connector: str) -> Shape:
    return Shape("bytes", f"{_DATA}Bits", {"length": str(store.precision(1))})


def _interval(_store: _StoreType, example: object, _modes: Modes, _connector: str) -> Shape:
    return Shape("string") if isinstance(example, str) else Shape("int64", f"{_TIME}MicroDuration")


def _json(_store: _StoreType, example: object, _modes: Modes, _connector: str) -> Shape:
    return (
        Shape("map", item=Shape("string", optional=True))
        if isinstance(example, dict)
        else Shape("string", f"{_DATA}Json")
    )


def _point(_store: _StoreType, _example: object, _modes: Modes, _connector: str) -> Shape:
    return Shape("struct", f"{_DATA}geometry.Point")


def may_pad(store_type: str) -> bool:
    """Whether a store fills the values of such a column with blanks; an empty text is a type that nobody knows."""
    store = _parsed(store_type) if store_type else None
    return store is None or store.name in _PADDED


_PADDED = frozenset({"character", "char", "bpchar", "nchar"})
_BITS = frozenset({"bit", "bit varying", "varbit"})
_BINARIES = frozenset({
    "bytea", "blob", "tinyblob", "mediumblob", "longblob", "binary", "varbinary", "image",
})  # fmt: skip
_DECIMALS = frozenset({"numeric", "decimal", "dec", "fixed", "money", "smallmoney"})
_FAMILIES: tuple[tuple[frozenset[str], Callable[[_StoreType, object, Modes, str], Shape | None]], ...] = (
    (frozenset({"timestamp", "timestamptz", "datetime", "datetime2", "smalldatetime", "datetimeoffset"}), _timestamp),
    (frozenset({"time", "timetz"}), _time),
    (frozenset({"date"}), _date),
    (_DECIMALS, _decimal),
    (frozenset({"smallint", "integer", "bigint", "int", "tinyint", "mediumint", "int2", "int4", "int8", "serial",
                "bigserial", "oid", "year"}), _integer),
    (frozenset({"real", "float", "float4", "float8", "double", "double precision"}), _float),
    (_BINARIES, _bytes),
    (_BITS, _bits),
    (frozenset({"interval"}), _interval),
    (frozenset({"json", "jsonb", "hstore"}), _json),
    (frozenset({"point"}), _point),
)  # fmt: skip


def _by_contract(logical: LogicalType, example: object, modes: Modes, connector: str) -> Shape | None:
    """What the contract's type alone leaves no doubt about."""
    if isinstance(example, str):
        return _text_by_contract(logical, modes)
    if isinstance(example, int | Decimal):
        return _number_by_contract(logical, example, modes, connector)
    if logical.kind is Kind.DECIMAL and isinstance(example, dict):
        return Shape("struct", f"{_DATA}VariableScaleDecimal")
    if logical.kind is Kind.LIST and isinstance(example, list) and logical.element:
        first = next((item for item in example if item is not None), "")
        item = _by_contract(logical.element, first, modes, connector)
        return None if item is None else Shape("array", item=replace(item, optional=True))
    return None


def _number_by_contract(logical: LogicalType, example: object, modes: Modes, connector: str) -> Shape | None:
    if logical.kind is Kind.FLOAT:
        return Shape("float64")
    if logical.kind is Kind.DECIMAL:
        return _decimal(_NO_STORE, example, modes, connector)
    if not isinstance(example, int):
        return None
    return Shape("int64") if logical.kind in (Kind.INT, Kind.BOOL) else _time_by_contract(logical.kind, modes)


_NO_STORE = _StoreType("", (), "")
_UNITS = {
    "connect": {Kind.TIMESTAMP: "connect", Kind.TIMESTAMP_LOCAL: "connect", Kind.TIME: "connect"},
    "microseconds": {Kind.TIMESTAMP: "microseconds", Kind.TIMESTAMP_LOCAL: "microseconds", Kind.TIME: "microseconds"},
    "nanoseconds": {Kind.TIMESTAMP: "nanoseconds", Kind.TIMESTAMP_LOCAL: "nanoseconds", Kind.TIME: "nanoseconds"},
}


def _time_by_contract(kind: Kind, modes: Modes) -> Shape | None:
    """Some modes have one unit for every column; a date counts days in all of them."""
    if kind is Kind.DATE:
        return Shape("int32", f"{_TIME}Date")
    mode = _UNITS.get(modes.time, {}).get(kind)
    if kind is Kind.TIME and modes.time == "adaptive_time_microseconds":
        mode = "microseconds"
    if mode is None:
        return None
    return Shape(*(_TIMES if kind is Kind.TIME else _STAMPS)[mode])


_TEXTS = {
    Kind.TEXT: "", Kind.UUID: "", Kind.ENUM: "", Kind.INTERVAL: "", Kind.JSON: f"{_DATA}Json",
    Kind.TIMESTAMP: f"{_TIME}ZonedTimestamp",
}  # fmt: skip


def _text_by_contract(logical: LogicalType, modes: Modes) -> Shape | None:
    if logical.kind in _TEXTS:
        return Shape("string", _TEXTS[logical.kind])
    if logical.kind is Kind.BYTES:
        return _bytes(_NO_STORE, "", modes, "")
    if logical.kind is Kind.DECIMAL:
        return Shape("string") if modes.decimals == "string" else None
    if logical.kind is Kind.FLOAT:
        return Shape("float64")  # NaN and the infinities
    return _iso_by_contract(logical.kind, modes)


def _iso_by_contract(kind: Kind, modes: Modes) -> Shape | None:
    if kind is Kind.DATE:
        return Shape("string", f"{_TIME}IsoDate")
    if modes.time != "isostring":
        return None
    name = {Kind.TIME: "IsoTime", Kind.TIMESTAMP_LOCAL: "IsoTimestamp"}.get(kind)
    return Shape("string", f"{_TIME}{name}") if name else None
