"""One look at one entity: the owner and its replicas read once, compared, and what differs named.

The first look scans both sides whole; a recheck looks again at the keys of the suspects only.  Both go through exactly the same
projections, joins and row comparison.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from contracts.errors import AuditorError, StoreError
from contracts.logical_types import Kind
from reconcilers import rows
from reconcilers.canonical import canonical
from reconcilers.finding import Divergence, FieldDifference, Finding, KeyText, Verdict
from reconcilers.invariants import TYPE_RULE, issue_findings, issue_rows, reference_findings
from reconcilers.ports import Keys, Load, RawColumn, RawRelation, Reader, Shape, Snapshot
from reconcilers.projection import (
    Item,
    Projection,
    Side,
    compared_fields,
    compile_side,
    key_sql,
    live_filter,
    narrow_ints,
    owner_items,
    owner_projection,
    replica_items,
    replica_projection,
)

if TYPE_CHECKING:
    from contracts.contract import Contract, Replica
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    import duckdb

    from contracts.expression import Expression
    from reconcilers.watermark import Watermark
    from reconcilers.workspace import Workspace

SCANS_AT_ONCE_MAX = 4
"""Datasets read at the same time: stores work in parallel, DuckDB's own threads are shared."""

_Spelled = tuple[KeyText, tuple[str | None, ...]]
_INJECTIVE = frozenset({Kind.INT, Kind.UUID, Kind.TEXT, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL, Kind.BOOL})


@dataclass(frozen=True, slots=True)
class Sight:
    """One divergence as seen in one look.

    Attributes:
        owner, replica: Digests of what each side held (`absent`, `deleted`, `out_of_scope` where it held no live row).
    """

    finding: Finding
    owner: str
    replica: str


@dataclass(slots=True)
class ReplicaLook:
    """What one look found at one replica."""

    counts: rows.Counts | None = None
    sights: list[Sight] = field(default_factory=list)
    watermark: Watermark | None = None
    notes: list[str] = field(default_factory=list)
    """Why the replica was not read whole."""
    error: str = ""
    """Why it could not be read at all."""


@dataclass(slots=True)
class EntityLook:
    """What one look found at one entity."""

    owner_rows: int = 0
    owner_sights: list[Sight] = field(default_factory=list)
    watermark: Watermark | None = None
    notes: list[str] = field(default_factory=list)
    replicas: dict[str, ReplicaLook] = field(default_factory=dict)
    loads: dict[str, Load] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suspects:
    """What a recheck looks at again.

    Attributes:
        keys: Every key of interest.
        unkeyed: Also rows whose key is NULL or bad, which no key finds.
    """

    keys: Collection[KeyText]
    unkeyed: bool = False


@dataclass(slots=True)
class _Opened:
    """One side while it is open."""

    name: str
    reader: Reader
    snapshot: Snapshot
    shape: Shape
    items: Sequence[Item]
    relation: RawRelation
    table: str
    side: Side | None = None
    projection: Projection | None = None
    load: Load = Load()
    context: AbstractContextManager[Snapshot] | None = None

    def bring(self, sql: str, table: str) -> int:
        """Load a SELECT into the workspace and account for it."""
        began = monotonic()
        count = self.snapshot.load(sql, table)
        self.load = Load(self.load.queries + 1, self.load.rows + count, self.load.seconds + monotonic() - began)
        return count


class Looker:
    """Looks at one entity.

    Args:
        workspace: Where rows meet.
        contract: The entity's contract.
        owner: Reader of the owner.
        replicas: Readers of the replicas in scope, by replica name; an exception in place of a reader is why there is none.
        referenced: Readers of the owners that this entity refers to, by entity, with the reader's contract.
        where: The run's own filter, in contract names; rows outside are as if they were not there.
        prefix: Makes table names unique in the workspace.
        progress: Told the name of each dataset and its rows as they are read.
    """

    def __init__(
        self,
        workspace: Workspace,
        contract: Contract,
        owner: Reader,
        replicas: Mapping[str, Reader | AuditorError],
        referenced: Mapping[str, tuple[Contract, Reader]],
        *,
        where: Expression | None = None,
        prefix: str = "",
        progress: Callable[[str, int], None] = lambda _name, _rows: None,
    ) -> None:
        self._workspace = workspace
        self._contract = contract
        self._owner = owner
        self._replicas = replicas
        self._referenced = referenced
        self._prefix = prefix
        self._where = where
        self._progress = progress
        self._cursor = workspace.cursor()
        self._narrow: frozenset[str] = frozenset()

    def look(self, suspects: Suspects | None = None) -> EntityLook:
        """Read, compare and name what differs.

        Args:
            suspects: What to look at again; None looks at everything.

        Raises:
            StoreError: The owner could not be read.  A replica that cannot be read is told in its `ReplicaLook`.
        """
        result = EntityLook()
        self._workspace.know_functions()  # before any snapshot begins: its transaction would not see them
        if suspects is not None:
            self._keep_keys(suspects)
        with ExitStack() as stack:
            owner, copies = self._open(stack, result)
            self._compile(owner, copies)
            self._scan(owner, copies, result, suspects)
            self._look_at_owner(owner, result)
            for replica in self._contract.replicas:
                if replica.name in copies:
                    self._look_at_replica(owner, copies[replica.name], replica, result)
            self._finish(owner, copies, result)
        return result

    # -- opening ---------------------------------------------------------------------------------------------------------

    def _open(self, stack: ExitStack, result: EntityLook) -> tuple[_Opened, dict[str, _Opened]]:
        """Open every side at once, so that their moments lie close together."""
        with ThreadPoolExecutor(SCANS_AT_ONCE_MAX) as pool:
            opening = pool.submit(self._enter, self._owner, owner_items, "owner")
            futures: dict[str, Future[_Opened]] = {}
            for replica in self._contract.replicas:
                reader = self._replicas.get(replica.name)
                if isinstance(reader, AuditorError):
                    result.replicas[replica.name] = ReplicaLook(error=str(reader))
                elif reader is not None:
                    futures[replica.name] = pool.submit(self._enter_replica, reader, replica)
        copies = {}
        for name, future in futures.items():
            try:
                copies[name] = future.result()
                stack.callback(_close, copies[name])
                result.replicas[name] = ReplicaLook(watermark=copies[name].snapshot.watermark)
            except StoreError as error:
                result.replicas[name] = ReplicaLook(error=str(error))
        owner = opening.result()
        stack.callback(_close, owner)
        result.watermark = owner.snapshot.watermark
        return owner, copies

    def _enter(self, reader: Reader, items: Callable[[Contract], Sequence[Item]], name: str) -> _Opened:
        return self._opened(reader, items(self._contract), name, reader.shape())

    def _enter_replica(self, reader: Reader, replica: Replica) -> _Opened:
        shape = reader.shape()
        return self._opened(reader, replica_items(self._contract, replica, shape), replica.name, shape)

    def _opened(self, reader: Reader, items: Sequence[Item], name: str, shape: Shape) -> _Opened:
        context = reader.snapshot(self._workspace)
        snapshot = context.__enter__()
        try:
            relation = snapshot.scan([item.wanted for item in items])
        except BaseException:
            context.__exit__(None, None, None)
            raise
        return _Opened(name, reader, snapshot, shape, items, relation, f"{self._prefix}{name}", context=context)

    def _compile(self, owner: _Opened, copies: Mapping[str, _Opened]) -> None:
        self._narrow = narrow_ints(self._contract, [(side.items, side.relation) for side in (owner, *copies.values())])
        replicas = [replica for replica in self._contract.replicas if replica.name in copies]
        owner.side = compile_side(owner.items, owner.relation, self._narrow)
        owner.projection = owner_projection(self._contract, owner.side, replicas, self._where)
        for replica in replicas:
            copy = copies[replica.name]
            copy.side = compile_side(copy.items, copy.relation, self._narrow)
            copy.projection = replica_projection(self._contract, copy.side, replica, self._where)

    # -- scanning --------------------------------------------------------------------------------------------------------

    def _scan(self, owner: _Opened, copies: dict[str, _Opened], result: EntityLook, suspects: Suspects | None) -> None:
        with ThreadPoolExecutor(SCANS_AT_ONCE_MAX) as pool:
            owner_done = pool.submit(self._project, owner, None, suspects)
            done = {
                replica.name: pool.submit(self._project, copies[replica.name], replica, suspects)
                for replica in self._contract.replicas
                if replica.name in copies
            }
        for name, future in done.items():
            try:
                future.result()
            except StoreError as error:
                result.replicas[name].error = str(error)
                del copies[name]
        owner_done.result()

    def _project(self, opened: _Opened, replica: Replica | None, suspects: Suspects | None) -> None:
        assert opened.side is not None
        assert opened.projection is not None
        if suspects is None:
            opened.bring(opened.projection.sql, opened.table)
        else:
            self._project_suspects(opened, replica, suspects)
        self._progress(opened.reader.dataset, opened.load.rows)
        self._show_nans(opened)

    def _project_suspects(self, opened: _Opened, replica: Replica | None, suspects: Suspects) -> None:
        """The same projection over the suspects' rows: by key where keys find every spelling, else by a scan."""
        assert opened.side is not None
        assert opened.projection is not None
        exact = all(opened.side.columns[name].exact for name in self._contract.key)
        if exact and not suspects.unkeyed:
            relation = opened.snapshot.lookup([item.wanted for item in opened.items], self._keys(opened, suspects.keys))
            opened.side = compile_side(opened.items, relation, self._narrow)
            opened.projection = (
                replica_projection(self._contract, opened.side, replica, self._where)
                if replica is not None
                else owner_projection(
                    self._contract, opened.side, self._compared_replicas(opened.projection), self._where
                )
            )
        keys = ", ".join(opened.projection.keys)
        condition = f'({keys}) IN (SELECT ({keys}) FROM "{self._keys_table}")'
        if suspects.unkeyed:
            condition += "".join(f" OR {key} IS NULL" for key in opened.projection.keys)
        opened.bring(f"SELECT * FROM ({opened.projection.sql}) WHERE {condition}", opened.table)

    def _compared_replicas(self, projection: Projection) -> list[Replica]:
        return [replica for replica in self._contract.replicas if replica.name in projection.hashes]

    @property
    def _keys_table(self) -> str:
        return f"{self._prefix}suspects"

    def _keep_keys(self, suspects: Suspects) -> None:
        """The suspects' keys as a table, in the form that keys are joined in; made before any snapshot begins."""
        import pyarrow as pa

        names = self._contract.key
        whole = [key for key in suspects.keys if all(text is not None for _, text in key)]
        table = pa.table({f"t{i}": pa.array([key[i][1] for key in whole], pa.string()) for i in range(len(names))})
        self._cursor.register("suspect_texts", table)
        columns = []
        for i, name in enumerate(names):
            logical = self._contract.fields[name].type
            columns.append(f"{key_sql(logical, canonical(logical, RawColumn(f't{i}', 'VARCHAR')))} AS k{i}")
        self._cursor.execute(
            f'CREATE OR REPLACE TABLE "{self._keys_table}" AS SELECT {", ".join(columns)} FROM suspect_texts'
        )
        self._cursor.unregister("suspect_texts")

    def _keys(self, opened: _Opened, keys: Collection[KeyText]) -> Keys:
        wanted = {item.name: item.wanted for item in opened.items}
        values = [tuple((text,) for _, text in key if text is not None) for key in keys]
        return Keys(
            tuple(wanted[name] for name in self._contract.key), [v for v in values if len(v) == len(self._contract.key)]
        )

    def _show_nans(self, opened: _Opened) -> None:
        """Rows whose NaN the scan showed as 0 lose their hash, so that the row stage compares them by text."""
        assert opened.projection is not None
        if not opened.projection.zeros or not self._nan_rows(opened):
            return
        keys = ", ".join(opened.projection.keys)
        changes = [f"{column} = NULL" for column in sorted(set(opened.projection.hashes.values()))]
        self._cursor.execute(
            f'UPDATE "{opened.table}" SET {", ".join(changes)} WHERE ({keys}) IN (SELECT ({keys}) FROM "{opened.table}_nan")'
        )

    def _nan_rows(self, opened: _Opened) -> int:
        """Load the keys of rows that hold NaN: by key where few rows show a 0, else by the store's own search."""
        assert opened.side is not None
        zeros = self._spelled_keys(opened, f"z AND {rows.live(opened.projection)}" if opened.projection else "z")
        if not zeros:
            return 0
        hidden = [item for item in opened.items if opened.side.columns[item.name].nan_hidden]
        key_items = [item for name in self._contract.key for item in opened.items if item.name == name]
        if len(zeros) <= rows.FETCH_KEYS_MAX:
            side = self._fetch_side(opened, zeros, [*key_items, *hidden])
            condition = " OR ".join(form.odd for item in hidden if (form := side.of(item.name)).odd) or "false"
        else:
            relation = opened.snapshot.nan_keys([item.wanted for item in hidden], [item.wanted for item in key_items])
            if relation is None:
                return 0
            side, condition = compile_side(key_items, relation), "true"
        columns = [
            f"{key_sql(self._contract.fields[item.name].type, side.of(item.name))} AS k{i}"
            for i, item in enumerate(key_items)
        ]
        return opened.bring(
            f"SELECT {', '.join(columns)} FROM {side.relation.sql} WHERE {condition}", f"{opened.table}_nan"
        )

    def _spelled_keys(self, opened: _Opened, condition: str) -> list[_Spelled]:
        """Keys of a projection's rows, with the store's spelling where that matters; one more than fits a batch at most."""
        assert opened.projection is not None
        columns = [*rows.key_texts(self._contract), *opened.projection.spellings]
        found = self._cursor.execute(
            f'SELECT {", ".join(columns)} FROM "{opened.table}" WHERE {condition} LIMIT {rows.FETCH_KEYS_MAX + 1}'
        ).fetchall()
        parts = len(self._contract.key)
        return [(rows.key_text(self._contract, row[:parts]), row[parts:]) for row in found]

    # -- the owner alone -------------------------------------------------------------------------------------------------

    def _look_at_owner(self, owner: _Opened, result: EntityLook) -> None:
        assert owner.projection is not None
        projection = owner.projection
        result.owner_rows = rows.count_live(self._cursor, owner.table, projection)
        result.owner_sights += self._key_sights(owner, None, unique=self._unique(owner))
        if projection.issues:
            self._issues(owner, result)
        for name, entity in self._contract.references().items():
            self._references(owner, name, entity, result)

    def _issues(self, owner: _Opened, result: EntityLook) -> None:
        keys = [row for row in self._flagged(owner)]
        for batch in _batches(keys):
            side = self._fetch_side(owner, batch)
            table = f"{owner.table}_issues"
            owner.bring(issue_rows(self._contract, side), table)
            wanted = {key for key, _ in batch}
            found = issue_findings(self._cursor, self._contract, table)
            result.owner_sights += [Sight(f, _values_digest(f.fields), "") for f in found if f.key in wanted]

    def _flagged(self, owner: _Opened) -> Iterator[tuple[KeyText, tuple[str | None, ...]]]:
        assert owner.projection is not None
        columns = [*rows.key_texts(self._contract), *owner.projection.spellings]
        condition = rows.live(owner.projection) + rows.without_duplicates(self._cursor, owner.table, owner.projection)
        parts = len(self._contract.key)
        for row in self._cursor.execute(
            f'SELECT {", ".join(columns)} FROM "{owner.table}" WHERE issue AND {condition}'
        ).fetchall():
            yield rows.key_text(self._contract, row[:parts]), row[parts:]

    def _references(self, owner: _Opened, name: str, entity: str, result: EntityLook) -> None:
        assert owner.projection is not None
        if entity not in self._referenced:
            return
        contract, reader = self._referenced[entity]
        table = f"{self._prefix}referenced_{entity}"
        item = next(item for item in owner_items(contract) if item.name == contract.key[0])
        try:
            with reader.snapshot(self._workspace) as snapshot:
                relation = snapshot.scan([item.wanted])
                form = canonical(contract.fields[item.name].type, relation.columns[0])
                key = key_sql(contract.fields[item.name].type, form)
                snapshot.load(f"SELECT DISTINCT {key} AS k0 FROM {relation.sql}", table)
        except StoreError as error:
            result.notes.append(f"references of {name} to {entity} were not checked: {error}")
            return
        found = reference_findings(self._cursor, self._contract, owner.table, owner.projection, name, table)
        result.owner_sights += [Sight(f, _values_digest(f.fields), "") for f in found]

    # -- one replica -----------------------------------------------------------------------------------------------------

    def _look_at_replica(self, owner: _Opened, copy: _Opened, replica: Replica, result: EntityLook) -> None:
        assert owner.projection is not None
        assert copy.projection is not None
        seen = result.replicas[replica.name]
        unique = self._unique(copy)
        seen.sights += self._key_sights(copy, replica.name, unique=unique)
        pair = rows.Pair(self._contract, replica, owner.table, owner.projection, copy.table, copy.projection)
        table = f"{copy.table}_diff"
        seen.counts = rows.compare(self._cursor, pair, table)
        states = rows.owner_states(self._cursor, pair, table)
        try:
            for batch in rows.candidates(self._cursor, pair, table):
                seen.sights += self._one_sided(replica, batch, states)
                both = [candidate for candidate in batch if candidate.kind == "mismatch"]
                if both:
                    seen.sights += self._mismatches(owner, copy, pair, both)
        except StoreError as error:
            seen.error = str(error)

    def _one_sided(
        self, replica: Replica, batch: Sequence[rows.Candidate], states: Mapping[KeyText, str]
    ) -> Iterator[Sight]:
        for candidate in batch:
            if candidate.kind == "missing":
                yield Sight(self._finding(replica, candidate.key, Divergence.MISSING), candidate.owner_digest, "absent")
            elif candidate.kind == "orphan":
                state = states.get(candidate.key, "absent")
                yield Sight(self._finding(replica, candidate.key, Divergence.ORPHAN), state, candidate.replica_digest)

    def _finding(
        self, replica: Replica, key: KeyText, divergence: Divergence, fields: tuple[FieldDifference, ...] = ()
    ) -> Finding:
        return Finding(self._contract.entity, replica.name, key, divergence, Verdict.SUSPECT, fields=fields)

    def _mismatches(
        self, owner: _Opened, copy: _Opened, pair: rows.Pair, both: Sequence[rows.Candidate]
    ) -> Iterator[Sight]:
        """The row stage: fetch both rows of each candidate and compare them field by field."""
        names = [compared.name for compared in compared_fields(self._contract, pair.replica)]
        owner_side = self._fetch_side(owner, [(c.key, c.owner_spelling) for c in both])
        copy_side = self._fetch_side(copy, [(c.key, c.replica_spelling) for c in both])
        owner_sql = rows.row_stage(self._contract, owner_side, names, live_filter(self._contract, None, owner_side))
        copy_sql = rows.row_stage(
            self._contract, copy_side, names, live_filter(self._contract, pair.replica, copy_side)
        )
        with ThreadPoolExecutor(2) as pool:
            left = pool.submit(owner.bring, owner_sql, f"{copy.table}_owner_rows")
            right = pool.submit(copy.bring, copy_sql, f"{copy.table}_rows")
        left.result()
        right.result()
        constants = {
            name: rows.redacted_constant(self._cursor, pair, column) for name, column in pair.copy.constants.items()
        }
        found = rows.differences(
            self._cursor, pair, f"{copy.table}_owner_rows", f"{copy.table}_rows", owner_side, copy_side, constants
        )
        for candidate in both:
            differing = found.get(candidate.key)
            if differing:
                finding = self._finding(pair.replica, candidate.key, Divergence.MISMATCH, differing)
                yield Sight(
                    finding,
                    candidate.owner_digest or _values_digest(differing),
                    candidate.replica_digest or _replica_digest(differing),
                )

    def _fetch_side(self, opened: _Opened, keys: Sequence[_Spelled], items: Sequence[Item] | None = None) -> Side:
        """One side's rows with these keys, compiled anew: by key, columns may arrive another way than by scan."""
        wanted = {item.name: item.wanted for item in opened.items}
        values = [
            tuple((spelling,) for spelling in spelled if spelling is not None)
            if spelled
            else tuple((text or "",) for _, text in key)
            for key, spelled in keys
        ]
        items = opened.items if items is None else items
        relation = opened.snapshot.lookup(
            [item.wanted for item in items], Keys(tuple(wanted[name] for name in self._contract.key), values)
        )
        return compile_side(items, relation)

    # -- keys ------------------------------------------------------------------------------------------------------------

    def _key_sights(self, opened: _Opened, replica: str | None, *, unique: bool) -> list[Sight]:
        """Duplicated, NULL and bad keys of one side."""
        assert opened.projection is not None
        sights = []
        table = rows.find_duplicates(self._cursor, opened.table, opened.projection, unique=unique)
        for key, count in rows.duplicate_keys(self._cursor, self._contract, table) if table else []:
            sights.append(self._key_sight(replica, key, Divergence.DUPLICATE, count))
        for key, count in rows.null_keys(self._cursor, self._contract, opened.table, opened.projection):
            sights.append(self._key_sight(replica, key, Divergence.NULL_KEY, count))
        for key, count in rows.bad_keys(self._cursor, self._contract, opened.table, opened.projection):
            divergence = Divergence.INVARIANT if replica is None else Divergence.MISMATCH
            sights.append(self._key_sight(replica, key, divergence, count, TYPE_RULE))
        return sights

    def _key_sight(
        self, replica: str | None, key: KeyText, divergence: Divergence, count: int, rule: str | None = None
    ) -> Sight:
        finding = Finding(self._contract.entity, replica, key, divergence, Verdict.SUSPECT, rule=rule, count=count)
        return Sight(finding, "" if replica else "present", "present" if replica else "")

    def _unique(self, opened: _Opened) -> bool:
        """Whether the store keeps the key unique and no two of its values share a canonical form."""
        assert opened.side is not None
        wanted = {item.name: item.wanted for item in opened.items}
        columns = {wanted[name].path for name in self._contract.key}
        kept = any(set(unique) <= columns for unique in opened.shape.unique_keys)
        plain = all(
            opened.side.columns[name].exact
            and self._contract.fields[name].type.kind in _INJECTIVE
            and not opened.side.of(name).bad
            for name in self._contract.key
        )
        return kept and plain

    # -- the end ---------------------------------------------------------------------------------------------------------

    def _finish(self, owner: _Opened, copies: Mapping[str, _Opened], result: EntityLook) -> None:
        """Ask every side whether what was read was all of it, and add up what it cost."""
        result.loads[owner.reader.dataset] = owner.load
        if note := owner.snapshot.incomplete():
            result.notes.append(note)
        for name, copy in copies.items():
            result.loads[copy.reader.dataset] = copy.load
            if note := copy.snapshot.incomplete():
                result.replicas[name].notes.append(note)


def _close(opened: _Opened) -> None:
    assert opened.context is not None
    opened.context.__exit__(None, None, None)


def _any(cursor: duckdb.DuckDBPyConnection, sql: str) -> bool:
    return cursor.execute(sql).fetchone() is not None


def _batches(items: Sequence[_Spelled]) -> Iterator[Sequence[_Spelled]]:
    for start in range(0, len(items), rows.FETCH_KEYS_MAX):
        yield items[start : start + rows.FETCH_KEYS_MAX]


def _values_digest(fields: Sequence[FieldDifference]) -> str:
    return hashlib.sha256(repr([(f.name, f.owner) for f in fields]).encode()).hexdigest()[:16]


def _replica_digest(fields: Sequence[FieldDifference]) -> str:
    return hashlib.sha256(repr([(f.name, f.replica) for f in fields]).encode()).hexdigest()[:16]
