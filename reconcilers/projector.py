"""What is selected from each side of one look, compiled the same for all sides where it must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconcilers.opened import Projected
from reconcilers.ports import RawRelation, StoreHashing
from reconcilers.projection import compile_side, narrow_ints, owner_projection, replica_projection
from reconcilers.store_hash import StoreHashes, store_hashes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contracts.contract import Contract, Replica
    from contracts.expression import Expression
    from reconcilers.opened import Opened
    from reconcilers.ports import Keys
    from reconcilers.projection import Item


@dataclass(frozen=True, slots=True)
class Projector:
    """Compiles the projections of one look.

    Attributes:
        replicas: Those that are compared with the owner.
        where: The run's own filter, or None.
        narrow: Int fields that every side delivers in at most 64 bits: their hashes must agree.
        stored: What the stores hash themselves.
    """

    contract: Contract
    replicas: Sequence[Replica]
    where: Expression | None
    narrow: frozenset[str]
    stored: StoreHashes

    def project(self, opened: Opened, replica: Replica | None, keys: Keys | None = None) -> Projected:
        """Compile what is selected from one side.

        Args:
            opened: The side.
            replica: Whose copy it is; None for the owner.
            keys: Which rows to look up; None for all.
        """
        items, groups = self.stored.items(opened.items, replica), self.stored.groups(replica)
        side = compile_side(items, _relation(opened, items, groups, keys), self.narrow, groups)
        if replica is None:
            projection = owner_projection(self.contract, side, self.replicas, self.where, self.stored.fields)
        else:
            stored = self.stored.fields.get(replica.name, ())
            projection = replica_projection(self.contract, side, replica, self.where, stored)
        return Projected(opened, side, projection)

    def agrees(self, other: Projector) -> bool:
        """Whether what another one compiled can be compared with what this one compiles."""
        return self.narrow == other.narrow and self.stored == other.stored


def _relation(
    opened: Opened, items: Sequence[Item], groups: Sequence[tuple[str, ...]], keys: Keys | None
) -> RawRelation:
    """The rows to select from, with the hashes that the store makes."""
    snapshot, wanted = opened.snapshot, [item.wanted for item in items]
    if not groups:
        return opened.relation if keys is None else snapshot.lookup(wanted, keys)
    if not isinstance(snapshot, StoreHashing):
        raise TypeError(f"{opened.reader.dataset} offers a hash form and no hashes")
    by_name = {item.name: item.wanted for item in opened.items}
    hashed = [[by_name[name] for name in group] for group in groups]
    return snapshot.scan_hashed(wanted, hashed) if keys is None else snapshot.lookup_hashed(wanted, keys, hashed)


def _offered(opened: Opened) -> RawRelation:
    return RawRelation("", opened.columns)  # nothing is selected from it


def projector(
    contract: Contract,
    sides: Sequence[tuple[Replica | None, Opened]],
    where: Expression | None,
    decided: Mapping[str, tuple[str, ...]] | None = None,
) -> Projector:
    """The projector for these opened sides.

    Args:
        contract: The entity's.
        sides: Each with whose copy it is (None: the owner's).
        where: The run's own filter.
        decided: Replica name to the fields that the stores hash, where an earlier look has decided it.
    """
    narrow = narrow_ints(contract, [(opened.items, _offered(opened)) for _, opened in sides])
    whole = [(replica, compile_side(opened.items, _offered(opened))) for replica, opened in sides]
    copies = [(replica, side) for replica, side in whole if replica is not None]
    owner = next((side for replica, side in whole if replica is None), None)
    stored = store_hashes(contract, owner, copies, where, decided) if owner is not None else StoreHashes()
    return Projector(contract, [replica for replica, _ in copies], where, narrow, stored)
