"""Which keys a monitor has looked at: each counts once for a replica, however often it was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconcilers.rows import Counts

if TYPE_CHECKING:
    from collections.abc import Collection

    import duckdb

    from reconcilers.finding import KeyText
    from reconcilers.sight import HeldKeys


@dataclass(frozen=True, slots=True)
class Looked:
    """What the keys that were looked at for a replica held, each when it was looked at last.

    Attributes:
        keys: How many they are.
        counts: How many rows they had.
    """

    keys: int
    counts: Counts


class LookedKeys:
    """The keys of one entity, as hashes of 64 bits in the workspace: there may be millions.

    Args:
        cursor: Of the workspace, of the entity alone.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._look = 0
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE looked_keys "
            "(replica VARCHAR, key BIGINT, owned BIGINT, wanted BIGINT, copied BIGINT, look BIGINT)"
        )

    def add(self, replica: str, keys: Collection[KeyText], held: HeldKeys) -> None:
        """These were looked at, and there were so many rows of those."""
        import pyarrow as pa

        self._look += 1
        sides = {"owned": held.owned, "wanted": held.wanted, "copied": held.copied}
        seen = {name: pa.array([side.get(key, 0) for key in keys], pa.int64()) for name, side in sides.items()}
        self._cursor.register("some_keys", pa.table({"key": pa.array([hash(key) for key in keys], pa.int64()), **seen}))
        some = "SELECT ?, key, owned, wanted, copied, ? FROM some_keys"
        self._cursor.execute(f"INSERT INTO looked_keys {some}", [replica, self._look])
        self._cursor.unregister("some_keys")

    def looked(self) -> dict[str, Looked]:
        """By replica; what it keeps lawfully is counted as kept by whoever knows that it may."""
        last = ", ".join(f"arg_max({name}, look) AS {name}" for name in ("wanted", "copied"))
        found = self._cursor.execute(
            "SELECT replica, count(*), sum(wanted), sum(copied), count(*) FILTER (ever), "
            f"count(*) FILTER (copied > 0 AND wanted = 0) FROM (SELECT replica, key, {last}, "
            "bool_or(wanted > 0 OR copied > 0) AS ever FROM looked_keys GROUP BY ALL) GROUP BY replica"
        ).fetchall()
        return {name: Looked(keys, Counts(*counts)) for name, keys, *counts in found}

    def owner_rows(self) -> int:
        """How many rows of the keys the owner had when they were looked at last, for whatever replica."""
        last = "SELECT arg_max(owned, look) AS owned FROM looked_keys GROUP BY key"
        row = self._cursor.execute(f"SELECT coalesce(sum(owned), 0) FROM ({last})").fetchone()
        return 0 if row is None else int(row[0])

    def forget(self) -> None:
        """Count from nothing on."""
        self._cursor.execute("DELETE FROM looked_keys")
