"""Whether the owner, by its own change stream, once held what rows of a replica hold; see `creation`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.errors import FeedError
from reconcilers.creation import at_creation
from reconcilers.projection import compared_fields
from reconcilers.row_keys import key_text, key_texts
from reconcilers.row_stage import same_sql
from reconcilers.streams.table import Kind
from reconcilers.witness import IN_ORDER, is_told_from_birth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.fetch import SpelledKey
    from reconcilers.finding import KeyText
    from reconcilers.ports import Remembering
    from reconcilers.row_stage import Fetched
    from reconcilers.witness import Witness


@dataclass(frozen=True, slots=True)
class OnceHeld:
    """Asks the owner's change stream whether the owner once held what rows of a replica hold.

    Attributes:
        witness: The stream, opened beside the two sides.
        told: The same, as what remembers.
    """

    cursor: duckdb.DuckDBPyConnection
    contract: Contract
    witness: Witness
    told: Remembering

    def held(
        self, replica: Replica, copy: Fetched, keys: Sequence[SpelledKey]
    ) -> dict[KeyText, dict[str, bool | None]]:
        """Of each key and field: whether the owner ever held the replica's value; None: it is not known.

        Args:
            replica: Whose rows they are.
            copy: Its rows of these keys.
            keys: As the owner spells them; at most FETCH_KEYS_MAX.
        """
        try:
            return self._held(replica, copy, keys)
        except FeedError:  # it lacks a column
            return {}

    def _held(
        self, replica: Replica, copy: Fetched, keys: Sequence[SpelledKey]
    ) -> dict[KeyText, dict[str, bool | None]]:
        versions = self.witness.versions(replica, self.told, [key for key, _ in keys], copy.table)
        names, whole = at_creation(replica), self.told.whole_history()
        places = [(i, one) for i, one in enumerate(compared_fields(self.contract, replica)) if one.name in names]
        same = [
            f"CASE WHEN o.u{i} OR r.u{i} THEN NULL ELSE {same_sql(i, one, versions.side, copy.side, {})} END AS same{i}"
            for i, one in places
        ]
        parts = " AND ".join(f"o.k{i} = r.k{i}" for i in range(len(self.contract.key)))
        current = self.witness.current(replica, keys, copy.table)
        columns = ("kind", "epoch", "p0", "p1", "p2", "snapshot", "current")
        rows = self.cursor.execute(
            f"SELECT {', '.join(f'o.{name}' for name in columns[:-1])}, {current} AS current, {', '.join(same)}, "
            f"{', '.join(key_texts(self.contract, 'o.'))} "
            f'FROM "{versions.table}" o JOIN "{copy.table}" r ON {parts} ORDER BY {IN_ORDER}'
        ).fetchall()
        told: dict[KeyText, list[dict[str, Any]]] = {}
        wide = len(columns) + len(places)
        for row in rows:
            one = dict(zip(columns, row, strict=False))
            one["same"] = dict(zip([field.name for _, field in places], row[len(columns) : wide], strict=True))
            told.setdefault(key_text(self.contract, row[wide:]), []).append(one)
        return {key: _held(some, names, whole=whole) for key, some in told.items()}


def _held(versions: Sequence[Mapping[str, Any]], names: frozenset[str], *, whole: bool) -> dict[str, bool | None]:
    """Whether some version of a key has the replica's value, by field.

    Args:
        versions: In the owner's order.
        names: The fields.
        whole: The stream remembers everything.
    """
    live = [one["same"] for one in versions if one["kind"] not in (Kind.DELETE, Kind.DOUBT)]
    is_known = whole and bool(versions[-1]["current"]) and is_told_from_birth(versions)
    found: dict[str, bool | None] = {}
    for name in names:
        said = [one[name] for one in live]
        never = False if is_known and None not in said else None
        found[name] = True if True in said else never
    return found
