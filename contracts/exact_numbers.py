"""Exact numbers in DuckDB: what is added, multiplied, divided, rounded and compared without losing a digit.

DuckDB's own rules would bend values: `/` of decimals gives a double, an overflow stops the query, decimals of up to 18
digits overflow at 18 even where their product needs more.  So nothing is left to its implicit casts:

* An exact number is a HUGEINT or a DECIMAL whose width is known here.  Where the width of a result may pass 38 digits
  (an integer column has no declared width), it is computed at 38 digits inside TRY, which turns an overflow into NULL.
* A comparison needs both sides at one scale.  A number too large for that is larger than anything at that scale, so
  its sign alone decides: no comparison is lost to an overflow.
* A quotient is an integer division of both numbers written without their points, with one digit more than wanted,
  which is then rounded away.
* What 18 digits are enough for is computed in 64 bits: beyond them DuckDB divides and rounds many times as slowly.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from contracts.bound_sql import DIGITS_MAX, NUMBERS, UNKNOWN, Bound, MisfitError, condition, kind_text
from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORT_DIGITS = 18
"""Digits of the widest decimal that DuckDB computes with in 64 bits."""
QUOTIENT_SCALE = 10
"""Digits after the point that a quotient has where there is room for them."""
SHORT_QUOTIENT_SCALE = 6
"""Digits after the point that are worth computing a quotient in 64 bits for."""
_INT_DIGITS = 19
"""Digits that an integer column is taken to have when the scale of a quotient is chosen: those of 64 bits."""


# Columns and literals


def number_column(name: str, sql: str, logical: LogicalType) -> Bound:
    """A column of integers, decimals or floats."""
    if logical.kind is Kind.INT:
        return Bound(f"CAST({sql} AS HUGEINT)", Kind.INT, logical=logical, raw=sql)
    if logical.kind is Kind.DECIMAL:
        return _decimal_column(name, sql, logical)
    return Bound(sql, logical.kind, logical=logical, raw=sql)


def _decimal_column(name: str, sql: str, logical: LogicalType) -> Bound:
    precision, scale = logical.precision, logical.scale
    if scale > DIGITS_MAX:
        raise MisfitError(f"{name!r} has {scale} digits after the point; at most {DIGITS_MAX} can be computed with")
    if precision <= DIGITS_MAX:
        return Bound(sql, Kind.DECIMAL, precision - scale, scale, logical, raw=sql)
    cast = f"TRY_CAST({sql} AS DECIMAL({DIGITS_MAX},{scale}))"
    return Bound(cast, Kind.DECIMAL, None, scale, logical, raw=sql)


def number(value: Decimal) -> Bound:
    """A number as it is written: its digits after the point count."""
    _, figures, exponent = value.as_tuple()
    scale = -exponent if isinstance(exponent, int) else 0
    digits = max(len(figures) - scale, 0)
    if scale == 0:
        return Bound(f"CAST({value:f} AS HUGEINT)", Kind.INT, digits, number=value)
    return Bound(_literal(value, digits, scale), Kind.DECIMAL, digits, scale, number=value)


def _literal(value: Decimal, digits: int, scale: int) -> str:
    return f"CAST('{value:f}' AS {_decimal_type(digits, scale)})"


def _decimal_type(digits: int | None, scale: int) -> str:
    width = DIGITS_MAX if digits is None else min(max(digits + scale, 1), DIGITS_MAX)
    return f"DECIMAL({width},{scale})"


def _exact(bound: Bound, digits: int | None, scale: int) -> str:
    """A number as a decimal with this many digits before and after the point; NULL where it has no place there."""
    if bound.number is not None and digits is not None and digits + scale <= DIGITS_MAX:
        return f"CAST('{bound.number:f}' AS {_decimal_type(digits, scale)})"
    if bound.kind is Kind.DECIMAL and (bound.digits, bound.scale) == (digits, scale):
        return bound.sql
    surely = bound.digits is not None and digits is not None and bound.digits <= digits and digits + scale <= DIGITS_MAX
    return f"{'CAST' if surely else 'TRY_CAST'}({bound.sql} AS {_decimal_type(digits, scale)})"


def _double(bound: Bound) -> str:
    if bound.number is not None:
        return f"CAST('{bound.number:f}' AS DOUBLE)"
    return bound.sql if bound.kind is Kind.FLOAT else f"CAST({bound.sql} AS DOUBLE)"


def _widest(*bounds: Bound) -> tuple[int | None, int]:
    """The digits before and after the point that hold all of these numbers."""
    digits = [bound.digits for bound in bounds]
    known = [count for count in digits if count is not None]
    return (max(known) if len(known) == len(digits) else None), max(bound.scale for bound in bounds)


# Arithmetic


def arithmetic(operator: str, left: Bound, right: Bound) -> Bound:
    """One of + - * / between two numbers; one float makes it an operation on floats."""
    for side in (left, right):
        if side.kind is not None and side.kind not in NUMBERS:
            raise MisfitError(f"{operator} needs numbers, not {kind_text(side)}")
    if left.kind is None or right.kind is None:
        return UNKNOWN
    if Kind.FLOAT in (left.kind, right.kind):
        return _float_arithmetic(operator, left, right)
    if operator == "/":
        return _quotient(left, right)
    if left.kind is right.kind is Kind.INT:
        return Bound(f"TRY({left.sql} {operator} {right.sql})", Kind.INT)
    return _product(left, right) if operator == "*" else _sum(operator, left, right)


def _float_arithmetic(operator: str, left: Bound, right: Bound) -> Bound:
    divisor = f"nullif({_double(right)}, 0)" if operator == "/" else _double(right)
    return Bound(f"({_double(left)} {operator} {divisor})", Kind.FLOAT)


def _sum(operator: str, left: Bound, right: Bound) -> Bound:
    digits, scale = _widest(left, right)
    result = _result(None if digits is None else digits + 1, scale)
    return replace(
        result, sql=_tried(result, f"{_operand(left, result, scale)} {operator} {_operand(right, result, scale)}")
    )


def _product(left: Bound, right: Bound) -> Bound:
    scale = left.scale + right.scale
    if scale > DIGITS_MAX:
        raise MisfitError(
            f"a product here has {scale} digits after the point; at most {DIGITS_MAX} can be computed with"
        )
    result = _result(None if left.digits is None or right.digits is None else left.digits + right.digits, scale)
    if result.digits is not None and result.digits + scale <= SHORT_DIGITS:
        return replace(result, sql=f"({_narrow(left)} * {_narrow(right)})")
    return replace(result, sql=_tried(result, f"{_wide(left)} * {_wide(right)}"))


def _result(digits: int | None, scale: int) -> Bound:
    return Bound("", Kind.DECIMAL, digits if digits is not None and digits + scale <= DIGITS_MAX else None, scale)


def _operand(bound: Bound, result: Bound, scale: int) -> str:
    return _exact(bound, result.digits, scale)


def _wide(bound: Bound) -> str:
    """At full width, since DuckDB gives a product of two narrow decimals 18 digits at most."""
    return f"CAST({bound.sql} AS DECIMAL({DIGITS_MAX},{bound.scale}))"


def _narrow(bound: Bound) -> str:
    """At the width that its digits need, which keeps the computation in 64 bits."""
    return f"CAST({bound.sql} AS {_decimal_type(bound.digits, bound.scale)})"


def _tried(result: Bound, sql: str) -> str:
    return f"({sql})" if result.fits else f"TRY({sql})"


def _quotient(left: Bound, right: Bound) -> Bound:
    scale = _short_quotient_scale(left, right)
    if scale is not None:
        kind, width, one, other = "BIGINT", SHORT_DIGITS, _short_mantissa(left), _short_mantissa(right)
    else:
        scale = _quotient_scale(left, right)
        kind, width, one, other = "HUGEINT", DIGITS_MAX, _mantissa(left), _mantissa(right)
    shift = f"CAST(1{'0' * (scale + right.scale - left.scale + 1)} AS {kind})"
    unit = f"CAST('0.{'0' * scale}1' AS DECIMAL({scale + 1},{scale + 1}))"
    sql = f"CAST({one} * {shift} // nullif({other}, 0) AS DECIMAL({width},0))"
    digits = None if left.digits is None else left.digits + right.scale + 1
    return replace(_result(digits, scale), sql=f"TRY(CAST({sql} * {unit} AS DECIMAL({width},{scale})))")


def _short_quotient_scale(left: Bound, right: Bound) -> int | None:
    """The scale at which a quotient can be computed in 64 bits, which is many times as fast; None where it cannot."""
    if left.digits is None or right.digits is None:
        return None
    scale = min(SHORT_DIGITS - 1 - left.digits - right.scale, QUOTIENT_SCALE)
    fits = all(side.digits is not None and side.digits + 2 * side.scale < SHORT_DIGITS for side in (left, right))
    return scale if fits and scale >= max(SHORT_QUOTIENT_SCALE, left.scale, right.scale) else None


def _short_mantissa(bound: Bound) -> str:
    factor = f"CAST(1{'0' * bound.scale} AS DECIMAL({bound.scale + 1},0))"
    return f"CAST({_narrow(bound)} * {factor} AS BIGINT)"


def _quotient_scale(left: Bound, right: Bound) -> int:
    wanted = max(left.scale, right.scale, QUOTIENT_SCALE)
    digits = _INT_DIGITS if left.digits is None else left.digits
    room = DIGITS_MAX - 1 - digits - right.scale
    # The dividend can only be shifted to the left: so never fewer digits than it has beyond the divisor's.
    return max(min(wanted, room), left.scale - right.scale, 0)


def _mantissa(bound: Bound) -> str:
    """All digits of an exact number, without its point, as a HUGEINT."""
    if bound.kind is Kind.INT:
        return bound.sql
    if bound.scale == 0:
        return f"CAST({bound.sql} AS HUGEINT)"
    # A decimal prints all its digits after the point, so leaving out the point multiplies by a power of ten.
    wide = f"CAST({bound.sql} AS {_decimal_type(bound.digits, bound.scale)})"
    return f"CAST(replace(CAST({wide} AS VARCHAR), '.', '') AS HUGEINT)"


def negated(bound: Bound) -> Bound:
    """A number with its sign turned."""
    _check_number("-", bound)
    if bound.kind is Kind.INT:
        return Bound(f"TRY(-{bound.sql})", Kind.INT, bound.digits)
    return replace(bound, sql=f"(-{bound.sql})", logical=None, number=None, raw="")


def _check_number(what: str, bound: Bound) -> None:
    if bound.kind is not None and bound.kind not in NUMBERS:
        raise MisfitError(f"{what} needs a number, not {kind_text(bound)}")


# Rounding


def rounded(bound: Bound, places: int) -> Bound:
    """A number rounded half away from zero to so many digits after the point; fewer than none are zeros before it."""
    _check_number("round(…)", bound)
    if bound.kind is None:
        return UNKNOWN
    if bound.kind is Kind.FLOAT:
        return Bound(f"round({bound.sql}, {places})", Kind.FLOAT)
    if places >= bound.scale:
        return replace(bound, number=None, raw="")
    if places >= 0:
        result = _result(None if bound.digits is None else bound.digits + 1, places)
        cast = "CAST" if result.fits else "TRY_CAST"
        return replace(result, sql=f"{cast}({bound.sql} AS {_decimal_type(result.digits, places)})")
    tenth = number(Decimal(1).scaleb(places))
    whole = rounded(_product(_as_decimal(bound), tenth), 0)
    return _product(whole, _as_decimal(number(Decimal("1" + "0" * -places))))


def _as_decimal(bound: Bound) -> Bound:
    if bound.kind is Kind.DECIMAL:
        return bound
    return Bound(_exact(bound, bound.digits, 0), Kind.DECIMAL, bound.digits, 0)


def floor(function: str, bound: Bound) -> Bound:
    """The greatest whole number that is not greater."""
    _check_number(f"{function}(…)", bound)
    if bound.kind is None:
        return UNKNOWN
    if bound.kind is Kind.INT or (bound.kind is Kind.DECIMAL and bound.scale == 0):
        return replace(bound, number=None, raw="")
    if bound.kind is Kind.FLOAT:
        return Bound(f"floor({bound.sql})", Kind.FLOAT)
    return replace(_result(None if bound.digits is None else bound.digits + 1, 0), sql=f"floor({bound.sql})")


def absolute(function: str, bound: Bound) -> Bound:
    """A number without its sign."""
    _check_number(f"{function}(…)", bound)
    sql = f"TRY(abs({bound.sql}))" if bound.kind is Kind.INT else f"abs({bound.sql})"
    return Bound(sql, bound.kind, bound.digits, bound.scale)


# Comparison, and one type for several numbers


def numbers_compared(operator: str, left: Bound, right: Bound) -> Bound:
    """A comparison of two numbers, right at any size."""
    if Kind.FLOAT in (left.kind, right.kind):
        return condition(f"({_double(left)} {operator} {_double(right)})")
    if left.kind is right.kind is Kind.INT:
        return condition(f"({left.sql} {operator} {right.sql})")
    digits, scale = _widest(left, right)
    if digits is not None and digits + scale <= DIGITS_MAX:
        return condition(f"({_exact(left, digits, scale)} {operator} {_exact(right, digits, scale)})")
    return condition(_compared_at_any_size(operator, left, right, scale))


def _compared_at_any_size(operator: str, left: Bound, right: Bound, scale: int) -> str:
    """Compare at the finer scale; a number with no place there is larger than any that has, so its sign decides."""
    fine_left, fine_right = _exact(left, None, scale), _exact(right, None, scale)
    exactly = f"({fine_left} {operator} {fine_right})"
    by_left, by_right = f"({left.sql} {operator} 0)", f"(0 {operator} {right.sql})"
    if right.number is not None and right.scale == scale:  # never NULL, and never too large
        return f"coalesce({exactly}, {by_left})"
    if left.number is not None and left.scale == scale:
        return f"coalesce({exactly}, {by_right})"
    unknown = f"WHEN {left.sql} IS NULL OR {right.sql} IS NULL THEN NULL"
    return (
        f"(CASE {unknown} WHEN {fine_left} IS NULL THEN {by_left} WHEN {fine_right} IS NULL THEN {by_right} "
        f"ELSE {exactly} END)"
    )


def unified_numbers(bounds: Sequence[Bound], kinds: set[Kind]) -> tuple[Bound, list[str]]:
    """The type that holds all of these numbers (and NULLs), and each of them as a value of it."""
    known = [b for b in bounds if b.kind is not None]
    if Kind.FLOAT in kinds:
        return Bound("", Kind.FLOAT), [b.sql if b.kind is None else _double(b) for b in bounds]
    digits, scale = _widest(*known)
    if kinds == {Kind.INT}:
        return Bound("", Kind.INT, digits), [b.sql for b in bounds]
    result = _result(digits, scale)
    return result, [b.sql if b.kind is None else _exact(b, result.digits, scale) for b in bounds]
