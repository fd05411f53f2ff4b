"""Canonical text of the values that SQL alone cannot bring into canonical form.

JSON, lists, odd spellings of decimals, intervals and Unicode case folding go through Python, column by column, as
functions that DuckDB calls on whole batches.  Each function maps text to canonical text, or to None where the text is
no value of the type.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation, localcontext
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contracts.logical_types import Kind, LogicalType, parse_logical_type

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

JSON_EXPONENT_MAX = 400
"""Powers of ten up to which a JSON number is written out; beyond, it keeps an exponent.  Above double's range (308)."""

WITHIN_DIGITS = 2200
"""Digits that a tolerance is computed with: two decimals of 1,000 digits and their product with a percentage fit."""

NAN, INFINITY, MINUS_INFINITY = "NaN", "infinity", "-infinity"
_SPECIAL = {
    "nan": NAN, "+nan": NAN, "-nan": NAN,
    "inf": INFINITY, "+inf": INFINITY, "infinity": INFINITY, "+infinity": INFINITY,
    "-inf": MINUS_INFINITY, "-infinity": MINUS_INFINITY,
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,6})?\Z", re.ASCII)


def special_number(text: str) -> str | None:
    """Canonical spelling of NaN and the infinities, None for everything else."""
    return _SPECIAL.get(text.strip().lower())


def decimal_text(text: str, precision: int, scale: int) -> str | None:
    """A number's text as decimal(precision, scale): exactly `scale` digits after the point, never rounded.

    Returns:
        None when the type cannot hold it; `NaN`, `infinity`, `-infinity` are values.
    """
    text = text.strip()
    if (special := _SPECIAL.get(text.lower())) is not None:
        return special
    if not _NUMBER.match(text):
        return None
    number = Decimal(text)
    digits = "".join(map(str, number.as_tuple().digits)).lstrip("0")
    units = _shifted(digits, _exponent(number) + scale, precision) if digits else "0"
    if units is None:
        return None
    units = units.rjust(scale + 1, "0")
    sign = "-" if number.is_signed() and digits else ""
    return sign + (f"{units[:-scale]}.{units[-scale:]}" if scale else units)


def _shifted(digits: str, shift: int, most: int) -> str | None:
    """Digits with so many zeros at the end more (or fewer); None where digits would be lost, or be more than `most`."""
    if len(digits) + shift > most:
        return None
    if shift >= 0:
        return digits + "0" * shift
    kept = digits[:shift]
    return kept if kept and not digits[shift:].strip("0") else None


def _exponent(number: Decimal) -> int:
    """The exponent of a finite number."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise _BadValueError(str(number))  # NaN and the infinities have a letter in its place
    return exponent


class _BadValueError(ValueError):
    """The text is no value of its type."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _BadValueError("duplicate keys")  # which of them counts depends on the reader: no value
    return result


def _constant(name: str) -> Any:
    raise _BadValueError(name)  # NaN and Infinity are no JSON


def parse_json(text: str) -> Any:
    """JSON with exact numbers.

    Raises:
        ValueError: Not JSON, duplicate keys, NaN, lone surrogates or nested too deeply.
    """
    try:
        return json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=_constant, object_pairs_hook=_pairs
        )
    except (RecursionError, InvalidOperation) as error:
        raise _BadValueError(str(error)) from None


def number_text(number: Decimal) -> str:
    """A JSON number by value: 1, 1.0 and 1e0 are all `1`; −0 is `0`."""
    if not number:
        return "0"
    number = _strip(number)
    return f"{number:f}" if abs(_exponent(number)) <= JSON_EXPONENT_MAX else f"{number:E}"


def _strip(number: Decimal) -> Decimal:
    """`normalize` without the rounding of the decimal context."""
    sign, digits, _ = number.as_tuple()
    kept = len("".join(map(str, digits)).rstrip("0"))
    return Decimal((sign, digits[:kept], _exponent(number) + len(digits) - kept))


def dump_json(value: Any) -> str:
    """Canonical JSON text: keys by code point, numbers by value, no blanks, no escapes but the necessary ones."""
    if isinstance(value, Decimal):
        return number_text(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{dump_json(key)}:{dump_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump_json, value)) + "]"
    text = json.dumps(value, ensure_ascii=False)
    text.encode()  # a lone surrogate has no UTF-8
    return text


def json_text(text: str) -> str | None:
    """Canonical text of a JSON document, None when it is none."""
    try:
        return dump_json(parse_json(text))
    except (ValueError, RecursionError):
        return None


def list_text(text: str, element: LogicalType, *, ordered: bool = True) -> str | None:
    """Canonical text of a list given as JSON text, its elements under their own type; None when it is none.

    Args:
        text: The list.
        element: The type of its elements.
        ordered: False sorts the elements: the list as a multiset.
    """
    try:
        items = parse_json(text)
        if not isinstance(items, list):
            return None
        written = [_element(item, element) for item in items]
    except (ValueError, RecursionError):
        return None
    return "[" + ",".join(written if ordered else sorted(written)) + "]"


def _element(item: Any, element: LogicalType) -> str:
    if item is None:
        return "null"
    if element.kind is Kind.JSON:
        return dump_json(item)
    if element.kind is Kind.LIST:
        inner = None if element.element is None else list_text(dump_json(item), element.element)
        if inner is None:
            raise _BadValueError("list")
        return inner
    raw = item if isinstance(item, str) else dump_json(item)
    text = scalar_text(raw, element)
    if text is None:
        raise _BadValueError(raw)
    return dump_json(text)


def scalar_text(text: str, logical: LogicalType) -> str | None:
    """Canonical text of one value given as text, under a type that is neither JSON nor a list; None when it is none.

    The rules are those of `reconcilers.canonical` for text; a property test holds the two equal.
    """
    reader = _SCALARS.get(logical.kind)
    if reader is not None:
        return reader(text)
    if logical.kind is Kind.DECIMAL:
        return decimal_text(text, logical.precision, logical.scale)
    if logical.kind is Kind.ENUM:
        return text if text in logical.members else None
    return text


def _int(text: str) -> str | None:
    if special_number(text) or not _NUMBER.match(text.strip()):
        return None
    number = Decimal(text.strip())
    return str(int(number)) if number == number.to_integral_value() and abs(number) < 2**127 else None


def _float(text: str) -> str | None:
    if (special := special_number(text)) is not None:
        return special
    if not _NUMBER.match(text.strip()) or math.isinf(float(text)):  # 1e400 is a number, and no infinity
        return None
    return float_text(float(text))


def float_text(number: float) -> str:
    """Shortest text that reads back as the same double; −0 is `0.0`."""
    if number != number:  # noqa: PLR0124  NaN is the one value unequal to itself
        return NAN
    if number in (float("inf"), float("-inf")):
        return INFINITY if number > 0 else MINUS_INFINITY
    return repr(number + 0.0)


def _bool(text: str) -> str | None:
    return {"true": "true", "t": "true", "1": "true", "false": "false", "f": "false", "0": "false"}.get(text.lower())


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _date(text: str) -> str | None:
    if text.lower() in ("infinity", "-infinity"):
        return text.lower()
    try:
        return date.fromisoformat(text).isoformat() if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


_LAWFUL_CLOCK = re.compile(r"([01]\d|2[0-3])(:[0-5]\d){2}\Z", re.ASCII)
_MIDNIGHT_AFTER = "24:00:00.000000"
"""The end of a day, which SQL's `time` holds and Python's does not."""
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?\Z", re.ASCII)


def _time(text: str) -> str | None:
    match = _TIME.match(text)
    if not match:
        return None
    clock, fraction = f"{match[1]}:{match[2]}:{match[3] or '00'}", (match[4] or "").ljust(6, "0")
    written = f"{clock}.{fraction}"
    return written if _LAWFUL_CLOCK.match(clock) or written == _MIDNIGHT_AFTER else None


_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6})0*)?(Z|[+-]\d\d(?::?\d\d)?)?\Z", re.ASCII)


def _stamp(text: str) -> tuple[datetime, bool] | None:
    """The moment as written and whether it named a zone; None when it is no time."""
    match = _STAMP.match(text)
    if not match:
        return None
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(
            microsecond=int((match[3] or "0").ljust(6, "0"))
        )
    except ValueError:
        return None
    zone = match[4]
    if zone and zone != "Z":
        minutes = int(zone[1:3]) * 60 + int(zone[3:].lstrip(":") or 0)
        moment = moment.replace(tzinfo=timezone(timedelta(minutes=minutes if zone[0] == "+" else -minutes)))
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment, bool(zone)


def _timestamp(text: str) -> str | None:
    if text.lower() in ("infinity", "-infinity"):
        return text.lower()
    stamp = _stamp(text)
    return stamp[0].isoformat(timespec="microseconds") + "Z" if stamp else None


def _timestamp_local(text: str) -> str | None:
    if text.lower() in ("infinity", "-infinity"):
        return text.lower()
    stamp = _stamp(text)
    return stamp[0].isoformat(timespec="microseconds") if stamp else None


def bytes_text(text: str) -> str | None:
    r"""Lower-case hex of bytes given as hex, with or without `\x` before it; None when it is no hex."""
    digits = text.removeprefix("\\x")
    return digits.lower() if re.fullmatch(r"([0-9a-fA-F]{2})*", digits) else None


_ISO = re.compile(
    r"(?P<sign>[+-])?P(?:(?P<y>[+-]?\d+)Y)?(?:(?P<mo>[+-]?\d+)M)?(?:(?P<w>[+-]?\d+)W)?(?:(?P<d>[+-]?\d+)D)?"
    r"(?:T(?:(?P<h>[+-]?\d+)H)?(?:(?P<mi>[+-]?\d+)M)?(?:(?P<s>[+-]?\d+(?:\.\d{1,6}0*)?)S)?)?\Z"
)
_VERBOSE = re.compile(r"([+-]?\d+) (year|mon|month|week|day|hour|minute|min|second|sec)s?\b")
_CLOCK = re.compile(r"([+-])?(\d+):(\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?\Z")
_UNITS = {
    "year": (12, 0, 0), "mon": (1, 0, 0), "month": (1, 0, 0), "week": (0, 7, 0), "day": (0, 1, 0),
    "hour": (0, 0, 3600), "minute": (0, 0, 60), "min": (0, 0, 60), "second": (0, 0, 1), "sec": (0, 0, 1),
}  # fmt: skip
"""Months, days and seconds of a unit."""


def interval_text(text: str) -> str | None:
    """An interval, in ISO 8601 or as PostgreSQL and DuckDB write it, as canonical ISO 8601; None when it is none.

    Months, days and time stay apart: a month has no fixed number of days, nor a day of seconds.
    """
    parts = _interval_iso(text.strip()) or _interval_verbose(text.strip())
    return None if parts is None else interval_parts_text(*parts)


def _interval_iso(text: str) -> tuple[int, int, int] | None:
    match = _ISO.match(text)
    if not match or text.lstrip("+-") in ("P", "PT") or text.endswith("T"):
        return None
    sign = -1 if match["sign"] == "-" else 1
    part = {name: Decimal(match[name] or 0) for name in ("y", "mo", "w", "d", "h", "mi", "s")}
    months, days = part["y"] * 12 + part["mo"], part["w"] * 7 + part["d"]
    micros = (part["h"] * 3600 + part["mi"] * 60 + part["s"]) * 1_000_000
    return sign * int(months), sign * int(days), sign * int(micros)


def _interval_verbose(text: str) -> tuple[int, int, int] | None:
    months = days = micros = 0
    for amount, unit in _VERBOSE.findall(text):
        in_months, in_days, in_seconds = _UNITS[unit]
        months += int(amount) * in_months
        days += int(amount) * in_days
        micros += int(amount) * in_seconds * 1_000_000
    rest = _VERBOSE.sub("", text).strip()
    if not rest:
        return (months, days, micros) if text else None
    clock = _CLOCK.match(rest)
    if not clock:
        return None
    time = (int(clock[2]) * 3600 + int(clock[3]) * 60 + int(clock[4] or 0)) * 1_000_000 + int(
        (clock[5] or "0").ljust(6, "0")
    )
    return months, days, micros + (-time if clock[1] == "-" else time)


def interval_parts_text(months: int, days: int, micros: int) -> str:
    """Canonical text of an interval's three independent parts."""
    years, months = int(months / 12), months - int(months / 12) * 12
    written = "".join(f"{amount}{unit}" for amount, unit in ((years, "Y"), (months, "M"), (days, "D")) if amount)
    sign, rest = ("-" if micros < 0 else ""), abs(micros)
    hours, minutes, seconds = rest // 3_600_000_000, rest // 60_000_000 % 60, rest % 60_000_000
    clock = (f"{sign}{hours}H" if hours else "") + (f"{sign}{minutes}M" if minutes else "")
    if seconds:
        clock += f"{sign}{seconds // 1_000_000}.{seconds % 1_000_000:06}".rstrip("0").rstrip(".") + "S"
    return f"P{written}" + (f"T{clock}" if clock else "") if written or clock else "PT0S"


_SCALARS: dict[Kind, Callable[[str], str | None]] = {
    Kind.INT: _int, Kind.FLOAT: _float, Kind.BOOL: _bool, Kind.UUID: _uuid, Kind.DATE: _date, Kind.TIME: _time,
    Kind.TIMESTAMP: _timestamp, Kind.TIMESTAMP_LOCAL: _timestamp_local, Kind.BYTES: bytes_text,
    Kind.INTERVAL: interval_text,
}  # fmt: skip


def call(function: str, *arguments: str) -> str:
    """SQL that calls one of the functions below that return text.

    The empty text is appended for DuckDB 1.5's sake: its COALESCE forgets who owns the memory of what a Python
    function returned, and reads it after it was freed; what `||` returns belongs to DuckDB.
    """
    return f"({function}({', '.join(arguments)}) || '')"


def register(cursor: duckdb.DuckDBPyConnection, *, few: bool = False) -> None:
    """Make the functions below known to a workspace's database; every cursor of it then sees them.

    With `few` they are called row by row, which spares loading Arrow where there are only a few rows.

    `au_decimal(text, precision, scale)`, `au_json(text)`, `au_list(text, element type, ordered)`, `au_interval(text)`,
    `au_casefold(text)`: canonical text, or NULL.
    """
    one, make = ["VARCHAR"], _register_for_rows if few else _register
    make(cursor, "au_json", one, json_text)
    make(cursor, "au_interval", one, interval_text)
    make(cursor, "au_casefold", one, str.casefold)
    make(cursor, "au_decimal", ["VARCHAR", "INTEGER", "INTEGER"], decimal_text)
    make(cursor, "au_list", ["VARCHAR", "VARCHAR", "BOOLEAN"], _typed_list())
    make(cursor, "au_within", ["VARCHAR", "VARCHAR", "VARCHAR", "BOOLEAN"], is_within, "BOOLEAN")


def _typed_list() -> Callable[[str, str, bool], str | None]:
    types: dict[str, LogicalType] = {}

    def typed(text: str, element: str, ordered: bool) -> str | None:  # noqa: FBT001  DuckDB calls it by position
        if element not in types:
            types[element] = parse_logical_type(element)
        return list_text(text, types[element], ordered=ordered)

    return typed


def is_within(
    owner: str,
    replica: str | None,
    amount: str,
    percent: bool,  # noqa: FBT001  DuckDB calls it by position
) -> bool | None:
    """Whether two numbers, given as text, are at most `amount` apart (or that many percent of the owner's).

    Bounds are included.  Computed in decimal: in binary floating point 10.005 and 10.00 are more than 0.005 apart.
    """
    if replica is None:
        return None
    if special_number(owner) or special_number(replica):
        return owner == replica
    with localcontext() as context:
        context.prec = WITHIN_DIGITS
        bound = Decimal(amount) * abs(Decimal(owner)) / 100 if percent else Decimal(amount)
        return abs(Decimal(owner) - Decimal(replica)) <= bound


def _register(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    types: list[str],
    function: Callable[..., str | bool | None],
    returns: str = "VARCHAR",
) -> None:
    import pyarrow as pa  # here: an import inside a function that DuckDB's threads call deadlocks
    from duckdb.func import FunctionNullHandling, PythonUDFType

    def batch(*columns: Any) -> Any:
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        kind = pa.string() if returns == "VARCHAR" else pa.bool_()
        return pa.array([None if row[0] is None else function(*row) for row in rows], kind)

    by_arity: dict[int, Callable[..., Any]] = {  # DuckDB counts the parameters
        1: lambda a: batch(a),  # noqa: PLW0108 - `batch` itself counts as one
        3: lambda a, b, c: batch(a, b, c),  # noqa: PLW0108
        4: lambda a, b, c, d: batch(a, b, c, d),  # noqa: PLW0108
    }
    cursor.create_function(
        name,
        by_arity[len(types)],
        [*types],
        returns,
        type=PythonUDFType.ARROW,
        null_handling=FunctionNullHandling.SPECIAL,
    )


def _register_for_rows(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    types: list[str],
    function: Callable[..., str | bool | None],
    returns: str = "VARCHAR",
) -> None:
    from duckdb.func import FunctionNullHandling, PythonUDFType

    def one(*values: Any) -> str | bool | None:
        return None if values[0] is None else function(*values)

    by_arity: dict[int, Callable[..., Any]] = {  # DuckDB counts the parameters
        1: lambda a: one(a),  # noqa: PLW0108 - `one` itself counts as one
        3: lambda a, b, c: one(a, b, c),  # noqa: PLW0108
        4: lambda a, b, c, d: one(a, b, c, d),  # noqa: PLW0108
    }
    cursor.create_function(
        name,
        by_arity[len(types)],
        [*types],
        returns,
        type=PythonUDFType.NATIVE,
        null_handling=FunctionNullHandling.SPECIAL,
    )
