"""Parquet files: by DuckDB where it is exact, through Arrow where it is not (`parquet_columns` says which).

Several files are one relation when their columns have the same types; directories named `day=2026-01-31` give a column
more.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from auditor.readers.files.parquet_arrow import Batch, Carried
from auditor.readers.files.parquet_columns import Place, find_place, logical_of
from auditor.readers.files.snapshot import FileSnapshot
from auditor.readers.native import quote_name, quote_text
from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError
from contracts.logical_types import Kind, LogicalType
from reconcilers.ports import Column, RawColumn, RawRelation, Shape, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from auditor.readers.files.directory import Files
    from reconcilers.workspace import Workspace

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

BATCH_ROWS = 16_384
"""Rows of a batch that Arrow reads: rows of a hundred columns still stay within tens of megabytes."""


@dataclass(frozen=True, slots=True)
class ParquetSchema:
    """The columns of a set of files.

    Attributes:
        arrow: Columns and types, as kept in every file.
        int96: Columns kept as INT96.
        hive: Columns that names of directories give.
        rows: Rows of all files.
    """

    arrow: pa.Schema
    int96: frozenset[str]
    hive: tuple[str, ...]
    rows: int


class ParquetReader:
    """Reads one Parquet file, or many that are one relation.

    Args:
        files: The files.
        timezone: IANA zone of times that have none.
    """

    def __init__(self, files: Files, *, timezone: str = "UTC") -> None:
        self.files = files
        self.dataset = files.dataset
        self.timezone = timezone

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`."""
        paths = self.files.all()
        schema = read_schema(self.files, paths)
        columns = []
        for field in schema.arrow:
            logical, zone = logical_of(field.type, int96=field.name in schema.int96)
            store_type = "INT96" if field.name in schema.int96 else str(field.type)
            columns.append(Column(field.name, store_type, field.nullable, logical, zone))
        columns += [Column(name, "directory", nullable=True, logical=LogicalType(Kind.TEXT)) for name in schema.hive]
        return Shape(tuple(columns), estimated_rows=schema.rows, estimated_bytes=sum(p.stat().st_size for p in paths))

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[ParquetSnapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        snapshot = ParquetSnapshot(self.files, workspace, self.timezone)
        try:
            yield snapshot
        finally:
            snapshot.close()

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        paths = self.files.all()
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        return f"read {paths[0]}{more}, columns {', '.join(thing.path for thing in wanted)}"


class ParquetSnapshot(FileSnapshot):
    """Parquet files as they are now."""

    @cached_property
    def _schema(self) -> ParquetSchema:
        return read_schema(self.files, self._paths)

    @cached_property
    def _paths(self) -> list[Path]:
        return self.files.all()

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        places = [self._place(thing.path) for thing in wanted]
        if all(place is None or place.is_native for place in places):
            return self._natively(wanted, places)
        return self._through_arrow(wanted, places)

    def _place(self, path: str) -> Place | None:
        """Where a wanted thing lies; None for a column that names of directories give."""
        if path in self._schema.hive:
            return None
        place = find_place(self._schema.arrow, self._schema.int96, path)
        if place is None:
            names = [*self._schema.arrow.names, *self._schema.hive]
            hint = did_you_mean(path, names) or "check the contract's fields"
            raise StoreError(f"reading {self.dataset}: there is no column {path!r}", hint=hint)
        return place

    def _natively(self, wanted: Sequence[Wanted], places: Sequence[Place | None]) -> RawRelation:
        listed = ", ".join(quote_text(str(path)) for path in self._paths)
        hive = bool(self._schema.hive)
        source = (
            f"read_parquet([{listed}], hive_partitioning={hive}, hive_types_autocast=false, binary_as_string=false)"
        )
        selected = ", ".join(
            f"{_member_sql(thing.path, place)} AS c{i}"
            for i, (thing, place) in enumerate(zip(wanted, places, strict=True))
        )
        return self._typed(f"(SELECT {selected or 'NULL'} FROM {source})", wanted)

    def _through_arrow(self, wanted: Sequence[Wanted], places: Sequence[Place | None]) -> RawRelation:
        carried = [Carried.of(thing, place) for thing, place in zip(wanted, places, strict=True)]
        schema = pa.schema([pa.field(f"c{i}", column.arrow_type) for i, column in enumerate(carried)])
        name = self.relation(schema, lambda: self._batches(schema, carried))
        typed = self._typed(f"(SELECT * FROM {name})", wanted)
        columns = (
            replace(raw, timezone="UTC") if column.way == "instant" else raw
            for raw, column in zip(typed.columns, carried, strict=True)
        )
        return RawRelation(typed.sql, tuple(columns))

    def _typed(self, sql: str, wanted: Sequence[Wanted]) -> RawRelation:
        """The relation, its types told by DuckDB itself."""
        import duckdb

        try:
            described = self.cursor.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
        except duckdb.Error as error:
            raise StoreError(
                f"reading {self.dataset}: {str(error).splitlines()[0]}", hint="see whether the file is whole"
            ) from error
        columns = tuple(
            RawColumn(f"c{i}", str(row[1]), timezone=thing.timezone or self.timezone)
            for i, (thing, row) in enumerate(zip(wanted, described, strict=False))
        )
        return RawRelation(sql, columns)

    def _batches(self, schema: pa.Schema, carried: Sequence[Carried]) -> Iterator[pa.RecordBatch]:
        names = sorted({column.place.column for column in carried if column.place is not None})
        twice = any(column.way == "int96" for column in carried)
        for path in self._paths:
            directories = _hive_values(self.files, path)
            try:
                for rows, coarse in _read(path, names, twice=twice):
                    batch = Batch(rows, coarse, directories)
                    yield pa.RecordBatch.from_arrays([column.array(batch) for column in carried], schema=schema)
            except (pa.ArrowException, OSError) as error:
                raise StoreError(
                    f"reading {self.dataset}: {path} cannot be read: {error}", hint="see whether the file is whole"
                ) from error


def _read(path: Path, names: list[str], *, twice: bool) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch | None]]:
    """Batches of a file.

    INT96 is read twice: in nanoseconds, for the last digits, and in microseconds, which reach all years.
    """
    with pq.ParquetFile(path) as file, pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as again:
        fine = file.iter_batches(BATCH_ROWS, columns=names)
        coarse = again.iter_batches(BATCH_ROWS, columns=names) if twice else itertools.repeat(None)
        yield from zip(fine, coarse, strict=False)


def _member_sql(path: str, place: Place | None) -> str:
    if place is None:
        return quote_name(path)
    return quote_name(place.column) + "".join(f"[{quote_text(member)}]" for member in place.members)


def read_schema(files: Files, paths: Sequence[Path]) -> ParquetSchema:
    """The columns of all files.

    Raises:
        StoreError: One is no Parquet, or two disagree.
    """
    first, int96, rows = _footer(files, paths[0])
    for path in paths[1:]:
        schema, kept, count = _footer(files, path)
        rows += count
        if not schema.equals(first) or kept != int96:
            found = f"{path.name} and {paths[0].name} differ in their columns: {_difference(first, schema)}"
            hint = "files of one relation have the same columns and types"
            raise StoreError(f"reading {files.dataset}: {found}", hint=hint)
    hive = tuple(dict.fromkeys(name for path in paths for name in _hive_values(files, path)))
    return ParquetSchema(first, int96, tuple(name for name in hive if name not in first.names), rows)


def _footer(files: Files, path: Path) -> tuple[pa.Schema, frozenset[str], int]:
    if path.stat().st_size == 0:
        raise StoreError(f"reading {files.dataset}: {path} is empty", hint="see whether its export went through")
    try:
        with pq.ParquetFile(path) as file:
            leaves = [file.schema.column(i) for i in range(len(file.schema))]
            int96 = frozenset(leaf.path for leaf in leaves if leaf.physical_type == "INT96")
            schema = file.schema_arrow.remove_metadata()
            return pa.schema([field.remove_metadata() for field in schema]), int96, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"reading {files.dataset}: {path} is no Parquet file: {str(error).splitlines()[0]}",
            hint="see whether it is whole, or has another suffix",
        ) from error


def _difference(one: pa.Schema, other: pa.Schema) -> str:
    names = [*one.names, *(name for name in other.names if name not in one.names)]
    for name in names:
        left, right = ("none" if s.get_field_index(name) < 0 else str(s.field(name).type) for s in (one, other))
        if left != right:
            return f"{name} is {left} and {right}"
    return "their order, or what may be NULL"


def _hive_values(files: Files, path: Path) -> dict[str, str]:
    """What the directories of a part say, such as `day=2026-01-31`."""
    if not files.partitioned:
        return {}
    parts = path.relative_to(files.directory.resolve()).parts[:-1]
    pairs = (part.split("=", 1) for part in parts if "=" in part)
    return {name: unquote(value) for name, value in pairs if value != _NO_VALUE}
