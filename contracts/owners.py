"""Who owns what, and who holds copies of it, as rows for a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.contract import Contract, Owner, Replica
from contracts.durations import duration_text

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """One entity and the one that decides it."""

    entity: str
    version: int
    team: str
    service: str
    dataset: str
    """The dataset, query or feed that its rows come from, as a contract names it."""
    key: tuple[str, ...]
    fields: tuple[str, ...]
    """Every field, those of the key included."""
    replicas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CopyRow:
    """One copy of an entity."""

    entity: str
    replica: str
    service: str
    dataset: str
    fields: tuple[str, ...]
    """The fields that it holds, those of the key left out, in contract names."""
    lag_bound: str
    deletes: str
    completeness: str


def owner_rows(contracts: Iterable[Contract]) -> list[OwnerRow]:
    """One row an entity, in the order given."""
    return [
        OwnerRow(
            entity=contract.entity,
            version=contract.version,
            team=contract.team,
            service=contract.owner.service,
            dataset=_place_of(contract.owner),
            key=contract.key,
            fields=tuple(contract.fields),
            replicas=tuple(replica.name for replica in contract.replicas),
        )
        for contract in contracts
    ]


def copy_rows(contracts: Iterable[Contract]) -> list[CopyRow]:
    """One row a copy, in the order given and of the files."""
    return [
        CopyRow(
            entity=contract.entity,
            replica=replica.name,
            service=replica.service,
            dataset=_place_of(replica),
            fields=tuple(mapped.field for mapped in replica.fields),
            lag_bound=duration_text(replica.lag_bound),
            deletes=replica.deletes.mode,
            completeness=replica.completeness,
        )
        for contract in contracts
        for replica in contract.replicas
    ]


def _place_of(holder: Owner | Replica) -> str:
    query = holder.query if isinstance(holder, Owner) else None
    if holder.dataset or query:
        return str(holder.dataset or query)
    return f"{holder.feed.name}/{holder.feed.topic} (feed)" if holder.feed else ""
