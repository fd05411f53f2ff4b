"""Rows by key where the store itself has no way to find them: DuckDB filters the scan."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from auditor.readers.native import quote_name
from contracts.logical_types import Kind, LogicalType
from reconcilers.canonical import canonical
from reconcilers.ports import Keys, RawColumn, RawRelation, Wanted
from reconcilers.single_scan import single_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

    from reconcilers.workspace import Workspace

_TEXT = LogicalType(Kind.TEXT)
_numbers = itertools.count()


def rows_with_keys(
    workspace: Workspace,
    cursor: duckdb.DuckDBPyConnection,
    scan: Callable[[Sequence[Wanted]], RawRelation],
    wanted: Sequence[Wanted],
    keys: Keys,
) -> RawRelation:
    """A scan, filtered to the rows whose key is, in canonical form, one of the keys asked for.

    Args:
        workspace: Whose functions the canonical form may need.
        cursor: The snapshot's; the keys become a temporary table of its connection.
        scan: The snapshot's own scan.
        wanted: What to read.
        keys: The keys asked for.
    """
    workspace.know_functions()
    relation = scan([*wanted, *keys.columns])
    columns, key_columns = relation.columns[: len(wanted)], relation.columns[len(wanted) :]
    types = [column.logical or _TEXT for column in keys.columns]
    table = _keep(cursor, types, keys)
    texts = ", ".join(canonical(logical, column).text for logical, column in zip(types, key_columns, strict=True))
    condition = f"({texts}) IN (SELECT ({_names('k', types)}) FROM {table})"
    if any(column.duckdb_type == "BLOB" for column in key_columns):
        # what a scan shows of bytes is DuckDB's text of them, which would mean something else as canonical text
        shown = ", ".join(f"CAST({column.sql} AS VARCHAR)" for column in key_columns)
        condition += f" OR ({shown}) IN (SELECT ({_names('t', types)}) FROM {table})"
    return RawRelation(f"(SELECT * FROM {relation.sql} WHERE {condition})", columns)


def _names(letter: str, types: Sequence[LogicalType]) -> str:
    return ", ".join(f"{letter}{i}" for i in range(len(types)))


def spelled(keys: Keys) -> list[tuple[str, ...]]:
    """Every combination of the candidate spellings of every key, once."""
    return list(dict.fromkeys(itertools.chain.from_iterable(itertools.product(*parts) for parts in keys.values)))


def _keep(cursor: duckdb.DuckDBPyConnection, types: Sequence[LogicalType], keys: Keys) -> str:
    """The keys in canonical text (`k…`) and as they were given (`t…`), as a temporary table."""
    import pyarrow as pa

    rows = spelled(keys)
    texts = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(types))]
    given = pa.table(texts, [f"t{i}" for i in range(len(types))])
    name = f"wanted_keys_{next(_numbers)}"
    forms = ", ".join(
        f"{canonical(logical, RawColumn(f't{i}', 'VARCHAR')).text} AS k{i}" for i, logical in enumerate(types)
    )
    cursor.register(f"{name}_given", single_scan(given))
    cursor.execute(f"CREATE TEMP TABLE {quote_name(name)} AS SELECT DISTINCT *, {forms} FROM {name}_given")
    cursor.unregister(f"{name}_given")
    return quote_name(name)
