"""Canonical form: one form for a value, however a store holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.logical_types import parse_logical_type
from reconcilers import value_text
from reconcilers.canonical import canonical
from reconcilers.ports import RawColumn
from tests.properties.test_comparison import NASTY
from tests.worlds.oracle import BAD, canonical_text

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that knows the auditor's functions."""
    connection = duckdb.connect()
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    value_text.register(connection)
    yield connection
    connection.close()


@dataclass(frozen=True, slots=True)
class Formed:
    """What the compiled SQL makes of one raw value."""

    text: str | None
    bad: bool
    odd: bool
    digest: int | None


def form(connection: duckdb.DuckDBPyConnection, kind: str, arrives: str, values: list[str | None]) -> list[Formed]:
    """Bring values, cast to how they arrive, into canonical form."""
    connection.execute(f"CREATE OR REPLACE TABLE raw (i INTEGER, c {arrives})")
    for number, value in enumerate(values):
        connection.execute(f"INSERT INTO raw VALUES (?, CAST(? AS {arrives}))", [number, value])
    made = canonical(parse_logical_type(kind), RawColumn("c", arrives))
    rows = connection.execute(
        f"SELECT {made.text}, {made.bad or 'false'}, {made.odd or 'false'}, hash({made.value}) FROM raw ORDER BY i"
    ).fetchall()
    return [Formed(*row) for row in rows]


_ALPHABETS = {
    "int": "0123456789+-. eE",
    "decimal(10,2)": "0123456789+-.eEnainf ",
    "decimal(40,5)": "0123456789+-.eE",
    "float": "0123456789+-.eEnaif",
    "bool": "truefalsTF01 ",
    "uuid": "0123456789abcdefABCDEF-{}",
    "date": "0123456789-TZ:",
    "time": "0123456789:.",
    "timestamp": "0123456789-:.TZ +",
    "timestamp(local)": "0123456789-:.T ",
    "bytes": "0123456789abcdefABCDEF\\x",
    "interval": "0123456789PYMDTHS.-",
    "json": '0123456789.eE-+[]{}",:truefalsn \\u',
    "list<text>": '[]",ab\\n ',
    "enum(new,paid)": "newpaid ",
    "text": "abcé\u0301ß ",
}


@pytest.mark.parametrize("kind", sorted(_ALPHABETS))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_text_has_one_canonical_form_in_sql_and_in_python(
    connection: duckdb.DuckDBPyConnection, kind: str, data: st.DataObject
) -> None:
    """What a store without types holds is read alike by the compiled SQL and by plain Python, value by value."""
    drawn = st.lists(st.text(_ALPHABETS[kind], max_size=24) | st.sampled_from(NASTY[kind]), min_size=1, max_size=20)
    values: list[str | None] = [*data.draw(drawn), None]
    for value, made in zip(values, form(connection, kind, "VARCHAR", values), strict=True):
        expected = canonical_text(value, parse_logical_type(kind))
        if expected is BAD:
            assert made.bad, (value, made)
            assert made.text == value
        else:
            assert (made.text, made.bad) == (expected, False), value


_TYPED: dict[str, tuple[tuple[str, st.SearchStrategy[str]], ...]] = {
    "int": (
        ("TINYINT", st.integers(-128, 127).map(str)),
        ("BIGINT", st.integers(-(2**63), 2**63 - 1).map(str)),
        ("UBIGINT", st.integers(0, 2**64 - 1).map(str)),
        ("HUGEINT", st.integers(-(2**100), 2**100).map(str)),
        ("DECIMAL(20,0)", st.integers(-(10**19), 10**19).map(str)),
    ),
    "decimal(10,2)": (
        ("DECIMAL(10,2)", st.decimals(-99999999, 99999999, places=2).map(str)),
        ("DECIMAL(14,6)", st.decimals(-99999, 99999, places=2).map(str)),
        ("DECIMAL(38,10)", st.decimals(-99999, 99999, places=1).map(str)),
        ("DOUBLE", st.decimals(-99999, 99999, places=2).map(str)),
        ("INTEGER", st.integers(-99999999, 99999999).map(str)),
    ),
    "float": (("DOUBLE", st.floats(allow_nan=False, allow_infinity=False, width=64).map(repr)),),
    "bool": (("BOOLEAN", st.sampled_from(["true", "false"])), ("TINYINT", st.sampled_from(["0", "1"]))),
    "uuid": (("UUID", st.uuids().map(str)),),
    "date": (("DATE", st.dates().map(str)), ("TIMESTAMP", st.dates().map(str))),
    "time": (("TIME", st.times().map(lambda time: time.isoformat("microseconds"))),),
    "timestamp": (
        ("TIMESTAMP", st.datetimes().map(lambda at: at.isoformat(timespec="microseconds"))),
        ("TIMESTAMPTZ", st.datetimes().map(lambda at: at.isoformat(timespec="microseconds") + "Z")),
        ("TIMESTAMP_MS", st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds"))),
    ),
    "bytes": (("BLOB", st.binary(max_size=8).map(lambda raw: "".join(f"\\x{byte:02X}" for byte in raw))),),
}


@pytest.mark.parametrize("kind", sorted(_TYPED))
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_typed_value_and_its_text_are_the_same_value(
    connection: duckdb.DuckDBPyConnection, kind: str, data: st.DataObject
) -> None:
    """What goes in on a store with types equals itself on a store of text: same text, same hash, never odd."""
    for arrives, strategy in _TYPED[kind]:
        values: list[str | None] = list(data.draw(st.lists(strategy, min_size=1, max_size=10)))
        typed = form(connection, kind, "TIMESTAMP WITH TIME ZONE" if arrives == "TIMESTAMPTZ" else arrives, values)
        texts = [made.text for made in typed]
        again = form(connection, kind, "VARCHAR", texts)
        for value, made, same in zip(values, typed, again, strict=True):
            assert not made.odd, (arrives, value, made)
            assert (made.text, made.digest) == (same.text, same.digest), (arrives, value)


@pytest.mark.parametrize(
    ("kind", "arrives", "value", "text"),
    [
        ("float", "FLOAT", "0.1", "0.1"),
        ("float", "DOUBLE", "-0.0", "0.0"),
        ("float", "DOUBLE", "nan", "NaN"),
        ("float", "FLOAT", "1.234567", "1.234567"),
        ("decimal(10,2)", "DECIMAL(10,2)", "-0.19", "-0.19"),
        ("date", "DATE", "infinity", "infinity"),
        ("timestamp", "TIMESTAMP WITH TIME ZONE", "-infinity", "-infinity"),
        ("timestamp", "TIMESTAMP", "0001-01-01 00:00:00", "0001-01-01T00:00:00.000000Z"),
        ("timestamp", "TIMESTAMP WITH TIME ZONE", "9999-12-31 23:59:59.999999+00", "9999-12-31T23:59:59.999999Z"),
        ("time", "TIME", "24:00:00", "24:00:00.000000"),
        ("time", "TIME", "23:59:59.9995", "23:59:59.999500"),
        ("uuid", "VARCHAR", "550E8400E29B41D4A716446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("json", "VARCHAR", '{"b": 1.0, "a": [1e2]}', '{"a":[100],"b":1}'),
    ],
)
def test_the_traps_of_the_field(
    connection: duckdb.DuckDBPyConnection, kind: str, arrives: str, value: str, text: str
) -> None:
    """Values that other tools are known to bend keep their meaning."""
    assert form(connection, kind, arrives, [value])[0].text == text


def test_finer_than_a_microsecond_is_said_and_not_cut(connection: duckdb.DuckDBPyConnection) -> None:
    """A timestamp holds microseconds: a nanosecond more makes the value bad, its raw text is kept."""
    (made,) = form(connection, "timestamp", "TIMESTAMP_NS", ["2024-01-01 00:00:00.123456789"])
    assert made.bad
    assert made.text == "2024-01-01 00:00:00.123456789"


def test_a_number_too_large_for_a_float_is_said_and_no_infinity(connection: duckdb.DuckDBPyConnection) -> None:
    """Only what is written as infinity is one."""
    large, least, infinite = form(connection, "float", "VARCHAR", ["-1e400", "1.7976931348623157e308", "-Infinity"])
    assert (large.bad, large.text) == (True, "-1e400")
    assert (least.bad, least.text) == (False, "1.7976931348623157e+308")
    assert (infinite.bad, infinite.text) == (False, "-infinity")
    assert value_text.scalar_text("-1e400", parse_logical_type("float")) is None


def test_text_of_a_python_function_is_never_read_after_it_was_freed(connection: duckdb.DuckDBPyConnection) -> None:
    """DuckDB 1.5's COALESCE loses the owner of such memory; what is compiled here must not."""
    values: list[str | None] = ['["a","a","b"]', None, '["a long element, longer than twelve bytes"]']
    for _ in range(50):
        made = form(connection, "list<text>", "VARCHAR", values)
        assert [one.text for one in made] == values
