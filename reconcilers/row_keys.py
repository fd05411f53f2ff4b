"""The keys of one side's projection: which rows count, and which keys cannot be compared."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from reconcilers.canonical import text_of
from reconcilers.projection import TEXT_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from contracts.contract import Contract
    from reconcilers.finding import KeyText
    from reconcilers.projection import Projection


READ_AT_ONCE = 10_000
"""Keys, or findings, read from the workspace at once."""


def key_text(contract: Contract, values: Sequence[str | None]) -> KeyText:
    """A key's texts with their field names."""
    return tuple(zip(contract.key, values, strict=True))


def key_texts(contract: Contract, prefix: str = "") -> list[str]:
    """SQL of the canonical text of each key part of a projection's row."""
    texts = []
    for i, name in enumerate(contract.key):
        logical = contract.fields[name].type
        column = f"{prefix}k{i}"
        texts.append(column if logical.kind in TEXT_KEYS else text_of(logical, column))
    return texts


def live(projection: Projection) -> str:
    """SQL condition: the row counts, and its key is whole and lawful."""
    parts = [f"{key} IS NOT NULL" for key in projection.keys]
    if projection.gone:
        parts.append("NOT gone")
    if projection.outside and projection.of_owner:
        parts.append("NOT outside")
    return " AND ".join(parts)


def count_live(cursor: duckdb.DuckDBPyConnection, table: str, projection: Projection, scope: str | None = None) -> int:
    """Live rows of a projection, those with NULL or bad keys included; in scope where `scope` names a column."""
    conditions = ["NOT gone"] * projection.gone + ["NOT outside"] * (projection.outside and projection.of_owner)
    conditions += [] if scope is None else [scope]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return number(cursor, f'SELECT count(*) FROM "{table}"{where}')


def live_keys(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str, projection: Projection, scope: str | None = None
) -> Counter[KeyText]:
    """The keys of the rows that count, with how many have them; of those in scope where `scope` names a column."""
    where = live(projection) if scope is None else f"{live(projection)} AND {scope}"
    found = cursor.execute(f'SELECT {", ".join(key_texts(contract))} FROM "{table}" WHERE {where}').fetchall()
    return Counter(key_text(contract, row) for row in found)


def find_duplicates(
    cursor: duckdb.DuckDBPyConnection, table: str, projection: Projection, *, unique: bool, left_out: str = ""
) -> str | None:
    """Keys that stand several times among the live rows, as a new table (`k…`, `n` rows); None when there are none.

    `left_out` is a condition on the rows of one key, for keys that nobody wants to know of; empty for none.
    """
    keys, target = ", ".join(projection.keys), f"{table}_duplicates"
    if (
        unique
    ):  # an empty table: to look whether there is one, DuckDB would ask every attached server for all of its own
        cursor.execute(f'CREATE OR REPLACE TABLE "{target}" AS SELECT {keys}, 0 AS n FROM "{table}" LIMIT 0')
        return None
    cursor.execute(
        f'CREATE OR REPLACE TABLE "{target}" AS SELECT {keys}, count(*) AS n FROM "{table}" '
        f"WHERE {live(projection)} GROUP BY {keys} HAVING count(*) > 1{f' AND NOT ({left_out})' if left_out else ''}"
    )
    return target if number(cursor, f'SELECT count(*) FROM "{target}"') else None


def without_duplicates(cursor: duckdb.DuckDBPyConnection, table: str, projection: Projection) -> str:
    """Condition that leaves out the keys that `find_duplicates` found in a table; empty where there are none."""
    duplicates = duplicates_of(cursor, table)
    if duplicates is None:
        return ""
    keys = ", ".join(projection.keys)
    return f' AND ({keys}) NOT IN (SELECT ({keys}) FROM "{duplicates}")'


def duplicates_of(cursor: duckdb.DuckDBPyConnection, table: str) -> str | None:
    """The table that `find_duplicates` made of a table; None where it found none."""
    target = f"{table}_duplicates"
    return target if number(cursor, f'SELECT count(*) FROM "{target}"') else None


def duplicate_keys(cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str) -> Iterator[tuple[KeyText, int]]:
    """The keys of a table made by `find_duplicates`, with how often each stands."""
    return _read(cursor, contract, f'SELECT n, {", ".join(key_texts(contract))} FROM "{table}"')


def null_keys(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str, projection: Projection
) -> Iterator[tuple[KeyText, int]]:
    """Live rows with a NULL key part: the key's other parts, and how many rows share them."""
    if projection.bad_keys or projection.spelled:
        parts = projection.spellings
        condition = " OR ".join(f"{part} IS NULL" for part in parts)
    else:
        parts = key_texts(contract)
        condition = " OR ".join(f"{key} IS NULL" for key in projection.keys)
    return _counted(cursor, contract, table, parts, f"({condition}){_counts(projection)}")


def bad_keys(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str, projection: Projection
) -> Iterator[tuple[KeyText, int]]:
    """Live rows whose key is no value of its type: the raw text, and how many rows share it."""
    if not projection.bad_keys:
        return iter(())
    whole = " AND ".join(f"{part} IS NOT NULL" for part in projection.spellings)
    return _counted(cursor, contract, table, projection.spellings, f"kb AND {whole}{_counts(projection)}")


def _counts(projection: Projection) -> str:
    """Condition that a row without a usable key counts: no key leads to the owner's row, its own values decide."""
    return " AND NOT gone" * projection.gone + " AND NOT outside" * projection.outside


def outside(owner: str, owner_projection: Projection, copy: Projection) -> str:
    """Condition on the rows of one key of a replica: the run's own filter leaves the key out.

    Where the owner has the key, its row decides; else the copies do, which must all be outside beyond doubt.

    Args:
        owner: The workspace's table of the owner's projection.
        owner_projection: What stands in it.
        copy: The replica's projection.

    Returns:
        SQL for HAVING, empty where the run has no filter.
    """
    if not owner_projection.outside:
        return ""
    keys = ", ".join(copy.keys)
    whole = " AND ".join(f"{key} IS NOT NULL" for key in copy.keys)
    at_owner = f'SELECT ({keys}) FROM "{owner}" WHERE {whole}'
    left_out = f"({keys}) IN ({at_owner} AND outside)"
    return f"{left_out} OR (bool_and(outside) AND ({keys}) NOT IN ({at_owner}))" if copy.outside else left_out


def _counted(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str, parts: Sequence[str], condition: str
) -> Iterator[tuple[KeyText, int]]:
    columns = ", ".join(parts)
    return _read(cursor, contract, f'SELECT count(*), {columns} FROM "{table}" WHERE {condition} GROUP BY ALL')


def _read(cursor: duckdb.DuckDBPyConnection, contract: Contract, sql: str) -> Iterator[tuple[KeyText, int]]:
    """Keys with their numbers, a part of them at a time: every key of a side may be wrong."""
    result = cursor.execute(sql)
    while rows := result.fetchmany(READ_AT_ONCE):
        yield from ((key_text(contract, row[1:]), row[0]) for row in rows)


def number(cursor: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one number that a statement returns."""
    ((value,),) = cursor.execute(sql).fetchall()
    return int(value)
