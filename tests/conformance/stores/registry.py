"""Every store of the suite, and the server that it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.stores.duckdb_file import DuckDb
from tests.conformance.stores.files import Csv, JsonLines, Parquet
from tests.conformance.stores.mysql import MariaDb, MySql
from tests.conformance.stores.postgresql import Postgres
from tests.conformance.stores.sqlalchemy import (
    SqlAlchemyMariaDb,
    SqlAlchemyMySql,
    SqlAlchemyPostgres,
    SqlAlchemySqlite,
)
from tests.conformance.stores.sqlite import Sqlite

if TYPE_CHECKING:
    from tests.conformance.stores.store import Store

EMBEDDED: tuple[type[Store], ...] = (Sqlite, SqlAlchemySqlite, DuckDb, Csv, JsonLines, Parquet)
ON_SERVERS: dict[type[Store], str] = {
    Postgres: "postgres",
    SqlAlchemyPostgres: "postgres",
    MySql: "mysql",
    SqlAlchemyMySql: "mysql",
    MariaDb: "mariadb",
    SqlAlchemyMariaDb: "mariadb",
}
STORES: tuple[type[Store], ...] = (*EMBEDDED, *ON_SERVERS)
BY_NAME: dict[str, type[Store]] = {kind.name: kind for kind in STORES}


def store_marks(kind: type[Store]) -> list[pytest.MarkDecorator]:
    """The marks of a test that uses this store's server."""
    server = ON_SERVERS.get(kind)
    return [getattr(pytest.mark, server), pytest.mark.services] if server else []
