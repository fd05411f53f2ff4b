"""NaNs that a scan showed as 0: found again, so that no NaN passes for a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.fetch import FETCH_KEYS_MAX, fetch_side, spelled_keys
from reconcilers.projection import compile_side, key_sql
from reconcilers.row_keys import live

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from contracts.contract import Contract
    from reconcilers.fetch import SpelledKey
    from reconcilers.opened import Projected
    from reconcilers.projection import Item, Side


def unmask_nans(cursor: duckdb.DuckDBPyConnection, contract: Contract, projected: Projected) -> None:
    """Take the hash from rows whose NaN the scan showed as 0, so that the row stage compares them by text.

    Args:
        cursor: Of the calling thread alone: both sides are scanned at the same time.
        contract: The entity's.
        projected: A side that was scanned.
    """
    projection = projected.projection
    if not projection.zeros or not _bring_nan_keys(cursor, contract, projected):
        return
    keys = ", ".join(projection.keys)
    changes = [f"{column} = NULL" for column in sorted(set(projection.hashes.values()))]
    cursor.execute(
        f'UPDATE "{projected.table}" SET {", ".join(changes)} '
        f'WHERE ({keys}) IN (SELECT ({keys}) FROM "{_nan_table(projected)}")'
    )


def _nan_table(projected: Projected) -> str:
    return f"{projected.table}_nan"


def _bring_nan_keys(cursor: duckdb.DuckDBPyConnection, contract: Contract, projected: Projected) -> int:
    """Load the keys of rows that hold NaN: by key where few rows show a 0, else by the store's own search."""
    condition = f"z AND {live(projected.projection)}"
    found = spelled_keys(cursor, contract, projected, condition, most=FETCH_KEYS_MAX + 1)
    zeros = [key for batch in found for key in batch]
    if not zeros:
        return 0
    hidden = [item for item in projected.side.items if projected.side.columns[item.name].nan_hidden]
    if len(zeros) <= FETCH_KEYS_MAX:
        return _bring_odd(contract, projected, hidden, zeros)
    return _bring_searched(contract, projected, hidden)


def _bring_odd(contract: Contract, projected: Projected, hidden: Sequence[Item], zeros: Sequence[SpelledKey]) -> int:
    side = fetch_side(contract, projected.opened, zeros, [*projected.opened.key_items(contract), *hidden])
    odd = " OR ".join(form.odd for item in hidden if (form := side.of(item.name)).odd) or "false"
    return _bring_keys(contract, projected, side, odd)


def _bring_searched(contract: Contract, projected: Projected, hidden: Sequence[Item]) -> int:
    key_items = projected.opened.key_items(contract)
    relation = projected.opened.snapshot.nan_keys([item.wanted for item in hidden], [item.wanted for item in key_items])
    return 0 if relation is None else _bring_keys(contract, projected, compile_side(key_items, relation), "true")


def _bring_keys(contract: Contract, projected: Projected, side: Side, condition: str) -> int:
    columns = [f"{key_sql(contract.fields[name].type, side.of(name))} AS k{i}" for i, name in enumerate(contract.key)]
    sql = f"SELECT {', '.join(columns)} FROM {side.relation.sql} WHERE {condition}"
    return projected.opened.bring(sql, _nan_table(projected))
