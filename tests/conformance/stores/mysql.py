"""MySQL and MariaDB in the conformance suite."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from auditor.readers.mysql.reader import MySqlReader
from tests.conformance.stores.sql import SqlStore, parts_of, refuse, sql
from tests.conformance.stores.store import RefusedError, Spelling, as_json_values
from tests.conformance.values import (
    BEYOND_SIGNED,
    BEYOND_UNSIGNED,
    INFINITE,
    LONG_TEXT,
    OUTSIDE_UNIX,
    ROUNDED_TO_SINGLE,
    SPECIAL,
    WIDE_JSON,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reconcilers.ports import Reader
    from tests.services import MariaDB, MySQL


def _number(value: str) -> tuple[str]:
    if not value.lstrip("-")[0].isdigit():
        raise refuse(value)
    return sql(value)


def _hex(value: str) -> tuple[str]:
    return sql(f"x'{value.replace('-', '')}'")


def _bit(value: str) -> tuple[str]:
    return sql(str(int(value == "true")))


def _plain(value: str) -> str:
    return value.replace("Z", "").replace("T", " ")


class MySqlFamily(SqlStore):
    """A database of a real MySQL or MariaDB."""

    quote = "`"
    has_writers = True
    spellings: ClassVar[Mapping[str, Mapping[str, Spelling]]] = {
        "int": {
            "bigint": Spelling("bigint", refuses=BEYOND_SIGNED),
            "bigint unsigned": Spelling("bigint unsigned", refuses=BEYOND_UNSIGNED),
            "decimal(65,0)": Spelling("decimal(65,0)"),
            "varchar": Spelling("varchar(80)"),
        },
        "decimal(10,2)": {
            "decimal(10,2)": Spelling("decimal(10,2)", refuses=SPECIAL),
            "decimal(40,5)": Spelling("decimal(40,5)", refuses=SPECIAL),
            "double": Spelling("double", _number, SPECIAL),
            "varchar": Spelling("varchar(80)"),
        },
        "decimal(38,30)": {"decimal(38,30)": Spelling("decimal(38,30)")},
        "decimal(60,20)": {"decimal(60,20)": Spelling("decimal(60,20)")},
        "float": {
            "double": Spelling("double", _number, SPECIAL),
            "float": Spelling(
                "float",
                _number,
                (*SPECIAL, "1e+300", "1.7976931348623157e+308"),
                {**ROUNDED_TO_SINGLE, "5e-324": "0.0"},
            ),
            "text": Spelling("text"),
        },
        "text": {
            "longtext": Spelling("longtext"),
            "varchar": Spelling("varchar(16000)", refuses=(LONG_TEXT,)),
            "latin": Spelling("varchar(40) CHARACTER SET latin1", refuses=(LONG_TEXT, "😀", "\ufeffmark", "e\u0301")),
            "binary collation": Spelling("longtext COLLATE utf8mb4_bin"),
            "char": Spelling("char(40)", refuses=(LONG_TEXT,), changes={" ": "", "trailing ": "trailing"}),
        },
        "bool": {
            "tinyint(1)": Spelling("boolean", _bit),
            "bit": Spelling("bit(1)", _bit),
            "varchar": Spelling("varchar(5)"),
        },
        "uuid": {
            "char(36)": Spelling("char(36)"),
            "varchar": Spelling("varchar(40)", str.upper),
            "binary(16)": Spelling("binary(16)", _hex),
        },
        "date": {"date": Spelling("date", refuses=INFINITE), "varchar": Spelling("varchar(10)")},
        "time": {"time(6)": Spelling("time(6)")},
        "timestamp": {
            "datetime(6)": Spelling("datetime(6)", _plain, INFINITE),
            "timestamp(6)": Spelling("timestamp(6) NULL", _plain, (*OUTSIDE_UNIX, *INFINITE)),
            "varchar": Spelling("varchar(40)"),
        },
        "timestamp(local)": {"datetime(6)": Spelling("datetime(6)", _plain, INFINITE)},
        "interval": {"varchar": Spelling("varchar(80)")},
        "bytes": {"varbinary": Spelling("varbinary(100)", _hex), "longblob": Spelling("longblob", _hex)},
        "json": {"json": Spelling("json"), "longtext": Spelling("longtext")},
        "list<int>": {"json": Spelling("json", as_json_values)},
        "list<text>": {"json": Spelling("json")},
        "list<decimal(9,2)>": {"json": Spelling("json", as_json_values), "text": Spelling("text", as_json_values)},
        "enum(open,shipped)": {"enum": Spelling("enum('shipped','open')"), "varchar": Spelling("varchar(10)")},
    }

    def __init__(self, server: MySQL | MariaDB) -> None:
        super().__init__()
        self.server = server
        self.url = server.fresh_database("conformance")

    def execute(self, statement: str) -> None:
        """See `SqlStore.execute`."""
        import pymysql

        try:
            self.server.admin("SET time_zone = '+00:00', NAMES utf8mb4", statement, database=self.url)
        except pymysql.Error as error:
            raise RefusedError(str(error)) from error

    def literal(self, value: str) -> str:
        """See `SqlStore.literal`."""
        return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"

    @contextmanager
    def teller(self) -> Iterator[Callable[[list[str]], None]]:
        """See `SqlStore.teller`."""
        with closing(self.server.connect(self.url)) as connection, closing(connection.cursor()) as cursor:

            def execute(statements: list[str]) -> None:
                for statement in ("START TRANSACTION", *statements, "COMMIT"):
                    cursor.execute(statement)

            yield execute

    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """See `Store.reader`."""
        return MySqlReader(f"{self.name}/{relation}", parts_of(self.url, timezone=timezone), relation)

    @property
    def sqlalchemy_url(self) -> Any:
        """The database's URL for SQLAlchemy."""
        return self.server.sqlalchemy_url_of(self.server.database_name(self.url))


class MySql(MySqlFamily):
    """A database of a real MySQL 8, whose JSON keeps numbers as doubles."""

    name = "mysql"
    spellings: ClassVar = {
        **MySqlFamily.spellings,
        "json": {
            "json": Spelling("json", changes={WIDE_JSON: '{"n":12345678901234567000}'}),
            "longtext": Spelling("longtext"),
        },
    }


class MariaDb(MySqlFamily):
    """A database of a real MariaDB."""

    name = "mariadb"
