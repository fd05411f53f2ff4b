"""Where the rows of one batch after the other lie in the workspace."""

from __future__ import annotations

BATCH = "batch"
"""A database beside the main one, for the rows of one batch after the other.

DuckDB frees what was in a replaced table when no transaction of that database is older: of the main one, a store's
snapshot or a result that is still being read may be, and a million rows would pile up behind it."""


def batch_table(name: str) -> str:
    """The name of a table that is replaced with each batch, to be written between double quotes as every other."""
    return f'{BATCH}"."main"."{name}'
