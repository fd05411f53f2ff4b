"""Whether a condition is known to be met where a feed does not tell some of the values that it names."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from contracts.errors import Place
from contracts.expression import TypedSql, parse_expression
from contracts.logical_types import parse_logical_type
from reconcilers.open_condition import Cell, Condition, open_sql, reason
from reconcilers.ports import RawColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VALUES: tuple[int | None, ...] = (None, 0, 1, 2)
TOLD, UNTOLD, DEFAULT_OR_NULL = "told", "untold", "default or null"


def cells() -> dict[str, Cell]:
    """Two columns as a feed brings them: `a`, whether it is untold, and whether it may be NULL."""
    number = parse_logical_type("int")
    return {
        name: Cell(RawColumn(name, "BIGINT", unknown=f"{name}_u", or_null=f"{name}_e"), TypedSql(name, number))
        for name in ("a", "b")
    }


def asked(conditions: Iterable[str], row: Mapping[str, object]) -> list[Any]:
    """What SQL conditions say of one row."""
    columns = ", ".join(f"CAST(? AS {'BOOLEAN' if '_' in name else 'BIGINT'}) AS {name}" for name in row)
    (found,) = duckdb.execute(f"SELECT {', '.join(conditions)} FROM (SELECT {columns})", list(row.values())).fetchall()
    return list(found)


def may_be(state: str, shown: int | None) -> tuple[int | None, ...]:
    """What a cell may hold."""
    return VALUES if state == UNTOLD else (shown, None) if state == DEFAULT_OR_NULL else (shown,)


@pytest.mark.parametrize(
    "text",
    [
        "a = 1", "a <> 1 and b = 1", "a = 1 or b = 1", "not (a = 1 or b > a)", "a in (1, b)", "a between 0 and b",
        "a + b > 2", "a is null", "a is not null or b = 1", "coalesce(a, 1) = 1", "case when a = 1 then b = 1 end",
    ],
)  # fmt: skip
@pytest.mark.parametrize("negated", [False, True])
def test_what_is_not_open_is_so_whatever_the_cells_hold(text: str, *, negated: bool) -> None:
    """Every state of both cells, every value shown, beside every value that may be there."""
    expression = parse_expression(text, Place("thing.yaml", 1))
    is_open = open_sql(expression, cells(), negated=negated)
    met = expression.to_sql({name: cell.value for name, cell in cells().items()})
    met = f"coalesce({'NOT ' if negated else ''}{met}, false)"
    truth = {pair: asked([met], dict(zip("ab", pair, strict=True)))[0] for pair in product(VALUES, VALUES)}
    states = [(TOLD, value) for value in VALUES] + [(UNTOLD, None)]
    states += [(DEFAULT_OR_NULL, value) for value in VALUES if value is not None]
    for one, other in product(states, states):
        row = {"a": one[1], "b": other[1]}
        for name, (state, _) in (("a", one), ("b", other)):
            row |= {f"{name}_u": state == UNTOLD, f"{name}_e": state == DEFAULT_OR_NULL}
        found, shown = asked([is_open, met], row)
        possible = {truth[pair] for pair in product(may_be(*one), may_be(*other))}
        assert found is not None
        assert found or possible == {shown}, (one, other)
        if {one[0], other[0]} == {TOLD}:
            assert not found, (one, other)


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [("a = 1 and b = 1", 2, False), ("a = 1 and b = 1", 1, True), ("a = 1 or b = 1", 1, False)],
)
def test_a_condition_is_decided_by_what_is_told_where_that_is_enough(text: str, other: int, *, expected: bool) -> None:
    row = {"a": None, "b": other, "a_u": True, "a_e": False, "b_u": False, "b_e": False}
    assert asked([open_sql(parse_expression(text, Place("thing.yaml", 1)), cells())], row) == [expected]


def test_columns_that_are_always_told_cost_nothing() -> None:
    """There is nothing to be asked of a row."""
    told = {name: Cell(RawColumn(name, "BIGINT"), cell.value) for name, cell in cells().items()}
    assert open_sql(parse_expression("a = 1 and b is null", Place("thing.yaml", 1)), told) == ""
    assert reason([Condition("a = 1"), Condition("b = 1")]) == ""


@pytest.mark.parametrize(("passes", "expected"), [(True, "why"), (False, None)])
def test_a_row_that_certainly_fails_one_condition_does_not_count(passes: bool, expected: str | None) -> None:  # noqa: FBT001
    """Whatever is not known of another one."""
    conditions = [Condition("true", "true", "'why'"), Condition(str(passes).lower())]
    assert asked([reason(conditions)], {"a": 1}) == [expected]
