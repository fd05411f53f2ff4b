"""How a column of a Parquet file goes through Arrow into DuckDB, where DuckDB's own way would bend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from auditor.readers.arrow_text import stamp_text, texts
from auditor.readers.documents import inner_text
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from auditor.readers.files.parquet_columns import Place
    from reconcilers.ports import Wanted

_WRAP = 2**64


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file.

    Attributes:
        rows: As Arrow reads them.
        coarse: The same with INT96 in microseconds; None where none was wanted.
        directories: What the names of the file's directories say.
    """

    rows: pa.RecordBatch
    coarse: pa.RecordBatch | None
    directories: dict[str, str]


@dataclass(frozen=True, slots=True)
class Carried:
    """One wanted thing on its way.

    Attributes:
        wanted: What is wanted.
        place: Where it lies; None for what the name of a directory says.
        way: `directory`, `int96`, `inner` (a path into a document), `instant` (in nanoseconds), `text` or `plain`.
    """

    wanted: Wanted
    place: Place | None
    way: str

    @classmethod
    def of(cls, wanted: Wanted, place: Place | None) -> Carried:
        """Choose the way."""
        if place is None:
            return cls(wanted, place, "directory")
        if place.int96:
            return cls(wanted, place, "int96")
        if place.rest:
            return cls(wanted, place, "inner")
        if _is_fine_instant(place.kind) and wanted.logical is not None and wanted.logical.kind is Kind.TIMESTAMP:
            return cls(wanted, place, "instant")
        return cls(wanted, place, "plain" if place.is_native else "text")

    @property
    def arrow_type(self) -> pa.DataType:
        """The type in which it reaches DuckDB."""
        if self.way == "instant":
            return pa.timestamp("ns")
        if self.place is None or self.way != "plain":
            return pa.string()
        kind = self.place.kind
        return kind.value_type if pa.types.is_dictionary(kind) else kind

    def array(self, batch: Batch) -> pa.Array:
        """Its values in some rows."""
        if self.place is None:
            return pa.array([batch.directories.get(self.wanted.path)] * batch.rows.num_rows, pa.string())
        values = _descend(batch.rows, self.place)
        match self.way:
            case "int96":
                return pa.array(_int96_texts(values, _descend(batch.coarse, self.place)), pa.string())
            case "inner":
                path, logical = self.place.rest, self.wanted.logical
                return pa.array([inner_text(text, path, logical) for text in texts(values)], pa.string())
            case "text":
                return pa.array(texts(values), pa.string())
            case "instant":
                return values.cast(pa.timestamp("ns", tz="UTC")).cast(self.arrow_type)
        return values if values.type == self.arrow_type else values.cast(self.arrow_type)


def _is_fine_instant(kind: pa.DataType) -> bool:
    return bool(types.is_timestamp(kind) and kind.unit == "ns" and kind.tz is not None)


def _descend(batch: pa.RecordBatch | None, place: Place) -> pa.Array:
    if batch is None:
        raise AssertionError("INT96 needs both readings")
    values = batch.column(batch.schema.get_field_index(place.column))
    for member in place.members:
        values = pc.struct_field(values, [member])
    return values


def _int96_texts(fine: pa.Array, micros: pa.Array) -> list[str | None]:
    """INT96 with nine digits.

    Nanoseconds in 64 bits wrap around outside the years 1677 to 2262; their difference to the microseconds, modulo
    2^64, is right nevertheless, and below 1,000.
    """
    found: list[str | None] = []
    for nano, micro in zip(fine.cast(pa.int64()).to_pylist(), micros.cast(pa.int64()).to_pylist(), strict=True):
        last = None if nano is None or micro is None else (nano - micro * 1000) % _WRAP
        found.append(None if last is None else f"{stamp_text(micro, 'us')}{last:03}")
    return found
