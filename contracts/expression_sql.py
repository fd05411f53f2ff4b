"""Writes an expression's tree as DuckDB SQL, with every type decided beforehand; numbers stand in `exact_numbers`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from contracts import expression_tree as tree
from contracts.bound_sql import NUMBERS, UNKNOWN, Bound, MisfitError, condition, kind_text
from contracts.equality import WHITE_SPACE
from contracts.exact_numbers import (
    absolute,
    arithmetic,
    floor,
    negated,
    number,
    number_column,
    numbers_compared,
    rounded,
    unified_numbers,
)
from contracts.literals import literal_sql, quoted
from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from contracts.expression_tree import Node
    from contracts.typed_sql import TypedSql

_ROUND_PLACES_MAX = 38
_TEXTS = frozenset([Kind.TEXT, Kind.ENUM])
_MOMENTS = frozenset([Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL])
_UNORDERED = frozenset([Kind.BOOL, Kind.ENUM, Kind.JSON, Kind.LIST, Kind.INTERVAL])
_DATE_UNITS = ("day", "week", "month", "quarter", "year")
_TIME_UNITS = ("microsecond", "millisecond", "second", "minute", "hour", *_DATE_UNITS)


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
        except MisfitError as wrong:
            message = str(wrong)
            if message not in self.problems:
                self.problems.append(message)
            return UNKNOWN

    def _bind(self, node: Node) -> Bound:  # noqa: C901, PLR0911, PLR0912 - one line a node
        match node:
            case tree.Name():
                return self._name(node)
            case tree.Number():
                return number(node.value)
            case tree.Text():
                return Bound(quoted(node.value), Kind.TEXT, text=node.value)
            case tree.Truth():
                return Bound("TRUE" if node.value else "FALSE", Kind.BOOL)
            case tree.Null():
                return UNKNOWN
            case tree.Arithmetic():
                return arithmetic(node.operator, self.bind(node.left), self.bind(node.right))
            case tree.Negation():
                return negated(self.bind(node.operand))
            case tree.Comparison():
                return _compared(node.operator, self.bind(node.left), self.bind(node.right))
            case tree.Connection():
                return self._connection(node)
            case tree.Not():
                return condition(f"(NOT {self._truth(node.operand, 'NOT')})")
            case tree.IsNull():
                operand = self.bind(node.operand)
                return condition(f"({operand.raw or operand.sql} IS NULL)")
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
            return UNKNOWN
        where = f" (at character {node.at})" if node.at else ""
        raise MisfitError(
            f"unknown name {node.name!r}{where}; expected one of {_listed({*self._columns, *self._untyped})}"
        )

    def _truth(self, node: Node, word: str) -> str:
        bound = self.bind(node)
        if bound.kind not in (Kind.BOOL, None):
            raise MisfitError(f"{word} needs a condition, not {kind_text(bound)}")
        return bound.sql

    def _connection(self, node: tree.Connection) -> Bound:
        parts = [self._truth(part, node.operator) for part in node.parts]
        return condition("(" + f" {node.operator} ".join(parts) + ")")

    def _between(self, node: tree.Between) -> Bound:
        operand = self.bind(node.operand)
        low, high = _compared(">=", operand, self.bind(node.low)), _compared("<=", operand, self.bind(node.high))
        return condition(f"({low.sql} AND {high.sql})")

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
                return rounded(arguments[0], _places(node))
            case "date_trunc":
                return _date_truncated(node.arguments[0], arguments[1])
            case _:
                return _UNARY[node.function](node.function, arguments[0])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing: no name is known here"


def _column(name: str, column: TypedSql) -> Bound:
    if column.type.kind in NUMBERS:
        return number_column(name, column.sql, column.type)
    return Bound(column.sql, column.type.kind, logical=column.type, raw=column.sql)


# Comparison


def _compared(operator: str, left: Bound, right: Bound) -> Bound:
    left, right = _literal_typed(left, right), _literal_typed(right, left)
    if left.kind is None or right.kind is None:
        return condition(f"({left.sql} {operator} {right.sql})")
    if left.kind in NUMBERS and right.kind in NUMBERS:
        return numbers_compared(operator, left, right)
    left, right = _dates_raised(left, right)
    _check_comparable(operator, left, right)
    return condition(f"({left.sql} {operator} {right.sql})")


def _literal_typed(bound: Bound, other: Bound) -> Bound:
    """A text literal as a value of the type beside it."""
    if bound.text is None or other.kind is None or (other.kind is Kind.TEXT and other.text is not None):
        return bound
    if other.kind in NUMBERS:
        raise MisfitError(f"a number cannot be compared with the text {quoted(bound.text)}; write it without quotes")
    logical = other.logical or LogicalType(other.kind)
    try:
        return Bound(literal_sql(bound.text, logical), logical.kind, logical=logical)
    except ValueError as error:
        raise MisfitError(str(error)) from None


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
        raise MisfitError(f"{kind_text(left)} cannot be compared with {kind_text(right)}")
    if operator not in ("=", "<>") and (left.kind in _UNORDERED or right.kind in _UNORDERED):
        raise MisfitError(f"{kind_text(left)} has no order, so {operator} means nothing; use =, <> or IN")


def _contained(operand: Bound, items: Sequence[Bound]) -> Bound:
    comparisons = [_compared("=", operand, item) for item in items]
    typed = [_literal_typed(item, operand) for item in items]
    if operand.kind is not None and operand.kind not in NUMBERS and all(item.kind is operand.kind for item in typed):
        return condition(f"({operand.sql} IN ({', '.join(item.sql for item in typed)}))")
    return condition("(" + " OR ".join(comparison.sql for comparison in comparisons) + ")")


# One type for several values


def _unified(what: str, bounds: Sequence[Bound]) -> tuple[Bound, list[str]]:
    """The common type of several values, and each of them as a value of it."""
    typed = next((b for b in bounds if b.kind is not None and b.text is None), None)
    if typed is not None and typed.kind not in _TEXTS:
        bounds = [_literal_typed(b, typed) if b.text is not None else b for b in bounds]
    kinds = {b.kind for b in bounds if b.kind is not None}
    if kinds and kinds <= NUMBERS:
        return unified_numbers(bounds, kinds)
    if len(kinds) > 1 and not kinds <= _TEXTS:
        raise MisfitError(f"{what} has values of different types: {', '.join(sorted(kind.value for kind in kinds))}")
    kind = kinds.pop() if len(kinds) == 1 else Kind.TEXT if kinds else None
    logicals = {b.logical for b in bounds if b.kind is not None}
    logical = logicals.pop() if len(logicals) == 1 else None
    return Bound("", kind, logical=logical), [b.sql for b in bounds]


# Functions


def _places(node: tree.Call) -> int:
    if len(node.arguments) == 1:
        return 0
    places = node.arguments[1]
    if isinstance(places, tree.Number) and places.value == int(places.value) and abs(places.value) <= _ROUND_PLACES_MAX:
        return int(places.value)
    raise MisfitError(
        f"round(…) needs a whole number from -{_ROUND_PLACES_MAX} to {_ROUND_PLACES_MAX} as its second argument"
    )


def _cased(function: str, bound: Bound) -> Bound:
    _check_text(function, bound)
    return Bound(f"{function}({bound.sql})", Kind.TEXT)


def _trimmed(function: str, bound: Bound) -> Bound:
    _check_text(function, bound)
    return Bound(f"trim({bound.sql}, {quoted(WHITE_SPACE)})", Kind.TEXT)


def _check_text(function: str, bound: Bound) -> None:
    if bound.kind is not None and bound.kind not in _TEXTS:
        raise MisfitError(f"{function}(…) needs text, not {kind_text(bound)}")


def _length(function: str, bound: Bound) -> Bound:
    if bound.kind is Kind.BYTES:
        return Bound(f"CAST(octet_length({bound.sql}) AS HUGEINT)", Kind.INT)
    _check_text(function, bound)
    return Bound(f"CAST(length({bound.sql}) AS HUGEINT)", Kind.INT)


def _date_truncated(unit: Node, bound: Bound) -> Bound:
    if bound.kind is not None and bound.kind is not Kind.DATE and bound.kind not in _MOMENTS:
        raise MisfitError(f"date_trunc(…) needs a date or a timestamp, not {kind_text(bound)}")
    units = _DATE_UNITS if bound.kind is Kind.DATE else _TIME_UNITS
    if not isinstance(unit, tree.Text) or unit.value.lower() not in units:
        raise MisfitError(f"date_trunc(…) needs a unit in quotes as its first argument: {', '.join(units)}")
    if bound.kind is None:
        return UNKNOWN
    cast_to = "DATE" if bound.kind is Kind.DATE else "TIMESTAMP"
    return Bound(f"CAST(date_trunc('{unit.value.lower()}', {bound.sql}) AS {cast_to})", bound.kind)


_UNARY = {"lower": _cased, "upper": _cased, "trim": _trimmed, "length": _length, "abs": absolute, "floor": floor}
