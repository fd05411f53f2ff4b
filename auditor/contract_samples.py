"""What inference may know of a dataset: its shape, and a few of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.contract import DatasetRef, QueryRef
from contracts.inference import DatasetDescription
from contracts.logical_types import Kind, LogicalType
from contracts.matching import ColumnDescription
from reconcilers.canonical import canonical
from reconcilers.ports import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconcilers.ports import Column, Reader, Shape
    from reconcilers.workspace import Workspace

SAMPLE_ROWS = 1_000
"""Rows that are looked at: enough to tell columns apart by their values, read in a moment."""

SAMPLES_KEPT = 100
"""Different values kept of each column."""

VALUE_CHARACTERS_MAX = 200
"""Longer values tell no more, and documents are large."""

_TEXT = LogicalType(Kind.TEXT)


def describe(
    dataset: tuple[str, str], reader: Callable[[DatasetRef | QueryRef], Reader], workspace: Workspace
) -> DatasetDescription:
    """A dataset as inference sees it.

    Args:
        dataset: Connection and relation.
        reader: Makes the reader of a dataset.
        workspace: Where the sample is put.

    Raises:
        StoreError: The dataset cannot be read.
    """
    connection, relation = dataset
    source = reader(DatasetRef(connection, relation))
    shape = source.shape()
    samples = _samples(source, shape, workspace)
    keyed = {name for key in shape.unique_keys for name in key}
    columns = tuple(
        ColumnDescription(
            name=column.name,
            store_type=column.store_type,
            logical=column.logical,
            nullable=column.nullable,
            in_unique_key=column.name in keyed,
            samples=samples[column.name],
            zone=column.zone,
        )
        for column in shape.columns
    )
    return DatasetDescription(f"{connection}/{relation}", columns, shape.unique_keys)


def _samples(source: Reader, shape: Shape, workspace: Workspace) -> dict[str, tuple[str, ...]]:
    """Some values of each column, as canonical text."""
    wanted = [Wanted(column.name, _type(column)) for column in shape.columns]
    workspace.know_functions()
    with source.snapshot(workspace) as snapshot:
        relation = snapshot.scan(wanted)
        texts = [
            f"left({canonical(thing.logical or _TEXT, raw).text}, {VALUE_CHARACTERS_MAX}) AS c{i}"
            for i, (thing, raw) in enumerate(zip(wanted, relation.columns, strict=True))
        ]
        snapshot.load(f"SELECT {', '.join(texts)} FROM {relation.sql} LIMIT {SAMPLE_ROWS}", "sample")
    cursor = workspace.cursor()
    found = {}
    for i, column in enumerate(shape.columns):
        question = f"SELECT DISTINCT c{i} FROM sample WHERE c{i} IS NOT NULL ORDER BY c{i} LIMIT {SAMPLES_KEPT}"
        found[column.name] = tuple(row[0] for row in cursor.execute(question).fetchall())
    return found


def _type(column: Column) -> LogicalType:
    return column.logical if column.logical is not None else _TEXT
