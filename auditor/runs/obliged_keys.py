"""The keys that changes are about, in canonical form: topics spell them as their databases do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.canonical import canonical
from reconcilers.equality_sql import replica_type
from reconcilers.ports import RawColumn
from reconcilers.projection import key_sql
from reconcilers.row_keys import key_text, key_texts
from reconcilers.single_scan import single_scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from contracts.contract import Contract, Replica
    from contracts.logical_types import LogicalType
    from reconcilers.finding import KeyText


def canonical_keys(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, replica: Replica | None, keys: Sequence[Sequence[str | None]]
) -> list[KeyText]:
    """The canonical form of each key, in the order given; a part that is no value of its type is None.

    Args:
        cursor: Of the workspace.
        contract: The entity's.
        replica: Whose topic spells them; None: the owner's.
        keys: As the topic spells them, each in contract key order.
    """
    import pyarrow as pa

    types = [_type(contract, replica, i) for i in range(len(contract.key))]
    columns = {f"t{i}": pa.array([key[i] for key in keys], pa.string()) for i in range(len(types))}
    table = pa.table({"n": pa.array(range(len(keys)), pa.int64()), **columns})
    parts = []
    for i, (logical, zone) in enumerate(types):
        form = canonical(logical, RawColumn(f"t{i}", "VARCHAR", timezone=zone))
        parts.append(f"{key_sql(contract.fields[contract.key[i]].type, form)} AS k{i}")
    cursor.register("owed_texts", single_scan(table))
    try:
        rows = cursor.execute(
            f"SELECT {', '.join(key_texts(contract))} FROM (SELECT n, {', '.join(parts)} FROM owed_texts) ORDER BY n"
        ).fetchall()
    finally:
        cursor.unregister("owed_texts")
    return [key_text(contract, row) for row in rows]


def _type(contract: Contract, replica: Replica | None, part: int) -> tuple[LogicalType, str]:
    declared = contract.fields[contract.key[part]].type
    if replica is None:
        return declared, "UTC"
    spelled = next(one for one in replica.key if one.field == contract.key[part])
    return replica_type(declared, spelled.equality), spelled.timezone or "UTC"
