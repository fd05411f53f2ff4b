"""CSV is read by the letter of RFC 4180: nothing is bent, no row is lost in silence, an error names its line."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.readers.files import csv_check
from auditor.readers.files.reader import file_reader
from contracts.errors import StoreError
from tests.conformance.delivery import Row, natural, scanned, scanned_raw, things

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def read(directory: Path, content: bytes, name: str = "t.csv") -> tuple[list[str], list[Row]]:
    (directory / name).write_bytes(content)
    reader = file_reader("lake/t", directory, name)
    names = [column.name for column in reader.shape().columns]
    return names, scanned_raw(directory, reader, natural(*names))


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b'a,b,c\n1,,""\n', [("1", None, "")]),
        (b'a,b,c\r\n1,,""\r\n', [("1", None, "")]),
        (b'a,b,c\n1,2,""', [("1", "2", "")]),
        (b"a,b,c\n1,2,", [("1", "2", None)]),
        (b"a,b,c\n,,\n", [(None, None, None)]),
        (b"a,b,c\n", []),
        (b"a,b,c", []),
        (b'\xef\xbb\xbf"a",b,c\n1,2,3\n', [("1", "2", "3")]),
        (b'a,b,c\n1,"x\r\ny\n",3\n', [("1", "x\r\ny\n", "3")]),
        (b'a,b,c\n"a""b","""","a,b"\n', [('a"b', '"', "a,b")]),
        (b"a,b,c\n 1 ,2 , 3\n", [(" 1 ", "2 ", " 3")]),
        (b"a,b,c\nNULL,null,\\N\n", [("NULL", "null", "\\N")]),
        (b"a,b,c\n#1,a\\,c\n", [("#1", "a\\", "c")]),
        (b"a,b,c\n1,x\0y,\x1a\n", [("1", "x\0y", "\x1a")]),
        ("a,b,c\n1,\u2028\u00e9,\u00a0\n".encode(), [("1", "\u2028\u00e9", "\u00a0")]),
        (b"a,b,c\n1,2,3\n\n\n", [("1", "2", "3")]),
        (b"a,b,c\r\n1,2,3\r\n\r\n", [("1", "2", "3")]),
        (b'a\n1\n\n""\n\n', [("",), ("1",), (None,), (None,)]),
        (b"a\r\n1\r\nx", [("1",), ("x",)]),
        (b"a,b,c\n1,\"'\",'2'\n", [("1", "'", "'2'")]),
    ],
)
def test_cells_arrive_as_they_stand(tmp_path: Path, content: bytes, rows: list[Row]) -> None:
    assert read(tmp_path, content)[1] == rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b,c\n1,2,3\n1,2\n", "line 3: found 2 cells, expected 3"),
        (b"a,b,c\n1,2,3,4\n", "line 2: found 4 cells, expected 3"),
        (b"a,b,c\n1,2,3,\n", "line 2: found 4 cells, expected 3"),
        (b'a,b,c\n1,"x\ny",3\n1,2,"3\n', "line 4: a quote is never closed"),
        (b'a,b,c\n1,"2"x,3\n', "line 2: something follows a closing quote"),
        (b'a,b,c\n1,"2" ,3\n', "line 2: something follows a closing quote"),
        (b'a,b,c\n1,2"x,3\n', "line 2: a quote stands inside an unquoted cell"),
        (b'a,b,c\n1, "2",3\n', "line 2: a quote stands inside an unquoted cell"),
        (b"a,b,c\n1,2,3\n\n4,5,6\n", "line 3: is blank"),
        (b"a,b,c\n1,2,3\n \n", "line 3: found 1 cell, expected 3"),
        (b"a,b,c\n1,2,3\r\n", "line 2: the line ends in CRLF, those before it in LF"),
        (b"a,b,c\r\n1,2,3\n", "line 2: the line ends in LF, those before it in CRLF"),
        (b"a,b,c\r1,2,3\r", "line 1: a carriage return stands alone"),
        (b"a,b,c\n1,2,3\n1,\xff,3\n", "line 3: byte 0xff is no UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: byte 0xff is no UTF-8"),
        (b"a,b,a\n1,2,3\n", "line 1: two columns are called 'a'"),
        (b"\n\n", "line 1: is blank, expected a header"),
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
    ],
)
def test_what_is_no_csv_is_refused_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        read(tmp_path, content)


def test_names_may_be_odd(tmp_path: Path) -> None:
    names, rows = read(tmp_path, 'a.b,"c ""d",é,"x\ny",Ärger,A,a\n1,2,3,4,5,6,7\n'.encode())
    assert names == ["a.b", 'c "d', "é", "x\ny", "Ärger", "A", "a"]
    assert rows == [("1", "2", "3", "4", "5", "6", "7")]


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"total,id\n1,2\n")
    with pytest.raises(StoreError, match="did you mean 'total'"):
        scanned_raw(tmp_path, file_reader("lake/t", tmp_path, "t.csv"), natural("Totl"))


def test_a_path_leads_into_a_document_and_keeps_its_digits(tmp_path: Path) -> None:
    content = b'id,doc\n1,"{""a"": {""b"": 1.10}}"\n2,no json\n3,\n'
    (tmp_path / "t.csv").write_bytes(content)
    wanted = [*things(id="int", doc__a__b="text"), *natural("doc")]
    assert scanned_raw(tmp_path, file_reader("lake/t", tmp_path, "t.csv"), wanted) == [
        ("1", "1.10", '{"a": {"b": 1.10}}'),
        ("2", "no json", "no json"),
        ("3", None, None),
    ]


def test_values_are_read_under_the_contract_alone(tmp_path: Path) -> None:
    content = b"i,d,b,ts,by\n007,1.239,T,2026-01-31 12:00,\\x00ff\n"
    (tmp_path / "t.csv").write_bytes(content)
    wanted = things(i="int", d="decimal(10,2)", b="bool", ts="timestamp", by="bytes")
    reader = file_reader("lake/t", tmp_path, "t.csv", timezone="Europe/Berlin")
    assert scanned(tmp_path, reader, wanted) == [("7", "!1.239", "true", "2026-01-31T11:00:00.000000Z", "00ff")]


CELL = st.none() | st.text(st.sampled_from("a\" ,\n\r\0é\u2028\t;\\'#"), max_size=6)


def written(row: Sequence[str | None], delimiter: str, end: str) -> str:
    """One record, quoted where it must be, and now and then where it need not."""
    cells = []
    for cell in row:
        needed = cell is not None and (cell == "" or any(sign in cell for sign in f'"\r\n{delimiter}'))
        quoted = needed or (cell is not None and len(cell) % 2)
        cells.append('"' + (cell or "").replace('"', '""') + '"' if quoted else cell or "")
    return delimiter.join(cells) + end


@settings(max_examples=120)
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=30),
    delimiter=st.sampled_from([",", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    chunk=st.sampled_from([1, 7, 64, csv_check.CHUNK_BYTES]),
    finished=st.booleans(),
)
def test_whatever_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    delimiter: str,
    end: str,
    chunk: int,
    finished: bool,  # noqa: FBT001
) -> None:
    """Every row of every file arrives, cell by cell, however the file is cut into pieces."""
    directory = tmp_path_factory.mktemp("csv")
    name = "t.csv" if delimiter == "," else "t.tsv"
    text = written(("a", "b", "c"), delimiter, end) + "".join(written(row, delimiter, end) for row in rows)
    text = text if finished else text.removesuffix(end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_check, "CHUNK_BYTES", chunk)
        _, found = read(directory, text.encode(), name)
    assert found == sorted(rows, key=lambda row: [(value is None, value) for value in row])


@settings(max_examples=150)
@given(st.text(st.sampled_from('a",\n\r \t'), max_size=24))
def test_a_file_is_read_whole_or_refused(tmp_path_factory: pytest.TempPathFactory, body: str) -> None:
    """Whatever stands in a file: either every record of RFC 4180's grammar arrives, or the file is refused."""
    directory = tmp_path_factory.mktemp("csv")
    try:
        _, found = read(directory, f"a,b\n{body}".encode())
    except StoreError:
        assert _records(body) is None
    else:
        expected = _records(body)
        assert expected is not None
        assert found == sorted(expected, key=lambda row: [(value is None, value) for value in row])


def _records(body: str) -> list[Row] | None:
    """The records of two cells in a text with LF line ends, letter by letter; None where the grammar is broken."""
    body = body.rstrip("\n") if body.strip("\n") else ""
    rows: list[list[str | None]] = []
    position = 0
    while position < len(body):
        row: list[str | None] = []
        while True:
            if body[position : position + 1] == '"':
                end = position + 1
                while end < len(body) and (body[end] != '"' or body[end : end + 2] == '""'):
                    end += 2 if body[end] == '"' else 1
                if end >= len(body):
                    return None
                row.append(body[position + 1 : end].replace('""', '"'))
                position = end + 1
            else:
                end = position
                while end < len(body) and body[end] not in ',\n"\r':
                    end += 1
                row.append(body[position:end] or None)
                position = end
            if body[position : position + 1] not in ("", ",", "\n"):
                return None
            position += 1
            if body[position - 1 : position] != ",":
                break
        if len(row) != 2:
            return None
        rows.append(row)
    return [tuple(row) for row in rows]


def test_a_large_file_with_line_ends_in_its_cells_loses_no_row(tmp_path: Path) -> None:
    """Threads that look for a line to begin with must not be deceived by one within quotes."""
    chance = random.Random(4180)
    lines = ["id,v"]
    total = 0
    for i in range(300_000):
        total += i
        trap = f'"x\n{i},trap\n\n""{i}"","' if chance.random() < 0.1 else "plain"
        lines.append(f"{i},{trap}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    reader = file_reader("lake/t", tmp_path, "t.csv")
    shape = reader.shape()
    assert shape.estimated_rows == 300_000
    rows = scanned_raw(tmp_path, reader, natural("id"))
    assert len(rows) == 300_000
    assert sum(int(row[0] or 0) for row in rows) == total


def test_a_cell_may_be_longer_than_any_piece(tmp_path: Path) -> None:
    long = "x\n" * 6_000_000
    (tmp_path / "t.csv").write_text(f'id,v\n1,"{long}"\n2,b\n')
    rows = scanned_raw(tmp_path, file_reader("lake/t", tmp_path, "t.csv"), natural("id", "v"))
    assert [(row[0], len(row[1] or "")) for row in rows] == [("1", len(long)), ("2", 1)]
