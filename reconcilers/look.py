"""One look at one entity: the owner and its replicas read once, compared, and what differs named.

The first look scans both sides whole; a recheck looks again at the keys of the suspects only.  Both go through exactly
the same projections, joins and row comparison:

1. Every side is opened at once, so that their moments lie close together (`opened`).
2. What is selected from each is compiled for all of them together (`projector`, `projection`).
3. Every side is scanned into its projection at once, by key where only suspects are of interest (`suspect_keys`).
4. The owner is looked at by itself (`owner_look`), then each replica beside it (`replica_look`).
5. Every side is asked whether what was read was all of it.

A replica that cannot be read takes nothing from the others: its `ReplicaLook` says why.  Without the owner there is
no look at all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from contracts.errors import AuditorError, StoreError
from reconcilers.hidden_nans import unmask_nans
from reconcilers.opened import Projected, open_side
from reconcilers.owner_look import OwnerLook
from reconcilers.projection import owner_items, replica_items
from reconcilers.projector import projector
from reconcilers.replica_look import PairLook
from reconcilers.rows import redacted_constants
from reconcilers.sight import EntityLook, ReplicaLook, Sight, Suspects
from reconcilers.suspect_keys import SuspectKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from contracts.contract import Contract, Replica
    from contracts.expression import Expression
    from reconcilers.opened import Opened
    from reconcilers.ports import Reader
    from reconcilers.projector import Projector
    from reconcilers.workspace import Workspace

__all__ = ["EntityLook", "Looker", "Readers", "ReplicaLook", "Sight", "Suspects"]

SCANS_AT_ONCE_MAX = 4
"""Datasets read at the same time: stores work in parallel, DuckDB's own threads are shared."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads the datasets of one entity.

    Attributes:
        owner: The owner's.
        replicas: Of the replicas in scope, by replica name; an error in place of a reader is why there is none.
        referenced: Of the owners that the entity refers to, by entity, each with its contract; an error in its place
            is why its keys cannot be asked for.
    """

    owner: Reader
    replicas: Mapping[str, Reader | AuditorError]
    referenced: Mapping[str, tuple[Contract, Reader] | AuditorError] = field(default_factory=dict)


class Looker:
    """Looks at one entity.

    Args:
        workspace: Where rows meet.
        contract: The entity's contract.
        readers: Of its datasets.
        where: The run's own filter, in contract names; rows outside are as if they were not there.
        prefix: Makes table names unique in the workspace.
        progress: Told the name of each dataset and its rows as they are read.
    """

    def __init__(
        self,
        workspace: Workspace,
        contract: Contract,
        readers: Readers,
        *,
        where: Expression | None = None,
        prefix: str = "",
        progress: Callable[[str, int], None] = lambda _name, _rows: None,
    ) -> None:
        self._workspace = workspace
        self._contract = contract
        self._readers = readers
        self._prefix = prefix
        self._where = where
        self._progress = progress
        self._cursor = workspace.cursor()
        self._constants: dict[str, Mapping[str, str]] = {}

    def look(self, suspects: Suspects | None = None) -> EntityLook:
        """Read, compare and name what differs.

        Args:
            suspects: What to look at again; None looks at everything.

        Raises:
            StoreError: The owner could not be read.  A replica that cannot be read is told in its `ReplicaLook`.
            WorkspaceError: What was read does not fit the workspace.
        """
        from reconcilers.workspace import workspace_errors  # here: it brings DuckDB, which takes its time

        result = EntityLook()
        self._workspace.know_functions()  # before any snapshot begins: its transaction would not see them
        keys = None
        if suspects is not None:
            keys = SuspectKeys(self._cursor, self._contract, suspects, f"{self._prefix}suspects")
        with workspace_errors(f"comparing {self._contract.entity}"), ExitStack() as stack:
            opened, copies = self._open(stack, result)
            compiler = projector(self._contract, [opened, *copies.values()], self._replicas(copies), self._where)
            self._compare(*self._scan(compiler, opened, copies, keys), result)
        result.read_until = monotonic()
        return result

    def _replicas(self, among: Mapping[str, object]) -> list[Replica]:
        """The contract's replicas that are among these names, in contract order."""
        return [replica for replica in self._contract.replicas if replica.name in among]

    # -- opening -----------------------------------------------------------------------------------------------------

    def _open(self, stack: ExitStack, result: EntityLook) -> tuple[Opened, dict[str, Opened]]:
        """Open every side at once; the stack closes them."""
        with ThreadPoolExecutor(SCANS_AT_ONCE_MAX) as pool:
            opening = pool.submit(self._open_owner)
            futures: dict[str, Future[Opened]] = {}
            for replica in self._replicas(self._readers.replicas):
                reader = self._readers.replicas[replica.name]
                if isinstance(reader, AuditorError):
                    result.replicas[replica.name] = ReplicaLook(error=str(reader))
                else:
                    futures[replica.name] = pool.submit(self._open_replica, reader, replica)
        for future in (*futures.values(), opening):  # before any error is raised: no side is left open
            if future.exception() is None:
                stack.callback(future.result().close)
        copies = {}
        for name, future in futures.items():
            try:
                copies[name] = future.result()
                result.replicas[name] = ReplicaLook(watermark=copies[name].snapshot.watermark)
            except StoreError as error:
                result.replicas[name] = ReplicaLook(error=str(error))
        owner = opening.result()
        result.watermark = owner.snapshot.watermark
        return owner, copies

    def _open_owner(self) -> Opened:
        reader = self._readers.owner
        items = owner_items(self._contract)
        return open_side(reader, self._workspace, reader.shape(), items, f"{self._prefix}owner")

    def _open_replica(self, reader: Reader, replica: Replica) -> Opened:
        shape = reader.shape()
        items = replica_items(self._contract, replica, shape)
        return open_side(reader, self._workspace, shape, items, f"{self._prefix}{replica.name}")

    # -- scanning ----------------------------------------------------------------------------------------------------

    def _scan(
        self, compiler: Projector, owner: Opened, copies: Mapping[str, Opened], keys: SuspectKeys | None
    ) -> tuple[Projected, dict[str, Projected | StoreError]]:
        """Scan every side at once; a replica that could not be read is its error."""
        with ThreadPoolExecutor(SCANS_AT_ONCE_MAX) as pool:
            scanning = pool.submit(self._scan_side, compiler, owner, None, keys)
            futures = {
                replica.name: pool.submit(self._scan_side, compiler, copies[replica.name], replica, keys)
                for replica in compiler.replicas
            }
        scanned: dict[str, Projected | StoreError] = {}
        for name, future in futures.items():
            try:
                scanned[name] = future.result()
            except StoreError as error:
                scanned[name] = error
        return scanning.result(), scanned

    def _scan_side(
        self, compiler: Projector, opened: Opened, replica: Replica | None, keys: SuspectKeys | None
    ) -> Projected:
        """Bring one side's projection: of every row, or of the suspects' rows."""
        projected = compiler.project(opened, replica, opened.relation)
        if keys is not None and keys.found_by_key(projected.side):
            relation = opened.snapshot.lookup(opened.wanted, keys.lookup(opened))
            projected = compiler.project(opened, replica, relation)
        sql = projected.projection.sql
        if keys is not None:
            sql = f"SELECT * FROM ({sql}) WHERE {keys.condition(projected.projection)}"
        opened.bring(sql, opened.table)
        self._progress(opened.reader.dataset, opened.load.rows)
        unmask_nans(self._workspace.cursor(), self._contract, projected)
        return projected

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _compare(self, owner: Projected, copies: Mapping[str, Projected | StoreError], result: EntityLook) -> None:
        referenced = self._readers.referenced
        OwnerLook(self._workspace, self._cursor, self._contract, referenced, self._prefix).look(owner, result)
        for replica in self._replicas(copies):
            copy, seen = copies[replica.name], result.replicas[replica.name]
            if isinstance(copy, StoreError):
                seen.error = str(copy)
            else:
                constants = self._redacted(replica, copy)
                PairLook(self._cursor, self._contract, replica, owner, copy, constants).look(seen)
        _finish(owner, result.notes, result)
        for name, copy in copies.items():
            if isinstance(copy, Projected):
                _finish(copy, result.replicas[name].notes, result)

    def _redacted(self, replica: Replica, copy: Projected) -> Mapping[str, str]:
        """The constants of redacted columns, as the first look found them among all rows."""
        if replica.name not in self._constants:
            self._constants[replica.name] = redacted_constants(self._cursor, copy.table, copy.projection)
        return self._constants[replica.name]


def _finish(side: Projected, notes: list[str], result: EntityLook) -> None:
    """Ask a side whether what was read was all of it, and note what it cost."""
    result.loads[side.opened.reader.dataset] = side.opened.load
    if note := side.opened.snapshot.incomplete():
        notes.append(note)
