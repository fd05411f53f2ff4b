"""JSON with and without a schema: one meaning or none, and nothing guessed."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.feeds.decoded import Poison
from auditor.feeds.hints import ColumnHint, Modes
from auditor.feeds.options import DecodingOptions
from auditor.feeds.shape import BadValueError
from auditor.feeds.strict_json import parse
from contracts.logical_types import parse_logical_type
from reconcilers.change import Cell, DefaultOrNull, Lack
from tests.unit.auditor.feeds.reading import change, decode, record

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_json_comes_back(value: Any, escaped: bool) -> None:  # noqa: FBT001
    assert parse(json.dumps(value, ensure_ascii=escaped).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b'{"a":1}}', b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b"NaN", b"[Infinity]", b"-Infinity", b"01",
        b'"\\ud800"', b'"\xff"', b"\xef\xbb\xbf1", b"1 2", b"'a'", b'{"a":1,}', b"[" * 100_000, b"1" * 5000,
        b'"\n"', "\u00e9".encode("latin-1"), '"x"'.encode("utf-16"),
    ],
)  # fmt: skip
def test_what_readers_disagree_about_is_refused(text: bytes) -> None:
    with pytest.raises(BadValueError):
        parse(text)


def test_numbers_keep_their_digits() -> None:
    assert parse(b"[0.10000000000000000000000001, 1e2, 123456789012345678901234567890]") == [
        Decimal("0.10000000000000000000000001"), Decimal("1e2"), 123456789012345678901234567890,
    ]  # fmt: skip


def cell(value: Any, hint: ColumnHint, **modes: str) -> Cell:
    """A column's cell in a flattened record without a schema."""
    told = change(record({"id": 1}, {"c": value}), {"c": hint}, modes=Modes(**modes), connector="postgresql")
    return told.row["c"]


def store(kind: str) -> ColumnHint:
    return ColumnHint(store_type=kind)


def contract(kind: str) -> ColumnHint:
    return ColumnHint(parse_logical_type(kind))


@pytest.mark.parametrize(
    ("value", "hint", "modes", "expected"),
    [
        (1709212455123, store("timestamp(3)"), {"time": "adaptive"}, "2024-02-29T13:14:15.123000"),
        (1709212455123456, store("timestamp without time zone"), {"time": "adaptive"}, "2024-02-29T13:14:15.123456"),
        (1709212455123, store("timestamp"), {"time": "connect"}, "2024-02-29T13:14:15.123000"),
        (1709212455123456, store("timestamp(0)"), {"time": "microseconds"}, "2024-02-29T13:14:15.123456"),
        (1709212455123456789, store("timestamp"), {"time": "nanoseconds"}, "2024-02-29T13:14:15.123456789"),
        ("2024-02-29T13:14:15Z", store("timestamp"), {"time": "isostring"}, "2024-02-29T13:14:15"),
        ("2024-02-29T13:14:15Z", store("timestamp with time zone"), {}, "2024-02-29T13:14:15Z"),
        (47655123, store("time(3)"), {"time": "adaptive"}, "13:14:15.123"),
        (47655123456, store("time(3)"), {"time": "adaptive_time_microseconds"}, "13:14:15.123456"),
        (19782, store("date"), {}, "2024-02-29"),
        (19782, contract("date"), {}, "2024-02-29"),
        ("AeI6", store("numeric(12,2)"), {"decimals": "precise"}, "1234.50"),
        ("1234.50", store("numeric(12,2)"), {"decimals": "string"}, "1234.50"),
        ({"scale": 1, "value": "Cw=="}, store("numeric"), {"decimals": "precise"}, "1.1"),
        ({"scale": 1, "value": "Cw=="}, contract("decimal(5,2)"), {}, "1.1"),
        (12.5, contract("decimal(5,2)"), {}, "12.5"),
        ("3q2+7w==", store("bytea"), {"binary": "bytes"}, "\\xdeadbeef"),
        ("3q2-7w==", store("bytea"), {"binary": "base64-url-safe"}, "\\xdeadbeef"),
        ("deadbeef", store("bytea"), {"binary": "hex"}, "\\xdeadbeef"),
        ("P1M", store("interval"), {}, "P1M"),
        ("ab   ", store("character(5)"), {}, "ab"),
        ("ab   ", store("character varying(5)"), {}, "ab   "),
        (7, store("integer"), {}, "7"),
        (7, contract("int"), {}, "7"),
        (1, contract("bool"), {}, "1"),
        (True, ColumnHint(), {}, "true"),
        ("x", contract("text"), {}, "x"),
        ("6f1c2b1e-0f3a-4d57-9b7e-0a1b2c3d4e5f", contract("uuid"), {}, "6f1c2b1e-0f3a-4d57-9b7e-0a1b2c3d4e5f"),
        ([1, None], store("integer[]"), {}, "[1,null]"),
        (["a", None], contract("list<text>"), {}, '["a",null]'),
        ("NaN", contract("float"), {}, "NaN"),
        (0.1, store("double precision"), {}, "0.1"),
    ],
)  # fmt: skip
def test_a_hint_tells_what_json_does_not(value: Any, hint: ColumnHint, modes: dict[str, str], expected: str) -> None:
    assert cell(value, hint, **modes) == expected


@pytest.mark.parametrize(
    ("value", "hint", "modes"),
    [
        (1709212455123, ColumnHint(), {"time": "adaptive"}),
        (1709212455123, contract("timestamp"), {"time": "adaptive"}),  # its unit depends on the column
        (1709212455123, store("timestamp(3)"), {}),  # and on the connector
        ("AeI6", contract("decimal(12,2)"), {"decimals": "precise"}),  # the contract's scale is not the column's
        ("1234", store("numeric(12,2)"), {}),  # base64, or digits
        ("3q2+7w==", store("bytea"), {}),
        ("abcd", contract("bytes"), {}),  # hexadecimal digits, or base64
        (37091106789000, store("interval"), {}),
        (5, ColumnHint(), {}),
        ("x", ColumnHint(), {}),
    ],
)
def test_what_nobody_tells_is_unreadable(value: Any, hint: ColumnHint, modes: dict[str, str]) -> None:
    assert cell(value, hint, **modes) is Lack.UNREADABLE


def test_what_the_settings_say_of_a_column_wins() -> None:
    one = record({"id": 1}, {"c": 1709212455123})
    told = change(one, {"c": contract("timestamp")}, modes=Modes(time="adaptive"), columns={"t": {"c": "timestamp(3)"}})
    assert told.row["c"] == "2024-02-29T13:14:15.123000"


def test_a_default_that_is_known_makes_null_possible() -> None:
    hint = ColumnHint(store_type="integer", default="42.0")
    assert cell(42, hint) == DefaultOrNull("42")
    assert cell(41, hint) == "41"
    assert cell(None, hint) is None


def test_bytes_that_came_as_text_are_read_by_the_connectors_mode() -> None:
    """With a schema too: a text may be base64, and base64 may look like hexadecimal digits."""
    schema = {"type": "struct", "optional": False, "name": "s.Value", "fields": [
        {"field": "c", "type": "string", "optional": True}]}  # fmt: skip
    one = record(None, {"schema": schema, "payload": {"c": "abcd"}})
    assert change(one, {"c": contract("bytes")}).row["c"] is Lack.UNREADABLE
    assert change(one, {"c": contract("bytes")}, modes=Modes(binary="base64")).row["c"] == "\\x69b71d"
    assert change(one, {"c": contract("bytes")}, modes=Modes(binary="hex")).row["c"] == "\\xabcd"


def with_schema(kind: str, value: Any, **more: Any) -> Cell:
    schema = {"type": "struct", "optional": False, "name": "s.Value", "fields": [
        {"field": "c", "type": kind, "optional": True, **more}]}  # fmt: skip
    (entry,) = decode(record(None, {"schema": schema, "payload": {"c": value}}))
    return Lack.ABSENT if isinstance(entry, Poison) else entry.row["c"]  # type: ignore[union-attr]


@given(st.binary())
def test_bytes_come_back_from_base64(content: bytes) -> None:
    assert with_schema("bytes", base64.b64encode(content).decode()) == f"\\x{content.hex()}"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_comes_back(number: float) -> None:
    text = with_schema("double", number)
    assert isinstance(text, str)
    assert float(text) == number


@given(st.integers(-(2**70), 2**70))
def test_an_integer_comes_back_or_is_refused(number: int) -> None:
    expected = str(number) if -(2**63) <= number < 2**63 else Lack.ABSENT
    assert with_schema("int64", number) == expected


@pytest.mark.parametrize(
    ("kind", "value", "more"),
    [
        ("int32", "7", {}),
        ("int32", True, {}),
        ("int32", 7.0, {}),
        ("int8", 128, {}),
        ("string", 7, {}),
        ("boolean", 1, {}),
        ("bytes", "a", {}),
        ("bytes", "AB==", {}),  # bits after the end
        ("bytes", "A B=", {}),
        ("double", "1", {}),
        ("float", 10**400, {}),
        ("array", [1, "a"], {"items": {"type": "int32", "optional": True}}),
        ("map", {"a": 1}, {"values": {"type": "string", "optional": True}}),
        ("bytes", "", {"name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "2"}}),
        ("int32", 2**31 - 1, {"name": "io.debezium.time.NoSuch", "optional": False, "type": "strange"}),
    ],
)
def test_a_value_that_is_none_of_its_type_is_poison(kind: str, value: Any, more: dict[str, Any]) -> None:
    assert with_schema(kind, value, **more) is Lack.ABSENT


def test_poison_says_the_column_and_never_the_value() -> None:
    schema = {"type": "struct", "optional": False, "name": "s.Value", "fields": [
        {"field": "secret", "type": "int32", "optional": True}]}  # fmt: skip
    (entry,) = decode(record({"id": 1}, {"schema": schema, "payload": {"secret": "c4n4ry"}}))
    assert isinstance(entry, Poison)
    assert entry.error == "column secret: expected an integer of 32 bits"
    assert entry.key is not None


def test_half_an_envelope_is_poison_and_no_row() -> None:
    half = {"before": None, "aftes": {"id": 1}, "source": {"connector": "postgresql"}, "op": "c"}
    (entry,) = decode(record({"id": 1}, half))
    assert isinstance(entry, Poison)


def test_a_row_among_envelopes_is_poison() -> None:
    envelope = {"before": None, "after": {"id": 1}, "source": {"connector": "postgresql"}, "op": "c"}
    _, entry = decode([record({"id": 1}, envelope), record({"id": 1}, {"id": 1})])
    assert isinstance(entry, Poison)


def test_a_feed_without_a_registry_says_which_setting_is_missing() -> None:
    (entry,) = decode(record(None, b"\0\0\0\0\1\2"))
    assert isinstance(entry, Poison)
    assert "no schema registry" in entry.error
    assert DecodingOptions().wire is None
