"""What the ledger knows about one finding, read in a millisecond where the ledger is a SQLite file."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from auditor.store_url import parse_store_url
from contracts.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOCK_WAIT_SECONDS = 1
_WANTED = (
    "SELECT f.verdict, f.cause, f.first_seen, o.document FROM findings f LEFT JOIN observations o "
    "ON o.finding = f.number AND o.run = f.last_run WHERE f.finding_id = ? AND f.is_open"
)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The last verdict about a finding that is still open, and its evidence as reported."""

    verdict: str
    cause: str
    first_seen: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    """Names of those that differed."""


def glimpse(url: str, finding_id: str) -> Glimpse | None:
    """The open finding with this id, or None; a ledger that is not there or cannot be read knows none.

    Nothing is made or upgraded: whoever looks at one row wants the row, not the ledger.
    """
    with contextlib.suppress(ValueError):
        parsed = parse_store_url(url, directory=Path.cwd())
        if parsed.dialect == "sqlite":
            return _from_sqlite(str(parsed.path), finding_id)
    return _from_ledger(url, finding_id)


def _from_sqlite(path: str, finding_id: str) -> Glimpse | None:
    with contextlib.suppress(sqlite3.Error):
        address = f"file:{quote(path)}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_LOCK_WAIT_SECONDS)) as connection:
            row = connection.execute(_WANTED, (finding_id,)).fetchone()
            if row:
                document = json.loads(row[3]) if row[3] else {}
                evidence = document.get("evidence") or {}
                return Glimpse(str(row[0]), str(row[1] or "unknown"), str(row[2]), evidence, _names(document))
    return None


def _from_ledger(url: str, finding_id: str) -> Glimpse | None:
    from auditor.ledger.ledger import Ledger

    with contextlib.suppress(LedgerError, UsageError), Ledger.open(url, read_only=True) as ledger:
        history = ledger.finding(finding_id)
        if history.is_open:
            latest = history.latest
            return Glimpse(
                latest["verdict"], latest["cause"], str(history.first_seen), latest["evidence"], _names(latest)
            )
    return None


def _names(document: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(one["name"] for one in document.get("fields") or ())
