"""Which dialect writes for which store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.compensations.dialect import Dialect

REASONS = {
    "file": "a file is written by what makes it: make it again",
    "duckdb": "this version writes no statements for DuckDB files",
}
"""Why there is none, by the scheme's dialect."""


def dialect_of(scheme: str) -> Dialect | str:
    """The dialect of a store, or why nothing is written for it.

    Args:
        scheme: Of its URL, without a driver.
    """
    if scheme == "postgresql":
        from auditor.compensations.postgresql import PostgreSql

        return PostgreSql()
    if scheme in ("mysql", "mariadb"):
        from auditor.compensations.mysql import MySql

        return MySql()
    if scheme == "sqlite":
        from auditor.compensations.sqlite import Sqlite

        return Sqlite()
    return REASONS.get(scheme, f"this version writes no statements for {scheme} stores")
