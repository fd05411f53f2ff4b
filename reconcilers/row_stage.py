"""The row stage: full rows of the keys that may differ, compared field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.equality import Hashed, Mask, TruncatedTo
from contracts.logical_types import Kind
from reconcilers.canonical import Canonical
from reconcilers.equality_sql import equal, replica_type
from reconcilers.finding import FieldDifference
from reconcilers.flaws import NO_DISGUISE, PADDING, WORD, Disguise
from reconcilers.projection import compared_fields, key_sql
from reconcilers.row_keys import key_text, key_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from contracts.contract import Contract, Replica
    from contracts.equality import Equality
    from reconcilers.finding import KeyText
    from reconcilers.projection import Compared, Side

_MADE_OF_IT: dict[type, tuple[str, str]] = {
    Mask: ("unmasked", "masked"),
    Hashed: ("unhashed", "hashed"),
    TruncatedTo: ("uncut", "cut"),
}
"""What a copy makes of the owner's value: in words, where it did not, and where it should."""
UNKNOWN_VALUE = "the feed does not tell what one side holds"
"""Of a field that could not be compared; it is no difference."""
UNKNOWN_CONSTANT = "whether the replica's value is its constant, only `audit reconcile` tells"
"""Of a redacted field in a look at some rows: which constant it should hold only the whole replica tells."""
UNKNOWN = (UNKNOWN_VALUE, UNKNOWN_CONSTANT)
"""How the notes begin of fields of which it is not known whether they differ."""
_OWN_VALUE = f"{UNKNOWN_CONSTANT}; it is the owner's value, not redacted"
_TO_BE_REDACTED = "the replica is to hold NULL, or the same constant in every row"


@dataclass(frozen=True, slots=True)
class _Taken:
    """How a fetched value is taken: as it is, without blanks at its end, or as the number that a negative one was."""

    stripped: bool = False
    unwrapped: bool = False


_AS_IT_IS = _Taken()


@dataclass(frozen=True, slots=True)
class Fetched:
    """One side's fetched rows.

    Attributes:
        table: The workspace's table (or view) made from `row_stage`.
        side: The side as it was compiled for it.
    """

    table: str
    side: Side


def row_stage(contract: Contract, side: Side, fields: Sequence[str], where: str = "", extra: Sequence[str] = ()) -> str:
    """SELECT of full rows: the key, and of each field canonical value, text, odd, bad, unknown, and may be NULL.

    Args:
        contract: The entity's.
        side: The side, compiled for the relation that the rows come from.
        fields: Contract names, in the order in which they are compared.
        where: A WHERE clause, or empty.
        extra: Further columns, each as `sql AS name`.
    """
    columns = [f'{key_sql(contract.fields[name].type, side.of(name))} AS "k{i}"' for i, name in enumerate(contract.key)]
    for i, name in enumerate(fields):
        form = side.of(name)
        columns += [f'{form.value} AS "v{i}"', f'{_shown(contract, name, form.text)} AS "t{i}"']
        columns += [f'{form.odd or "false"} AS "o{i}"', f'{form.bad or "false"} AS "b{i}"']
        column = side.columns[name]
        columns += [f'{column.unknown or "false"} AS "u{i}"', f'{column.or_null or "false"} AS "e{i}"']
    return f"SELECT {', '.join([*columns, *extra])} FROM {side.relation.sql}{where}"


def _shown(contract: Contract, name: str, text: str) -> str:
    """A decimal that was read with more digits than declared shows those beyond only where they are not zero."""
    declared = contract.fields[name].type
    if declared.kind is not Kind.DECIMAL:
        return text
    kept = f"[.][0-9]{{{declared.scale}}}" if declared.scale else "[.]"
    trimmed = rf"regexp_replace({text}, '({kept}[0-9]*?)0+$', '\1')"
    return trimmed if declared.scale else f"rtrim({trimmed}, '.')"


def differences(
    cursor: duckdb.DuckDBPyConnection,
    contract: Contract,
    replica: Replica,
    rows: tuple[Fetched, Fetched],
    constants: Mapping[str, str],
    disguise: Disguise = NO_DISGUISE,
) -> dict[KeyText, tuple[FieldDifference, ...]]:
    """Compare fetched rows field by field; keys that stand on both sides only.

    Args:
        cursor: Of the workspace.
        contract: The entity's.
        replica: Whose copy it is.
        rows: The owner's and the replica's, with the compared fields in the order of the replica's maps.
        constants: SQL literal of the constant of each redacted field; of one that is not named it is not known, and
            NULL alone is known to be right.
        disguise: What the feeds may have made of values.

    Returns:
        The differing fields of each key, empty where the rows are equal.
    """
    owner, copy = rows
    fields = compared_fields(contract, replica)
    columns = []
    for i, compared in enumerate(fields):
        same = same_sql(i, compared, owner.side, copy.side, constants)
        # what a redacted field is to hold does not depend on what its owner holds
        unknown = f"r.u{i}" if compared.equality.mode == "redacted" else f"(o.u{i} OR r.u{i})"
        ways = {"p": _padding(compared, disguise), "w": _wrapping(compared, disguise)}
        sides = (owner.side, copy.side)
        asked = [f"'{name}': {_any_sql(i, compared, sides, constants, some)}" for name, some in ways.items()]
        told = f"{{'i': {i}, 'o': o.t{i}, 'r': r.t{i}, 'u': {unknown}, {', '.join(asked)}}}"
        columns.append(f"CASE WHEN NOT {unknown} AND {same} THEN NULL ELSE {told} END")
    differing = f"list_filter([{', '.join(columns)}], lambda x: x IS NOT NULL)" if columns else "[]"
    on = " AND ".join(f"o.k{i} = r.k{i}" for i in range(len(contract.key)))
    found = cursor.execute(
        f"SELECT {differing}, {', '.join(key_texts(contract, 'o.'))} "
        f'FROM "{owner.table}" o JOIN "{copy.table}" r ON {on}'
    ).fetchall()
    return {key_text(contract, row[1:]): _field_differences(fields, row[0], constants, disguise) for row in found}


def same_sql(
    i: int,
    compared: Compared,
    owner: Side,
    replica: Side,
    constants: Mapping[str, str],
    taken: tuple[_Taken, _Taken] = (_AS_IT_IS, _AS_IT_IS),
) -> str:
    """SQL condition, never NULL: the i-th field of two fetched rows counts as the same.

    Args:
        i: Its place among the compared fields.
        compared: The field.
        owner: The owner's side, whose rows are called `o`.
        replica: The replica's, whose rows are called `r`.
        constants: See `differences`.
        taken: How the values of the owner and of the replica are taken.
    """
    kind = compared.logical.kind
    left = _fetched(f"o.%s{i}", owner, compared.name, kind, taken[0])
    right = _fetched(f"r.%s{i}", replica, compared.name, kind, taken[1])
    if compared.equality.mode == "redacted":
        constant = constants.get(compared.name, "NULL")
        held = f"{right.text} = {_without_blanks(constant) if taken[1].stripped else constant}"
        maybe = f" OR r.e{i}" if replica.columns[compared.name].or_null else ""
        return f"(coalesce(r.t{i} IS NULL OR {held}, false){maybe})"
    same = equal(left, right, compared.logical, compared.equality)
    if owner.columns[compared.name].or_null:
        same = f"({same} OR (o.e{i} AND r.t{i} IS NULL))"
    if replica.columns[compared.name].or_null:
        same = f"({same} OR (r.e{i} AND o.t{i} IS NULL))"
    return same


def _padding(compared: Compared, disguise: Disguise) -> list[tuple[_Taken, _Taken]]:
    """The ways to take two values of a field of which blanks at the end may be padding."""
    types = (compared.logical, replica_type(compared.logical, compared.equality))
    owner, copy = (
        (False, True) if compared.name in names and one.kind is Kind.TEXT else (False,)
        for names, one in zip(disguise.padded, types, strict=True)
    )
    return [(_Taken(left), _Taken(right)) for left in owner for right in copy if left or right]


def _wrapping(compared: Compared, disguise: Disguise) -> list[tuple[_Taken, _Taken]]:
    """The way to take an owner's value that its connector may have wrapped; what a redacted copy holds is no such."""
    logical = compared.logical
    if compared.name not in disguise.wrapped or logical.kind not in _UNWRAPPED or compared.equality.mode == "redacted":
        return []
    return [] if logical.kind is Kind.DECIMAL and logical.scale > _SCALE_MAX else [(_Taken(unwrapped=True), _AS_IT_IS)]


def _any_sql(
    i: int,
    compared: Compared,
    sides: tuple[Side, Side],
    constants: Mapping[str, str],
    ways: Sequence[tuple[_Taken, _Taken]],
) -> str:
    """SQL condition, never NULL: the i-th field would count as the same if it were taken in one of these ways."""
    return " OR ".join(f"({same_sql(i, compared, *sides, constants, way)})" for way in ways) or "false"


_UNWRAPPED = {
    Kind.INT: f"(CAST({{0}} AS HUGEINT) + if({{0}} < 0, {WORD}::HUGEINT, 0))",
    Kind.DECIMAL: f"if({{0}} < 0, {{0}} + {WORD}::DECIMAL(20, 0), {{0}})",
    Kind.FLOAT: f"if({{0}} < 0, {{0}} + {WORD}::DOUBLE, {{0}})",
    Kind.TEXT: "if(regexp_full_match({0}, '-[0-9]{{1,19}}'), "
    f"CAST(TRY_CAST({{0}} AS HUGEINT) + {WORD} AS VARCHAR), {{0}})",
}
"""SQL of the number that a negative one was, by what the contract takes it for."""
_SCALE_MAX = 38 - 20
"""Digits behind the point of a decimal that has room for 64 bits before it."""


def _fetched(pattern: str, side: Side, name: str, kind: Kind, taken: _Taken) -> Canonical:
    """The canonical form of a column that `row_stage` brought, under its new names."""
    form = side.of(name)
    value, text = (pattern % part for part in "vt")
    if taken.stripped:
        value, text = _without_blanks(value), _without_blanks(text)
    if taken.unwrapped:
        value = _UNWRAPPED[kind].format(value)
        text = value if kind is Kind.TEXT else text
    return Canonical(value, text, pattern % "o" if form.odd else "", pattern % "b" if form.bad else "")


def _without_blanks(text: str) -> str:
    return f"rtrim({text}, ' ')"


def texts_of(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str, names: Sequence[str]
) -> dict[KeyText, tuple[str | None, ...]]:
    """Some columns of fetched rows, by key; empty where none is asked for."""
    if not names:
        return {}
    columns = ", ".join([*key_texts(contract), *names])
    found = cursor.execute(f'SELECT {columns} FROM "{table}"').fetchall()
    parts = len(contract.key)
    return {key_text(contract, row[:parts]): row[parts:] for row in found}


def _field_differences(
    fields: Sequence[Compared], differing: list[dict[str, Any]], constants: Mapping[str, str], disguise: Disguise
) -> tuple[FieldDifference, ...]:
    return tuple(_field_difference(fields[item["i"]], item, constants, disguise) for item in differing)


def _field_difference(
    compared: Compared, item: Mapping[str, Any], constants: Mapping[str, str], disguise: Disguise
) -> FieldDifference:
    owner, replica = item["o"], item["r"]
    if item["u"]:
        return FieldDifference(compared.name, owner, replica, UNKNOWN_VALUE)
    if item["p"] or item["w"]:
        why = PADDING if item["p"] else disguise.wrapped[compared.name]
        return FieldDifference(compared.name, owner, replica, f"{UNKNOWN_VALUE}: {why}")
    if compared.equality.mode == "redacted" and compared.name not in constants:
        return FieldDifference(compared.name, owner, replica, _OWN_VALUE if owner == replica else UNKNOWN_CONSTANT)
    return FieldDifference(compared.name, owner, replica, _what_it_is_to_hold(compared.equality, owner, replica))


def _what_it_is_to_hold(equality: Equality, owner: str | None, replica: str | None) -> str:
    """What a copy that is to hold something else than the owner's value holds: the two shown values do not say it."""
    plain = owner is not None and owner == replica
    if equality.mode == "redacted":
        return "the replica holds the owner's value, not redacted" if plain else _TO_BE_REDACTED
    for step in equality.steps:
        told = _MADE_OF_IT.get(type(step))
        if told is not None:
            lacking, made = told
            wanted = f"{made} to {step.length} characters" if isinstance(step, TruncatedTo) else made
            if plain:
                return f"the replica holds the owner's value {lacking}"
            return f"the replica is to hold the owner's value {wanted}"
    return ""
