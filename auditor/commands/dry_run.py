"""`audit reconcile --dry-run`: every query a run would make, where, with an estimate of rows and bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from auditor.commands.invocation import JSON, TERMINAL
from auditor.reports.words import counted
from contracts.errors import AuditorError
from reconcilers.projection import owner_items, replica_items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.commands.invocation import Invocation
    from auditor.runs.reconcile import ReconcileRequest
    from auditor.wiring import Wiring
    from contracts.catalog import Catalog
    from contracts.contract import Contract, DatasetRef, QueryRef


@dataclass(frozen=True, slots=True)
class Planned:
    """One query of a run.

    Attributes:
        replica: Whose copy it reads, None for the owner.
        query: The statement, or why there is none.
        estimated_rows, estimated_bytes: The store's own estimate, None where it has none.
    """

    entity: str
    replica: str | None
    connection: str
    dataset: str
    query: str
    estimated_rows: int | None = None
    estimated_bytes: int | None = None
    error: bool = False


def show_plan(invocation: Invocation, request: ReconcileRequest, wiring: Wiring, catalog: Catalog) -> int:
    """Write every query, without running one.

    Returns:
        The exit code: 2 where a store could not be asked for its estimate.
    """
    from auditor.runs.reconcile import in_scope

    planned = [query for contract in in_scope(request, catalog.contracts) for query in _planned(contract, wiring)]
    with invocation.result() as stream:
        if invocation.format_of((TERMINAL, JSON)) == JSON:
            stream.write(
                json.dumps({"queries": [asdict(query) for query in planned]}, indent=2, ensure_ascii=False) + "\n"
            )
        else:
            stream.writelines(_told(query) for query in planned)
    return 2 if any(query.error for query in planned) else 0


def _planned(contract: Contract, wiring: Wiring) -> Iterator[Planned]:
    reference = contract.owner.dataset or contract.owner.query
    if reference is not None:
        yield _query(contract, None, reference, wiring)
    for replica in contract.replicas:
        if replica.dataset is not None:
            yield _query(contract, replica.name, replica.dataset, wiring)


def _query(contract: Contract, replica: str | None, reference: DatasetRef | QueryRef, wiring: Wiring) -> Planned:
    names = (contract.entity, replica, reference.connection, str(reference))
    try:
        reader = wiring.reader(reference)
        shape = reader.shape()
        copy = next((one for one in contract.replicas if one.name == replica), None)
        items = owner_items(contract) if copy is None else replica_items(contract, copy, shape)
        query = reader.dry_run([item.wanted for item in items])
    except AuditorError as error:
        return Planned(*names, str(error), error=True)
    return Planned(*names, query, shape.estimated_rows, shape.estimated_bytes)


def _told(query: Planned) -> str:
    side = f"{query.entity} at {query.replica}" if query.replica else f"{query.entity}, the owner"
    sizes = [f"about {counted(query.estimated_rows, 'row')}"] if query.estimated_rows is not None else []
    sizes += [f"{query.estimated_bytes:,} bytes"] if query.estimated_bytes is not None else []
    lines = "\n".join(f"    {line}" for line in query.query.splitlines())
    return f"{side}: {query.dataset} ({', '.join(sizes) or 'size unknown'})\n{lines}\n\n"
