"""The SQLAlchemy reader in the conformance suite, on the dialects that can run here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.readers.sqlalchemy.reader import SqlAlchemyReader
from tests.conformance.stores.mysql import MariaDb, MySql
from tests.conformance.stores.postgresql import Postgres
from tests.conformance.stores.sqlite import Sqlite

if TYPE_CHECKING:
    from reconcilers.ports import Reader


class SqlAlchemySqlite(Sqlite):
    """SQLite through SQLAlchemy, which does not say that an INTEGER PRIMARY KEY is never NULL."""

    name = "sqlalchemy-sqlite"
    has_keys = False

    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """See `Store.reader`."""
        url = f"sqlite+pysqlite:///{self.path}"
        return SqlAlchemyReader(f"{self.name}/{relation}", url, relation, timezone=timezone)


class SqlAlchemyPostgres(Postgres):
    """PostgreSQL through SQLAlchemy."""

    name = "sqlalchemy-postgresql"

    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """See `Store.reader`."""
        named = self.named(relation)
        return SqlAlchemyReader(f"{self.name}/{relation}", self.sqlalchemy_url, named, timezone=timezone)


class SqlAlchemyMySql(MySql):
    """MySQL through SQLAlchemy."""

    name = "sqlalchemy-mysql"

    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """See `Store.reader`."""
        return SqlAlchemyReader(f"{self.name}/{relation}", self.sqlalchemy_url, relation, timezone=timezone)


class SqlAlchemyMariaDb(MariaDb):
    """MariaDB through SQLAlchemy."""

    name = "sqlalchemy-mariadb"

    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """See `Store.reader`."""
        return SqlAlchemyReader(f"{self.name}/{relation}", self.sqlalchemy_url, relation, timezone=timezone)
