"""How a SQLite file is opened without leaving a trace.

The file is opened read-only and never made.  In rollback mode SQLite then writes nothing at all.  In write-ahead mode
even a reader keeps two files beside the database (`-wal`, `-shm`); where they are there already, somebody is at work
and we join in.  Where they are not, nobody has the database open: it is read as an immutable file, so that files of
ours, under our account, can never stand in a writer's way; whether a writer came meanwhile is then seen from the file
itself.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from contracts.errors import StoreError

LOCK_TIMEOUT_SECONDS = 5.0
"""How long to wait for a writer, unless the connection says otherwise: a commit takes milliseconds."""

_MAGIC = b"SQLite format 3\0"
_READ_VERSION = 19
"""Offset in the header of the byte that is 2 in write-ahead mode."""


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


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection, and whether it takes the file for immutable (its state before, to compare with later)."""

    connection: sqlite3.Connection
    before: FileState
    immutable: bool


def open_database(path: Path, dataset: str, lock_timeout: float | None = None) -> Opened:
    """Open a database read-only.

    Args:
        path: The file.
        dataset: As errors name it.
        lock_timeout: Seconds to wait while a writer locks it.

    Raises:
        StoreError: There is no such file, or it is no database.
    """
    _check_file(path, dataset)
    before = FileState.of(path)
    immutable = _is_write_ahead(path) and before.log is None
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
    try:
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=LOCK_TIMEOUT_SECONDS if lock_timeout is None else lock_timeout,
            isolation_level=None,  # we say BEGIN ourselves
            check_same_thread=False,  # DuckDB pulls batches from its own threads, one at a time
        )
        connection.execute("PRAGMA temp_store = memory")
        return Opened(connection, before, immutable)
    except sqlite3.Error as error:
        raise failure(error, dataset, f"opening {path}") from error


def _check_file(path: Path, dataset: str) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError:
        raise StoreError(f"reading {dataset}: there is no file {path}", hint="check the connection's url") from None
    except OSError as error:
        raise StoreError(
            f"reading {dataset}: {path} cannot be opened: {error.strerror}", hint="check the path and its permissions"
        ) from error
    if head and head != _MAGIC:
        raise StoreError(
            f"reading {dataset}: {path} is no SQLite database (it does not begin with {_MAGIC[:-1].decode()!r})",
            hint="check the connection's url; an encrypted database cannot be read",
        )


def _is_write_ahead(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_READ_VERSION + 1)
    return len(head) > _READ_VERSION and head[_READ_VERSION] == 2  # noqa: PLR2004


def failure(error: sqlite3.Error, dataset: str, what: str) -> StoreError:
    """What a person is told about an error of SQLite's."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        hint = "a writer holds the database; wait for it, or raise limits.lock_timeout"
    elif name.startswith("SQLITE_READONLY"):
        hint = "a journal beside the database waits to be applied: let its own application open it once"
    elif name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        hint = "run PRAGMA integrity_check with the sqlite3 command"
    else:
        hint = "check the connection's url and the relation"
    return StoreError(f"reading {dataset}: {what} failed: {error}", hint=hint)
