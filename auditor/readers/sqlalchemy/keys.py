"""Rows by key through SQLAlchemy: a few hundred keys a statement, each bound as a value of its column's type.

A database may find more than was asked for, since its collation need not be ours.  One row must not come twice, in two
batches that both find it; so each batch keeps only the rows whose key is, in canonical form, one of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contracts.logical_types import Kind, LogicalType
from reconcilers.value_text import scalar_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.selectable import FromClause
    from sqlalchemy.types import TypeEngine

    from reconcilers.ports import Wanted

KEYS_MAX = 500
"""Keys of one statement; databases limit parameters to a few thousand, and a key may have several parts."""

BYTES_MAX = 100_000
"""Bytes of the keys of one statement."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The keys of one statement.

    Attributes:
        columns: Names of the key's columns.
        rows: Bound values of each key.
        own: The keys in canonical text.
        types: Logical types of the key's parts.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    own: frozenset[tuple[str, ...]]
    types: tuple[LogicalType | None, ...]

    def condition(self, source: FromClause) -> ColumnElement[bool]:
        """The rows with one of these keys."""
        import sqlalchemy as sa

        columns = [source.c[name] for name in self.columns]
        if len(columns) == 1:
            return columns[0].in_([row[0] for row in self.rows])
        return sa.or_(
            *(sa.and_(*(column == part for column, part in zip(columns, row, strict=True))) for row in self.rows)
        )

    def only_its_own(self, columns: list[list[str | None]]) -> list[list[str | None]]:
        """The rows, given as columns of text with the key last, whose key is one of these."""
        keys = zip(*columns[-len(self.columns) :], strict=True)
        kept = [self._canonical(key) in self.own for key in keys]
        return [[text for text, keep in zip(column, kept, strict=True) if keep] for column in columns]

    def _canonical(self, key: Sequence[str | None]) -> tuple[str, ...] | None:
        if None in key:
            return None
        return tuple(canonical_text(str(part), logical) for part, logical in zip(key, self.types, strict=True))


def canonical_text(text: str, logical: LogicalType | None) -> str:
    """Canonical text of a part of a key; itself where it is no value of its type."""
    if logical is None:
        return text
    return scalar_text(text, logical) or text


def key_batches(
    keys: Sequence[tuple[str, ...]], kinds: Sequence[TypeEngine[Any]], columns: Sequence[Wanted]
) -> list[Batch] | None:
    """The keys in batches; None where the types of the key's columns do not let them be bound exactly."""
    import sqlalchemy as sa

    lawful = (sa.types.Integer, sa.types.String, sa.types.Uuid, sa.types.Date, sa.types.Numeric)
    unlawful = (sa.types.Float, sa.types.Enum)  # doubles have many spellings, and PostgreSQL's enums take no text
    if not all(isinstance(kind, lawful) and not isinstance(kind, unlawful) for kind in kinds):
        return None
    types = tuple(column.logical for column in columns)
    if any(logical is not None and logical.kind in (Kind.JSON, Kind.LIST) for logical in types):
        return None
    by_canonical: dict[tuple[str, ...], set[tuple[Any, ...]]] = {}
    for key in keys:
        forms = tuple(canonical_text(part, logical) for part, logical in zip(key, types, strict=True))
        bound = {tuple(_bound(part, kind) for part, kind in zip(parts, kinds, strict=True)) for parts in (key, forms)}
        by_canonical.setdefault(forms, set()).update(row for row in bound if None not in row)
    names = tuple(column.path for column in columns)
    return [
        Batch(names, tuple(row for forms in some for row in by_canonical[forms]), frozenset(some), types)
        for some in _split([forms for forms, rows in by_canonical.items() if rows])
    ]


def finds_every_spelling(kind: TypeEngine[Any], logical: LogicalType | None) -> bool:
    """Whether a lookup by a column of this type finds a value of the logical type however it is spelled."""
    import sqlalchemy as sa

    if logical is None:
        return False
    families: dict[Kind, tuple[type[TypeEngine[Any]], ...]] = {
        Kind.INT: (sa.types.Integer, sa.types.Numeric),
        Kind.DECIMAL: (sa.types.Integer, sa.types.Numeric),
        Kind.UUID: (sa.types.Uuid,),
        Kind.DATE: (sa.types.Date,),
        Kind.TEXT: (sa.types.String,),
        Kind.ENUM: (sa.types.String,),
    }
    return isinstance(kind, families.get(logical.kind, ()))


def _split(keys: list[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    """Keys in lists limited by count and bytes."""
    lists: list[list[tuple[str, ...]]] = [[]]
    size = 0
    for key in keys:
        size += sum(map(len, key))
        if len(lists[-1]) >= KEYS_MAX or size > BYTES_MAX:
            lists.append([])
            size = sum(map(len, key))
        lists[-1].append(key)
    return lists


def _limit(kind: TypeEngine[Any]) -> int:
    """Integers below this fit the column, as far as its type's family tells; others would be the database's error."""
    import sqlalchemy as sa

    bits = 15 if isinstance(kind, sa.types.SmallInteger) else 63 if isinstance(kind, sa.types.BigInteger) else 31
    return int(2 ** (bits + bool(getattr(kind, "unsigned", False))))


def _bound(text: str, kind: TypeEngine[Any]) -> Any:
    """A key's part as a value of its column's type; None where the column cannot hold it."""
    import sqlalchemy as sa

    try:
        if isinstance(kind, sa.types.Integer):
            return int(text) if -(limit := _limit(kind)) <= int(text) < limit else None
        if isinstance(kind, sa.types.Numeric):
            return Decimal(text)
        if isinstance(kind, sa.types.Uuid):
            return UUID(text)
        if isinstance(kind, sa.types.Date):
            return date.fromisoformat(text)
    except (ValueError, InvalidOperation):
        return None
    return text
