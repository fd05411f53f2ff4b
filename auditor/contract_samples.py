"""What inference may know of a dataset: its shape, and a few of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.contract_pairs import VALUE_CHARACTERS_MAX as ROW_CHARACTERS_MAX
from auditor.contract_pairs import Sampled
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
) -> Sampled:
    """A dataset as inference sees it, and the rows that were looked at.

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
    samples, rows = _samples(source, shape, workspace)
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
    described = DatasetDescription(
        f"{connection}/{relation}", columns, shape.unique_keys, nullable_keys=shape.nullable_keys
    )
    return Sampled(described, rows, source)


def _samples(
    source: Reader, shape: Shape, workspace: Workspace
) -> tuple[dict[str, tuple[str, ...]], list[tuple[str | None, ...]]]:
    """Some values of each column, as canonical text, and the rows that they are from."""
    wanted = [Wanted(column.name, _type(column)) for column in shape.columns]
    workspace.know_functions()
    with source.snapshot(workspace) as snapshot:
        relation = snapshot.scan(wanted)
        texts = [
            f"left({canonical(thing.logical or _TEXT, raw).text}, {ROW_CHARACTERS_MAX}) AS c{i}"
            for i, (thing, raw) in enumerate(zip(wanted, relation.columns, strict=True))
        ]
        snapshot.load(f"SELECT {', '.join(texts)} FROM {relation.sql} LIMIT {SAMPLE_ROWS}", "sample")
    cursor = workspace.cursor()
    found = {}
    for i, column in enumerate(shape.columns):
        value = f"left(c{i}, {VALUE_CHARACTERS_MAX})"
        question = f"SELECT DISTINCT {value} FROM sample WHERE c{i} IS NOT NULL ORDER BY 1 LIMIT {SAMPLES_KEPT}"
        found[column.name] = tuple(row[0] for row in cursor.execute(question).fetchall())
    return found, cursor.execute("SELECT * FROM sample").fetchall()


def _type(column: Column) -> LogicalType:
    return column.logical if column.logical is not None else _TEXT
