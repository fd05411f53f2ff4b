"""When a copy of a field may count as equal, as far as the types of both columns tell.

A column that keeps fewer digits cannot hold the owner's value; what the copy does with the rest is known only by
looking at its code.  So the proposal is the usual way, with a note that says what else it may be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from contracts.logical_types import Kind

if TYPE_CHECKING:
    from contracts.matching import ColumnDescription

_PRECISION = re.compile(r"\(\s*(\d+)\s*\)")
_UNIT = re.compile(r"\[\s*(s|ms|us|ns)\b")
_FRACTION = re.compile(r":\d{2}\.(\d+)")
_UNIT_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_FIXED_TEXT = re.compile(r"(n?char|character|bpchar)\b(?!\s+varying)", re.IGNORECASE)
_VARIABLE_TEXT = re.compile(r"(n?varchar2?|character varying)\s*\(\s*(\d+)\s*\)", re.IGNORECASE)
_FINEST_DIGITS = 6
_MOMENTS = (Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL, Kind.TIME)


@dataclass(frozen=True, slots=True)
class ProposedEquality:
    """An equality as a contract spells it (empty for exact), and what somebody should know about it."""

    text: str = ""
    note: str = ""


def propose_equality(field: ColumnDescription, column: ColumnDescription) -> ProposedEquality:
    """The equality that the types of an owner's and a replica's column suggest."""
    if field.logical is None:
        return ProposedEquality()
    kind = field.logical.kind
    if kind in _MOMENTS:
        return _of_times(field, column)
    if kind is Kind.DECIMAL:
        return _of_decimals(field, column)
    if kind in (Kind.TEXT, Kind.ENUM):
        return _of_texts(field, column)
    return ProposedEquality()


def _of_times(field: ColumnDescription, column: ColumnDescription) -> ProposedEquality:
    if column.logical is not None and column.logical.kind is Kind.DATE:
        return ProposedEquality("ignored", "the copy keeps the day alone, which cannot be compared with a time yet")
    kept, had = _fraction_digits(column), _fraction_digits(field)
    if kept >= had:
        return ProposedEquality()
    unit, tolerance = ("s", "1s") if kept < 3 else ("ms", "1ms")  # noqa: PLR2004 - milliseconds have three
    return ProposedEquality(
        f"truncated {unit}", f"{column.store_type} keeps fewer digits; if it rounds: within {tolerance}"
    )


def _fraction_digits(column: ColumnDescription) -> int:
    """Digits of a second that a column of times keeps."""
    if unit := _UNIT.search(column.store_type):
        return min(_UNIT_DIGITS[unit[1]], _FINEST_DIGITS)
    if precision := _PRECISION.search(column.store_type):
        return min(int(precision[1]), _FINEST_DIGITS)
    if column.store_type.lower() == "datetime":  # MySQL's, which keeps whole seconds
        return 0
    if column.logical is not None and column.logical.kind is Kind.TEXT and column.samples:
        return max((len(fraction[1]) for value in column.samples if (fraction := _FRACTION.search(value))), default=0)
    return _FINEST_DIGITS


def _of_decimals(field: ColumnDescription, column: ColumnDescription) -> ProposedEquality:
    if field.logical is None or column.logical is None:
        return ProposedEquality()
    scale = field.logical.scale
    if column.logical.kind is Kind.FLOAT:
        note = f"{column.store_type} is a binary number; half a unit of the owner's last digit"
        return ProposedEquality(f"within {_half_unit(scale)}", note)
    kept = 0 if column.logical.kind is Kind.INT else column.logical.scale
    if column.logical.kind in (Kind.INT, Kind.DECIMAL) and kept < scale:
        note = f"{column.store_type} keeps {kept} digits after the point, the owner {scale}; half a unit of the last"
        return ProposedEquality(f"within {_half_unit(kept)}", note)
    return ProposedEquality()


def _half_unit(scale: int) -> str:
    return f"{Decimal(5).scaleb(-scale - 1):f}"


def _of_texts(field: ColumnDescription, column: ColumnDescription) -> ProposedEquality:
    if _FIXED_TEXT.search(field.store_type) and any(value != value.rstrip(" ") for value in column.samples):
        return ProposedEquality("trimmed", "the copy holds the blanks that the owner's fixed width pads with")
    if _differ_in_case_alone(field.samples, column.samples):
        return ProposedEquality("case_insensitive", "the values seen differ in case")
    width, owner_width = _width(column), _width(field)
    if width is not None and (owner_width is None or width < owner_width):
        return ProposedEquality("", f"holds at most {width} characters; if it cuts: {{truncated_to: {width}}}")
    return ProposedEquality()


def _width(column: ColumnDescription) -> int | None:
    found = _VARIABLE_TEXT.search(column.store_type)
    return int(found[2]) if found else None


def _differ_in_case_alone(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    exactly, folded = set(one) & set(other), {v.casefold() for v in one} & {v.casefold() for v in other}
    return len(folded) > len(exactly)
