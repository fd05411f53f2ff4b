"""The SQLAlchemy reader: any dialect, nothing bent by its driver, read only, one result at a time."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, oracle

from auditor.readers.sqlalchemy.dialects import exact, manners_of
from auditor.readers.sqlalchemy.reader import SqlAlchemyReader
from contracts.errors import StoreError
from contracts.logical_types import Kind
from tests.conformance.delivery import found, keys, natural, scanned, scanned_raw, things, workspace_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import DatabaseServer


@pytest.fixture(params=["postgres", "mysql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    running: DatabaseServer = request.getfixturevalue(request.param)
    return running


def shop(server: DatabaseServer, *statements: str) -> str:
    """A fresh database's URL for SQLAlchemy."""
    url = server.fresh_database("dialect")
    server.admin(*statements, database=url)
    return server.sqlalchemy_url_of(server.database_name(url))


def test_shape_is_that_of_the_database(server: DatabaseServer) -> None:
    url = shop(
        server,
        "CREATE TABLE t (a int NOT NULL, b varchar(20) NOT NULL, d decimal(9,2), ts timestamp NULL, "
        "u varchar(9) UNIQUE, PRIMARY KEY (b, a))",
        "CREATE UNIQUE INDEX both_columns ON t (a, b)",
        "CREATE INDEX plain ON t (d)",
    )
    shape = SqlAlchemyReader("db/t", url, "t").shape()
    assert [column.logical.kind for column in shape.columns if column.logical][:3] == [
        Kind.INT,
        Kind.TEXT,
        Kind.DECIMAL,
    ]
    assert set(shape.unique_keys) == {("b", "a"), ("a", "b")}
    assert ("d",) in shape.indexed
    assert [column.name for column in shape.columns if not column.nullable] == ["a", "b"]


def test_nothing_is_written_and_nothing_could_be(server: DatabaseServer, tmp_path: Path) -> None:
    url = shop(server, "CREATE TABLE t (id int PRIMARY KEY, v varchar(9))", "INSERT INTO t VALUES (1, 'x')")
    reader = SqlAlchemyReader("db/t", url, "t")
    with server.statement_log() as log:
        wanted = things(id="int", v="text")
        assert scanned(tmp_path, reader, wanted) == [("1", "x")]
        assert found(tmp_path, reader, wanted, keys(wanted[:1], ("1",))) == [("1", "x")]
    sent = log.text().upper()
    assert "READ ONLY" in sent
    writes = ("INSERT ", "UPDATE ", "DELETE ", "DROP ", "TRUNCATE ")
    assert [line for line in sent.splitlines() if any(word in line for word in writes)] == []
    with workspace_in(tmp_path) as workspace, reader.snapshot(workspace) as snapshot:
        assert snapshot.watermark.isolation == "snapshot"
        with pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.only"):
            snapshot._connection.exec_driver_sql("INSERT INTO t VALUES (2, 'y')")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "SELECT 1; DELETE FROM t",
        "SELECT 1) x; DELETE FROM t; COMMIT; --",
        "SELECT 1) x /*",
        "SELECT (1",
        "nonsense",
        "",
    ],
)
def test_a_query_that_is_no_select_is_refused(server: DatabaseServer, query: str) -> None:
    url = shop(server, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    with pytest.raises(StoreError, match="the query was not sent"):
        SqlAlchemyReader("db/q", url, "", query=query or " ").shape()
    assert server.admin("SELECT count(*) FROM t", database=server.database_name(url)) == [(1,)]


def test_a_query_that_writes_within_a_select_is_refused_by_the_database(postgres: DatabaseServer) -> None:
    url = shop(postgres, "CREATE SEQUENCE s", "CREATE TABLE t (id int)")
    for query in ("SELECT nextval('s')", "WITH gone AS (DELETE FROM t RETURNING id) SELECT id FROM gone"):
        with pytest.raises(StoreError, match="the database refuses the query"):
            SqlAlchemyReader("db/q", url, "", query=query).shape()


def test_a_query_stands_in_for_a_relation(server: DatabaseServer, tmp_path: Path) -> None:
    url = shop(server, "CREATE TABLE t (id int PRIMARY KEY, v varchar(9))", "INSERT INTO t VALUES (1, ':x'), (2, 'y')")
    reader = SqlAlchemyReader("db/q", url, "", query="SELECT id AS k, v FROM t WHERE v = ':x' OR 10 % 3 = 1 -- all\n;")
    wanted = things(k="int", v="text")
    assert scanned(tmp_path, reader, wanted) == [("1", ":x"), ("2", "y")]
    assert found(tmp_path, reader, wanted, keys(wanted[:1], ("02",))) == [("2", "y")]
    assert "SELECT id AS k" in reader.dry_run(wanted)


def test_a_wrong_password_and_a_closed_port_are_told_without_the_password(server: DatabaseServer) -> None:
    url = server.sqlalchemy_url_of(server.default_database)
    wrong = url.replace(server.password, "s3cret-word")
    with pytest.raises(StoreError, match="connecting failed") as caught:
        SqlAlchemyReader("db/t", wrong, "t").shape()
    assert "s3cret-word" not in str(caught.value)
    closed = url.replace(f":{server.port}/", ":1/")
    with pytest.raises(StoreError, match="connecting failed") as caught:
        SqlAlchemyReader("db/t", closed, "t").shape()
    assert server.password not in str(caught.value)


def test_two_passes_at_once_are_right_or_refused(server: DatabaseServer, tmp_path: Path) -> None:
    """A driver that reads one result at a time must not end the first one in silence."""
    values = ", ".join(f"({i})" for i in range(20_000))
    url = shop(server, "CREATE TABLE t (id int PRIMARY KEY)", f"INSERT INTO t VALUES {values}")
    reader = SqlAlchemyReader("db/t", url, "t")
    with workspace_in(tmp_path) as workspace, reader.snapshot(workspace) as snapshot:
        relation = snapshot.scan(natural("id"))
        sql = f"SELECT count(*) FROM {relation.sql} a JOIN {relation.sql} b USING (c0)"
        try:
            snapshot.load(sql, "joined")
        except StoreError as error:
            assert "cannot read the relation twice" in str(error)  # noqa: PT017
            assert server.name != "postgres"
        else:
            assert workspace.cursor().execute("SELECT * FROM joined").fetchall() == [(20_000,)]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuchdb://host/x", "install the driver or the dialect"),
        ("mssql+nodriver://host/x", "install the driver or the dialect"),
        ("sqlite+pysqlite:////nowhere/at/all.db", "connecting failed"),
    ],
)
def test_what_cannot_be_reached_is_told(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        SqlAlchemyReader("db/t", url, "t").shape()


def test_an_unknown_relation_or_column_names_the_nearest(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
    connection.close()
    url = f"sqlite:///{tmp_path}/shop.db"
    with pytest.raises(StoreError, match="did you mean 'orders'"):
        SqlAlchemyReader("db/t", url, "ordres").shape()
    with pytest.raises(StoreError, match="did you mean 'total'"):
        scanned_raw(tmp_path, SqlAlchemyReader("db/t", url, "orders"), natural("totl"))


@pytest.mark.parametrize(
    ("dialect", "kind", "statement"),
    [
        ("mssql", mssql.DATETIME2(7), "convert(varchar(40), t.v, 126)"),  # type: ignore[no-untyped-call]
        ("mssql", mssql.DATETIMEOFFSET(7), "convert(varchar(40), t.v, 127)"),  # type: ignore[no-untyped-call]
        ("mssql", sa.Numeric(10, 2), "t.v"),
        ("oracle", oracle.TIMESTAMP(), """to_char(t.v, 'YYYY-MM-DD"T"HH24:MI:SS.FF9')"""),
        (
            "oracle",
            oracle.TIMESTAMP(timezone=True),
            """to_char(sys_extract_utc(t.v), 'YYYY-MM-DD"T"HH24:MI:SS.FF9"Z"')""",
        ),
        ("oracle", oracle.DATE(), """to_char(t.v, 'YYYY-MM-DD"T"HH24:MI:SS')"""),
        ("oracle", sa.Numeric(38, 10), "to_char(t.v, 'TM9', 'NLS_NUMERIC_CHARACTERS = ''.,''')"),
        ("unheard-of", sa.DateTime(), "t.v"),
        ("unheard-of", sa.JSON(), "CAST(t.v AS TEXT)"),
        ("unheard-of", sa.LargeBinary(), "t.v"),
    ],
)
def test_databases_that_are_not_here_are_asked_for_text_where_their_drivers_would_cut(
    dialect: str, kind: sa.types.TypeEngine[object], statement: str
) -> None:
    """Held to the statement only: no such server runs here."""
    table = sa.table("t", sa.column("v"))
    compiler = {"mssql": mssql.dialect, "oracle": oracle.dialect}.get(dialect, sa.engine.default.DefaultDialect)()
    selected = exact(table.c.v, kind, dialect)
    assert str(selected.compile(dialect=compiler, compile_kwargs={"literal_binds": True})) == statement


def test_an_unknown_dialect_is_promised_nothing() -> None:
    assert not manners_of("unheard-of").snapshot
    assert not manners_of("unheard-of").many_streams
