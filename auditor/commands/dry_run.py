"""`audit reconcile --dry-run`: every query a run would make, where, with an estimate of rows and bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from auditor.commands.invocation import JSON, TERMINAL
from auditor.reports.words import counted
from contracts.errors import AuditorError
from reconcilers.ports import RawColumn, RawRelation, StoreHashingReader
from reconcilers.projection import compile_side, owner_items, replica_items
from reconcilers.store_hash import StoreHashes, store_hashes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from auditor.commands.invocation import Invocation
    from auditor.runs.reconcile import ReconcileRequest
    from auditor.wiring import Wiring
    from contracts.catalog import Catalog
    from contracts.contract import Contract, Reference, Replica
    from contracts.expression import Expression
    from reconcilers.ports import Reader, Shape
    from reconcilers.projection import Item, Side


@dataclass(frozen=True, slots=True)
class Planned:
    """One query of a run.

    Attributes:
        replica: Whose copy it reads, None for the owner.
        connection: Where it runs; a standby is named as such.
        by_key: The connection at which rows that differ are then read by key.
        references: It reads the keys of this entity's owner, which the entity refers to; empty for the other queries.
        query: The statement, or why there is none.
        estimated_rows, estimated_bytes: The store's own estimate, None where it has none.
        segments: About in how many segments it is made, where every side can be cut by its key; 1: in one scan.
    """

    entity: str
    replica: str | None
    connection: str
    dataset: str
    query: str
    estimated_rows: int | None = None
    estimated_bytes: int | None = None
    error: bool = False
    by_key: str = ""
    references: str = ""
    segments: int = 1


def show_plan(invocation: Invocation, request: ReconcileRequest, wiring: Wiring, catalog: Catalog) -> int:
    """Write every query, without running one.

    Returns:
        The exit code: 2 where a store could not be asked for its estimate.
    """
    from auditor.runs.reconcile import in_scope

    planned = [
        query
        for contract in in_scope(request, catalog.contracts)
        for query in _planned(contract, wiring, catalog.contracts, request.where)
    ]
    with invocation.result() as stream:
        if invocation.format_of((TERMINAL, JSON)) == JSON:
            stream.write(
                json.dumps({"queries": [asdict(query) for query in planned]}, indent=2, ensure_ascii=False) + "\n"
            )
        else:
            stream.writelines(_told(query) for query in planned)
    return 2 if any(query.error for query in planned) else 0


def _planned(
    contract: Contract, wiring: Wiring, every: Mapping[str, Contract], where: Expression | None
) -> Iterator[Planned]:
    sides: list[Planned | _Side] = []
    reference = contract.owner.reference
    if reference is not None:
        sides.append(_side(contract, None, reference, wiring))
    sides += [
        _side(contract, replica, replica.reference, wiring)
        for replica in contract.replicas
        if replica.reference is not None
    ]
    described = [side for side in sides if isinstance(side, _Side)]
    hashes = _store_hashes(contract, described, where)
    segments, refused = _segments(contract, described, wiring)
    for side in sides:
        yield side if isinstance(side, Planned) else replace(_query(side, hashes), segments=segments)
    if refused:
        yield Planned(contract.entity, None, "", "", refused, error=True)
    for entity in sorted(set(contract.references().values())):
        target = every[entity].owner.reference if entity in every else None
        if target is not None and len(every[entity].key) == 1:
            keys = _keys(every[entity], target, wiring)
            yield replace(keys, entity=contract.entity, references=entity, by_key="")


def _segments(contract: Contract, sides: Sequence[_Side], wiring: Wiring) -> tuple[int, str]:
    """In how many segments an entity would be read; and why it would not be read at all, or an empty string."""
    from reconcilers.segments import expected_segments

    limits = wiring.segments({side.names[3].partition("/")[0] for side in sides})
    try:
        return expected_segments(contract, [side.shape.estimated_rows or 0 for side in sides], limits), ""
    except AuditorError as error:
        return 1, str(error)


def _keys(contract: Contract, reference: Reference, wiring: Wiring) -> Planned:
    """The scan of an owner's keys."""
    side = _side(contract, None, reference, wiring)
    if isinstance(side, Planned):
        return side
    items = [item for item in side.items if item.name in contract.key]
    return _query(replace(side, items=items), StoreHashes())


@dataclass(frozen=True, slots=True)
class _Side:
    """One side that could be described.  `replica` None: the owner."""

    names: tuple[str, str | None, str, str]
    replica: Replica | None
    reader: Reader
    shape: Shape
    items: Sequence[Item]
    columns: tuple[RawColumn, ...] | None
    """How the items arrive, where their store can hash them."""


def _side(contract: Contract, replica: Replica | None, reference: Reference, wiring: Wiring) -> Planned | _Side:
    names = (contract.entity, replica.name if replica else None, wiring.scanned_connection(reference), str(reference))
    try:
        reader = wiring.scanner(reference)
        shape = reader.shape()
        items = owner_items(contract) if replica is None else replica_items(contract, replica, shape)
        wanted = [item.wanted for item in items]
        columns = reader.described(wanted) if isinstance(reader, StoreHashingReader) else None
    except AuditorError as error:
        return Planned(*names, str(error), error=True)
    return _Side(names, replica, reader, shape, items, columns)


def _store_hashes(contract: Contract, sides: Sequence[_Side], where: Expression | None) -> StoreHashes:
    """What the stores would hash themselves, were every replica like those that can be described so far."""
    owner = next((side for side in sides if side.replica is None), None)
    if owner is None or owner.columns is None:
        return StoreHashes()
    copies = [(side.replica, _compiled(side)) for side in sides if side.replica is not None]
    return store_hashes(contract, _compiled(owner), copies, where)


def _compiled(side: _Side) -> Side:
    """The side with every item brought; of a store that hashes nothing, no more than that matters."""
    columns = side.columns or tuple(RawColumn(item.name, "VARCHAR") for item in side.items)
    return compile_side(side.items, RawRelation("", columns))


def _query(side: _Side, hashes: StoreHashes) -> Planned:
    try:
        groups = hashes.groups(side.replica)
        wanted = [item.wanted for item in hashes.items(side.items, side.replica)]
        if groups and isinstance(side.reader, StoreHashingReader):
            by_name = {item.name: item.wanted for item in side.items}
            query = side.reader.dry_run_hashed(wanted, [[by_name[name] for name in group] for group in groups])
        else:
            query = side.reader.dry_run(wanted)
    except AuditorError as error:
        return Planned(*side.names, str(error), error=True)
    sizes = (side.shape.estimated_rows, side.shape.estimated_bytes)
    return Planned(*side.names, query, *sizes, by_key=side.names[3].partition("/")[0])


def _told(query: Planned) -> str:
    if not query.dataset:  # about all of an entity's queries
        return f"{query.query}\n\n"
    side = f"{query.entity} at {query.replica}" if query.replica else f"{query.entity}, the owner"
    if query.references:
        side = f"{query.entity}, what it refers to: the keys of {query.references}"
    sizes = [f"about {counted(query.estimated_rows, 'row')}"] if query.estimated_rows is not None else []
    sizes += [f"{query.estimated_bytes:,} bytes"] if query.estimated_bytes is not None else []
    lines = "\n".join(f"    {line}" for line in query.query.splitlines())
    where = "" if query.connection == query.dataset.partition("/")[0] else f" at {query.connection}"
    if query.segments > 1:
        then = f"    in about {query.segments} segments, ranges of its key, where every side can be cut by it\n"
    else:
        then = ""
    then += f"    then, by key, rows that differ: at {query.by_key}\n" if query.by_key else ""
    return f"{side}: {query.dataset}{where} ({', '.join(sizes) or 'size unknown'})\n{lines}\n{then}\n"
