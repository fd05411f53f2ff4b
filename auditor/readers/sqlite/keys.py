"""Every way in which SQLite may hold a key that is given as text.

SQLite compares across storage classes only where a column's affinity makes it: in a column declared TEXT or not at
all, '1' and 1 are different keys.  So a key is looked up in each form that it can have been stored in.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from auditor.readers.native import quote_text
from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Value = str | int | float | bytes

_INTEGER = re.compile(r"[+-]?\d{1,19}\Z", re.ASCII)
_INT64 = 2**63
_BOOLEANS: dict[str, tuple[Value, ...]] = {
    "true": ("true", "t", "True", "TRUE", "1", 1),
    "false": ("false", "f", "False", "FALSE", "0", 0),
}
_INFINITIES = {"infinity": float("inf"), "-infinity": float("-inf")}


def key_values(
    spellings: Sequence[tuple[str, ...]], types: Sequence[LogicalType | None]
) -> Iterator[tuple[Value, ...]]:
    """The rows of the table that a lookup selects by.

    Args:
        spellings: Keys, each part as text.
        types: The logical type of each part.
    """
    for key in spellings:
        yield from itertools.product(*(forms(text, logical) for text, logical in zip(key, types, strict=True)))


def forms(text: str, logical: LogicalType | None) -> tuple[Value, ...]:
    """The values that may be stored for one part of a key."""
    kind = logical.kind if logical is not None else Kind.TEXT
    found: list[Value] = [text]
    if kind is Kind.BOOL:
        found += _BOOLEANS.get(text.lower(), ())
    elif kind is Kind.UUID:
        found += _uuid_forms(text)
    found += _numbers(text)
    digits = text.removeprefix("\\x")
    if (kind is Kind.BYTES or digits != text) and re.fullmatch(r"([0-9a-fA-F]{2})*", digits):
        found.append(bytes.fromhex(digits))
    return tuple({(type(value), value): value for value in found}.values())


def _uuid_forms(text: str) -> list[Value]:
    bare = re.sub(r"[-{}]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{32}", bare):
        return []
    hyphened = "-".join((bare[:8], bare[8:12], bare[12:16], bare[16:20], bare[20:]))
    return [hyphened, hyphened.upper(), bare, bare.upper(), bytes.fromhex(bare)]


def _numbers(text: str) -> list[Value]:
    """The text as an integer and as a real, where it is a number: SQLite's own conversion may round wrongly."""
    if text in _INFINITIES:
        return [_INFINITIES[text]]
    found: list[Value] = []
    if _INTEGER.match(text) and -_INT64 <= int(text) < _INT64:
        found.append(int(text))
    try:
        real = float(text)
    except ValueError:
        return found
    if real.is_integer() and abs(real) < _INT64:
        found.append(int(real))
    return [*found, real] if real == real else found  # noqa: PLR0124  SQLite keeps no NaN


RANGED_KINDS = frozenset({Kind.INT, Kind.TEXT, Kind.UUID, Kind.DATE})
"""Types whose values are mostly kept in a form that sorts as the values do."""


def range_condition(name: str, kind: Kind, lower: str | None, upper: str | None) -> str:
    """SQL of a range of a column's values, NULLs with the least.

    Args:
        name: The column, quoted.
        kind: Of its declared type.
        lower: The least value in canonical text, or None.
        upper: What all are less than, or None.
    """
    found = []
    for bound, sign in ((lower, ">="), (upper, "<")):
        if bound is not None:
            literal = str(int(bound)) if kind is Kind.INT else f"{quote_text(bound)} COLLATE BINARY"
            found.append(f"{name} {sign} {literal}")
    inside = " AND ".join(found) or "true"
    return f"({inside} OR {name} IS NULL)" if lower is None else inside
