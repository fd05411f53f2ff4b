"""What an expression means, written down a second time: a slow and plain evaluator over Python values.

It knows nothing of DuckDB, widths or casts.  Numbers are exact without any limit, so it is right wherever 38 digits are
enough.  Division is left out, since the digits of a quotient depend on declared types; it has a test of its own.
"""

from __future__ import annotations

import operator
import uuid
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any

from contracts import expression_tree as tree
from contracts.equality import WHITE_SPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EXACT = Context(prec=400)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(node: tree.Node, row: Mapping[str, Any]) -> Any:  # noqa: C901, PLR0911, PLR0912 - one case a node
    """The value of an expression for one row; None is NULL."""
    match node:
        case tree.Name(name):
            return row[name]
        case tree.Number(value) | tree.Text(value) | tree.Truth(value):
            return value
        case tree.Null():
            return None
        case tree.Arithmetic(sign, left, right):
            return _computed(sign, evaluate(left, row), evaluate(right, row))
        case tree.Negation(operand):
            value = evaluate(operand, row)
            return None if value is None else -value
        case tree.Comparison(sign, left, right):
            return _compared(sign, evaluate(left, row), evaluate(right, row))
        case tree.Connection(word, parts):
            return _connected(word, [evaluate(part, row) for part in parts])
        case tree.Not(operand):
            value = evaluate(operand, row)
            return None if value is None else not value
        case tree.IsNull(operand):
            return evaluate(operand, row) is None
        case tree.In(operand, items):
            value = evaluate(operand, row)
            return _connected("OR", [_compared("=", value, evaluate(item, row)) for item in items])
        case tree.Between(operand, low, high):
            value = evaluate(operand, row)
            ends = [_compared(">=", value, evaluate(low, row)), _compared("<=", value, evaluate(high, row))]
            return _connected("AND", ends)
        case tree.Case():
            return _chosen(node, row)
        case tree.Call(function, arguments):
            return _FUNCTIONS[function](*[evaluate(argument, row) for argument in arguments])


def _computed(sign: str, left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    compute = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply}[sign]
    return compute(Decimal(left), Decimal(right))


def _compared(sign: str, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    if isinstance(left, str) != isinstance(right, str):
        left, right = _typed(left, right), _typed(right, left)
    if isinstance(left, datetime) != isinstance(right, datetime):
        left, right = _midnight(left), _midnight(right)
    return _COMPARE[sign](left, right)


def _typed(value: Any, other: Any) -> Any:
    """A literal as a value of what it is compared with."""
    if not isinstance(value, str):
        return value
    kinds: dict[type, Callable[[str], Any]] = {
        uuid.UUID: uuid.UUID,
        datetime: datetime.fromisoformat,
        date: date.fromisoformat,
        time: time.fromisoformat,
        bool: lambda text: text == "true",
        bytes: bytes.fromhex,
    }
    return kinds[type(other)](value)


def _midnight(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001


def _connected(word: str, values: list[Any]) -> bool | None:
    decisive = word == "OR"
    if any(value is decisive for value in values):
        return decisive
    return None if any(value is None for value in values) else not decisive


def _chosen(node: tree.Case, row: Mapping[str, Any]) -> Any:
    for when, then in node.branches:
        met = evaluate(when, row)
        if node.operand is not None:
            met = _compared("=", evaluate(node.operand, row), met)
        if met:
            return evaluate(then, row)
    return None if node.default is None else evaluate(node.default, row)


def _of_value(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value, *rest: None if value is None else function(value, *rest)


def _rounded(value: Any, places: Any = 0) -> Decimal:
    number = Decimal(value)
    finer = -int(number.as_tuple().exponent) > places
    return number.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP, EXACT) if finer else number


def _floor(value: Any) -> Decimal:
    return Decimal(Decimal(value).to_integral_value("ROUND_FLOOR"))


def _date_trunc(unit: str, value: Any) -> Any:
    if value is None:
        return None
    moment = _midnight(value)
    cut = _cut(unit, moment)
    return cut if isinstance(value, datetime) else cut.date()


def _cut(unit: str, moment: datetime) -> datetime:  # noqa: PLR0911 - one case a unit
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "year":
            return day.replace(month=1, day=1)
        case "quarter":
            return day.replace(month=(moment.month - 1) // 3 * 3 + 1, day=1)
        case "month":
            return day.replace(day=1)
        case "week":
            return day - timedelta(days=moment.weekday())
        case "day":
            return day
        case "hour":
            return moment.replace(minute=0, second=0, microsecond=0)
        case "minute":
            return moment.replace(second=0, microsecond=0)
        case "second":
            return moment.replace(microsecond=0)
        case "millisecond":
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        case _:
            return moment


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "lower": _of_value(lambda text: "".join(character.lower() for character in text)),
    "upper": _of_value(lambda text: "".join(character.upper() for character in text)),
    "trim": _of_value(lambda text: text.strip(WHITE_SPACE)),
    "length": _of_value(len),
    "abs": _of_value(abs),
    "round": _of_value(_rounded),
    "floor": _of_value(_floor),
    "date_trunc": _date_trunc,
}
