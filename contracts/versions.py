"""What changed between two versions of a contract, and what each change does to whom.

A contract is a set of promises to whoever reads the entity or one of its copies.  So:

* *breaking*: a promise is gone, weaker or different.  Readers must look at it, and the version must be raised.
* *additive*: a promise is new or stronger.  Nobody who relied on the old one is let down, but whoever keeps the copy
  may have to do more; `effect` says what.
* *neutral*: words and hints; what is right and wrong stays the same.

A longer lag bound is breaking and a shorter one additive, a new member of an enum is breaking (readers do not know it)
and one less is additive, and so on for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.durations import duration_text
from contracts.equality import EXACT, Equality, Hashed, Mask, TruncatedTo, Within
from contracts.equality_text import equality_text
from contracts.errors import NOWHERE, Place
from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from contracts.contract import Contract, Field, FieldMap, Owner, Replica

BREAKING, ADDITIVE, NEUTRAL = "breaking", "additive", "neutral"
_CLASSES = (BREAKING, ADDITIVE, NEUTRAL)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two versions.

    Attributes:
        kind: `breaking`, `additive` or `neutral`.
        subject: What changed, such as `field total` or `replica search`.
        what: The change itself, such as `type: decimal(10,2) → decimal(12,2)`.
        effect: What follows from it, for whom.
        replicas: The copies that it concerns.
        fields: The fields that it concerns.
        place: Where it stands: in the new version, or in the old one for what is gone.
    """

    kind: str
    subject: str
    what: str
    effect: str = ""
    replicas: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class ContractDiff:
    """Everything that changed in one contract; a version is None where there is no contract."""

    entity: str
    old_version: int | None
    new_version: int | None
    changes: tuple[Change, ...]

    @property
    def breaking(self) -> bool:
        """Whether somebody who relied on the old version must look at it."""
        return any(change.kind == BREAKING for change in self.changes)

    @property
    def problem(self) -> str:
        """What is wrong with the new version's number, or an empty string."""
        if self.old_version is None or self.new_version is None:
            return ""
        if self.new_version < self.old_version:
            return f"the version was lowered from {self.old_version} to {self.new_version}"
        if self.breaking and self.new_version == self.old_version:
            return f"there are breaking changes, but the version is still {self.old_version}; raise it"
        return ""


def diff_catalogs(old: Mapping[str, Contract], new: Mapping[str, Contract]) -> tuple[ContractDiff, ...]:
    """Everything that changed between two sets of contracts, by entity; unchanged ones are left out."""
    diffs = []
    for entity in sorted({*old, *new}):
        before, after = old.get(entity), new.get(entity)
        if before is None and after is not None:
            change = Change(ADDITIVE, f"entity {entity}", "added", "it is audited from now on", place=after.place)
            diffs.append(ContractDiff(entity, None, after.version, (change,)))
        elif after is None and before is not None:
            change = Change(BREAKING, f"entity {entity}", "removed", "nobody audits it any longer", place=before.place)
            diffs.append(ContractDiff(entity, before.version, None, (change,)))
        elif before is not None and after is not None:
            diffs.append(diff_contracts(before, after))
    return tuple(diff for diff in diffs if diff.changes or diff.problem)


def diff_contracts(old: Contract, new: Contract) -> ContractDiff:
    """Everything that changed from one version of a contract to another, the most serious first."""
    changes = [
        *_words(old, new),
        *_owner(old, new),
        *_key(old, new),
        *_fields(old, new),
        *_invariants(old, new),
        *_replicas(old, new),
    ]
    changes.sort(key=lambda change: _CLASSES.index(change.kind))
    return ContractDiff(new.entity, old.version, new.version, tuple(changes))


def _arrow(what: str, before: object, after: object) -> str:
    return f"{what}: {_shown(before)} → {_shown(after)}"


def _shown(value: object) -> str:
    if value is None or value == "":
        return "nothing"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


# The contract and its owner


def _words(old: Contract, new: Contract) -> Iterator[Change]:
    if old.entity != new.entity:
        effect = "findings of the old name are not continued"
        yield Change(BREAKING, "contract", _arrow("entity", old.entity, new.entity), effect, place=new.place)
    for name in ("description", "team"):
        if getattr(old, name) != getattr(new, name):
            what = _arrow(name, getattr(old, name), getattr(new, name))
            yield Change(NEUTRAL, "contract", what, place=new.place)


_OWNER_EFFECTS: dict[str, tuple[str, str]] = {
    "service": (BREAKING, "another service decides the entity's values"),
    "dataset": (BREAKING, "every copy is compared with another dataset"),
    "query": (BREAKING, "every copy is compared with other rows"),
    "feed": (NEUTRAL, "changes are followed elsewhere"),
    "changed_at": (NEUTRAL, "another field tells when a row changed"),
    "soft_delete": (BREAKING, "other rows count as deleted"),
    "may_be_empty": (NEUTRAL, "whether no row at all is trouble"),
}


def _owner(old: Contract, new: Contract) -> Iterator[Change]:
    everybody = tuple(replica.name for replica in new.replicas)
    for name, (kind, effect) in _OWNER_EFFECTS.items():
        before, after = getattr(old.owner, name), getattr(new.owner, name)
        if before != after:
            what = _arrow(name, _owner_text(old.owner, name), _owner_text(new.owner, name))
            yield Change(kind, "owner", what, effect, everybody if kind == BREAKING else (), place=new.place)


def _owner_text(owner: Owner, name: str) -> object:
    value = getattr(owner, name)
    match name:
        case "feed":
            return value and f"{value.name}/{value.topic}"
        case "changed_at":
            return value and f"{value.field} (kept by the {value.maintained_by})"
        case "soft_delete":
            kept = f" for {duration_text(value.retention)}" if value and value.retention else ""
            return value and f"{value.field}{kept}"
        case _:
            return value


def _key(old: Contract, new: Contract) -> Iterator[Change]:
    if old.key != new.key:
        what = _arrow("key", ", ".join(old.key), ", ".join(new.key))
        everybody = tuple(replica.name for replica in new.replicas)
        effect = "rows are matched differently; known findings are not continued"
        yield Change(BREAKING, "key", what, effect, everybody, new.key, new.place)


# Fields


def _fields(old: Contract, new: Contract) -> Iterator[Change]:
    for name, field in new.fields.items():
        if name not in old.fields:
            holders = _holders(new, name)
            effect = f"{', '.join(holders)} must hold it" if holders else "no copy holds it yet"
            yield Change(ADDITIVE, f"field {name}", f"added as {field.type}", effect, holders, (name,), field.place)
        else:
            yield from _field(old.fields[name], field, _holders(new, name))
    for name, field in old.fields.items():
        if name not in new.fields:
            effect = "whoever reads it loses it"
            yield Change(BREAKING, f"field {name}", "removed", effect, _holders(old, name), (name,), field.place)


def _holders(contract: Contract, field: str) -> tuple[str, ...]:
    return tuple(
        replica.name for replica in contract.replicas if field in {m.field for m in (*replica.key, *replica.fields)}
    )


def _field(old: Field, new: Field, holders: tuple[str, ...]) -> Iterator[Change]:
    def change(kind: str, what: str, effect: str = "") -> Change:
        return Change(kind, f"field {new.name}", what, effect, holders, (new.name,), new.place)

    if old.type != new.type:
        kind, effect = _type_change(old.type, new.type)
        yield change(kind, _arrow("type", old.type, new.type), effect)
    if old.equality != new.equality:
        yield change(*_equality_change(old.equality, new.equality))
    if old.references != new.references:
        yield change(*_reference_change(old.references, new.references))
    for name, effect in _FIELD_WORDS.items():
        if getattr(old, name) != getattr(new, name):
            yield change(NEUTRAL, _arrow(name, getattr(old, name), getattr(new, name)), effect)


_FIELD_WORDS = {
    "meaning": "",
    "critical": "reports show differences of it differently",
    "sensitive": "whether reports show its values or hashes of them",
}


def _type_change(old: LogicalType, new: LogicalType) -> tuple[str, str]:
    narrower = (
        (old.kind is new.kind is Kind.ENUM and set(new.members) < set(old.members))
        or (old.kind is Kind.TEXT and new.kind is Kind.ENUM)
        or (
            old.kind is new.kind is Kind.DECIMAL
            and new.scale <= old.scale
            and new.precision - new.scale <= old.precision - old.scale
        )
    )
    if narrower:
        return ADDITIVE, "owner rows that do not fit any longer become findings"
    return BREAKING, f"readers and copies must be able to hold {new}"


def _equality_change(old: Equality, new: Equality) -> tuple[str, str, str]:
    what = _arrow("equality", equality_text(old), equality_text(new))
    if equality_text(old) == equality_text(new):  # only what is never shown differs
        return BREAKING, "equality: the salt changed", "every copy must be hashed again"
    if _is_stricter(old, new):
        return ADDITIVE, what, "copies that were close enough may be findings now"
    return BREAKING, what, "readers of the copies must expect other values than before"


def _is_stricter(old: Equality, new: Equality) -> bool:
    if old.mode in ("ignored", "at_creation") and new.mode == "compared":
        return True
    if old.mode != "compared" or new.mode != "compared":
        return False
    if any(isinstance(step, Mask | Hashed | TruncatedTo) for step in (*old.steps, *new.steps)):
        return False  # the copy holds something else, not something closer
    if new == EXACT:
        return True
    before, after = old.within, new.within
    same = old.steps[:-1] == new.steps[:-1] and before is not None and after is not None
    return same and _tighter(before, after)


def _tighter(before: Within | None, after: Within | None) -> bool:
    if before is None or after is None or (before.percent, before.seconds) != (after.percent, after.seconds):
        return False
    return after.amount < before.amount


def _reference_change(old: str | None, new: str | None) -> tuple[str, str, str]:
    what = _arrow("references", old, new)
    if old is None:
        return ADDITIVE, what, f"owner rows that refer to no {new} become findings"
    return BREAKING, what, f"nobody checks any longer that it refers to a {old}"


def _invariants(old: Contract, new: Contract) -> Iterator[Change]:
    before = {invariant.name: invariant.holds for invariant in old.invariants}
    after = {invariant.name: invariant.holds for invariant in new.invariants}
    for name, holds in after.items():
        subject, used = f"invariant {name}", tuple(sorted(holds.names))
        if name not in before:
            effect = "owner rows that break it become findings"
            yield Change(ADDITIVE, subject, f"added: {holds.text}", effect, (), used, holds.place)
        elif before[name] != holds:
            what = _arrow("holds", before[name].text, holds.text)
            yield Change(BREAKING, subject, what, "readers may rely on another rule", (), used, holds.place)
    for name, holds in before.items():
        if name not in after:
            used = tuple(sorted(holds.names))
            yield Change(BREAKING, f"invariant {name}", "removed", "nobody checks it any longer", (), used, holds.place)


# Replicas


def _replicas(old: Contract, new: Contract) -> Iterator[Change]:
    before = {replica.name: replica for replica in old.replicas}
    after = {replica.name: replica for replica in new.replicas}
    for name, replica in after.items():
        if name in before:
            yield from _replica(before[name], replica, old, new)
        else:
            yield _whole(ADDITIVE, replica, "added", "it is audited from now on")
    for name, replica in before.items():
        if name not in after:
            yield _whole(BREAKING, replica, "removed", "nobody audits this copy any longer")


def _whole(kind: str, replica: Replica, what: str, effect: str) -> Change:
    fields = tuple(mapped.field for mapped in replica.fields)
    return Change(kind, f"replica {replica.name}", what, effect, (replica.name,), fields, replica.place)


def _replica(old: Replica, new: Replica, old_contract: Contract, new_contract: Contract) -> Iterator[Change]:
    for name, (show, judge) in _REPLICA_PARTS.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            kind, effect = judge(before, after)
            what = _arrow(name, show(before), show(after))
            yield Change(kind, f"replica {new.name}", what, effect, (new.name,), place=new.place)
    yield from _key_maps(old, new)
    yield from _field_maps(old, new, old_contract, new_contract)


def _constant(kind: str, effect: str) -> Callable[[Any, Any], tuple[str, str]]:
    return lambda _before, _after: (kind, effect)


def _judge_lag(before: Any, after: Any) -> tuple[str, str]:
    if after > before:
        return BREAKING, "readers may see data that is older than before"
    return ADDITIVE, "the copy must follow its owner faster"


def _judge_completeness(_before: Any, after: Any) -> tuple[str, str]:
    if after == "partial":
        return BREAKING, "readers must expect rows to be missing"
    return ADDITIVE, "rows that are missing become findings"


def _judge_where(_before: Any, after: Any) -> tuple[str, str]:
    if after is None:
        return ADDITIVE, "the copy must hold every owner row"
    return BREAKING, "the copy is to hold other rows; rows that are out of scope become findings"


def _judge_ttl(before: Any, after: Any) -> tuple[str, str]:
    if after is not None and (before is None or after > before):
        return BREAKING, "readers may meet older entries, or none"
    return ADDITIVE, "entries that live longer become findings"


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> Any:
    return value and value.text


def _duration(value: Any) -> Any:
    return value if value is None else duration_text(value)


def _deletes_text(value: Any) -> Any:
    return f"soft ({value.column})" if value.mode == "soft" else value.mode


_REPLICA_PARTS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], tuple[str, str]]]] = {
    "service": (_same, _constant(NEUTRAL, "another service answers for the copy")),
    "dataset": (_same, _constant(BREAKING, "another dataset is audited")),
    "feed": (
        lambda value: value and f"{value.name}/{value.topic}",
        _constant(NEUTRAL, "its changes are followed elsewhere"),
    ),
    "lag_bound": (_duration, _judge_lag),
    "deletes": (_deletes_text, _constant(BREAKING, "deleted rows are treated differently")),
    "completeness": (_same, _judge_completeness),
    "where": (_text, _judge_where),
    "select": (_text, _constant(BREAKING, "other rows of the dataset are this copy")),
    "applied_by": (
        lambda value: value and f"{value.feed}/{value.group_id}",
        _constant(NEUTRAL, "lag is proved differently"),
    ),
    "format": (_same, _constant(BREAKING, "entries are read differently")),
    "ttl": (_duration, _judge_ttl),
}


def _key_maps(old: Replica, new: Replica) -> Iterator[Change]:
    before, after = _map_text(old.key), _map_text(new.key)
    if before != after and {m.field for m in old.key} == {m.field for m in new.key}:
        fields = tuple(mapped.field for mapped in new.key)
        effect = "rows are found under other names"
        yield Change(
            BREAKING, f"replica {new.name}", _arrow("key", before, after), effect, (new.name,), fields, new.place
        )


def _map_text(maps: tuple[FieldMap, ...]) -> str:
    return ", ".join(f"{mapped.field}: {_path_text(mapped)}" for mapped in maps)


def _path_text(mapped: FieldMap) -> str:
    return f"{mapped.path} ({mapped.timezone})" if mapped.timezone else mapped.path


def _field_maps(old: Replica, new: Replica, old_contract: Contract, new_contract: Contract) -> Iterator[Change]:
    before = {mapped.field: mapped for mapped in old.fields}
    after = {mapped.field: mapped for mapped in new.fields}
    for name, mapped in after.items():
        if name in before:
            inherited = mapped.equality == new_contract.fields[name].equality
            inherited = inherited and before[name].equality == old_contract.fields[name].equality
            yield from _field_map(before[name], mapped, new, inherited=inherited)
        elif name in old_contract.fields:  # else the new field has told already who must hold it
            what = f"holds {name} as {_path_text(mapped)}"
            yield _of_field(ADDITIVE, new, name, what, "the copy must hold it")
    for name in before:
        if name not in after and name in new_contract.fields:
            yield _of_field(BREAKING, new, name, f"no longer holds {name}", "readers lose it, and nobody audits it")


def _field_map(old: FieldMap, new: FieldMap, replica: Replica, *, inherited: bool) -> Iterator[Change]:
    if _path_text(old) != _path_text(new):
        what = _arrow(f"{new.field} kept as", _path_text(old), _path_text(new))
        yield _of_field(BREAKING, replica, new.field, what, "it is read under another name or zone")
    if old.equality != new.equality and not inherited:
        kind, what, effect = _equality_change(old.equality, new.equality)
        yield _of_field(kind, replica, new.field, f"{new.field} {what}", effect)


def _of_field(kind: str, replica: Replica, field: str, what: str, effect: str) -> Change:
    return Change(kind, f"replica {replica.name}", what, effect, (replica.name,), (field,), replica.place)


# Showing


def diff_text(diff: ContractDiff) -> str:
    """A diff for people: a line a change, the most serious first."""
    versions = f"version {_shown(diff.old_version)} → {_shown(diff.new_version)}"
    lines = [f"{diff.entity}: {versions}, {_count(diff)}"]
    for change in diff.changes:
        lines.append(f"  {change.kind:8}  {change.subject}: {change.what}")
        concerned = f" [{', '.join(change.replicas)}]" if change.replicas else ""
        if change.effect or concerned:
            lines.append(f"            {change.effect}{concerned}  ({change.place})")
    if diff.problem:
        lines.append(f"  error: {diff.problem}")
    return "\n".join(lines)


def _count(diff: ContractDiff) -> str:
    counts = [(kind, sum(change.kind == kind for change in diff.changes)) for kind in _CLASSES]
    return ", ".join(f"{count} {kind}" for kind, count in counts if count) or "no change"


def diff_json(diff: ContractDiff) -> dict[str, Any]:
    """A diff as data, for programs."""
    return {
        "entity": diff.entity,
        "old_version": diff.old_version,
        "new_version": diff.new_version,
        "breaking": diff.breaking,
        "problem": diff.problem or None,
        "changes": [_change_json(change) for change in diff.changes],
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "class": change.kind,
        "subject": change.subject,
        "what": change.what,
        "effect": change.effect,
        "replicas": list(change.replicas),
        "fields": list(change.fields),
        "place": str(change.place),
    }
