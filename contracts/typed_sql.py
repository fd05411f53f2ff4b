"""A canonical value in DuckDB SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts.logical_types import LogicalType


@dataclass(frozen=True, slots=True)
class TypedSql:
    """A canonical value: how to refer to it in DuckDB SQL, and its declared type.

    The DuckDB type must be the canonical one: BIGINT or HUGEINT for int, DECIMAL(p,s) for decimal(p,s) up to 38 digits
    and VARCHAR beyond, DOUBLE for float, UUID, BOOLEAN, DATE, TIME, TIMESTAMP in UTC for timestamp, TIMESTAMP for
    timestamp(local), BLOB for bytes, VARCHAR for the rest.
    """

    sql: str
    type: LogicalType
