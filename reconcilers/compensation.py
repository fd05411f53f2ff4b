"""What would put a finding right: which act, on which row, or why nobody but a person can say.

A compensation is proposed, never run.  Nothing here knows a store: a dialect writes what is decided here.

The rules, for one persistent finding of one replica, from both rows as they are *now*:

| the owner now | the replica now | act |
|---|---|---|
| live, in scope | no row | insert the row |
| live, in scope | flagged as deleted | take the flag away, and set what differs |
| live, in scope | a row that differs | set the fields that differ, no others |
| no row, flagged, or out of scope | live | delete the row; in a replica that flags (`deletes: {soft: …}`), flag it |
| anything else | | nothing: it no longer differs |

What differs otherwise than the finding said is left out: the world has moved on, and the next run judges it.  And the
act is certain only where the owner's row is: a row that breaks its own contract, a key that stands twice, a key or a
value that no type holds, a copy that may hold one constant, all of these are *escalated*, with the reason.

References order the acts: rows that others refer to come first, and go last.  So all inserts and updates come in the
order of references, then all deletes in the opposite one.  Cycles have no order; within one they go by name.

What this cannot see: the owner may change between the plan and its application.  That is what preconditions (the old
image of the whole row as it was read) and the expiry are for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from reconcilers.finding import Divergence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from contracts.contract import Contract, Replica
    from reconcilers.finding import FieldDifference, KeyText

COMPENSATIONS_MAX = 10_000
"""Acts of one plan: more than anybody reviews; so much drift is put right by a new load, not by a plan."""


class Action(StrEnum):
    """What a compensation is to whoever applies it; the plan's own words."""

    UPSERT = "upsert"
    DELETE = "delete"
    EVICT = "evict"
    REINDEX = "reindex"
    RE_EMIT = "re_emit"
    INCREMENTAL_SNAPSHOT = "incremental_snapshot"
    ESCALATE = "escalate"


class Change(StrEnum):
    """What happens to the replica's row."""

    INSERT = "insert"
    UPDATE = "update"
    REVIVE = "revive"
    DELETE = "delete"
    FLAG = "flag"


ACTIONS = {
    Change.INSERT: Action.UPSERT,
    Change.UPDATE: Action.UPSERT,
    Change.REVIVE: Action.UPSERT,
    Change.DELETE: Action.DELETE,
    Change.FLAG: Action.DELETE,
}
"""A flag is how such a replica deletes."""


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """The owner's row under one key.

    Attributes:
        count: Live rows with this key.
        in_scope: The replica is to hold it.
        broken: It breaks an invariant, or holds a value that its type cannot.
        texts: Canonical text of every field.
        written: Of the fields that the replica holds: what it is to hold, after the maps that are certain.
    """

    count: int = 0
    in_scope: bool = False
    broken: bool = False
    texts: Mapping[str, str | None] = field(default_factory=dict)
    written: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CopyRow:
    """The replica's row under one key.

    Attributes:
        count: Live rows with this key.
        gone: Rows with this key that are flagged as deleted.
        texts: Canonical text of the compared fields.
        spelled: The key as the store spells it.
    """

    count: int = 0
    gone: int = 0
    texts: Mapping[str, str | None] = field(default_factory=dict)
    spelled: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding, and both rows as they are now.

    Attributes:
        differing: Compared fields that differ now, where both sides have a row, flagged as deleted or not.
        said: The finding's fields as its report shows them: name, owner, replica.
        show: A value as reports show it, by field and canonical text, so that it can be held against `said`.
    """

    divergence: str
    key: KeyText
    owner: OwnerRow
    copy: CopyRow
    differing: Sequence[FieldDifference]
    said: Sequence[tuple[str, str | None, str | None]]
    show: Callable[[str, str | None], str | None]


@dataclass(frozen=True, slots=True)
class Proposal:
    """An act that would put a finding right.

    Attributes:
        fields: The contract's fields that are set; of an insert all that the replica holds.
        reason: Why this act.
    """

    change: Change
    fields: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Escalation:
    """A person must decide; why."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Nothing is proposed; why."""

    reason: str


Decision = Proposal | Escalation | LeftOut

_OWNERS = {
    Divergence.INVARIANT: "the owner's own row breaks its contract: what it should hold only its service can say",
    Divergence.REFERENCE: "the owner's row refers to one that does not exist: which of the two is wrong only their "
    "services can say",
    Divergence.DUPLICATE: "the owner has several rows with this key: which of them counts only its service can say",
    Divergence.NULL_KEY: "the owner has a row without a key: which one it is only its service can say",
}
_REPLICAS = {
    Divergence.DUPLICATE: "several rows of the replica have this key: which of them to keep is not certain",
    Divergence.NULL_KEY: "a row of the replica has no key: which one it is a copy of nobody can tell",
    Divergence.MISPLACED: "the row stands in another shard than its key belongs to",
    Divergence.LATE: "the whole replica has fallen behind: what fills it must catch up",
}
_ABSENCE = {
    "present": "the owner has the row, and this replica is not to hold it",
    "absent": "the owner does not have the row",
}


def escalated_at_once(replica: str | None, divergence: str, rule: str | None) -> str:
    """Why a finding needs a person whatever the rows hold; empty where the rows must be looked at."""
    words: Mapping[Divergence, str] = _OWNERS if replica is None else _REPLICAS
    if divergence in words:
        return words[Divergence(divergence)]
    if replica is None:
        return "the owner's own row is at fault"
    if rule == "type":
        return "the replica's key is no value of its declared type: which row it is a copy of is not certain"
    return ""


def decide(replica: Replica, seen: Seen) -> Decision:
    """Which act puts the finding right, as both rows are now."""
    if seen.owner.count > 1 or seen.copy.count > 1 or seen.copy.gone > 1:
        return Escalation("the key stands several times by now: which of the rows counts is not certain")
    now = _divergence(replica, seen)
    if now is None:
        return LeftOut("it no longer differs")
    if now != seen.divergence:
        return LeftOut(f"it differs otherwise by now ({now}): audit again")
    if now is Divergence.ORPHAN:
        return _remove(replica, seen)
    if seen.owner.broken:
        return Escalation("the owner's own row breaks its contract, so its values are no measure for a copy")
    return _insert(replica, seen) if now is Divergence.MISSING else _update(replica, seen)


def _divergence(replica: Replica, seen: Seen) -> Divergence | None:
    """The table of the contract language for one key."""
    wanted = seen.owner.count == 1 and seen.owner.in_scope
    if seen.copy.count:
        if wanted:
            return Divergence.MISMATCH if _differs(replica, seen) else None
        return None if replica.deletes.mode == "keep" else Divergence.ORPHAN
    return Divergence.MISSING if wanted and replica.completeness == "full" else None


def _differs(replica: Replica, seen: Seen) -> bool:
    """Whether something differs, or may: of some fields one row does not tell."""
    return bool(_compared(replica, seen) or any(_of_mode(replica, seen, mode) for mode in ("redacted", "at_creation")))


def _compared(replica: Replica, seen: Seen) -> list[FieldDifference]:
    """What differs now, redacted fields left out: which constant they hold only the whole replica tells."""
    modes = {m.field: m.equality.mode for m in replica.fields}
    return [difference for difference in seen.differing if modes[difference.name] == "compared"]


def _of_mode(replica: Replica, seen: Seen, mode: str) -> list[str]:
    """The fields of the finding that are compared so."""
    modes = {m.field: m.equality.mode for m in replica.fields}
    return [name for name, _, _ in seen.said if modes.get(name) == mode]


def _remove(replica: Replica, seen: Seen) -> Decision:
    reason = _ABSENCE["present" if seen.owner.count else "absent"]
    if replica.deletes.mode == "soft":
        return Proposal(Change.FLAG, (), f"{reason}; this replica flags what is deleted, and does not remove it")
    return Proposal(Change.DELETE, (), reason)


def _insert(replica: Replica, seen: Seen) -> Decision:
    if seen.copy.gone:
        fields = tuple(difference.name for difference in _compared(replica, seen))
        return Proposal(Change.REVIVE, fields, "flagged as deleted, though the owner has the row")
    fields = tuple(m.field for m in replica.fields if m.equality.mode in ("compared", "at_creation"))
    return Proposal(Change.INSERT, fields, "the owner has the row, the replica does not")


def _update(replica: Replica, seen: Seen) -> Decision:
    if constant := _of_mode(replica, seen, "redacted"):
        return Escalation(f"{', '.join(constant)} is redacted: which constant the copy is to hold is not certain")
    if taken := _of_mode(replica, seen, "at_creation"):
        return Escalation(
            f"{', '.join(taken)} is what the owner held when the copy was made: when that was, and so which of the "
            "values that it held, is not certain"
        )
    differing = _compared(replica, seen)
    shown = {d.name: (seen.show(d.name, d.owner), seen.show(d.name, d.replica)) for d in differing}
    if shown != {name: (owner, copy) for name, owner, copy in seen.said}:
        return LeftOut("it differs otherwise by now (other fields or values): audit again")
    names = tuple(difference.name for difference in differing)
    return Proposal(Change.UPDATE, names, f"the replica's {', '.join(names)} is not what the owner holds")


# -- order -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where an act belongs among the others.

    Attributes:
        entity: Whose row it is.
        removes: It takes the row away.
        key: Canonical text.
        refers: Keys of rows of the same entity that this row refers to.
    """

    entity: str
    removes: bool
    key: tuple[str, ...]
    refers: tuple[tuple[str, ...], ...] = ()


def ranks(references: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """The order of entities: whatever is referred to comes before what refers to it; cycles by name.

    Args:
        references: Entity to the entities it refers to.
    """
    order: dict[str, int] = {}
    visiting: set[str] = set()

    def visit(entity: str) -> None:
        if entity in order or entity in visiting:
            return
        visiting.add(entity)
        for parent in sorted(set(references.get(entity, ()))):
            visit(parent)
        order[entity] = len(order)

    for entity in sorted(references):
        visit(entity)
    return order


def ordered(places: Sequence[Place], references: Mapping[str, Iterable[str]]) -> list[int]:
    """The indexes of acts in the order in which they are to be applied: parents first, deletes last and reversed."""
    rank = ranks(references)
    depth = _depths(places)
    upserts = [i for i, place in enumerate(places) if not place.removes]
    deletes = [i for i, place in enumerate(places) if place.removes]

    def position(i: int) -> tuple[int, int, tuple[str, ...]]:
        return rank.get(places[i].entity, len(rank)), depth[i], places[i].key

    return sorted(upserts, key=position) + sorted(deletes, key=position, reverse=True)


def _depths(places: Sequence[Place]) -> list[int]:
    """How many rows of its own entity stand above each, among those that are written or removed as well."""
    parents = {(place.entity, place.removes, place.key): place.refers for place in places}

    def depth(place: Place) -> int:
        found, seen, here = 0, {place.key}, list(place.refers)
        while here:
            above = here.pop()
            known = parents.get((place.entity, place.removes, above))
            if known is None or above in seen:
                continue
            seen.add(above)
            found += 1
            here += known
        return found

    return [depth(place) for place in places]


def references_of(contracts: Iterable[Contract]) -> dict[str, tuple[str, ...]]:
    """Entity to the entities that it refers to."""
    return {contract.entity: tuple(contract.references().values()) for contract in contracts}
