"""What a feed cannot carry of a value, and whether that explains a difference.

A connector may cut times to milliseconds, round decimals to doubles, wrap what is unsigned, write a default for
NULL, or NULL for NaN.
A difference that is exactly of that make is no difference that could be known: the field is undecided, and says why.
Two values that are told alike differ by no flaw: there the replica is to hold something else than its owner's value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

from contracts.logical_types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from contracts.logical_types import LogicalType

WORD = 2**64
WRAPPED_KINDS = frozenset({Kind.INT, Kind.DECIMAL, Kind.FLOAT, Kind.TEXT})
"""What a contract may take an integer for."""
_LONG_MAX = 2**63 - 1
_MILLIS_DIGITS = 3


class Flaw(Enum):
    """A way in which a feed's value may differ from the row's."""

    TRUNCATED = "truncated"
    ROUNDED = "rounded"
    WRAPS = "wraps"
    NULL_IS_DEFAULT = "null is default"
    NAN_IS_NULL = "nan is null"
    TIME_IS_NULL = "time is null"
    RETYPED = "retyped"
    ONE_BIT = "one bit"
    PADDED = "padded"
    MISNAMED = "misnamed"  # of rows, and of no value: it explains no difference in one
    MIXED = "mixed"


PADDING = (
    "blanks at the end may be what a char(n) is padded with, which the feed does not tell; "
    "say the column's type in `schemaless.columns`, or compare it `trimmed`"
)
"""Holds of the texts of connectors that write a char(n) as long as it is declared.  It explains blanks that the feed
tells and the other side lacks, never those that the other side has beyond it.  Which texts are the same without them,
the equality of the field decides: see `reconcilers.row_stage.differences`."""


def excuse(flaws: Mapping[Flaw, str], logical: LogicalType, told: str | None, other: str | None) -> str:
    """Why a difference may be of the feed's own making; empty where it is none of its flaws.

    Args:
        flaws: Of the column.
        logical: The field's type.
        told: What the feed tells, in canonical text.
        other: What the other side holds.
    """
    for flaw, sentence in flaws.items():
        if _explains(flaw, logical, told, other):
            return sentence
    return ""


def _explains(flaw: Flaw, logical: LogicalType, told: str | None, other: str | None) -> bool:
    if flaw in (Flaw.RETYPED, Flaw.MIXED):
        return True
    if told == other:
        return False
    if other is None:
        return flaw is Flaw.NULL_IS_DEFAULT and told is not None
    if told is None:
        return (flaw is Flaw.NAN_IS_NULL and other == "NaN") or flaw is Flaw.TIME_IS_NULL
    by_value = _BY_VALUE.get(flaw)
    return by_value is not None and by_value(logical.kind, told, other)


def _is_wrapped(kind: Kind, told: str, other: str) -> bool:
    """Whether a number is the other one once it is read back, whatever the contract takes the column for."""
    if kind in (Kind.INT, Kind.TEXT):
        return wrapped(told) == other
    try:
        unwrapped, held = Decimal(told) + WORD, Decimal(other)
    except ArithmeticError:
        return False
    same = float(unwrapped) == float(held) if kind is Kind.FLOAT else unwrapped == held
    return kind in WRAPPED_KINDS and unwrapped < WORD and same


def _is_rounded(kind: Kind, told: str, other: str) -> bool:
    """Whether two numbers are the same once a double holds them, which has 15 digits, or a few more."""
    try:
        return kind in (Kind.DECIMAL, Kind.INT) and math.isfinite(float(told)) and float(told) == float(other)
    except (OverflowError, ValueError):
        return False


def _is_bit(kind: Kind, told: str, other: str) -> bool:
    return kind is Kind.TEXT and {"true": "1", "false": "0"}.get(told) == other


def _is_cut(_kind: Kind, told: str, other: str) -> bool:
    return told == _cut(other)


_BY_VALUE: Mapping[Flaw, Callable[[Kind, str, str], bool]] = {
    Flaw.WRAPS: _is_wrapped, Flaw.ROUNDED: _is_rounded, Flaw.TRUNCATED: _is_cut, Flaw.ONE_BIT: _is_bit,
}  # fmt: skip
"""Of two texts: whether the one may be what the other became."""


def wrapped(told: str) -> str:
    """What a negative number may have been before a connector wrapped it; itself where it is not negative."""
    return str(int(told) + WORD) if told.startswith("-") and told[1:].isdigit() else told


def may_be_wrapped(text: str | None) -> bool:
    """Whether a key's part is of those that a wrapping connector tells apart from their rows."""
    if text is None or not text.lstrip("-").isdigit():
        return False
    return not 0 <= int(text) <= _LONG_MAX


def _cut(text: str) -> str:
    """A canonical time, cut to milliseconds."""
    whole, point, fraction = text.partition(".")
    if not point:
        return text
    digits = fraction.rstrip("Z")
    return f"{whole}.{digits[:_MILLIS_DIGITS]}{'0' * (len(digits) - _MILLIS_DIGITS)}{fraction[len(digits) :]}"


@dataclass(frozen=True, slots=True)
class Disguise:
    """What feeds may have made of values, where the equality of the field has to say whether they are the same then.

    Attributes:
        padded: Fields of the owner, and of the replica, whose texts may end in what a char(n) is padded with.
        wrapped: Fields of the owner whose unsigned numbers may have wrapped, each with the sentence that says so.
    """

    padded: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    wrapped: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, owner: Mapping[str, Mapping[Flaw, str]], replica: Mapping[str, Mapping[Flaw, str]]) -> Disguise:
        """From the flaws of both sides' fields."""
        padded = (_fields(Flaw.PADDED, owner), _fields(Flaw.PADDED, replica))
        return cls(padded, {name: owner[name][Flaw.WRAPS] for name in _fields(Flaw.WRAPS, owner)})


NO_DISGUISE = Disguise()


def _fields(flaw: Flaw, flaws: Mapping[str, Mapping[Flaw, str]]) -> frozenset[str]:
    return frozenset(name for name, found in flaws.items() if flaw in found)


def flaws_by_field(
    columns: Sequence[tuple[str, str]], known: Mapping[str, Mapping[Flaw, str]]
) -> dict[str, Mapping[Flaw, str]]:
    """The flaws of fields, of pairs of a field and its column; what holds of every column stands under `*`."""
    return {field: {**known.get("*", {}), **known.get(column, {})} for field, column in columns}
