"""SQLite files are read as they are, one value at a time exactly, and nothing is left behind."""

from __future__ import annotations

import os
import sqlite3
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.readers.sqlite.connection import SqliteConnection
from auditor.readers.sqlite.reader import SqliteReader
from contracts.errors import StoreError
from contracts.logical_types import Kind
from reconcilers.ports import Wanted
from tests.conformance.delivery import (
    canonical_texts,
    found,
    keys,
    natural,
    raw_texts,
    scanned,
    scanned_raw,
    things,
    workspace_in,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def database(directory: Path, *statements: str, name: str = "shop.db") -> Path:
    path = directory / name
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return path


def reader(path: Path, relation: str = "t", **options: Any) -> SqliteReader:
    return SqliteReader(f"shop/{relation}", path, relation, **options)


# -- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logical", "expression", "expected"),
    [
        ("int", "9223372036854775807", "9223372036854775807"),
        ("int", "-9223372036854775808", "-9223372036854775808"),
        ("int", "'007'", "7"),
        ("int", "'abc'", "!abc"),
        ("int", "3.0", "3"),
        ("int", "3.5", "!3.5"),
        ("int", "x'3137'", "!\\x3137"),
        ("decimal(20,2)", "0.1 + 0.2", "!0.30000000000000004"),
        ("decimal(20,2)", "'1.10'", "1.10"),
        ("decimal(20,2)", "1.1", "1.10"),
        ("decimal(20,2)", "1e15", "1000000000000000.00"),
        ("decimal(20,2)", "'1e3'", "1000.00"),
        ("decimal(20,2)", "'NaN'", "NaN"),
        ("decimal(20,2)", "9e999", "infinity"),
        ("decimal(20,2)", "'12345678901234567.89'", "12345678901234567.89"),
        ("float", "2", "2.0"),
        ("float", "-0.0", "0.0"),
        ("float", "-9e999", "-infinity"),
        ("text", "''", ""),
        ("text", "NULL", None),
        ("text", "'a' || char(0) || 'b'", "a\0b"),
        ("text", "CAST(x'61ff62' AS TEXT)", "a\ufffdffb"),
        ("text", "x'00ff'", "\\x00ff"),
        ("text", "12", "12"),
        ("text", "1.5", "1.5"),
        ("bool", "1", "true"),
        ("bool", "0", "false"),
        ("bool", "'t'", "true"),
        ("bool", "'FALSE'", "false"),
        ("bool", "1.0", "true"),
        ("bool", "2", "!2"),
        ("uuid", "x'a0eebc999c0b4ef8bb6d6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("bytes", "x'00ff'", "00ff"),
        ("bytes", "x''", ""),
        ("bytes", "'zz'", "!zz"),
        ("timestamp", "'2026-01-31T12:00:00Z'", "2026-01-31T12:00:00.000000Z"),
        ("timestamp", "'2026-01-31 12:00:00.123456+02:00'", "2026-01-31T10:00:00.123456Z"),
        ("timestamp", "'2026-01-31 12:00:00'", "2026-01-31T11:00:00.000000Z"),
        ("timestamp", "1769860800", "!1769860800"),
        ("timestamp", "2461072.0", "!2461072.0"),
        ("date", "'2026-01-31'", "2026-01-31"),
        ("date", "20260131", "!20260131"),
        ("time", "'24:00:00'", "24:00:00.000000"),
        ("json", '\'{"b": 1.10, "a": 12345678901234567890.1}\'', '{"a":12345678901234567890.1,"b":1.1}'),
        ("list<decimal(4,2)>", "'[1.10, null]'", '["1.10",null]'),
        ("interval", "'P1DT2H'", "P1DT2H"),
    ],
)
def test_every_storage_class_comes_out_as_it_went_in(
    tmp_path: Path, logical: str, expression: str, expected: str | None
) -> None:
    """SQLite types values, not columns: whatever a value is stored as, it arrives whole, or as what it really is."""
    path = database(tmp_path, "CREATE TABLE t (v)", f"INSERT INTO t VALUES ({expression})")
    assert scanned(tmp_path, reader(path, timezone="Europe/Berlin"), things(v=logical)) == [(expected,)]
    # beside values of other classes, which change the way that the column takes
    database(tmp_path, "INSERT INTO t VALUES (x'ffff'), ('text'), (17), (17.5), (NULL)")
    assert (expected,) in scanned(tmp_path, reader(path, timezone="Europe/Berlin"), things(v=logical))


@pytest.mark.parametrize("declared", ["INTEGER", "NUMERIC", "REAL", "TEXT", "BLOB", ""])
@pytest.mark.parametrize("logical", ["decimal(38,10)", "float"])
def test_numbers_survive_every_affinity(tmp_path: Path, declared: str, logical: str) -> None:
    path = database(
        tmp_path, f"CREATE TABLE t (v {declared})", "INSERT INTO t VALUES (0.1), (7), (-2.5), (1e3), (NULL)"
    )
    expected = {"decimal(38,10)": ["-2.5000000000", "0.1000000000", "1000.0000000000", "7.0000000000", None]}
    texts = expected.get(logical, ["-2.5", "0.1", "1000.0", "7.0", None])
    assert scanned(tmp_path, reader(path), things(v=logical)) == [(text,) for text in texts]


@settings(max_examples=30)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=50))
def test_no_real_is_rounded(tmp_path_factory: pytest.TempPathFactory, numbers: Sequence[float]) -> None:
    """SQLite's own text of a real rounds; ours reads back as the same double."""
    directory = tmp_path_factory.mktemp("reals")
    path = database(directory, "CREATE TABLE t (v REAL, w)")
    connection = sqlite3.connect(path)
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(number, number) for number in numbers])
    connection.execute("INSERT INTO t VALUES (NULL, 'text')")
    connection.commit()
    connection.close()
    rows = scanned_raw(directory, reader(path), things(v="float", w="float"))
    expected = sorted(struct.pack("<d", number + 0.0) for number in numbers)
    for column in (0, 1):
        texts = [row[column] for row in rows if row[column] not in (None, "text")]
        assert sorted(struct.pack("<d", float(text or "") + 0.0) for text in texts) == expected


def test_text_that_is_no_utf8_spoils_nothing_else(tmp_path: Path) -> None:
    """One bad value is one odd value, wherever in the table it stands."""
    path = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    connection = sqlite3.connect(path)
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"v{i}") for i in range(5_000)])
    connection.execute("INSERT INTO t VALUES (5000, CAST(x'ff' AS TEXT))")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"v{i}") for i in range(5_001, 9_000)])
    connection.commit()
    connection.close()
    rows = {row[0]: row[1] for row in scanned(tmp_path, reader(path), things(id="int", v="text"))}
    assert len(rows) == 9_000
    assert rows["5000"] == "\ufffdff"
    assert all(rows[str(i)] == f"v{i}" for i in range(9_000) if i != 5_000)


def test_columns_that_are_surely_numbers_arrive_as_numbers(tmp_path: Path) -> None:
    """Native types make keys cheap to join; they are used where the data, or SQLite's rules, prove them."""
    path = database(
        tmp_path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, d NUMERIC, r REAL, m INT)",
        "INSERT INTO t VALUES (1, 5, 1.5, 2, 'x'), (2, NULL, 3, 2.5, 4)",
    )
    wanted = things(id="int", n="int", d="decimal(9,2)", r="float", m="int")
    with workspace_in(tmp_path) as workspace, reader(path).snapshot(workspace) as snapshot:
        kinds = [column.duckdb_type for column in snapshot.scan(wanted).columns]
    assert kinds == ["BIGINT", "BIGINT", "DOUBLE", "DOUBLE", "VARCHAR"]


def test_a_path_leads_into_a_document_and_keeps_its_digits(tmp_path: Path) -> None:
    path = database(
        tmp_path,
        'CREATE TABLE t (id INTEGER PRIMARY KEY, doc TEXT, "doc.x" TEXT)',
        """INSERT INTO t VALUES
           (1, '{"a": {"b": 0.10000000000000000555, "c.d": "x"}, "n": null, "l": [1.10, "é"]}', 'own'),
           (2, 'no json', NULL), (3, NULL, NULL)""",
    )
    wanted = things(doc__a__b="decimal(30,20)", doc__a__c__d="text", doc__n="text", doc__l="json", doc__l__1="text")
    wanted += natural("doc.x")
    assert scanned_raw(tmp_path, reader(path), [*things(id="int"), *wanted]) == [
        ("1", "0.10000000000000000555", "x", None, '[1.10,"é"]', "é", "own"),
        ("2", "no json", "no json", "no json", "no json", "no json", None),
        ("3", None, None, None, None, None, None),
    ]


# -- shape -----------------------------------------------------------------------------------------------------------


def test_shape_tells_columns_types_keys_and_indexes(tmp_path: Path) -> None:
    path = database(
        tmp_path,
        'CREATE TABLE "Mixed Case" (Id INTEGER PRIMARY KEY, "odd ""name" VARCHAR(10) NOT NULL UNIQUE, p DECIMAL(10,2), '
        "b BOOLEAN, u UUID, d DATE, ts DATETIME, j JSON, x, big BIGINT NOT NULL, "
        "g INT GENERATED ALWAYS AS (big + 1) STORED)",
        'CREATE UNIQUE INDEX partial ON "Mixed Case" (big) WHERE big > 0',
        'CREATE UNIQUE INDEX expressed ON "Mixed Case" (big, abs(p))',
        'CREATE UNIQUE INDEX pair ON "Mixed Case" (big, "odd ""name")',
        'CREATE UNIQUE INDEX nullable ON "Mixed Case" (p)',
        'INSERT INTO "Mixed Case" (Id, "odd ""name", big) VALUES (7, \'a\', 1), (9, \'b\', 2)',
    )
    shape = reader(path, "Mixed Case").shape()
    kinds = {column.name: column.logical.kind if column.logical else None for column in shape.columns}
    assert kinds == {
        "Id": Kind.INT,
        'odd "name': Kind.TEXT,
        "p": Kind.DECIMAL,
        "b": Kind.BOOL,
        "u": Kind.UUID,
        "d": Kind.DATE,
        "ts": Kind.TIMESTAMP,
        "j": Kind.JSON,
        "x": None,
        "big": Kind.INT,
        "g": Kind.INT,
    }
    assert set(shape.unique_keys) == {("Id",), ('odd "name',), ("big", 'odd "name')}
    assert ("big", 'odd "name') in shape.indexed
    assert ("big",) in shape.indexed
    assert [column.name for column in shape.columns if not column.nullable] == ["Id", 'odd "name', "big"]
    assert shape.estimated_rows == 9
    assert shape.estimated_bytes == path.stat().st_size


def test_keys_that_may_hold_null_or_text_are_told_apart(tmp_path: Path) -> None:
    """A PRIMARY KEY that is no rowid may hold NULL, by an old mistake of SQLite's that files rely on."""
    path = database(
        tmp_path,
        "CREATE TABLE loose (id TEXT PRIMARY KEY)",
        "CREATE TABLE without (a TEXT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "CREATE TABLE strict_one (id INT PRIMARY KEY, v TEXT) STRICT",
        "CREATE TABLE descending (id INTEGER PRIMARY KEY DESC)",
        "CREATE TABLE keyless (v TEXT)",
        "CREATE VIEW seen AS SELECT a, b FROM without",
    )
    assert reader(path, "loose").shape().unique_keys == ()
    assert reader(path, "without").shape().unique_keys == (("a", "b"),)
    assert reader(path, "strict_one").shape().unique_keys == (("id",),)
    assert reader(path, "descending").shape().unique_keys == ()
    assert reader(path, "keyless").shape().unique_keys == ()
    assert [column.name for column in reader(path, "seen").shape().columns] == ["a", "b"]


def test_relations_are_found_as_sqlite_finds_them(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE Orders (id INTEGER PRIMARY KEY)", 'CREATE TABLE "a.b" (x INT)')
    for relation in ("Orders", "orders", "main.Orders", "a.b"):
        assert reader(path, relation).shape().columns


def test_a_query_stands_in_for_a_relation(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)", "INSERT INTO t VALUES (1, 2), (3, 4)")
    wanted = things(k="int", twice="int")
    query = reader(path, "", query="SELECT id AS k, n * 2 AS twice FROM t -- all of them\n;")
    assert scanned(tmp_path, query, wanted) == [("1", "4"), ("3", "8")]
    assert found(tmp_path, query, wanted, keys(wanted[:1], ("3",))) == [("3", "8")]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "SELECT 1; DELETE FROM t",
        "SELECT 1) ; DELETE FROM t; SELECT * FROM (SELECT 1",
        "WITH x AS (SELECT 1) DELETE FROM t RETURNING id",
        "SELECT load_extension('x')",
        "SELECT * FROM nowhere",
        "PRAGMA journal_mode = delete",
        "",
    ],
)
def test_no_query_can_write(tmp_path: Path, query: str) -> None:
    path = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="shop/q"):
        scanned_raw(tmp_path, SqliteReader("shop/q", path, "", query=query or " "), natural("id"))
    assert path.read_bytes() == before


# -- by key ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", ["INTEGER", "TEXT", "", "REAL", "NUMERIC"])
def test_a_key_is_found_however_it_is_stored(tmp_path: Path, declared: str) -> None:
    """'1' and 1 are different keys to SQLite where no affinity makes them one."""
    path = database(tmp_path, f"CREATE TABLE t (k {declared})", "INSERT INTO t VALUES (1), ('1'), (1.5), ('x'), (NULL)")
    wanted = things(k="text")
    ones = found(tmp_path, reader(path), wanted, keys(wanted, ("1",)))
    assert len(ones) == 2
    assert found(tmp_path, reader(path), wanted, keys(wanted, ("1.5",))) == [("1.5",)]
    assert found(tmp_path, reader(path), wanted, keys(wanted, ("x",))) == [("x",)]
    assert found(tmp_path, reader(path), wanted, keys(wanted, ("nothing",), ("",))) == []


def test_uuid_and_bytes_keys_are_found_in_every_form(tmp_path: Path) -> None:
    text = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    bare = text.replace("-", "")
    path = database(
        tmp_path,
        "CREATE TABLE t (k)",
        f"INSERT INTO t VALUES ('{text}'), ('{text.upper()}'), ('{bare}'), (x'{bare}'), ('other')",
    )
    assert len(found(tmp_path, reader(path), things(k="uuid"), keys(things(k="uuid"), (text,)))) == 4
    assert found(tmp_path, reader(path), things(k="bytes"), keys(things(k="bytes"), (bare,)))


def test_composite_keys_find_whole_rows_only_once(tmp_path: Path) -> None:
    path = database(
        tmp_path,
        "CREATE TABLE t (a INTEGER, b TEXT, v TEXT, PRIMARY KEY (a, b))",
        "INSERT INTO t VALUES (1, 'x', 'one'), (1, 'y', 'two'), (11, 'x', 'three'), (2, 'x', 'four')",
    )
    wanted = things(a="int", b="text", v="text")
    sought = keys(wanted[:2], ("1", "x"), ("01", "x"), ("2", "x"), ("2", "y"))
    assert found(tmp_path, reader(path), wanted, sought) == [("1", "x", "one"), ("2", "x", "four")]


def test_a_lookup_uses_the_index(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE t (a INTEGER, b TEXT, PRIMARY KEY (a, b))")
    connection = sqlite3.connect(path)
    connection.execute("ATTACH ':memory:' AS audit_keys")
    connection.execute("CREATE TABLE audit_keys.keys_1 (k0, k1)")
    plan = connection.execute(
        'EXPLAIN QUERY PLAN SELECT a FROM "t" WHERE ("a", "b") IN (SELECT * FROM audit_keys.keys_1)'
    ).fetchall()
    connection.close()
    assert any("SEARCH t USING" in row[3] for row in plan)


def test_a_key_inside_a_document_is_found_by_reading_all(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE t (doc TEXT)", """INSERT INTO t VALUES ('{"id": 1}'), ('{"id": 2}')""")
    wanted = things(doc__id="int", doc="json")
    assert found(tmp_path, reader(path), wanted, keys(wanted[:1], ("2",))) == [("2", '{"id":2}')]


# -- consistency, locks, traces ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_one_snapshot_spans_all_statements_while_others_write(tmp_path: Path, mode: str) -> None:
    """The bank test: money moves between accounts all the time, and every scan sees every cent once."""
    path = database(tmp_path, f"PRAGMA journal_mode = {mode}", "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
    connection = sqlite3.connect(path)
    connection.executemany("INSERT INTO t VALUES (?, 100)", [(i,) for i in range(2_000)])
    connection.commit()
    connection.close()
    over = threading.Event()
    moved = threading.Semaphore(0)

    def move() -> None:
        teller = sqlite3.connect(path, isolation_level=None, timeout=60)
        teller.execute("PRAGMA synchronous = off")
        turn = 0
        while not over.is_set():
            turn += 1
            teller.execute("BEGIN IMMEDIATE")
            teller.execute("UPDATE t SET v = v - 1 WHERE id = ?", (turn % 2_000,))
            teller.execute("UPDATE t SET v = v + 1 WHERE id = ?", (turn * 7 % 2_000,))
            teller.execute("COMMIT")
            moved.release()
        teller.close()

    thread = threading.Thread(target=move)
    thread.start()
    try:
        with workspace_in(tmp_path) as workspace:
            for _ in range(20):
                assert moved.acquire(timeout=30)
                with reader(path, lock_timeout=60).snapshot(workspace) as snapshot:
                    assert snapshot.watermark.isolation == "snapshot"
                    relation = snapshot.scan(things(id="int", v="int"))
                    values = relation.columns[1].sql
                    for _ in range(2):
                        snapshot.load(f"SELECT count(*), sum({values}) FROM {relation.sql}", "balance")
                        assert workspace.cursor().execute("SELECT * FROM balance").fetchall() == [(2_000, 200_000)]
                    assert snapshot.incomplete() == ""
    finally:
        over.set()
        thread.join()


def neighbours(path: Path) -> list[str]:
    return sorted(other.name for other in path.parent.iterdir() if other.name.startswith(path.name))


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "wal"])
def test_reading_leaves_no_trace(tmp_path: Path, mode: str) -> None:
    """No byte changes, no file appears beside the database, in every journal mode."""
    path = database(
        tmp_path, f"PRAGMA journal_mode = {mode}", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)"
    )
    before, beside, written = path.read_bytes(), neighbours(path), path.stat().st_mtime_ns
    with workspace_in(tmp_path) as workspace, reader(path).snapshot(workspace) as snapshot:
        assert raw_texts(workspace, snapshot, snapshot.scan(natural("id"))) == [("1",)]
        assert raw_texts(workspace, snapshot, snapshot.lookup(natural("id"), keys(things(id="int"), ("1",)))) == [
            ("1",)
        ]
        assert neighbours(path) == beside
        assert snapshot.incomplete() == ""
    assert (path.read_bytes(), neighbours(path), path.stat().st_mtime_ns) == (before, beside, written)


def test_a_live_write_ahead_log_is_read(tmp_path: Path) -> None:
    """What a writer has committed but not yet moved into the file counts."""
    path = database(tmp_path, "PRAGMA journal_mode = wal", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("INSERT INTO t VALUES (1)")
    assert scanned(tmp_path, reader(path), things(id="int")) == [("1",)]
    with workspace_in(tmp_path) as workspace, reader(path).snapshot(workspace) as snapshot:
        writer.execute("INSERT INTO t VALUES (2)")
        wanted = things(id="int")
        assert canonical_texts(workspace, snapshot, snapshot.scan(wanted), wanted) == [("1",)]
        assert snapshot.incomplete() == ""
    writer.close()


def test_a_writer_who_comes_to_an_idle_write_ahead_database_is_noticed(tmp_path: Path) -> None:
    path = database(tmp_path, "PRAGMA journal_mode = wal", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with workspace_in(tmp_path) as workspace, reader(path).snapshot(workspace) as snapshot:
        assert snapshot.incomplete() == ""
        database(tmp_path, "INSERT INTO t VALUES (1)")
        assert "was written to" in snapshot.incomplete()


def test_the_watermark_moves_when_something_is_written(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with workspace_in(tmp_path) as workspace:
        with reader(path).snapshot(workspace) as first, reader(path).snapshot(workspace) as again:
            assert first.watermark.position == again.watermark.position
        database(tmp_path, "INSERT INTO t VALUES (1)")
        with reader(path).snapshot(workspace) as second:
            assert second.watermark.position != first.watermark.position
            assert second.watermark.display.startswith("written 2")


def test_another_reader_of_the_same_file_does_not_take_the_lock_away(tmp_path: Path) -> None:
    """POSIX locks belong to the process: closing any descriptor of the file would drop them all."""
    path = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    write = f"import sqlite3; c = sqlite3.connect({str(path)!r}, timeout=0); c.execute('DELETE FROM t'); c.commit()"

    def somebody_else_writes() -> bool:
        return subprocess.run([sys.executable, "-c", write], capture_output=True, check=False).returncode == 0

    with workspace_in(tmp_path) as workspace, reader(path).snapshot(workspace) as snapshot:
        reader(path).shape()
        with reader(path).snapshot(workspace):
            pass
        with pytest.raises(StoreError):
            reader(path, "nowhere").shape()
        assert not somebody_else_writes()
        assert raw_texts(workspace, snapshot, snapshot.scan(natural("id"))) == [("1",)]
    assert somebody_else_writes()


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("this system does not list open files")
    with SqliteConnection(path, "shop/t"):
        for _ in range(3):
            reader(path).shape()
    for _ in range(3):
        with pytest.raises(StoreError):
            reader(tmp_path).shape()
    assert not [link for link in descriptors.iterdir() if link.is_symlink() and str(link.readlink()) == str(path)]


def test_a_locked_database_is_a_clear_error_after_the_timeout(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"database is locked[\s\S]*lock_timeout"):
        scanned(tmp_path, reader(path, lock_timeout=0.1), things(id="int"))
    with pytest.raises(StoreError, match="database is locked"):
        reader(path, lock_timeout=0.1).shape()
    writer.close()


def test_a_directory_that_cannot_be_written_is_no_hindrance(tmp_path: Path) -> None:
    """Run as somebody who may write neither the file nor its directory, in both modes."""
    public = tmp_path / "public"
    public.mkdir()
    for mode in ("wal", "delete"):
        database(
            public,
            f"PRAGMA journal_mode = {mode}",
            "CREATE TABLE t (id INTEGER)",
            "INSERT INTO t VALUES (1)",
            name=f"{mode}.db",
        )
        (public / f"{mode}.db").chmod(0o444)
    public.chmod(0o555)
    program = (
        "import os, sys\n"
        "from auditor.readers.sqlite.connection import SqliteConnection\n"
        "from pathlib import Path\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for name in sys.argv[1:]:\n"
        "    with SqliteConnection(Path(name), name) as connection:\n"
        "        print(connection.sql.execute('SELECT id FROM t').fetchall())\n"
    )
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o055)
    ran = subprocess.run(
        [sys.executable, "-c", program, str(public / "wal.db"), str(public / "delete.db")],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    public.chmod(0o755)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == ["[(1,)]", "[(1,)]"]
    assert sorted(path.name for path in public.iterdir()) == ["delete.db", "wal.db"]


# -- what can be wrong -------------------------------------------------------------------------------------------------


def test_a_missing_file_is_never_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(StoreError, match="there is no file"):
        reader(path).shape()
    assert not path.exists()


@pytest.mark.parametrize("content", [b"hello, I am no database at all", b"SQLite format 3\0 and then nonsense" * 100])
def test_what_is_no_database_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "note.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="shop/t"):
        reader(path).shape()
    with pytest.raises(StoreError, match="shop/t"):
        reader(tmp_path).shape()


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(StoreError, match="no table or view 't'"):
        reader(path).shape()
    assert path.stat().st_size == 0


def test_a_missing_relation_or_column_names_the_nearest(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
    with pytest.raises(StoreError, match=r"'Ordres'[\s\S]*did you mean 'orders'"):
        reader(path, "Ordres").shape()
    with pytest.raises(StoreError, match=r"'totl'[\s\S]*did you mean 'total'"):
        scanned(tmp_path, reader(path, "orders"), things(totl="float"))


def test_a_dry_run_shows_the_statement(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
    wanted = things(id="int", total="float")
    assert reader(path, "orders").dry_run(wanted) == 'SELECT "id", "total" FROM "orders"'


def test_wide_rows_are_carried_in_small_batches(tmp_path: Path) -> None:
    """A batch is limited by bytes, so that rows of a megabyte do not come by the thousand."""
    path = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    connection = sqlite3.connect(path)
    connection.executemany("INSERT INTO t VALUES (?, ?)", ((i, "x" * 1_000_000) for i in range(200)))
    connection.commit()
    connection.close()
    with workspace_in(tmp_path) as workspace, reader(path).snapshot(workspace) as snapshot:
        relation = snapshot.scan([Wanted("v", None)])
        snapshot.load(f"SELECT sum(length({relation.columns[0].sql})) AS n FROM {relation.sql}", "sizes")
        assert workspace.cursor().execute("SELECT n FROM sizes").fetchall() == [(200_000_000,)]
