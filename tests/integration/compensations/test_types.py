"""Every type of value arrives in every type of column so that reading it back gives an equal one."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from auditor.cli import run
from auditor.compensations.columns import TargetColumn, UnwritableError
from auditor.compensations.dialect import Dialect, Written
from auditor.compensations.mysql import MySql
from auditor.compensations.postgresql import PostgreSql
from auditor.compensations.sqlite import Sqlite
from contracts.logical_types import parse_logical_type
from tests.integration.compensations.copies import Copy, MySqlCopy, PostgreSqlCopy, SqliteCopy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import MariaDB, MySQL, PostgreSQL

INSTANTS = ["2026-07-01T10:00:00.123456Z", "1999-12-31T23:59:59.999999Z", None]
WALLS = ["2026-03-29T02:30:00.000001", "1999-12-31T23:59:59", None]
UUIDS = ["aaaaaaaa-0000-4000-8000-00000000000f", "00000000-0000-4000-8000-000000000000", None]
DOCUMENTS = ['{"a":[1,2.50,null],"é":"x\\ny"}', "[]", None]
TEXTS = ['it\'s \\ "é☃😀"\n', " blanks ", ""]

# contract type, column type, what the owner holds in three rows
Matrix = list[tuple[str, str, list[str | None]]]

POSTGRESQL: Matrix = [
    ("int", "smallint", ["-32768", "32767", None]),
    ("int", "bigint", ["9223372036854775807", "0", None]),
    ("int", "numeric", ["170141183460469231731687303715884105727", "-1", None]),
    ("int", "text", ["42", "-7", None]),
    ("bool", "boolean", ["true", "false", None]),
    ("bool", "integer", ["true", "false", None]),
    ("bool", "text", ["true", "false", None]),
    ("decimal(10,2)", "numeric(12,4)", ["99999999.99", "-0.01", "NaN"]),
    ("decimal(10,2)", "double precision", ["0.10", "-12345678.90", None]),
    ("decimal(10,2)", "real", ["0.10", "1234.50", None]),
    ("decimal(40,5)", "numeric(40,5)", ["12345678901234567890123456789012345.12345", "0.00000", None]),
    ("float", "double precision", ["0.1", "1e+308", "-infinity"]),
    ("float", "real", ["0.5", "NaN", "infinity"]),
    ("text", "text", [*TEXTS]),
    ("text", "varchar(20)", ["é" * 20, "x", None]),
    ("text", "char(5)", ["ab", "abcde", None]),
    ("enum(a,b c)", "mood", ["a", "b c", None]),
    ("uuid", "uuid", UUIDS),
    ("uuid", "text", UUIDS),
    ("date", "date", ["2024-02-29", "infinity", "0001-01-01"]),
    ("time", "time", ["00:00:00.000001", "24:00:00.000000", None]),
    ("timestamp", "timestamptz", [*INSTANTS[:2], "infinity"]),
    ("timestamp", "timestamp", INSTANTS),
    ("timestamp", "text", INSTANTS),
    ("timestamp(local)", "timestamp", WALLS),
    ("interval", "interval", ["P1Y2M3DT4H5M6.000007S", "-P1D", "PT0S"]),
    ("bytes", "bytea", ["00ff27", "", None]),
    ("json", "jsonb", DOCUMENTS),
    ("json", "json", DOCUMENTS),
    ("json", "text", DOCUMENTS),
    ("list<int>", "integer[]", ["[1,2,3]", "[]", "[null]"]),
    ("list<text>", "text[]", ['["a,b","\\"{}\\\\",""]', '["NULL",null]', None]),
    ("list<text>", "jsonb", ['["a"]', "[]", None]),
]
MYSQL: Matrix = [
    ("int", "TINYINT", ["-128", "127", None]),
    ("int", "BIGINT UNSIGNED", ["18446744073709551615", "0", None]),
    ("int", "DECIMAL(38,0)", ["12345678901234567890123456789012345678", "-1", None]),
    ("int", "VARCHAR(9)", ["42", "-7", None]),
    ("bool", "TINYINT(1)", ["true", "false", None]),
    ("bool", "BIT(1)", ["true", "false", None]),
    ("bool", "VARCHAR(5)", ["true", "false", None]),
    ("decimal(10,2)", "DECIMAL(12,4)", ["99999999.99", "-0.01", None]),
    ("decimal(10,2)", "DOUBLE", ["0.10", "-12345678.90", None]),
    ("decimal(10,2)", "FLOAT", ["0.10", "1234.50", None]),
    ("float", "DOUBLE", ["0.1", "1e+308", None]),
    ("float", "FLOAT", ["0.5", "-2.0", None]),
    ("text", "TEXT", [*TEXTS]),
    ("text", "VARCHAR(20)", ["é" * 20, "x ", None]),
    ("text", "CHAR(5)", ["ab", "abcde", None]),
    ("text", "VARBINARY(20)", ["ab", "c", None]),
    ("enum(a,b)", "ENUM('a','b')", ["a", "b", None]),
    ("uuid", "CHAR(36)", UUIDS),
    ("uuid", "BINARY(16)", UUIDS),
    ("date", "DATE", ["2024-02-29", "1000-01-01", None]),
    ("time", "TIME(6)", ["00:00:00.000001", "23:59:59.000000", None]),
    ("timestamp", "TIMESTAMP(6) NULL", INSTANTS),
    ("timestamp", "DATETIME(6)", INSTANTS),
    ("timestamp", "VARCHAR(40)", INSTANTS),
    ("timestamp(local)", "DATETIME(6)", WALLS),
    ("bytes", "BLOB", ["00ff27", "", None]),
    ("bytes", "BINARY(2)", ["00ff", "2700", None]),
    ("json", "JSON", DOCUMENTS),
    ("json", "LONGTEXT", DOCUMENTS),
    ("list<text>", "JSON", ['["a"]', "[]", None]),
]
SQLITE: Matrix = [
    ("int", "INTEGER", ["-9223372036854775808", "9223372036854775807", None]),
    ("int", "TEXT", ["42", "-7", None]),
    ("int", "", ["42", "-7", None]),
    ("bool", "BOOLEAN", ["true", "false", None]),
    ("bool", "TEXT", ["true", "false", None]),
    ("decimal(10,2)", "TEXT", ["99999999.99", "-0.01", "NaN"]),
    ("decimal(10,2)", "DECIMAL(10,2)", ["0.10", "-12345678.90", None]),
    ("decimal(10,2)", "REAL", ["0.10", "1.00", None]),
    ("float", "REAL", ["0.1", "1e+308", "-infinity"]),
    ("text", "TEXT", [*TEXTS]),
    ("text", "", ["1", "x", None]),
    ("enum(a,b)", "TEXT", ["a", "b", None]),
    ("uuid", "TEXT", UUIDS),
    ("uuid", "BLOB", UUIDS),
    ("date", "DATE", ["2024-02-29", "infinity", None]),
    ("time", "TEXT", ["00:00:00.000001", "24:00:00.000000", None]),
    ("timestamp", "DATETIME", INSTANTS),
    ("timestamp(local)", "TEXT", WALLS),
    ("interval", "TEXT", ["P1Y2M3DT4H5M6.000007S", "-P1D", "PT0S"]),
    ("bytes", "BLOB", ["00ff27", "", None]),
    ("json", "JSON", DOCUMENTS),
    ("list<text>", "TEXT", ['["a"]', "[]", None]),
]


def arrives(copy: Copy, matrix: Matrix, directory: Path, zone: str, *before: str) -> None:
    """All rows are lost from the copy; a plan brings them back, equal under the contract."""
    copy.run(*before, f"CREATE TABLE t (id INTEGER PRIMARY KEY{_columns([kind for _, kind, _ in matrix])})")
    owner = sqlite3.connect(directory / "shop.db")
    owner.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY{_columns(['TEXT'] * len(matrix))})")
    marks = ", ".join("?" * (len(matrix) + 1))
    rows = [(n, *(values[n] for _, _, values in matrix)) for n in range(3)]
    owner.executemany(f"INSERT INTO t VALUES ({marks})", rows)
    owner.commit()
    owner.close()
    (directory / "contracts").mkdir()
    fields = "".join(f"  f{i}: {{type: {json.dumps(kind)}}}\n" for i, (kind, _, _) in enumerate(matrix))
    (directory / "contracts" / "thing.yaml").write_text(
        "entity: thing\nversion: 1\nowner: {service: shop, dataset: shop/t}\nkey: [id]\n"
        f"fields:\n  id: {{type: int}}\n{fields}replicas: [{{service: copy, dataset: copy/t, lag_bound: 1s}}]\n",
        "utf-8",
    )
    (directory / "auditor.yaml").write_text(
        "version: 1\ncontracts: contracts\nledger: {url: 'sqlite:///auditor.db'}\nconnections:\n"
        f"  shop: {{url: 'sqlite:///shop.db'}}\n  copy: {{url: '{copy.url}', timezone: {zone}}}\n",
        "utf-8",
    )
    config = ["--config", str(directory / "auditor.yaml"), "--quiet"]
    assert run(["reconcile", "--recheck-after", "0s", *config]) == 1
    assert run(["compensate", "--out", str(directory / "plan"), *config]) == 0
    plan = json.loads((directory / "plan" / "plan.json").read_text("utf-8"))
    assert [one["reason"] for one in plan["compensations"] if one["action"] == "escalate"] == []
    done = copy.client((directory / "plan" / "copy.sql").read_text("utf-8"))
    assert done.returncode == 0, done.stderr
    assert run(["reconcile", "--recheck-after", "0s", *config]) == 0
    assert run(["verify", str(directory / "plan"), *config]) == 0


def _columns(kinds: list[str]) -> str:
    return "".join(f", f{i} {kind}" for i, kind in enumerate(kinds))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_values_arrive_in_postgresql(postgres: PostgreSQL, tmp_path: Path, zone: str) -> None:
    arrives(PostgreSqlCopy(postgres), POSTGRESQL, tmp_path, zone, "CREATE TYPE mood AS ENUM ('a', 'b c')")


def test_values_arrive_in_mariadb(mariadb: MariaDB, tmp_path: Path) -> None:
    arrives(MySqlCopy(mariadb), [*MYSQL, ("uuid", "UUID", UUIDS)], tmp_path, "Asia/Kathmandu")


def test_values_arrive_in_mysql(mysql: MySQL, tmp_path: Path) -> None:
    arrives(MySqlCopy(mysql), MYSQL, tmp_path, "Asia/Kathmandu")


def test_values_arrive_in_sqlite(sqlite3_program: Path, tmp_path: Path) -> None:
    arrives(SqliteCopy(sqlite3_program, tmp_path), SQLITE, tmp_path, "Asia/Kathmandu")


@pytest.mark.parametrize(
    ("dialect", "declared", "kind", "text"),
    [
        (PostgreSql(), "character varying(3)", "text", "four"),
        (PostgreSql(), "text", "text", "a\0b"),
        (PostgreSql(), "smallint", "int", "32768"),
        (PostgreSql(), "numeric(5,1)", "decimal(10,2)", "1.25"),
        (PostgreSql(), "real", "float", "0.123456789"),
        (PostgreSql(), "timestamp(3) without time zone", "timestamp", INSTANTS[0]),
        (PostgreSql(), "timestamp with time zone", "timestamp(local)", WALLS[0]),
        (PostgreSql(), "uuid", "text", "x"),
        (PostgreSql(), "integer[]", "list<list<int>>", "[[1]]"),
        (MySql(), "varchar(3)", "text", "four"),
        (MySql(), "char(5)", "text", "ab "),
        (MySql(), "tinyint unsigned", "int", "-1"),
        (MySql(), "enum('a','b')", "text", "c"),
        (MySql(), "double", "float", "NaN"),
        (MySql(), "date", "date", "infinity"),
        (MySql(), "datetime", "timestamp", INSTANTS[0]),
        (MySql(), "binary(4)", "bytes", "00"),
        (MySql(), "varbinary(40)", "uuid", UUIDS[0]),
        (MySql(), "point", "text", "POINT(1 1)"),
        (Sqlite(), "integer", "int", "9223372036854775808"),
        (Sqlite(), "numeric", "decimal(20,2)", "123456789012345678.01"),
        (Sqlite(), "real", "float", "NaN"),
    ],
)
def test_a_value_that_a_column_cannot_hold_exactly_is_refused_and_never_shown(
    dialect: Dialect, declared: str, kind: str, text: str
) -> None:
    with pytest.raises(UnwritableError) as refused:
        dialect.written(TargetColumn("c", declared), Written(text, parse_logical_type(kind)))
    assert len(text) <= len("infinity") or text not in str(refused.value)
