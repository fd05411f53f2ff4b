"""PostgreSQL from the system's packages."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.services.account import Account
from tests.services.database import DatabaseServer
from tests.services.deadline import wait_until
from tests.services.packages import install_packages
from tests.services.ports import LOOPBACK, free_port
from tests.services.process import run_tool

if TYPE_CHECKING:
    import psycopg

_DEBIAN_BINARIES = Path("/usr/lib/postgresql")
_OTHER_BINARIES = ("/usr/local/pgsql/bin", "/usr/pgsql/bin", "/opt/homebrew/bin", "/usr/local/bin", "/usr/bin")

# Quick rather than durable; ready for logical decoding, standbys and many clients.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "logical",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "wal_keep_size": "1GB",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
}


def find_binaries() -> Path | None:
    """Return the newest directory that has PostgreSQL's server programs."""
    versions = sorted(_DEBIAN_BINARIES.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    candidates = [*versions, *map(Path, _OTHER_BINARIES)]
    return next((path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None)


class PostgreSQL(DatabaseServer):
    """One PostgreSQL server with a password, on a port of its own."""

    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"
    scheme: ClassVar[str] = "postgresql"
    dialect: ClassVar[str] = "postgresql+psycopg"
    default_database: ClassVar[str] = "postgres"
    binaries: Path  # the directory of the server's programs
    client_names: ClassVar[tuple[str, ...]] = ("psql",)

    stop_signal = signal.SIGINT  # the "fast" shutdown, which does not wait for clients

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.user = "postgres"
        self.data = self.directory / "data"
        self.log_path = self.statement_log_path = self.directory / "server.log"

    @classmethod
    def fetch(cls) -> Path:
        """Return the directory of the server's programs, installing the package where it is missing."""
        if find_binaries() is None:
            install_packages("postgresql", wanted_for=cls.title)
        found = find_binaries()
        assert found is not None, "the package was installed without its programs"
        return found

    @classmethod
    def start(cls) -> Self:
        """Make a cluster and start it."""
        server = cls(Account.for_server("postgres"))
        try:
            server.binaries = cls.fetch()
            server._make_cluster()
            server._launch()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def command_line_client(self) -> Path | None:
        """The ``psql`` beside the server, else any other."""
        beside = self.binaries / "psql"
        return beside if beside.exists() else super().command_line_client

    def connect(self, database: str | None = None) -> psycopg.Connection[tuple[Any, ...]]:
        """Return an autocommit connection of the superuser."""
        import psycopg

        return psycopg.connect(self.url_of(self.database_name(database or self.default_database)), autocommit=True)

    def _make_cluster(self) -> None:
        password_file = self.directory / "password"
        password_file.write_text(self.password)
        self.account.own(password_file)
        options: list[str | Path] = ["--username", self.user, "--pwfile", password_file, "--auth", "scram-sha-256"]
        options += ["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        run_tool(
            [self.binaries / "initdb", "--pgdata", self.data, *options],
            account=self.account,
            home=self.directory,
            what="making a PostgreSQL cluster",
        )
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host replication all {LOOPBACK}/32 scram-sha-256\n")

    def _launch(self, **settings: str) -> None:
        """Start the server on the cluster and wait until it answers."""
        self.port = free_port()
        mine = {"listen_addresses": LOOPBACK, "port": str(self.port), "unix_socket_directories": str(self.directory)}
        options = [f"--{name}={value}" for name, value in (SETTINGS | mine | settings).items()]
        self._run([self.binaries / "postgres", "-D", self.data, *options])

    def _read_version(self) -> str:
        return str(self.admin("SHOW server_version")[0][0])

    def _answers(self) -> bool:
        import psycopg

        try:
            self.admin("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self, name: str) -> None:
        self.admin(f'CREATE DATABASE "{name}" TEMPLATE template0')

    def _log_statements(self, *, on: bool) -> None:
        wanted = "all" if on else "none"
        self.admin(f"ALTER SYSTEM SET log_statement = '{wanted}'", "SELECT pg_reload_conf()")

        def applied() -> bool:
            return self.admin("SHOW log_statement") == [(wanted,)]

        wait_until(applied, seconds=10, what=f"{self.title} reading its settings again")
