"""Parts of a table: the rows with a range of one column's values, which an index of that column finds.

Values are compared as their type compares; texts byte for byte, whatever the column sorts by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.readers.native import quote_text
from auditor.readers.postgresql.columns import INTEGERS
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from auditor.readers.postgresql.catalog import Relation
    from auditor.readers.postgresql.columns import Access
    from auditor.readers.postgresql.session import PostgresSession
    from contracts.logical_types import LogicalType

SAMPLED_PAGES = 1000
"""Of a table, to find out where to cut it: 8 MB, read at random; few parts then differ by a few percent."""

SAMPLED_PAGES_A_PART = 50
"""More of them for many parts: each part should have its share in the sample."""

BUCKETS_A_PART = 3
"""Of the histogram of the last ANALYZE, which has a hundred of them as a rule: parts then differ by a few percent."""

_HISTOGRAM = """
(SELECT to_json(histogram_bounds::text::text[]) FROM pg_catalog.pg_stats
 WHERE schemaname = {schema} AND tablename = {name} AND attname = {column} AND most_common_vals IS NULL
 ORDER BY inherited DESC LIMIT 1)
"""

_BYTEWISE = 'COLLATE pg_catalog."C"'
_BASES = {
    Kind.UUID: ("uuid",),
    Kind.DATE: ("date",),
    Kind.TIMESTAMP: ("timestamptz",),
    Kind.TIMESTAMP_LOCAL: ("timestamp",),
    Kind.TEXT: ("text", "varchar"),
    Kind.INT: tuple(INTEGERS),
}

_SORTS_BYTEWISE = """
(SELECT to_json(c.collname IN ('C', 'POSIX', 'ucs_basic', 'pg_c_utf8')
   OR c.collname = 'default' AND d.datcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8'))
 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation, pg_catalog.pg_database d
 WHERE a.attrelid = {oid} AND a.attname = {name} AND d.datname = current_database())
"""


def is_cut_by(session: PostgresSession, relation: Relation, by: Access, logical: LogicalType, encoding: str) -> bool:
    """Whether ranges of a column mean the same as ranges of its canonical values, and can be found soon.

    Args:
        session: The server.
        relation: The table.
        by: The column.
        logical: Its declared type.
        encoding: The database's.
    """
    column = by.column
    if by.inside or column.array or column.base not in _BASES.get(logical.kind, ()):
        return False
    if logical.kind is Kind.TEXT:  # an index by another order would not be used, and every part be a scan of the whole
        name = quote_text(column.name)
        return encoding == "UTF8" and bool(session.ask_json(_SORTS_BYTEWISE.format(oid=relation.oid, name=name)))
    return True


def sample(relation: Relation, by: Access, logical: LogicalType, parts: int) -> str:
    """JSON expression: the values that divide a sample of the rows into so many parts."""
    value = f"{by.name} {_BYTEWISE}" if logical.kind is Kind.TEXT else by.name
    shares = ", ".join(str(number / parts) for number in range(1, parts))
    wanted = max(SAMPLED_PAGES, SAMPLED_PAGES_A_PART * parts)
    percent = 100.0 if relation.pages <= wanted else 100.0 * wanted / relation.pages
    return (
        f"(SELECT to_json((percentile_disc(ARRAY[{shares}]::float8[]) WITHIN GROUP (ORDER BY {value}))::text[]) "
        f"FROM {relation.source} TABLESAMPLE SYSTEM ({percent:.6f}))"
    )


def divided_by_statistics(session: PostgresSession, relation: Relation, by: Access, parts: int) -> list[str] | None:
    """The values that divide the rows into so many parts, as the last ANALYZE saw them; None where it says too little.

    No row is read.  It tells too little of a column with frequent values, which stand beside its histogram.
    """
    ask = _HISTOGRAM.format(
        schema=quote_text(relation.schema), name=quote_text(relation.name), column=quote_text(by.column.name)
    )
    edges = session.ask_json(ask)
    if not edges or len(edges) <= BUCKETS_A_PART * parts:
        return None
    return [edges[round(number * (len(edges) - 1) / parts)] for number in range(1, parts)]


def condition(by: Access, logical: LogicalType, lower: str | None, upper: str | None) -> str:
    """What stands after WHERE; each row meets the condition of one part, NULL that of the first."""
    value = f"{by.name} {_BYTEWISE}" if logical.kind is Kind.TEXT else by.name
    found = []
    if lower is not None:
        found.append(f"{value} >= {_literal(by, logical, lower)}")
    if upper is not None:
        found.append(f"{value} < {_literal(by, logical, upper)}")
    inside = " AND ".join(found) or "true"
    return f"({inside} OR {by.name} IS NULL)" if lower is None and by.column.nullable else inside


def _literal(by: Access, logical: LogicalType, text: str) -> str:
    """A bare number is of a type that holds it, beyond the column's range too; an index serves it all the same."""
    if logical.kind is Kind.INT:
        return f"({int(text)})"
    return f"{quote_text(text)}::{'text' if logical.kind is Kind.TEXT else by.column.base}"
