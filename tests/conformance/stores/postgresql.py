"""PostgreSQL in the conformance suite."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from auditor.readers.postgresql.reader import PostgresReader
from tests.conformance.stores.sql import SqlStore, parts_of, sql
from tests.conformance.stores.store import RefusedError, Spelling, as_json_values
from tests.conformance.values import BEYOND_SIGNED, INFINITE, NUL_JSON, NUL_TEXT, OUTSIDE_SINGLE, ROUNDED_TO_SINGLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconcilers.ports import Reader
    from tests.services import PostgreSQL


def _array(kind: str) -> Spelling:
    def write(text: str) -> tuple[str]:
        items = ["NULL" if item is None else "'" + item.replace("'", "''") + "'" for item in json.loads(text)]
        return sql(f"ARRAY[{', '.join(items)}]::{kind}[]")

    return Spelling(f"{kind}[]", write)


def _bytea(value: str) -> str:
    return f"\\x{value}"


def _zone(value: str) -> str:
    return value.replace("Z", "+00")


class Postgres(SqlStore):
    """A database of a real PostgreSQL."""

    name = "postgresql"
    has_writers = True
    spellings: ClassVar = {
        "int": {
            "bigint": Spelling("bigint", refuses=BEYOND_SIGNED),
            "numeric": Spelling("numeric"),
            "text": Spelling("text"),
        },
        "decimal(10,2)": {
            "numeric(10,2)": Spelling("numeric(10,2)", refuses=INFINITE),
            "numeric": Spelling("numeric"),
            "numeric(38,10)": Spelling("numeric(38,10)", refuses=INFINITE),
            "double": Spelling("double precision"),
            "text": Spelling("text"),
        },
        "decimal(38,30)": {"numeric(38,30)": Spelling("numeric(38,30)"), "numeric": Spelling("numeric")},
        "decimal(60,20)": {"numeric(60,20)": Spelling("numeric(60,20)"), "numeric": Spelling("numeric")},
        "float": {
            "double": Spelling("double precision"),
            "real": Spelling("real", refuses=OUTSIDE_SINGLE, changes=ROUNDED_TO_SINGLE),
            "text": Spelling("text"),
        },
        "text": {
            "text": Spelling("text", refuses=(NUL_TEXT,)),
            "varchar": Spelling("varchar", refuses=(NUL_TEXT,)),
            "C": Spelling('text COLLATE "C"', refuses=(NUL_TEXT,)),
        },
        "bool": {"boolean": Spelling("boolean"), "int": Spelling("int", lambda v: str(int(v == "true")))},
        "uuid": {"uuid": Spelling("uuid"), "text": Spelling("text", str.upper)},
        "date": {"date": Spelling("date"), "text": Spelling("text")},
        "time": {"time": Spelling("time")},
        "timestamp": {
            "timestamptz": Spelling("timestamptz", _zone),
            "timestamp": Spelling("timestamp", lambda v: v.replace("Z", "")),
            "text": Spelling("text"),
        },
        "timestamp(local)": {"timestamp": Spelling("timestamp")},
        "interval": {"interval": Spelling("interval"), "text": Spelling("text")},
        "bytes": {"bytea": Spelling("bytea", _bytea)},
        "json": {"jsonb": Spelling("jsonb", refuses=(NUL_JSON,)), "json": Spelling("json"), "text": Spelling("text")},
        "list<int>": {"bigint[]": _array("bigint"), "jsonb": Spelling("jsonb", as_json_values)},
        "list<text>": {"text[]": _array("text"), "jsonb": Spelling("jsonb")},
        "list<decimal(9,2)>": {"numeric[]": _array("numeric"), "json": Spelling("json", as_json_values)},
        "enum(open,shipped)": {"text": Spelling("text"), "enum": Spelling("standing")},
    }

    def __init__(self, server: PostgreSQL) -> None:
        super().__init__()
        self.server = server
        self.url = server.fresh_database("conformance")
        self.execute("CREATE TYPE standing AS ENUM ('shipped', 'open')")

    def execute(self, statement: str) -> None:
        """See `SqlStore.execute`."""
        import psycopg

        try:
            self.server.admin(statement, database=self.url)
        except (psycopg.Error, ValueError) as error:  # a NUL in a statement is a ValueError
            raise RefusedError(str(error)) from error

    def literal(self, value: str) -> str:
        """See `SqlStore.literal`."""
        if "\0" in value:
            raise RefusedError(f"{value!r} holds a NUL")
        return super().literal(value)

    @contextmanager
    def teller(self) -> Iterator[Callable[[list[str]], None]]:
        """See `SqlStore.teller`."""
        with closing(self.server.connect(self.url)) as connection, closing(connection.cursor()) as cursor:

            def execute(statements: list[str]) -> None:
                for statement in ("BEGIN", *statements, "COMMIT"):
                    cursor.execute(statement)

            yield execute

    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """See `Store.reader`."""
        return PostgresReader(f"{self.name}/{relation}", parts_of(self.url, timezone=timezone), self.named(relation))

    def named(self, relation: str) -> str:
        """The relation with its schema."""
        return f"public.{relation}"

    @property
    def sqlalchemy_url(self) -> Any:
        """The database's URL for SQLAlchemy."""
        return self.server.sqlalchemy_url_of(self.server.database_name(self.url))
