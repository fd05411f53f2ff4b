"""A world told in a few lines: contracts in YAML, and the rows of each dataset as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.catalog import parse_catalog
from contracts.errors import NOWHERE
from contracts.expression import parse_expression
from reconcilers.look import Looker, Readers
from tests.worlds.memory_reader import MemoryReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from contracts.contract import Contract, DatasetRef, QueryRef, Replica
    from reconcilers.look import EntityLook
    from reconcilers.workspace import Workspace

Rows = list[dict[str, str | None]]
Told = tuple[str | None, tuple[str | None, ...], str, str | None]
"""Replica, key, divergence, rule."""


@dataclass
class SmallWorld:
    """Contracts and rows; everything arrives as text.

    Attributes:
        texts: Contracts in YAML, the one that is looked at first.
        rows: Dataset to its rows, which a test may change between two looks; one that is not named has none.
        down: Datasets that cannot be read now.
    """

    texts: Sequence[str]
    rows: dict[str, Rows]
    down: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        catalog = parse_catalog({f"{number}.yaml": text for number, text in enumerate(self.texts)})
        self.contracts: Mapping[str, Contract] = catalog.contracts
        self.contract = next(iter(self.contracts.values()))

    def reader(self, dataset: DatasetRef | QueryRef) -> MemoryReader:
        """The reader of a dataset as it is now."""
        columns = dict.fromkeys(self._columns(str(dataset)), "VARCHAR")
        reader = MemoryReader(str(dataset), columns, self.rows.get(str(dataset), []))
        if str(dataset) in self.down:
            reader.fail("it is down")
        return reader

    def _columns(self, dataset: str) -> Iterator[str]:
        for contract in self.contracts.values():
            if str(contract.owner.dataset) == dataset:
                yield from contract.fields
                if contract.owner.soft_delete is not None:
                    yield contract.owner.soft_delete.field
            for replica in contract.replicas:
                if str(replica.dataset) == dataset:
                    yield from _columns_of(replica)

    def looker(self, workspace: Workspace, *, where: str = "") -> Looker:
        """Looks at the first contract's entity, with each reader as it is now."""
        owner = self.contract.owner.dataset
        assert owner is not None
        replicas = {r.name: self.reader(r.dataset) for r in self.contract.replicas if r.dataset is not None}
        referenced = {
            entity: (other, self.reader(other.owner.dataset))
            for entity in self.contract.references().values()
            if (other := self.contracts[entity]).owner.dataset is not None
        }
        expression = parse_expression(where, NOWHERE) if where else None
        return Looker(workspace, self.contract, Readers(self.reader(owner), replicas, referenced), where=expression)

    def look(self, workspace: Workspace, *, where: str = "") -> EntityLook:
        """One whole look."""
        return self.looker(workspace, where=where).look()


def _columns_of(replica: Replica) -> Iterator[str]:
    for field_map in (*replica.key, *replica.fields):
        yield field_map.path
    if replica.deletes.column is not None:
        yield replica.deletes.column
    if replica.select is not None:
        yield from replica.select.names


def told(look: EntityLook) -> list[Told]:
    """Everything that a look found, told by what identifies it, in an order of its own."""
    sights = [*look.owner_sights, *(sight for seen in look.replicas.values() for sight in seen.sights)]
    findings = [sight.finding for sight in sights]
    return sorted(
        ((f.replica, tuple(text for _, text in f.key or ()), str(f.divergence), f.rule) for f in findings), key=str
    )
