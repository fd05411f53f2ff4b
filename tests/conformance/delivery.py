"""What a reader delivers, as plain Python values that tests can compare."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts.logical_types import parse_logical_type
from reconcilers.canonical import canonical
from reconcilers.ports import Keys, Wanted
from reconcilers.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reconcilers.ports import RawRelation, Reader, Snapshot

Row = tuple[str | None, ...]


@contextmanager
def workspace_in(directory: Path) -> Iterator[Workspace]:
    """A workspace that knows the functions of the canonical form."""
    with Workspace(directory / "workspace", memory_limit="512MB") as workspace:
        workspace.know_functions()
        yield workspace


def things(**types: str) -> list[Wanted]:
    """Wanted columns by name, each with its logical type: ``things(id="int")``; ``__`` in a name stands for a dot."""
    return [Wanted(name.replace("__", "."), parse_logical_type(text)) for name, text in types.items()]


def natural(*names: str) -> list[Wanted]:
    """Wanted columns under no logical type."""
    return [Wanted(name, None) for name in names]


def keys(columns: Sequence[Wanted], *values: tuple[str, ...]) -> Keys:
    """Keys to look up, one spelling each."""
    return Keys(tuple(columns), [tuple((part,) for part in value) for value in values])


def raw_texts(workspace: Workspace, snapshot: Snapshot, relation: RawRelation) -> list[Row]:
    """The rows of a relation as they arrive, each value cast to text by DuckDB, in order."""
    listed = ", ".join(f"CAST({column.sql} AS VARCHAR)" for column in relation.columns)
    return _rows(workspace, snapshot, f"SELECT {listed} FROM {relation.sql}")


def canonical_texts(
    workspace: Workspace, snapshot: Snapshot, relation: RawRelation, wanted: Sequence[Wanted]
) -> list[Row]:
    """The rows of a relation in canonical text; what is no value of its type has ``!`` before it."""
    listed = []
    for thing, column in zip(wanted, relation.columns, strict=True):
        assert thing.logical is not None
        form = canonical(thing.logical, column)
        mark = f"CASE WHEN {form.bad} THEN '!' ELSE '' END || " if form.bad else ""
        listed.append(f"{mark}{form.text}")
    return _rows(workspace, snapshot, f"SELECT {', '.join(listed)} FROM {relation.sql}")


def scanned(directory: Path, reader: Reader, wanted: Sequence[Wanted]) -> list[Row]:
    """Every row of a dataset in canonical text."""
    with workspace_in(directory) as workspace, reader.snapshot(workspace) as snapshot:
        return canonical_texts(workspace, snapshot, snapshot.scan(wanted), wanted)


def scanned_raw(directory: Path, reader: Reader, wanted: Sequence[Wanted]) -> list[Row]:
    """Every row of a dataset as it arrives."""
    with workspace_in(directory) as workspace, reader.snapshot(workspace) as snapshot:
        return raw_texts(workspace, snapshot, snapshot.scan(wanted))


def found(directory: Path, reader: Reader, wanted: Sequence[Wanted], sought: Keys) -> list[Row]:
    """What a lookup brings, in canonical text."""
    with workspace_in(directory) as workspace, reader.snapshot(workspace) as snapshot:
        return canonical_texts(workspace, snapshot, snapshot.lookup(wanted, sought), wanted)


def _rows(workspace: Workspace, snapshot: Snapshot, sql: str) -> list[Row]:
    count = snapshot.load(sql, "delivered")
    rows = workspace.cursor().execute("SELECT * FROM delivered").fetchall()
    assert len(rows) == count
    return sorted(rows, key=lambda row: [(value is None, value) for value in row])
