"""What a side that is known by its feed alone cannot say: whether a row that it does not show is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconcilers.ports import PartlyKnown
from reconcilers.projection import compile_side
from reconcilers.row_keys import key_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from contracts.contract import Contract
    from reconcilers.finding import KeyText
    from reconcilers.opened import Opened

KEY_IN_DOUBT = "a record about it could not be understood, so it is not known whether there is a row, and which"


@dataclass(frozen=True, slots=True)
class Doubts:
    """What two sides leave open.

    Attributes:
        absence: Why a row that one of them does not show may be there all the same; empty where it is not.
        keys: Keys of which nothing is known, each with why.
    """

    absence: str
    keys: Mapping[KeyText, str]

    def of(self, key: KeyText | None) -> str:
        """Why nothing is known of a key; empty where something is."""
        return self.keys.get(key or (), "")

    def of_absence(self, key: KeyText | None) -> str:
        """Why a key that one side lacks may be there; empty where it is not."""
        return self.keys.get(key or (), "") or self.absence


def doubts(cursor: duckdb.DuckDBPyConnection, contract: Contract, sides: Iterable[Opened]) -> Doubts:
    """Ask both sides; one that reads a store itself leaves nothing open."""
    absence = ""
    keys: dict[KeyText, str] = {}
    for side in sides:
        if isinstance(side.snapshot, PartlyKnown):
            absence = absence or side.snapshot.absence_unknown()
            keys |= dict.fromkeys(_doubted(cursor, contract, side, side.snapshot), KEY_IN_DOUBT)
    return Doubts(absence, keys)


def _doubted(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, side: Opened, snapshot: PartlyKnown
) -> list[KeyText]:
    items = side.key_items(contract)
    relation = snapshot.doubted([item.wanted for item in items])
    if relation is None:
        return []
    compiled, table = compile_side(items, relation), f"{side.table}_doubted"
    texts = ", ".join(f"{compiled.of(item.name).text} AS t{i}" for i, item in enumerate(items))
    side.bring(f"SELECT {texts} FROM {relation.sql}", table)
    return [key_text(contract, row) for row in cursor.execute(f'SELECT * FROM "{table}"').fetchall()]
