r"""How values of SQLite reach DuckDB without being bent.

A column may hold any mix of integers, reals, text and blobs.  Three ways lead out, chosen for each column:

- *integer*: every value is an integer or NULL (proven within the snapshot): BIGINT.
- *real*: every value is a number or NULL (proven): DOUBLE, where integers among them are exact as doubles.
- *mixed*: three Arrow columns carry integers, doubles and text side by side, batch by batch in whatever the batch
  holds; DuckDB writes the numbers as text (the shortest that reads back) and takes the one that is there: VARCHAR.

Blobs are written as `\x` and hex; in text that is no UTF-8 each wrong byte becomes U+FFFD and its hex, which shows and
equals no honest text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from auditor.readers.documents import inner_text
from auditor.readers.native import quote_name
from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMERIC_KINDS = frozenset({Kind.INT, Kind.BOOL, Kind.DECIMAL, Kind.FLOAT})
"""Logical types under which a column of numbers arrives as numbers."""

UUID_BYTES = 16


def readable(raw: bytes) -> str:
    """Bytes that should have been UTF-8 as text: U+FFFD and the hex of each byte that is not."""
    text = raw.decode(errors="surrogateescape")
    return "".join(f"\ufffd{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)


@dataclass(frozen=True, slots=True)
class Cell:
    """One wanted thing of a SQLite relation.

    Attributes:
        column: The column's name.
        path: Where in the column's document, or empty.
        logical: What it is read under.
        way: `integer`, `real` or `mixed`.
        name: The first part of its names in the Arrow schema.
    """

    column: str
    path: tuple[str, ...]
    logical: LogicalType | None
    way: str
    name: str

    @property
    def duckdb_type(self) -> str:
        """As DuckDB spells it."""
        return {"integer": "BIGINT", "real": "DOUBLE"}.get(self.way, "VARCHAR")

    def fields(self) -> list[pa.Field]:
        """The Arrow fields that carry it."""
        if self.way == "integer":
            return [pa.field(self.name, pa.int64())]
        if self.way == "real":
            return [pa.field(self.name, pa.float64())]
        suffixes = {"_i": pa.int64(), "_r": pa.float64(), "_t": pa.string()}
        return [pa.field(self.name + suffix, kind) for suffix, kind in suffixes.items()]

    def sql(self) -> str:
        """The Arrow fields as one DuckDB column."""
        if self.way != "mixed":
            return quote_name(self.name)
        integer, real, text = (quote_name(self.name + suffix) for suffix in ("_i", "_r", "_t"))
        return (
            f"coalesce({text}, CAST({integer} AS VARCHAR), {_real_text(real, self.logical)}) AS {quote_name(self.name)}"
        )

    def arrays(self, values: Sequence[Any]) -> list[pa.Array]:
        """One batch of values as Arrow arrays, one for each of `fields`."""
        if self.way != "mixed":
            return [pa.array(values, pa.int64() if self.way == "integer" else pa.float64())]
        if self.path:
            return _as_text([self._inner(value) for value in values])
        kinds = set(map(type, values))
        kinds.discard(type(None))
        if kinds <= {str}:
            return _as_text(values)
        if kinds == {int}:
            return [
                pa.array(values, pa.int64()),
                pa.nulls(len(values), pa.float64()),
                pa.nulls(len(values), pa.string()),
            ]
        if kinds == {float}:
            return [
                pa.nulls(len(values), pa.int64()),
                pa.array(values, pa.float64()),
                pa.nulls(len(values), pa.string()),
            ]
        return [
            pa.array([value if type(value) is int else None for value in values], pa.int64()),
            pa.array([value if type(value) is float else None for value in values], pa.float64()),
            pa.array([self._text(value) for value in values], pa.string()),
        ]

    def _text(self, value: Any) -> str | None:
        if isinstance(value, bytes):
            if self.logical is not None and self.logical.kind is Kind.UUID and len(value) == UUID_BYTES:
                return value.hex()
            return f"\\x{value.hex()}"
        return value if isinstance(value, str) else None

    def _inner(self, value: Any) -> str | None:
        text = value if isinstance(value, str) or value is None else str(self._text(value) or value)
        return inner_text(text, self.path, self.logical)


def _as_text(values: Sequence[str | None]) -> list[pa.Array]:
    return [pa.nulls(len(values), pa.int64()), pa.nulls(len(values), pa.float64()), pa.array(values, pa.string())]


def _real_text(real: str, logical: LogicalType | None) -> str:
    """SQL of a double's text; under int and bool 3.0 is `3`, since a whole real is how SQLite may keep an integer."""
    infinite = f"WHEN isinf({real}) THEN CASE WHEN {real} > 0 THEN 'infinity' ELSE '-infinity' END"
    text = f"CASE {infinite} ELSE CAST({real} AS VARCHAR) END"
    if logical is None or logical.kind in (Kind.INT, Kind.BOOL):
        whole = f"CASE WHEN {real} = trunc({real}) AND abs({real}) < 1e18 THEN CAST(CAST({real} AS BIGINT) AS VARCHAR)"
        return f"{whole} ELSE {text} END"
    return text
