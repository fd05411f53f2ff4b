"""Equalities of the contract language as SQL over canonical values.

Maps are applied to each side before hashing, the tolerance `within` is a condition over both sides.
"""

from __future__ import annotations

from contracts.equality import (
    WHITE_SPACE,
    CaseInsensitive,
    Equality,
    Hashed,
    Mask,
    Trimmed,
    Truncated,
    TruncatedTo,
    Unordered,
    Within,
)
from contracts.logical_types import Kind, LogicalType
from reconcilers.canonical import DECIMAL_DIGITS_MAX, Canonical, text_of
from reconcilers.value_text import call

_TRUNCATION = {"s": "second", "ms": "millisecond", "us": "microsecond"}
TEXT = LogicalType(Kind.TEXT)


WITHIN_SPARE_DIGITS = 2
"""Left free before the point when a tolerance is computed: the difference of two values may carry."""

_TEXT_PRECISION, _TEXT_SCALE = 1000, 200
"""Digits of a decimal compared with a tolerance through its text, where DuckDB's 38 do not leave room.

A double has at most 17.
"""


_SPELLINGS = (CaseInsensitive, Trimmed, TruncatedTo)
"""What makes of an enum's member a text that may be none."""


def replica_type(declared: LogicalType, equality: Equality) -> LogicalType:
    """The type under which a replica's column is read.

    Text where it holds a digest or a mask of the value, or an enum's member in another spelling.  Under a tolerance, a
    decimal with more digits after the point than declared: a tolerance below the declared scale says that the replica
    may hold such values.
    """
    secret = any(isinstance(step, (Mask, Hashed)) for step in equality.steps) or equality.mode == "redacted"
    spelled = declared.kind is Kind.ENUM and any(isinstance(step, _SPELLINGS) for step in equality.steps)
    if secret or spelled:
        return TEXT
    if equality.within is not None and declared.kind is Kind.DECIMAL:
        return _widened(declared)
    return declared


def _widened(declared: LogicalType) -> LogicalType:
    scale = DECIMAL_DIGITS_MAX - (declared.precision - declared.scale) - WITHIN_SPARE_DIGITS
    if scale <= declared.scale:
        return LogicalType(
            Kind.DECIMAL, precision=max(_TEXT_PRECISION, declared.precision), scale=max(_TEXT_SCALE, declared.scale)
        )
    return LogicalType(Kind.DECIMAL, precision=DECIMAL_DIGITS_MAX - WITHIN_SPARE_DIGITS, scale=scale)


def mapped(value: str, logical: LogicalType, equality: Equality, *, owner: bool) -> str:
    """SQL of a canonical value after the maps of an equality, `within` left out.

    Args:
        value: SQL of the canonical value.
        logical: Its type.
        equality: The equality whose steps are applied in order.
        owner: Owner-side maps (mask, hash, truncated_to) are applied to the owner alone.
    """
    for step in equality.steps:
        match step:
            case Truncated(unit):
                value = _truncated_time(value, unit) if logical.kind is Kind.TIME else _truncated_stamp(value, unit)
            case CaseInsensitive():
                value = _case_folded(value)
            case Trimmed():
                value = f"trim({value}, {_characters(WHITE_SPACE)})"
            case Unordered():
                value = call("au_list", value, _quoted(str(logical.element)), "false")
            case Mask() | Hashed() | TruncatedTo() if owner:
                value = _owner_map(value, logical, step)
            case _:
                pass
    return value


def _case_folded(value: str) -> str:
    # lower() is case folding for ASCII; the rest (ß, final sigma, Cherokee) takes the full tables
    ascii_only = f"strlen({value}) = length({value})"
    return f"CASE WHEN {ascii_only} THEN lower({value}) ELSE {call('au_casefold', value)} END"


def _owner_map(value: str, logical: LogicalType, step: Mask | Hashed | TruncatedTo) -> str:
    text = text_of(logical, value)
    match step:
        case Mask(character, keep):
            kept = f"right({text}, {keep})" if keep else "''"
            return f"(repeat({_quoted(character)}, greatest(length({text}) - {keep}, 0)) || {kept})"
        case Hashed(salt):
            return f"sha256({_quoted(salt)} || {text})"
        case TruncatedTo(length):
            return f"left({text}, {length})"


def _truncated_stamp(value: str, unit: str) -> str:
    return f"CASE WHEN isinf({value}) THEN {value} ELSE date_trunc('{_TRUNCATION[unit]}', {value}) END"


def _truncated_time(value: str, unit: str) -> str:
    micros = {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]
    return f"CAST(TIME '00:00:00' + to_microseconds((epoch_us({value}) // {micros}) * {micros}) AS TIME)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _characters(text: str) -> str:
    return " || ".join(f"chr({ord(character)})" for character in text)


def within(owner: str, replica: str, logical: LogicalType, tolerance: Within) -> str:
    """SQL condition, never NULL: two values are both NULL, the same, or within the tolerance, bounds included."""
    close = _close(owner, replica, logical, tolerance)
    return f"coalesce({owner} IS NOT DISTINCT FROM {replica} OR ({close}), false)"


def _close(owner: str, replica: str, logical: LogicalType, tolerance: Within) -> str:
    if logical.kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL):
        micros = int(tolerance.amount * 1_000_000)
        return f"abs(CAST(epoch_us({owner}) AS HUGEINT) - CAST(epoch_us({replica}) AS HUGEINT)) <= {micros}"
    if logical.kind is Kind.DATE:
        seconds = f"abs(datediff('day', {owner}, {replica})) * 86400"
        return f"NOT isinf({owner}) AND NOT isinf({replica}) AND {seconds} <= {tolerance.amount:f}"
    if logical.kind is Kind.TIME:
        return f"abs(epoch_us({owner}) - epoch_us({replica})) <= {int(tolerance.amount * 1_000_000)}"
    return _close_numbers(owner, replica, logical, tolerance)


def _close_numbers(owner: str, replica: str, logical: LogicalType, tolerance: Within) -> str:
    if logical.kind is Kind.INT and not tolerance.percent:
        return f"abs(CAST({owner} AS HUGEINT) - CAST({replica} AS HUGEINT)) <= {int(tolerance.amount)}"
    wide = _widened(logical) if logical.kind is Kind.DECIMAL else logical
    digits = -int(tolerance.amount.as_tuple().exponent)
    if (
        logical.kind is Kind.DECIMAL
        and not tolerance.percent
        and wide.precision <= DECIMAL_DIGITS_MAX
        and digits <= wide.scale
    ):
        target = f"DECIMAL({DECIMAL_DIGITS_MAX},{wide.scale})"
        bound = f"TRY_CAST('{tolerance.amount:f}' AS {target})"
        return f"abs(CAST({owner} AS {target}) - CAST({replica} AS {target})) <= {bound}"
    left, right = text_of(logical, owner), text_of(wide, replica)
    return f"au_within({left}, {right}, '{tolerance.amount:f}', {str(tolerance.percent).lower()})"


def equal(owner: Canonical, replica: Canonical, logical: LogicalType, equality: Equality) -> str:
    """SQL condition of the row stage, never NULL: the two sides of one field count as the same.

    A value that the owner itself holds wrongly is not compared; one that the replica holds wrongly is never the same;
    values that DuckDB's type lacks (NaN in a decimal) are the same when their canonical texts are.
    """
    left = mapped(owner.value, logical, equality, owner=True)
    right = mapped(replica.value, replica_type(logical, equality), equality, owner=False)
    tolerance = equality.within
    same = within(left, right, logical, tolerance) if tolerance else f"({left} IS NOT DISTINCT FROM {right})"
    cases = []
    if owner.bad:
        cases.append(f"WHEN {owner.bad} THEN true")
    if replica.bad:
        cases.append(f"WHEN {replica.bad} THEN false")
    odd = " OR ".join(side.odd for side in (owner, replica) if side.odd)
    if odd:
        cases.append(f"WHEN {odd} THEN {owner.text} IS NOT DISTINCT FROM {replica.text}")
    return f"CASE {' '.join(cases)} ELSE {same} END" if cases else same
