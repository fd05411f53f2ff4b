"""What a relation of PostgreSQL looks like, and who may look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.errors import StoreError
from reconcilers.workspace import Workspace
from tests.integration.readers.postgresql_reading import read, reader, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import PostgreSQL


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("workspace")) as space:
        yield space


def role(postgres: PostgreSQL, url: str, name: str, *grants: str) -> str:
    """A role with these privileges and no other; its URL."""
    postgres.admin(
        f"DROP ROLE IF EXISTS {name}", f"CREATE ROLE {name} LOGIN PASSWORD '{postgres.password}'", *grants, database=url
    )
    return url.replace("//postgres:", f"//{name}:")


def test_columns_keys_and_indexes(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Types as declared and as resolved; keys that are unique and never NULL; the leading columns of each index."""
    url = postgres.fresh_database("shape")
    postgres.admin(
        "CREATE TYPE status AS ENUM ('open', 'shipped')",
        "CREATE DOMAIN ref AS bigint NOT NULL",
        """CREATE TABLE t (a int NOT NULL, b text NOT NULL, c uuid UNIQUE, d ref, e status DEFAULT 'open', f numeric,
           g timestamp NOT NULL, gone int, PRIMARY KEY (b, a))""",
        "ALTER TABLE t DROP COLUMN gone",
        "CREATE UNIQUE INDEX ON t (d)",
        "CREATE UNIQUE INDEX ON t (g) WHERE a > 0",
        "CREATE UNIQUE INDEX ON t (lower(b))",
        "CREATE UNIQUE INDEX ON t (a) INCLUDE (f)",
        "CREATE INDEX ON t (g, lower(b), a)",
        "CREATE INDEX ON t USING hash (c)",
        "CREATE INDEX ON t USING brin (g)",
        "INSERT INTO t SELECT i, i, NULL, i, 'open', i, now() + i * interval '1 s' FROM generate_series(1, 500) i",
        "ANALYZE t",
        database=url,
    )
    shape = reader(url, "public.t").shape(workspace)
    assert [(c.name, c.store_type, c.nullable, str(c.logical), c.zone) for c in shape.columns] == [
        ("a", "integer", False, "int", ""),
        ("b", "text", False, "text", ""),
        ("c", "uuid", True, "uuid", ""),
        ("d", "ref", False, "int", ""),
        ("e", "status", True, "enum(open,shipped)", ""),
        ("f", "numeric", True, "None", ""),
        ("g", "timestamp without time zone", False, "timestamp(local)", "local"),
    ]
    assert shape.unique_keys == (("b", "a"), ("d",), ("a",))
    assert set(shape.indexed) == {("b", "a"), ("c",), ("d",), ("a",), ("g",)}
    assert shape.estimated_rows == 500
    assert shape.estimated_bytes is not None
    assert 8192 * 4 <= shape.estimated_bytes < 8192 * 100


def test_what_is_not_known_is_not_guessed(postgres: PostgreSQL, workspace: Workspace) -> None:
    """A table that was never analysed has no estimate; a view has neither size nor keys."""
    url = postgres.fresh_database("unknown")
    postgres.admin(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "ALTER TABLE t SET (autovacuum_enabled = off)",
        "INSERT INTO t SELECT generate_series(1, 10)",
        "CREATE VIEW v AS SELECT * FROM t",
        database=url,
    )
    assert reader(url, "t").shape(workspace).estimated_rows is None
    view = reader(url, "v").shape(workspace)
    assert (view.estimated_rows, view.estimated_bytes, view.unique_keys) == (None, None, ())
    assert read(workspace, reader(url, "v"), "id")[0] == ("1",)


def test_partitions_are_read_and_added_up(postgres: PostgreSQL, workspace: Workspace) -> None:
    url = postgres.fresh_database("partitions")
    postgres.admin(
        "CREATE TABLE p (id int, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2024-02-01') PARTITION BY HASH (id)",
        "CREATE TABLE p11 PARTITION OF p1 FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE p12 PARTITION OF p1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "CREATE TABLE p2 PARTITION OF p DEFAULT",
        "INSERT INTO p SELECT i, date '2024-01-01' + i FROM generate_series(0, 99) i",
        "ANALYZE",
        database=url,
    )
    shape = reader(url, "p").shape(workspace)
    assert (shape.unique_keys, shape.estimated_rows) == ((("id", "day"),), 100)
    assert len(read(workspace, reader(url, "p"), "id")) == 100


def test_inheritance_keeps_no_key(postgres: PostgreSQL, workspace: Workspace) -> None:
    """A parent shows its children's rows, of which its own unique index knows nothing."""
    url = postgres.fresh_database("inheritance")
    postgres.admin(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE child () INHERITS (t)",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO child VALUES (1)",
        database=url,
    )
    assert reader(url, "t").shape(workspace).unique_keys == ()
    assert read(workspace, reader(url, "t"), "id") == [("1",), ("1",)]


def test_foreign_tables_are_read(postgres: PostgreSQL, workspace: Workspace) -> None:
    url = postgres.fresh_database("foreign")
    path = postgres.directory / "rows.csv"
    path.write_text("1,a\n2,b\n")
    postgres.account.own(path)
    postgres.admin(
        "CREATE EXTENSION file_fdw",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        f"CREATE FOREIGN TABLE f (id int, b text) SERVER files OPTIONS (filename '{path}', format 'csv')",
        database=url,
    )
    assert reader(url, "f").shape(workspace).estimated_rows is None
    assert read(workspace, reader(url, "f"), "b", "id") == [("a", "1"), ("b", "2")]


def test_names_are_taken_letter_by_letter(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Upper case, blanks, quotes, keywords, braces, percent signs and further dots in names."""
    url = postgres.fresh_database("names")
    postgres.admin(
        'CREATE SCHEMA "Read Model"',
        """CREATE TABLE "Read Model"."Order.Lines"
           ("Id" int, "a""b" text, "it's" int, "select" int, "{}%s" int, "é" int)""",
        """INSERT INTO "Read Model"."Order.Lines" VALUES (1, 'x', 2, 3, 4, 5)""",
        database=url,
    )
    source = reader(url, "Read Model.Order.Lines")
    names = [column.name for column in source.shape(workspace).columns]
    assert names == ["Id", 'a"b', "it's", "select", "{}%s", "é"]
    assert read(workspace, source, *names) == [("1", "x", "2", "3", "4", "5")]


def test_without_a_schema_the_search_path_decides_then_public(postgres: PostgreSQL, workspace: Workspace) -> None:
    url = postgres.fresh_database("path")
    postgres.admin(
        "CREATE SCHEMA app",
        "CREATE TABLE app.t AS SELECT 'app' AS here",
        "CREATE TABLE public.t AS SELECT 'public' AS here",
        "CREATE TABLE public.u AS SELECT 'public' AS here",
        f"ALTER DATABASE {postgres.database_name(url)} SET search_path = app",
        database=url,
    )
    assert read(workspace, reader(url, "t"), "here") == [("app",)]
    assert read(workspace, reader(url, "public.t"), "here") == [("public",)]
    assert read(workspace, reader(url, "u"), "here") == [("public",)]


@pytest.mark.parametrize(
    ("relation", "suggestion"),
    [
        ("ordres", "did you mean 'orders'"),
        ("Orders", "did you mean 'orders'"),
        ("public.orders_", "did you mean"),
        ("lines", "'app.lines'"),
        ("zzzzzzzzzz", "there are"),
    ],
)
def test_a_relation_that_is_not_there(
    postgres: PostgreSQL, workspace: Workspace, relation: str, suggestion: str
) -> None:
    """The message names what was looked for and where, and the nearest names."""
    url = postgres.fresh_database("missing")
    postgres.admin("CREATE TABLE orders ()", "CREATE SCHEMA app", "CREATE TABLE app.lines ()", database=url)
    with pytest.raises(StoreError) as caught:
        reader(url, relation).shape(workspace)
    assert f"there is no table or view {relation}" in caught.value.message
    assert f"{postgres.host}:{postgres.port}/{postgres.database_name(url)} (user postgres)" in caught.value.message
    assert suggestion in caught.value.hint


def test_a_column_that_is_not_there(postgres: PostgreSQL, workspace: Workspace) -> None:
    url = postgres.fresh_database("column")
    postgres.admin("CREATE TABLE t (status text, doc text)", database=url)
    for path, hint in (
        ("Status", "did you mean 'status'?"),
        ("doc.a", "column doc is text; paths lead into json and jsonb alone"),
    ):
        with pytest.raises(StoreError, match=f"there is no column {path} among its 2") as caught:
            read(workspace, reader(url, "t"), path)
        assert caught.value.hint == hint


def test_privileges_that_are_missing_are_named(postgres: PostgreSQL, workspace: Workspace) -> None:
    """What to grant stands in the message; a role that may read some columns reads those."""
    url = postgres.fresh_database("grants")
    postgres.admin("CREATE SCHEMA app", "CREATE TABLE app.t AS SELECT 1 AS id, 'x' AS secret", database=url)
    mine = role(postgres, url, "stranger")
    with pytest.raises(
        StoreError, match=r'may not look into schema app\n  next: GRANT USAGE ON SCHEMA "app" TO "stranger"'
    ):
        reader(mine, "app.t").shape(workspace)
    postgres.admin("GRANT USAGE ON SCHEMA app TO stranger", database=url)
    with pytest.raises(StoreError, match=r'may not read app\.t\n  next: GRANT SELECT ON "app"\."t" TO "stranger"'):
        reader(mine, "app.t").shape(workspace)
    postgres.admin("GRANT SELECT (id) ON app.t TO stranger", database=url)
    assert read(workspace, reader(mine, "app.t"), "id") == [("1",)]
    with pytest.raises(
        StoreError, match=r'may not read column secret\n  next: GRANT SELECT \("secret"\) ON "app"\."t"'
    ):
        read(workspace, reader(mine, "app.t"), "secret")
    postgres.admin("REVOKE ALL ON app.t FROM stranger", "REVOKE ALL ON SCHEMA app FROM stranger", database=url)


def test_a_policy_that_hides_rows_is_an_error(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Row-level security would show a part as if it were the whole; below a view and in a query as well."""
    url = postgres.fresh_database("policies")
    postgres.admin(
        "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 9) i",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON t USING (id < 3)",
        database=url,
    )
    mine = role(postgres, url, "tenant", "GRANT SELECT ON t TO tenant")
    for source in (reader(mine, "t"), reader(mine, query="SELECT id FROM t")):
        with pytest.raises(
            StoreError, match=r"row-level security policy .*hide rows.*\n  next: give the role BYPASSRLS"
        ):
            read(workspace, source, "id")
    assert len(read(workspace, reader(url, "t"), "id")) == 9  # a superuser sees through
    postgres.admin("DROP OWNED BY tenant", database=url)


def test_a_database_of_two_thousand_tables(postgres: PostgreSQL, workspace: Workspace) -> None:
    """One relation is described without a look at the others."""
    url = postgres.fresh_database("many")
    postgres.admin(
        "DO $$ BEGIN FOR i IN 1..2000 LOOP EXECUTE format('CREATE TABLE t%s (id int)', i); END LOOP; END $$",
        database=url,
    )
    with postgres.statement_log() as log:
        assert read(workspace, reader(url, "t7"), "id") == []
    assert "pg_attribute" in log.text()
    assert "relkind IN ('r', 'v', 'm', 'f', 'p') AND pg_namespace.nspname" not in log.text()  # the scanner's own survey


def test_a_dry_run_shows_the_statement(postgres: PostgreSQL) -> None:
    url = postgres.fresh_database("dry")
    postgres.admin('CREATE TABLE t (id int, n numeric, "Total" numeric(5,2))', database=url)
    assert reader(url, "t").dry_run(wanted("id", "n", "Total")) == (
        'SELECT "id" AS c0, "n"::text AS c1, "Total" AS c2 FROM "public"."t"'
    )
