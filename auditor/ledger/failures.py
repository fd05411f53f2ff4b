"""What goes wrong with the ledger's database, told as one clear `LedgerError` each."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from auditor.secrets import scrub
from contracts.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_WAIT_SECONDS = 60
"""How long we wait for another process that writes: recording a million findings takes half of it."""

_RESTORE = "restore it from a backup, or move it away and a new one is made"
_ELSEWHERE = "check `ledger.url` in the settings file"

# By the beginning of SQLite's own name of the error: what was found, and what to do next.
_SQLITE = {
    "SQLITE_BUSY": (
        f"another process has been writing to it for more than {LOCK_WAIT_SECONDS} s",
        "let that run finish, then run the command again",
    ),
    "SQLITE_LOCKED": ("it is locked by another process", "let that process finish, then run the command again"),
    "SQLITE_NOTADB": ("the file is no SQLite database", _ELSEWHERE),
    "SQLITE_CORRUPT": ("the file is damaged", _RESTORE),
    "SQLITE_READONLY": ("it may not be written", "give this user the right to write the file and its directory"),
    "SQLITE_PERM": ("it may not be opened", "give this user the right to read and write the file"),
    "SQLITE_AUTH": ("it may not be opened", "give this user the right to read and write the file"),
    "SQLITE_CANTOPEN": ("it cannot be opened", "give this user the right to read and write the file and its directory"),
    "SQLITE_FULL": ("the disk is full", "make room, then run the command again"),
    "SQLITE_IOERR": ("the disk failed to read or write", "check the disk and its free space"),
    "SQLITE_TOOBIG": ("a value is too large for SQLite", "report this as a bug"),
}


@contextlib.contextmanager
def told(doing: str, place: str) -> Iterator[None]:
    """Turn a database's failure into a `LedgerError`.

    Args:
        doing: What was being done, to be followed by "the ledger": `open`, `record the run in`.
        place: The ledger's URL without a password.
    """
    try:
        yield
    except SQLAlchemyError as failure:
        raise ledger_failure(doing, place, failure) from failure
    except sqlite3.Error as failure:
        raise ledger_failure(doing, place, failure) from failure


def ledger_failure(doing: str, place: str, failure: Exception) -> LedgerError:
    """The failure, for people; never with the values of a statement."""
    cause = failure.orig if isinstance(failure, DBAPIError) and failure.orig is not None else failure
    lead = f"cannot {doing} the ledger {place}"
    if isinstance(failure, NoSuchModuleError):
        return LedgerError(f"{lead}: SQLAlchemy knows no such database", hint=_ELSEWHERE)
    if isinstance(cause, sqlite3.Error):
        found, hint = _sqlite(cause)
        return LedgerError(f"{lead}: {found}", hint=hint)
    said = scrub(str(cause)).strip().splitlines() or [type(cause).__name__]
    return LedgerError(f"{lead}: {said[0]}", hint=f"check that the server runs and who may do what, and {_ELSEWHERE}")


def _sqlite(cause: sqlite3.Error) -> tuple[str, str]:
    name = getattr(cause, "sqlite_errorname", "") or ""
    for beginning, told_as in _SQLITE.items():
        if name.startswith(beginning):
            return told_as
    return scrub(str(cause)), _ELSEWHERE
