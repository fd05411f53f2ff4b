"""Parts of a table: the rows with a range of one column's values, which an index of that column finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.readers.mysql.columns import INTEGERS, UUID_BYTES
from auditor.readers.mysql.keys import literal_of
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from auditor.readers.mysql.catalog import Table
    from auditor.readers.mysql.columns import Access
    from contracts.logical_types import LogicalType


_BASES = {
    Kind.INT: INTEGERS,
    Kind.DATE: frozenset({"date"}),
    Kind.TIMESTAMP: frozenset({"timestamp"}),
    Kind.TIMESTAMP_LOCAL: frozenset({"datetime"}),
}


def is_cut_by(table: Table, by: Access, logical: LogicalType) -> bool:
    """Whether ranges of a column mean the same as ranges of its canonical values, and an index leads to them."""
    column = by.column
    if by.inside or not any(index[0] == column.name for index in (*table.indexed, *table.unique)):
        return False
    if logical.kind is Kind.TEXT:  # by code points, as we sort; any other order would be another's
        return column.base == "varchar" and column.charset == "utf8mb4" and column.collation.endswith("_bin")
    if logical.kind is Kind.UUID:
        return column.base == "binary" and column.digits == UUID_BYTES
    return column.base in _BASES.get(logical.kind, ())


def condition(by: Access, lower: str | None, upper: str | None) -> str:
    """What stands after WHERE; each row meets the condition of one part, NULL that of the first.

    Raises:
        ValueError: A bound is no value of the column's type.
    """
    found = []
    if lower is not None:
        found.append(f"{by.expression} >= {literal_of(by, lower)}")
    if upper is not None:
        found.append(f"{by.expression} < {literal_of(by, upper)}")
    inside = " AND ".join(found) or "TRUE"
    return f"({inside} OR {by.expression} IS NULL)" if lower is None and by.column.nullable else inside


def next_divider(table: Table, by: Access, after: str | None, rows: int) -> str:
    """The statement that finds the value so many rows after another one (0: the next other value), walking the index.

    Args:
        table: The table.
        by: The column.
        after: The other value; None: from the first on.
        rows: How many.
    """
    shown = f"LOWER(HEX({by.expression}))" if by.column.base == "binary" else f"CAST({by.expression} AS CHAR)"
    begin = "" if after is None else f" AND {by.expression} {'>=' if rows else '>'} {literal_of(by, after)}"
    return (
        f"SELECT {shown} FROM {table.from_clause} WHERE {by.expression} IS NOT NULL{begin} "
        f"ORDER BY {by.expression} LIMIT 1 OFFSET {rows}"
    )
