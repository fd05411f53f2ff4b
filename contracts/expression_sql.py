"""Writes an expression's tree as DuckDB SQL, with every type decided beforehand.

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

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from contracts import expression_tree as tree
from contracts.equality import WHITE_SPACE
from contracts.literals import literal_sql, quoted
from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from contracts.expression_tree import Node

DIGITS_MAX = 38
"""Digits of DuckDB's widest decimal."""
SHORT_DIGITS = 18
"""Digits of the widest decimal that DuckDB computes with in 64 bits."""
QUOTIENT_SCALE = 10
"""Digits after the point that a quotient has where there is room for them."""
SHORT_QUOTIENT_SCALE = 6
"""Digits after the point that are worth computing a quotient in 64 bits for."""
_INT_DIGITS = 19
"""Digits that an integer column is taken to have when the scale of a quotient is chosen: those of 64 bits."""
_ROUND_PLACES_MAX = 38

_NUMBERS = frozenset([Kind.INT, Kind.DECIMAL, Kind.FLOAT])
_TEXTS = frozenset([Kind.TEXT, Kind.ENUM])
_MOMENTS = frozenset([Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL])
_UNORDERED = frozenset([Kind.BOOL, Kind.ENUM, Kind.JSON, Kind.LIST, Kind.INTERVAL])
_DATE_UNITS = ("day", "week", "month", "quarter", "year")
_TIME_UNITS = ("microsecond", "millisecond", "second", "minute", "hour", *_DATE_UNITS)


@dataclass(frozen=True, slots=True)
class TypedSql:
    """A canonical value: how to refer to it in DuckDB SQL, and its declared type.

    The DuckDB type must be the canonical one: BIGINT or HUGEINT for int, DECIMAL(p,s) for decimal(p,s) up to 38 digits
    and VARCHAR beyond, DOUBLE for float, UUID, BOOLEAN, DATE, TIME, TIMESTAMP in UTC for timestamp, TIMESTAMP for
    timestamp(local), BLOB for bytes, VARCHAR for the rest.
    """

    sql: str
    type: LogicalType


@dataclass(frozen=True, slots=True)
class Bound:
    """A piece of SQL whose type is known.

    Attributes:
        sql: DuckDB SQL; complete in itself (parenthesised where needed).
        kind: None for NULL and for what is not known.
        digits: Most digits before the point of an exact number; None where nothing bounds them.
        scale: Digits after the point of a decimal.
        logical: The declared type, of a column.
        text: What was written, of a text literal.
        number: Its value, of a number literal.
        raw: What IS NULL looks at, where it is not `sql`.
    """

    sql: str
    kind: Kind | None
    digits: int | None = None
    scale: int = 0
    logical: LogicalType | None = None
    text: str | None = None
    number: Decimal | None = None
    raw: str = ""

    @property
    def fits(self) -> bool:
        """Whether every value surely has a place in 38 digits."""
        return self.digits is not None and self.digits + self.scale <= DIGITS_MAX


_UNKNOWN = Bound("NULL", None)


class _Wrong(Exception):  # noqa: N818 - never leaves this module
    """One part of an expression makes no sense; the rest is still looked at."""


class Binding:
    """Binds a tree to columns; `problems` collects what does not fit.

    Args:
        columns: The canonical value of each name.
        untyped: Names whose type is not known; they agree with everything.
    """

    def __init__(self, columns: Mapping[str, TypedSql], untyped: frozenset[str] = frozenset()) -> None:
        self._columns = columns
        self._untyped = untyped
        self.problems: list[str] = []

    def bind(self, node: Node) -> Bound:
        """The SQL and the type of a node; after a problem, something of unknown type."""
        try:
            return self._bind(node)
        except _Wrong as wrong:
            message = str(wrong)
            if message not in self.problems:
                self.problems.append(message)
            return _UNKNOWN

    def _bind(self, node: Node) -> Bound:  # noqa: C901, PLR0911, PLR0912 - one line a node
        match node:
            case tree.Name():
                return self._name(node)
            case tree.Number():
                return _number(node.value)
            case tree.Text():
                return Bound(quoted(node.value), Kind.TEXT, text=node.value)
            case tree.Truth():
                return Bound("TRUE" if node.value else "FALSE", Kind.BOOL)
            case tree.Null():
                return _UNKNOWN
            case tree.Arithmetic():
                return _arithmetic(node.operator, self.bind(node.left), self.bind(node.right))
            case tree.Negation():
                return _negated(self.bind(node.operand))
            case tree.Comparison():
                return _compared(node.operator, self.bind(node.left), self.bind(node.right))
            case tree.Connection():
                return self._connection(node)
            case tree.Not():
                return _condition(f"(NOT {self._truth(node.operand, 'NOT')})")
            case tree.IsNull():
                operand = self.bind(node.operand)
                return _condition(f"({operand.raw or operand.sql} IS NULL)")
            case tree.In():
                return _contained(self.bind(node.operand), [self.bind(item) for item in node.items])
            case tree.Between():
                return self._between(node)
            case tree.Case():
                return self._case(node)
            case tree.Call():
                return self._call(node)

    def _name(self, node: tree.Name) -> Bound:
        column = self._columns.get(node.name)
        if column is not None:
            return _column(node.name, column)
        if node.name in self._untyped:
            return _UNKNOWN
        where = f" (at character {node.at})" if node.at else ""
        raise _Wrong(f"unknown name {node.name!r}{where}; expected one of {_listed({*self._columns, *self._untyped})}")

    def _truth(self, node: Node, word: str) -> str:
        bound = self.bind(node)
        if bound.kind not in (Kind.BOOL, None):
            raise _Wrong(f"{word} needs a condition, not {_kind(bound)}")
        return bound.sql

    def _connection(self, node: tree.Connection) -> Bound:
        parts = [self._truth(part, node.operator) for part in node.parts]
        return _condition("(" + f" {node.operator} ".join(parts) + ")")

    def _between(self, node: tree.Between) -> Bound:
        operand = self.bind(node.operand)
        low, high = _compared(">=", operand, self.bind(node.low)), _compared("<=", operand, self.bind(node.high))
        return _condition(f"({low.sql} AND {high.sql})")

    def _case(self, node: tree.Case) -> Bound:
        results = [self.bind(result) for _, result in node.branches]
        if node.default is not None:
            results.append(self.bind(node.default))
        conditions = [self._branch_condition(node.operand, when) for when, _ in node.branches]
        common, sqls = _unified("CASE", results)
        whens = " ".join(f"WHEN {when} THEN {then}" for when, then in zip(conditions, sqls, strict=False))
        default = sqls[-1] if node.default is not None else "NULL"
        return replace(common, sql=f"(CASE {whens} ELSE {default} END)")

    def _branch_condition(self, operand: Node | None, when: Node) -> str:
        if operand is None:
            return self._truth(when, "WHEN")
        return _compared("=", self.bind(operand), self.bind(when)).sql

    def _call(self, node: tree.Call) -> Bound:
        arguments = [self.bind(argument) for argument in node.arguments]
        match node.function:
            case "coalesce":
                common, sqls = _unified("coalesce", arguments)
                return replace(common, sql=f"coalesce({', '.join(sqls)})")
            case "round":
                return _rounded(arguments[0], _places(node))
            case "date_trunc":
                return _date_truncated(node.arguments[0], arguments[1])
            case _:
                return _UNARY[node.function](node.function, arguments[0])


def _kind(bound: Bound) -> str:
    if bound.text is not None:
        return f"the text {quoted(bound.text)}"
    return str(bound.logical or (bound.kind.value if bound.kind else "NULL"))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing: no name is known here"


def _condition(sql: str) -> Bound:
    return Bound(sql, Kind.BOOL)


# Columns and numbers


def _column(name: str, column: TypedSql) -> Bound:
    kind = column.type.kind
    if kind is Kind.INT:
        return Bound(f"CAST({column.sql} AS HUGEINT)", kind, logical=column.type, raw=column.sql)
    if kind is Kind.DECIMAL:
        return _decimal_column(name, column)
    return Bound(column.sql, kind, logical=column.type, raw=column.sql)


def _decimal_column(name: str, column: TypedSql) -> Bound:
    precision, scale = column.type.precision, column.type.scale
    if scale > DIGITS_MAX:
        raise _Wrong(f"{name!r} has {scale} digits after the point; at most {DIGITS_MAX} can be computed with")
    if precision <= DIGITS_MAX:
        return Bound(column.sql, Kind.DECIMAL, precision - scale, scale, column.type, raw=column.sql)
    sql = f"TRY_CAST({column.sql} AS DECIMAL({DIGITS_MAX},{scale}))"
    return Bound(sql, Kind.DECIMAL, None, scale, column.type, raw=column.sql)


def _number(value: Decimal) -> Bound:
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


def _arithmetic(operator: str, left: Bound, right: Bound) -> Bound:
    for side in (left, right):
        if side.kind is not None and side.kind not in _NUMBERS:
            raise _Wrong(f"{operator} needs numbers, not {_kind(side)}")
    if left.kind is None or right.kind is None:
        return _UNKNOWN
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
        raise _Wrong(f"a product here has {scale} digits after the point; at most {DIGITS_MAX} can be computed with")
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


def _tried(result: Bound, sql: str) -> str:
    return f"({sql})" if result.fits else f"TRY({sql})"


def _narrow(bound: Bound) -> str:
    """At the width that its digits need, which keeps the computation in 64 bits."""
    return f"CAST({bound.sql} AS {_decimal_type(bound.digits, bound.scale)})"


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


def _negated(bound: Bound) -> Bound:
    _check_number("-", bound)
    if bound.kind is Kind.INT:
        return Bound(f"TRY(-{bound.sql})", Kind.INT, bound.digits)
    return replace(bound, sql=f"(-{bound.sql})", logical=None, number=None, raw="")


def _check_number(what: str, bound: Bound) -> None:
    if bound.kind is not None and bound.kind not in _NUMBERS:
        raise _Wrong(f"{what} needs a number, not {_kind(bound)}")


# Comparison


def _compared(operator: str, left: Bound, right: Bound) -> Bound:
    left, right = _literal_typed(left, right), _literal_typed(right, left)
    if left.kind is None or right.kind is None:
        return _condition(f"({left.sql} {operator} {right.sql})")
    if left.kind in _NUMBERS and right.kind in _NUMBERS:
        return _numbers_compared(operator, left, right)
    left, right = _dates_raised(left, right)
    _check_comparable(operator, left, right)
    return _condition(f"({left.sql} {operator} {right.sql})")


def _literal_typed(bound: Bound, other: Bound) -> Bound:
    """A text literal as a value of the type beside it."""
    if bound.text is None or other.kind is None or (other.kind is Kind.TEXT and other.text is not None):
        return bound
    if other.kind in _NUMBERS:
        raise _Wrong(f"a number cannot be compared with the text {quoted(bound.text)}; write it without quotes")
    logical = other.logical or LogicalType(other.kind)
    try:
        return Bound(literal_sql(bound.text, logical), logical.kind, logical=logical)
    except ValueError as error:
        raise _Wrong(str(error)) from None


def _dates_raised(left: Bound, right: Bound) -> tuple[Bound, Bound]:
    if left.kind is Kind.DATE and right.kind in _MOMENTS:
        return Bound(f"CAST({left.sql} AS TIMESTAMP)", right.kind), right
    if right.kind is Kind.DATE and left.kind in _MOMENTS:
        return left, Bound(f"CAST({right.sql} AS TIMESTAMP)", left.kind)
    return left, right


def _check_comparable(operator: str, left: Bound, right: Bound) -> None:
    same = left.kind is right.kind or (left.kind in _TEXTS and right.kind in _TEXTS)
    if left.kind is right.kind is Kind.LIST and left.logical and right.logical:
        same = left.logical.element == right.logical.element
    if not same:
        raise _Wrong(f"{_kind(left)} cannot be compared with {_kind(right)}")
    if operator not in ("=", "<>") and (left.kind in _UNORDERED or right.kind in _UNORDERED):
        raise _Wrong(f"{_kind(left)} has no order, so {operator} means nothing; use =, <> or IN")


def _numbers_compared(operator: str, left: Bound, right: Bound) -> Bound:
    if Kind.FLOAT in (left.kind, right.kind):
        return _condition(f"({_double(left)} {operator} {_double(right)})")
    if left.kind is right.kind is Kind.INT:
        return _condition(f"({left.sql} {operator} {right.sql})")
    digits, scale = _widest(left, right)
    if digits is not None and digits + scale <= DIGITS_MAX:
        return _condition(f"({_exact(left, digits, scale)} {operator} {_exact(right, digits, scale)})")
    return _condition(_compared_at_any_size(operator, left, right, scale))


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


def _contained(operand: Bound, items: Sequence[Bound]) -> Bound:
    comparisons = [_compared("=", operand, item) for item in items]
    typed = [_literal_typed(item, operand) for item in items]
    if operand.kind is not None and operand.kind not in _NUMBERS and all(item.kind is operand.kind for item in typed):
        return _condition(f"({operand.sql} IN ({', '.join(item.sql for item in typed)}))")
    return _condition("(" + " OR ".join(comparison.sql for comparison in comparisons) + ")")


# One type for several values


def _unified(what: str, bounds: Sequence[Bound]) -> tuple[Bound, list[str]]:
    """The common type of several values, and each of them as a value of it."""
    typed = next((b for b in bounds if b.kind is not None and b.text is None), None)
    if typed is not None and typed.kind not in _TEXTS:
        bounds = [_literal_typed(b, typed) if b.text is not None else b for b in bounds]
    kinds = {b.kind for b in bounds if b.kind is not None}
    if kinds and kinds <= _NUMBERS:
        return _unified_numbers(bounds, kinds)
    if len(kinds) > 1 and not kinds <= _TEXTS:
        raise _Wrong(f"{what} has values of different types: {', '.join(sorted(kind.value for kind in kinds))}")
    kind = kinds.pop() if len(kinds) == 1 else Kind.TEXT if kinds else None
    logicals = {b.logical for b in bounds if b.kind is not None}
    logical = logicals.pop() if len(logicals) == 1 else None
    return Bound("", kind, logical=logical), [b.sql for b in bounds]


def _unified_numbers(bounds: Sequence[Bound], kinds: set[Kind]) -> tuple[Bound, list[str]]:
    known = [b for b in bounds if b.kind is not None]
    if Kind.FLOAT in kinds:
        return Bound("", Kind.FLOAT), [b.sql if b.kind is None else _double(b) for b in bounds]
    digits, scale = _widest(*known)
    if kinds == {Kind.INT}:
        return Bound("", Kind.INT, digits), [b.sql for b in bounds]
    result = _result(digits, scale)
    return result, [b.sql if b.kind is None else _exact(b, result.digits, scale) for b in bounds]


# Functions


def _places(node: tree.Call) -> int:
    if len(node.arguments) == 1:
        return 0
    places = node.arguments[1]
    if isinstance(places, tree.Number) and places.value == int(places.value) and abs(places.value) <= _ROUND_PLACES_MAX:
        return int(places.value)
    raise _Wrong(
        f"round(…) needs a whole number from -{_ROUND_PLACES_MAX} to {_ROUND_PLACES_MAX} as its second argument"
    )


def _rounded(bound: Bound, places: int) -> Bound:
    _check_number("round(…)", bound)
    if bound.kind is None:
        return _UNKNOWN
    if bound.kind is Kind.FLOAT:
        return Bound(f"round({bound.sql}, {places})", Kind.FLOAT)
    if places >= bound.scale:
        return replace(bound, number=None, raw="")
    if places >= 0:
        result = _result(None if bound.digits is None else bound.digits + 1, places)
        cast = "CAST" if result.fits else "TRY_CAST"
        return replace(result, sql=f"{cast}({bound.sql} AS {_decimal_type(result.digits, places)})")
    tenth = _number(Decimal(1).scaleb(places))
    whole = _rounded(_product(_as_decimal(bound), tenth), 0)
    return _product(whole, _as_decimal(_number(Decimal("1" + "0" * -places))))


def _as_decimal(bound: Bound) -> Bound:
    if bound.kind is Kind.DECIMAL:
        return bound
    return Bound(_exact(bound, bound.digits, 0), Kind.DECIMAL, bound.digits, 0)


def _floor(function: str, bound: Bound) -> Bound:
    _check_number(f"{function}(…)", bound)
    if bound.kind is None:
        return _UNKNOWN
    if bound.kind is Kind.INT or (bound.kind is Kind.DECIMAL and bound.scale == 0):
        return replace(bound, number=None, raw="")
    if bound.kind is Kind.FLOAT:
        return Bound(f"floor({bound.sql})", Kind.FLOAT)
    return replace(_result(None if bound.digits is None else bound.digits + 1, 0), sql=f"floor({bound.sql})")


def _abs(function: str, bound: Bound) -> Bound:
    _check_number(f"{function}(…)", bound)
    sql = f"TRY(abs({bound.sql}))" if bound.kind is Kind.INT else f"abs({bound.sql})"
    return Bound(sql, bound.kind, bound.digits, bound.scale)


def _cased(function: str, bound: Bound) -> Bound:
    _check_text(function, bound)
    return Bound(f"{function}({bound.sql})", Kind.TEXT)


def _trimmed(function: str, bound: Bound) -> Bound:
    _check_text(function, bound)
    return Bound(f"trim({bound.sql}, {quoted(WHITE_SPACE)})", Kind.TEXT)


def _check_text(function: str, bound: Bound) -> None:
    if bound.kind is not None and bound.kind not in _TEXTS:
        raise _Wrong(f"{function}(…) needs text, not {_kind(bound)}")


def _length(function: str, bound: Bound) -> Bound:
    if bound.kind is Kind.BYTES:
        return Bound(f"CAST(octet_length({bound.sql}) AS HUGEINT)", Kind.INT)
    _check_text(function, bound)
    return Bound(f"CAST(length({bound.sql}) AS HUGEINT)", Kind.INT)


def _date_truncated(unit: Node, bound: Bound) -> Bound:
    if bound.kind is not None and bound.kind is not Kind.DATE and bound.kind not in _MOMENTS:
        raise _Wrong(f"date_trunc(…) needs a date or a timestamp, not {_kind(bound)}")
    units = _DATE_UNITS if bound.kind is Kind.DATE else _TIME_UNITS
    if not isinstance(unit, tree.Text) or unit.value.lower() not in units:
        raise _Wrong(f"date_trunc(…) needs a unit in quotes as its first argument: {', '.join(units)}")
    if bound.kind is None:
        return _UNKNOWN
    cast_to = "DATE" if bound.kind is Kind.DATE else "TIMESTAMP"
    return Bound(f"CAST(date_trunc('{unit.value.lower()}', {bound.sql}) AS {cast_to})", bound.kind)


_UNARY = {"lower": _cased, "upper": _cased, "trim": _trimmed, "length": _length, "abs": _abs, "floor": _floor}
