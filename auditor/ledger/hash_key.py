"""The ledger's key for hashes of sensitive values, read in a millisecond.

`audit entity` needs nothing else of the ledger, and should not wait for SQLAlchemy to be imported.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote

from auditor.ledger.version import HASH_KEY, SCHEMA_VERSION, VERSION_TABLE
from auditor.secrets import remember
from auditor.store_url import parse_store_url

_LOCK_WAIT_SECONDS = 1
"""A reader hardly ever waits in WAL mode; the slow way waits longer."""


def ledger_hash_key(url: str) -> bytes:
    """The key of the ledger at this URL, which is made or upgraded where need be.

    Raises:
        LedgerError: There is no ledger there, it cannot be read or written, or a newer auditor made it.
    """
    key = _from_sqlite_file(url)
    if key is None:
        from auditor.ledger.ledger import Ledger

        with Ledger.open(url) as ledger:
            return ledger.hash_key()
    remember(key)
    return bytes.fromhex(key)


def _from_sqlite_file(url: str) -> str | None:
    """The key in hex where the ledger is a SQLite file of our own version; None sends the caller the whole way."""
    with contextlib.suppress(ValueError, sqlite3.Error):  # whatever it is, `Ledger.open` tells it better
        parsed = parse_store_url(url, directory=Path.cwd())
        if parsed.dialect != "sqlite":
            return None
        address = f"file:{quote(str(parsed.path))}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_LOCK_WAIT_SECONDS)) as connection:
            if connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() != [(SCHEMA_VERSION,)]:
                return None
            row = connection.execute("SELECT value FROM ledger_metadata WHERE name = ?", (HASH_KEY,)).fetchone()
            return str(row[0]) if row else None
    return None
