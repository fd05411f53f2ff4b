"""What every database server offers to tests."""

from __future__ import annotations

import abc
import contextlib
import itertools
import os
import re
import secrets
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import quote

from tests.services.ports import LOOPBACK
from tests.services.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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


class DatabaseServer(abc.ABC):
    """A running database server on loopback that belongs to this test run alone."""

    name: ClassVar[str]  # of its fixture
    title: ClassVar[str]  # for people
    scheme: ClassVar[str]  # of a URL as users of the program write it
    dialect: ClassVar[str]  # of a URL for SQLAlchemy, driver included
    default_database: ClassVar[str]
    client_names: ClassVar[tuple[str, ...]]  # of the command line client, best first

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    host: str = LOOPBACK
    port: int
    user: str
    password: str
    version: str
    log_path: Path  # what the server says about itself
    statement_log_path: Path  # every statement, while `statement_log` is open

    def __init__(self, account: Account) -> None:
        self.account = account
        self.directory = account.own(Path(tempfile.mkdtemp(prefix=f"auditor-{self.name}-")))
        self.password = secrets.token_hex(8)
        self._process: ServerProcess | None = None
        self._numbers = itertools.count(1)

    @classmethod
    @abc.abstractmethod
    def fetch(cls) -> Path:
        """Return where the server's programs are, fetching them where they are missing.

        Raises:
            Unavailable: They are not here and cannot be had.
        """

    @classmethod
    @abc.abstractmethod
    def start(cls) -> Self:
        """Fetch, start and return a server that answers.

        Raises:
            Unavailable: It cannot be had here, or does not start.
        """

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

    def stop(self) -> None:
        """Stop the server and delete its data."""
        self._stop_process()
        shutil.rmtree(self.directory, ignore_errors=True)

    def freeze(self) -> None:
        """Let the server do nothing more, though it is there: its connections stay open, and new ones are taken."""
        for number in self._process_numbers():
            os.kill(number, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for number in self._process_numbers():
            os.kill(number, signal.SIGCONT)

    def _process_numbers(self) -> list[int]:
        """The server's process, and those that it has started."""
        assert self._process is not None, "the server does not run"
        main = self._process.process.pid
        children = Path(f"/proc/{main}/task/{main}/children")
        return [main, *map(int, children.read_text().split())] if children.exists() else [main]

    def _stop_process(self) -> None:
        if self._process is not None:
            self._process.stop()

    @staticmethod
    def database_name(database: str) -> str:
        """Return the database's name from a name or a URL."""
        return database.rpartition("/")[2]

    def _run(self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Start the server by *command* and wait until it answers."""
        self._process = ServerProcess.start(
            self.title,
            command,
            account=self.account,
            home=self.directory,
            log_path=self.log_path,
            stop_signal=self.stop_signal,
            environment=environment,
        )
        self._process.wait_until_healthy(self._answers)
        self.version = self._read_version()

    @abc.abstractmethod
    def _answers(self) -> bool: ...

    @abc.abstractmethod
    def _read_version(self) -> str: ...

    @abc.abstractmethod
    def _create_database(self, name: str) -> None: ...

    @abc.abstractmethod
    def _log_statements(self, *, on: bool) -> None: ...
