"""What is wrong with the keys of one side: several rows under one, NULL parts, values that are none of their type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.logical_types import Kind
from reconcilers import row_keys
from reconcilers.finding import Divergence, Finding, KeyText, Verdict
from reconcilers.invariants import TYPE_RULE
from reconcilers.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from contracts.contract import Contract
    from reconcilers.opened import Projected

_INJECTIVE = frozenset({Kind.INT, Kind.UUID, Kind.TEXT, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL, Kind.BOOL})
"""Types under which no two values of an exact column share a canonical form."""


def key_sights(
    cursor: duckdb.DuckDBPyConnection,
    contract: Contract,
    projected: Projected,
    replica: str | None,
    owner: Projected | None = None,
) -> Iterator[Sight]:
    """Duplicated, NULL and bad keys of one side; the duplicates stay in a table that the comparison leaves out.

    That table is there when the first sight has been asked for.

    Args:
        cursor: Of the workspace.
        contract: The entity's.
        projected: The side, scanned.
        replica: The replica's name; None for the owner.
        owner: A replica's owner, scanned: its rows tell which keys the run's own filter leaves out.
    """
    table, projection = projected.table, projected.projection
    left_out = "" if owner is None else row_keys.outside(owner.table, owner.projection, projection)
    unique = _is_unique(contract, projected)
    twice = row_keys.find_duplicates(cursor, table, projection, unique=unique, left_out=left_out)
    for key, count in row_keys.duplicate_keys(cursor, contract, twice) if twice else []:
        yield _sight(contract, replica, key, Divergence.DUPLICATE, count)
    for key, count in row_keys.null_keys(cursor, contract, table, projection):
        yield _sight(contract, replica, key, Divergence.NULL_KEY, count)
    divergence = Divergence.INVARIANT if replica is None else Divergence.MISMATCH
    for key, count in row_keys.bad_keys(cursor, contract, table, projection):
        yield _sight(contract, replica, key, divergence, count)


def _sight(contract: Contract, replica: str | None, key: KeyText, divergence: Divergence, count: int) -> Sight:
    rule = TYPE_RULE if divergence in (Divergence.INVARIANT, Divergence.MISMATCH) else None
    finding = Finding(contract.entity, replica, key, divergence, Verdict.SUSPECT, rule=rule, count=count)
    return Sight(finding, "" if replica else "present", "present" if replica else "")


def _is_unique(contract: Contract, projected: Projected) -> bool:
    """Whether the store keeps the key unique and no two of its values share a canonical form."""
    columns = {item.wanted.path for item in projected.opened.key_items(contract)}
    kept = any(set(unique) <= columns for unique in projected.opened.shape.unique_keys)
    return kept and all(
        projected.side.columns[name].exact
        and contract.fields[name].type.kind in _INJECTIVE
        and not projected.side.of(name).bad
        for name in contract.key
    )
