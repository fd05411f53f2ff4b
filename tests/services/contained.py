"""The servers in their vendors' containers, where their programs cannot be had on the machine itself."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, ClassVar, Self

from tests.services.account import Account
from tests.services.container import LOG_DIRECTORY, Container, Engine
from tests.services.database import DatabaseServer
from tests.services.mariadb import MariaDB
from tests.services.mysql import MySQL
from tests.services.mysql_protocol import SETTINGS as MYSQL_SETTINGS
from tests.services.ports import free_port
from tests.services.postgresql import SETTINGS as POSTGRESQL_SETTINGS
from tests.services.postgresql import PostgreSQL
from tests.services.service import Service

if TYPE_CHECKING:
    from pathlib import Path


class ContainedService(Service):
    """A server in a container; to be mixed in before the server's own class."""

    image: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM  # which the engine's client passes on
    engine: Engine

    @classmethod
    def begin(cls) -> Self:
        """Return a server that is not started yet, its image fetched.

        Raises:
            Unavailable: No engine answers, or the image cannot be had.
        """
        engine = Engine.find()
        engine.pull(cls.image)
        server = cls(Account.caller())
        server.engine = engine
        server.directory.chmod(0o777)  # the server within has an account of its own
        return server

    def kill(self) -> None:
        """End the server at once, as a crash does; its data stays."""
        assert self._process is not None, "the server does not run"
        self.engine.kill(self.directory.name)
        self._process.process.wait()

    def _stop_process(self) -> None:
        super()._stop_process()
        self.engine.remove(self.directory.name)


class Contained(ContainedService, DatabaseServer):
    """What the databases have in common."""

    inner_port: ClassVar[int]

    @classmethod
    def start(cls) -> Self:
        """Run the vendor's image.

        Raises:
            Unavailable: No engine answers, the image cannot be had, or the server does not start.
        """
        server = cls.begin()
        try:
            server._launch_container()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def command_line_client(self) -> Path | None:
        """A client of the machine itself, if it has one."""
        return self._client_on_path()

    def _launch_container(self) -> None:
        self.statement_log_path.touch()
        self.statement_log_path.chmod(0o666)
        self.port = free_port()
        container = Container(
            name=self.directory.name,
            image=self.image,
            port=self.port,
            inner_port=self.inner_port,
            directory=self.directory,
            environment=self._container_environment(),
            arguments=self._container_arguments(),
        )
        self._run(self.engine.command(container), environment=os.environ)

    def _container_environment(self) -> dict[str, str]:
        raise NotImplementedError

    def _container_arguments(self) -> tuple[str, ...]:
        raise NotImplementedError


class ContainedPostgreSQL(Contained, PostgreSQL):
    """PostgreSQL in its vendor's image."""

    image: ClassVar[str] = "docker.io/library/postgres:17"
    inner_port: ClassVar[int] = 5432

    def _container_environment(self) -> dict[str, str]:
        return {"POSTGRES_PASSWORD": self.password, "POSTGRES_INITDB_ARGS": "--locale=C.UTF-8 --encoding=UTF8"}

    def _container_arguments(self) -> tuple[str, ...]:
        settings = POSTGRESQL_SETTINGS | {"listen_addresses": "*"}  # within the container; published on loopback only
        return ("postgres", *(f"--{name}={value}" for name, value in settings.items()))


class ContainedMariaDB(Contained, MariaDB):
    """MariaDB in its vendor's image."""

    image: ClassVar[str] = "docker.io/library/mariadb:11.4"
    inner_port: ClassVar[int] = 3306

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.user = "root"

    def _container_environment(self) -> dict[str, str]:
        return {"MARIADB_ROOT_PASSWORD": self.password, "MARIADB_ROOT_HOST": "%"}

    def _container_arguments(self) -> tuple[str, ...]:
        return _mysql_arguments(self.statement_log_path.name)


class ContainedMySQL(Contained, MySQL):
    """MySQL in its vendor's image."""

    image: ClassVar[str] = "docker.io/library/mysql:8.4"
    inner_port: ClassVar[int] = 3306

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.user = "root"

    def _container_environment(self) -> dict[str, str]:
        return {"MYSQL_ROOT_PASSWORD": self.password, "MYSQL_ROOT_HOST": "%"}

    def _container_arguments(self) -> tuple[str, ...]:
        return _mysql_arguments(self.statement_log_path.name)


def _mysql_arguments(statement_log: str) -> tuple[str, ...]:
    settings = MYSQL_SETTINGS | {"general-log-file": f"{LOG_DIRECTORY}/{statement_log}"}
    return tuple(f"--{name}={value}" for name, value in settings.items())
