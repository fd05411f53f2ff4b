"""The keys of a recheck's suspects, as each side is asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.canonical import canonical
from reconcilers.ports import Keys, RawColumn
from reconcilers.projection import key_sql
from reconcilers.single_scan import single_scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from contracts.contract import Contract
    from reconcilers.opened import Opened
    from reconcilers.ports import Wanted
    from reconcilers.projection import Projection, Side
    from reconcilers.sight import Suspects


class SuspectKeys:
    """The suspects' keys as a table of the workspace, in the form that keys are joined in.

    Made before any snapshot begins, whose transaction would not see the table.

    Args:
        cursor: Makes the table.
        contract: The entity's.
        suspects: What is looked at again.
        table: The table's name.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, contract: Contract, suspects: Suspects, table: str) -> None:
        self._contract = contract
        self._table = table
        self._unkeyed = suspects.unkeyed
        keys = [tuple(text for _, text in key if text is not None) for key in suspects.keys]
        self._keys = [key for key in keys if len(key) == len(contract.key)]
        self._keep(cursor)

    def _keep(self, cursor: duckdb.DuckDBPyConnection) -> None:
        import pyarrow as pa

        columns = {
            f"t{i}": pa.array([key[i] for key in self._keys], pa.string()) for i in range(len(self._contract.key))
        }
        cursor.register("suspect_texts", single_scan(pa.table(columns)))
        parts = []
        for i, name in enumerate(self._contract.key):
            logical = self._contract.fields[name].type
            parts.append(f"{key_sql(logical, canonical(logical, RawColumn(f't{i}', 'VARCHAR')))} AS k{i}")
        cursor.execute(f'CREATE OR REPLACE TABLE "{self._table}" AS SELECT {", ".join(parts)} FROM suspect_texts')
        cursor.unregister("suspect_texts")

    def found_by_key(self, side: Side) -> bool:
        """Whether looking up the keys finds every row of interest; else it takes a scan."""
        return not self._unkeyed and all(side.columns[name].exact for name in self._contract.key)

    def lookup(self, opened: Opened) -> Keys:
        """The keys as one side's reader looks them up."""
        return self.sought(tuple(item.wanted for item in opened.key_items(self._contract)))

    def sought(self, columns: tuple[Wanted, ...]) -> Keys:
        """The keys as they are looked up in these columns."""
        return Keys(columns, [tuple((text,) for text in key) for key in self._keys])

    def among(self, parts: Sequence[str]) -> str:
        """SQL condition: a key, given as SQL of its parts, is one of these."""
        keys = ", ".join(f"k{i}" for i in range(len(parts)))
        return f'({", ".join(parts)}) IN (SELECT ({keys}) FROM "{self._table}")'

    def condition(self, projection: Projection) -> str:
        """SQL condition over a projection's rows: they are of interest."""
        keys = ", ".join(projection.keys)
        conditions = [f'({keys}) IN (SELECT ({keys}) FROM "{self._table}")']
        if self._unkeyed:
            conditions += [f"{key} IS NULL" for key in projection.keys]
        return " OR ".join(conditions)
