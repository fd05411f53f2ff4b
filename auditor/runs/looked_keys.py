"""Which keys a monitor has looked at: each counts once for a replica, however often it was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import duckdb

    from reconcilers.finding import KeyText


class LookedKeys:
    """The keys of one entity, as hashes of 64 bits in the workspace: there may be millions.

    Args:
        cursor: Of the workspace, of the entity alone.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        cursor.execute("CREATE OR REPLACE TEMP TABLE looked_keys (replica VARCHAR, key BIGINT)")

    def add(self, replicas: Iterable[str], keys: Collection[KeyText]) -> None:
        """These were looked at."""
        import pyarrow as pa

        self._cursor.register("some_keys", pa.table({"key": pa.array([hash(key) for key in keys], pa.int64())}))
        for name in replicas:
            self._cursor.execute("INSERT INTO looked_keys SELECT ?, key FROM some_keys", [name])
        self._cursor.unregister("some_keys")

    def counts(self) -> dict[str, int]:
        """How many they are, by replica."""
        return dict(
            self._cursor.execute("SELECT replica, count(DISTINCT key) FROM looked_keys GROUP BY replica").fetchall()
        )

    def forget(self) -> None:
        """Count from nothing on."""
        self._cursor.execute("DELETE FROM looked_keys")
