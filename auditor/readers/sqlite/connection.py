"""How a SQLite file is opened without leaving a trace, and without losing a lock.

The file is opened read-only and never made.  In rollback mode SQLite then writes nothing at all.  In write-ahead mode
even a reader keeps two files beside the database (`-wal`, `-shm`); where they are there already, somebody is at work
and we join in.  Where they are not, nobody has the database open: it is read as an immutable file, so that files of
ours, under our account, can never stand in a writer's way; whether a writer came meanwhile is then seen from the file.

Which mode a file is in stands in its header only.  A process that opens a file beside SQLite loses, when it closes it,
every lock that SQLite holds on it (POSIX advisory locks belong to process and file): the snapshot of another reader
would be gone without a word.  So what we open to look is closed only when no connection of ours is left on the file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from contracts.errors import InterruptedReadError, StoreError

if TYPE_CHECKING:
    from types import TracebackType

LOCK_TIMEOUT_SECONDS = 5.0
"""How long to wait for a writer, unless the connection says otherwise: a commit takes milliseconds."""

INSTRUCTIONS_BETWEEN = 10_000
"""Of SQLite's machine, before it looks whether a statement's time is over: well below a millisecond."""

_MAGIC = b"SQLite format 3\0"
_READ_VERSION = 19
"""Offset in the header of the byte that is 2 in write-ahead mode."""
_WRITE_AHEAD = 2

_Identity = tuple[int, int]
_looking = threading.Lock()
_looked_at: defaultdict[_Identity, list[int]] = defaultdict(list)
"""File descriptors that were opened to look at a header, by device and inode."""
_connections: Counter[_Identity] = Counter()


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells whether somebody wrote to a database: inode, size and time of its file and of its log."""

    main: tuple[int, int, int]
    log: tuple[int, int, int] | None

    @classmethod
    def of(cls, path: Path) -> FileState:
        """The state now."""
        log = Path(f"{path}-wal")
        return cls(_stat(path), _stat(log) if log.exists() else None)

    @property
    def position(self) -> str:
        """As an opaque watermark."""
        return ":".join(str(part) for part in (*self.main, *(self.log or ())))

    @property
    def display(self) -> str:
        """For people: when it was last written."""
        written = max(self.main[2], self.log[2] if self.log else 0)
        return f"written {datetime.fromtimestamp(written / 1e9, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _stat(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


class SqliteConnection:
    """A read-only connection to a database file; closed at the end of its `with` block.

    Args:
        path: The file.
        dataset: As errors name it.
        lock_timeout: Seconds to wait while a writer locks it.
        statement_timeout: Seconds that a statement may take, from `start_timing` on.

    Attributes:
        sql: The connection.
        before: What the file was like when it was opened.
        immutable: It is read as a file that nobody writes to.

    Raises:
        StoreError: There is no such file, or it is no database.
    """

    def __init__(
        self, path: Path, dataset: str, lock_timeout: float | None = None, statement_timeout: float | None = None
    ) -> None:
        self.path = path
        self.dataset = dataset
        self._statement_timeout = statement_timeout
        self._time_is_over = 0.0
        with _looking:
            self._identity, head = _look_at(path, dataset)
            self.before = FileState.of(path)
            self.immutable = head[_READ_VERSION : _READ_VERSION + 1] == bytes([_WRITE_AHEAD]) and not self.before.log
            timeout = LOCK_TIMEOUT_SECONDS if lock_timeout is None else lock_timeout
            _connections[self._identity] += 1
            try:
                self.sql = self._connect(timeout)
            except sqlite3.Error as error:
                _forget(self._identity)
                raise failure(error, dataset, f"opening {path}") from error

    def _connect(self, timeout: float) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode=ro{'&immutable=1' if self.immutable else ''}"
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=timeout,
            isolation_level=None,  # we say BEGIN ourselves
            check_same_thread=False,  # DuckDB pulls batches from its own threads, one at a time
        )
        connection.execute("PRAGMA temp_store = memory")
        if self._statement_timeout is not None:
            self.start_timing()
            connection.set_progress_handler(lambda: time.monotonic() > self._time_is_over, INSTRUCTIONS_BETWEEN)
        return connection

    def start_timing(self) -> None:
        """A statement begins: from now on its time counts."""
        self._time_is_over = time.monotonic() + (self._statement_timeout or 0.0)

    def was_written(self) -> bool:
        """Whether somebody wrote to a file that was read as immutable."""
        return self.immutable and FileState.of(self.path) != self.before

    def failed(self, error: sqlite3.Error, what: str) -> StoreError:
        """What a person is told about an error while reading.

        A file that was read as immutable, and written to meanwhile, may look damaged; it is not, and can be read again.
        """
        if not self.was_written():
            return failure(error, self.dataset, what)
        return InterruptedReadError(
            f"reading {self.dataset}: {what} failed: {self.path} was written to while it was read",
            hint="read it while its application has it open, or is at rest",
        )

    def close(self) -> None:
        """Let the file go."""
        self.sql.close()
        with _looking:
            _forget(self._identity)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _look_at(path: Path, dataset: str) -> tuple[_Identity, bytes]:
    """Which file it is, and the beginning of its header (empty for an empty file, which is an empty database)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        raise StoreError(f"reading {dataset}: there is no file {path}", hint="check the connection's url") from None
    except OSError as error:
        message = f"reading {dataset}: {path} cannot be opened: {error.strerror}"
        raise StoreError(message, hint="check the path and its permissions") from error
    found = os.fstat(descriptor)
    identity = (found.st_dev, found.st_ino)
    _looked_at[identity].append(descriptor)
    try:
        head = os.pread(descriptor, _READ_VERSION + 1, 0)
    except OSError as error:  # a directory
        _let_go(identity)
        message = f"reading {dataset}: {path} cannot be read: {error.strerror}"
        raise StoreError(message, hint="check the connection's url") from error
    if head and not head.startswith(_MAGIC):
        _let_go(identity)
        raise StoreError(
            f"reading {dataset}: {path} is no SQLite database (it does not begin with {_MAGIC[:-1].decode()!r})",
            hint="check the connection's url; an encrypted database cannot be read",
        )
    return identity, head


def _forget(identity: _Identity) -> None:
    """One connection less."""
    _connections[identity] -= 1
    _let_go(identity)


def _let_go(identity: _Identity) -> None:
    """Close what was opened to look, unless a connection's locks would go with it."""
    if _connections[identity] > 0:
        return
    del _connections[identity]
    for descriptor in _looked_at.pop(identity, ()):
        os.close(descriptor)


def failure(error: sqlite3.Error, dataset: str, what: str) -> StoreError:
    """What a person is told about an error of SQLite's."""
    name = getattr(error, "sqlite_errorname", "")
    kind = StoreError
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        kind = InterruptedReadError
        hint = "a writer holds the database; wait for it, or raise limits.lock_timeout"
    elif name == "SQLITE_INTERRUPT":
        hint = "it took longer than limits.statement_timeout; raise that, or read at a quieter time"
    elif name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        hint = "a journal beside the database waits to be applied: let its own application open it once"
    elif name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        hint = "run PRAGMA integrity_check with the sqlite3 command"
    else:
        hint = "check the connection's url and the relation"
    return kind(f"reading {dataset}: {what} failed: {error}", hint=hint)
