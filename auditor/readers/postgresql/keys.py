"""Look-ups by key: statements of limited size that find rows through an index.

A key arrives as text and must meet its column as the column's own type, or no index serves it.  So each candidate
becomes a literal of that type, in one array a column.  A candidate that the type cannot hold is dropped: no row can
have it, and the server would answer with an error.

A column that is compared otherwise than byte for byte (`citext`, a case-insensitive collation) is compared twice: by
its own rules, which the index serves, and byte for byte, so that no row comes back for keys of two statements.
"""

from __future__ import annotations

import itertools
import math
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from auditor.readers.native import quote_text
from auditor.readers.postgresql.columns import INTEGERS, STAMPS, TEXTS, Access, array_literal
from reconcilers.value_text import interval_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

STATEMENT_BYTES = 1 << 20
"""Most bytes of keys in one statement: some 25,000 uuids; the server parses it twice, and keeps nothing of it."""

NUMBER_CHARACTERS = 1000
"""Longer digits are no key."""

_EXPONENT_MAX = 1000
_PLAIN_DIGITS_MAX = 20
_INT_MAX = {"int2": 1 << 15, "int4": 1 << 31, "int8": 1 << 63}
_OID_MAX = 1 << 32
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?\Z", re.ASCII)
_SPECIAL = {
    "nan": "NaN", "inf": "Infinity", "+inf": "Infinity", "infinity": "Infinity", "+infinity": "Infinity",
    "-inf": "-Infinity", "-infinity": "-Infinity",
}  # fmt: skip
_HEX = re.compile(r"(?:\\x)?((?:[0-9a-fA-F]{2})*)\Z")
_SHOWN_BYTE = re.compile(r"\\x([0-9A-F]{2})")
_SHOWN_BYTES = re.compile(r"(?:[ -\[\]-~]|\\x[0-9A-F]{2})*\Z")
_LONG_NUMBER = re.compile(r"\d{9}")
_UUID = re.compile(r"[0-9a-f]{32}\Z")
_TIME = re.compile(r"(?:([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?|24:00(:00(\.0{1,6})?)?)\Z", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4,6}|-\d{1,4})-(\d{2})-(\d{2})(?P<early> \(BC\))?"
    r"(?:[T ](?P<clock>(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?))?"
    r"(?P<zone>Z|[+-](?:0\d|1[0-5])(?::?[0-5]\d)?)?(?P<late> BC)?\Z",
    re.ASCII,
)
_BOOLEANS = {"true": "true", "t": "true", "1": "true", "false": "false", "f": "false", "0": "false"}
_YEAR_MAX = {"date": 5_874_897}
_STAMP_YEAR_MAX = 294_276
_YEAR_BC_MAX = 4714  # from its 24th of November on; the 37 days of it are left out
_ENCODINGS = {
    "SQL_ASCII": None,
    "UTF8": None,
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "WIN": "cp1251",
    "KOI8R": "koi8-r",
}


@dataclass(frozen=True, slots=True)
class Matcher:
    """How one key column meets its candidates.

    Attributes:
        column: SQL of the column, in a form that an index of it serves.
        type: The type of its literals.
        literals: Makes each spelling of a candidate that the type can hold; none where it can hold none.
        text: SQL of the column's text, where equality of the column is wider than equality of its bytes; else empty.
    """

    column: str
    type: str
    literals: Callable[[str], Sequence[str]]
    text: str = ""


def conditions(
    key: Sequence[Access], values: Sequence[tuple[tuple[str, ...], ...]], *, encoding: str = "UTF8"
) -> Iterator[str]:
    """Conditions after WHERE that together find each row with one of the keys once.

    Args:
        key: The key's columns.
        values: See `reconcilers.ports.Keys`.
        encoding: The server's name of the database's encoding; text that it cannot hold is in no row.

    Yields:
        One condition a statement; none where no key can exist.
    """
    matchers = [_matcher(part, encoding) for part in key]
    found: dict[tuple[str, ...], None] = {}
    for candidates in values:
        parts = [
            {literal for text in options for literal in matcher.literals(text)}
            for matcher, options in zip(matchers, candidates, strict=True)
        ]
        found.update(dict.fromkeys(itertools.product(*map(sorted, parts))))
    for batch in _batches(found):
        yield _condition(matchers, batch)


def _batches(found: dict[tuple[str, ...], None]) -> Iterator[list[tuple[str, ...]]]:
    batch: list[tuple[str, ...]] = []
    size = 0
    for key in found:
        bytes_of_key = sum(len(part.encode()) + 3 for part in key)
        if batch and size + bytes_of_key > STATEMENT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += bytes_of_key
    if batch:
        yield batch


def _condition(matchers: Sequence[Matcher], batch: Sequence[tuple[str, ...]]) -> str:
    arrays = [
        f"{quote_text(array_literal(parts))}::{matcher.type}[]"
        for matcher, parts in zip(matchers, zip(*batch, strict=True), strict=True)
    ]
    if len(matchers) == 1:
        condition = f"{matchers[0].column} = ANY ({arrays[0]})"
    else:
        columns = ", ".join(matcher.column for matcher in matchers)
        condition = f"({columns}) IN (SELECT * FROM unnest({', '.join(arrays)}))"
    for matcher, parts in zip(matchers, zip(*batch, strict=True), strict=True):
        if matcher.text:
            literals = quote_text(array_literal(list(dict.fromkeys(parts))))
            condition += f' AND {matcher.text} COLLATE "C" = ANY ({literals}::text[])'
    return condition


def _matcher(part: Access, encoding: str) -> Matcher:
    name, base = part.name, part.column.base
    if part.inside or part.column.array:
        return Matcher(part.expression, "text", _texts(encoding))
    if base in TEXTS:
        return _text_matcher(part, encoding)
    if base in STAMPS:
        return Matcher(name, base, _Moments(base, part.raw.timezone).literals)
    if base == "bytea":
        return Matcher(name, base, _bytes)
    if base in _SCALARS:
        return Matcher(name, base, _one(_SCALARS[base]))
    return _odd_matcher(part, encoding)


def _odd_matcher(part: Access, encoding: str) -> Matcher:
    if part.column.labels:
        labels = set(part.column.labels)
        return Matcher(part.name, part.column.sql, lambda text: [text] if text in labels else [])
    if part.expression == f"{part.name}::numeric::text":  # money
        return Matcher(f"{part.name}::numeric", "numeric", _one(_numeric))
    return Matcher(f"({part.expression})::text", "text", _texts(encoding))


def _text_matcher(part: Access, encoding: str) -> Matcher:
    column, texts = part.column, _texts(encoding)
    wide = column.base == "citext" or not column.bytewise
    if column.base == "bpchar":  # blanks at the end are no part of the value, whoever wrote them
        return Matcher(part.name, "bpchar", lambda text: [each.rstrip(" ") for each in texts(text)], "")
    kind = column.sql if column.base == "citext" else "text"
    return Matcher(part.name, kind, texts, f"{part.name}::text" if wide else "")


def _texts(encoding: str) -> Callable[[str], Sequence[str]]:
    codec = _ENCODINGS.get(encoding, encoding.lower().replace("latin", "latin-").replace("win", "cp"))

    def texts(text: str) -> Sequence[str]:
        return [text] if "\x00" not in text and _fits(text, codec) else []

    return texts


def _fits(text: str, codec: str | None) -> bool:
    try:
        text.encode("utf-8")
        if codec is not None:
            text.encode(codec)
    except UnicodeEncodeError:
        return False
    except LookupError:
        return True  # an encoding that Python lacks: the server will tell
    return True


def _one(literal: Callable[[str], str | None]) -> Callable[[str], Sequence[str]]:
    def literals(text: str) -> Sequence[str]:
        made = literal(text.strip())
        return [] if made is None else [made]

    return literals


def _decimal(text: str) -> Decimal | None:
    if len(text) > NUMBER_CHARACTERS or not _NUMBER.match(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if not number or abs(number.adjusted()) <= _EXPONENT_MAX else None


def _integer(low: int, high: int) -> Callable[[str], str | None]:
    def literal(text: str) -> str | None:
        if text.isdecimal() and text.isascii() and len(text) <= _PLAIN_DIGITS_MAX:
            return str(int(text)) if int(text) < high else None
        number = _decimal(text)
        if number is None or number != number.to_integral_value() or not low <= int(number) < high:
            return None
        return str(int(number))

    return literal


def _numeric(text: str) -> str | None:
    number = _decimal(text)
    if number is None:
        return "NaN" if text.lower() == "nan" else None
    plain = format(number, "f") if number else "0"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _float(form: str) -> Callable[[str], str | None]:
    def literal(text: str) -> str | None:
        if text.lower() in _SPECIAL:
            return _SPECIAL[text.lower()]
        number = _decimal(text)
        if number is None:
            return None
        try:
            (stored,) = struct.unpack(form, struct.pack(form, float(number)))
        except OverflowError:
            return None
        fits = not math.isinf(stored) and (stored or not number)
        return repr(stored + 0.0) if fits else None

    return literal


def _uuid(text: str) -> str | None:
    digits = text.strip("{}").replace("-", "").lower()
    return digits if _UUID.match(digits) else None


def _bytes(text: str) -> Sequence[str]:
    """What hex digits mean, and what the same characters mean as DuckDB shows bytes: printable ones as themselves."""
    found = [match[1].lower()] if (match := _HEX.match(text)) else []
    if _SHOWN_BYTES.match(text):
        shown = _SHOWN_BYTE.sub(lambda byte: chr(int(byte[1], 16)), text)
        found.append(shown.encode("latin-1").hex())
    return [rf"\x{digits}" for digits in found]


def _interval(text: str) -> str | None:
    """As ISO 8601, which PostgreSQL reads; none beyond what its months and days can count."""
    written = interval_text(text)
    return written if written and not _LONG_NUMBER.search(written) else None


def _moment(base: str) -> Callable[[str], str | None]:
    def literal(text: str) -> str | None:
        if text.lower() in ("infinity", "-infinity"):
            return text.lower()
        match = _MOMENT.match(text)
        if match is None:
            return None
        year, month, day = int(match[1]), int(match[2]), int(match[3])
        early = bool(match["early"] or match["late"])
        if year <= 0 and not early:  # canonical text counts through zero: the year -43 is 44 BC
            year, early = 1 - year, True
        if year <= 0 or not _is_date(base, -year if early else year, month, day):
            return None
        clock = f" {match['clock']}" if match["clock"] and base != "date" else ""
        return f"{year:04}-{month:02}-{day:02}{clock}{match['zone'] or '' if clock else ''}{' BC' if early else ''}"

    return literal


def _is_date(base: str, year: int, month: int, day: int) -> bool:
    if not (-_YEAR_BC_MAX < year <= _YEAR_MAX.get(base, _STAMP_YEAR_MAX)) or not year:
        return False
    era = year + 1 if year < 0 else year  # there is no year 0
    try:
        datetime(2000 + era % 400, month, day, tzinfo=UTC)
    except ValueError:
        return False
    return True


class _Moments:
    """Literals of a column of times, with or without a zone, from texts with or without an offset."""

    def __init__(self, base: str, zone: str) -> None:
        self._zoned = base == "timestamptz"
        self._zone = ZoneInfo(zone)
        self._plain = _moment(base)

    def literals(self, text: str) -> Sequence[str]:
        """Each moment of the column's type that the text can mean: two where clocks were turned back."""
        literal = self._plain(text.strip())
        if literal is None:
            return []
        try:
            moment = datetime.fromisoformat(literal)
        except ValueError:  # infinite, before the year 1 or after 9999: told alike with and without a zone
            return [literal]
        return sorted({each.isoformat(" ") for each in self._of(moment)})

    def _of(self, moment: datetime) -> Iterator[datetime]:
        try:
            if self._zoned:
                placed = (
                    [moment] if moment.tzinfo else [moment.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1)]
                )
                yield from (each.astimezone(UTC) for each in placed)
            else:
                yield moment.astimezone(self._zone).replace(tzinfo=None, fold=0) if moment.tzinfo else moment
        except OverflowError:
            return  # within a day of the years 1 or 9999


_SCALARS: dict[str, Callable[[str], str | None]] = {
    **{base: _integer(-_INT_MAX[base], _INT_MAX[base]) for base in INTEGERS},
    "oid": _integer(0, _OID_MAX),
    "numeric": _numeric,
    "float4": _float("<f"),
    "float8": _float("<d"),
    "bool": lambda text: _BOOLEANS.get(text.lower()),
    "uuid": _uuid,
    "interval": _interval,
    "date": _moment("date"),
    "time": lambda text: text if _TIME.match(text) else None,
}
