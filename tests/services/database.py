"""What every database server offers to tests."""

from __future__ import annotations

import abc
import contextlib
import itertools
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from tests.services.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.account import Account

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class StatementLog:
    """The statements a server has logged since some moment."""

    path: Path
    start: int

    def text(self) -> str:
        """Return the log's text since then: every statement of every session, in the server's own format."""
        with self.path.open("rb") as log:
            log.seek(self.start)
            return log.read().decode(errors="replace")


class DatabaseServer(Service):
    """A running database server on loopback that belongs to this test run alone."""

    scheme: ClassVar[str]  # of a URL as users of the program write it
    dialect: ClassVar[str]  # of a URL for SQLAlchemy, driver included
    default_database: ClassVar[str]
    client_names: ClassVar[tuple[str, ...]]  # of the command line client, best first

    user: str
    statement_log_path: Path  # every statement, while `statement_log` is open

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """The URL of a superuser, as users of the program write it: ``mysql://…``."""
        return self.url_of(self.default_database)

    @property
    def sqlalchemy_url(self) -> str:
        """The same for ``sqlalchemy.create_engine``: ``mysql+pymysql://…``."""
        return self.sqlalchemy_url_of(self.default_database)

    def url_of(self, database: str) -> str:
        """Return the superuser's URL of *database*."""
        return f"{self.scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{quote(database)}"

    def sqlalchemy_url_of(self, database: str) -> str:
        """Return the superuser's URL of *database*, naming the driver."""
        return self.url_of(database).replace(self.scheme, self.dialect, 1)

    @property
    def command_line_client(self) -> Path | None:
        """The path of the server's command line client, if there is one on this machine."""
        return self._client_on_path()

    def _client_on_path(self) -> Path | None:
        found = (shutil.which(name) for name in self.client_names)
        return next((Path(path) for path in found if path), None)

    def fresh_database(self, name_hint: str = "test") -> str:
        """Create an empty database, which lives as long as the server, and return its URL."""
        name = re.sub(r"\W+", "_", name_hint.lower(), flags=re.ASCII)[:40] + f"_{next(self._numbers)}"
        self._create_database(name)
        return self.url_of(name)

    @abc.abstractmethod
    def connect(self, database: str | None = None) -> Any:
        """Return an open DB-API connection of the superuser that commits each statement by itself."""

    def admin(self, *statements: str, database: str | None = None) -> list[Row]:
        """Execute *statements* as superuser, each committed, and return the last one's rows.

        Args:
            statements: One statement each, or several separated by semicolons; ``%`` stands for itself.
            database: A name or a URL that `fresh_database` gave; the default database otherwise.
        """
        with (
            contextlib.closing(self.connect(database)) as connection,
            contextlib.closing(connection.cursor()) as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    @contextlib.contextmanager
    def statement_log(self) -> Iterator[StatementLog]:
        """Log every statement of every session while the block runs."""
        self._log_statements(on=True)
        try:
            yield StatementLog(self.statement_log_path, self.statement_log_path.stat().st_size)
        finally:
            self._log_statements(on=False)

    @staticmethod
    def database_name(database: str) -> str:
        """Return the database's name from a name or a URL."""
        return database.rpartition("/")[2]

    @abc.abstractmethod
    def _create_database(self, name: str) -> None: ...

    @abc.abstractmethod
    def _log_statements(self, *, on: bool) -> None: ...
