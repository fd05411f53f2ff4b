"""A text literal means its very text to the store, in every mode of it, and nothing in it acts on a terminal."""

from __future__ import annotations

import sqlite3
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auditor.compensations.columns import TargetColumn, UnwritableError
from auditor.compensations.mysql import MySql
from auditor.compensations.postgresql import PostgreSql
from auditor.compensations.sqlite import Sqlite
from tests.integration.compensations.copies import MySqlCopy, PostgreSqlCopy

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.compensations.dialect import Dialect
    from tests.services import MariaDB, MySQL, PostgreSQL

TEXTS = st.lists(
    st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("'\"\\`;:@$%-/*\n\r\t\0\x1a\u202e"))),
    min_size=1,
    max_size=8,
)
NASTY = [
    "", "'", "''", "\\", "\\'", "it's", 'say "x"', "a\\", "\\n", "line\nline", "\r\n", "\t", "\x00", "a\x00b", "\x1a",
    "\x1b[31m", "\u202egpj.exe", "é", "e\u0301", "☃", "😀", "-- x", "/* x */", "; DROP TABLE x; --", ":name", ":'name'",
    "@name", "$1", "$$", "%s", "?", "`x`", "#", "\\c x", ".quit", "'; .quit\n.quit", "\n\\q\n", "E'", "X'00'", " ",
    "\u00a0", "\ufeff", "\x7f", "\x85", "\u2028",
]  # fmt: skip
MODES = [
    "",
    "NO_BACKSLASH_ESCAPES",
    "ANSI_QUOTES",
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,STRICT_ALL_TABLES",
]


def literals(dialect: Dialect, texts: list[str]) -> list[str]:
    """The literals, every one of them printable."""
    found = [dialect.text(text) for text in texts]
    assert all(literal.isprintable() for literal in found)
    return found


@settings(max_examples=60)
@given(TEXTS)
@example(NASTY)
def test_sqlite_reads_every_text_as_it_is(texts: list[str]) -> None:
    connection = sqlite3.connect(":memory:")
    for text, literal in zip(texts, literals(Sqlite(), texts), strict=True):
        assert connection.execute(f"SELECT CAST({literal} AS BLOB)").fetchall() == [(text.encode(),)]
    connection.close()


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_postgresql_reads_every_text_as_it_is(postgres: PostgreSQL, conforming: str) -> None:
    connection: Any = postgres.connect(postgres.url)
    connection.execute(f"SET standard_conforming_strings = {conforming}")
    connection.execute("SET escape_string_warning = off")

    @settings(max_examples=60)
    @given(TEXTS)
    @example(NASTY)
    def holds(texts: list[str]) -> None:
        kept = [text for text in texts if "\0" not in text]
        for text, literal in zip(kept, literals(PostgreSql(), kept), strict=True):
            # as bytes: the driver takes a bare percent sign for a placeholder only where there are parameters
            assert connection.execute(f"SELECT {literal}::text".encode()).fetchall() == [(text,)]

    holds()
    connection.close()


def test_postgresql_has_no_text_with_nul() -> None:
    with pytest.raises(UnwritableError, match="NUL"):
        PostgreSql().text("a\0b")


@pytest.mark.parametrize("mode", MODES)
def test_mariadb_reads_every_text_as_it_is(mariadb: MariaDB, mode: str) -> None:
    _mysql_reads(mariadb, mode)


@pytest.mark.parametrize("mode", MODES)
def test_mysql_reads_every_text_as_it_is(mysql: MySQL, mode: str) -> None:
    _mysql_reads(mysql, mode)


def _mysql_reads(server: MariaDB | MySQL, mode: str) -> None:
    connection: Any = server.connect(server.url)
    cursor = connection.cursor()
    cursor.execute("SET NAMES utf8mb4")
    cursor.execute("SET SESSION sql_mode = %s", (mode,))

    @settings(max_examples=40)
    @given(TEXTS)
    @example(NASTY)
    def holds(texts: list[str]) -> None:
        listed = ", ".join(f"HEX({literal})" for literal in literals(MySql(), texts))
        cursor.execute(f"SELECT {listed}")
        assert [bytes.fromhex(one).decode() for one in cursor.fetchone()] == texts

    holds()
    connection.close()


NAMES = ["plain", 'dou"ble', "back`tick", "sin'gle", "dot.ted", "semi;colon", "-- dash", "uni☃code", "back\\slash"]


def test_clients_read_every_text_and_name_as_they_are(
    postgres: PostgreSQL, mariadb: MariaDB, sqlite3_program: Path, tmp_path: Path
) -> None:
    """psql, mariadb and sqlite3 look for commands and variables of their own; none is found in a literal."""
    columns = [TargetColumn(name, "text") for name in NAMES]
    texts = [text for text in NASTY if "\0" not in text]
    path = tmp_path / "x.db"

    def shell(script: str) -> subprocess.CompletedProcess[str]:
        command = [str(sqlite3_program), str(path)]
        return subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=60)

    postgresql, maria = PostgreSqlCopy(postgres), MySqlCopy(mariadb, "ANSI_QUOTES")
    for dialect, client, type_ in (
        (PostgreSql(), postgresql.client, "text"),
        (MySql(), maria.client, "LONGTEXT"),
        (Sqlite(), shell, "TEXT"),
    ):
        named = ", ".join(f"{dialect.quoted(column.name)} {type_}" for column in columns)
        script = f"CREATE TABLE t ({named}, n INT);\n"
        first = dialect.quoted(NAMES[1])
        for number, literal in enumerate(literals(dialect, texts)):
            script += f"-- it's {number}: \\q `x` \"y\n"
            script += f"INSERT INTO t ({first}, n)\n  SELECT {literal}, {number};\n"
        done = client(script)
        assert done.returncode == 0, done.stderr
        if isinstance(dialect, PostgreSql):
            found = postgres.admin(f"SELECT {first} FROM t ORDER BY n", database=postgresql.url)
        elif isinstance(dialect, MySql):
            found = mariadb.admin(f"SELECT {first} FROM t ORDER BY n", database=maria.url)
        else:
            connection = sqlite3.connect(path)
            found = connection.execute(f"SELECT {first} FROM t ORDER BY n").fetchall()
            connection.close()
        assert [row[0] for row in found] == texts
