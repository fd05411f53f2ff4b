"""JSON Lines keep every digit, and a line that is none is named."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.readers.files.reader import file_reader
from contracts.errors import StoreError
from contracts.logical_types import Kind
from tests.conformance.delivery import found, keys, natural, scanned, scanned_raw, things

if TYPE_CHECKING:
    from pathlib import Path

    from reconcilers.ports import Reader


def lines(directory: Path, *content: str) -> Reader:
    (directory / "t.jsonl").write_text("\n".join(content) + "\n")
    return file_reader("lake/t", directory, "t.jsonl")


@pytest.mark.parametrize(
    ("written", "delivered"),
    [
        ("1.10", "1.10"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("-0.0", "-0.0"),
        ("1E5", "1E5"),
        ("true", "true"),
        ("null", None),
        ('""', ""),
        ('"1.10"', "1.10"),
        ('"a\\u0000b"', "a\0b"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"\\ud800"', "\\ud800"),
        ("[1.10, null]", "[1.10,null]"),
        ('{"b": 1.10, "a": "ä"}', '{"b":1.10,"a":"ä"}'),
        ('{"a": 1, "a": 2}', '{"a":1,"a":2}'),
    ],
)
def test_values_arrive_as_they_stand(tmp_path: Path, written: str, delivered: str | None) -> None:
    assert scanned_raw(tmp_path, lines(tmp_path, f'{{"v": {written}}}'), natural("v")) == [(delivered,)]


@settings(max_examples=50)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_no_number_is_rounded(tmp_path_factory: pytest.TempPathFactory, numbers: list[Decimal]) -> None:
    directory = tmp_path_factory.mktemp("json")
    reader = lines(directory, *(f'{{"v": {number}}}' for number in numbers))
    rows = scanned_raw(directory, reader, natural("v"))
    assert sorted(Decimal(row[0] or "") for row in rows) == sorted(numbers)


def test_an_absent_member_is_null_and_a_null_is_too(tmp_path: Path) -> None:
    reader = lines(tmp_path, '{"id": 1}', '{"id": 2, "v": null}', '{"id": 3, "v": {"w": "x"}}', "", '{"id": 4, "v": 5}')
    assert scanned(tmp_path, reader, things(id="int", v__w="text")) == [
        ("1", None),
        ("2", None),
        ("3", "x"),
        ("4", None),
    ]


def test_members_with_dots_win_over_paths(tmp_path: Path) -> None:
    reader = lines(tmp_path, '{"a.b": 1, "a": {"b": 2, "b.c": 3, "l": [{"x": 4}]}}')
    wanted = natural("a.b", "a.b.c", "a.l.0.x", "a.l.7.x", "a.l.x")
    assert scanned_raw(tmp_path, reader, wanted) == [("1", "3", "4", None, None)]


def test_json_under_json_is_json(tmp_path: Path) -> None:
    """A string that is a JSON value keeps its quotes; under text it has none."""
    reader = lines(tmp_path, '{"v": "text"}')
    assert scanned(tmp_path, reader, things(v="json")) == [('"text"',)]
    assert scanned(tmp_path, reader, things(v="text")) == [("text",)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'id': 1}", "line 2 is no JSON object"),
        ('{"id": 1', "line 2 is no JSON object"),
        ('{"id": 1} {"id": 2}', "line 2 is no JSON object: Extra data"),
        ('{"id": NaN}', "line 2 is no JSON object: NaN is no JSON"),
        ('{"id": -Infinity}', "line 2 is no JSON object: -Infinity is no JSON"),
        ("[1]", "line 2 is no JSON object: found a JSON array"),
        ("1", "line 2 is no JSON object: found a JSON integer"),
        ("null", "line 2 is no JSON object: found a JSON null"),
        ('{"id": 1, "v": 2, "id": 1}', "line 2 is no JSON object: the name 'id' stands there twice"),
        ('{"id": ' + "[" * 100_000, "line 2 is no JSON object"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str, message: str) -> None:
    reader = lines(tmp_path, '{"id": 1}', line)
    with pytest.raises(StoreError, match=message):
        scanned_raw(tmp_path, reader, natural("id"))


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_bytes(b'{"id": 1}\n{"id": "\xff"}\n')
    with pytest.raises(StoreError, match="line 2 is no JSON object: byte 9 is no UTF-8"):
        scanned_raw(tmp_path, file_reader("lake/t", tmp_path, "t.jsonl"), natural("id"))


def test_a_mark_of_byte_order_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "t.ndjson").write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n\r\n{"id": 2}')
    rows = scanned_raw(tmp_path, file_reader("lake/t", tmp_path, "t.ndjson"), natural("id"))
    assert rows == [("1",), ("2",)]


def test_shape_is_that_of_the_first_lines(tmp_path: Path) -> None:
    shape = lines(tmp_path, '{"i": 1, "n": null, "d": 1.5}', '{"i": 2, "s": "x", "o": {}, "l": [], "b": true}').shape()
    kinds = {
        column.name: (column.store_type, column.logical.kind if column.logical else None) for column in shape.columns
    }
    assert kinds == {
        "i": ("integer", Kind.INT),
        "n": ("null", None),
        "d": ("number", None),
        "s": ("string", Kind.TEXT),
        "o": ("object", Kind.JSON),
        "l": ("array", Kind.JSON),
        "b": ("boolean", Kind.BOOL),
    }
    assert shape.estimated_rows == 2


def test_keys_are_found_whatever_their_spelling(tmp_path: Path) -> None:
    reader = lines(
        tmp_path, '{"a": 1, "b": "X"}', '{"a": "1", "b": "Y"}', '{"a": 1.0, "b": "Z"}', '{"a": 11, "b": "X"}'
    )
    wanted = things(a="int", b="text")
    assert found(tmp_path, reader, wanted, keys(wanted[:1], ("1",))) == [("1", "X"), ("1", "Y"), ("1", "Z")]
    assert found(tmp_path, reader, wanted, keys(wanted, ("01", "Y"), ("2", "X"))) == [("1", "Y")]
