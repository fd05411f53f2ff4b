"""How long the owner's changes took to arrive at a replica that is known by its feed: from commit to commit.

A version has arrived with the first of the replica's versions that equals it or a later one of the owner's.  Each of
the two commit times is of its own database's clock; what they are apart is part of the measure, and never below zero.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from reconcilers.opened import open_side
from reconcilers.ports import VERSION_COLUMNS, Keys, Remembering
from reconcilers.projection import (
    compared_fields,
    compile_side,
    gone_sql,
    owner_items,
    replica_items,
    scope_sql,
    select_filter,
)
from reconcilers.row_stage import Fetched, row_stage, same_sql
from reconcilers.streams.table import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.finding import KeyText
    from reconcilers.opened import Opened
    from reconcilers.ports import Reader
    from reconcilers.workspace import Workspace

CLOCKS_APART_SECONDS = 1
"""A replica's clock may be so far behind its owner's without a change of its being taken for one of before."""

_DELETED = int(Kind.DELETE)


class Arrivals:
    """Measures one replica.

    Args:
        workspace: Where rows meet.
        contract: The entity's.
        replica: The replica.
        readers: Of the owner's feed and of the replica's.
        prefix: Makes table names unique in the workspace.
    """

    def __init__(
        self, workspace: Workspace, contract: Contract, replica: Replica, readers: tuple[Reader, Reader], prefix: str
    ) -> None:
        self._workspace = workspace
        self._cursor: duckdb.DuckDBPyConnection = workspace.cursor()
        self._contract = contract
        self._replica = replica
        self._readers = readers
        self._prefix = prefix

    def seconds(self, keys: Collection[KeyText]) -> dict[int, float]:
        """By the arrival number of each remembered version of some keys: how long it took.

        Those of which that is not known are left out.

        Raises:
            StoreError: A feed cannot be read.
        """
        contract, replica = self._contract, self._replica
        whole = [key for key in keys if all(text is not None for _, text in key)]
        if not whole:
            return {}
        self._workspace.know_functions()
        with ExitStack() as stack:
            owner = open_side(
                self._readers[0], self._workspace, lambda _: owner_items(contract), f"{self._prefix}owner", None
            )
            stack.callback(owner.close)
            copy = open_side(
                self._readers[1],
                self._workspace,
                lambda shape: replica_items(contract, replica, shape),
                f"{self._prefix}copy",
                None,
            )
            stack.callback(copy.close)
            held = self._versions(owner, whole, of_owner=True)
            taken = self._versions(copy, whole, of_owner=False)
            rows = self._cursor.execute(self._sql(held, taken)).fetchall()
        return {seq: max(seconds, 0.0) for seq, seconds in rows}

    def _versions(self, opened: Opened, keys: Sequence[KeyText], *, of_owner: bool) -> Fetched:
        if not isinstance(opened.snapshot, Remembering):
            raise TypeError(f"{opened.reader.dataset} remembers no versions")
        contract, replica = self._contract, self._replica
        columns = tuple(item.wanted for item in opened.key_items(contract))
        wanted = Keys(columns, [tuple((text or "",) for _, text in key) for key in keys])
        side = compile_side(opened.items, opened.snapshot.versions(opened.wanted, wanted))
        soft = contract.owner.soft_delete
        flag = (soft.field if soft else None) if of_owner else replica.deletes.column
        scope = scope_sql(replica.where, side) if of_owner else "true"
        dead = f"(kind = {_DELETED} OR {gone_sql(side, flag)} OR NOT {scope}) AS dead"
        names = [compared.name for compared in compared_fields(contract, replica)]
        where = "" if of_owner else select_filter(replica, side)
        table = f"{opened.table}_versions"
        opened.bring(row_stage(contract, side, names, where, [*VERSION_COLUMNS, dead]), table)
        return Fetched(table, side)

    def _sql(self, owner: Fetched, copy: Fetched) -> str:
        fields = compared_fields(self._contract, self._replica)
        same = [
            same_sql(i, compared, owner.side, copy.side, {})
            for i, compared in enumerate(fields)
            if compared.equality.mode == "compared"
        ]
        keys = [f"k{i}" for i in range(len(self._contract.key))]
        on = " AND ".join(f"o.{key} = r.{key}" for key in keys)
        alike = f"CASE WHEN o.dead OR r.dead THEN o.dead AND r.dead ELSE {' AND '.join(same) or 'true'} END"
        earliest = f"r.committed >= o.committed - INTERVAL {CLOCKS_APART_SECONDS} SECOND"
        found = (
            f"SELECT o.seq, {', '.join(f'o.{key}' for key in keys)}, o.epoch, o.p0, o.p1, o.p2, o.committed, "
            f'(SELECT min(r.committed) FROM "{copy.table}" r WHERE {on} AND {earliest} AND {alike}) AS arrived '
            f'FROM "{owner.table}" o WHERE o.committed IS NOT NULL'
        )
        later = (
            f"min(arrived) OVER (PARTITION BY {', '.join(keys)} ORDER BY epoch, p0, p1, p2, seq "
            "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"
        )
        timed = f"SELECT seq, epoch({later}) - epoch(committed) AS took FROM ({found})"
        return f"SELECT seq, took FROM ({timed}) WHERE took IS NOT NULL"
