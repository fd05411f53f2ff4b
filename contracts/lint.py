"""What contracts must keep beyond their shape, each by itself and all of them together.

Every rule is a function that yields problems.  A rule does not look at what a draft had to repair: one mistake is
reported once.

Two contracts may fill one table.  They claim different columns of it, or rows that `select` tells apart: the same
column may be claimed twice only when both replicas have a `select`, and not the same one.  Key columns are no claims,
since they say which row it is, not what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.configured import UNKNOWN, Configured
from contracts.equality import EXACT
from contracts.equality_text import misfit
from contracts.errors import Place, Problem
from contracts.expression import Expression, check_types
from contracts.logical_types import Kind, LogicalType
from contracts.owner_query import query_problem
from contracts.suggestion import closest, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from contracts.assembly import Assembled
    from contracts.contract import Contract, DatasetRef, Replica
    from contracts.document import ReplicaFieldDocument

RULE_NAMES_TAKEN = frozenset(["type", "@ttl"])
"""Rules that the comparison itself reports under."""

_HOLDERS = ("dataset", "query", "feed")
"""What says where an owner's or a replica's rows are."""
_DELETION_FLAGS = (Kind.BOOL, Kind.INT, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL)
_SURE_LIKENESS = 0.85
"""Likeness of two names that differ by a typing mistake; `deleted_at` and `created_at` have 0.8."""
_CHANGE_MARKS = (Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL, Kind.INT)
_KEY_KINDS_REFUSED = (Kind.FLOAT, Kind.JSON, Kind.LIST, Kind.INTERVAL)


def lint(assembled: Sequence[Assembled], configured: Configured = UNKNOWN) -> list[Problem]:
    """Every problem of these contracts, errors and warnings, in no particular order.

    Args:
        assembled: All contracts of a project.
        configured: What the settings have of what contracts name.
    """
    problems = [problem for one in assembled for problem in lint_alone(one)]
    for together in _RULES_TOGETHER:
        problems += together(assembled, configured)
    return problems


def lint_alone(one: Assembled) -> list[Problem]:
    """What one contract shows by itself."""
    return [problem for rule in _RULES for problem in rule(one)]


# Fields, key and owner


def _key_fields_exist(one: Assembled) -> Iterator[Problem]:
    contract, draft = one.contract, one.draft
    for index, name in enumerate(contract.key):
        place = draft.place("key", index)
        if draft.is_replaced("key", index) or draft.is_replaced("fields"):
            continue
        if name in contract.key[:index]:
            yield Problem(place, f"the key field `{name}` stands twice in `key`")
        elif name not in contract.fields:
            yield Problem(place, f"{_unknown_field(name, contract)}, used in `key`")
        elif _type_of(one, name) in _KEY_KINDS_REFUSED:
            yield Problem(
                place, f"the key field `{name}` is of type {contract.fields[name].type}, which cannot tell rows apart"
            )


def _keys_are_exact(one: Assembled) -> Iterator[Problem]:
    for place, name in _key_equalities(one):
        yield Problem(place, f"the key field `{name}` has an equality, but a key is compared exactly; take it away")


def _key_equalities(one: Assembled) -> Iterator[tuple[Place, str]]:
    contract, draft = one.contract, one.draft
    for name in contract.key:
        if name in contract.fields and contract.fields[name].equality != EXACT:
            yield draft.place("fields", name, "equality"), name
    for index, replica in enumerate(draft.document.replicas):
        for group, written in (("key", replica.key), ("fields", replica.fields)):
            for name, mapped in (written or {}).items():
                if name in contract.key and mapped.equality not in (None, "exact"):
                    yield draft.place("replicas", index, group, name), name


def _critical_fields_have_a_meaning(one: Assembled) -> Iterator[Problem]:
    for name, field in one.contract.fields.items():
        if field.critical and not field.meaning.strip() and not one.draft.is_broken("fields", name, "meaning"):
            yield Problem(field.place, f"the critical field `{name}` has no `meaning`; say what it means to people")


def _equalities_fit_their_types(one: Assembled) -> Iterator[Problem]:
    for name, field in one.contract.fields.items():
        reason = "" if _type_of(one, name) is None else misfit(field.equality, field.type)
        if reason:
            yield Problem(
                one.draft.place("fields", name, "equality"), f"the equality of `{name}` does not fit: {reason}"
            )
    for index, replica in enumerate(one.contract.replicas):
        for mapped in replica.fields:
            declared = one.contract.fields.get(mapped.field)
            if declared is None or _type_of(one, mapped.field) is None or mapped.equality == declared.equality:
                continue
            reason = misfit(mapped.equality, declared.type)
            if reason:
                place = one.draft.place("replicas", index, "fields", mapped.field, "equality")
                yield Problem(place, f"the equality of `{mapped.field}` does not fit: {reason}")


def _owner_has_rows_somewhere(one: Assembled) -> Iterator[Problem]:
    owner, draft = one.contract.owner, one.draft
    if owner.dataset and owner.query:
        yield Problem(draft.place("owner", "query"), "an owner has a `dataset` or a `query`, not both")
    if not (owner.dataset or owner.query or owner.feed or any(draft.is_broken("owner", key) for key in _HOLDERS)):
        yield Problem(draft.place("owner"), "the owner needs a `dataset`, a `query` or a `feed`")


def _owner_query_only_reads(one: Assembled) -> Iterator[Problem]:
    query = one.contract.owner.query
    problem = query_problem(query.sql) if query and not one.draft.is_broken("owner", "query", "sql") else ""
    if problem:
        yield Problem(one.draft.place("owner", "query", "sql"), problem)


def _owner_fields_exist(one: Assembled) -> Iterator[Problem]:
    owner = one.contract.owner
    if owner.changed_at:
        yield from _owner_field(one, "changed_at", owner.changed_at.field, _CHANGE_MARKS)
    if owner.soft_delete:
        yield from _owner_field(one, "soft_delete", owner.soft_delete.field, _DELETION_FLAGS)


def _owner_field(one: Assembled, key: str, name: str, kinds: Sequence[Kind]) -> Iterator[Problem]:
    place = one.draft.place("owner", key)
    if one.draft.is_broken("owner", key, "field") or one.draft.is_replaced("fields"):
        return
    field = one.contract.fields.get(name)
    if field is None:  # the owner's own column, which the store knows or misses by name
        meant = closest(name, one.contract.fields, likeness=_SURE_LIKENESS)
        if meant:
            yield Problem(
                place, f"`{key}` names the column `{name}`, which is no field; is `{meant}` meant?", "warning"
            )
    elif _type_of(one, name) not in (*kinds, None):
        wanted = ", ".join(kind.value for kind in kinds)
        yield Problem(place, f"`{key}` names the field `{name}` of type {field.type}; expected one of {wanted}")


def _type_of(one: Assembled, name: str) -> Kind | None:
    """The kind of a field, or None where it could not be read."""
    return None if one.draft.is_broken("fields", name, "type") else one.contract.fields[name].type.kind


def _unknown_field(name: str, contract: Contract) -> str:
    return f"unknown field `{name}`{did_you_mean(name, contract.fields)}"


# Expressions


def _expressions_make_sense(one: Assembled) -> Iterator[Problem]:
    types = _types(one)
    for invariant in one.contract.invariants:
        yield from _condition(invariant.holds, types)
    for replica in one.contract.replicas:
        if replica.where:
            yield from _condition(replica.where, types)
        if replica.select:  # over the replica's own columns, whose types only the store knows
            yield from _condition(replica.select, dict.fromkeys(replica.select.names))


def _types(one: Assembled) -> Mapping[str, LogicalType | None]:
    return {name: None if _type_of(one, name) is None else field.type for name, field in one.contract.fields.items()}


def _condition(expression: Expression, types: Mapping[str, LogicalType | None]) -> Iterator[Problem]:
    for message in check_types(expression, types, wanted=Kind.BOOL):
        yield Problem(expression.place, message)


def _invariants_have_their_own_names(one: Assembled) -> Iterator[Problem]:
    referring = one.contract.references()
    seen: set[str] = set()
    for index, invariant in enumerate(one.contract.invariants):
        place = one.draft.place("invariants", index, "name")
        if one.draft.is_broken("invariants", index, "name"):
            continue
        if invariant.name in seen:
            yield Problem(place, f"the invariant `{invariant.name}` stands twice; findings are told apart by its name")
        if invariant.name in RULE_NAMES_TAKEN or invariant.name in referring:
            yield Problem(
                place, f"the invariant name `{invariant.name}` is taken by findings of another kind; choose another"
            )
        seen.add(invariant.name)


# Replicas


def _replicas_have_their_own_names(one: Assembled) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, replica in enumerate(one.contract.replicas):
        if one.draft.is_broken("replicas", index, "service") or one.draft.is_broken("replicas", index, "name"):
            continue
        place = one.draft.place("replicas", index, "name" if one.draft.document.replicas[index].name else "service")
        if replica.name in seen:
            line = seen[replica.name]
            message = f"two replicas are called `{replica.name}`, the other in line {line}; give this one a `name`"
            yield Problem(place, message)
        seen.setdefault(replica.name, place.line)


def _replica_fields_exist(one: Assembled) -> Iterator[Problem]:
    contract, draft = one.contract, one.draft
    for index, replica in enumerate(draft.document.replicas):
        for name in replica.fields or ():
            if name not in contract.fields and not draft.is_replaced("fields"):
                yield Problem(draft.place("replicas", index, "fields", name), _unknown_field(name, contract))
        for name in replica.key or ():
            place = draft.place("replicas", index, "key", name)
            if name not in contract.key and set(contract.key) <= set(contract.fields):
                yield Problem(place, _no_key_field(name, contract))
            elif _paths(replica.key).get(name) != _paths(replica.fields).get(name, _paths(replica.key).get(name)):
                message = f"the key field `{name}` stands under `key` and under `fields` with different names"
                yield Problem(place, message)


def _paths(written: Mapping[str, ReplicaFieldDocument] | None) -> Mapping[str, str]:
    return {name: mapped.path or name for name, mapped in (written or {}).items()}


def _no_key_field(name: str, contract: Contract) -> str:
    return (
        f"`{name}` is no key field of {contract.entity} (its key is {', '.join(contract.key)}); "
        f"`key` maps contract names to replica names, as in {{{contract.key[0]}: {name}}}"
    )


def _replicas_hold_rows_somewhere(one: Assembled) -> Iterator[Problem]:
    for index, replica in enumerate(one.contract.replicas):
        if not (
            replica.dataset or replica.feed or any(one.draft.is_broken("replicas", index, key) for key in _HOLDERS)
        ):
            yield Problem(replica.place, f"the replica `{replica.name}` needs a `dataset` or a `feed`")


def _copies_are_no_owners(one: Assembled) -> Iterator[Problem]:
    """A replica that is the owner's own dataset would agree with it whatever happens."""
    owner = one.contract.owner.dataset
    for index, replica in enumerate(one.contract.replicas):
        if replica.dataset is not None and replica.dataset == owner and not one.draft.is_broken("owner"):
            message = f"the replica `{replica.name}` is the owner's own dataset {owner}; a copy is kept somewhere else"
            yield Problem(one.draft.place("replicas", index, "dataset"), message)


def _zones_are_for_timestamps(one: Assembled) -> Iterator[Problem]:
    for index, replica in enumerate(one.contract.replicas):
        for mapped in (*replica.key, *replica.fields):
            field = one.contract.fields.get(mapped.field)
            if (
                mapped.timezone
                and field
                and field.type.kind is not Kind.TIMESTAMP
                and not one.draft.is_broken("fields", field.name)
            ):
                place = one.draft.place("replicas", index, "fields", mapped.field)
                yield Problem(
                    place, f"`{mapped.field}` has a timezone but is of type {field.type}; only a timestamp needs one"
                )


def _lifetimes_make_sense(one: Assembled) -> Iterator[Problem]:
    for index, replica in enumerate(one.draft.document.replicas):
        for key in ("ttl", "lag_bound"):
            duration = getattr(replica, key)
            if duration is not None and not duration:
                yield Problem(one.draft.place("replicas", index, key), f"`{key}` is 0; {_WANTED_DURATIONS[key]}")


_WANTED_DURATIONS = {
    "lag_bound": "no copy is written in the same moment as its owner: write how long it may trail, such as 30s or 5m",
    "ttl": "write how long an entry may live, such as 1h",
}


# Warnings


def _doubts(one: Assembled) -> Iterator[Problem]:
    contract, draft = one.contract, one.draft
    if not contract.team.strip() and not draft.is_broken("team"):
        yield Problem(
            contract.place, f"the contract of {contract.entity} names no `team`: nobody answers for it", "warning"
        )
    owner = contract.owner
    if not (owner.changed_at or owner.feed or draft.is_broken("owner")):
        message = f"the owner of {contract.entity} has no `changed_at` and no `feed`: when a row changed stays unknown"
        yield Problem(draft.place("owner"), message, "warning")
    for index, replica in enumerate(draft.document.replicas):
        if not (replica.lag_bound or replica.ttl or draft.is_broken("replicas", index)):
            message = f"the replica `{replica.name or replica.service}` has no `lag_bound`: 5m is taken"
            yield Problem(draft.place("replicas", index), message, "warning")
        yield from _doubtful_paths(one, index)


def _doubtful_paths(one: Assembled, index: int) -> Iterator[Problem]:
    replica = one.contract.replicas[index]
    seen: dict[str, str] = {}
    for mapped in (*replica.key, *replica.fields):
        if mapped.path in seen:
            message = (
                f"`{seen[mapped.path]}` and `{mapped.field}` are both compared with `{mapped.path}` of `{replica.name}`"
            )
            yield Problem(one.draft.place("replicas", index, "fields", mapped.field), message, "warning")
        seen.setdefault(mapped.path, mapped.field)


_RULES: tuple[Callable[[Assembled], Iterator[Problem]], ...] = (
    _key_fields_exist,
    _keys_are_exact,
    _critical_fields_have_a_meaning,
    _equalities_fit_their_types,
    _owner_has_rows_somewhere,
    _owner_query_only_reads,
    _owner_fields_exist,
    _expressions_make_sense,
    _invariants_have_their_own_names,
    _replicas_have_their_own_names,
    _replica_fields_exist,
    _replicas_hold_rows_somewhere,
    _copies_are_no_owners,
    _zones_are_for_timestamps,
    _lifetimes_make_sense,
    _doubts,
)


# All contracts together


def _entities_have_one_contract(assembled: Sequence[Assembled], _: Configured) -> Iterator[Problem]:
    seen: dict[str, Place] = {}
    for one in assembled:
        entity, place = one.contract.entity, one.contract.place
        if one.draft.is_broken("entity"):
            continue
        if entity in seen:
            yield Problem(place, f"two contracts own the entity `{entity}`; the other is {seen[entity]}")
        seen.setdefault(entity, place)


def _references_lead_somewhere(assembled: Sequence[Assembled], _: Configured) -> Iterator[Problem]:
    known = {one.contract.entity: one for one in reversed(assembled)}
    for one in assembled:
        for name, entity in one.contract.references().items():
            if one.draft.is_broken("fields", name, "references"):
                continue
            place = one.draft.place("fields", name, "references")
            message = _why_no_reference(one, name, entity, known)
            if message:
                yield Problem(place, message)


def _why_no_reference(one: Assembled, name: str, entity: str, known: Mapping[str, Assembled]) -> str:
    target = known.get(entity)
    if target is None:
        return f"`{name}` references the unknown entity `{entity}`{did_you_mean(entity, known)}"
    if target.draft.is_broken("key") or target.draft.is_replaced("fields"):
        return ""
    key = target.contract.key
    if len(key) > 1:
        return (
            f"`{name}` references `{entity}`, whose key has several fields ({', '.join(key)}); only a key of one can be"
        )
    wanted = target.contract.fields.get(key[0])
    found = one.contract.fields[name].type
    read = wanted is not None and _type_of(target, key[0]) is not None and _type_of(one, name) is not None
    if wanted is not None and read and wanted.type != found:
        return f"`{name}` is of type {found}, but what it references, the key of `{entity}`, is of type {wanted.type}"
    return ""


def _copies_are_kept_elsewhere(assembled: Sequence[Assembled], configured: Configured) -> Iterator[Problem]:
    """As `_copies_are_no_owners`, under whatever names."""
    for one in assembled:
        owner = one.contract.owner.dataset
        for index, replica in enumerate(one.contract.replicas):
            dataset = replica.dataset
            if owner is None or dataset is None or dataset == owner or one.draft.is_broken("owner"):
                continue
            if configured.identity(dataset) == configured.identity(owner):
                message = (
                    f"the replica `{replica.name}`, {dataset}, is the owner's own dataset {owner} "
                    "under another name; a copy is kept somewhere else"
                )
                yield Problem(one.draft.place("replicas", index, "dataset"), message)


def _names_are_configured(assembled: Sequence[Assembled], configured: Configured) -> Iterator[Problem]:
    for one in assembled:
        for kind, name, location in _names_of_settings(one):
            known = configured.connections if kind == "connection" else configured.feeds
            if known is not None and name not in known and not one.draft.is_broken(*location):
                guess = did_you_mean(name, known)
                listed = f"{configured.file} has {', '.join(sorted(known)) or 'none'}"
                rest = f"; {listed}" if not guess else guess if len(known) == 1 else f"{guess} {listed}"
                yield Problem(one.draft.place(*location), f"the {kind} `{name}` is not configured{rest}")


def _names_of_settings(one: Assembled) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    """Every connection and feed that a contract names: which of the two, its name, and where it stands."""
    owner = one.contract.owner
    if owner.dataset is not None:
        yield "connection", owner.dataset.connection, ("owner", "dataset")
    if owner.query is not None:
        yield "connection", owner.query.connection, ("owner", "query", "connection")
    if owner.feed is not None:
        yield "feed", owner.feed.name, ("owner", "feed", "name")
    for index, replica in enumerate(one.contract.replicas):
        if replica.dataset is not None:
            yield "connection", replica.dataset.connection, ("replicas", index, "dataset")
        if replica.feed is not None:
            yield "feed", replica.feed.name, ("replicas", index, "feed", "name")
        if replica.applied_by is not None:
            yield "feed", replica.applied_by.feed, ("replicas", index, "applied_by", "feed")


@dataclass(frozen=True, slots=True)
class _Claim:
    """One column of a dataset, and who says what belongs in it."""

    dataset: DatasetRef
    column: str
    who: str
    place: Place
    select: str | None = None


def _columns_have_one_meaning(assembled: Sequence[Assembled], configured: Configured) -> Iterator[Problem]:
    claimed: dict[tuple[Hashable, str], list[_Claim]] = {}
    for one in assembled:
        for claim in _claims(one, configured):
            others = claimed.setdefault((configured.identity(claim.dataset), claim.column), [])
            other = next((other for other in others if not _told_apart(claim, other)), None)
            if other is not None:
                yield Problem(claim.place, _claimed_twice(claim, other))
            others.append(claim)


def _claims(one: Assembled, configured: Configured) -> Iterator[_Claim]:
    contract = one.contract
    if contract.owner.dataset and not one.draft.is_broken("owner"):
        for name, field in contract.fields.items():
            if name not in contract.key:
                yield _Claim(contract.owner.dataset, name, f"the owner of {contract.entity}", field.place)
    for index, replica in enumerate(contract.replicas):
        if not one.draft.is_broken("replicas", index):
            yield from _replica_claims(one, index, replica, configured)


def _replica_claims(one: Assembled, index: int, replica: Replica, configured: Configured) -> Iterator[_Claim]:
    owner = one.contract.owner.dataset
    if replica.dataset is None:
        return
    if owner is not None and configured.identity(replica.dataset) == configured.identity(owner):
        return
    who = f"the replica `{replica.name}` of {one.contract.entity}"
    select = replica.select.text if replica.select else None
    for column, field in {mapped.path: mapped.field for mapped in reversed(replica.fields)}.items():
        yield _Claim(replica.dataset, column, who, one.draft.place("replicas", index, "fields", field), select)


def _told_apart(claim: _Claim, other: _Claim) -> bool:
    return claim.select is not None and other.select is not None and claim.select.split() != other.select.split()


def _claimed_twice(claim: _Claim, other: _Claim) -> str:
    return (
        f"{claim.who} and {other.who} ({other.place}) both claim the column `{claim.column}` of {claim.dataset}; "
        "let one of them have it, or tell their rows apart with a `select` in each"
    )


_RULES_TOGETHER: tuple[Callable[[Sequence[Assembled], Configured], Iterable[Problem]], ...] = (
    _entities_have_one_contract,
    _references_lead_somewhere,
    _copies_are_kept_elsewhere,
    _names_are_configured,
    _columns_have_one_meaning,
)
