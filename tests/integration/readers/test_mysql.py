"""The MySQL reader against real MariaDB and MySQL servers: exact, consistent, read-only, clear when it fails."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
import uuid
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import duckdb
import pymysql
import pytest

from auditor.readers.connection import ConnectionParts, TlsParts
from auditor.readers.mysql import keys as mysql_keys
from auditor.readers.mysql import session as mysql_session
from auditor.readers.mysql.reader import MySqlReader
from auditor.readers.native import load_scanner
from contracts.errors import StoreError
from contracts.logical_types import parse_logical_type
from reconcilers.canonical import canonical
from reconcilers.ports import Keys, Wanted
from reconcilers.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from auditor.readers.mysql.reader import MySqlSnapshot
    from tests.services import MariaDB, MySQL

    Server = MariaDB | MySQL

Rows = list[tuple[Any, ...]]


@pytest.fixture(params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path) as opened:
        yield opened


class Shop:
    """A fresh database, its statements and its readers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        url = urlsplit(server.fresh_database("reader"))
        self.database = url.path[1:]
        self.parts = ConnectionParts(
            server.scheme,
            url.hostname or "",
            url.port,
            url.username or "",
            url.password or "",
            self.database,
        )

    def run(self, *statements: str) -> Rows:
        """As superuser, with a sql_mode that lets everything in."""
        return self.server.admin("SET sql_mode = '', time_zone = '+00:00'", *statements, database=self.database)

    def reader(self, relation: str | None = "t", query: str | None = None, **parts: Any) -> MySqlReader:
        return MySqlReader("shop/t", replace(self.parts, **parts), None if query else relation, query)


@pytest.fixture
def shop(server: Server) -> Shop:
    return Shop(server)


def wanted(path: str, logical: str | None = None, timezone: str | None = None) -> Wanted:
    return Wanted(path, parse_logical_type(logical) if logical else None, timezone)


def rows_of(snapshot: MySqlSnapshot, workspace: Workspace, *things: Wanted, keys: Keys | None = None) -> Rows:
    """What the reader delivers, through DuckDB."""
    relation = snapshot.lookup(things, keys) if keys else snapshot.scan(things)
    snapshot.load(f"SELECT {', '.join(column.sql for column in relation.columns)} FROM {relation.sql}", "loaded")
    return workspace.cursor().execute('FROM "loaded" ORDER BY ALL').fetchall()


def read(reader: MySqlReader, workspace: Workspace, *things: Wanted, keys: Keys | None = None) -> Rows:
    with reader.snapshot(workspace) as snapshot:
        return rows_of(snapshot, workspace, *things, keys=keys)


def series(count: int) -> str:
    """A subquery that gives n from 0 to one below the count."""
    return f"(WITH RECURSIVE r AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM r WHERE n < {count - 1}) SELECT n FROM r)"


def find(reader: MySqlReader, workspace: Workspace, path: str, logical: str, *candidates: str) -> list[Any]:
    """The ids of the rows whose column has one of these values."""
    key = wanted(path, logical)
    keys = Keys((key,), [((candidate,),) for candidate in candidates])
    return [row[0] for row in read(reader, workspace, wanted("id", "int"), keys=keys)]


# --- values -----------------------------------------------------------------------------------------------------------

VALUES: list[tuple[str, str, list[tuple[str, Any]]]] = [
    # column type, DuckDB type it arrives with, (what is inserted, what must arrive)
    ("tinyint(1)", "BIGINT", [("2", 2), ("-128", -128), ("0", 0)]),
    ("smallint", "BIGINT", [("-32768", -32768)]),
    ("mediumint unsigned", "BIGINT", [("16777215", 16777215)]),
    ("int(8) unsigned zerofill", "BIGINT", [("42", 42), ("4294967295", 4294967295)]),
    ("bigint", "BIGINT", [("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)]),
    ("bigint unsigned", "UBIGINT", [("18446744073709551615", 2**64 - 1)]),
    ("decimal(10,2)", "DECIMAL(10,2)", [("-0.01", Decimal("-0.01")), ("99999999.99", Decimal("99999999.99"))]),
    ("decimal(38,30)", "DECIMAL(38,30)", [("1e-30", Decimal("1e-30"))]),
    ("decimal(39,0)", "VARCHAR", [("9" * 39, "9" * 39)]),
    ("decimal(65,30)", "VARCHAR", [("9" * 35 + "." + "1" * 30, "9" * 35 + "." + "1" * 30)]),
    (
        "float",
        "FLOAT",
        [("16777215", 16777215.0), ("1.234567", 1.2345670461654663), ("3.4028234e38", 3.4028234663852886e38)],
    ),
    ("double", "DOUBLE", [("1.7976931348623157e308", 1.7976931348623157e308), ("5e-324", 5e-324), ("0.1", 0.1)]),
    ("double(20,5)", "DOUBLE", [("1234.5", 1234.5)]),
    ("bit(1)", "UBIGINT", [("b'1'", 1), ("b'0'", 0)]),
    ("bit(64)", "UBIGINT", [("18446744073709551615", 2**64 - 1)]),
    ("year", "BIGINT", [("2155", 2155), ("1901", 1901), ("0", 0)]),
    ("time(6)", "VARCHAR", [("'-838:59:59'", "-838:59:59.000000"), ("'12:00:00.9995'", "12:00:00.999500")]),
    ("time", "VARCHAR", [("'838:59:59'", "838:59:59"), ("'24:00:00'", "24:00:00")]),
    (
        "date",
        "VARCHAR",
        [("'0000-00-00'", "0000-00-00"), ("'2024-02-00'", "2024-02-00"), ("'9999-12-31'", "9999-12-31")],
    ),
    (
        "datetime",
        "VARCHAR",
        [("'0000-00-00'", "0000-00-00 00:00:00"), ("'2024-02-00 01:02:03'", "2024-02-00 01:02:03")],
    ),
    ("datetime(6)", "VARCHAR", [("'0001-01-01 00:00:00.000001'", "0001-01-01 00:00:00.000001")]),
    (
        "timestamp(3) null",
        "VARCHAR",
        [("'2024-01-02 03:04:05.678'", "2024-01-02 03:04:05.678"), ("0", "0000-00-00 00:00:00.000")],
    ),
    ("char(5)", "VARCHAR", [("'a b'", "a b"), ("''", ""), ("'   a'", "   a")]),
    ("varchar(20)", "VARCHAR", [("'x  '", "x  "), ("''", ""), ("'\\t,\\n\"'", '\t,\n"')]),
    ("varchar(20) character set latin1", "VARCHAR", [("'café'", "café"), ("'€'", "€")]),
    ("varchar(20) character set utf8mb3", "VARCHAR", [("'ß€'", "ß€")]),
    ("varchar(20) character set utf16", "VARCHAR", [("'😀'", "😀")]),
    ("text", "VARCHAR", [("'😀 e\u0301'", "😀 e\u0301"), ("concat('a', char(0 using utf8mb4), 'b')", "a\0b")]),
    (
        "longtext",
        "VARCHAR",
        [("repeat('é', 125)", "é" * 125), ("repeat('é', 40000)", "é" * 40000), ("repeat('x', 70000)", "x" * 70000)],
    ),
    ("enum('a','b c','x,y')", "VARCHAR", [("'x,y'", "x,y"), ("'no such member'", "")]),
    ("set('p','q')", "VARCHAR", [("'q,p'", "p,q"), ("''", "")]),
    ("binary(4)", "BLOB", [("x'61'", b"a\0\0\0")]),
    ("varbinary(20)", "BLOB", [("x'00ff'", b"\0\xff"), ("''", b"")]),
    ("longblob", "BLOB", [("x'000102fbfcfdfeff'", bytes.fromhex("000102fbfcfdfeff"))]),
    ("json", "VARCHAR", [("'[1, 12345678901234567890]'", "[1, 12345678901234567890]"), ("'null'", "null")]),
    ("point", "VARCHAR", [("ST_GeomFromText('POINT(0.1 2)')", "POINT(0.1 2)")]),
]
MARIADB_VALUES: list[tuple[str, str, list[tuple[str, Any]]]] = [
    ("uuid", "UUID", [("'123E4567-E89B-12D3-A456-426614174000'", uuid.UUID("123e4567-e89b-12d3-a456-426614174000"))]),
    ("inet6", "VARCHAR", [("'::ffff:1.2.3.4'", "::ffff:1.2.3.4")]),
]


@pytest.mark.parametrize(("declared", "arrives", "values"), VALUES, ids=[value[0] for value in VALUES])
def test_no_type_bends_a_value(
    shop: Shop, workspace: Workspace, declared: str, arrives: str, values: list[tuple[str, Any]]
) -> None:
    check_values(shop, workspace, declared, arrives, values)


@pytest.mark.parametrize(("declared", "arrives", "values"), MARIADB_VALUES, ids=[value[0] for value in MARIADB_VALUES])
def test_no_type_of_mariadb_bends_a_value(
    mariadb: MariaDB, workspace: Workspace, declared: str, arrives: str, values: list[tuple[str, Any]]
) -> None:
    check_values(Shop(mariadb), workspace, declared, arrives, values)


def check_values(shop: Shop, workspace: Workspace, declared: str, arrives: str, values: list[tuple[str, Any]]) -> None:
    """From the table and from a query alike, NULL included."""
    shop.run(f"CREATE TABLE t (id int PRIMARY KEY, v {declared}) CHARACTER SET utf8mb4")
    for number, (inserted, _) in enumerate(values):
        shop.run(f"INSERT IGNORE INTO t VALUES ({number}, {inserted})")
    shop.run("INSERT INTO t VALUES (99, NULL)")
    expected = [(number, value) for number, (_, value) in enumerate(values)] + [(99, None)]
    table = shop.reader()
    for reader in (table, shop.reader(query="SELECT id, v FROM t")):
        with reader.snapshot(workspace) as snapshot:
            relation = snapshot.scan([wanted("id"), wanted("v")])
            if arrives != "UUID" or reader is table:  # a query's result does not tell MariaDB's uuid from text
                assert relation.columns[1].duckdb_type == arrives
            found = rows_of(snapshot, workspace, wanted("id"), wanted("v"))
            assert [(key, str(value)) for key, value in found] == [(key, str(value)) for key, value in expected]


def test_generated_and_invisible_columns_are_read(shop: Shop, workspace: Workspace) -> None:
    shop.run(
        "CREATE TABLE t (id int PRIMARY KEY, twice int AS (id * 2) VIRTUAL, thrice int AS (id * 3) STORED,"
        " hid int INVISIBLE)",
        "INSERT INTO t (id, hid) VALUES (1, 7)",
    )
    assert [column.name for column in shop.reader().shape().columns] == ["id", "twice", "thrice", "hid"]
    assert read(shop.reader(), workspace, *map(wanted, ("id", "twice", "thrice", "hid"))) == [(1, 2, 3, 7)]


def test_a_timestamp_is_an_instant_whatever_the_servers_zone(shop: Shop, workspace: Workspace) -> None:
    shop.run(
        "CREATE TABLE t (ts timestamp NULL, dt datetime)",
        "INSERT INTO t VALUES ('2024-07-01 12:00:00', '2024-07-01 12:00:00')",
    )
    shop.run("SET GLOBAL time_zone = '+05:00'")
    try:
        with shop.reader(timezone="Europe/Berlin").snapshot(workspace) as snapshot:
            things = wanted("ts"), wanted("dt"), wanted("dt", "timestamp", "Asia/Tokyo")
            assert [column.timezone for column in snapshot.scan(things).columns] == [
                "UTC",
                "Europe/Berlin",
                "Asia/Tokyo",
            ]
            assert rows_of(snapshot, workspace, *things) == [("2024-07-01 12:00:00",) * 3]
    finally:
        shop.run("SET GLOBAL time_zone = '+00:00'")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("logical", ["timestamp", "timestamp(local)"])
def test_times_parsed_in_advance_are_those_read_by_their_letter(
    shop: Shop, workspace: Workspace, logical: str, zone: str
) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY, s datetime, m datetime(3), u datetime(6), ts timestamp(6) NULL)")
    odd = ["0000-00-00", "2024-02-00", "2024-00-10 01:02:03", "0000-05-05", "0001-01-01", "9999-12-31 23:59:59"]
    even = ["2024-02-29 23:59:59.9995", "2024-03-31 02:30:00.000001", "2024-10-27 02:30:00", "1969-12-31 23:59:59.5"]
    for number, text in enumerate([*odd, *even]):
        stamp = f"'{text}'" if text in even else "0"
        shop.run(f"INSERT IGNORE INTO t VALUES ({number}, '{text}', '{text}', '{text}', {stamp})")
    shop.run("INSERT INTO t VALUES (99, NULL, NULL, NULL, NULL)")
    declared = parse_logical_type(logical)
    with shop.reader(timezone=zone).snapshot(workspace) as snapshot:
        relation = snapshot.scan([wanted(name, logical) for name in ("s", "m", "u", "ts")])
        for column in relation.columns:
            assert column.parsed
            fast, slow = canonical(declared, column), canonical(declared, replace(column, parsed=""))
            forms = f"{fast.value}, {slow.value}, {fast.text}, {slow.text}, {fast.odd}, {slow.odd}"
            snapshot.load(f"SELECT {forms} FROM {relation.sql}", "forms")
            rows = workspace.cursor().execute('FROM "forms"').fetchall()
            assert len(rows) == len(odd) + len(even) + 1
            assert [row[0::2] for row in rows] == [row[1::2] for row in rows]


def test_half_surrogate_pairs_that_mariadb_lets_in_show(mariadb: MariaDB, workspace: Workspace) -> None:
    shop = Shop(mariadb)
    shop.run(
        "CREATE TABLE t (id int PRIMARY KEY, v varchar(20) CHARACTER SET utf8mb3)",
        "INSERT INTO t VALUES (1, _utf8mb3 x'61eda080'), (2, 'é')",
    )
    assert read(shop.reader(), workspace, wanted("id"), wanted("v")) == [(1, "a\ufffded\ufffda0\ufffd80"), (2, "é")]


def test_rows_larger_than_a_packet_arrive_whole(shop: Shop, workspace: Workspace) -> None:
    """MySQL splits what is longer than 16 MiB, even at exactly that length."""
    shop.run("CREATE TABLE t (id int PRIMARY KEY, v longblob, tail varchar(10))")
    sizes = [10, (1 << 24) - 12, (1 << 24) + 5, 5, 40 << 20, 0]
    for number, size in enumerate(sizes):
        shop.run(f"INSERT INTO t VALUES ({number}, repeat('x', {size}), 'tail{number}')")
    with shop.reader().snapshot(workspace) as snapshot:
        relation = snapshot.scan([wanted("id"), wanted("v"), wanted("tail")])
        snapshot.load(f"SELECT c0, octet_length(c1), md5(c1), c2 FROM {relation.sql}", "sizes")
        found = workspace.cursor().execute("FROM sizes ORDER BY c0").fetchall()
    assert found == [
        (number, size, hashlib.md5(b"x" * size, usedforsecurity=False).hexdigest(), f"tail{number}")
        for number, size in enumerate(sizes)
    ]


def test_the_fast_path_agrees_with_duckdbs_scanner(shop: Shop, workspace: Workspace) -> None:
    """On every type that the scanner reads exactly, row for row."""
    shop.run(
        "CREATE TABLE t (id bigint PRIMARY KEY, n int NULL, d decimal(18,4), x double, s varchar(300),"
        " b varbinary(300), dt datetime(6) NULL, u bigint unsigned)",
        "INSERT INTO t SELECT a.n * 300 + b.n, nullif(a.n % 7, 3), (a.n - 150) * b.n / 16, a.n / 3 + b.n,"
        " repeat(char(97 + a.n % 26), b.n), repeat(unhex(hex(a.n % 256)), 300 - b.n),"
        " timestamp('2024-01-01') + interval (a.n * 1000003 + b.n) microsecond, 18446744073709551615 - a.n FROM"
        f" {series(300)} a, {series(300)} b",
    )
    names = "id", "n", "d", "x", "s", "b", "dt", "u"
    with shop.reader().snapshot(workspace) as snapshot:
        relation = snapshot.scan([*map(wanted, names)])
        columns = [column.sql for column in relation.columns]
        columns[6] = f"CAST({columns[6]} AS TIMESTAMP)"
        shown = ", ".join(f"{column} AS {name}" for column, name in zip(columns, names, strict=True))
        assert snapshot.load(f"SELECT {shown} FROM {relation.sql}", "ours") == 90_000
    cursor = workspace.cursor()
    load_scanner(cursor, "mysql")
    p = shop.parts
    cursor.execute(
        f"ATTACH 'host={p.host} port={p.port} user={p.user} password={p.password} database={p.database}' AS oracle"
        " (TYPE mysql)"
    )
    cursor.execute(f'CREATE TABLE theirs AS SELECT {", ".join(names)} FROM oracle."{p.database}".t')
    assert cursor.execute("SELECT count(*) FROM theirs").fetchone() == (90_000,)
    assert (
        cursor.execute("(FROM ours EXCEPT ALL FROM theirs) UNION ALL (FROM theirs EXCEPT ALL FROM ours)").fetchall()
        == []
    )


def test_an_empty_table_is_a_relation_without_rows(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY, v blob)")
    assert read(shop.reader(), workspace, wanted("id"), wanted("v")) == []


def test_parts_of_a_document_keep_their_digits(shop: Shop, workspace: Workspace) -> None:
    shop.run(
        "CREATE TABLE t (id int PRIMARY KEY, doc json, note text)",
        r"""INSERT INTO t VALUES (1, '{"n": 12345678901234567890, "s": "a\\u00e9\\"😀", "nil": null,"""
        r""" "o": {"p.q": [1, 2]}, "b": true, "num": "12"}', '{"n": 1.10}'), (2, '[]', 'no json')""",
    )
    things = (
        *(wanted("doc.n", "int"), wanted("doc.s", "text"), wanted("doc.nil", "text"), wanted("doc.none", "text")),
        *(wanted("doc.o", "json"), wanted("doc.b", "bool"), wanted("doc.num", "int"), wanted("note.n", "decimal(9,2)")),
    )
    assert read(shop.reader(), workspace, *things) == [
        ("12345678901234567890", 'aé"😀', None, None, '{"p.q": [1, 2]}', "true", "12", "1.10"),
        (None, None, None, None, None, None, None, "no json"),
    ]


def test_members_with_dots_and_places_in_lists_are_found(shop: Shop, workspace: Workspace) -> None:
    shop.run(
        "CREATE TABLE t (id int PRIMARY KEY, doc json)",
        r"""INSERT INTO t VALUES (1, '{"a.b": 1, "a": {"b": 2, "c.d": 3}, "l": [4, {"m": 5.50}], "q\\"t": 6}')""",
    )
    things = (wanted(f"doc.{path}", "text") for path in ("a.b", "a.c.d", "l.0", "l.1.m", "l.2", 'q"t', "a.b.c"))
    found = read(shop.reader(), workspace, *things)
    assert [value and value.rstrip("0") for value in found[0]] == ["1", "3", "4", "5.5", None, "6", None]


def test_a_few_rows_are_read_without_the_weight_of_arrow(shop: Shop, tmp_path: Path) -> None:
    """As exactly as many: nulls, bytes, digits, parts of documents."""
    shop.run(
        "CREATE TABLE t (id int PRIMARY KEY, v varchar(20), b blob, d decimal(65,30), doc json, f float)",
        """INSERT INTO t VALUES (1, 'é', x'00ff', 0.1, '{"a": [1]}', 0.1), (2, NULL, NULL, NULL, NULL, NULL),"""
        """ (3, 'x', '', 0, '{}', 0)""",
    )
    things = [wanted(name) for name in ("id", "v", "b", "d", "f")] + [wanted("doc.a", "json"), wanted("doc.a.0", "int")]
    keys = Keys((wanted("id", "int"),), [(("1",),), (("2",),)])
    with Workspace(tmp_path / "few", few=True) as few, Workspace(tmp_path / "many") as many:
        found = read(shop.reader(), few, *things, keys=keys)
        assert found == read(shop.reader(), many, *things, keys=keys)
        assert found[0][:4] == (1, "é", b"\0\xff", "0." + "1".ljust(30, "0"))
        none = Keys((wanted("id", "int"),), [(("no number",),)])
        assert read(shop.reader(), few, *things, keys=none) == []


def test_a_column_named_like_a_path_wins_over_the_path(shop: Shop, workspace: Workspace) -> None:
    shop.run("""CREATE TABLE t (doc json, `doc.n` int)""", """INSERT INTO t VALUES ('{"n": 1}', 2)""")
    assert read(shop.reader(), workspace, wanted("doc.n", "int")) == [(2,)]


def test_uuids_in_binary_columns_and_sets_as_lists(shop: Shop, workspace: Workspace) -> None:
    text = "123e4567-e89b-12d3-a456-426614174000"
    shop.run(
        "CREATE TABLE t (id int PRIMARY KEY, b binary(16), v varbinary(40), s set('p','q'))",
        f"INSERT INTO t VALUES (1, unhex('{text.replace('-', '')}'), unhex('{text.replace('-', '')}'), 'p,q'),"
        f" (2, unhex('{'00' * 16}'), '{text}', '')",
    )
    things = wanted("id"), wanted("b", "uuid"), wanted("v", "uuid"), wanted("s", "list<text>")
    assert read(shop.reader(), workspace, *things) == [
        (1, bytes.fromhex(text.replace("-", "")), text.replace("-", ""), '["p","q"]'),
        (2, bytes(16), text, "[]"),
    ]
    assert find(shop.reader(), workspace, "b", "uuid", text) == [1]
    assert find(shop.reader(), workspace, "b", "uuid", text.upper()) == [1]


# --- shape ------------------------------------------------------------------------------------------------------------


def test_shape_tells_types_keys_indexes_and_size(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE t (id bigint unsigned NOT NULL, code varchar(300) NOT NULL, opt int, a int NOT NULL,"
        " b int NOT NULL, price decimal(12,3), kind enum('new','old'), flag bit(1), at timestamp NULL, seen datetime,"
        " doc json, raw blob, PRIMARY KEY (id), UNIQUE KEY prefixed (code(10)), UNIQUE KEY optional (opt),"
        " UNIQUE KEY pair (a, b), KEY code_a (code(5), a), KEY b_code (b, code(5)), FULLTEXT KEY words (code))",
        "INSERT INTO t (id, code, a, b) VALUES (1, 'x', 1, 1)",
        "ANALYZE TABLE t",
    )
    shape = shop.reader().shape()
    assert {column.name: str(column.logical) for column in shape.columns} == {
        "id": "int",
        "code": "text",
        "opt": "int",
        "a": "int",
        "b": "int",
        "price": "decimal(12,3)",
        "kind": "enum(new,old)",
        "flag": "bool",
        "at": "timestamp",
        "seen": "timestamp(local)",
        "doc": "json",
        "raw": "bytes",
    }
    assert {column.name: column.zone for column in shape.columns if column.zone} == {"at": "instant", "seen": "local"}
    assert not shape.columns[0].nullable
    assert shape.columns[2].nullable
    assert sorted(shape.unique_keys) == [("a", "b"), ("id",)]
    assert sorted(shape.indexed) == [("a", "b"), ("b",), ("id",), ("opt",)]
    assert shape.estimated_rows == 1
    assert shape.estimated_bytes


def test_odd_names_views_and_other_schemas_are_found(shop: Shop, workspace: Workspace) -> None:
    shop.run(
        'CREATE TABLE `We``ird "Näme` (`Ke``y` int PRIMARY KEY, `select` int)',
        'INSERT INTO `We``ird "Näme` VALUES (1, 2)',
        'CREATE VIEW v AS SELECT `Ke``y` + 1 AS `sum` FROM `We``ird "Näme`',
    )
    table = shop.reader('We`ird "Näme')
    assert read(table, workspace, wanted("Ke`y"), wanted("select")) == [(1, 2)]
    assert read(shop.reader("v"), workspace, wanted("sum")) == [(2,)]
    other = shop.reader(f"{shop.database}.v", database="mysql")
    assert read(other, workspace, wanted("sum")) == [(2,)]
    assert read(shop.reader(f"{shop.database}.v", database=""), workspace, wanted("sum")) == [(2,)]


def test_mariadbs_json_is_known_by_its_check(shop: Shop) -> None:
    shop.run("CREATE TABLE t (a json, b longtext)")
    assert [str(column.logical) for column in shop.reader().shape().columns] == ["json", "text"]


def test_dry_run_names_the_statement(shop: Shop) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY, f float)")
    assert shop.reader().dry_run([wanted("id"), wanted("f")]) == f"SELECT `id`, `f` + 0e0 FROM `{shop.database}`.`t`"


# --- look-ups ---------------------------------------------------------------------------------------------------------


def test_lookups_match_by_the_columns_own_type(shop: Shop, workspace: Workspace) -> None:
    """A candidate that the type cannot hold matches nothing: MySQL itself would find 0 for 'abc'."""
    shop.run(
        "CREATE TABLE t (id int PRIMARY KEY, n int, u bigint unsigned, d decimal(20,2), x double, s varchar(20),"
        " b varbinary(9), da date, dt datetime(6), ts timestamp NULL, tm time(6), y year, e enum('a','b'), bi bit(9))",
        "INSERT INTO t VALUES (1, 0, 0, 0, 0, '0', '', '0000-00-00', '0000-00-00', 0, '00:00:00', 0, 'zzz', 0),"
        " (2, 7, 18446744073709551615, 1.5, 0.1, 'abc', x'00ff', '2024-01-31', '2024-01-31 12:00:00.5',"
        " '2024-01-31 12:00:00', '-838:59:59', 2024, 'b', 300)",
    )
    reader = shop.reader()
    for column in ("n", "u", "d", "x", "y", "bi", "da", "dt", "ts", "tm"):
        assert find(reader, workspace, column, "text", "abc", "", "0x0", "' OR 1=1 -- ", "1; DROP TABLE t") == []
    assert find(reader, workspace, "n", "int", "7", "9" * 99) == [2]
    assert find(reader, workspace, "n", "int", "0") == [1]
    assert find(reader, workspace, "u", "int", "18446744073709551615") == [2]
    assert find(reader, workspace, "u", "int", "18446744073709551614") == []
    assert find(reader, workspace, "d", "decimal(20,2)", "1.50") == [2]
    assert find(reader, workspace, "d", "decimal(20,3)", "1.501") == []
    assert find(reader, workspace, "x", "float", "0.1") == [2]
    assert find(reader, workspace, "b", "bytes", "00ff") == [2]
    assert find(reader, workspace, "b", "bytes", "\\x00FF") == [2]
    assert find(reader, workspace, "b", "bytes", "") == [1]
    assert find(reader, workspace, "da", "date", "2024-01-31") == [2]
    assert find(reader, workspace, "da", "date", "0000-00-00") == [1]
    assert find(reader, workspace, "dt", "timestamp", "2024-01-31T12:00:00.500000Z") == [2]
    assert find(reader, workspace, "dt", "timestamp", "0000-00-00 00:00:00.000000") == [1]
    assert find(reader, workspace, "ts", "timestamp", "2024-01-31T12:00:00.000000Z") == [2]
    assert find(reader, workspace, "tm", "interval", "-838:59:59.000000") == [2]
    assert find(reader, workspace, "y", "int", "0") == [1]
    assert find(reader, workspace, "y", "int", "2024") == [2]
    assert find(reader, workspace, "e", "text", "b") == [2]
    assert find(reader, workspace, "bi", "int", "300") == [2]


def test_an_instant_finds_a_local_time_in_the_columns_zone(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY, dt datetime)", "INSERT INTO t VALUES (1, '2024-07-01 14:00:00')")
    reader = shop.reader(timezone="Europe/Berlin")
    assert find(reader, workspace, "dt", "timestamp", "2024-07-01T12:00:00.000000Z") == [1]


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_bin", "latin1_swedish_ci", "utf8mb4_unicode_ci"])
def test_text_keys_find_their_bytes_under_every_collation(shop: Shop, workspace: Workspace, collation: str) -> None:
    charset = collation.partition("_")[0]
    shop.run(
        f"CREATE TABLE t (id int PRIMARY KEY, s varchar(30), c char(30), KEY (s))"
        f" CHARACTER SET {charset} COLLATE {collation}",
        "INSERT INTO t VALUES (1, 'abc', 'abc'), (2, 'ABC', 'ABC'), (3, 'abc  ', 'abc'), (4, 'é', 'é'), (5, '', ''),"
        " (6, 'it''s \\\\', 'x')",
    )
    reader = shop.reader()
    for spelled, found in (("abc", 1), ("ABC", 2), ("abc  ", 3), ("é", 4), ("", 5), ("it's \\", 6)):
        assert found in find(reader, workspace, "s", "text", spelled)
    assert {1, 3} <= set(find(reader, workspace, "c", "text", "abc"))
    assert find(reader, workspace, "s", "text", "😀", "日本") == []


def test_no_row_comes_twice_when_keys_fill_several_statements(
    shop: Shop, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal under the collation, or spelled in two ways: each row still counts once."""
    monkeypatch.setattr(mysql_keys, "STATEMENT_BYTES", 1)
    shop.run("CREATE TABLE t (id int PRIMARY KEY, s varchar(9))", "INSERT INTO t VALUES (1, 'a'), (2, 'A'), (3, 'a ')")
    assert find(shop.reader(), workspace, "s", "text", "a", "A", "a ", "a") == [1, 2, 3]
    assert find(shop.reader(), workspace, "id", "int", "1", "01", "1.0", "2") == [1, 2]


def test_composite_keys_are_looked_up_together(shop: Shop, workspace: Workspace) -> None:
    shop.run(
        "CREATE TABLE t (a int, b varchar(9), id int, PRIMARY KEY (a, b))",
        "INSERT INTO t VALUES (1, '11', 1), (11, '1', 2), (1, '1', 3), (11, '11', 4)",
    )
    keys = Keys((wanted("a", "int"), wanted("b", "text")), [(("1",), ("11",)), (("11", "12"), ("1", "x"))])
    assert read(shop.reader(), workspace, wanted("id"), keys=keys) == [(1,), (2,)]


def test_a_key_inside_a_document_reads_all_rows_for_the_caller_to_filter(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int, doc json)", """INSERT INTO t VALUES (1, '{"k": 1}'), (2, '{"k": 2}')""")
    with shop.reader().snapshot(workspace) as snapshot:
        key = wanted("doc.k", "int")
        assert not snapshot.scan([key]).columns[0].exact
        assert (1,) in rows_of(snapshot, workspace, wanted("id"), keys=Keys((key,), [(("1",),)]))


def test_twenty_thousand_keys_take_well_under_a_second(shop: Shop, workspace: Workspace) -> None:
    shop.run(
        "CREATE TABLE t (id int, part int, code char(36), PRIMARY KEY (id), UNIQUE KEY pair (id, part),"
        " KEY (code)) COLLATE utf8mb4_bin",
        "INSERT INTO t SELECT n, n % 10, md5(n) FROM (SELECT a.n * 1000 + b.n AS n FROM"
        f" {series(100)} a, {series(1000)} b) n",
        "ANALYZE TABLE t",
    )
    chosen = range(0, 100_000, 5)
    digests = [hashlib.md5(str(n).encode(), usedforsecurity=False).hexdigest() for n in chosen]
    cases = {
        "int": Keys((wanted("id", "int"),), [((str(n),),) for n in chosen]),
        "pair": Keys((wanted("id", "int"), wanted("part", "int")), [((str(n),), (str(n % 10),)) for n in chosen]),
        "text": Keys((wanted("code", "text"),), [((digest,),) for digest in digests]),
    }
    with shop.reader().snapshot(workspace) as snapshot:
        for name, keys in cases.items():
            began = time.perf_counter()
            assert len(rows_of(snapshot, workspace, wanted("id"), keys=keys)) == 20_000, name
            assert time.perf_counter() - began < 5, name  # on a busy machine; a quiet one needs a tenth


# --- one consistent view ----------------------------------------------------------------------------------------------


@contextmanager
def transfers(shop: Shop, accounts: int) -> Iterator[None]:
    """Two sessions that keep moving money between accounts while the block runs."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def move(seed: int) -> None:
        try:
            with closing(shop.server.connect(shop.database)) as connection, connection.cursor() as cursor:
                step = seed
                while not stop.is_set():
                    step = (step * 1103515245 + 12345) % (1 << 31)
                    low, high = sorted((step % accounts, (step // accounts) % accounts))
                    cursor.execute("START TRANSACTION")
                    cursor.execute(f"UPDATE t SET balance = balance - 5 WHERE id = {low}")
                    cursor.execute(f"UPDATE t SET balance = balance + 5 WHERE id = {high}")
                    cursor.execute("COMMIT")
        except BaseException as failure:  # noqa: BLE001 - told below, in the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=move, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "READ COMMITTED"])
def test_the_bank_never_gains_or_loses(shop: Shop, workspace: Workspace, isolation: str) -> None:
    """The bank test: transfers meanwhile leave sum and count exact in each of 20 scans, whatever the default."""
    accounts = 20_000
    shop.run(
        "CREATE TABLE t (id int PRIMARY KEY, balance int NOT NULL, filler char(100) NOT NULL DEFAULT '')",
        f"INSERT INTO t (id, balance) SELECT a.n * 200 + b.n, 1000 FROM {series(100)} a, {series(200)} b",
    )
    shop.run(f"SET GLOBAL TRANSACTION ISOLATION LEVEL {isolation}")
    moved = set()
    try:
        with transfers(shop, accounts):
            for _ in range(10):  # two scans each: one view over several statements
                with shop.reader().snapshot(workspace) as snapshot:
                    assert snapshot.watermark.isolation == "snapshot"
                    digests = []
                    for _ in range(2):
                        relation = snapshot.scan([wanted("id"), wanted("balance")])
                        snapshot.load(f"SELECT sum(c1), count(*), bit_xor(hash(c0, c1)) FROM {relation.sql}", "bank")
                        row = workspace.cursor().execute("FROM bank").fetchone()
                        assert row is not None
                        assert row[:2] == (accounts * 1000, accounts)
                        digests.append(row[2])
                    assert digests[0] == digests[1]
                    moved.add(digests[0])
    finally:
        shop.run("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert len(moved) > 1, "nothing was moved meanwhile"


def test_the_watermark_names_server_time_and_position(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    with shop.reader().snapshot(workspace) as snapshot:
        first = snapshot.watermark
    shop.run("INSERT INTO t VALUES (1)")
    with shop.reader().snapshot(workspace) as snapshot:
        second = snapshot.watermark
    assert first.position
    assert first.position != second.position
    assert first.store_time is not None
    assert abs((first.store_time - datetime.now(UTC)).total_seconds()) < 60
    assert second.monotonic > first.monotonic


def test_a_user_who_may_only_select_can_read(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    user = f"reader_{shop.database}"[:30]
    shop.run(f"CREATE USER {user} IDENTIFIED BY 'modest'", f"GRANT SELECT ON {shop.database}.t TO {user}")
    reader = shop.reader(user=user, password="modest")
    assert read(reader, workspace, wanted("id")) == [(1,)]
    with reader.snapshot(workspace) as snapshot:
        assert snapshot.watermark.store_time is not None
        assert snapshot.incomplete() == ""


def test_an_engine_without_transactions_is_declared(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY) ENGINE=MyISAM", "CREATE VIEW v AS SELECT id + 1 AS id FROM t")
    for reader in (shop.reader(), shop.reader("v"), shop.reader(query="SELECT id FROM v")):
        with reader.snapshot(workspace) as snapshot:
            assert snapshot.watermark.isolation == "none"


def test_two_relations_of_one_snapshot_meet_in_one_statement(shop: Shop, workspace: Workspace) -> None:
    """A connection has one result at a time; a second one waits until the first is kept."""
    shop.run(
        "CREATE TABLE t (id int PRIMARY KEY, v varchar(200))",
        f"INSERT INTO t SELECT a.n * 300 + b.n, repeat('v', 200) FROM {series(300)} a, {series(300)} b",
    )
    with shop.reader().snapshot(workspace) as snapshot:
        one, other = snapshot.scan([wanted("id"), wanted("v")]), snapshot.scan([wanted("v"), wanted("id")])
        sql = f"SELECT * FROM {one.sql} UNION ALL SELECT c1, c0 FROM {other.sql}"
        assert snapshot.load(sql, "both") == 180_000
        joined = f"SELECT a.c0 FROM {one.sql} a JOIN {other.sql} b ON a.c0 = b.c1"
        assert snapshot.load(joined, "joined") == 90_000
        assert snapshot.load(f"SELECT c0 FROM {one.sql} LIMIT 1", "few") == 1
        assert snapshot.load(f"SELECT c0 FROM {one.sql}", "again") == 90_000


@pytest.mark.parametrize("change", ["ALTER TABLE t ADD COLUMN extra int", "TRUNCATE TABLE t", "DROP TABLE t"])
def test_a_table_changed_before_it_was_read_is_an_error_or_incomplete(
    shop: Shop, workspace: Workspace, change: str
) -> None:
    """Definitions are not versioned: the snapshot cannot show the table as it was."""
    shop.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    wait_until(
        lambda: (
            shop.run(
                "SELECT create_time < now() FROM information_schema.tables WHERE table_name = 't'"
                f" AND table_schema = '{shop.database}'"
            )
            == [(1,)]
        )
    )
    with shop.reader().snapshot(workspace) as snapshot:
        shop.run(change)
        with suppress(StoreError):
            rows_of(snapshot, workspace, wanted("id"))
            assert "altered" in snapshot.incomplete()


def test_an_untouched_table_is_complete(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    with shop.reader().snapshot(workspace) as snapshot:
        shop.run("INSERT INTO t VALUES (1)")
        assert rows_of(snapshot, workspace, wanted("id")) == []
        assert snapshot.incomplete() == ""


# --- only reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM t -- for update",
        "SELECT id, 'it''s; INTO \\' OUTFILE' AS s FROM t # ;",
        "WITH x AS (SELECT id FROM t) SELECT * FROM x /* ; */;",
        "(SELECT id FROM t) UNION ALL (SELECT id FROM t)",
        'SELECT id, "FOR UPDATE" AS `for update` FROM t',
    ],
)
def test_an_honest_query_is_run_whatever_it_quotes(shop: Shop, workspace: Workspace, query: str) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    assert (1,) in read(shop.reader(query=query), workspace, wanted("id"))


def test_the_server_itself_refuses_what_a_function_would_write(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    shop.run("SET GLOBAL log_bin_trust_function_creators = 1")
    shop.run(
        "CREATE FUNCTION sneak() RETURNS int NOT DETERMINISTIC MODIFIES SQL DATA BEGIN"
        " INSERT INTO t VALUES (2); RETURN 1; END"
    )
    with pytest.raises(StoreError, match=r"(?i)read.only"):
        read(shop.reader(query="SELECT sneak() AS id FROM t"), workspace, wanted("id"))
    assert shop.run("SELECT count(*) FROM t") == [(1,)]


def test_the_servers_own_log_shows_reading_only(shop: Shop, workspace: Workspace) -> None:
    """With a user who may do everything."""
    shop.run("CREATE TABLE t (id int PRIMARY KEY, v float)", "INSERT INTO t VALUES (1, 2)")
    with shop.server.statement_log() as log:
        for reader in (shop.reader(), shop.reader(query="SELECT id, v FROM t")):
            reader.shape()
            reader.dry_run([wanted("id")])
            with reader.snapshot(workspace) as snapshot:
                assert rows_of(snapshot, workspace, wanted("id"), wanted("v")) == [(1, 2.0)]
                keys = Keys((wanted("id", "int"),), [(("1",),)])
                assert rows_of(snapshot, workspace, wanted("id"), keys=keys) == [(1,)]
                snapshot.incomplete()
    statements = [line.split("Query\t", 1)[1].strip() for line in log.text().splitlines() if "Query\t" in line]
    assert any("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY" in statement for statement in statements)
    allowed = (
        "SELECT",
        "SHOW",
        "SET NAMES",
        "SET SESSION",
        "SET AUTOCOMMIT",
        "START TRANSACTION",
        "XA RECOVER",  # lists what is prepared, and recovers nothing
        "SET GLOBAL GENERAL_LOG",
    )
    assert [statement for statement in statements if not statement.upper().startswith(allowed)] == []


# --- what goes wrong --------------------------------------------------------------------------------------------------


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Creation times have whole seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline


def message(error: pytest.ExceptionInfo[StoreError], shop: Shop) -> str:
    text = str(error.value)
    assert shop.parts.password not in text
    assert "hunter2" not in text
    assert "next:" in text
    return text


def test_wrong_password(shop: Shop) -> None:
    with pytest.raises(StoreError) as error:
        shop.reader(password="hunter2").shape()
    assert "Access denied" in message(error, shop)
    assert "user and password" in message(error, shop)


def test_server_down(shop: Shop) -> None:
    with pytest.raises(StoreError) as error:
        shop.reader(port=1).shape()
    assert f"{shop.parts.host}:1" in message(error, shop)


def test_unknown_database(shop: Shop) -> None:
    with pytest.raises(StoreError) as error:
        shop.reader(database="nowhere").shape()
    assert "nowhere" in message(error, shop)


def test_unknown_relation_and_column_with_a_guess(shop: Shop) -> None:
    shop.run("CREATE TABLE orders (id int PRIMARY KEY, total_amount int)")
    with pytest.raises(StoreError) as error:
        shop.reader("Orders_").shape()
    assert "did you mean orders?" in message(error, shop)
    with pytest.raises(StoreError) as error:
        shop.reader("orders").dry_run([wanted("total_amuont")])
    assert "did you mean total_amount?" in message(error, shop)


def test_a_url_without_database_needs_it_in_the_relation(shop: Shop) -> None:
    with pytest.raises(StoreError) as error:
        shop.reader("orders", database="").shape()
    assert "names no database" in message(error, shop)


def test_a_broken_query_or_view_is_named(shop: Shop) -> None:
    with pytest.raises(StoreError) as error:
        shop.reader(query="SELECT nothing FROM nowhere").shape()
    assert "nowhere" in message(error, shop)
    shop.run("CREATE TABLE t (id int)", "CREATE VIEW v AS SELECT id FROM t", "DROP TABLE t")
    with pytest.raises(StoreError) as error:
        shop.reader("v").dry_run([wanted("id")])
    assert message(error, shop)


def test_unknown_options_of_the_url_are_errors(shop: Shop) -> None:
    with pytest.raises(StoreError, match="compress"):
        shop.reader(options={"compress": "1"}).shape()


def test_a_certificate_that_nobody_signed_is_refused_when_asked_to_look(mysql: MySQL) -> None:
    """MySQL 8 makes certificates of its own; MariaDB 10.11 has none."""
    shop = Shop(mysql)
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    shop.reader(tls=TlsParts("require")).shape()
    shop.reader(tls=TlsParts("disable")).shape()
    with pytest.raises(StoreError) as error:
        shop.reader(tls=TlsParts("verify-full")).shape()
    assert "certificate" in message(error, shop).lower()


def test_without_settings_a_connection_is_encrypted_and_no_authority_is_loaded(
    mysql: MySQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's own say nothing about a certificate that is not checked, and take long to load."""

    def load(_context: ssl.SSLContext, _purpose: object = None) -> None:
        raise AssertionError("loaded")

    parts = Shop(mysql).parts
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", load)
    for tls, encrypted in ((None, True), (TlsParts("prefer"), True), (TlsParts("disable"), False)):
        with closing(mysql_session.MySqlSession(replace(parts, tls=tls), "shop/t")) as session:
            ((_, cipher),) = session.ask("SHOW STATUS LIKE 'Ssl_cipher'")
        assert bool(cipher) is encrypted


def test_a_server_without_tls_is_refused_when_it_is_required(mariadb: MariaDB) -> None:
    shop = Shop(mariadb)
    with pytest.raises(StoreError) as error:
        shop.reader(tls=TlsParts("require")).shape()
    assert "SSL" in message(error, shop)


def test_a_statement_beyond_its_time_is_one_clear_error(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)")
    slow = "SELECT a.id FROM t a WHERE a.id + sleep(0.2) >= 0"
    with pytest.raises(StoreError) as error:
        read(shop.reader(query=slow, statement_timeout=0.1), workspace, wanted("id"))
    assert "statement_timeout" in message(error, shop)


def test_a_lock_on_the_table_is_waited_for_no_longer_than_allowed(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    with (
        closing(shop.server.connect(shop.database)) as other,
        other.cursor() as cursor,
        shop.reader(lock_timeout=1).snapshot(workspace) as snapshot,
    ):
        cursor.execute("LOCK TABLES t WRITE")
        with pytest.raises(StoreError) as error:
            rows_of(snapshot, workspace, wanted("id"))
    assert "lock_timeout" in message(error, shop)


def test_a_connection_that_breaks_is_one_clear_error(shop: Shop, workspace: Workspace) -> None:
    shop.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    with shop.reader().snapshot(workspace) as snapshot:
        number = next(row[0] for row in shop.run("SHOW PROCESSLIST") if row[3] == shop.database and row[4] == "Sleep")
        shop.run(f"KILL {number}")
        with pytest.raises(StoreError) as error:
            rows_of(snapshot, workspace, wanted("id"))
        assert "run again" in message(error, shop)
        with pytest.raises(StoreError) as error:
            rows_of(snapshot, workspace, wanted("id"))
    assert "run again" in message(error, shop)


def test_a_value_that_duckdb_cannot_take_is_an_error_not_a_guess(workspace: Workspace) -> None:
    """What the casts promise: they fail rather than bend."""
    with pytest.raises(duckdb.ConversionException):
        workspace.cursor().execute("SELECT CAST('12abc' AS BIGINT)").fetchall()


def test_mysql_8_authenticates_without_tls(mysql: MySQL) -> None:
    """caching_sha2_password needs a key exchange where the connection is not encrypted."""
    shop = Shop(mysql)
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    user = f"sha_{shop.database}"[:30]
    shop.run(
        f"CREATE USER {user} IDENTIFIED WITH caching_sha2_password BY 'pässword'",
        f"GRANT SELECT ON {shop.database}.* TO {user}",
    )
    reader = shop.reader(user=user, password="pässword", tls=TlsParts("disable"))
    assert [column.name for column in reader.shape().columns] == ["id"]
    with pytest.raises(StoreError):
        shop.reader(user=user, password="hunter2", tls=TlsParts("disable")).shape()


def test_the_driver_is_pymysql_with_its_inner_parts() -> None:
    """`mysql_session` reads behind PyMySQL's packets: these are what it needs of it."""
    for name in ("_execute_command", "_read_packet", "_force_close"):
        assert callable(getattr(pymysql.connections.Connection, name))


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes connections for a server that hangs; nobody may wait for its greeting for ever."""
    monkeypatch.setattr(mysql_session, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        parts = ConnectionParts(scheme="mariadb", host="127.0.0.1", port=silent.getsockname()[1], user="u")
        with pytest.raises(StoreError, match="timed out"):
            MySqlReader("rep/t", parts, "t", None).shape()
