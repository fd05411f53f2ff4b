"""What MariaDB and MySQL have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.services.database import DatabaseServer
from tests.services.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from pathlib import Path

    import pymysql

    from tests.services.account import Account

# Quick rather than durable; the binary log as change streams need it; times in UTC.
SETTINGS = {
    "server-id": "1",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "sync-binlog": "0",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-doublewrite": "0",
    "innodb-buffer-pool-size": "256M",
    "character-set-server": "utf8mb4",
    "default-time-zone": "+00:00",
    "max-connections": "100",
    "max-allowed-packet": "64M",
    "local-infile": "1",
    "skip-name-resolve": "1",
    "general-log": "0",
}


class MySQLProtocolServer(DatabaseServer):
    """One MariaDB or MySQL server with a password, on a port of its own."""

    default_database: ClassVar[str] = "mysql"

    binary: Path  # the server program

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.user = "auditor_admin"
        self.data = self.directory / "data"
        self.log_path = self.directory / "server.log"
        self.statement_log_path = self.directory / "statements.log"

    @classmethod
    def start(cls) -> Self:
        """Make a data directory and start a server on it."""
        server = cls(cls._account())
        try:
            server.binary = cls.fetch()
            server._make_data_directory()
            server._launch()
        except BaseException:
            server.stop()
            raise
        return server

    @classmethod
    @abstractmethod
    def _account(cls) -> Account:
        """Return the account that the server is to run under."""

    @abstractmethod
    def _make_data_directory(self) -> None: ...

    def connect(self, database: str | None = None) -> pymysql.Connection[Any]:
        """Return an autocommit connection of the superuser that takes several statements at once."""
        import pymysql
        from pymysql.constants import CLIENT

        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=self.database_name(database or self.default_database),
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
            local_infile=True,
        )

    def _launch(self) -> None:
        """Start the server on its data and wait until it answers."""
        self.port = free_port()
        settings = SETTINGS | {
            "bind-address": LOOPBACK,
            "port": str(self.port),
            "datadir": str(self.data),
            "socket": str(self.directory / "server.sock"),
            "pid-file": str(self.directory / "server.pid"),
            "tmpdir": str(self.directory),
            "general-log-file": str(self.statement_log_path),
            "init-file": str(self._write_accounts()),
        }
        self.statement_log_path.touch()
        self.account.own(self.statement_log_path)
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._run([self.binary, "--no-defaults", *self._options(), *options])

    def _read_version(self) -> str:
        return str(self.admin("SELECT version()")[0][0])

    def _options(self) -> list[str]:
        """Return what this server needs beside the common settings."""
        return []

    def _write_accounts(self) -> Path:
        """Write the statements that make the superuser, which the server executes as it starts."""
        accounts = self.directory / "accounts.sql"
        accounts.write_text(
            f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;\n"
        )
        self.account.own(accounts)
        return accounts

    def _answers(self) -> bool:
        import pymysql

        try:
            self.admin("SELECT 1")
        except pymysql.OperationalError:
            return False
        return True

    def _create_database(self, name: str) -> None:
        self.admin(f"CREATE DATABASE `{name}`")

    def _log_statements(self, *, on: bool) -> None:
        self.admin(f"SET GLOBAL general_log = {int(on)}")
