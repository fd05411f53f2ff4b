"""Expressions mean in DuckDB what the oracle says they mean."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from contracts.errors import ContractError, Place
from contracts.expression import Expression, TypedSql, parse_expression
from contracts.logical_types import parse_logical_type
from tests.unit.contracts.oracle import EXACT, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PLACE = Place("rules.yaml", 7)
UNHURRIED = [HealthCheck.too_slow]
"""Nested expressions take their time on a busy machine."""
TYPES = {
    "i": ("int", "BIGINT"),
    "h": ("int", "HUGEINT"),
    "d": ("decimal(10,2)", "DECIMAL(10,2)"),
    "p": ("decimal(18,6)", "DECIMAL(18,6)"),
    "w": ("decimal(60,9)", "VARCHAR"),
    "t": ("text", "VARCHAR"),
    "s": ("enum(new,paid,it's)", "VARCHAR"),
    "b": ("bool", "BOOLEAN"),
    "u": ("uuid", "UUID"),
    "day": ("date", "DATE"),
    "clock": ("time", "TIME"),
    "at": ("timestamp", "TIMESTAMP"),
    "raw": ("bytes", "BLOB"),
    'odd "name"': ("int", "BIGINT"),
}
COLUMNS = {
    name: TypedSql('"' + name.replace('"', '""') + '"', parse_logical_type(declared))
    for name, (declared, _) in TYPES.items()
}


@pytest.fixture(scope="module", name="duck")
def _duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def _expression(text: str) -> Expression:
    return parse_expression(text, PLACE)


def _ask(duck: duckdb.DuckDBPyConnection, sql: str, row: Mapping[str, Any]) -> Any:
    columns = ", ".join(
        f'CAST(? AS {kind}) AS "{name.replace(chr(34), chr(34) * 2)}"' for name, (_, kind) in TYPES.items()
    )
    values = [str(row[name]) if isinstance(row[name], Decimal) else row[name] for name in TYPES]
    found = duck.execute(f"SELECT {sql} FROM (SELECT {columns})", values).fetchone()
    assert found is not None
    return found[0]


# Random rows


def _decimals(places: int, largest: int = 1000) -> st.SearchStrategy[Decimal]:
    unit = 10**places
    return st.integers(-largest * unit, largest * unit).map(lambda whole: Decimal(whole).scaleb(-places))


TEXTS = st.text(alphabet="aAzZäÄ '\"%_\t\u00a0€💶", max_size=4)
MOMENTS = st.datetimes(datetime(1, 1, 8), datetime(9999, 12, 31))  # noqa: DTZ001
DAYS = st.dates(date(1, 1, 8))


def _or_null(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


ROWS = st.fixed_dictionaries(
    {
        "i": _or_null(st.integers(-1000, 1000)),
        "h": _or_null(st.integers(-1000, 1000)),
        "d": _or_null(_decimals(2)),
        "p": _or_null(_decimals(6)),
        "w": _or_null(_decimals(9)),
        "t": _or_null(TEXTS),
        "s": _or_null(st.sampled_from(["new", "paid", "it's"])),
        "b": _or_null(st.booleans()),
        "u": _or_null(st.sampled_from([uuid.UUID(int=value) for value in (1, 2, 2**127, 2**128 - 1)])),
        "day": _or_null(DAYS),
        "clock": _or_null(st.times()),
        "at": _or_null(MOMENTS),
        "raw": _or_null(st.binary(max_size=3)),
        'odd "name"': _or_null(st.integers(-3, 3)),
    }
)

# Random expressions, as text, so that the parser is in the loop


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _number_leaves() -> st.SearchStrategy[str]:
    literals = st.one_of(st.integers(0, 1000).map(str), _decimals(3).map(lambda value: f"{abs(value):f}"))
    return st.one_of(st.sampled_from(["i", "h", "d", "p", "w", '"odd ""name"""']), literals)


@st.composite
def _numbers(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(_number_leaves())
    one, other = draw(_numbers(depth=depth - 1)), draw(_numbers(depth=depth - 1))
    shapes = [
        f"({one} + {other})", f"({one} - {other})", f"({one} * {other})", f"(- {one})", f"abs({one})", f"floor({one})",
        f"round({one})", f"round({one}, {draw(st.integers(-4, 4))})", f"coalesce({one}, {other})",
        f"CASE WHEN {draw(_conditions(depth=0))} THEN {one} ELSE {other} END", f"length({draw(_texts(depth=0))})",
    ]  # fmt: skip
    return draw(st.sampled_from(shapes))


@st.composite
def _texts(draw: st.DrawFn, depth: int = 1) -> str:
    if depth == 0:
        return draw(st.one_of(st.just("t"), TEXTS.map(_quoted)))
    inner = draw(_texts(depth=depth - 1))
    other = draw(_texts(depth=depth - 1))
    return draw(
        st.sampled_from([f"lower({inner})", f"upper({inner})", f"trim({inner})", f"coalesce({inner}, {other})"])
    )


@st.composite
def _moments(draw: st.DrawFn) -> str:
    unit = draw(st.sampled_from(["millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"]))
    return draw(st.sampled_from(["at", f"date_trunc('{unit}', at)", "day", "date_trunc('month', day)"]))


@st.composite
def _comparisons(draw: st.DrawFn) -> str:
    sign = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
    equal = draw(st.sampled_from(["=", "<>"]))
    shapes: list[Callable[[], str]] = [
        lambda: f"{draw(_numbers())} {sign} {draw(_numbers())}",
        lambda: f"{draw(_texts())} {sign} {draw(_texts())}",
        lambda: f"{draw(_moments())} {sign} {draw(_moments())}",
        lambda: f"at {sign} '{draw(MOMENTS).isoformat()}'",
        lambda: f"day {sign} '{draw(DAYS).isoformat()}'",
        lambda: f"clock {sign} '{draw(st.times()).isoformat()}'",
        lambda: f"raw {sign} '{draw(st.binary(max_size=3)).hex()}'",
        lambda: f"u {sign} '{uuid.UUID(int=draw(st.sampled_from([1, 2, 2**127])))}'",
        lambda: f"s {equal} " + draw(st.sampled_from(["'new'", "'it''s'", "t"])),
        lambda: f"b {equal} " + draw(st.sampled_from(["TRUE", "'false'", "NULL"])),
    ]
    return draw(st.sampled_from(shapes))()


@st.composite
def _simple_conditions(draw: st.DrawFn) -> str:
    negated = draw(st.sampled_from(["", "NOT "]))
    number = _numbers(depth=1)
    shapes: list[Callable[[], str]] = [
        lambda: draw(_comparisons()),
        lambda: f"{draw(number)} {negated}BETWEEN {draw(number)} AND {draw(number)}",
        lambda: f"{draw(number)} {negated}IN ({draw(number)}, {draw(number)})",
        lambda: f"s {negated}IN ('new', 'paid')",
        lambda: f"t {negated}IN ({draw(_texts(depth=0))}, NULL)",
        lambda: f"({draw(number)}) IS {negated}NULL",
    ]
    return draw(st.sampled_from(shapes))()


@st.composite
def _conditions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0:
        return draw(st.sampled_from(["b", "TRUE", "FALSE", "NULL", "t IS NULL", "i IS NOT NULL"]))
    if depth == 1:
        return draw(_simple_conditions())
    inner = _conditions(depth=depth - 1)
    shapes: list[Callable[[], str]] = [
        lambda: f"({draw(inner)} AND {draw(inner)} OR {draw(inner)})",
        lambda: f"NOT ({draw(inner)})",
        lambda: f"{draw(inner)} OR {draw(inner)}",
        lambda: f"({draw(inner)}) = ({draw(inner)})",
    ]
    return draw(st.sampled_from(shapes))()


@settings(max_examples=200, suppress_health_check=UNHURRIED)
@given(text=_conditions(), row=ROWS)
def test_a_condition_means_what_the_oracle_says(
    duck: duckdb.DuckDBPyConnection, text: str, row: Mapping[str, Any]
) -> None:
    """Three-valued logic, comparisons of every type, exact numbers: DuckDB and the oracle agree on every row."""
    expression = _expression(text)
    assert _ask(duck, _sql(expression), row) == evaluate(expression.tree, row)


@settings(max_examples=120, suppress_health_check=UNHURRIED)
@given(text=_numbers(depth=3), row=ROWS)
def test_a_number_is_exact(duck: duckdb.DuckDBPyConnection, text: str, row: Mapping[str, Any]) -> None:
    """No operation on decimals and integers rounds, or passes through a double."""
    expression = _expression(text)
    found, wanted = _ask(duck, _sql(expression), row), evaluate(expression.tree, row)
    assert (found is None) == (wanted is None)
    assert found is None or Decimal(found) == Decimal(wanted)


def _sql(expression: Expression) -> str:
    try:
        return expression.to_sql(COLUMNS)
    except ContractError as error:
        assume("digits after the point" not in str(error))  # a random product may have more than any decimal
        raise


SIZES = st.integers(-(10**18), 10**18)
HUGE = st.integers(-(2**127) + 1, 2**127 - 1)


@settings(max_examples=120, suppress_health_check=UNHURRIED)
@given(
    text=_numbers(depth=3),
    integer=SIZES,
    huge=HUGE,
    decimal=st.integers(-(10**10) + 1, 10**10 - 1).map(lambda value: Decimal(value).scaleb(-2)),
    wide=st.integers(-(10**60) + 1, 10**60 - 1).map(lambda value: EXACT.scaleb(Decimal(value), -9)),
)
def test_size_never_stops_a_run(
    duck: duckdb.DuckDBPyConnection, text: str, integer: int, huge: int, decimal: Decimal, wide: Decimal
) -> None:
    """What needs more than 38 digits is unknown; it is never an error."""
    row = dict.fromkeys(TYPES) | {"i": integer, "h": huge, "d": decimal, "w": wide, "b": True}
    _ask(duck, _sql(_expression(text)), row)


@settings(max_examples=120, suppress_health_check=UNHURRIED)
@given(
    sign=st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
    huge=HUGE,
    fine=st.one_of(st.integers(-(10**18) + 1, 10**18 - 1), st.integers(-3, 3)).map(lambda v: Decimal(v).scaleb(-6)),
    turned=st.booleans(),
)
def test_a_comparison_is_right_at_any_size(
    duck: duckdb.DuckDBPyConnection, sign: str, huge: int, fine: Decimal, *, turned: bool
) -> None:
    """A number too large for the other's scale is still larger."""
    expression = _expression(f"p {sign} h" if turned else f"h {sign} p")
    row = dict.fromkeys(TYPES) | {"h": huge, "p": fine}
    assert _ask(duck, expression.to_sql(COLUMNS), row) == evaluate(expression.tree, row)


@settings(max_examples=120, suppress_health_check=UNHURRIED)
@given(
    left=st.sampled_from(["i", "d", "p", "7", "0.125"]),
    right=st.sampled_from(["i", "d", "p", "3", "0.0007"]),
    row=ROWS,
    dividend=st.one_of(SIZES, st.none()),
)
def test_a_quotient_is_exact_and_rounded_once(
    duck: duckdb.DuckDBPyConnection, left: str, right: str, row: dict[str, Any], dividend: int | None
) -> None:
    """A quotient is the true one, rounded half away from zero at its last digit; x / 0 is NULL."""
    row = {**row, "i": dividend}
    found = _ask(duck, _expression(f"{left} / {right}").to_sql(COLUMNS), row)
    one, other = (row[side] if side in row else Decimal(side) for side in (left, right))
    if one is None or other is None or other == 0:
        assert found is None
        return
    assert -found.as_tuple().exponent >= 6
    true = EXACT.divide(Decimal(one), Decimal(other))
    assert found == true.quantize(Decimal(1).scaleb(found.as_tuple().exponent), ROUND_HALF_UP, EXACT)


DIGITS = st.integers(1, 20).flatmap(lambda width: st.tuples(st.just(width), st.integers(0, width)))


@st.composite
def _declared_values(draw: st.DrawFn) -> tuple[str, Decimal]:
    """A decimal type, and one of its values, the largest among them."""
    width, scale = draw(DIGITS)
    largest = 10**width - 1
    value = draw(st.one_of(st.integers(-largest, largest), st.sampled_from([largest, -largest, 1])))
    return f"decimal({width},{scale})", EXACT.scaleb(Decimal(value), -scale)


@settings(max_examples=300, suppress_health_check=UNHURRIED)
@given(one=_declared_values(), other=_declared_values(), sign=st.sampled_from("+-*/"))
def test_every_width_is_computed_exactly(
    duck: duckdb.DuckDBPyConnection, one: tuple[str, Decimal], other: tuple[str, Decimal], sign: str
) -> None:
    """In 64 bits or 128, up to the largest values of the declared types: the same exact number."""
    columns = {name: TypedSql(name, parse_logical_type(kind)) for name, (kind, _) in {"a": one, "b": other}.items()}
    try:
        sql = _expression(f"a {sign} b").to_sql(columns)
    except ContractError:
        return  # more digits after the point than any decimal has
    row = f"CAST('{one[1]:f}' AS {one[0]}) AS a, CAST('{other[1]:f}' AS {other[0]}) AS b"
    (found,) = duck.sql(f"SELECT {sql} FROM (SELECT {row})").fetchone() or ()
    if sign == "/" and other[1] == 0:
        assert found is None
    elif sign == "/":
        whole, fine = parse_logical_type(one[0]), parse_logical_type(other[0])
        crowded = whole.precision - whole.scale + fine.scale > 31  # then there is no room for six digits more
        assert found is not None or crowded
        if found is None:
            return
        last = Decimal(1).scaleb(found.as_tuple().exponent)
        assert last <= Decimal("0.000001") or crowded
        assert found == EXACT.divide(one[1], other[1]).quantize(last, ROUND_HALF_UP, EXACT)
    else:
        exact = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply}[sign](one[1], other[1])
        assert found == exact or (found is None and abs(exact) >= Decimal(10) ** (38 - _scale(one, other, sign)))


def _scale(one: tuple[str, Decimal], other: tuple[str, Decimal], sign: str) -> int:
    scales = [parse_logical_type(kind).scale for kind, _ in (one, other)]
    return sum(scales) if sign == "*" else max(scales)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10 / 4", "2.5"),
        ("1 / 3", "0.3333333333"),
        ("2 / 3", "0.6666666667"),
        ("-2 / 3", "-0.6666666667"),
        ("0.1 + 0.2", "0.3"),
        ("1 / 0", None),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(1249, -2)", "1200"),
        ("round(1250, -2)", "1300"),
        ("round(0.0049, 2)", "0.00"),
        ("floor(-0.5)", "-1"),
        ("99999999.99 * 99999999.99", "9999999998000000.0001"),
        ("999999999999999.99 + 999999999999999.99", "1999999999999999.98"),
        ("99999999999999999999999999999999999999 - 1", "99999999999999999999999999999999999998"),
        ("1 / 99999999999999999999.99", "0.0000000000"),
    ],
)
def test_numbers_people_check_by_hand(duck: duckdb.DuckDBPyConnection, text: str, wanted: str | None) -> None:
    found = _ask(duck, _expression(text).to_sql({}), dict.fromkeys(TYPES))
    assert found == (None if wanted is None else Decimal(wanted))


@pytest.mark.parametrize(
    ("text", "value", "wanted"),
    [
        ("x = 0.1", 0.1, True),
        ("x * 10 = 1", 0.1, True),
        ("x / 0 IS NULL", 1.0, True),
        ("x = x", float("nan"), True),
        ("x > 1000", float("inf"), True),
        ("x + 0.2 = 0.3", 0.1, False),
    ],
)
def test_a_float_makes_it_a_float_operation(
    duck: duckdb.DuckDBPyConnection,
    text: str,
    value: float,
    wanted: bool,  # noqa: FBT001
) -> None:
    """A literal beside a float is the nearest float; only then 0.1 + 0.2 is not 0.3."""
    sql = _expression(text).to_sql({"x": TypedSql("x", parse_logical_type("float"))})
    assert duck.execute(f"SELECT {sql} FROM (SELECT CAST(? AS DOUBLE) AS x)", [value]).fetchone() == (wanted,)


@pytest.mark.parametrize(
    ("text", "declared", "value", "wanted"),
    [
        ("x = 'infinity'", "timestamp", "TIMESTAMP 'infinity'", True),
        ("date_trunc('day', x) = x", "timestamp", "TIMESTAMP '-infinity'", True),
        ("x > day", "timestamp", "TIMESTAMP 'infinity'", True),
        ("day < x", "date", "DATE 'infinity'", True),
        ("x = '2026-01-31T12:00:00+01:00'", "timestamp", "TIMESTAMP '2026-01-31 11:00:00'", True),
        ("x = '2026-01-31T12:00:00'", "timestamp(local)", "TIMESTAMP '2026-01-31 12:00:00'", True),
        ("x = y", "json", "'{\"a\":1}'", True),
        ("x IS NOT NULL", "list<text>", "'[]'", True),
        ("x IS NULL", "decimal(60,9)", "'" + "9" * 50 + "'", False),
        ("x < '23:59:59.999999'", "time", "TIME '23:59:59'", True),
        ("x = '\\xdead'", "bytes", "unhex('DEAD')", True),
    ],
)
def test_values_of_every_type_can_be_asked_about(
    duck: duckdb.DuckDBPyConnection,
    text: str,
    declared: str,
    value: str,
    wanted: bool,  # noqa: FBT001
) -> None:
    logical = parse_logical_type(declared)
    columns = {
        "x": TypedSql("x", logical),
        "y": TypedSql("x", logical),
        "day": TypedSql("day", parse_logical_type("date")),
    }
    sql = _expression(text).to_sql(columns)
    assert duck.sql(f"SELECT {sql} FROM (SELECT {value} AS x, DATE '2026-01-31' AS day)").fetchone() == (wanted,)


def test_a_clock_never_reads_a_literal_differently() -> None:
    """Literals are made canonical when the contract is loaded, whatever the database would make of them."""
    columns = {"u": COLUMNS["u"], "at": COLUMNS["at"], "clock": COLUMNS["clock"]}
    sql = _expression("u = 'AAAAAAAA-0000-0000-0000-00000000000F' AND at > '2026-01-31' AND clock = '12:30'").to_sql(
        columns
    )
    assert "'aaaaaaaa-0000-0000-0000-00000000000f'" in sql
    assert "'2026-01-31 00:00:00'" in sql
    assert str(time(12, 30)) in sql
