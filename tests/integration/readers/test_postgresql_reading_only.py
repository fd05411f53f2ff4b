"""Nothing that the reader sends to PostgreSQL writes, and no contract can make it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from auditor.readers.postgresql import snapshot as postgresql_snapshot
from contracts.errors import StoreError
from reconcilers.ports import Keys
from reconcilers.workspace import Workspace
from tests.integration.readers.postgresql_reading import read, reader, texts, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import PostgreSQL

WRITTEN = """
SELECT sum(n_tup_ins + n_tup_upd + n_tup_del), (SELECT count(*) FROM pg_largeobject_metadata),
  (SELECT count(*) FROM pg_class), (SELECT last_value FROM counter), (SELECT count(*) FROM t)
FROM pg_stat_user_tables
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("workspace")) as space:
        yield space


@pytest.fixture(scope="module")
def shop(postgres: PostgreSQL) -> str:
    url = postgres.fresh_database("shop")
    postgres.admin(
        "CREATE TABLE t (id int PRIMARY KEY, n numeric(10,2), name text)",
        "INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 5000) i",
        "CREATE SEQUENCE counter",
        "CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (-1) RETURNING id'",
        "CREATE FUNCTION liar() RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN PERFORM writes(); RETURN 1; END'",
        "CREATE FUNCTION honest(i int) RETURNS int STABLE LANGUAGE sql AS 'SELECT i + 1'",
        "CREATE VIEW tempting AS SELECT nextval('counter') AS id",
        "ANALYZE",
        database=url,
    )
    return url


def test_the_servers_own_log_has_nothing_but_reads(
    postgres: PostgreSQL, shop: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a superuser's rights, over every way of reading: BEGIN … READ ONLY, SELECT, COPY … TO STDOUT, ROLLBACK."""
    monkeypatch.setattr(postgresql_snapshot, "PARALLEL_PAGES_MIN", 1)
    before = postgres.admin(WRITTEN, database=shop)
    with postgres.statement_log() as log:
        source = reader(shop, "t")
        source.shape(workspace)
        source.dry_run(wanted("id"))
        with source.snapshot(workspace) as snapshot:
            relation = snapshot.scan(wanted("id", "n"))
            snapshot.load(f"SELECT * FROM {relation.sql}", "rows")
            snapshot.load(f"SELECT a.* FROM {relation.sql} a JOIN {relation.sql} b USING (c0)", "rows")
            keys = Keys(tuple(wanted("id")), [(("1",),), (("2",),)])
            assert len(texts(snapshot, workspace, snapshot.lookup(wanted("id", "name"), keys))) == 2
            nan = snapshot.nan_keys(wanted("n"), wanted("id"))
            assert nan is not None
            texts(snapshot, workspace, nan)
            snapshot.incomplete()
        read(workspace, reader(shop, query="SELECT id, honest(id) AS h FROM t"), "id", "h")
    ours = [line for line in log.text().splitlines() if f"postgres@{postgres.database_name(shop)} LOG:  " in line]
    statements = [re.split(r"LOG:  (?:statement|execute .*?): ", line)[-1].strip() for line in ours]
    assert len(statements) > 20
    lawful = (
        r"SELECT |WITH |BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY$|ROLLBACK$|COPY \(SELECT "
        r"|SET TRANSACTION SNAPSHOT '[0-9A-F-]+'$|DISCARD ALL$|$"  # the last one: settings of the session, nothing else
    )
    assert [statement for statement in statements if not re.match(lawful, statement)] == []
    copies = re.findall(r"COPY \(.*?\) TO (\S+)", log.text(), re.DOTALL)
    assert copies
    assert set(copies) == {"STDOUT"}
    assert postgres.admin(WRITTEN, database=shop) == before


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT nextval('counter') AS id", r"calls nextval\(\)"),
        ("SELECT NEXTVAL ('counter') AS id", r"calls nextval\(\)"),
        ("SELECT pg_catalog.\"nextval\"/* x */('counter') AS id", r"calls nextval\(\)"),
        ("SELECT setval('counter', 9) AS id", r"calls setval\(\)"),
        ("SELECT lo_import('/etc/hostname') AS id", r"calls lo_import\(\)"),
        ("SELECT lo_from_bytea(0, 'x') AS id", r"calls lo_from_bytea\(\)"),
        ("SELECT lo_export(1, '/nowhere') AS id", r"calls lo_export\(\)"),
        ("SELECT pg_terminate_backend(1) AS id", r"calls pg_terminate_backend\(\)"),
        ("SELECT set_config('transaction_read_only', 'off', true) AS id", r"calls set_config\(\)"),
        ("SELECT query_to_xml('DELETE FROM t', true, true, '') AS id", r"calls query_to_xml\(\)"),
        ("SELECT writes() AS id", r"calls writes\(\)"),
        ("SELECT * FROM t WHERE id = (SELECT pg_advisory_lock(1)::text::int)", r"calls pg_advisory_lock\(\)"),
        ("SELECT 1 AS id; DROP TABLE t", "more than one statement"),
        ("SELECT 1 AS id; DELETE FROM t; SELECT 1", "more than one statement"),
        ("SELECT 1 AS id) AS q; DROP TABLE t; SELECT * FROM (SELECT 1 AS id", "syntax error"),
        ("SELECT 1 AS id) AS q, (SELECT 2 AS jd", "syntax error"),
        ("SELECT 1 AS id /*", "comment without an end"),
        ("SELECT $x$ AS id", "dollar quote without an end"),
        ("SELECT U&\"lo\\005Fimport\"('/etc/hostname') AS id", "U& escapes"),
        ("WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone", "does more than read"),
        ("INSERT INTO t VALUES (-1) RETURNING id", "syntax error"),
        ("DELETE FROM t", "no SELECT"),
        ("COPY t TO '/nowhere'", "no SELECT"),
        ("COPY t TO PROGRAM 'true'", "no SELECT"),
        ("DO $$ BEGIN DELETE FROM t; END $$", "no SELECT"),
        ("CALL nothing()", "does not exist|no SELECT"),
        ("CREATE TABLE more AS SELECT 1 AS id", "no SELECT"),
        ("SELECT 1 AS id INTO more", "no SELECT"),
        ("SHOW ALL", "syntax error"),
        ("EXPLAIN ANALYZE DELETE FROM t", "syntax error"),
        ("SELECT 1 AS id, 2 AS id", "two of its columns have one name"),
        ("SELECT $1 AS id", "parameter"),
        ("  ;; ", "its query is empty"),
        ("-- nothing", "no SELECT"),
    ],
)
def test_a_query_that_does_more_than_read_is_refused(
    postgres: PostgreSQL, shop: str, workspace: Workspace, query: str, why: str
) -> None:
    """One clear error, before anything runs, and nothing is changed; a read-only transaction alone does not do that."""
    before = postgres.admin(WRITTEN, database=shop)
    with pytest.raises(StoreError, match=why) as caught:
        reader(shop, query=query).shape(workspace)
    assert caught.value.hint
    with pytest.raises(StoreError, match=why):
        read(workspace, reader(shop, query=query), "id")
    assert postgres.admin(WRITTEN, database=shop) == before


@pytest.mark.parametrize("source", ["SELECT liar() AS id", "tempting"])
def test_what_hides_behind_a_view_or_a_lie_is_stopped_by_the_server(
    postgres: PostgreSQL, shop: str, workspace: Workspace, source: str
) -> None:
    """A function that is declared STABLE, and a view, are beyond our sight, not beyond a read-only transaction."""
    before = postgres.admin(WRITTEN, database=shop)
    target = reader(shop, query=source) if " " in source else reader(shop, source)
    with pytest.raises(
        StoreError, match=r"the statement does more than read|is not allowed in a non-volatile function"
    ):
        read(workspace, target, "id")
    assert postgres.admin(WRITTEN, database=shop) == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM t WHERE id < 3",
        "SELECT id FROM t WHERE id < 3;",
        "SELECT id FROM t WHERE id < 3 -- only a few",
        "/* a /* nested */ comment */ SELECT id FROM t WHERE name <> 'nextval(''counter'')' AND id < 3",
        "WITH few AS (SELECT * FROM t WHERE id < 3) SELECT honest(id) - 1 AS id FROM few",
        "TABLE t ORDER BY id LIMIT 2",
        "VALUES (1, 'x'), (2, 'y')",
        "SELECT id, (random() * 0)::int AS zero FROM t WHERE id IN (1, 2)",
        "SELECT id, $$writes()$$ AS text, E'\\'writes()' AS other, '{}%s' AS odd FROM t WHERE id < 3",
    ],
)
def test_a_query_that_reads_is_read(shop: str, workspace: Workspace, query: str) -> None:
    """What merely looks dangerous, in a comment or a text, is not."""
    source = reader(shop, query=query)
    names = [column.name for column in source.shape(workspace).columns]
    assert [row[0] for row in read(workspace, source, *names)] == ["1", "2"]


def test_the_columns_of_a_query_are_described(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Types come through a query: domains, enums, arrays, the digits of a numeric."""
    url = postgres.fresh_database("query")
    postgres.admin(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN amount AS numeric(12,2)",
        "CREATE TABLE t (id int NOT NULL, m mood, a amount, l text[], n numeric(5,1), z timestamptz)",
        "INSERT INTO t VALUES (1, 'ok', 1.5, '{x}', 2.5, '2024-01-01 00:00:00+00')",
        database=url,
    )
    source = reader(url, query='SELECT t.*, a * 2 AS twice, count(*) OVER () AS "How many" FROM t')
    shape = source.shape(workspace)
    assert {column.name: str(column.logical) for column in shape.columns} == {
        "id": "int",
        "m": "enum(sad,ok)",
        "a": "decimal(12,2)",
        "l": "list<text>",
        "n": "decimal(5,1)",
        "z": "timestamp",
        "twice": "None",
        "How many": "int",
    }
    assert read(workspace, source, *[column.name for column in shape.columns]) == [
        ("1", "ok", "1.50", '["x"]', "2.5", "2024-01-01 00:00:00+00", "3.00", "1")
    ]


def test_a_value_never_stands_in_an_error(postgres: PostgreSQL, workspace: Workspace) -> None:
    """PostgreSQL quotes the value that it could not convert; keys stand in the statement that DuckDB quotes."""
    url = postgres.fresh_database("values")
    postgres.admin(
        "CREATE TABLE t AS SELECT 'top-secret'::text AS name, 99999999999::bigint AS big",
        "CREATE VIEW v AS SELECT name::int AS name, big::text::int AS big, 'k' AS key FROM t",
        database=url,
    )
    keys = Keys(tuple(wanted("key")), [(("k",),), (("hidden-key",),)])
    for column, said in (("name", "invalid input syntax for"), ("big", "value is out of range for type integer")):
        with reader(url, "v").snapshot(workspace) as snapshot:
            relation = snapshot.lookup(wanted(column), keys)
            with pytest.raises(StoreError, match=said) as caught:
                texts(snapshot, workspace, relation)
        assert not re.search(r"top-secret|99999999999|hidden-key", str(caught.value))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
