"""What is selected from each side of one look, compiled the same for all sides where it must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconcilers.opened import Projected
from reconcilers.projection import compile_side, narrow_ints, owner_projection, replica_projection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.contract import Contract, Replica
    from contracts.expression import Expression
    from reconcilers.opened import Opened
    from reconcilers.ports import RawRelation


@dataclass(frozen=True, slots=True)
class Projector:
    """Compiles the projections of one look.

    Attributes:
        replicas: Those that are compared with the owner.
        where: The run's own filter, or None.
        narrow: Int fields that every side delivers in at most 64 bits: their hashes must agree.
    """

    contract: Contract
    replicas: Sequence[Replica]
    where: Expression | None
    narrow: frozenset[str]

    def project(self, opened: Opened, replica: Replica | None, relation: RawRelation) -> Projected:
        """Compile what is selected from one side.

        Args:
            opened: The side.
            replica: Whose copy it is; None for the owner.
            relation: The rows to select from: all of them, or those that were looked up.
        """
        side = compile_side(opened.items, relation, self.narrow)
        if replica is None:
            return Projected(opened, side, owner_projection(self.contract, side, self.replicas, self.where))
        return Projected(opened, side, replica_projection(self.contract, side, replica, self.where))


def projector(
    contract: Contract, sides: Sequence[Opened], replicas: Sequence[Replica], where: Expression | None
) -> Projector:
    """The projector for these opened sides."""
    narrow = narrow_ints(contract, [(side.items, side.relation) for side in sides])
    return Projector(contract, replicas, where, narrow)
