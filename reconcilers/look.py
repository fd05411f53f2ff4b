"""One look at one entity: the owner and its replicas read once, compared, and what differs named.

The first look scans both sides whole; a recheck looks again at the keys of the suspects only.  Both go through exactly
the same projections, joins and row comparison:

1. Every side is opened at once, so that their moments lie close together (`opened`).
2. What is selected from each is compiled for all of them together (`projector`, `projection`).
3. Every side is scanned into its projection at once, by key where only suspects are of interest (`suspect_keys`).
4. The owner is looked at by itself (`owner_look`), then each replica beside it (`replica_look`).
5. Every side is asked whether what was read was all of it.

A large entity is looked at in segments (`segment`), each of which is such a look at a range of keys.

A side whose store breaks off is read again from a new snapshot, within limits (`perseverance`), whether it broke off
while it was opened, scanned, or asked for the rows of single keys; the others keep what they have.  A replica that
cannot be read takes nothing from the others: its `ReplicaLook` says why.  Without the owner there is no look at all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from contracts.errors import AuditorError, InterruptedReadError, StoreError
from reconcilers import row_keys
from reconcilers.creation import with_history
from reconcilers.doubts import not_understood, untold_remarks
from reconcilers.hidden_nans import unmask_nans
from reconcilers.marks import copies_mark
from reconcilers.opened import open_side
from reconcilers.owner_look import OwnerLook
from reconcilers.packing import packed_sight, sight_of
from reconcilers.passage import Passage
from reconcilers.ports import Cutting
from reconcilers.projection import compile_side, owner_items, replica_items
from reconcilers.projector import projector
from reconcilers.reading import Reading
from reconcilers.replica_look import PairLook
from reconcilers.rows import frequent_texts, redacted_constants
from reconcilers.segment import MisplacedError, misplaced
from reconcilers.segments import Division, divided
from reconcilers.sight import EntityLook, HeldKeys, ReplicaLook, Sight, Suspects
from reconcilers.suspect_keys import SuspectKeys
from reconcilers.testimony import Testimony

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from contracts.contract import Contract, FeedRef, Replica
    from contracts.expression import Expression
    from reconcilers.opened import Opened, Projected
    from reconcilers.ports import Reader, Snapshot
    from reconcilers.projection import Item, Projection
    from reconcilers.projector import Projector
    from reconcilers.recheck import Mark
    from reconcilers.segment import Segment
    from reconcilers.segments import SegmentLimits
    from reconcilers.spill import Spill
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
        witness: Of the owner's change stream, where it has one beside its dataset.
        applied: By replica, asks how far whoever fills it has come in each partition of the owner's topic.
        streams: By replica, of its own change stream, where it has one beside its dataset.
    """

    owner: Reader
    replicas: Mapping[str, Reader | AuditorError]
    referenced: Mapping[str, tuple[Contract, Reader] | AuditorError] = field(default_factory=dict)
    confirming: Readers | None = None
    witness: Reader | AuditorError | None = None
    applied: Mapping[str, Callable[[], Mapping[int, int]]] = field(default_factory=dict)
    streams: Mapping[str, Reader | AuditorError] = field(default_factory=dict)


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
        self.remembers = contract.owner.feed is not None and not isinstance(readers.witness, AuditorError)
        """Whether the owner's change stream tells what it once held."""
        self._contract = with_history(contract) if self.remembers else contract
        self._readers = readers
        self._prefix = prefix
        self._where = where
        self._progress = progress
        self.clock = monotonic
        """The auditor's monotonic clock; a simulation has its own."""
        self._cursor = workspace.cursor()
        self.constants: dict[str, Mapping[str, str]] = {}
        """The constants of redacted columns by replica, as the first look found them."""
        self.unredacted: Container[str] = ()
        """The identities of open findings of redacted fields: see `reconcilers.redaction`."""
        self.untold: dict[FeedRef, str] = {}
        """By change stream that is read beside a dataset: why it could not be read, in any look so far."""
        self._stored: Mapping[str, tuple[str, ...]] | None = None
        self._referenced: dict[str, str] = {}
        self._beside: dict[str, tuple[tuple[str, Projection], tuple[str, Projection]]] = {}
        """By replica: the tables of the latest look, of the owner and of the replica."""
        self._passage = Passage(self._contract, self._cursor)

    @property
    def workspace(self) -> Workspace:
        """Where rows meet."""
        return self._workspace

    def first_look(self, limits: SegmentLimits) -> EntityLook | Division:
        """Look at everything, or say in which segments it is to be looked at.

        Raises:
            StoreError: The owner could not be read.
            WorkspaceError: What would be read does not fit the workspace.
            DeadlineError: The run's time is over.
        """
        return self._look(None, None, None, limits)

    def look(
        self,
        suspects: Suspects | None = None,
        *,
        segment: Segment | None = None,
        narrow: frozenset[str] | None = None,
    ) -> EntityLook:
        """Read, compare and name what differs.

        Args:
            suspects: What to look at again; None looks at everything.
            segment: The range of keys to look at; None looks at all of them.
            narrow: Int fields that every side delivers in at most 64 bits in every segment; None: as it is now.

        Raises:
            MisplacedError: Of a segment: a store's order of keys is not ours.
            StoreError: The owner could not be read.  A replica that cannot be read is told in its `ReplicaLook`.
            WorkspaceError: What was read does not fit the workspace.
            DeadlineError: The run's time is over.
        """
        found = self._look(suspects, segment, narrow, None)
        if not isinstance(found, EntityLook):
            raise TypeError("a look without limits is not divided")
        return found

    def _look(
        self,
        suspects: Suspects | None,
        segment: Segment | None,
        narrow: frozenset[str] | None,
        limits: SegmentLimits | None,
    ) -> EntityLook | Division:
        from reconcilers.workspace import workspace_errors  # here: it brings DuckDB, which takes its time

        division = Division()
        self._workspace.know_functions()  # before any snapshot begins: its transaction would not see them
        keys = None
        if suspects is not None:
            keys = SuspectKeys(self._cursor, self._contract, suspects, f"{self._prefix}suspects")
        with workspace_errors(f"comparing {self._contract.entity}", self._workspace.halt), ExitStack() as stack:
            readers = self._readers_for(suspects)
            owner, copies = self._readings(stack, readers, segment)
            applied = {name: ask() for name, ask in readers.applied.items() if name in copies}  # before they are read
            if suspects is None:
                self._open([owner, *copies.values()])
                if limits is not None and (division := self._divided(owner, copies, limits)).bounds:
                    return division
            else:  # an owner that is read after its replicas, and is as it was, was so when they were read
                self._open([*copies.values()])
                self._open([owner])
            witness = Testimony(
                self._workspace, self._cursor, self._contract, readers.witness, stack, self._prefix, applied,
                readers.streams, self.untold,
            )  # fmt: skip
            task = _Task(owner, copies, readers.referenced, keys, segment, narrow, witness)
            result = self._compared(task)
        result.read_until = self.clock()
        self._passage.note(result.watermark)
        result.remarks += [division.remark] if division.remark else []
        return result

    def division(self, limits: SegmentLimits) -> Division:
        """In which segments the entity would be looked at; nothing is read but what tells where to cut.

        Raises:
            StoreError: The owner could not be opened.
        """
        from reconcilers.workspace import workspace_errors

        doing = f"dividing {self._contract.entity}"
        with workspace_errors(doing, self._workspace.halt), ExitStack() as stack:
            owner, copies = self._readings(stack, self._readers, None)
            self._open([owner, *copies.values()])
            return self._divided(owner, copies, limits)

    def untold_columns(self) -> tuple[list[str], dict[str, StoreError]]:
        """Which columns are not told of all rows, of sides that are known by their feeds alone.

        Returns:
            A sentence each; and by replica, why its feed cannot be read.

        Raises:
            StoreError: The owner's cannot.
        """
        unread: dict[str, StoreError] = {}
        told: list[str] = []
        contract = self._contract
        with ExitStack() as stack:
            if contract.owner.reference is contract.owner.feed:
                owner = self._open_owner(self._readers.owner, None)
                stack.callback(owner.close)
                told += untold_remarks("the owner", owner)
            for replica in self._replicas(self._readers.replicas):
                reader = self._readers.replicas[replica.name]
                if replica.reference is not replica.feed or isinstance(reader, AuditorError):
                    continue
                try:
                    copy = self._open_replica(reader, replica)
                    stack.callback(copy.close)
                    told += untold_remarks(replica.name, copy)
                except StoreError as error:
                    unread[replica.name] = error
        return told, unread

    def held(self, replica: str) -> HeldKeys:
        """Of which keys the latest look found rows: it was one at suspects, which are not too many to be listed."""
        (owner, projection), (copy, copied) = self._beside[replica]
        scope = projection.scopes.get(replica)
        owned = row_keys.live_keys(self._cursor, self._contract, owner, projection)
        wanted = owned if scope is None else row_keys.live_keys(self._cursor, self._contract, owner, projection, scope)
        return HeldKeys(owned, wanted, row_keys.live_keys(self._cursor, self._contract, copy, copied))

    def give_up(self, replica: str, error: AuditorError) -> None:
        """Read a replica no more."""
        kept = {**self._readers.replicas, replica: error}
        self._readers = replace(self._readers, replicas=kept)

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

    def _divided(self, owner: Reading, copies: Mapping[str, Reading], limits: SegmentLimits) -> Division:
        sides = [side for side in (owner, *copies.values()) if side.error is None]
        opened = [side.opened for side in sides if side.opened is not None]
        division = divided(self._cursor, self._contract, opened, limits)
        if not division.bounds:
            return division
        return replace(division, narrow=self._compiler(sides, None).narrow)

    def _readings(
        self, stack: ExitStack, readers: Readers, segment: Segment | None
    ) -> tuple[Reading, dict[str, Reading]]:
        """Every side, not opened yet; the stack closes them."""
        halt = self._workspace.halt
        owner = Reading(None, partial(self._open_owner, readers.owner, segment), halt)
        copies = {}
        for replica in self._replicas(readers.replicas):
            reader = readers.replicas[replica.name]
            if isinstance(reader, AuditorError):
                copies[replica.name] = Reading(replica, None, halt, error=reader)
            else:
                copies[replica.name] = Reading(replica, partial(self._open_replica, reader, replica, segment), halt)
        for side in (owner, *copies.values()):
            stack.callback(side.close)
        return owner, copies

    def _open_owner(self, reader: Reader, segment: Segment | None) -> Opened:
        table, cut = f"{self._prefix}owner", self._cut(reader, segment)
        return open_side(reader, self._workspace, lambda _: owner_items(self._contract), table, cut)

    def _open_replica(self, reader: Reader, replica: Replica, segment: Segment | None = None) -> Opened:
        items, cut = partial(replica_items, self._contract, replica), self._cut(reader, segment)
        return open_side(reader, self._workspace, items, f"{self._prefix}{replica.name}", cut)

    def _cut(self, reader: Reader, segment: Segment | None) -> Callable[[Snapshot, Sequence[Item]], None] | None:
        """What has a snapshot bring one segment only."""
        if segment is None:
            return None

        def cut(snapshot: Snapshot, items: Sequence[Item]) -> None:
            if not isinstance(snapshot, Cutting):
                raise MisplacedError(reader.dataset)
            by = next(item.wanted for item in items if item.name == self._contract.key[0])
            snapshot.cut(by, segment.lower, segment.upper)

        return cut

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

    def _compared(self, task: _Task) -> EntityLook:
        """Scan every side at once and compare; a side that breaks off while rows are fetched is scanned again."""
        sides = [side for side in (task.owner, *task.copies.values()) if side.error is None]
        compiler = self._compiler(sides, task.narrow)
        self._stored = compiler.stored.fields if self._stored is None else self._stored
        scan = partial(self._scan_side, compiler, sides, task)
        self._at_once(sides, lambda side: side.scan(scan))
        while True:
            try:
                return self._compare(task)
            except InterruptedReadError as error:
                interruption = error
            lost = [side for side in sides if side.is_lost()]
            if not lost:
                raise interruption
            self._at_once(lost, partial(_scan_again, interruption, scan))

    def _compiler(self, sides: Sequence[Reading], narrow: frozenset[str] | None) -> Projector:
        opened = [(side.replica, side.opened) for side in sides if side.opened is not None]
        found = projector(self._contract, opened, self._where, self._stored)
        return found if narrow is None else replace(found, narrow=found.narrow & narrow)

    def _scan_side(
        self, compiler: Projector, sides: Sequence[Reading], task: _Task, side: Reading, opened: Opened
    ) -> Projected:
        """Bring one side's projection: of every row, of a segment's, or of the suspects' rows."""
        keys = task.keys
        if side.again and not self._compiler([s for s in sides if s.opened], task.narrow).agrees(compiler):
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
        if task.segment is not None:
            self._check_order(task.segment, opened)
        unmask_nans(self._workspace.cursor(), self._contract, projected)
        return projected

    def _check_order(self, segment: Segment, opened: Opened) -> None:
        """Every row that a store has put into a segment must belong there by its canonical key.

        Raises:
            MisplacedError: One does not, so that another one may be missing here.
        """
        condition = misplaced(segment, self._contract.fields[self._contract.key[0]].type)
        if row_keys.number(self._workspace.cursor(), f'SELECT count(*) FROM "{opened.table}" WHERE {condition}'):
            raise MisplacedError(opened.reader.dataset)

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _compare(self, task: _Task) -> EntityLook:
        """Compare what was scanned.

        Raises:
            InterruptedReadError: A side broke off while rows were fetched.
        """
        owner = task.owner
        result = EntityLook(owner_sights=self._sights(), watermark=_watermark(owner), again=list(owner.again))
        whole = owner.scanned()
        brought = self._referenced if task.segment is not None else {}
        alone = OwnerLook(self._workspace, self._cursor, self._contract, task.referenced, self._prefix, brought)
        alone.look(whole, result)
        for replica in self._replicas(task.copies):
            seen = self._compare_copy(replica, whole, task.copies[replica.name], task)
            if task.segment is not None and not seen.error:
                copy = task.copies[replica.name].scanned()
                seen.frequent = frequent_texts(self._cursor, copy.table, copy.projection)
            result.replicas[replica.name] = seen
        if task.keys is None:
            sides = [("the owner", whole.opened)]
            sides += [(name, one.scanned().opened) for name, one in task.copies.items() if one.error is None]
            result.remarks += [remark for who, opened in sides for remark in untold_remarks(who, opened)]
        result.not_understood = not_understood(whole.opened)
        result.rewritten = whole.opened.incomplete()
        result.notes += [result.rewritten] if result.rewritten else []
        return result

    def _compare_copy(self, replica: Replica, owner: Projected, side: Reading, task: _Task) -> ReplicaLook:
        seen = ReplicaLook(sights=self._sights(), watermark=_watermark(side), again=list(side.again))
        if side.error is not None:
            seen.error = str(side.error)
            return seen
        copy = side.scanned()
        self._beside[replica.name] = (owner.table, owner.projection), (copy.table, copy.projection)
        try:
            redacted = self._redacted(replica, copy, some=task.keys is not None)
            PairLook(
                self._cursor, self._contract, replica, owner, copy, redacted, task.witness, self._passage,
                self.unredacted,
            ).look(seen)  # fmt: skip
            if note := copy.opened.incomplete():
                seen.notes.append(note)
        except InterruptedReadError:
            raise
        except StoreError as error:
            seen.error = str(error)
        return seen

    def _sights(self) -> Spill[Sight]:
        """Room for what is seen, which may be a million rows."""
        return self._workspace.overflow.spill(packed_sight, sight_of)

    def _redacted(self, replica: Replica, copy: Projected, *, some: bool) -> Mapping[str, str]:
        """The constants of redacted columns, as the first look found them among all rows; `some` rows tell none."""
        if some:
            return self.constants.get(replica.name, {})
        if replica.name not in self.constants:
            self.constants[replica.name] = redacted_constants(self._cursor, copy.table, copy.projection)
        return self.constants[replica.name]


@dataclass(frozen=True, slots=True)
class _Task:
    """What one look reads, and of which keys."""

    owner: Reading
    copies: Mapping[str, Reading]
    referenced: Mapping[str, tuple[Contract, Reader] | AuditorError]
    keys: SuspectKeys | None
    segment: Segment | None
    narrow: frozenset[str] | None
    witness: Testimony


def _scan_again(error: InterruptedReadError, scan: Callable[[Reading, Opened], Projected], side: Reading) -> None:
    side.scan_again(error, scan)


def _watermark(side: Reading) -> Watermark | None:
    return side.opened.snapshot.watermark if side.opened is not None else None
