"""Which fields the stores hash themselves, so that one number comes in place of many columns.

A field of a replica is hashed at both stores when it is compared exactly, both can hash it in the same form
(`RawColumn.hash_form`), and nothing else asks for its value: no key, rule, reference, `where`, and no other replica
that must be given values.  What a store cannot hash so is brought and hashed beside its number, as everywhere.

Every look at a pair must hash alike, or a difference that stays would look like one that changes: what the first look
decided holds for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts.equality import EXACT
from reconcilers.projection import compared_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contracts.contract import Contract, Replica
    from contracts.expression import Expression
    from reconcilers.projection import Item, Side

HASHED_FIELDS_MIN = 2
"""Fewer fields are brought as they are: a number in place of one column saves nothing."""

HASHED_FIELDS_MAX = 60
"""Fields that a store hashes together; each has a bit of 64 that says whether it is NULL."""

Group = tuple[str, ...]
"""Contract names of fields that are hashed together, in this order."""


@dataclass(frozen=True, slots=True)
class StoreHashes:
    """What the stores hash themselves.

    Attributes:
        fields: Replica name to the fields that its store and the owner's hash; replicas without any are left out.
        brought: The owner's fields whose values are brought.
    """

    fields: Mapping[str, Group] = field(default_factory=lambda: MappingProxyType({}))
    brought: frozenset[str] = frozenset()

    def groups(self, replica: Replica | None) -> list[Group]:
        """What is hashed at one side (None: the owner's)."""
        if replica is None:
            return list(dict.fromkeys(self.fields.values()))
        return [self.fields[replica.name]] if replica.name in self.fields else []

    def items(self, items: Sequence[Item], replica: Replica | None) -> list[Item]:
        """Those of one side's items whose values are brought."""
        if not self.groups(replica):
            return list(items)
        if replica is None:
            return [item for item in items if item.name in self.brought or item.logical is None]
        return [item for item in items if item.name not in self.fields[replica.name]]


def store_hashes(
    contract: Contract,
    owner: Side,
    copies: Sequence[tuple[Replica, Side]],
    where: Expression | None,
    decided: Mapping[str, Group] | None = None,
) -> StoreHashes:
    """Decide what the stores hash.

    Args:
        contract: The entity's.
        owner: The owner, compiled with every item brought.
        copies: The replicas that are compared, compiled likewise.
        where: The run's own filter.
        decided: What an earlier look decided, by replica; a replica that it could not read has nothing hashed.
    """
    able = {replica.name: _able(contract, replica, owner, copy) for replica, copy in copies}
    always = _always_brought(contract, owner, [replica for replica, _ in copies], where)
    if decided is None:
        fields = _worthwhile(contract, [replica for replica, _ in copies], able, always)
    else:  # a field that cannot be hashed so any more is another field now
        fields = {name: group for name in able if set(group := decided.get(name, ())) <= set(able[name])}
    brought = always.union(
        *(_compared(contract, replica).difference(fields.get(replica.name, ())) for replica, _ in copies)
    )
    return StoreHashes({name: group for name, group in fields.items() if group}, brought)


def _worthwhile(
    contract: Contract, replicas: Sequence[Replica], able: Mapping[str, Group], always: frozenset[str]
) -> Mapping[str, Group]:
    """What is left of the fields that can be hashed without those that must be brought for another replica."""
    while True:
        brought = always.union(*(_compared(contract, replica).difference(able[replica.name]) for replica in replicas))
        left = {name: tuple(each for each in group if each not in brought) for name, group in able.items()}
        able = {name: group if len(group) >= HASHED_FIELDS_MIN else () for name, group in left.items()}
        if able == left:
            return able


def _able(contract: Contract, replica: Replica, owner: Side, copy: Side) -> Group:
    """The fields that both stores can hash in the same form."""
    able = [
        compared.name
        for compared in compared_fields(contract, replica)
        if compared.equality == EXACT
        and owner.columns[compared.name].hash_form
        and owner.columns[compared.name].hash_form == copy.columns[compared.name].hash_form
    ]
    return tuple(able[:HASHED_FIELDS_MAX])


def _always_brought(
    contract: Contract, owner: Side, replicas: Sequence[Replica], where: Expression | None
) -> frozenset[str]:
    """The owner's fields whose values are needed whoever hashes: keys, and what any rule looks at."""
    conditions = [invariant.holds for invariant in contract.invariants]
    conditions += [replica.where for replica in replicas if replica.where is not None]
    conditions += [where] if where is not None else []
    bad = [name for name in contract.fields if owner.of(name).bad]
    return frozenset(contract.key).union(contract.references(), bad, *(condition.names for condition in conditions))


def _compared(contract: Contract, replica: Replica) -> frozenset[str]:
    return frozenset(compared.name for compared in compared_fields(contract, replica))
