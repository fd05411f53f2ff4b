"""MariaDB from the system's packages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

from tests.services.account import Account
from tests.services.mysql_protocol import MySQLProtocolServer
from tests.services.packages import install_packages
from tests.services.process import run_tool

_DIRECTORIES = "/usr/sbin:/usr/bin:/usr/libexec:/usr/local/bin:/opt/homebrew/bin"


def _find(*names: str) -> Path | None:
    found = (shutil.which(name) or shutil.which(name, path=_DIRECTORIES) for name in names)
    return next((Path(path) for path in found if path), None)


class MariaDB(MySQLProtocolServer):
    """One MariaDB server."""

    name: ClassVar[str] = "mariadb"
    title: ClassVar[str] = "MariaDB"
    scheme: ClassVar[str] = "mariadb"
    dialect: ClassVar[str] = "mariadb+pymysql"
    client_names: ClassVar[tuple[str, ...]] = ("mariadb", "mysql")

    @classmethod
    def fetch(cls) -> Path:
        """Return ``mariadbd``, installing the package where it is missing."""
        if _find("mariadbd") is None:
            install_packages("mariadb-server", wanted_for=cls.title)
        binary = _find("mariadbd")
        assert binary is not None, "the package was installed without its server"
        return binary

    @classmethod
    def _account(cls) -> Account:
        return Account.for_server("mysql")

    def _make_data_directory(self) -> None:
        installer = _find("mariadb-install-db")
        assert installer is not None, "mariadb-install-db comes with the server"
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        run_tool(
            [installer, "--no-defaults", f"--datadir={self.data}", *options],
            account=self.account,
            home=self.directory,
            what="making MariaDB's data directory",
        )
