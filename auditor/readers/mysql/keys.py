"""Look-ups by key: the conditions that find rows through an index, in statements of limited size.

A key arrives as text and must meet its column as the column's own type.  MySQL would compare a number with a text as
two binary floating point numbers (`0 = 'abc'` is true), without an index.  So each candidate becomes a literal of the
column's type, and one that the type cannot hold is dropped: no row can have it.

Text is compared twice: under the column's collation, which the index serves and which may find more ('a' and 'A'), and
byte for byte, so that no row comes back for two keys of different statements.
"""

from __future__ import annotations

import itertools
import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from auditor.readers.mysql.columns import BINARIES, INTEGERS, TEXTS, Access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

STATEMENT_BYTES = 256 << 10
"""Most bytes of keys in one look-up: below every server's `max_allowed_packet` (1 MiB at the least)."""

COMPOSITE_KEYS = 100
"""Most keys of several columns in one look-up through an index: the time that MySQL's optimizer takes for them grows
with their square (100 take 1.5 ms, 5,000 take 5 s)."""

SCANS = 4
"""A key that no index serves costs one scan a statement; beyond this many, one scan that delivers all is cheaper."""

NUMBER_CHARACTERS = 100
"""Longer digits are no number of MySQL's (65 digits, or a double in its shortest text)."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\Z", re.ASCII)
_HEX = re.compile(r"(\\x)?((?:[0-9a-fA-F]{2})*)\Z")
_UUID = re.compile(r"[0-9a-fA-F]{32}\Z")
_SHOWN_BYTE = re.compile(r"\\x([0-9A-F]{2})")
_SHOWN_BYTES = re.compile(r"(?:[ -\[\]-~]|\\x[0-9A-F]{2})*\Z")
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?))?(Z|[+-]\d{2}:?\d{2})?\Z", re.ASCII
)
_TIME = re.compile(r"-?\d{2,3}:[0-5]\d:[0-5]\d(\.\d{1,6})?\Z", re.ASCII)
_BOOLEANS = {"true": "1", "t": "1", "false": "0", "f": "0"}
_COMPARED_AS_TEXT = TEXTS | {"enum", "set"}

EVERY_ROW = "TRUE"
"""The condition of a look-up that the server cannot narrow down."""


def conditions(key: Sequence[Access], values: Iterable[tuple[tuple[str, ...], ...]], *, indexed: bool) -> Iterator[str]:
    """Conditions after WHERE that together find each row with one of the keys once, and no row twice.

    Args:
        key: The key's columns.
        values: See `reconcilers.ports.Keys`.
        indexed: An index serves the key.

    Yields:
        One condition a statement; none where no key can exist.
    """
    readers = [reader for part in key if (reader := _literals_of(part)) is not None]
    if len(readers) < len(key):
        yield EVERY_ROW  # the server cannot tell; the caller filters
        return
    found: dict[tuple[str, ...], None] = {}
    for candidates in values:
        parts = [
            [literal for candidate in _forms(part, options) if (literal := reader(candidate)) is not None]
            for part, reader, options in zip(key, readers, candidates, strict=True)
        ]
        found.update(dict.fromkeys(itertools.product(*parts)))
    batches = list(_batches(found, COMPOSITE_KEYS if indexed and len(key) > 1 else len(found)))
    if not indexed and len(batches) > SCANS:
        yield EVERY_ROW
        return
    for batch in batches:
        yield _condition(key, batch)


def _forms(part: Access, candidates: Iterable[str]) -> Iterator[str]:
    """The candidates; those of bytes also as what they mean where DuckDB shows bytes: printable ones as themselves."""
    for candidate in candidates:
        yield candidate
        if part.column.base in BINARIES and _SHOWN_BYTES.match(candidate):
            yield _SHOWN_BYTE.sub(lambda byte: chr(int(byte[1], 16)), candidate).encode("latin-1").hex()


def _batches(keys: Iterable[tuple[str, ...]], most: int) -> Iterator[list[tuple[str, ...]]]:
    batch: list[tuple[str, ...]] = []
    size = 0
    for key in keys:
        size += sum(map(len, key)) + 2 * len(key)
        batch.append(key)
        if size >= STATEMENT_BYTES or len(batch) == most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _condition(key: Sequence[Access], batch: list[tuple[str, ...]]) -> str:
    """What is true for rows with one of these keys; a literal of a text column is the hex of its UTF-8 bytes."""
    is_text = [part.column.base in _COMPARED_AS_TEXT for part in key]
    if not any(is_text):
        return _is_one_of([part.expression for part in key], batch)
    found, spelled = [], []
    for place, part in enumerate(key):
        literals = [literals[place] for literals in batch]
        expression, written = _spelled(part, literals) if is_text[place] else (part.expression, literals)
        found.append(expression)
        spelled.append(written)
    exact = [_bytes_of(part) if text else part.expression for part, text in zip(key, is_text, strict=True)]
    raw = [
        tuple(f"x'{literal}'" if text else literal for literal, text in zip(literals, is_text, strict=True))
        for literals in batch
    ]
    return f"{_is_one_of(found, list(zip(*spelled, strict=True)))} AND {_is_one_of(exact, raw)}"


def _is_one_of(expressions: Sequence[str], batch: Sequence[tuple[str, ...]]) -> str:
    if len(expressions) == 1:
        return f"{expressions[0]} IN ({','.join(literals[0] for literals in batch)})"
    rows = ",".join(f"({','.join(literals)})" for literals in batch)
    return f"({','.join(expressions)}) IN ({rows})"


def _spelled(part: Access, literals: list[str]) -> tuple[str, list[str]]:
    """The column and its texts, so that the server compares them in the column's own character set and collation.

    A text that the character set lacks would otherwise make the server refuse; converted, it has question marks
    instead, and the comparison of bytes sorts out what they find.
    """
    column = part.column
    plain = [f"_utf8mb4 x'{literal}'" for literal in literals]
    if column.charset == "utf8mb4" or all(bytes.fromhex(literal).isascii() for literal in literals):
        return part.expression, plain
    if not column.charset:
        return f"CONVERT({part.expression} USING utf8mb4)", plain
    written = [f"CONVERT({text} USING {column.charset}) COLLATE {column.collation}" for text in plain]
    return part.expression, written


def _bytes_of(part: Access) -> str:
    return f"CAST(CONVERT({part.expression} USING utf8mb4) AS BINARY)"


def literal_of(part: Access, text: str) -> str:
    """A canonical text as a literal of the column's type.

    Raises:
        ValueError: It is no value of that type.
    """
    reader = _literals_of(part)
    literal = reader(text) if reader is not None else None
    if literal is None:
        raise ValueError(f"{text!r} is no value of a column of type {part.column.declared}")
    return f"_utf8mb4 x'{literal}'" if part.column.base in _COMPARED_AS_TEXT else literal


def _literals_of(part: Access) -> Callable[[str], str | None] | None:
    """What turns a candidate into a literal of the column's type; None where no literal can be trusted."""
    base = part.column.base
    if part.inside or part.column.holds_json:
        return None
    if base in INTEGERS or base in ("year", "bit"):
        return _integer
    if base in _COMPARED_AS_TEXT:
        return _text
    if base in BINARIES:
        return _bytes
    if base in ("datetime", "timestamp"):
        return lambda candidate: _date_time(candidate, part.raw.timezone)
    return {"decimal": _decimal, "double": _double, "date": _date, "time": _time, "uuid": _uuid}.get(base)


def _integer(candidate: str) -> str | None:
    number = _number(_BOOLEANS.get(candidate, candidate))
    return str(int(number)) if number is not None and number == number.to_integral_value() else None


def _decimal(candidate: str) -> str | None:
    number = _number(candidate)
    return None if number is None else f"{number.normalize():f}"


def _double(candidate: str) -> str | None:
    number = _number(candidate)
    if number is None:
        return None
    text = repr(float(number))
    return text if "e" in text else f"{text}e0"  # without an exponent it would be a decimal


def _number(candidate: str) -> Decimal | None:
    if len(candidate) > NUMBER_CHARACTERS or not _NUMBER.match(candidate):
        return None
    try:
        return Decimal(candidate)
    except InvalidOperation:
        return None


def _text(candidate: str) -> str:
    return candidate.encode(errors="surrogatepass").hex()


def _bytes(candidate: str) -> str | None:
    squeezed = candidate.replace("-", "")
    if _UUID.match(squeezed):
        return f"x'{squeezed.lower()}'"
    match = _HEX.match(candidate)
    return f"x'{match[2].lower()}'" if match else None


def _date(candidate: str) -> str | None:
    match = _DATE_TIME.match(candidate)
    return f"'{match[1]}'" if match else None


def _date_time(candidate: str, zone: str) -> str | None:
    """As the column spells it; an instant is told in the zone of the column."""
    match = _DATE_TIME.match(candidate)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(candidate)
        if moment.tzinfo is not None:
            moment = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (ValueError, OverflowError):  # 0000-00-00 and its kind are lawful here
        return f"'{match[1]} {match[2] or '00:00:00'}'"
    return f"'{moment.isoformat(sep=' ', timespec='microseconds')}'"


def _time(candidate: str) -> str | None:
    return f"'{candidate}'" if _TIME.match(candidate) else None


def _uuid(candidate: str) -> str | None:
    squeezed = candidate.replace("-", "").lower()
    if not _UUID.match(squeezed):
        return None
    return f"'{squeezed[:8]}-{squeezed[8:12]}-{squeezed[12:16]}-{squeezed[16:20]}-{squeezed[20:]}'"
