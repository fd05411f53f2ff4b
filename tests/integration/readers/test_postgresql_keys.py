"""Rows are found by key, through an index, whatever a key is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auditor.readers.postgresql import keys as postgresql_keys
from reconcilers.canonical import canonical
from reconcilers.ports import Keys
from reconcilers.workspace import Workspace
from tests.integration.readers.postgresql_reading import looked_up, reader, texts, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.readers.postgresql.columns import Access
    from tests.services import PostgreSQL

KEYED = {
    "smallint": ["-32768", "0", "7"],
    "int": ["2147483647", "1"],
    "bigint": ["-9223372036854775808", "5"],
    "oid": ["4294967295"],
    "numeric": ["123456789012345678901234567890.10", "-0.5", "'NaN'", "1e-20"],
    "numeric(10,2)": ["1.10", "0"],  # a scan shows NaN as 0
    "money": ["-1.5"],
    "real": ["0.1", "'-Infinity'", "1e-45", "16777216"],
    "double precision": ["0.1", "'NaN'", "5e-324", "1.7976931348623157e308"],
    "boolean": ["true", "false"],
    "text": ["'a'", "'A'", "''", "'a '", r"E'\"\\\n{},'", "'é'", r"E'e\u0301'", "'NULL'"],
    "varchar(9)": ["'a'", "'a '"],
    "char(5)": ["'ab'", "' ab'", "''"],
    "citext": ["'Ab'"],
    "name": ["'n'"],
    '"char"': ["'c'"],
    "uuid": ["'C4CA4238-A0B9-2382-0DCC-509A6F75849B'"],
    "bytea": [r"'\x00ff5c'", r"'\x'"],
    "date": ["'2024-02-29'", "'infinity'", "'0044-03-15 BC'", "'12024-02-29'", "'0001-01-01'"],
    "time": ["'24:00:00'", "'12:00:00.5'"],
    "timestamp": ["'2024-02-29 12:00:00.5'", "'-infinity'", "'0044-03-15 12:00:00 BC'", "'9999-12-31 23:59:59.999999'"],
    "timestamptz": [
        "'2024-02-29 12:00:00.5+02'",
        "'infinity'",
        "'0001-01-01 00:00:00+00'",
        "'12024-02-29 12:00:00+00'",
    ],
    "mood": ["'sad'", "'very, happy'"],
    "amount": ["1.10"],
    "inet": ["'10.0.0.1/24'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "jsonb": ["""'{"a": 1}'"""],
    "int[]": ["'{1,2}'"],
    "interval": ["'1 day'"],
    "pair": ["'(1,x)'"],
    "bit(3)": ["B'101'"],
    "timetz": ["'12:00:00+02'"],
}
"""For each type, literals of keys."""

NASTY = [
    "", " ", "abc", "NULL", "'", '"', "\\", "{}", "{1}", "\x00", "a\x00b", "\ud800", "é", "é" * 3000, "0x1f",
    "1e5", "1e999999999", "-", "+", ".", "1.5", "99999999999999999999999999", "9" * 5000, "1_000", "٣", "NaN",
    "nan", "infinity", "-inf", "1e400", "1e-400", "t", "yes", "2024-02-30", "2023-02-29", "0000-01-01",
    "2024-13-01", "2024-01-01T25:00:00Z", "2024-01-01T12:00:00+99:00", "999999-01-01", "4714-01-01 (BC)",
    "-43-03-15 BC", "-9999-01-01", "0-01-01", "9999-12-31T23:59:59.999999-15:00", "0001-01-01T00:00:00+15:00",
    "24:00:01", "12:60", "P1D", "c4ca4238a0b923820dcc509a6f75849", "{c4ca4238-a0b9-2382-0dcc-509a6f75849b}",
    "\\xzz", "\\x0", "now", "today", "epoch", "1 day", "10.0.0.1", "(1,x)", "[1,2]", "very",
    "'; DROP TABLE t; --", "$$", "%s", "{0}",
]  # fmt: skip
"""Texts that one type or another cannot hold."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("workspace")) as space:
        space.know_functions()
        yield space


@pytest.fixture(scope="module")
def keyed(postgres: PostgreSQL) -> str:
    """A table a type, named k0, k1, …, with its keys in column k."""
    url = postgres.fresh_database("keyed")
    statements = [
        "CREATE EXTENSION citext",
        "CREATE TYPE mood AS ENUM ('sad', 'ok', 'very, happy')",
        "CREATE TYPE pair AS (a int, b text)",
        "CREATE DOMAIN amount AS numeric(12,2)",
    ]
    for number, (declared, literals) in enumerate(KEYED.items()):
        statements += [f"CREATE TABLE k{number} (k {declared} NOT NULL)"]
        statements += [f"INSERT INTO k{number} VALUES ({literal})" for literal in literals]
    postgres.admin(*statements, database=url)
    return url


@pytest.mark.parametrize("number", range(len(KEYED)), ids=list(KEYED))
def test_each_key_is_found_as_it_was_seen_and_in_canonical_form(keyed: str, workspace: Workspace, number: int) -> None:
    """A key found by a scan is found again by its text there, and by its canonical text; each row once."""
    source = reader(keyed, f"k{number}")
    logical = source.shape(workspace).columns[0].logical
    field = wanted("k") if logical is None else wanted(("k", str(logical)))
    with source.snapshot(workspace) as snapshot:
        relation = snapshot.scan(field)
        seen = sorted(texts(snapshot, workspace, relation))
        forms = [seen]
        if logical is not None and relation.columns[0].exact and logical.kind.value not in ("decimal", "float"):
            form = canonical(logical, relation.columns[0])
            snapshot.load(f"SELECT {form.text} AS text FROM {relation.sql}", "canonical")
            forms.append(workspace.cursor().execute("FROM canonical").fetchall())
        for keys in forms:
            found = snapshot.lookup(field, Keys(tuple(field), [((key[0],),) for key in keys]))
            assert len(texts(snapshot, workspace, found)) == len(seen)
            for key in keys:
                one = snapshot.lookup(field, Keys(tuple(field), [((key[0],),)]))
                assert len(texts(snapshot, workspace, one)) >= 1


@pytest.mark.parametrize("number", range(len(KEYED)), ids=list(KEYED))
def test_what_a_type_cannot_hold_matches_nothing(keyed: str, workspace: Workspace, number: int) -> None:
    """Foreign spellings are never an error: a replica's key may be of another type than the owner's."""
    with reader(keyed, f"k{number}").snapshot(workspace) as snapshot:
        field = wanted("k")
        keys = Keys(tuple(field), [((text,),) for text in NASTY])
        texts(snapshot, workspace, snapshot.lookup(field, keys))
        assert texts(snapshot, workspace, snapshot.lookup(field, Keys(tuple(field), []))) == []


def test_keys_of_several_columns(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Parts are not mixed up: (1,11) is not (11,1); candidates of the parts are combined."""
    url = postgres.fresh_database("composite")
    postgres.admin(
        "CREATE TABLE t (a int, b text, c uuid, v int, PRIMARY KEY (a, b))",
        "INSERT INTO t VALUES (1, '11', NULL, 1), (11, '1', NULL, 2), (1, 'x''y', NULL, 3), (2, 'A', NULL, 4)",
        database=url,
    )
    with reader(url, "t").snapshot(workspace) as snapshot:
        key = wanted("b", "a")
        for values, rows in (
            ([(("11",), ("1",))], ["1"]),
            ([(("x'y",), ("1",)), (("A", "a"), ("2", "two", "3")), (("A",), ("none",))], ["3", "4"]),
            ([(("1", "11"), ("1", "11"))], ["1", "2"]),
            ([(("A",), ("2",)), (("A",), ("2",)), (("A",), ("02",))], ["4"]),
        ):
            found = texts(snapshot, workspace, snapshot.lookup(wanted("v"), Keys(tuple(key), values)))
            assert [row[0] for row in found] == rows


def test_text_that_is_compared_without_case(postgres: PostgreSQL, workspace: Workspace) -> None:
    """The bytes decide which row a key means, and no row comes twice, also over several statements."""
    url = postgres.fresh_database("collations")
    postgres.admin(
        "CREATE EXTENSION citext",
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        'CREATE TABLE t (a citext, b text COLLATE ci, c text COLLATE "C")',
        "INSERT INTO t VALUES ('Ab', 'Ab', 'Ab'), ('AB', 'AB', 'AB'), ('ü', 'ü', 'ü')",
        database=url,
    )
    with pytest.MonkeyPatch.context() as patch, reader(url, "t").snapshot(workspace) as snapshot:
        patch.setattr(postgresql_keys, "STATEMENT_BYTES", 1)
        for column in ("a", "b", "c"):
            keys = [("ab",), ("Ab",), ("aB",), ("ü",), ("Ü",)]
            assert looked_up(snapshot, workspace, [column], keys) == [("Ab",), ("ü",)]


def test_times_without_a_zone_are_found_by_instant(postgres: PostgreSQL, workspace: Workspace) -> None:
    """A column without a zone is in the connection's; an hour that comes twice is found by both instants."""
    url = postgres.fresh_database("instants")
    postgres.admin(
        "CREATE TABLE t (l timestamp, z timestamptz)",
        "INSERT INTO t VALUES ('2024-07-01 12:00:00', '2024-07-01 12:00:00+00')",
        "INSERT INTO t VALUES ('2024-10-27 02:30:00', '2024-10-27 00:30:00+00')",
        database=url,
    )
    with reader(url, "t", timezone="Europe/Berlin").snapshot(workspace) as snapshot:
        assert looked_up(snapshot, workspace, [("l", "timestamp")], [("2024-07-01T10:00:00.000000Z",)]) == [
            ("2024-07-01 12:00:00",)
        ]
        for instant in ("2024-10-27T00:30:00.000000Z", "2024-10-27T01:30:00.000000Z"):
            assert len(looked_up(snapshot, workspace, [("l", "timestamp")], [(instant,)])) == 1
        local = [("2024-10-27T02:30:00.000000",)]
        assert len(looked_up(snapshot, workspace, [("l", "timestamp(local)")], local)) == 1
        assert len(looked_up(snapshot, workspace, [("z", "timestamp(local)")], local)) == 1
        assert len(looked_up(snapshot, workspace, [("z", "timestamp")], [("2024-07-01T12:00:00.000000Z",)])) == 1


def test_a_key_inside_a_document(postgres: PostgreSQL, workspace: Workspace) -> None:
    url = postgres.fresh_database("document")
    postgres.admin(
        "CREATE TABLE t (doc jsonb)", """INSERT INTO t VALUES ('{"id": 7}'), ('{"id": "x"}'), ('{}')""", database=url
    )
    with reader(url, "t").snapshot(workspace) as snapshot:
        assert looked_up(snapshot, workspace, [("doc.id", "text")], [("x",), ("7",), ("none",)]) == [("7",), ("x",)]


def test_a_database_of_another_encoding(postgres: PostgreSQL, workspace: Workspace) -> None:
    """What the encoding cannot say is in no row; what it can is found."""
    postgres.admin(
        "DROP DATABASE IF EXISTS latin", "CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'"
    )
    url = postgres.url_of("latin")
    postgres.admin("CREATE TABLE t AS SELECT 'é'::text AS k UNION ALL SELECT 'e'", database=url)
    with reader(url, "t").snapshot(workspace) as snapshot:
        assert looked_up(snapshot, workspace, ["k"], [("é",), ("€",), ("\U0001f600",), ("e",)]) == [("e",), ("é",)]


def test_many_keys_come_in_statements_of_limited_size(
    postgres: PostgreSQL, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every key is found once over all statements, and every statement is served by the index."""
    url = postgres.fresh_database("batches")
    postgres.admin(
        "CREATE TABLE t (id bigint PRIMARY KEY, ref uuid NOT NULL UNIQUE)",
        "INSERT INTO t SELECT i, md5(i::text)::uuid FROM generate_series(1, 50000) i",
        "ANALYZE t",
        database=url,
    )
    monkeypatch.setattr(postgresql_keys, "STATEMENT_BYTES", 1000)
    with postgres.statement_log() as log, reader(url, "t").snapshot(workspace) as snapshot:
        found = looked_up(snapshot, workspace, ["id"], [(str(number),) for number in range(49_501, 50_501)])
        assert len(found) == 500
    statements = [line for line in log.text().splitlines() if "= ANY" in line]
    assert len(statements) > 5
    assert max(map(len, statements)) < 3000
    condition = next(postgresql_keys.conditions([_access(url, workspace)], [(("7",),), (("8",),)]))
    plan = postgres.admin(f"EXPLAIN SELECT * FROM t WHERE {condition}", database=url)
    assert "Index Scan using t_pkey" in plan[0][0]


def _access(url: str, workspace: Workspace) -> Access:
    with reader(url, "t").snapshot(workspace) as snapshot:
        return snapshot._plan.accesses(wanted("id"))[0]
