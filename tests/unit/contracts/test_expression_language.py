"""What the expression language takes, what it refuses, and how it says so."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ContractError, Place
from contracts.expression import Expression, TypedSql, check_types, expression_type, parse_expression
from contracts.expression_parser import TEXT_CHARACTERS_MAX
from contracts.logical_types import Kind, LogicalType, parse_logical_type

PLACE = Place("contracts/order.yaml", 23, 5)


def _parse(text: str) -> Expression:
    return parse_expression(text, PLACE)


def _refusal(text: str) -> str:
    with pytest.raises(ContractError) as caught:
        _parse(text)
    (problem,) = caught.value.problems
    assert problem.place == PLACE
    assert problem.severity == "error"
    return problem.message


def _types(**declared: str) -> dict[str, LogicalType | None]:
    return {name: parse_logical_type(text) for name, text in declared.items()}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("total = subtotal + tax + shipping", {"total", "subtotal", "tax", "shipping"}),
        ("status <> 'draft' AND status != 'deleted'", {"status"}),
        ("a IS NOT NULL or not b in (1, 2, 3)", {"a", "b"}),
        ("CASE kind WHEN 'a' THEN x ELSE y END BETWEEN 1 AND 2", {"kind", "x", "y"}),
        ("date = '2026-01-31' AND order > 1 AND key = 2 AND timestamp = '2026-01-31' AND current_date < day", {
            "date", "order", "key", "timestamp", "current_date", "day"}),
        ('"Größe" > 1 AND "we""ird" = 2 AND "meta.type" = \'x\'', {"Größe", 'we"ird', "meta.type"}),
        ("naïve = 1 AND 名前 = 'x'", {"naïve", "名前"}),
        ("CaseMatters = casematters", {"CaseMatters", "casematters"}),
        ("lower = upper AND length > 3", {"lower", "upper", "length"}),
        ("coalesce(\n  a,\n  0\n) > 1", {"a"}),
        ("TRUE", set()),
        ("'it''s -- no comment; /* nor this */' = t", {"t"}),
    ],
)  # fmt: skip
def test_names_are_found_letter_by_letter(text: str, names: set[str]) -> None:
    """Words that are keywords elsewhere are plain names here; quoted names may hold anything."""
    assert _parse(text).names == names


def test_the_text_stays_as_written() -> None:
    assert _parse("a   =  1").text == "a   =  1"
    assert _parse("a = 1").place == PLACE


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("sum(total) > 1", "sum(…) is no function of the language (at character 1)"),
        ("a = random()", "random(…) is no function of the language (at character 5)"),
        ("a = pg_sleep(10)", "pg_sleep(…) is no function"),
        ("a = 1; DROP TABLE orders", "';' is not part of the language (at character 6)"),
        ("a = 1 -- and b = 2", "comments are not part of the language (at character 7)"),
        ("a /* hidden */ = 1", "comments are not part of the language (at character 3)"),
        ("/* first */ a = 1", "comments are not part of the language (at character 1)"),
        ("a IN (SELECT id FROM users)", "'SELECT' is not part of the language (at character 7)"),
        ("EXISTS (SELECT 1)", "EXISTS(…) is no function"),
        ("exists", "'exists' is not part of the language (at character 1); a field of that name is written \"exists\""),
        ("a::int = 1", "'::' is not part of the language (at character 2)"),
        ("CAST(a AS int) = 1", "CAST(…) is no function"),
        ("o.total = 1", "qualified names are not part of the language (at character 2)"),
        ('"o"."total" = 1', "qualified names are not part of the language"),
        ("a = ?", "'?' is not part of the language"),
        ("a = :name", "':' is not part of the language"),
        ("a = $1", "'$1' is not part of the language"),
        ("a = @x", "'@' is not part of the language"),
        ("a = {{ x }}", "'{' is not part of the language"),
        ("a = [1]", "'[' is not part of the language"),
        ("a = `b`", "'`' is not part of the language"),
        ("a LIKE 'x%'", "'LIKE' is not part of the language (at character 3)"),
        ("a || b = 'x'", "'||' is not part of the language (at character 3)"),
        ("a % 2 = 0", "'%' is not part of the language"),
        ("a == 1", "'==' is not part of the language (at character 3)"),
        ("a && b", "'&&' is not part of the language"),
        ("a <=> b", "'<=>' is not part of the language"),
        ("!a", "'!' is not part of the language"),
        ("a ~ 'x'", "'~' is not part of the language"),
        ("a IS TRUE", "after IS only NULL and NOT NULL are part of the language"),
        ("a IS NOT DISTINCT FROM b", "'DISTINCT' is not part of the language"),
        ("a IN ()", "the parentheses after IN are empty"),
        ("a IN b", "after IN values in parentheses are expected"),
        ("(a, b) IN (1, 2)", '("a", "b") is not part of the language'),
        ("count(*) > 1", "count(…) is no function"),
        ("length(*) > 1", "* is not part of the language"),
        ("a BETWEEN SYMMETRIC 1 AND 2", "it cannot be read; AND is missing or too many"),
        ("a BETWEEN 1 2", "it cannot be read; AND is missing or too many"),
        ("CASE WHEN a 1 END", "it cannot be read; THEN is missing or too many"),
        ("a = 1e5", "'1e5' is no plain number (at character 5)"),
        ("a = 0x1F", "is not part of the language"),
        ("a = .5", "qualified names"),
        ("a = 123456789012345678901234567890123456789", "the number at character 5 has more than 38 digits"),
        ("a = 'x", "a quoted text or name does not end"),
        ('"a = 1', "a quoted text or name does not end"),
        ('"" = 1', "a quoted name is empty"),
        ("a = 'x\0y'", "a text cannot hold the character NUL (at character 5)"),
        ("DATE '2026-01-31' = a", "it cannot be read near \"'2026-01-31'\" (at character 6)"),
        ("a = = b", "it cannot be read near '=' (at character 5)"),
        ("a = 1)", "it cannot be read near ')'"),
        ("(a = 1", "it cannot be read"),
        ("a b", "is not part of the language"),
        ("a AS b", "'AS' is not part of the language"),
        ("CASE END", "it cannot be read"),
        ("a, b", "it cannot be read near ','"),
        ("round(a, 1, 2) = 1", "round(…) takes 1 to 2 arguments, not 3 (at character 1)"),
        ("lower() = 'x'", "lower(…) takes 1 argument, not 0"),
        ("date_trunc('day') = a", "date_trunc(…) takes 2 arguments, not 1"),
        ("x'ab' = a", "it cannot be read near \"'ab'\""),
        ("a COLLATE nocase = 'x'", "'COLLATE' is not part of the language"),
        ("a = INTERVAL '1 day'", "'INTERVAL' is not part of the language"),
        ("a OVER (b)", "OVER(…) is no function"),
        ("lower(DISTINCT a) = 'x'", "'DISTINCT' is not part of the language"),
    ],
)
def test_what_is_not_of_the_language_is_refused_with_its_place(text: str, wanted: str) -> None:
    message = _refusal(text)
    assert wanted in message
    assert message.startswith("expression ")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 3000 + "a" + ")" * 3000,
        "NOT " * 3000 + "a",
        "- " * 3000 + "a",
        "+".join(["a"] * 3000),
        "a" + " IS NULL" * 1000,
        "a" + " BETWEEN 1 AND 2" * 500,
        "CASE WHEN " * 500 + "a" + " THEN 1 END" * 500,
        "lower(" * 500 + "a" + ")" * 500,
        " = ".join(["a"] * 200),
    ],
    ids=["parentheses", "not", "minus", "plus", "is null", "between", "case", "calls", "equals"],
)
def test_deep_nesting_is_refused_and_does_no_harm(text: str) -> None:
    assert "it is nested deeper than 100 levels" in _refusal(text)


def test_a_long_text_is_refused_and_not_repeated() -> None:
    message = _refusal("a = 1 OR " * (TEXT_CHARACTERS_MAX // 9 + 1) + "b = 1")
    assert f"at most {TEXT_CHARACTERS_MAX} are read" in message
    assert len(message) < 200


def test_long_rows_of_conditions_are_lawful() -> None:
    """A row of ORs is one level, however long: lists of exceptions grow."""
    expression = _parse(" OR ".join(f"a = {number}" for number in range(1000)))
    sql = expression.to_sql({"a": TypedSql("a", parse_logical_type("int"))})
    assert duckdb.sql(f"SELECT {sql} FROM (SELECT 999 AS a)").fetchone() == (True,)


@given(text=st.text(max_size=40))
def test_any_text_is_an_expression_or_a_clear_refusal(text: str) -> None:
    """Nothing that somebody types ends in anything but an expression or a ContractError."""
    try:
        expression = _parse(text)
    except ContractError as error:
        assert error.problems[0].place == PLACE  # noqa: PT017
    else:
        assert expression.text == text


@given(value=st.text(max_size=20), name=st.text(min_size=1, max_size=10))
def test_no_text_reaches_the_database_but_as_a_value(value: str, name: str) -> None:
    """Quotes, comments and semicolons in texts and names stay what they are."""
    value, name = value.replace("\0", ""), name.replace("\0", "x")
    expression = _parse(f"\"{name.replace(chr(34), chr(34) * 2)}\" = '{value.replace(chr(39), chr(39) * 2)}'")
    assert expression.names == {name}
    sql = expression.to_sql({name: TypedSql("c0", parse_logical_type("text"))})
    assert duckdb.execute(f"SELECT {sql} FROM (SELECT CAST(? AS VARCHAR) AS c0)", [value]).fetchone() == (True,)
    assert name == "c" or name in value or f'"{name}"' not in sql


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("amount = 'x'", "a number cannot be compared with the text 'x'; write it without quotes"),
        ("'1' < amount", "a number cannot be compared with the text '1'"),
        ("amount = label", "decimal(10,2) cannot be compared with text"),
        ("amount IN (1, 'x')", "a number cannot be compared with the text 'x'"),
        ("id = 'x'", "'x' is no uuid; expected 32 hex digits as 8-4-4-4-12"),
        ("id = label", "uuid cannot be compared with text"),
        ("day = '31.01.2026'", "'31.01.2026' is no date; expected one as 2026-01-31"),
        ("day = '2026-02-30'", "'2026-02-30' is no day of the calendar"),
        ("at > '2026-01-31 25:00:00'", "'25:00:00' is no time of day"),
        ("at > 'yesterday'", "'yesterday' is no timestamp; expected one as 2026-01-31T12:00:00Z"),
        ("at > '0001-01-01T00:00:00+05:00'", "is no moment between the years 1 and 9999"),
        ("wall > '2026-01-31T12:00:00Z'", "has a zone, but a timestamp(local) never had one"),
        ("at = wall", "timestamp cannot be compared with timestamp(local)"),
        ("clock = '12'", "'12' is no time; expected one as 23:59:59.999999"),
        ("flag = 'yes'", "'yes' is no bool; expected TRUE or FALSE"),
        ("flag > TRUE", "bool has no order, so > means nothing; use =, <> or IN"),
        ("flag = 1", "bool cannot be compared with int"),
        ("state = 'sold'", "'sold' is no member of enum(open,closed)"),
        ("state IN ('open', 'sold')", "'sold' is no member of enum(open,closed)"),
        ("CASE state WHEN 'sold' THEN TRUE END", "'sold' is no member of enum(open,closed)"),
        ("state < 'open'", "enum(open,closed) has no order"),
        ("raw = 'xyz'", "'xyz' is no bytes; expected hex digits in pairs"),
        ("doc = '{}'", "json cannot be compared with a literal"),
        ("tags = other", "list<text> cannot be compared with list<int>"),
        ("doc < doc", "json has no order"),
        ("pause = '1 day'", "interval cannot be compared with a literal"),
        ("label + 1 = 2", "+ needs numbers, not text"),
        ("at - day > 1", "- needs numbers, not timestamp"),
        ("-label = 1", "- needs a number, not text"),
        ("amount AND flag", "AND needs a condition, not decimal(10,2)"),
        ("NOT label", "NOT needs a condition, not text"),
        ("CASE WHEN amount THEN TRUE END", "WHEN needs a condition, not decimal(10,2)"),
        ("CASE WHEN flag THEN amount ELSE label END = 1", "CASE has values of different types: decimal, text"),
        ("coalesce(at, 'x') = at", "'x' is no timestamp"),
        ("coalesce(amount, 'x') = 1", "a number cannot be compared with the text 'x'"),
        ("lower(amount) = 'x'", "lower(…) needs text, not decimal(10,2)"),
        ("length(tags) = 1", "length(…) needs text, not list<text>"),
        ("abs(label) = 1", "abs(…) needs a number, not text"),
        ("round(amount, amount) = 1", "round(…) needs a whole number from -38 to 38 as its second argument"),
        ("round(amount, 0.5) = 1", "round(…) needs a whole number"),
        ("date_trunc('fortnight', at) = at", "date_trunc(…) needs a unit in quotes as its first argument"),
        (
            "date_trunc('hour', day) = day",
            "date_trunc(…) needs a unit in quotes as its first argument: day, week, month",
        ),
        ("date_trunc('day', clock) = clock", "date_trunc(…) needs a date or a timestamp, not time"),
        ("amont > 1", "unknown name 'amont' (at character 1); expected one of amount, at"),
        ("fine * fine = 1", "a product here has 60 digits after the point; at most 38 can be computed with"),
        ("finest > 1", "'finest' has 40 digits after the point; at most 38 can be computed with"),
        ("amount", "its result is decimal; expected bool"),
        ("coalesce(label, 'x')", "its result is text; expected bool"),
    ],
)
def test_types_that_do_not_fit_are_told_when_the_contract_is_loaded(text: str, wanted: str) -> None:
    types = _types(
        amount="decimal(10,2)", id="uuid", label="text", day="date", at="timestamp", wall="timestamp(local)",
        clock="time", flag="bool", state="enum(open,closed)", raw="bytes", doc="json", tags="list<text>",
        other="list<int>", pause="interval", fine="decimal(38,30)", finest="decimal(60,40)",
    )  # fmt: skip
    messages = check_types(_parse(text), types, wanted=Kind.BOOL)
    assert len(messages) == 1
    assert wanted in messages[0]


def test_every_mistake_of_an_expression_is_told_at_once() -> None:
    messages = check_types(_parse("a = 'x' AND b = 'y' AND lower(a) = 'z' AND zz"), _types(a="int", b="uuid"))
    assert len(messages) == 4


def test_names_of_unknown_type_agree_with_everything() -> None:
    """`select` is over the replica's own columns, whose types only the store knows."""
    expression = _parse("doc_type = 'order' AND size > 3 AND flag AND date_trunc('day', at) > '2026-01-31'")
    assert check_types(expression, dict.fromkeys(expression.names), wanted=Kind.BOOL) == []
    assert expression_type(_parse("doc_type"), {"doc_type": None}) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a + 1", Kind.DECIMAL),
        ("length(t)", Kind.INT),
        ("f * a", Kind.FLOAT),
        ("CASE WHEN TRUE THEN t ELSE s END", Kind.TEXT),
        ("coalesce(s, 'other')", Kind.TEXT),
        ("date_trunc('day', day)", Kind.DATE),
        ("NULL", None),
    ],
)
def test_the_type_of_a_result_is_known(text: str, kind: Kind | None) -> None:
    types = _types(a="decimal(10,2)", f="float", t="text", s="enum(x,y)", day="date")
    assert expression_type(_parse(text), types) is kind


def test_sql_for_columns_that_do_not_fit_is_refused_with_the_place() -> None:
    """A `select` over columns of the wrong type is found when the store's types are known, and names its line."""
    with pytest.raises(
        ContractError, match=r"order.yaml:23: error: expression \"size > 3\": text cannot be compared with int"
    ):
        _parse("size > 3").to_sql({"size": TypedSql("c0", parse_logical_type("text"))})
    with pytest.raises(ContractError, match=r"unknown name 'size' \(at character 1\); expected one of nothing"):
        _parse("size > 3").to_sql({})


def test_expressions_are_values() -> None:
    """Two expressions with the same text are equal wherever they stand: `contracts diff` compares them."""
    assert _parse("a = 1") == parse_expression("a = 1", Place("elsewhere.yaml", 1))
    assert _parse("a = 1") != _parse("a = 2")
    assert len({_parse("a = 1"), _parse("a = 1")}) == 1
