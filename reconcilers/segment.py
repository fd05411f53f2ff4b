"""Large datasets in segments: half-open ranges [lower, upper) of the key's first part, open at both outer ends.

Each segment is a look of its own, from short snapshots with watermarks of their own, and what it finds stands.  Put
together, the segments find what one look would have found, since a key's rows are all in one segment, on both sides:

1. A store cuts by a plain comparison of its own, so that each of its rows meets exactly one segment's condition, NULLs
   the first's: nothing is lost between two segments, whatever a key looks like.
2. No store's order is trusted.  Where a row has arrived in a segment that its canonical key does not belong to, the
   store sorts otherwise than we do (`Misplaced`), and the entity is read in one scan.
3. A row that changes its key while the run goes on is, at either key, no more than a change between two moments: a
   suspect at most, which the next look settles.

What is a matter of all rows is put together by `reconcilers.segments`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.logical_types import Kind
from reconcilers.canonical import Canonical, canonical
from reconcilers.ports import RawColumn
from reconcilers.projection import key_sql
from reconcilers.single_scan import single_scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from contracts.logical_types import LogicalType

CUT_KINDS = frozenset({Kind.INT, Kind.UUID, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL, Kind.TEXT})
"""Types of a key's first part by which rows are cut: their canonical form sorts as their values do."""


_DIGITS = re.compile("-?[0-9]{1,38}")
"""An integer that a HUGEINT holds."""


class MisplacedError(Exception):
    """A store's order of keys is not ours.

    Args:
        dataset: Whose.
    """

    def __init__(self, dataset: str) -> None:
        super().__init__(dataset)
        self.dataset = dataset


@dataclass(frozen=True, slots=True)
class Segment:
    """One range of keys.

    Attributes:
        number: From 0 on.
        lower: The least value of the key's first part, in canonical text; None: everything below `upper`, NULL too.
        upper: The value that everything here is below; None: no limit.
    """

    number: int
    lower: str | None
    upper: str | None


def segments_between(bounds: Sequence[str]) -> list[Segment]:
    """The segments that these bounds, least first, make: one more than there are bounds."""
    edges = [None, *bounds, None]
    return [Segment(number, edges[number], edges[number + 1]) for number in range(len(edges) - 1)]


def misplaced(segment: Segment, logical: LogicalType) -> str:
    """SQL condition on a projection's rows: the key's first part is a value beyond the segment."""
    inside = []
    if segment.lower is not None:
        inside.append(f"k0 >= {_bound(segment.lower, logical)}")
    if segment.upper is not None:
        inside.append(f"k0 < {_bound(segment.upper, logical)}")
    return f"k0 IS NOT NULL AND NOT ({' AND '.join(inside) or 'true'})"


def keys_within(
    cursor: duckdb.DuckDBPyConnection, segment: Segment, logical: LogicalType, texts: Sequence[str | None]
) -> list[bool]:
    """Whether each of these values, in canonical text, lies in a segment."""
    import pyarrow as pa

    if not texts:
        return []
    form = canonical(logical, RawColumn("t", "VARCHAR"))
    asked = pa.table({"n": pa.array(range(len(texts)), pa.int64()), "t": pa.array(texts, pa.string())})
    cursor.register("asked_parts", single_scan(asked))
    try:
        parts = f"SELECT n, {key_sql(logical, form)} AS k0 FROM asked_parts"
        rows = cursor.execute(f"SELECT NOT ({misplaced(segment, logical)}) FROM ({parts}) ORDER BY n").fetchall()
    finally:
        cursor.unregister("asked_parts")
    return [bool(within) for (within,) in rows]


def in_order(cursor: duckdb.DuckDBPyConnection, logical: LogicalType, texts: Sequence[str]) -> list[str]:
    """Values as canonical text in the order of their canonical form, each once; what is no value is left out."""
    if not texts:
        return []
    form = canonical(logical, RawColumn("t", "VARCHAR"))
    some = ", ".join(f"({_quoted(text)})" for text in dict.fromkeys(texts))
    rows = cursor.execute(
        f"SELECT {key_sql(logical, form)}, {form.text} FROM (SELECT CAST(t AS VARCHAR) AS t FROM (VALUES {some}) v(t))"
    ).fetchall()
    keys = {written: key for key, written in rows if key is not None}
    return sorted(keys, key=lambda written: keys[written])


def _bound(text: str, logical: LogicalType) -> str:
    return key_sql(logical, _form(text, logical))


def _form(text: str, logical: LogicalType) -> Canonical:
    """A value in canonical text, as a constant.

    Of a constant DuckDB works out every branch beforehand, and that for odd spellings of integers would call Python.
    """
    arrives = "HUGEINT" if logical.kind is Kind.INT and _DIGITS.fullmatch(text) else "VARCHAR"
    return canonical(logical, RawColumn(f"CAST({_quoted(text)} AS {arrives})", arrives))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
