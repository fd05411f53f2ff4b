"""What a copy took over when its row was made, and what is left of a difference where the owner once held it.

A field under `at_creation` is to hold what the owner held when the replica's row was made.  When that was, nobody says:
a row may have been made again, and two stores' clocks are not compared.  So a value is right where the owner held it at
any time, and wrong where it never did.  That is known of a row only that the stream has told from its birth on, to
where the owner's row stands now; of other rows nothing is said, and they are counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contracts.equality import Equality
from reconcilers.row_stage import UNKNOWN_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.contract import Contract, Replica
    from reconcilers.finding import FieldDifference, KeyText

ONCE_HELD = Equality(mode="once_held")
"""How a field under `at_creation` is compared where there is a history; no contract says this itself."""

NEVER_HELD = "the owner has never held what the replica holds"
NOT_READ = f"{UNKNOWN_VALUE}: what the owner once held could not be read"


def with_history(contract: Contract) -> Contract:
    """The same contract, in which what is `at_creation` is compared with what the owner once held."""
    replicas = []
    for copy in contract.replicas:
        fields = tuple(
            replace(one, equality=ONCE_HELD) if one.equality.mode == "at_creation" else one for one in copy.fields
        )
        replicas.append(replace(copy, fields=fields))
    return replace(contract, replicas=tuple(replicas))


def at_creation(replica: Replica) -> frozenset[str]:
    """The fields of a replica that are compared so."""
    return frozenset(one.field for one in replica.fields if one.equality == ONCE_HELD)


@dataclass(frozen=True, slots=True)
class Told:
    """What is left of the differences of some rows.

    Attributes:
        differing: By key, the fields that differ.
        unknown: By field, the rows of which it is not known what the owner once held.
    """

    differing: dict[KeyText, tuple[FieldDifference, ...]]
    unknown: Counter[str]


def judged(
    found: Mapping[KeyText, tuple[FieldDifference, ...]],
    names: frozenset[str],
    held: Mapping[KeyText, Mapping[str, bool | None]],
) -> Told:
    """Leave out of some differences what the owner once held, and what nobody knows.

    Args:
        found: By key, the fields in which the replica differs from what the owner holds now.
        names: The fields of which this is enough.
        held: See `reconcilers.once_held`.
    """
    told = Told({}, Counter())
    for key, fields in found.items():
        once = held.get(key, {})
        told.unknown.update(one.name for one in fields if one.name in names and once.get(one.name) is None)
        left = tuple(
            replace(one, note=one.note or NEVER_HELD) if one.name in names else one
            for one in fields
            if one.name not in names or once.get(one.name) is False
        )
        if left:
            told.differing[key] = left
    return told


def unread(
    found: Mapping[KeyText, tuple[FieldDifference, ...]], names: frozenset[str]
) -> dict[KeyText, tuple[FieldDifference, ...]]:
    """The same differences where the stream could not be read: whether these fields differ is open.

    They are not left out: what an earlier run has found in them has not gone.
    """
    return {
        key: tuple(replace(one, note=NOT_READ) if one.name in names else one for one in fields)
        for key, fields in found.items()
    }
