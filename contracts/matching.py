"""Which column of a replica holds which field, judged by names, types and sample values.

A pair of columns gets points for names that say the same (`orderTotal`, `order_total`, `total` in a table of orders),
for types that can hold the same values, and for sample values that occur on both sides.  The best pairs are taken
first, each column once.  A pair below `POINTS_MIN` is not proposed: a wrong proposal costs more than a missing one.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from contracts.recognition import Recognition

POINTS_MIN = 75
"""Points that a pair needs: names that agree, or similar names with values that agree."""
SAMPLES_MIN = 3
"""Fewer different values on a side prove nothing: 0 and 1 are everywhere."""
TELLING_SAMPLES_MIN = 5
"""Different values that a side needs where nothing but the values speaks for a pair."""
_TELLING_CHARACTERS_MIN = 4
_SAME_NAME, _SAME_WORDS, _SAME_CORE, _SIMILAR_MAX = 100, 90, 85, 69
_CONTAINED = 70
"""For `total` beside `total_amount`, where it is contained in no other name."""
_EXACTLY = 4
"""For rows that agree as they are, beside rows that an equality makes agree."""
_PREFIX_SHARE_MIN = 0.8

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]+|\d+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})")


@dataclass(frozen=True, slots=True)
class ColumnDescription:
    """One column as inference sees it.

    Attributes:
        name: The store's own spelling.
        store_type: The store's own name of the type, such as `numeric(10,2)`.
        logical: The logical type that carries every value of it; None where there is none.
        nullable: Whether it may be NULL.
        in_unique_key: Whether it belongs to a key that the store itself keeps unique.
        samples: Some of its values as text, NULLs left out.
        zone: How it tells time: `instant`, `local` (without a zone), empty for the rest.
        spelt_as_text: The store keeps text; `logical` is what every value of the sample is.
    """

    name: str
    store_type: str
    logical: LogicalType | None = None
    nullable: bool = True
    in_unique_key: bool = False
    samples: tuple[str, ...] = ()
    zone: str = ""
    spelt_as_text: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A replica's column that seems to hold a field, and why."""

    field: ColumnDescription
    column: ColumnDescription
    points: int
    reason: str
    contained: bool = False
    """Whether one name is merely a part of the other."""
    unnamed: bool = False
    """Whether the rows alone speak for it."""


def match_columns(
    fields: Sequence[ColumnDescription],
    columns: Sequence[ColumnDescription],
    entity: str,
    seen: Mapping[tuple[str, str], Recognition] | None = None,
) -> dict[str, Match]:
    """The likely column of each field, by the field's name; fields without one are left out.

    Args:
        fields: The owner's columns.
        columns: The replica's columns.
        entity: The entity's name, whose words say nothing within its own tables.
        seen: How the columns agree row by row, by field and column; None where no rows were put side by side.
    """
    empty = {*_words(entity), *_words(entity + "s")}
    names = _Names(empty | _common_prefix(fields), empty | _common_prefix(columns))
    judged = (
        _match(field, column, names, (seen or {}).get((field.name, column.name)))
        for field in fields
        for column in columns
    )
    pairs = [match for match in judged if match is not None]
    pairs = [match for match in pairs if not _is_ambiguous(match, pairs)]
    pairs.sort(key=lambda match: (-match.points, fields.index(match.field), columns.index(match.column)))
    taken: dict[str, Match] = {}
    used: set[str] = set()
    for match in pairs:
        if match.field.name in taken or match.column.name in used:
            continue
        if match.unnamed and _has_a_rival(match, pairs, taken, used):
            continue
        taken[match.field.name] = match
        used.add(match.column.name)
    return taken


def _has_a_rival(match: Match, pairs: Sequence[Match], taken: Mapping[str, Match], used: set[str]) -> bool:
    """Whether the rows speak as well for another pair: two columns that always hold the same cannot be told apart."""
    return any(
        other is not match
        and other.points >= match.points
        and (other.field is match.field or other.column is match.column)
        and other.field.name not in taken
        and other.column.name not in used
        for other in pairs
    )


def _match(
    field: ColumnDescription, column: ColumnDescription, names: _Names, seen: Recognition | None
) -> Match | None:
    affinity = _affinity(field.logical, column.logical)
    if affinity is None:
        return None
    named, why_named = names.points(field.name, column.name)
    valued, why_valued = _value_points(field, column, by_values_alone=not named)
    if seen is not None and seen.is_telling:
        points = _SAME_CORE + affinity + (0 if seen.equality else _EXACTLY)
        if points > named + affinity + valued:
            return Match(field, column, points, "recognised by its values", unnamed=True)
    points = named + affinity + valued
    reason = ", ".join(why for why in (why_named, why_valued) if why)
    return Match(field, column, points, reason, named == _CONTAINED) if points >= POINTS_MIN else None


def _is_ambiguous(match: Match, pairs: Sequence[Match]) -> bool:
    """Whether a name is contained in several: `amount` may be `tax_amount` as well as `total_amount`."""
    if not match.contained:
        return False
    rivals = [other for other in pairs if other.contained and other is not match]
    return any(other.field is match.field or other.column is match.column for other in rivals)


# Names


@dataclass(frozen=True, slots=True)
class _Names:
    empty_in_fields: set[str]
    empty_in_columns: set[str]

    def points(self, field: str, column: str) -> tuple[int, str]:
        if field == column:
            return _SAME_NAME, ""
        one, other = _words(field), _words(column)
        if one == other:
            return _SAME_WORDS, "the same name, spelt differently"
        core = [word for word in one if word not in self.empty_in_fields] or one
        other_core = [word for word in other if word not in self.empty_in_columns] or other
        if core == other_core:
            return _SAME_CORE, "the same name but for a common part"
        if _is_part(core, other_core) or _is_part(one, other):
            return _CONTAINED, "a part of the name"
        likeness = _likeness(core, other_core)
        return int(likeness * _SIMILAR_MAX), "a similar name" if likeness else ""


def _is_part(one: list[str], other: list[str]) -> bool:
    return set(one) < set(other) or set(other) < set(one)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)] or [name.lower()]


def _common_prefix(columns: Iterable[ColumnDescription]) -> set[str]:
    """The word that nearly all columns begin with, as in `ord_id, ord_total, ord_state`."""
    firsts = [words[0] for column in columns if len(words := _words(column.name)) > 1]
    total = sum(1 for _ in columns)
    word, count = Counter(firsts).most_common(1)[0] if firsts else ("", 0)
    return {word} if total >= SAMPLES_MIN and count >= _PREFIX_SHARE_MIN * total else set()


def _likeness(one: list[str], other: list[str]) -> float:
    shared = len(set(one) & set(other)) / len({*one, *other})
    spelt = SequenceMatcher(None, "".join(one), "".join(other)).ratio()
    return max(shared, spelt if spelt >= 0.7 else 0.0)  # noqa: PLR2004 - below it, likeness is chance


# Types

_NUMBERS = frozenset([Kind.INT, Kind.DECIMAL, Kind.FLOAT])
_MOMENTS = frozenset([Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL])
_AFFINE: dict[frozenset[Kind], int] = {
    frozenset([Kind.ENUM, Kind.TEXT]): 8,
    frozenset([Kind.BOOL, Kind.INT]): 3,
    frozenset([Kind.LIST, Kind.JSON]): 4,
    frozenset([Kind.UUID, Kind.BYTES]): 2,
    frozenset([Kind.DATE, Kind.TIMESTAMP]): 1,
    frozenset([Kind.DATE, Kind.TIMESTAMP_LOCAL]): 1,
}


def _affinity(one: LogicalType | None, other: LogicalType | None) -> int | None:
    """How well one type can hold the values of another, up to 10; None where it cannot."""
    if one is None or other is None:
        return 1
    kinds = frozenset([one.kind, other.kind])
    if len(kinds) == 1:
        return 10
    if kinds in _AFFINE:
        return _AFFINE[kinds]
    if kinds <= _NUMBERS or kinds <= _MOMENTS:
        return 5
    return 2 if Kind.TEXT in kinds else None


# Values


def _value_points(field: ColumnDescription, column: ColumnDescription, *, by_values_alone: bool) -> tuple[int, str]:
    one, other = {_plain(value) for value in field.samples}, {_plain(value) for value in column.samples}
    if min(len(one), len(other)) < SAMPLES_MIN:
        return 0, ""
    shared = one & other
    share = len(shared) / min(len(one), len(other))
    if by_values_alone and not _are_telling(shared):
        return 0, ""
    if not shared:
        return -10, ""
    return int(share * (POINTS_MIN if by_values_alone else 30)), "the same values"


def _are_telling(values: set[str]) -> bool:
    return len(values) >= TELLING_SAMPLES_MIN and all(len(value) >= _TELLING_CHARACTERS_MIN for value in values)


def _plain(value: str) -> str:
    """A value in a form that most stores would agree on."""
    text = value.strip()
    if moment := _MOMENT.match(text):
        return f"{moment[1]} {moment[2]}"  # fractions and zones are what copies lose
    if _UUID.match(text):
        return text.replace("-", "").lower()
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text.casefold()
    return f"{number.normalize():f}" if number.is_finite() and abs(number.adjusted()) < 50 else text  # noqa: PLR2004
