"""Reading PostgreSQL in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from auditor.readers.connection import ConnectionParts
from auditor.readers.postgresql.reader import PostgresReader
from contracts.logical_types import parse_logical_type
from reconcilers.ports import Keys, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.readers.postgresql.snapshot import PostgresSnapshot
    from reconcilers.workspace import Workspace

Row = tuple[Any, ...]


def parts(url: str, **changed: Any) -> ConnectionParts:
    """The parts of a URL, some of them changed."""
    split = urlsplit(url)
    given = {
        "scheme": split.scheme,
        "host": split.hostname or "",
        "port": split.port,
        "user": split.username or "",
        "password": unquote(split.password or ""),
        "database": unquote(split.path[1:]),
    }
    return ConnectionParts(**(given | changed))


def reader(url: str, relation: str | None = None, *, query: str | None = None, **changed: Any) -> PostgresReader:
    """A reader of one relation or query."""
    return PostgresReader(f"db/{relation or 'query'}", parts(url, **changed), relation, query)


def wanted(*fields: str | tuple[str, str]) -> list[Wanted]:
    """Things to read: a column under its natural type, or `(column, logical type)`."""
    pairs = [(field, None) if isinstance(field, str) else field for field in fields]
    return [Wanted(path, parse_logical_type(logical) if logical else None) for path, logical in pairs]


def scanned(snapshot: PostgresSnapshot, workspace: Workspace, *fields: str | tuple[str, str]) -> list[Row]:
    """Every row, each value as its text in DuckDB."""
    return texts(snapshot, workspace, snapshot.scan(wanted(*fields)))


def looked_up(
    snapshot: PostgresSnapshot, workspace: Workspace, key: Sequence[str | tuple[str, str]], values: Sequence[Row]
) -> list[Row]:
    """The keys of the rows found; each value is one spelling a part."""
    fields = wanted(*key)
    keys = Keys(tuple(fields), [tuple((part,) for part in value) for value in values])
    return texts(snapshot, workspace, snapshot.lookup(fields, keys))


def texts(snapshot: PostgresSnapshot, workspace: Workspace, relation: Any) -> list[Row]:
    """A relation's rows, each value as its text in DuckDB, in order."""
    columns = ", ".join(f"CAST({column.sql} AS VARCHAR)" for column in relation.columns)
    snapshot.load(f"SELECT {columns} FROM {relation.sql}", "texts")
    return [tuple(row) for row in workspace.cursor().execute("SELECT * FROM texts ORDER BY ALL").fetchall()]


def read(workspace: Workspace, source: PostgresReader, *fields: str | tuple[str, str]) -> list[Row]:
    """Every row as of now."""
    with source.snapshot(workspace) as snapshot:
        return scanned(snapshot, workspace, *fields)
