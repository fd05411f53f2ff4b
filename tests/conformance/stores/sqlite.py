"""SQLite in the conformance suite."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from auditor.readers.sqlite.reader import SqliteReader
from tests.conformance.stores.sql import SqlStore, refuse, sql
from tests.conformance.stores.store import RefusedError, Spelling, as_json_values
from tests.conformance.values import AS_REALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconcilers.ports import Reader

_REALS = {"infinity": "9e999", "-infinity": "-9e999"}


def text_literal(value: str) -> tuple[str]:
    """Text of any characters; SQLite's own literal ends at a NUL."""
    return sql(f"CAST(x'{value.encode().hex()}' AS TEXT)")


def _number(value: str) -> tuple[str]:
    if value == "NaN":
        raise refuse(value)  # SQLite would keep NULL
    return sql(_REALS.get(value, value))


def _blob(value: str) -> tuple[str]:
    return sql(f"x'{value.replace('-', '')}'")


def _bit(value: str) -> tuple[str]:
    return sql("1" if value == "true" else "0")


def _offset(value: str) -> str:
    return value.replace("Z", "+00:00").replace("T", " ")


class Sqlite(SqlStore):
    """A SQLite file."""

    name = "sqlite"
    has_writers = True
    spellings: ClassVar = {
        "int": {
            "INTEGER": Spelling("INTEGER", sql, changes=AS_REALS),
            "TEXT": Spelling("TEXT"),
            "none": Spelling("", sql, changes=AS_REALS),
        },
        "decimal(10,2)": {
            "TEXT": Spelling("TEXT"),
            "DECIMAL": Spelling("DECIMAL(10,2)"),
            "REAL": Spelling("REAL", _number, ("NaN",)),
            "none": Spelling("", _number, ("NaN",)),
        },
        "decimal(38,30)": {"TEXT": Spelling("TEXT"), "BLOB": Spelling("BLOB")},
        "decimal(60,20)": {"TEXT": Spelling("TEXT")},
        "float": {"REAL": Spelling("REAL", _number, ("NaN",)), "TEXT": Spelling("TEXT")},
        "text": {"TEXT": Spelling("TEXT", text_literal), "none": Spelling("", text_literal)},
        "bool": {
            "BOOLEAN": Spelling("BOOLEAN", _bit),
            "TEXT": Spelling("TEXT"),
            "t/f": Spelling("TEXT", lambda v: v[0]),
        },
        "uuid": {"TEXT": Spelling("TEXT"), "upper": Spelling("TEXT", str.upper), "BLOB": Spelling("BLOB", _blob)},
        "date": {"DATE": Spelling("DATE"), "TEXT": Spelling("TEXT")},
        "time": {"TIME": Spelling("TIME")},
        "timestamp": {
            "Z": Spelling("TEXT"),
            "offset": Spelling("TIMESTAMP", _offset),
            "without": Spelling("DATETIME", lambda v: v.replace("Z", "").replace("T", " ")),
        },
        "timestamp(local)": {"TEXT": Spelling("TEXT"), "blank": Spelling("DATETIME", lambda v: v.replace("T", " "))},
        "interval": {"TEXT": Spelling("TEXT")},
        "bytes": {"BLOB": Spelling("BLOB", _blob), "TEXT": Spelling("TEXT", lambda v: f"\\x{v}")},
        "json": {"TEXT": Spelling("TEXT"), "JSON": Spelling("JSON", text_literal)},
        "list<int>": {"JSON": Spelling("JSON", as_json_values)},
        "list<text>": {"JSON": Spelling("JSON")},
        "list<decimal(9,2)>": {"JSON": Spelling("JSON", as_json_values)},
        "enum(open,shipped)": {"TEXT": Spelling("TEXT")},
    }

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.path = directory / "conformance.db"
        self._connection = sqlite3.connect(self.path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = wal")  # else writers and readers wait for one another

    def execute(self, statement: str) -> None:
        """See `SqlStore.execute`."""
        try:
            self._connection.execute(statement)
        except sqlite3.Error as error:
            raise RefusedError(str(error)) from error

    def close(self) -> None:
        """See `Store.close`."""
        self._connection.close()

    @contextmanager
    def teller(self) -> Iterator[Callable[[list[str]], None]]:
        """See `SqlStore.teller`."""
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=60)
        connection.execute("PRAGMA synchronous = off")

        def execute(statements: list[str]) -> None:
            for statement in ("BEGIN IMMEDIATE", *statements, "COMMIT"):
                connection.execute(statement)

        yield execute
        connection.close()

    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """See `Store.reader`."""
        return SqliteReader(f"{self.name}/{relation}", self.path, relation, timezone=timezone)
