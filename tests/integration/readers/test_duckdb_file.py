"""DuckDB files are attached read-only, and let go afterwards."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

from auditor.readers.duckdb_file import DuckDbReader
from contracts.errors import StoreError
from contracts.logical_types import Kind
from tests.conformance.delivery import found, keys, natural, scanned, scanned_raw, things, workspace_in

if TYPE_CHECKING:
    from pathlib import Path


def database(directory: Path, *statements: str) -> Path:
    path = directory / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in statements:
            connection.execute(statement)
    return path


def reader(path: Path, relation: str = "t", **options: str) -> DuckDbReader:
    return DuckDbReader(f"shop/{relation}", path, relation, **options)


@pytest.mark.parametrize(
    ("declared", "logical", "expression", "expected"),
    [
        ("HUGEINT", "int", "170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
        ("UBIGINT", "int", "18446744073709551615", "18446744073709551615"),
        ("DECIMAL(38,10)", "decimal(38,10)", "'1234567890123456789012345678.0123456789'", None),
        ("FLOAT", "float", "0.1", "0.1"),
        ("DOUBLE", "decimal(3,1)", "0.1", "0.1"),
        ("VARCHAR", "text", "'a' || chr(0) || 'ä'", "a\0ä"),
        ("ENUM('a', 'b')", "enum(a,b)", "'b'", "b"),
        ("BLOB", "bytes", "'\\x00\\xFF'::BLOB", "00ff"),
        ("UUID", "uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("DATE", "date", "'infinity'", "infinity"),
        ("TIME", "time", "'24:00:00'", "24:00:00.000000"),
        ("TIMESTAMP", "timestamp", "'0001-01-01'", "0001-01-01T00:00:00.000000Z"),
        ("TIMESTAMPTZ", "timestamp", "'2026-01-31 12:00:00+02'", "2026-01-31T10:00:00.000000Z"),
        ("TIMESTAMP_NS", "timestamp", "'2026-01-31 12:00:00.123456789'", "!2026-01-31 12:00:00.123456789"),
        ("INTERVAL", "interval", "INTERVAL '1 month 2 days 3.5 seconds'", "P1M2DT3.5S"),
        ("JSON", "json", '\'{"b": 12345678901234567890.10, "a": 1}\'', '{"a":1,"b":12345678901234567890.1}'),
        ("DECIMAL(9,2)[]", "list<decimal(9,2)>", "[1.10, NULL]", '["1.10",null]'),
        ("INTEGER[2][]", "list<list<int>>", "[[1, 2]]", '[["1","2"]]'),
        ("BLOB[]", "list<bytes>", "['\\xFF'::BLOB]", '["ff"]'),
        ("STRUCT(a FLOAT, b DECIMAL(9,2))", "json", "{'a': 0.1, 'b': 1.10}", '{"a":0.1,"b":1.1}'),
        ("MAP(VARCHAR, INTEGER)", "json", "MAP {'k': 1}", '{"k":1}'),
    ],
)
def test_every_type_arrives_whole(
    tmp_path: Path, declared: str, logical: str, expression: str, expected: str | None
) -> None:
    path = database(tmp_path, f"CREATE TABLE t (v {declared}, l INT[])", f"INSERT INTO t VALUES ({expression}, [1])")
    expected = expression.strip("'") if expected is None else expected
    assert scanned(tmp_path, reader(path), things(v=logical)) == [(expected,)]
    # beside a column that forces the way through Arrow
    assert scanned(tmp_path, reader(path), things(v=logical, l="list<int>")) == [(expected, '["1"]')]


def test_paths_lead_into_structs_and_documents(tmp_path: Path) -> None:
    path = database(
        tmp_path,
        "CREATE TABLE t (s STRUCT(a STRUCT(b DECIMAL(9,2)), j JSON), doc JSON)",
        """INSERT INTO t VALUES ({'a': {'b': 1.10}, 'j': '{"x": 2.20}'}, '{"y": [3.30]}'), (NULL, NULL)""",
    )
    wanted = natural("s.a.b", "s.j.x", "doc.y.0", "s.none")
    assert scanned_raw(tmp_path, reader(path), wanted) == [("1.10", "2.20", "3.30", None), (None,) * 4]
    wanted = things(s__a__b="decimal(9,2)")
    assert found(tmp_path, reader(path), wanted, keys(wanted, ("1.1",))) == [("1.10",)]


def test_schemas_views_keys_and_queries(tmp_path: Path) -> None:
    path = database(
        tmp_path,
        "CREATE SCHEMA sales",
        'CREATE TABLE sales."Order Items" (a INT, b VARCHAR, v DOUBLE, w INT UNIQUE, PRIMARY KEY (a, b))',
        "INSERT INTO sales.\"Order Items\" VALUES (1, 'x', 1.5, NULL), (1, 'y', 2.5, 2)",
        'CREATE VIEW seen AS SELECT * FROM sales."Order Items"',
    )
    shape = reader(path, "sales.Order Items").shape()
    assert shape.unique_keys == (("a", "b"),)
    assert shape.estimated_rows == 2
    assert [column.logical.kind for column in shape.columns if column.logical] == [
        Kind.INT,
        Kind.TEXT,
        Kind.FLOAT,
        Kind.INT,
    ]
    wanted = things(a="int", b="text")
    for source in (reader(path, "seen"), reader(path, "", query='SELECT a, b FROM sales."Order Items";')):
        assert scanned(tmp_path, source, wanted) == [("1", "x"), ("1", "y")]
        assert found(tmp_path, source, wanted, keys(wanted, ("1", "y"), ("2", "y"))) == [("1", "y")]
    with pytest.raises(StoreError, match="did you mean 'seen'"):
        reader(path, "seem").shape()


def test_two_snapshots_of_one_file_share_it_and_let_it_go(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (1)", "CREATE TABLE u AS FROM t")
    with workspace_in(tmp_path) as workspace:
        with reader(path).snapshot(workspace) as first:
            with reader(path, "u").snapshot(workspace) as second:
                for snapshot in (first, second):
                    assert snapshot.load(f"SELECT * FROM {snapshot.scan(natural('id')).sql}", "rows") == 1
            assert first.load(f"SELECT * FROM {first.scan(natural('id')).sql}", "rows") == 1
            assert first.incomplete() == ""
        with pytest.raises(StoreError), reader(path, "none").snapshot(workspace):
            pass
        database(tmp_path, "INSERT INTO t VALUES (2)")  # a writer may come again
        with reader(path).snapshot(workspace) as third:
            assert third.load(f"SELECT * FROM {third.scan(natural('id')).sql}", "rows") == 2
            assert third.watermark.position != first.watermark.position


@pytest.mark.parametrize("query", ["", "SELECT id FROM t"])
def test_tables_of_the_workspace_are_seen_beside_the_file(tmp_path: Path, query: str) -> None:
    """A recheck looks for the keys of its suspects, which are kept in the workspace."""
    path = database(tmp_path, "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (1), (2)")
    with workspace_in(tmp_path) as workspace:
        workspace.cursor().execute("CREATE TABLE suspects AS SELECT 2 AS id")
        with reader(path, "" if query else "t", query=query).snapshot(workspace) as snapshot:
            rows = snapshot.scan(natural("id"))
            assert snapshot.load(f"SELECT * FROM {rows.sql} WHERE c0 IN (FROM suspects)", "found") == 1


def test_a_file_that_somebody_writes_to_is_a_clear_error(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE t (id INT)")
    program = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match="another process writes to it"):
            scanned_raw(tmp_path, reader(path), natural("id"))
        with pytest.raises(StoreError, match="another process writes to it"):
            reader(path).shape()
        writer.communicate(timeout=30)


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE t",
        "SELECT 1; DROP TABLE t",
        "SELECT 1) ; DROP TABLE t; SELECT * FROM (SELECT 1",
        "COPY t TO 'x.csv'",
        "SELECT * FROM nowhere",
        "",
    ],
)
def test_no_query_can_write(tmp_path: Path, query: str) -> None:
    path = database(tmp_path, "CREATE TABLE t (id INT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="shop/q"):
        scanned_raw(tmp_path, DuckDbReader("shop/q", path, "", query=query or " "), natural("id"))
    assert path.read_bytes() == before


def test_missing_files_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no file"):
        reader(tmp_path / "none.duckdb").shape()
    assert not (tmp_path / "none.duckdb").exists()
    (tmp_path / "note.duckdb").write_text("hello")
    with pytest.raises(StoreError, match="cannot be opened"):
        reader(tmp_path / "note.duckdb").shape()
    with pytest.raises(StoreError, match="cannot be opened"):
        scanned_raw(tmp_path, reader(tmp_path / "note.duckdb"), natural("id"))
