"""Which way each column of a Parquet file takes into DuckDB.

DuckDB reads most Parquet types exactly, and fastest.  These it would bend (measured on 1.5.5), so Arrow reads them:

| Parquet | what DuckDB makes of it | how it is read here |
|---|---|---|
| decimal of more than 38 digits | a double | text with all digits |
| timestamp in nanoseconds, in UTC | cut to microseconds | TIMESTAMP_NS |
| INT96 | cut to microseconds | text with nine digits |
| time in nanoseconds | cut to microseconds | text with nine digits |
| 16-bit float | a 32-bit float with another shortest text | its own shortest text |
| list, struct, map | comparable only in part | JSON text with all digits |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.logical_types import DECIMAL_DIGITS_MAX, Kind, LogicalType

if TYPE_CHECKING:
    import pyarrow as pa

DUCKDB_DECIMAL_DIGITS = 38


@dataclass(frozen=True, slots=True)
class Place:
    """Where a wanted thing lies in the file.

    Attributes:
        column: The top-level column.
        members: Members of structs on the way down.
        rest: What is left of the path within a map, a list or a document in text.
        kind: The Arrow type of what `column` and `members` lead to.
        int96: It is kept as INT96, which Arrow's type does not tell.
    """

    column: str
    members: tuple[str, ...]
    rest: tuple[str, ...]
    kind: pa.DataType
    int96: bool = False

    @property
    def is_native(self) -> bool:
        """Whether DuckDB reads it exactly."""
        return not self.rest and not self.int96 and _is_native(self.kind)


def find_place(schema: pa.Schema, int96: frozenset[str], path: str) -> Place | None:
    """The place of a path, or None where the file has no such column; the longest column name wins."""
    from pyarrow import types

    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        index = schema.get_field_index(".".join(parts[:length]))
        if index < 0:
            continue
        kind, members, rest = schema.field(index).type, [], parts[length:]
        while rest and types.is_struct(kind) and kind.get_field_index(rest[0]) >= 0:
            kind = kind.field(kind.get_field_index(rest[0])).type
            members.append(rest.pop(0))
        column = schema.field(index).name
        whole = ".".join([column, *members])
        return Place(column, tuple(members), tuple(rest), kind, whole in int96)
    return None


def _is_native(kind: pa.DataType) -> bool:
    import pyarrow as pa
    from pyarrow import types

    if isinstance(kind, pa.BaseExtensionType):
        return kind.extension_name in ("arrow.uuid", "arrow.json")
    bent = (
        (types.is_decimal(kind) and kind.precision > DUCKDB_DECIMAL_DIGITS)
        or (types.is_timestamp(kind) and kind.unit == "ns" and kind.tz is not None)
        or (types.is_time64(kind) and kind.unit == "ns")
        or types.is_float16(kind)
        or types.is_nested(kind)
        or types.is_duration(kind)
    )
    return not bent


def logical_of(kind: pa.DataType, *, int96: bool) -> tuple[LogicalType | None, str]:
    """The logical type that carries an Arrow type, and how it tells time (see `reconcilers.ports.Column`)."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(kind, pa.BaseExtensionType):
        known = {"arrow.uuid": Kind.UUID, "arrow.json": Kind.JSON}
        return (LogicalType(known[kind.extension_name]) if kind.extension_name in known else None), ""
    if types.is_dictionary(kind):
        return logical_of(kind.value_type, int96=int96)
    if types.is_timestamp(kind):
        instant = kind.tz is not None and not int96
        return LogicalType(Kind.TIMESTAMP if instant else Kind.TIMESTAMP_LOCAL), "instant" if instant else "local"
    if types.is_decimal(kind):
        sound = 0 <= kind.scale <= kind.precision <= DECIMAL_DIGITS_MAX
        return (LogicalType(Kind.DECIMAL, precision=kind.precision, scale=kind.scale) if sound else None), ""
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        element, _ = logical_of(kind.value_type, int96=False)
        return LogicalType(Kind.LIST, element=element or LogicalType(Kind.JSON)), ""
    plain = (
        (types.is_boolean(kind), Kind.BOOL),
        (types.is_integer(kind), Kind.INT),
        (types.is_floating(kind), Kind.FLOAT),
        (types.is_string(kind) or types.is_large_string(kind), Kind.TEXT),
        (types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind), Kind.BYTES),
        (types.is_date(kind), Kind.DATE),
        (types.is_time(kind), Kind.TIME),
        (types.is_struct(kind) or types.is_map(kind), Kind.JSON),
    )
    return next((LogicalType(found) for fits, found in plain if fits), None), ""
