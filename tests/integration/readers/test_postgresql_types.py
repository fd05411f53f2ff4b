"""No value of PostgreSQL is bent on its way into DuckDB, by either way of reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from auditor.readers.postgresql import snapshot as postgresql_snapshot
from contracts.logical_types import parse_logical_type
from reconcilers.canonical import canonical
from reconcilers.ports import Keys, Wanted
from reconcilers.workspace import Workspace
from tests.integration.readers.postgresql_reading import read, reader, scanned, texts, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import PostgreSQL


class Case(NamedTuple):
    declared: str
    value: str  # a literal of PostgreSQL's
    logical: str  # what the contract says; empty: the column's natural type
    arrives: str  # as which type of DuckDB's
    text: str  # as which text of it


_DEFINITIONS = """
CREATE EXTENSION citext; CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'very, happy'); CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN amount AS numeric(12,2) NOT NULL; CREATE DOMAIN deep AS amount; CREATE DOMAIN code AS char(4);
CREATE DOMAIN tags AS text[];
"""

CASES = [
    Case("smallint", "-32768", "", "SMALLINT", "-32768"),
    Case("integer", "2147483647", "int", "INTEGER", "2147483647"),
    Case("bigint", "9223372036854775807", "", "BIGINT", "9223372036854775807"),
    Case("oid", "4294967295", "int", "BIGINT", "4294967295"),
    Case("boolean", "true", "", "BOOLEAN", "true"),
    Case("text", r"E'a''b\"\\\n é e\u0301'", "", "VARCHAR", "a'b\"\\\n é e\u0301"),
    Case("text", "''", "", "VARCHAR", ""),
    Case("varchar(20)", "'v  '", "", "VARCHAR", "v  "),
    Case("char(5)", "'ab'", "", "VARCHAR", "ab"),
    Case("char(5)", "'  a'", "text", "VARCHAR", "  a"),
    Case("citext", "'CiText'", "text", "VARCHAR", "CiText"),
    Case("name", "'nm'", "", "VARCHAR", "nm"),
    Case('"char"', "'c'", "", "VARCHAR", "c"),
    Case("uuid", "'C4CA4238-A0B9-2382-0DCC-509A6F75849B'", "", "UUID", "c4ca4238-a0b9-2382-0dcc-509a6f75849b"),
    Case("bytea", r"'\x00ff5c'", "", "BLOB", r"\x00\xFF\x5C"),
    Case("bytea", r"'\x00ff5c'", "text", "VARCHAR", r"\x00ff5c"),
    Case("real", "0.1", "", "FLOAT", "0.1"),
    Case("real", "0.1", "decimal(10,2)", "VARCHAR", "0.1"),
    Case("double precision", "5.99", "decimal(10,2)", "VARCHAR", "5.99"),
    Case("double precision", "'NaN'", "", "DOUBLE", "nan"),
    Case("double precision", "'-Infinity'", "float", "DOUBLE", "-inf"),
    Case("double precision", "0.1::float8 + 0.2::float8", "", "DOUBLE", "0.30000000000000004"),
    Case("numeric(10,2)", "-0.19", "", "DECIMAL(10,2)", "-0.19"),
    Case(
        "numeric(38,30)", "1.000000000000000000000000000001", "", "DECIMAL(38,30)", "1.000000000000000000000000000001"
    ),
    Case(
        "numeric(50,10)",
        "1234567890123456789012345678901234567890.1",
        "",
        "VARCHAR",
        "1234567890123456789012345678901234567890.1000000000",
    ),
    Case(
        "numeric",
        "123456789012345678901234567890123456789012345.1230",
        "",
        "VARCHAR",
        "123456789012345678901234567890123456789012345.1230",
    ),
    Case("numeric", "'NaN'", "decimal(10,2)", "VARCHAR", "NaN"),
    Case("numeric", "1e-20", "", "VARCHAR", "0.00000000000000000001"),
    Case("money", "1234.5", "decimal(19,2)", "VARCHAR", "1234.50"),
    Case("date", "'infinity'", "", "DATE", "infinity"),
    Case("date", "'0044-03-15 BC'", "", "DATE", "0044-03-15 (BC)"),
    Case("date", "'5874897-12-31'", "", "DATE", "5874897-12-31"),
    Case("date", "'0001-01-01'", "date", "DATE", "0001-01-01"),
    Case("date", "'9999-12-31'", "text", "VARCHAR", "9999-12-31"),
    Case("time", "'24:00:00'", "", "TIME", "24:00:00"),
    Case("time", "'23:59:59.999999'", "time", "TIME", "23:59:59.999999"),
    Case("time with time zone", "'24:00:00+02'", "", "VARCHAR", "24:00:00+02"),
    Case("timestamp", "'9999-12-31 23:59:59.999999'", "", "TIMESTAMP", "9999-12-31 23:59:59.999999"),
    Case("timestamp", "'-infinity'", "", "TIMESTAMP", "-infinity"),
    Case("timestamp", "'4713-11-24 BC'", "", "TIMESTAMP", "4713-11-24 (BC) 00:00:00"),
    Case("timestamp", "'294276-12-31 23:59:59.999999'", "text", "VARCHAR", "294276-12-31 23:59:59.999999"),
    Case(
        "timestamptz",
        "'2024-02-29 23:59:59.999999+02'",
        "",
        "TIMESTAMP WITH TIME ZONE",
        "2024-02-29 21:59:59.999999+00",
    ),
    Case("timestamptz", "'infinity'", "", "TIMESTAMP WITH TIME ZONE", "infinity"),
    Case("timestamptz", "'0001-01-01 00:00:00+00'", "", "TIMESTAMP WITH TIME ZONE", "0001-01-01 00:00:00+00"),
    Case("timestamptz", "'2024-02-29 23:59:59.5+02'", "text", "VARCHAR", "2024-02-29 21:59:59.5+00"),
    Case("interval", "'1 year 2 mons -3 days 04:05:06.789'", "", "INTERVAL", "1 year 2 months -3 days 04:05:06.789"),
    Case("interval", "'1 year 2 mons -3 days 04:05:06.789'", "text", "VARCHAR", "P1Y2M-3DT4H5M6.789S"),
    Case("json", """'{"a": 1.10, "a":2}'""", "", "VARCHAR", '{"a": 1.10, "a":2}'),
    Case("jsonb", """'{"b":[1,2],"a":1.10}'""", "json", "VARCHAR", '{"a": 1.10, "b": [1, 2]}'),
    Case("integer[]", "'{1,2,NULL}'", "list<int>", "VARCHAR", "[1,2,null]"),
    Case("integer[]", "'{{1,2},{3,4}}'", "", "VARCHAR", "[[1,2],[3,4]]"),
    Case("integer[]", "'{}'", "", "VARCHAR", "[]"),
    Case("numeric[]", "'{1.10,NaN}'", "", "VARCHAR", '[1.10,"NaN"]'),
    Case("double precision[]", "'{1.5,NaN,-Infinity}'", "", "VARCHAR", '[1.5,"NaN","-Infinity"]'),
    Case("text[]", """'{a,NULL,"b,c","d\\""}'""", "", "VARCHAR", '["a",null,"b,c","d\\""]'),
    Case("bytea[]", r"array['\x00ff'::bytea]", "", "VARCHAR", r'["\\x00ff"]'),
    Case(
        "timestamptz[]", "array['2024-02-29 23:59:59+02'::timestamptz]", "", "VARCHAR", '["2024-02-29T21:59:59+00:00"]'
    ),
    Case("mood[]", """'{ok,"very, happy"}'""", "", "VARCHAR", '["ok","very, happy"]'),
    Case("mood", "'very, happy'", "", "VARCHAR", "very, happy"),
    Case("inet", "'10.0.0.1/24'", "", "VARCHAR", "10.0.0.1/24"),
    Case("cidr", "'10.0.0.0/8'", "", "VARCHAR", "10.0.0.0/8"),
    Case("macaddr", "'08:00:2b:01:02:03'", "", "VARCHAR", "08:00:2b:01:02:03"),
    Case("bit(5)", "B'10101'", "", "VARCHAR", "10101"),
    Case("varbit", "B'101'", "", "VARCHAR", "101"),
    Case("xml", "'<a>1</a>'", "", "VARCHAR", "<a>1</a>"),
    Case("int4range", "'[1,5)'", "", "VARCHAR", "[1,5)"),
    Case(
        "tstzrange", "'[2024-01-01,2024-02-01)'", "", "VARCHAR", '["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")'
    ),
    Case("point", "'(1,2)'", "", "VARCHAR", "(1,2)"),
    Case("hstore", "'a=>1, b=>NULL'", "", "VARCHAR", '{"a": "1", "b": null}'),
    Case("hstore", "'a=>1'", "text", "VARCHAR", '"a"=>"1"'),
    Case("pair", """'(1,"a b")'""", "", "VARCHAR", '(1,"a b")'),
    Case("pair", """'(1,"a b")'""", "json", "VARCHAR", '{"a":1,"b":"a b"}'),
    Case("deep", "1.10", "", "DECIMAL(12,2)", "1.10"),
    Case("code", "'x'", "", "VARCHAR", "x"),
    Case("tags", "'{a,b}'", "list<text>", "VARCHAR", '["a","b"]'),
]
IDS = [f"{case.declared} {case.value} {case.logical}".strip() for case in CASES]
COLUMNS = [f"c{number}" for number in range(len(CASES))]
FIELDS = [(column, case.logical) if case.logical else column for column, case in zip(COLUMNS, CASES, strict=True)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("workspace")) as space:
        yield space


@pytest.fixture(scope="module")
def zoo(postgres: PostgreSQL) -> str:
    """A table with one column a case, and one row."""
    url = postgres.fresh_database("zoo")
    declared = ", ".join(f"{column} {case.declared}" for column, case in zip(COLUMNS, CASES, strict=True))
    values = ", ".join(case.value for case in CASES)
    postgres.admin(_DEFINITIONS, f"CREATE TABLE zoo ({declared})", f"INSERT INTO zoo VALUES ({values})", database=url)
    postgres.admin("ANALYZE zoo", database=url)
    return url


@pytest.fixture(params=["statement", "scanner"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of reading: by a statement of ours, and by the scanner's own table scan."""
    if request.param == "scanner":
        monkeypatch.setattr(postgresql_snapshot, "PARALLEL_PAGES_MIN", 1)
    return str(request.param)


class Found(NamedTuple):
    declared: str  # how the column arrives, as the relation says
    arrived: str  # how it arrives, as DuckDB says
    text: str
    by_scanner: bool


@pytest.fixture(scope="module", params=["statement", "scanner"])
def found(request: pytest.FixtureRequest, zoo: str, workspace: Workspace) -> list[Found]:
    """Each case's column, read alone, all in one snapshot."""
    result = []
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "scanner":
            patch.setattr(postgresql_snapshot, "PARALLEL_PAGES_MIN", 1)
        with reader(zoo, "zoo").snapshot(workspace) as snapshot:
            for field in FIELDS:
                relation = snapshot.scan(wanted(field))
                snapshot.load(f"SELECT typeof(c0) AS type, CAST(c0 AS VARCHAR) AS text FROM {relation.sql}", "found")
                ((arrived, text),) = workspace.cursor().execute("FROM found").fetchall()
                result.append(
                    Found(relation.columns[0].duckdb_type, arrived, text, "postgres_query" not in relation.sql)
                )
    assert any(each.by_scanner for each in result) == (request.param == "scanner")
    return result


@pytest.mark.parametrize("number", range(len(CASES)), ids=IDS)
def test_values_arrive_exactly(found: list[Found], number: int) -> None:
    """Each value arrives as the type it is declared to arrive as, and is what it is in PostgreSQL."""
    case = CASES[number]
    assert found[number][:3] == (case.arrives, case.arrives, case.text)


def test_the_scanner_is_used_for_plain_types_alone(
    zoo: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Types that the scanner bends (measured: NaN, wide numerics, two dimensions, domains) go another way."""
    monkeypatch.setattr(postgresql_snapshot, "PARALLEL_PAGES_MIN", 1)
    by_scanner = set()
    with reader(zoo, "zoo").snapshot(workspace) as snapshot:
        for field, case in zip(FIELDS, CASES, strict=True):
            if "postgres_query" not in snapshot.scan(wanted(field)).sql:
                by_scanner.add(case.declared)
    assert by_scanner >= {
        "bigint",
        "uuid",
        "text",
        "char(5)",
        "numeric(10,2)",
        "date",
        "timestamptz",
        "bytea",
        "mood",
        "time",
    }
    assert not by_scanner & {
        "numeric",
        "numeric(50,10)",
        "integer[]",
        "deep",
        "money",
        "pair",
        "oid",
        "hstore",
        "point",
    }


def test_both_ways_read_a_whole_table_alike(zoo: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scanner reads equals what a statement reads, column by column, over all its columns at once."""
    plain = [
        field for field, case in zip(FIELDS, CASES, strict=True) if case.declared in ("uuid", "date", "text", "jsonb")
    ]
    by_statement = read(workspace, reader(zoo, "zoo"), *plain)
    monkeypatch.setattr(postgresql_snapshot, "PARALLEL_PAGES_MIN", 1)
    assert read(workspace, reader(zoo, "zoo"), *plain) == by_statement


def test_nan_is_hidden_and_told(postgres: PostgreSQL, workspace: Workspace, way: str) -> None:
    """A scan shows NaN as 0 and says which columns do; `nan_keys` names the rows; by key NaN arrives as itself."""
    url = postgres.fresh_database("nan")
    postgres.admin(
        "CREATE TABLE t (a int, b text, n numeric(10,2), m numeric(5,0), u numeric, PRIMARY KEY (a, b))",
        "INSERT INTO t VALUES (1, 'x', 'NaN', 1, 2), (2, 'y', 0, 0, 0), (3, 'z', 1, 'NaN', 1), (4, 'n', NULL, 1, 1)",
        "ANALYZE t",
        database=url,
    )
    with reader(url, "t").snapshot(workspace) as snapshot:
        relation = snapshot.scan(wanted("n", "m", "a"))
        assert [column.nan_hidden for column in relation.columns] == [True, True, False]
        assert ("postgres_query" in relation.sql) == (way == "statement")
        assert texts(snapshot, workspace, relation)[0] == ("0.00", "0", "2")
        keys = snapshot.nan_keys(wanted("n", "m"), wanted("b", "a"))
        assert keys is not None
        assert texts(snapshot, workspace, keys) == [("x", "1"), ("z", "3")]
        assert snapshot.nan_keys(wanted("u", "a"), wanted("a")) is None
        rows = snapshot.lookup(wanted("n"), Keys(tuple(wanted("a")), [(("1",),)]))
        assert texts(snapshot, workspace, rows) == [("NaN",)]


@pytest.mark.parametrize("stored", ["timestamp", "timestamptz"])
@pytest.mark.parametrize("declared", ["timestamp", "timestamp(local)"])
def test_a_time_that_duckdb_lacks_is_no_value_and_shows_itself(
    postgres: PostgreSQL, workspace: Workspace, way: str, stored: str, declared: str
) -> None:
    """The scanner lets the last 30 years of PostgreSQL's calendar wrap round to 290,000 BC without a word.

    Every other time is what it is, those before our era and the infinities too.
    """
    url = postgres.fresh_database("late")
    moments = ("294276-12-31 23:59:59.123456", "infinity", "-infinity", "0044-03-15 12:00:00 BC", "294246-12-31")
    rows = ", ".join(f"({number}, '{moment}')" for number, moment in enumerate(moments))
    postgres.admin(f"CREATE TABLE t (n int, ts {stored})", f"INSERT INTO t VALUES {rows}", "ANALYZE t", database=url)
    source = reader(url, "t")
    logical = parse_logical_type(declared)
    with source.snapshot(workspace) as snapshot:
        for relation in (
            snapshot.scan([Wanted("n", None), Wanted("ts", logical)]),
            snapshot.lookup(
                [Wanted("n", None), Wanted("ts", logical)],
                Keys((Wanted("n", None),), [((str(number),),) for number in range(len(moments))]),
            ),
        ):
            form = canonical(logical, relation.columns[1])
            snapshot.load(
                f"SELECT {form.text}, {form.bad}, {form.value} IS NULL FROM {relation.sql} ORDER BY c0", "late"
            )
            zone = "Z" if declared == "timestamp" else ""
            assert workspace.cursor().execute("SELECT * FROM late").fetchall() == [
                ("294276-12-31 23:59:59.123456", True, True),
                ("infinity", False, False),
                ("-infinity", False, False),
                (f"-43-03-15T12:00:00.000000{zone}", False, False),
                (f"294246-12-31T00:00:00.000000{zone}", False, False),
            ]
    shown = [text for (text,) in read(workspace, source, ("ts", "text"))]
    assert any(text is not None and text.startswith("294276-12-31 23:59:59.123456") for text in shown)
    assert way


def test_odd_scales_of_numeric(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Since PostgreSQL 15 a scale may be negative or above the precision; DuckDB has neither and shows 1.23E-250."""
    if int(postgres.version.split(".", maxsplit=1)[0]) < 15:
        pytest.skip("scales within the precision only, before PostgreSQL 15")
    url = postgres.fresh_database("scales")
    postgres.admin("CREATE TABLE t AS SELECT 0.00123::numeric(3,5) AS a, 12345::numeric(3,-2) AS b", database=url)
    shape = reader(url, "t").shape(workspace)
    assert [str(column.logical) for column in shape.columns] == ["decimal(5,5)", "decimal(5,0)"]
    assert read(workspace, reader(url, "t"), "a", "b") == [("0.00123", "12300")]
    query = reader(url, query="SELECT a, b FROM t")
    assert read(workspace, query, "a", "b") == [("0.00123", "12300")]


def test_documents_are_read_by_path_with_every_digit(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Numbers keep their digits, strings lose their quotes, null and absent are NULL, dotted names are found."""
    url = postgres.fresh_database("documents")
    postgres.admin(
        "CREATE TABLE t (id int, j json, b jsonb)",
        """INSERT INTO t VALUES (1, '{"a": {"n": 1.10, "s": "x\\"y", "l": [1, {"k": 2}], "z": null, "q.r": 7}}',
           '{"a": {"n": 0.1000000000000000055, "s": "é", "l": [1, 2], "z": null, "q.r": 7}}'), (2, NULL, '[]')""",
        database=url,
    )
    source = reader(url, "t")
    for column, number, text, array in (
        ("j", "1.10", 'x"y', '[1, {"k": 2}]'),
        ("b", "0.1000000000000000055", "é", "[1, 2]"),
    ):
        paths = {
            "n": "decimal(30,20)",
            "s": "text",
            "l": "list<json>",
            "z": "text",
            "none": "json",
            "q.r": "int",
            "l.0": "int",
        }
        fields = [(f"{column}.a.{path}", logical) for path, logical in paths.items()]
        fields += [(f"{column}.a.s", "json"), (f"{column}.a.z", "json")]
        found = [row for row in read(workspace, source, *fields) if row[0]]
        assert found == [(number, text, array, None, None, "7", "1", '"' + text.replace('"', '\\"') + '"', None)]


def test_a_column_that_has_the_name_of_a_path_comes_first(postgres: PostgreSQL, workspace: Workspace) -> None:
    url = postgres.fresh_database("dotted")
    postgres.admin("""CREATE TABLE t AS SELECT '{"b": 1}'::jsonb AS a, 2 AS "a.b" """, database=url)
    assert read(workspace, reader(url, "t"), "a.b") == [("2",)]


def test_the_servers_own_settings_do_not_reach_the_values(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Text of times, intervals and bytes is the same whatever the role's or the database's defaults are."""
    url = postgres.fresh_database("settings")
    name = postgres.database_name(url)
    postgres.admin(
        f"ALTER DATABASE {name} SET DateStyle = 'German'",
        f"ALTER DATABASE {name} SET IntervalStyle = 'sql_standard'",
        f"ALTER DATABASE {name} SET TimeZone = 'Asia/Tokyo'",
        f"ALTER DATABASE {name} SET bytea_output = 'escape'",
        f"ALTER DATABASE {name} SET extra_float_digits = -3",
    )
    postgres.admin(
        r"""CREATE TABLE t AS SELECT '2024-02-29 12:00:00+00'::timestamptz AS z, '1 day'::interval AS i,
            '\x00'::bytea AS y, 0.1::float8 + 0.2 AS f""",
        database=url,
    )
    fields = [("z", "text"), ("i", "text"), ("y", "text"), ("f", "text")]
    assert read(workspace, reader(url, "t"), *fields) == [
        ("2024-02-29 12:00:00+00", "P1D", r"\x00", "0.30000000000000004")
    ]


def test_a_column_wanted_twice_under_two_types(postgres: PostgreSQL, workspace: Workspace) -> None:
    url = postgres.fresh_database("twice")
    postgres.admin("CREATE TABLE t AS SELECT 0.5::float8 AS f", database=url)
    with reader(url, "t").snapshot(workspace) as snapshot:
        assert scanned(snapshot, workspace, "f", ("f", "decimal(3,1)"), "f") == [("0.5", "0.5", "0.5")]


def test_the_zone_of_a_time_without_one_is_told(postgres: PostgreSQL, workspace: Workspace) -> None:
    """The contract's zone goes before the connection's."""
    url = postgres.fresh_database("zones")
    postgres.admin("CREATE TABLE t AS SELECT now()::timestamp AS ts", database=url)
    with reader(url, "t", timezone="Asia/Tokyo").snapshot(workspace) as snapshot:
        relation = snapshot.scan([Wanted("ts", None), Wanted("ts", None, "Europe/Berlin")])
        assert [column.timezone for column in relation.columns] == ["Asia/Tokyo", "Europe/Berlin"]
