"""The canonical form: the one form of a value under its declared logical type.

Two values are the same exactly when their canonical forms are.  Stores hold a value in many ways (a decimal as a
binary float, a uuid as upper-case text, a boolean as 0 or 1); this module compiles, for one logical type and one way
of arriving in DuckDB, the SQL that brings a value into canonical form.  Both sides of a comparison, the scan and the
row stage, and every report use what is compiled here and nothing else.

For each column three pieces of SQL come out:

- `value`: the canonical value with one fixed DuckDB type per logical type, so that equal values hash equally.
  NULL where the raw value is NULL, *or odd*.
- `odd`: true where the raw value is not NULL but `value` cannot hold it: it is no value of the declared type at all
  (*bad*), or it is one that DuckDB's type lacks (NaN in a decimal).  Odd rows get no hash and are compared by text,
  one by one.
- `text`: canonical text, or the raw text of a bad value, so that a person sees what is really there.

| logical type | DuckDB type of `value` | text |
|---|---|---|
| int | BIGINT, or HUGEINT where a side may exceed it | digits |
| decimal(p,s) | DECIMAL(p,s); VARCHAR above 38 digits | s digits after the point; NaN, infinity |
| float | DOUBLE; −0 is 0; a 32-bit float counts as its shortest decimal text | shortest text that reads back |
| text, enum | VARCHAR, code point by code point | itself |
| bool | BOOLEAN | true, false |
| uuid | UUID | lower case with hyphens |
| date | DATE | 2026-01-31, infinity |
| time | TIME, 24:00:00 included | 12:00:00.000000 |
| timestamp | TIMESTAMP: the instant in UTC | 2026-01-31T12:00:00.000000Z |
| timestamp(local) | TIMESTAMP: as the clock on the wall | 2026-01-31T12:00:00.000000 |
| interval | VARCHAR | ISO 8601, months, days and time kept apart |
| bytes | BLOB | hex |
| json | VARCHAR | keys by code point, numbers by value |
| list<T> | VARCHAR | a JSON array of canonical texts |

Nothing is ever rounded or coerced: 1.239 under decimal(10,2), 2 under bool and a 30th of February are bad, not nearly
right.

Limits: |int| below 2^127; times to the microsecond (finer ones are bad, not cut); years 0001 to 9999 in text columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.logical_types import Kind, LogicalType
from reconcilers.value_text import call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconcilers.ports import RawColumn

DECIMAL_DIGITS_MAX = 38
"""Digits that DuckDB's DECIMAL holds; wider decimals are compared as canonical text."""

_INT_DIGITS = {
    "TINYINT": 3, "UTINYINT": 3, "SMALLINT": 5, "USMALLINT": 5, "INTEGER": 10, "UINTEGER": 10,
    "BIGINT": 19, "UBIGINT": 20, "HUGEINT": 39, "UHUGEINT": 39,
}  # fmt: skip
_DOUBLE_DIGITS = 15
"""Digits up to which every integer is a double."""
_NARROW_INTS = frozenset(_INT_DIGITS) - {"UBIGINT", "HUGEINT", "UHUGEINT"}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)\Z")
_STAMPS = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_TZ = "TIMESTAMP WITH TIME ZONE"
_FLOAT_TEXT = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:[+-]?(nan|inf|infinity))"
_DATE_TEXT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK_TEXT = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?"
_ZONE_TEXT = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_INFINITE = "('infinity', '-infinity')"


_STORAGE = {
    Kind.FLOAT: "DOUBLE",
    Kind.BOOL: "BOOLEAN",
    Kind.UUID: "UUID",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIMESTAMP_LOCAL: "TIMESTAMP",
    Kind.BYTES: "BLOB",
}


@dataclass(frozen=True, slots=True)
class Canonical:
    """Compiled SQL of one column; see the module's docstring.

    Attributes:
        value: SQL of the canonical value.
        text: SQL of the canonical text.
        odd: SQL of a condition that is never NULL, or an empty string where no value can be odd.
        bad: SQL of a condition that is never NULL, or an empty string where no value can be bad; implies `odd`.
    """

    value: str
    text: str
    odd: str = ""
    bad: str = ""


def storage(logical: LogicalType, *, narrow: bool = False) -> str:
    """The DuckDB type of a canonical value.

    Args:
        logical: The contract's type.
        narrow: Every side delivers this int in at most 64 bits.
    """
    match logical.kind:
        case Kind.INT:
            return "BIGINT" if narrow else "HUGEINT"
        case Kind.DECIMAL if logical.precision <= DECIMAL_DIGITS_MAX:
            return f"DECIMAL({logical.precision},{logical.scale})"
    return _STORAGE.get(logical.kind, "VARCHAR")


def is_narrow(column: RawColumn) -> bool:
    """Whether an int arrives in at most 64 bits, so that BIGINT can be its canonical type."""
    return column.duckdb_type.upper() in _NARROW_INTS


def canonical(logical: LogicalType, column: RawColumn, *, narrow: bool = False) -> Canonical:
    """Compile one column.

    Args:
        logical: The contract's type.
        column: How the value arrives.
        narrow: Every side of the comparison delivers this int in at most 64 bits.
    """
    raw, arrives = column.sql, column.duckdb_type.upper()
    value = _VALUES[logical.kind](logical, _Raw(raw, arrives, column.timezone, narrow=narrow, parsed=column.parsed))
    if value is None:  # this DuckDB type can never be a value of the logical type
        return Canonical(
            f"CAST(NULL AS {storage(logical)})",
            f"CAST({raw} AS VARCHAR)",
            f"({raw} IS NOT NULL)",
            f"({raw} IS NOT NULL)",
        )
    if column.wraps:
        return _wrapped(logical, raw, value.sql, exact=value.exact)
    if value.exact:
        return Canonical(value.sql, text_of(logical, value.sql))
    odd = f"({raw} IS NOT NULL AND ({value.sql}) IS NULL)"
    special = _special(logical, raw, arrives)
    bad = f"({odd} AND ({special}) IS NULL)" if special else odd
    raw_text = f"CAST({raw} AS VARCHAR)"
    fallback = f"coalesce({special}, {raw_text})" if special else raw_text
    return Canonical(value.sql, f"coalesce({text_of(logical, value.sql)}, {fallback})", odd, bad)


_BEFORE_ALL_STAMPS = "TIMESTAMP '4714-01-01 (BC) 00:00:00'"
"""No store has times before; what is before wrapped round."""
_ROUND = 2**64
_CYCLE_YEARS, _CYCLES = 400, 735
_CYCLE = 146_097 * 86_400_000_000
"""Microseconds of 400 years, after which the calendar repeats itself."""


def _wrapped(logical: LogicalType, raw: str, value: str, *, exact: bool) -> Canonical:
    """A time that may have wrapped round is no value; its text is that of the time 735 cycles earlier, years added."""
    beyond = f"coalesce({raw} < {_BEFORE_ALL_STAMPS} AND isfinite({raw}), false)"
    early = f"make_timestamp(CAST(CAST(epoch_us({raw}) AS HUGEINT) + {_ROUND - _CYCLES * _CYCLE} AS BIGINT))"
    late = f"(year({early}) + {_CYCLES * _CYCLE_YEARS}) || strftime({early}, '-%m-%d %H:%M:%S.%f')"
    held = f"CASE WHEN {beyond} THEN NULL ELSE {value} END"
    bad = beyond if exact else f"({beyond} OR ({raw} IS NOT NULL AND ({value}) IS NULL))"
    text = f"coalesce({text_of(logical, held)}, CAST({raw} AS VARCHAR))"
    return Canonical(held, f"CASE WHEN {beyond} THEN {late} ELSE {text} END", bad, bad)


@dataclass(frozen=True, slots=True)
class _Value:
    """SQL of a value; `exact` when it is NULL only where the raw value is."""

    sql: str
    exact: bool


@dataclass(frozen=True, slots=True)
class _Raw:
    """A value as it arrives: its SQL, its DuckDB type in capitals, and what else decides how it is read."""

    sql: str
    arrives: str
    zone: str
    narrow: bool
    parsed: str = ""

    @property
    def text(self) -> str:
        """SQL of the value as DuckDB writes it."""
        return f"CAST({self.sql} AS VARCHAR)"

    @property
    def json(self) -> str:
        """SQL of the value as JSON text."""
        return self.text if self.arrives in ("VARCHAR", "JSON") else f"CAST(to_json({self.sql}) AS VARCHAR)"


def _enum(logical: LogicalType, raw: _Raw) -> _Value:
    members = ", ".join(_literal(member) for member in logical.members)
    return _Value(f"CASE WHEN {raw.text} IN ({members}) THEN {raw.text} END", exact=False)


def _interval(_logical: LogicalType, raw: _Raw) -> _Value:
    return _Value(call("au_interval", raw.text), exact=False)


def _json(_logical: LogicalType, raw: _Raw) -> _Value:
    return _Value(call("au_json", raw.json), exact=False)


def _list(logical: LogicalType, raw: _Raw) -> _Value:
    return _Value(call("au_list", raw.json, _literal(str(logical.element)), "true"), exact=False)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _int(logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives, target = given.sql, given.arrives, storage(logical, narrow=given.narrow)
    if arrives in _NARROW_INTS or (arrives in ("UBIGINT", "HUGEINT") and target == "HUGEINT"):
        return _Value(f"CAST({raw} AS {target})", exact=True)
    if arrives in _INT_DIGITS:
        return _Value(f"TRY_CAST({raw} AS {target})", exact=False)
    if arrives == "BOOLEAN":
        return _Value(f"CAST({raw} AS {target})", exact=True)
    if _DECIMAL.match(arrives) or arrives in ("FLOAT", "DOUBLE"):
        return _Value(f"CASE WHEN {raw} = trunc({raw}) THEN TRY_CAST({raw} AS {target}) END", exact=False)
    if arrives == "VARCHAR":
        return _Value(_int_of_text(raw, target), exact=False)
    return None


def _int_of_text(raw: str, target: str) -> str:
    return (
        f"CASE WHEN regexp_full_match({raw}, '[+-]?[0-9]+') THEN TRY_CAST({raw} AS {target}) "
        f"ELSE TRY_CAST({call('au_decimal', raw, '39', '0')} AS {target}) END"
    )


def _decimal(logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives, p, s = given.sql, given.arrives, logical.precision, logical.scale
    if p > DECIMAL_DIGITS_MAX:
        text = call("au_decimal", f"CAST({raw} AS VARCHAR)", str(p), str(s))
        return _Value(f"CASE WHEN {text} NOT IN ('NaN', 'infinity', '-infinity') THEN {text} END", exact=False)
    target = f"DECIMAL({p},{s})"
    if arrives in _INT_DIGITS:
        fits = p - s >= _INT_DIGITS[arrives]
        return _Value(f"CAST({raw} AS {target})" if fits else f"TRY_CAST({raw} AS {target})", exact=fits)
    if match := _DECIMAL.match(arrives):
        return _decimal_of_decimal(raw, target, (p, s), (int(match[1]), int(match[2])))
    if arrives in ("FLOAT", "DOUBLE"):
        return _Value(_decimal_of_text(f"CAST({raw} AS VARCHAR)", target, p, s), exact=False)
    if arrives == "VARCHAR":
        return _Value(_decimal_of_text(raw, target, p, s), exact=False)
    return None


def _decimal_of_decimal(raw: str, target: str, wanted: tuple[int, int], held: tuple[int, int]) -> _Value:
    if held[1] <= wanted[1]:
        fits = held[0] - held[1] <= wanted[0] - wanted[1]
        return _Value(f"CAST({raw} AS {target})" if fits else f"TRY_CAST({raw} AS {target})", exact=fits)
    # more digits after the point than declared: they must be zeros, for nothing is ever rounded
    beyond = f"right(CAST({raw} AS VARCHAR), {held[1] - wanted[1]})"
    return _Value(f"CASE WHEN ltrim({beyond}, '0') = '' THEN TRY_CAST({raw} AS {target}) END", exact=False)


def _decimal_of_text(text: str, target: str, p: int, s: int) -> str:
    plain = f"regexp_full_match({text}, '[+-]?[0-9]{{1,{max(p - s, 1)}}}" + (f"(\\.[0-9]{{0,{s}}})?')" if s else "')")
    rest = f"TRY_CAST({call('au_decimal', text, str(p), str(s))} AS {target})"
    return f"CASE WHEN {plain} THEN TRY_CAST({text} AS {target}) ELSE {rest} END"


def _float(_logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives = given.sql, given.arrives
    if arrives == "DOUBLE":
        return _Value(f"CASE WHEN {raw} = 0 THEN CAST(0 AS DOUBLE) ELSE {raw} END", exact=True)
    if arrives == "FLOAT":  # by its shortest text, so that 0.1 kept in 32 bits is 0.1 kept in 64
        return _Value(
            f"CASE WHEN {raw} = 0 THEN CAST(0 AS DOUBLE) ELSE CAST(CAST({raw} AS VARCHAR) AS DOUBLE) END", exact=True
        )
    if arrives in _INT_DIGITS and _INT_DIGITS[arrives] <= _DOUBLE_DIGITS:
        return _Value(f"CAST({raw} AS DOUBLE)", exact=True)
    if arrives in _INT_DIGITS:
        return _Value(
            f"CASE WHEN CAST(CAST({raw} AS DOUBLE) AS HUGEINT) = {raw} THEN CAST({raw} AS DOUBLE) END", exact=False
        )
    if arrives == "VARCHAR" or _DECIMAL.match(arrives):
        text = f"CAST({raw} AS VARCHAR)"
        number = f"regexp_full_match(trim({text}), '{_FLOAT_TEXT}')"
        cast = f"TRY_CAST(trim({text}) AS DOUBLE)"
        beyond = f"isinf({cast}) AND regexp_matches({text}, '[0-9]')"  # 1e400 is a number, and no infinity
        whole = f"CASE WHEN {cast} = 0 THEN CAST(0 AS DOUBLE) WHEN {beyond} THEN NULL ELSE {cast} END"
        return _Value(f"CASE WHEN {number} THEN {whole} END", exact=False)
    return None


def _textual(_logical: LogicalType, given: _Raw) -> _Value:
    raw, arrives = given.sql, given.arrives
    if arrives == "BLOB":
        return _Value(f"TRY(decode({raw}))", exact=False)
    if arrives == "VARCHAR":
        return _Value(raw, exact=True)
    return _Value(f"CAST({raw} AS VARCHAR)", exact=True)


def _bool(_logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives = given.sql, given.arrives
    if arrives == "BOOLEAN":
        return _Value(raw, exact=True)
    if arrives in _INT_DIGITS or _DECIMAL.match(arrives) or arrives in ("FLOAT", "DOUBLE"):
        return _Value(f"CASE WHEN {raw} = 1 THEN true WHEN {raw} = 0 THEN false END", exact=False)
    if arrives == "VARCHAR":
        lower = f"lower({raw})"
        return _Value(
            f"CASE WHEN {lower} IN ('true', 't', '1') THEN true WHEN {lower} IN ('false', 'f', '0') THEN false END",
            exact=False,
        )
    return None


def _uuid(_logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives = given.sql, given.arrives
    if arrives == "UUID":
        return _Value(raw, exact=True)
    if arrives == "VARCHAR":
        return _Value(f"TRY_CAST({raw} AS UUID)", exact=False)
    if arrives == "BLOB":
        return _Value(f"CASE WHEN octet_length({raw}) = 16 THEN TRY_CAST(hex({raw}) AS UUID) END", exact=False)
    return None


def _date(_logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives = given.sql, given.arrives
    if arrives == "DATE":
        return _Value(raw, exact=True)
    if arrives in _STAMPS or arrives == _TZ:
        stamp = f"CAST({raw} AS TIMESTAMP)"
        return _Value(
            f"CASE WHEN isinf({stamp}) OR CAST({stamp} AS TIME) = TIME '00:00:00' THEN CAST({stamp} AS DATE) END",
            exact=False,
        )
    if arrives == "VARCHAR":
        midnight = rf"{_DATE_TEXT}([T ]00:00(:00(\.0+)?)?Z?)?"
        return _Value(
            f"CASE WHEN regexp_full_match({raw}, '{midnight}') THEN TRY_CAST(left({raw}, 10) AS DATE) "
            f"WHEN lower({raw}) IN {_INFINITE} THEN CAST(lower({raw}) AS DATE) END",
            exact=False,
        )
    return None


def _time(_logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives = given.sql, given.arrives
    if arrives == "TIME":
        return _Value(raw, exact=True)
    if arrives == "VARCHAR":
        return _Value(
            f"CASE WHEN regexp_full_match({raw}, '{_CLOCK_TEXT}') THEN TRY_CAST({raw} AS TIME) END", exact=False
        )
    return None


def _instant(_logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives, zone = given.sql, given.arrives, given.zone
    if arrives == _TZ:  # by its microseconds: the calendar of timezone() costs twenty times as much
        return _Value(
            f"CASE WHEN isinf({raw}) THEN timezone('UTC', {raw}) ELSE make_timestamp(epoch_us({raw})) END", exact=True
        )
    if arrives in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE"):
        return _Value(_to_utc(f"CAST({raw} AS TIMESTAMP)", zone), exact=True)
    if arrives == "TIMESTAMP_NS":
        return _Value(_to_utc(_micros_only(raw), zone), exact=False)
    if given.parsed:
        return _Value(_to_utc(given.parsed, zone), exact=False)
    if arrives == "VARCHAR":
        local = _to_utc(f"TRY_CAST({raw} AS TIMESTAMP)", zone)
        return _Value(_stamp_of_text(raw, f"timezone('UTC', TRY_CAST({raw} AS TIMESTAMPTZ))", local), exact=False)
    return None


def _local(_logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives, zone = given.sql, given.arrives, given.zone
    if arrives == _TZ:
        return _Value(f"timezone({_literal(zone)}, {raw})", exact=True)
    if arrives in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE"):
        return _Value(f"CAST({raw} AS TIMESTAMP)", exact=True)
    if arrives == "TIMESTAMP_NS":
        return _Value(_micros_only(raw), exact=False)
    if given.parsed:
        return _Value(given.parsed, exact=False)
    if arrives == "VARCHAR":
        zoned = f"timezone({_literal(zone)}, TRY_CAST({raw} AS TIMESTAMPTZ))"
        return _Value(_stamp_of_text(raw, zoned, f"TRY_CAST({raw} AS TIMESTAMP)"), exact=False)
    return None


def _to_utc(stamp: str, zone: str) -> str:
    return stamp if zone == "UTC" else f"timezone('UTC', timezone({_literal(zone)}, {stamp}))"


def _micros_only(raw: str) -> str:
    return f"CASE WHEN CAST(CAST({raw} AS TIMESTAMP) AS TIMESTAMP_NS) = {raw} THEN CAST({raw} AS TIMESTAMP) END"


def _stamp_of_text(raw: str, zoned: str, local: str) -> str:
    pattern = f"{_DATE_TEXT}[T ]{_CLOCK_TEXT}"
    return (
        f"CASE WHEN regexp_full_match({raw}, '{pattern}') THEN {local} "
        f"WHEN regexp_full_match({raw}, '{pattern}{_ZONE_TEXT}') THEN {zoned} "
        f"WHEN regexp_full_match({raw}, '{_DATE_TEXT}') THEN {local} "
        f"WHEN lower({raw}) IN {_INFINITE} THEN CAST(lower({raw}) AS TIMESTAMP) END"
    )


def _bytes(_logical: LogicalType, given: _Raw) -> _Value | None:
    raw, arrives = given.sql, given.arrives
    if arrives == "BLOB":
        return _Value(raw, exact=True)
    if arrives == "VARCHAR":
        digits = f"CASE WHEN starts_with({raw}, '\\x') THEN substr({raw}, 3) ELSE {raw} END"
        return _Value(
            f"CASE WHEN regexp_full_match({digits}, '([0-9a-fA-F]{{2}})*') THEN unhex({digits}) END", exact=False
        )
    if arrives == "UUID":
        return _Value(f"unhex(replace(CAST({raw} AS VARCHAR), '-', ''))", exact=True)
    return None


def _special(logical: LogicalType, raw: str, arrives: str) -> str:
    """Canonical text of a value that is lawful but that the DuckDB type of `value` lacks; empty where there is none."""
    if logical.kind is not Kind.DECIMAL or arrives not in ("VARCHAR", "FLOAT", "DOUBLE"):
        return ""
    word = f"lower(trim(CAST({raw} AS VARCHAR)))"
    return (
        f"CASE WHEN {word} IN ('nan', '+nan', '-nan') THEN 'NaN' "
        f"WHEN {word} IN ('inf', '+inf', 'infinity', '+infinity') THEN 'infinity' "
        f"WHEN {word} IN ('-inf', '-infinity') THEN '-infinity' END"
    )


def _float_text(value: str) -> str:
    infinite = f"CASE WHEN {value} > 0 THEN 'infinity' ELSE '-infinity' END"
    return f"CASE WHEN isnan({value}) THEN 'NaN' WHEN isinf({value}) THEN {infinite} ELSE CAST({value} AS VARCHAR) END"


def _time_text(value: str) -> str:
    clock = f"strftime(DATE '2000-01-01' + {value}, '%H:%M:%S.%f')"  # which would write 24:00 as 00:00
    return f"CASE WHEN {value} = TIME '24:00:00' THEN '24:00:00.000000' ELSE {clock} END"


def _stamp_text(value: str) -> str:
    return f"CASE WHEN isinf({value}) THEN CAST({value} AS VARCHAR) ELSE strftime({value}, '%Y-%m-%dT%H:%M:%S.%f') END"


def _instant_text(value: str) -> str:
    return f"CASE WHEN isinf({value}) THEN CAST({value} AS VARCHAR) ELSE strftime({value}, '%Y-%m-%dT%H:%M:%S.%fZ') END"


def _bytes_text(value: str) -> str:
    return f"lower(hex({value}))"


def _as_written(value: str) -> str:
    return f"CAST({value} AS VARCHAR)"


def _itself(value: str) -> str:
    return value


def text_of(logical: LogicalType, value: str) -> str:
    """SQL of the canonical text of a canonical value."""
    return _TEXTS[logical.kind](value)


_VALUES: Mapping[Kind, Callable[[LogicalType, _Raw], _Value | None]] = {
    Kind.INT: _int,
    Kind.DECIMAL: _decimal,
    Kind.FLOAT: _float,
    Kind.TEXT: _textual,
    Kind.ENUM: _enum,
    Kind.BOOL: _bool,
    Kind.UUID: _uuid,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.TIMESTAMP: _instant,
    Kind.TIMESTAMP_LOCAL: _local,
    Kind.INTERVAL: _interval,
    Kind.BYTES: _bytes,
    Kind.JSON: _json,
    Kind.LIST: _list,
}
"""How each type is read; None comes of a DuckDB type that can never hold one of its values."""

_TEXTS: Mapping[Kind, Callable[[str], str]] = {
    Kind.INT: _as_written,
    Kind.DECIMAL: _as_written,
    Kind.FLOAT: _float_text,
    Kind.TEXT: _itself,
    Kind.ENUM: _itself,
    Kind.BOOL: _as_written,
    Kind.UUID: _as_written,
    Kind.DATE: _as_written,
    Kind.TIME: _time_text,
    Kind.TIMESTAMP: _instant_text,
    Kind.TIMESTAMP_LOCAL: _stamp_text,
    Kind.INTERVAL: _itself,
    Kind.BYTES: _bytes_text,
    Kind.JSON: _itself,
    Kind.LIST: _itself,
}
