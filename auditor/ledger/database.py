"""The database a ledger lives in: opened once, read and written in short transactions.

SQLite: a file in WAL mode, so that reading never waits for a run that records.  A writing transaction takes the write
lock at its beginning; taking it later, after a read, fails at once when another process has written meanwhile.
PostgreSQL: writers take turns by an advisory lock, since two runs that update the same findings in different order
would deadlock.  Other SQLAlchemy databases: by a lock on the row of the hash key; MySQL then reads what is committed
when each statement begins, else it would go on with what was there before it waited.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.pool import QueuePool

from auditor.ledger.failures import LOCK_WAIT_SECONDS, ledger_failure, told
from auditor.ledger.tables import LEDGER_METADATA
from auditor.ledger.version import HASH_KEY
from contracts.errors import LedgerError
from reconcilers.private_directory import make_private_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.store_url import StoreUrl

_ADVISORY_LOCK = 0x61756469746C6467
"""Of ledgers in PostgreSQL: `auditldg` in ASCII; any number that nobody else takes would do."""

CACHE_KIB = 32 * 1024
"""SQLite's page cache; with its usual 2 MB, each insertion into an index of random ids reads and writes a page."""

CONNECT_SECONDS = 10
"""A server that has not answered by then counts as down: a frozen one takes connections and says nothing."""

_DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql", "oracle": "oracledb", "mssql": "pymssql"}
_LIMITS = {"psycopg": ("connect_timeout",), "pymysql": ("connect_timeout", "read_timeout")}
"""What drivers call it; PyMySQL waits for the server's greeting as for any answer."""

_WRITING = "ledger_writing"
_ELSEWHERE = "check `ledger.url` in the settings file"


class Database:
    """One database, opened lazily.

    Args:
        url: Where it is.
        read_only: Whether nothing may be written.
        must_exist: Whether no file may be made.
    """

    def __init__(self, url: StoreUrl, *, read_only: bool, must_exist: bool) -> None:
        self.must_exist = must_exist
        self.url = url
        self.place = url.without_password()
        self.read_only = read_only
        self._file = _File(url.path or Path(), self) if url.dialect == "sqlite" else None
        self._engine = _sqlite_engine(self._file) if self._file else _server_engine(url)

    def made_here(self) -> bool:
        """Whether this opening has made the file that is there."""
        return self._file is not None and self._file.was_empty and self._file.is_in_place()

    @contextlib.contextmanager
    def reading(self, doing: str) -> Iterator[Connection]:
        """A transaction that reads what is committed.

        Raises:
            LedgerError: The database failed.
        """
        with told(doing, self.place), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self, doing: str) -> Iterator[Connection]:
        """A transaction that writes; one at a time among all processes.

        Raises:
            LedgerError: The database failed; nothing is changed then.
        """
        with told(doing, self.place), self._engine.connect() as connection:
            connection.execution_options(**{_WRITING: True})
            with connection.begin():
                _take_turn(connection)
                if self._file is not None:
                    self._file.require_in_place(doing)
                yield connection

    def size_bytes(self) -> int | None:
        """The size of a file with its write-ahead log; None for a server."""
        if self.url.path is None:
            return None
        files = (self.url.path, Path(f"{self.url.path}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def remove_file(self) -> None:
        """Take the file away; within a writing transaction, so that whoever waits for its turn sees it."""
        if self._file is not None:
            self._file.remove()

    def allow_reading_while_writing(self) -> None:
        """Put a SQLite file into WAL mode, which the file remembers."""
        if self.url.dialect != "sqlite":
            return
        with contextlib.closing(self._engine.raw_connection()) as raw, contextlib.suppress(sqlite3.OperationalError):
            # A file system that cannot, or another process at the same: slower, and as right.
            raw.cursor().execute("PRAGMA journal_mode = WAL")

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()


def _take_turn(connection: Connection) -> None:
    """Wait until no other process writes."""
    if connection.dialect.name == "sqlite":
        return  # BEGIN IMMEDIATE has done it
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    elif inspect(connection).has_table(LEDGER_METADATA.name):
        row = select(LEDGER_METADATA.c.value).where(LEDGER_METADATA.c.name == HASH_KEY)
        connection.execute(row.with_for_update())


def _server_engine(url: StoreUrl) -> Engine:
    place = url.without_password()
    try:
        known = make_url(url.with_password())
        if known.drivername in _DRIVERS:
            known = known.set(drivername=f"{known.drivername}+{_DRIVERS[known.drivername]}")
        isolation = {"isolation_level": "READ COMMITTED"} if url.dialect in ("mysql", "mariadb") else {}
        limits = dict.fromkeys(_LIMITS.get(known.get_driver_name(), ()), CONNECT_SECONDS)
        engine = create_engine(
            known, hide_parameters=True, pool_size=1, pool_pre_ping=True, connect_args=limits, **isolation
        )
    except NoSuchModuleError as failure:
        raise ledger_failure("open", place, failure) from failure
    except ModuleNotFoundError as failure:
        raise LedgerError(
            f"cannot open the ledger {place}: the Python package {failure.name} is not installed",
            hint=f"pip install 'consistency-auditor[{url.dialect}]'",
        ) from None
    if "read_timeout" in limits:
        event.listen(engine, "connect", _be_patient)
    return engine


def _be_patient(connection: Any, _record: object) -> None:
    """Once connected, a statement may take its time: it may wait for another run that records."""
    connection._read_timeout = None  # noqa: SLF001 - PyMySQL has no other way


class _File:
    """A SQLite file, and which one it was when it was opened first.

    A file that is deleted stays writable for whoever has it open, and what is written into it is lost.
    """

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self._mode = "ro" if database.read_only else "rw" if database.must_exist else "rwc"
        self._opened: int | None = None
        try:
            _require_usable(path, must_exist=database.must_exist)
            self.was_empty = not (path.exists() and path.stat().st_size)
        except OSError as failure:
            raise LedgerError(f"cannot open the ledger {path}: {failure.strerror}", hint=_ELSEWHERE) from None

    def connect(self) -> sqlite3.Connection:
        """A connection; only the first one may make the file, and for its owner only: SQLite takes that over."""
        if self._mode == "rwc":
            with contextlib.suppress(OSError):  # SQLite tells what is wrong
                make_private_file(self.path)
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode={self._mode}",
            uri=True,
            timeout=LOCK_WAIT_SECONDS,
            isolation_level=None,  # `_begin` below begins every transaction
            check_same_thread=False,
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if self._opened is None:
            connection.execute("PRAGMA schema_version")  # SQLite opens the file when it is asked for something
            self._opened = self.path.stat().st_ino
            self._mode = self._mode.removesuffix("c")
        return connection

    def require_in_place(self, doing: str) -> None:
        """Make sure that others see what we write.

        Raises:
            LedgerError: The file is no longer where it was.
        """
        if self.is_in_place():
            return
        raise LedgerError(
            f"cannot {doing} the ledger {self.path}: the file was deleted or replaced since it was opened",
            hint="find out who moves it away while runs are at work, and run again",
        )

    def is_in_place(self) -> bool:
        """Whether the file that was opened is still where it was."""
        try:
            return self.path.stat().st_ino == self._opened
        except OSError:
            return False

    def remove(self) -> None:
        """Take the file away, with those that SQLite keeps beside it."""
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)


def _sqlite_engine(file: _File) -> Engine:
    engine = create_engine(
        URL.create("sqlite"), creator=file.connect, hide_parameters=True, poolclass=QueuePool, pool_size=1
    )
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITING) else "BEGIN")


def _require_usable(path: Path, *, must_exist: bool) -> None:
    """Tell the simple mistakes in plain words, before SQLite says "unable to open database file" to all of them."""
    lead = f"cannot open the ledger {path}"
    if path.is_dir():
        raise LedgerError(f"{lead}: that is a directory; expected a SQLite file, or none yet", hint=_ELSEWHERE)
    if not path.parent.is_dir():
        raise LedgerError(f"{lead}: there is no directory {path.parent}", hint=f"create it, or {_ELSEWHERE}")
    if must_exist and not path.exists():
        raise LedgerError(f"{lead}: there is no such file", hint="a first `audit reconcile` makes it")
