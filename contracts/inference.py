"""A first contract from what the stores say about themselves, as YAML with comments for people.

Facts are written down: key, types, which column seems to hold which field, what a copy's type can keep.  Intent is
never guessed: how far a copy may trail, what becomes of deleted rows and whether every row must be there stay blank,
and `audit contracts check` asks for them by name.  Sample values help to match columns and never reach the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from contracts.document import read_name
from contracts.logical_types import Kind, LogicalType, parse_logical_type
from contracts.matching import SAMPLES_MIN, ColumnDescription, Match, match_columns
from contracts.proposed_equality import ProposedEquality, propose_equality

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from contracts.recognition import Recognition

_PLAIN = re.compile(r"[^\W\d]\w*\Z")
_PLAIN_DATASET = re.compile(r"\w+/[\w./-]*\w\Z")
_YAML_WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_PERSONAL = re.compile(
    r"e_?mail|phone|mobile|password|passwd|secret|token|iban|(credit_?)?card_?n|birth|(first|last|sur|given|family)_?name"
    r"|street|tax_?(id|number)|ssn|passport",
    re.IGNORECASE,
)
_CHANGED_AT = ("updated_at", "modified_at", "changed_at", "last_modified", "last_updated", "update_time", "updated")
_DAY, _CLOCK = r"\d{4}-\d{2}-\d{2}", r"\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
_TEXT_TYPES = (
    (Kind.UUID, "", re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")),
    (Kind.TIMESTAMP, "instant", re.compile(rf"{_DAY}[T ]{_CLOCK}(Z|[+-]\d{{2}}(:?\d{{2}})?)\Z")),
    (Kind.TIMESTAMP, "local", re.compile(rf"{_DAY}[T ]{_CLOCK}\Z")),
    (Kind.DATE, "", re.compile(rf"{_DAY}\Z")),
)
"""What texts may be, and how it tells time; a time without a zone is in the connection's."""
_DELETED = re.compile(r"(is_)?deleted(_at)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DatasetDescription:
    """A dataset as inference sees it.

    Attributes:
        dataset: CONNECTION/RELATION.
        columns: In the store's order.
        unique_keys: Sets of columns that the store itself keeps unique and never NULL, the primary key first.
        nullable_keys: Sets of columns that the store keeps unique, of which some may be NULL.
        recognised: Of a copy: how its columns agree with the owner's, row by row, by field and column.
    """

    dataset: str
    columns: tuple[ColumnDescription, ...]
    unique_keys: tuple[tuple[str, ...], ...] = ()
    recognised: Mapping[tuple[str, str], Recognition] = field(default_factory=dict)
    nullable_keys: tuple[tuple[str, ...], ...] = ()


def infer_contract(owner: DatasetDescription, replicas: Sequence[DatasetDescription] = (), *, entity: str = "") -> str:
    """A first contract as YAML; it loads once the blanks are filled.

    Args:
        owner: The dataset that decides.
        replicas: The datasets that hold copies.
        entity: The entity's name; else it is taken from the owner's relation.
    """
    entity = entity or _entity(owner.dataset)
    columns = _usable(owner)
    key = likely_key(owner, entity)
    lines = [*_head(owner, entity), *_owner(owner, columns), *_key_lines(owner, key), *_fields(owner, columns, key)]
    lines += _replicas(columns, key, replicas, entity)
    return "\n".join(lines) + "\n"


def with_text_types(owner: DatasetDescription) -> DatasetDescription:
    """The owner with what its texts are: a store without a type of its own keeps uuids and times as text.

    Every value that was seen must be one; what a field is called says nothing.
    """
    return replace(owner, columns=tuple(map(_with_text_type, owner.columns)))


def _with_text_type(column: ColumnDescription) -> ColumnDescription:
    if column.logical is None or column.logical.kind is not Kind.TEXT or len(column.samples) < SAMPLES_MIN:
        return column
    for kind, zone, pattern in _TEXT_TYPES:
        if all(pattern.match(value) for value in column.samples):
            return replace(column, logical=LogicalType(kind), zone=zone, spelt_as_text=True)
    return column


def likely_key(owner: DatasetDescription, entity: str = "") -> tuple[str, ...]:
    """The owner's key: the store's own, else the column that is called like one, else nothing."""
    return _key(owner, _usable(owner), entity or _entity(owner.dataset))


def likely_matches(owner: DatasetDescription, copy: DatasetDescription, entity: str = "") -> dict[str, Match]:
    """The likely column of each field of the owner; see `contracts.matching`."""
    return match_columns(_usable(owner), copy.columns, entity or _entity(owner.dataset), copy.recognised)


def _usable(owner: DatasetDescription) -> tuple[ColumnDescription, ...]:
    return tuple(column for column in owner.columns if _is_name(column.name))


def _head(owner: DatasetDescription, entity: str) -> list[str]:
    return [
        f"# A first contract for {_note(owner.dataset)}, written by `audit contracts infer`. Check every line.",
        "# What is left blank is for people to decide; `audit contracts check` asks for it.",
        f"entity: {_scalar(entity)}",
        "version: 1",
        "# description: what it is, in a sentence",
        "# team: who answers for it",
    ]


# The owner


def _owner(owner: DatasetDescription, columns: Sequence[ColumnDescription]) -> Iterator[str]:
    yield "owner:"
    yield f"  service: {_scalar(_connection(owner.dataset))}  # the connection's name; write the service's own"
    yield f"  dataset: {_dataset(owner.dataset)}"
    changed = _changed_at(columns)
    if changed:
        yield f"  changed_at: {_scalar(changed)}  # {{field: …, maintained_by: database}} where a trigger keeps it"
    else:
        yield "  # changed_at: the field that tells when a row last changed"
    deleted = next((column.name for column in columns if _DELETED.match(column.name)), None)
    if deleted:
        yield f"  # soft_delete: {{field: {_note(deleted)}}}  # if a flagged row counts as deleted"


def _changed_at(columns: Sequence[ColumnDescription]) -> str:
    moments = (Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL)
    names = {c.name.lower(): c.name for c in columns if c.logical is not None and c.logical.kind in moments}
    return next((names[name] for name in _CHANGED_AT if name in names), "")


def _key(owner: DatasetDescription, columns: Sequence[ColumnDescription], entity: str) -> tuple[str, ...]:
    """The store's own key, else the column that is called like one."""
    names = {column.name for column in columns}
    known = [unique for unique in (*owner.unique_keys, *owner.nullable_keys) if unique and set(unique) <= names]
    if known:
        return known[0]
    likely = ("id", "uuid", f"{entity}_id".lower(), f"{entity}id".lower())
    return next(((column.name,) for wanted in likely for column in columns if column.name.lower() == wanted), ())


def _key_lines(owner: DatasetDescription, key: tuple[str, ...]) -> Iterator[str]:
    if not key:
        yield "key:  # decide: the fields that tell rows apart; the store keeps no unique key"
        return
    kept = any(set(key) == set(unique) for unique in owner.unique_keys)
    note = "" if kept else "  # the store does not keep it unique; make sure that it tells rows apart"
    if any(set(key) == set(unique) for unique in owner.nullable_keys):
        note = "  # unique there, but the store lets it be NULL"
    yield f"key: [{', '.join(_scalar(name) for name in key)}]{note}"


def _fields(owner: DatasetDescription, columns: Sequence[ColumnDescription], key: tuple[str, ...]) -> Iterator[str]:
    yield "fields:"
    for column in columns:
        yield from _field(column, is_key=column.name in key)
    for column in owner.columns:
        if column not in columns:
            yield f"  # left out, since no field can be called so: {_note(column.name)}"
    yield "# invariants:"
    yield '#   - {name: total_adds_up, holds: "total = net + tax"}'


def _field(column: ColumnDescription, *, is_key: bool) -> Iterator[str]:
    declared, note = _declared(column)
    parts = [f"type: {_type_text(declared)}"]
    if _PERSONAL.search(column.name):
        parts.append("sensitive: true")
    notes = [note] if note else []
    reference = column.name.lower().removesuffix("_id")
    if not is_key and reference != column.name.lower() and declared.kind in (Kind.INT, Kind.UUID, Kind.TEXT):
        notes.append(f"references: {_note(reference)}?")
    if column.zone == "local" and declared.kind is Kind.TIMESTAMP:
        notes.append("has no zone: taken in the connection's, or write timestamp(local)")
    yield f"  {_scalar(column.name)}: {{{', '.join(parts)}}}{_comment(notes)}"


def _declared(column: ColumnDescription) -> tuple[LogicalType, str]:
    if column.spelt_as_text and column.logical is not None:
        return (
            column.logical,
            f"kept as {_note(column.store_type or 'text')}; all {len(column.samples)} values seen are",
        )
    if column.logical is None:
        return LogicalType(Kind.TEXT), f"{_note(column.store_type)} has no counterpart; read as text"
    try:
        same = parse_logical_type(str(column.logical)) == column.logical
    except ValueError:
        same = False
    if not same:
        return LogicalType(Kind.TEXT), f"the members of {_note(column.store_type)} cannot be written as an enum"
    return column.logical, ""


# Replicas


def _replicas(
    fields: Sequence[ColumnDescription], key: tuple[str, ...], replicas: Sequence[DatasetDescription], entity: str
) -> Iterator[str]:
    if not replicas:
        yield "# replicas:"
        yield "#   - {service: reporting, dataset: CONNECTION/RELATION, lag_bound: 5m}"
        return
    yield "replicas:"
    names: set[str] = set()
    for replica in replicas:
        yield from _replica(fields, key, replica, entity, names)


def _replica(
    fields: Sequence[ColumnDescription],
    key: tuple[str, ...],
    replica: DatasetDescription,
    entity: str,
    names: set[str],
) -> Iterator[str]:
    service = _connection(replica.dataset)
    yield f"  - service: {_scalar(service)}  # the connection's name; write the service's own"
    if service in names:
        service = _free(replica.dataset, names)
        yield f"    name: {_scalar(service)}"
    names.add(service)
    yield f"    dataset: {_dataset(replica.dataset)}"
    matches = match_columns(fields, replica.columns, entity, replica.recognised)
    yield from _key_map(key, matches)
    yield from _field_maps(fields, key, matches, replica.recognised)
    yield from _left_over(fields, replica, matches)
    yield "    lag_bound:  # decide: how long may it trail its owner, such as 5m?"
    yield "    deletes:  # decide: when the owner's row goes: propagate, keep or {soft: COLUMN}?"
    yield "    completeness:  # decide: full where every owner row must be here, else partial"


def _key_map(key: tuple[str, ...], matches: dict[str, Match]) -> Iterator[str]:
    if all(name in matches and matches[name].column.name == name for name in key):
        return
    yield "    key:"
    for name in key:
        if name in matches:
            match = matches[name]
            yield f"      {_scalar(name)}: {_scalar(match.column.name)}{_comment([match.reason])}"
        else:
            yield f"      {_scalar(name)}:  # decide: which column of the copy holds it?"


def _field_maps(
    fields: Sequence[ColumnDescription],
    key: tuple[str, ...],
    matches: dict[str, Match],
    recognised: Mapping[tuple[str, str], Recognition],
) -> Iterator[str]:
    compared = [matches[field.name] for field in fields if field.name in matches and field.name not in key]
    yield (
        "    fields:"
        if compared
        else "    fields: []  # none was recognised; without this line: all under the same names"
    )
    for match in compared:
        proposal = _proposed(match, recognised.get((match.field.name, match.column.name)))
        path = _scalar(match.column.name)
        if proposal.text:
            path = f"{{path: {path}, equality: {_scalar_text(proposal.text)}}}"
        yield f"      {_scalar(match.field.name)}: {path}{_comment([match.reason, proposal.note])}"


def _proposed(match: Match, seen: Recognition | None) -> ProposedEquality:
    """What the rows show, where they show it; else what the types of both columns suggest."""
    by_type = propose_equality(match.field, match.column)
    if seen is None:
        return by_type
    if seen.equality:
        return ProposedEquality(seen.equality, seen.note)
    return ProposedEquality(by_type.text, "; ".join(part for part in (by_type.note, seen.note) if part))


def _left_over(
    fields: Sequence[ColumnDescription], replica: DatasetDescription, matches: dict[str, Match]
) -> Iterator[str]:
    used = {match.column.name for match in matches.values()}
    unused = [column.name for column in replica.columns if column.name not in used]
    missing = [field.name for field in fields if field.name not in matches]
    if unused:
        yield f"    # columns that no field was recognised in: {', '.join(_note(name) for name in unused)}"
    if missing:
        yield f"    # fields that no column was recognised for: {', '.join(_note(name) for name in missing)}"


def _free(dataset: str, names: set[str]) -> str:
    wanted = dataset.replace("/", "-")
    return next(name for n in range(1, len(names) + 2) if (name := wanted if n == 1 else f"{wanted}-{n}") not in names)


# Names and YAML


def _connection(dataset: str) -> str:
    return dataset.partition("/")[0]


def _entity(dataset: str) -> str:
    """`orders_db/public.orders` → `order`."""
    relation = dataset.partition("/")[2] or dataset
    last = re.sub(r"\.(parquet|csv|jsonl|json|ndjson)\Z", "", relation.rpartition("/")[2]).rpartition(".")[2]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last).lower()
    for plural, singular in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if name.endswith(plural):
            return name.removesuffix(plural) + singular
    return name if name.endswith("ss") else name.removesuffix("s") or name


def _is_name(name: str) -> bool:
    """Whether a field can be called so."""
    try:
        read_name(name)
    except ValueError:
        return False
    return True


def _scalar(text: str) -> str:
    """A text as a YAML scalar, in quotes where it could be read as anything else."""
    plain = _PLAIN.match(text) and text.lower() not in _YAML_WORDS
    return text if plain else _quoted(text)


def _scalar_text(text: str) -> str:
    """An equality as YAML: words as they are, a mapping or a list in its own brackets."""
    return text if re.fullmatch(r"[\w. ]+", text) or text[0] in "{[" else _quoted(text)


def _dataset(text: str) -> str:
    return text if _PLAIN_DATASET.match(text) else _quoted(text)


def _quoted(text: str) -> str:
    """A text in double quotes, in which nothing can end the line or hide."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


def _type_text(logical: LogicalType) -> str:
    text = str(logical)
    return text if re.fullmatch(r"[a-z]+(<[a-z]+>)?", text) else _quoted(text)


def _note(text: str) -> str:
    """A name within a comment: nothing in it can end the line."""
    return text if re.fullmatch(r"[\w./()<>, -]+", text) else _quoted(text)


def _comment(notes: Sequence[str]) -> str:
    told = "; ".join(note for note in notes if note)
    return f"  # {told}" if told else ""
