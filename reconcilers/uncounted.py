"""Keys of rows of which it is not known whether they count: a feed does not tell what a condition depends on.

Such a row is looked at as if it counted, and what is found under its key is undecided; so is what agrees, for the row
may be none that is to be compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconcilers.row_keys import READ_AT_ONCE, key_text, key_texts, live

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.finding import KeyText
    from reconcilers.opened import Projected
    from reconcilers.sight import Sight


def sentence(whose: str, why: str) -> str:
    """Why it is not known whether something holds of a row.

    Args:
        whose: The side whose feed leaves it open.
        why: What is not told, and what depends on it: see `reconcilers.open_condition.reason`.
    """
    return f"the feed of {whose} does not tell for certain what {why}"


def uncertain(sights: Iterable[Sight], uncounted: Mapping[KeyText, str]) -> Iterator[Sight]:
    """What is wrong with rows by themselves, which it is not if they do not count."""
    for sight in sights:
        why = "" if sight.doubt else uncounted.get(sight.finding.key or (), "")
        yield replace(sight, doubt=why) if why else sight


def uncounted_at_owner(cursor: duckdb.DuckDBPyConnection, contract: Contract, owner: Projected) -> dict[KeyText, str]:
    """Keys of rows that the owner may not have, whatever its replicas are to hold, each with why."""
    column = owner.projection.doubts.get("")
    return {key: why for key, why, _ in _found(cursor, contract, owner, "the owner", column, "false")} if column else {}


def uncounted_keys(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, replica: Replica, sides: tuple[Projected, Projected]
) -> tuple[dict[KeyText, str], list[KeyText]]:
    """Keys of rows that the replica may not be to hold, or may not hold: each with why; and those that both sides have.

    Args:
        cursor: Of the workspace.
        contract: The entity's.
        replica: Whose copy it is.
        sides: The owner and the replica, scanned.
    """
    owner, copy = sides
    name, scope = replica.name, owner.projection.scopes.get(replica.name, "true")
    whys: dict[KeyText, str] = {}
    paired: list[KeyText] = []
    if column := owner.projection.doubts.get(name):
        for key, why, is_held in _found(
            cursor, contract, owner, "the owner", column, _among(copy, live(copy.projection))
        ):
            whys[key] = why
            paired += [key] if is_held else []
    if column := copy.projection.doubts.get(name):
        owned = _among(owner, f"{live(owner.projection)} AND {scope}")
        for key, why, is_owned in _found(cursor, contract, copy, name, column, owned):
            whys.setdefault(key, why)
            paired += [key] if is_owned else []
    if column := copy.projection.filter_doubt:  # where the owner has the key, its own row decides about the filter
        alone = _found(cursor, contract, copy, name, column, _among(owner, "k0 IS NOT NULL"))
        whys = {key: why for key, why, is_owned in alone if not is_owned} | whys
    return whys, paired


def _among(side: Projected, rows: str) -> str:
    """SQL condition: a side has a key, in rows of a kind."""
    keys = ", ".join(side.projection.keys)
    return f'({keys}) IN (SELECT ({keys}) FROM "{side.table}" WHERE {rows})'


def _found(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, side: Projected, whose: str, column: str, condition: str
) -> Iterator[tuple[KeyText, str, bool]]:
    """The keys of the rows in doubt, each with why, and whether a condition holds of it."""
    texts = ", ".join(key_texts(contract))
    whole = " AND ".join(f"{key} IS NOT NULL" for key in side.projection.keys)
    result = cursor.execute(
        f'SELECT {column}, {condition}, {texts} FROM "{side.table}" WHERE {column} IS NOT NULL AND {whole}'
    )
    sentences: dict[str, str] = {}  # one for all keys of a kind: there may be many
    while rows := result.fetchmany(READ_AT_ONCE):
        for why, holds, *parts in rows:
            yield key_text(contract, parts), sentences.setdefault(why, sentence(whose, why)), holds
