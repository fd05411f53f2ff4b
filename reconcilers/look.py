"""One look at one entity: the owner and its replicas read once, compared, and what differs named.

The first look scans both sides whole; a recheck looks again at the keys of the suspects only.  Both go through exactly
the same projections, joins and row comparison:

1. Every side is opened at once, so that their moments lie close together (`opened`).
2. What is selected from each is compiled for all of them together (`projector`, `projection`).
3. Every side is scanned into its projection at once, by key where only suspects are of interest (`suspect_keys`).
4. The owner is looked at by itself (`owner_look`), then each replica beside it (`replica_look`).
5. Every side is asked whether what was read was all of it.

A side whose store breaks off is read again from a new snapshot, within limits (`perseverance`), whether it broke off
while it was opened, scanned, or asked for the rows of single keys; the others keep what they have.  A replica that
cannot be read takes nothing from the others: its `ReplicaLook` says why.  Without the owner there is no look at all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from contracts.errors import AuditorError, InterruptedReadError, StoreError
from reconcilers.hidden_nans import unmask_nans
from reconcilers.marks import copies_mark
from reconcilers.opened import open_side
from reconcilers.owner_look import OwnerLook
from reconcilers.projection import compile_side, owner_items, replica_items
from reconcilers.projector import projector
from reconcilers.reading import Reading
from reconcilers.replica_look import PairLook
from reconcilers.rows import redacted_constants
from reconcilers.sight import EntityLook, ReplicaLook, Sight, Suspects
from reconcilers.suspect_keys import SuspectKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from contracts.contract import Contract, Replica
    from contracts.expression import Expression
    from reconcilers.opened import Opened, Projected
    from reconcilers.ports import Reader
    from reconcilers.projector import Projector
    from reconcilers.recheck import Mark
    from reconcilers.watermark import Watermark
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
        confirming: Who looks at suspects again, where that is somebody else: scans may be read on a standby.
    """

    owner: Reader
    replicas: Mapping[str, Reader | AuditorError]
    referenced: Mapping[str, tuple[Contract, Reader] | AuditorError] = field(default_factory=dict)
    confirming: Readers | None = None


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
        self.constants: dict[str, Mapping[str, str]] = {}
        """The constants of redacted columns by replica, as the first look found them."""
        self._stored: Mapping[str, tuple[str, ...]] | None = None

    def look(self, suspects: Suspects | None = None) -> EntityLook:
        """Read, compare and name what differs.

        Args:
            suspects: What to look at again; None looks at everything.

        Raises:
            StoreError: The owner could not be read.  A replica that cannot be read is told in its `ReplicaLook`.
            WorkspaceError: What was read does not fit the workspace.
            DeadlineError: The run's time is over.
        """
        from reconcilers.workspace import workspace_errors  # here: it brings DuckDB, which takes its time

        self._workspace.know_functions()  # before any snapshot begins: its transaction would not see them
        keys = None
        if suspects is not None:
            keys = SuspectKeys(self._cursor, self._contract, suspects, f"{self._prefix}suspects")
        with workspace_errors(f"comparing {self._contract.entity}", self._workspace.halt), ExitStack() as stack:
            readers = self._readers_for(suspects)
            owner, copies = self._readings(stack, readers)
            if suspects is None:
                self._open([owner, *copies.values()])
            else:  # an owner that is read after its replicas, and is as it was, was so when they were read
                self._open([*copies.values()])
                self._open([owner])
            result = self._compared(owner, copies, keys, readers.referenced)
        result.read_until = monotonic()
        return result

    def latest(self, replica: Replica) -> Mark:
        """The newest of its owner's marks that a replica holds: how far it has come; None where it has none.

        Raises:
            StoreError: It could not be read.
        """
        marks = copies_mark(self._contract, replica)
        readers = self._readers.confirming or self._readers
        reader = readers.replicas[replica.name]
        if marks is None or isinstance(reader, AuditorError):
            return None
        with ExitStack() as stack:
            opened = self._open_replica(reader, replica)
            stack.callback(opened.close)
            items = [item for item in opened.items if item.name == marks.name]
            side = compile_side(items, opened.snapshot.scan([item.wanted for item in items]))
            table = f"{self._prefix}{replica.name}_latest"
            opened.bring(f'SELECT max({side.of(marks.name).text}) AS "latest" FROM {side.relation.sql}', table)
            found = self._cursor.execute(f'SELECT "latest" FROM "{table}"').fetchall()
        return marks.mark(found[0][0]) if found else None

    def _readers_for(self, suspects: Suspects | None) -> Readers:
        """Who reads: suspects are confirmed where a change is first to be seen, not on a standby."""
        return self._readers if suspects is None or self._readers.confirming is None else self._readers.confirming

    def _replicas(self, among: Container[str]) -> list[Replica]:
        """The contract's replicas that are among these names, in contract order."""
        return [replica for replica in self._contract.replicas if replica.name in among]

    # -- opening -----------------------------------------------------------------------------------------------------

    def _readings(self, stack: ExitStack, readers: Readers) -> tuple[Reading, dict[str, Reading]]:
        """Every side, not opened yet; the stack closes them."""
        halt = self._workspace.halt
        owner = Reading(None, partial(self._open_owner, readers.owner), halt)
        copies = {}
        for replica in self._replicas(readers.replicas):
            reader = readers.replicas[replica.name]
            if isinstance(reader, AuditorError):
                copies[replica.name] = Reading(replica, None, halt, error=reader)
            else:
                copies[replica.name] = Reading(replica, partial(self._open_replica, reader, replica), halt)
        for side in (owner, *copies.values()):
            stack.callback(side.close)
        return owner, copies

    def _open_owner(self, reader: Reader) -> Opened:
        return open_side(reader, self._workspace, lambda _: owner_items(self._contract), f"{self._prefix}owner")

    def _open_replica(self, reader: Reader, replica: Replica) -> Opened:
        items = partial(replica_items, self._contract, replica)
        return open_side(reader, self._workspace, items, f"{self._prefix}{replica.name}")

    def _open(self, sides: Sequence[Reading]) -> None:
        """Open some sides at once."""
        self._at_once([side for side in sides if side.error is None], Reading.begin)

    def _at_once(self, sides: Sequence[Reading], act: Callable[[Reading], None]) -> None:
        """Do something to several sides at once; a replica's error is kept with it.

        Raises:
            StoreError: Of the owner.
        """
        with ThreadPoolExecutor(SCANS_AT_ONCE_MAX) as pool:
            doing = {pool.submit(act, side): side for side in sides}
            wait(doing)  # within the block: after Ctrl-C its end waits for the threads, which still use DuckDB
        for future, side in doing.items():
            try:
                future.result()
            except StoreError as error:
                side.fail(error)
        self._workspace.halt.check()
        for side in sides:
            if side.error is not None and side.replica is None:
                raise side.error

    # -- scanning ----------------------------------------------------------------------------------------------------

    def _compared(
        self,
        owner: Reading,
        copies: Mapping[str, Reading],
        keys: SuspectKeys | None,
        referenced: Mapping[str, tuple[Contract, Reader] | AuditorError],
    ) -> EntityLook:
        """Scan every side at once and compare; a side that breaks off while rows are fetched is scanned again."""
        sides = [side for side in (owner, *copies.values()) if side.error is None]
        compiler = self._compiler(sides)
        self._stored = compiler.stored.fields if self._stored is None else self._stored
        scan = partial(self._scan_side, compiler, sides, keys)
        self._at_once(sides, lambda side: side.scan(scan))
        while True:
            try:
                return self._compare(owner, copies, referenced)
            except InterruptedReadError as error:
                interruption = error
            lost = [side for side in sides if side.is_lost()]
            if not lost:
                raise interruption
            self._at_once(lost, partial(_scan_again, interruption, scan))

    def _compiler(self, sides: Sequence[Reading]) -> Projector:
        opened = [(side.replica, side.opened) for side in sides if side.opened is not None]
        return projector(self._contract, opened, self._where, self._stored)

    def _scan_side(
        self,
        compiler: Projector,
        sides: Sequence[Reading],
        keys: SuspectKeys | None,
        side: Reading,
        opened: Opened,
    ) -> Projected:
        """Bring one side's projection: of every row, or of the suspects' rows."""
        if side.again and not self._compiler([other for other in sides if other.opened]).agrees(compiler):
            message = f"reading {opened.reader.dataset}: its columns were changed while it was read"
            raise StoreError(message, hint="run again")
        with opened.noticing():
            projected = compiler.project(opened, side.replica)
            if keys is not None and keys.found_by_key(projected.side):
                projected = compiler.project(opened, side.replica, keys.lookup(opened))
        sql = projected.projection.sql
        if keys is not None:
            sql = f"SELECT * FROM ({sql}) WHERE {keys.condition(projected.projection)}"
        count = opened.bring(sql, opened.table)
        self._progress(opened.reader.dataset, count)
        unmask_nans(self._workspace.cursor(), self._contract, projected)
        return projected

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _compare(
        self,
        owner: Reading,
        copies: Mapping[str, Reading],
        referenced: Mapping[str, tuple[Contract, Reader] | AuditorError],
    ) -> EntityLook:
        """Compare what was scanned.

        Raises:
            InterruptedReadError: A side broke off while rows were fetched.
        """
        result = EntityLook(watermark=_watermark(owner), again=list(owner.again))
        whole = owner.scanned()
        OwnerLook(self._workspace, self._cursor, self._contract, referenced, self._prefix).look(whole, result)
        for replica in self._replicas(copies):
            result.replicas[replica.name] = self._compare_copy(replica, whole, copies[replica.name])
        result.rewritten = whole.opened.incomplete()
        result.notes += [result.rewritten] if result.rewritten else []
        return result

    def _compare_copy(self, replica: Replica, owner: Projected, side: Reading) -> ReplicaLook:
        seen = ReplicaLook(watermark=_watermark(side), again=list(side.again))
        if side.error is not None:
            seen.error = str(side.error)
            return seen
        copy = side.scanned()
        try:
            PairLook(self._cursor, self._contract, replica, owner, copy, self._redacted(replica, copy)).look(seen)
            if note := copy.opened.incomplete():
                seen.notes.append(note)
        except InterruptedReadError:
            raise
        except StoreError as error:
            seen.error = str(error)
        return seen

    def _redacted(self, replica: Replica, copy: Projected) -> Mapping[str, str]:
        """The constants of redacted columns, as the first look found them among all rows."""
        if replica.name not in self.constants:
            self.constants[replica.name] = redacted_constants(self._cursor, copy.table, copy.projection)
        return self.constants[replica.name]


def _scan_again(error: InterruptedReadError, scan: Callable[[Reading, Opened], Projected], side: Reading) -> None:
    side.scan_again(error, scan)


def _watermark(side: Reading) -> Watermark | None:
    return side.opened.snapshot.watermark if side.opened is not None else None
