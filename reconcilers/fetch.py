"""Rows fetched by key, in the spelling that the store was seen to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.finding import KeyText
from reconcilers.ports import Keys
from reconcilers.projection import compile_side
from reconcilers.row_keys import key_text, key_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from contracts.contract import Contract
    from reconcilers.opened import Opened, Projected
    from reconcilers.projection import Item, Side

FETCH_KEYS_MAX = 10_000
"""Keys fetched from a store at a time: a few hundred kilobytes of statement, a few megabytes of rows."""

SpelledKey = tuple[KeyText, tuple[str | None, ...]]
"""A key in canonical text, and as the store spells it where the canonical form does not determine that (else empty)."""


def fetch_side(
    contract: Contract, opened: Opened, keys: Sequence[SpelledKey], items: Sequence[Item] | None = None
) -> Side:
    """One side's rows with (at least) these keys, compiled anew: by key, columns may arrive another way than by scan.

    Args:
        contract: The entity's.
        opened: The side.
        keys: At most FETCH_KEYS_MAX.
        items: What to fetch; None fetches everything that is read of this side.
    """
    chosen = opened.items if items is None else items
    columns = tuple(item.wanted for item in opened.key_items(contract))
    with opened.noticing():
        relation = opened.snapshot.lookup(
            [item.wanted for item in chosen], Keys(columns, [spellings(key) for key in keys])
        )
    return compile_side(chosen, relation)


def spellings(key: SpelledKey) -> tuple[tuple[str, ...], ...]:
    """Of each part of a key, how the store may spell it."""
    texts, spelled = key
    if spelled:
        return tuple((spelling,) for spelling in spelled if spelling is not None)
    return tuple((text or "",) for _, text in texts)


def spelled_keys(
    cursor: duckdb.DuckDBPyConnection,
    contract: Contract,
    projected: Projected,
    condition: str,
    *,
    most: int | None = None,
) -> Iterator[list[SpelledKey]]:
    """The keys of a projection's rows that meet a condition, FETCH_KEYS_MAX at a time; `most` where that is given."""
    columns = [*key_texts(contract), *projected.projection.spellings]
    limit = "" if most is None else f" LIMIT {most}"
    sql = f'SELECT {", ".join(columns)} FROM "{projected.table}" WHERE {condition}{limit}'
    found, parts = cursor.cursor().execute(sql), len(contract.key)
    while rows := found.fetchmany(FETCH_KEYS_MAX):
        yield [(key_text(contract, row[:parts]), row[parts:]) for row in rows]
