"""Keys that may be one, but for the blanks that a char(n) is padded with: a feed tells them, its store does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.logical_types import Kind
from reconcilers.flaws import PADDING
from reconcilers.row_keys import READ_AT_ONCE, key_text, key_texts

if TYPE_CHECKING:
    import duckdb

    from contracts.contract import Contract
    from reconcilers.finding import KeyText
    from reconcilers.flaws import Disguise
    from reconcilers.opened import Projected

KEY_PADDED = f"whether the row is there under a key without blanks at its end, or with them, is not known: {PADDING}"


def padded_keys(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, sides: tuple[Projected, Projected], disguise: Disguise
) -> dict[KeyText, str]:
    """Keys of one side that the other side has with other blanks at their end, where those may be padding: each why.

    Args:
        cursor: Of the workspace.
        contract: The entity's.
        sides: The owner and the replica, scanned.
        disguise: Of these two.
    """
    parts = range(len(contract.key))
    texts = {i for i in parts if contract.fields[contract.key[i]].type.kind is Kind.TEXT}
    found: dict[KeyText, str] = {}
    for told, other, padded in zip(sides, reversed(sides), disguise.padded, strict=True):
        loose = {i for i in texts if contract.key[i] in padded}
        if not loose:
            continue
        ends = " OR ".join(f"suffix(k{i}, ' ')" for i in sorted(loose))
        bare = [f"rtrim({{0}}.k{i}, ' ')" if i in loose else f"{{0}}.k{i}" for i in parts]
        on = " AND ".join(f"{one.format('a')} = {one.format('b')}" for one in bare)
        apart = " OR ".join(f"a.k{i} <> b.k{i}" for i in sorted(loose))
        names = ", ".join([*key_texts(contract, "a."), *key_texts(contract, "b.")])
        pairs = cursor.execute(
            f'SELECT {names} FROM (SELECT * FROM "{told.table}" WHERE {ends}) a JOIN "{other.table}" b '
            f"ON {on} WHERE {apart}"
        )
        while rows := pairs.fetchmany(READ_AT_ONCE):
            for row in rows:
                both = (key_text(contract, row[: len(parts)]), key_text(contract, row[len(parts) :]))
                found |= dict.fromkeys(both, KEY_PADDED)
    return found
