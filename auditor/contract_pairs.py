"""Rows of an owner beside the same rows of a copy, for inference: how each column of the one agrees with each field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import islice, permutations
from typing import TYPE_CHECKING

from contracts.inference import likely_key, likely_matches
from contracts.logical_types import Kind, LogicalType
from contracts.recognition import Pair, Recognition, recognise
from reconcilers.canonical import canonical
from reconcilers.ports import Keys, Wanted
from reconcilers.value_text import json_text, list_text, scalar_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from contracts.inference import DatasetDescription
    from contracts.matching import ColumnDescription
    from reconcilers.ports import RawRelation, Reader, Snapshot
    from reconcilers.workspace import Workspace

KEY_CANDIDATES_MAX = 5
"""Columns of a copy that are tried for its key where no name tells which it is."""
KEY_PARTS_GUESSED_MAX = 2
"""Parts of a key that are looked for so: with more, too many orders would have to be tried."""
FOUND_SHARE_MIN = 0.5
"""Of the owner's sampled keys: a column in which fewer are found is not the key."""
QUICK_PAIRS = 50
"""Rows that tell whether two columns without a common name are worth a closer look."""
VALUE_CHARACTERS_MAX = 4_000
_TEXT = LogicalType(Kind.TEXT)

Row = tuple[str | None, ...]
KeyText = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Sampled:
    """A described dataset with the rows that were looked at, one text a column."""

    description: DatasetDescription
    rows: Sequence[Row]
    reader: Reader


def with_recognitions(owner: Sampled, copy: Sampled, workspace: Workspace, entity: str = "") -> DatasetDescription:
    """The copy's description, with how its columns agree with the owner's fields row by row.

    Raises:
        StoreError: The copy cannot be read.
    """
    key = likely_key(owner.description, entity)
    types = {column.name: column.logical or _TEXT for column in owner.description.columns}
    position = {column.name: i for i, column in enumerate(owner.description.columns)}
    wanted: dict[KeyText, Row] = {}
    for row in owner.rows:
        text = tuple(read_as(row[position[name]], types[name]) for name in key)
        if key and None not in text:
            wanted[text] = row
    for columns in _key_columns(owner, copy, key, entity):
        found = _rows_of(copy, workspace, list(zip(columns, (types[name] for name in key), strict=True)), list(wanted))
        if len(found) >= FOUND_SHARE_MIN * len(wanted):
            beside = [(wanted[text], row) for text, row in found.items()]
            return replace(
                copy.description, recognised=_recognised(owner, copy, beside, dict(zip(key, columns, strict=True)))
            )
    return copy.description


def _key_columns(owner: Sampled, copy: Sampled, key: Sequence[str], entity: str) -> Iterator[tuple[str, ...]]:
    """The columns of the copy that may be its key: those that are called so, the others tried in turn."""
    matches = likely_matches(owner.description, copy.description, entity)
    named = {name: matches[name].column.name for name in key if name in matches}
    unnamed = [name for name in key if name not in named]
    if len(unnamed) > KEY_PARTS_GUESSED_MAX or not key:
        return
    others = _others(owner, copy, unnamed, set(named.values()))
    for columns in islice(permutations(others, len(unnamed)), KEY_CANDIDATES_MAX):
        parts = named | dict(zip(unnamed, columns, strict=True))
        yield tuple(parts[name] for name in key)


def _others(owner: Sampled, copy: Sampled, unnamed: Sequence[str], named: set[str]) -> list[str]:
    """Columns that may be a part of the key which no name tells, the likely ones first.

    Those that the store keeps unique (with the others, where the key has several parts), then those that share values.
    """
    keys = [columns for columns in copy.description.unique_keys if named <= set(columns)]
    unique = [name for columns in keys if len(columns) == len(named) + len(unnamed) for name in columns]
    held = {value for column in owner.description.columns if column.name in unnamed for value in column.samples}
    many = [column for column in copy.description.columns if len(column.samples) > 1]
    many.sort(key=lambda column: -len(held & set(column.samples)))
    return [name for name in dict.fromkeys([*unique, *(column.name for column in many)]) if name not in named]


def _rows_of(
    copy: Sampled, workspace: Workspace, key: Sequence[tuple[str, LogicalType]], wanted: Sequence[KeyText]
) -> dict[KeyText, Row]:
    """The copy's rows with these keys: by key, and where that cannot find every spelling, by a scan."""
    if not wanted:
        return {}
    columns = [Wanted(name, logical) for name, logical in key]
    values = [tuple(_spellings(part or "") for part in text) for text in wanted]
    items = [*columns, *(Wanted(column.name, column.logical or _TEXT) for column in copy.description.columns)]
    with copy.reader.snapshot(workspace) as snapshot:
        relation = snapshot.lookup(items, Keys(tuple(columns), values))
        found = _load(snapshot, workspace, relation, items, len(columns), wanted)
        if len(found) < len(wanted) and not all(column.exact for column in relation.columns[: len(columns)]):
            found = _load(snapshot, workspace, snapshot.scan(items), items, len(columns), wanted)
    return found


def _load(
    snapshot: Snapshot,
    workspace: Workspace,
    relation: RawRelation,
    items: Sequence[Wanted],
    parts: int,
    wanted: Sequence[KeyText],
) -> dict[KeyText, Row]:
    texts = [
        f"left({canonical(item.logical or _TEXT, raw).text}, {VALUE_CHARACTERS_MAX}) AS c{i}"
        for i, (item, raw) in enumerate(zip(items, relation.columns, strict=True))
    ]
    first = ", ".join(sorted({"'" + (text[0] or "").replace("'", "''") + "'" for text in wanted}))
    snapshot.load(
        f"SELECT * FROM (SELECT {', '.join(texts)} FROM {relation.sql}) WHERE c0 IN ({first})", "copies_of_sample"
    )
    asked = set(wanted)
    found: dict[KeyText, Row] = {}
    for row in workspace.cursor().execute("SELECT * FROM copies_of_sample").fetchall():
        if row[:parts] in asked:
            found.setdefault(row[:parts], row[parts:])
    return found


def _spellings(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys([text, text.upper(), text.lower()]))


def _recognised(
    owner: Sampled, copy: Sampled, beside: Sequence[tuple[Row, Row]], key: Mapping[str, str]
) -> dict[tuple[str, str], Recognition]:
    seen = len(beside)
    found = {pair: Recognition("", seen, seen, seen, seen) for pair in key.items()}
    for i, field in enumerate(owner.description.columns):
        logical = field.logical or _TEXT
        held = [read_as(row[i], logical) for row, _ in beside]
        for j, column in enumerate(copy.description.columns):
            if field.name in key or column.name in key.values():
                continue
            raw = [row[j] for _, row in beside]
            if told := _recognise(logical, held, raw, named=_is_named_alike(field, column)):
                found[field.name, column.name] = told
    return found


def _is_named_alike(field: ColumnDescription, column: ColumnDescription) -> bool:
    return field.name.replace("_", "").casefold() == column.name.replace("_", "").casefold()


def _recognise(
    logical: LogicalType, held: Sequence[str | None], raw: Sequence[str | None], *, named: bool
) -> Recognition | None:
    """How two columns agree; where no name speaks for them, the first rows decide whether it is worth asking."""

    def pairs(count: int) -> list[Pair]:
        both = zip(held[:count], raw[:count], strict=True)
        return [Pair(one, other, read_as(other, logical)) for one, other in both]

    if not named and len(held) > QUICK_PAIRS:
        quick = recognise(logical, pairs(QUICK_PAIRS))
        if quick is not None and not quick.agrees:
            return None
    return recognise(logical, pairs(len(held)))


@cache
def _parsed(text: str, logical: LogicalType) -> str | None:
    if logical.kind in (Kind.TEXT, Kind.ENUM):
        return text
    if logical.kind is Kind.JSON:
        return json_text(text)
    if logical.element is not None:
        return list_text(text, logical.element)
    found = scalar_text(text, logical)
    if found is None and logical.kind is Kind.TIMESTAMP:  # without a zone: most are in UTC, and the rows tell
        return scalar_text(f"{text}Z", logical)
    return found


def read_as(text: str | None, logical: LogicalType) -> str | None:
    """A value's canonical text under a type; None for NULL and for what is no value of it."""
    return None if text is None else _parsed(text, logical)
