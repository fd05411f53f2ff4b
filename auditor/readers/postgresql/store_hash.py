"""One number for many columns, made by the server: what is hashed, and when that says the same as the values would.

A field is hashed by its bytes: text in UTF-8, a numeric by its text at the declared scale, a uuid by itself.
Each hash is the seed of the next, and the first seed says which fields are NULL; so no two fields can cancel each
other out, and NULL is no empty text.

What PostgreSQL hashes by other means is not used: its hash of an int8 and of a timestamp folds 64 bits to 32, that of a
numeric forgets the sign and takes NaN for infinity, that of an enum is of its number in the catalog.  Those types cost
little to bring, and are brought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.readers.native import quote_name
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.readers.postgresql.columns import Access, PostgresColumn
    from contracts.logical_types import LogicalType

ENCODING = "UTF8"
"""The only one whose texts are hashed: in another the same bytes may be another text."""

_TEXT = 'pg_catalog.hashtextextended({value} COLLATE pg_catalog."C", {seed})'  # by its bytes, whatever it sorts by
_UUID = "pg_catalog.uuid_hash_extended({value}, {seed})"
_NO_UUID = "'00000000-0000-0000-0000-000000000000'"
_FIRST_SEED = 1

KNOWN = """
to_json(2 = (SELECT count(*) FROM pg_catalog.pg_proc WHERE oid IN (
  to_regprocedure('pg_catalog.hashtextextended(text,bigint)')::oid,
  to_regprocedure('pg_catalog.uuid_hash_extended(uuid,bigint)')::oid)))
"""
"""JSON expression: whether the server has the functions at all."""

_PROBE_TEXT = "'probe: a text of more than twelve bytes, with ä and €'"
_PROBE_UUID = "'0123abcd-4567-89ef-0123-456789abcdef'"
_PROBED_EMPTY = _TEXT.format(value="''", seed="8589934593")
_PROBED_UUID = _UUID.format(value=_PROBE_UUID, seed=_PROBED_EMPTY)
PROBE = f"to_json({_TEXT.format(value=_PROBE_TEXT, seed=_PROBED_UUID)})"
"""JSON expression whose value is `PROBED` where the functions do what PostgreSQL's do on a little-endian machine."""

PROBED = 2581147943007270696
"""As PostgreSQL 13 to 18 answer in a database in UTF-8."""


def hash_form(column: PostgresColumn, logical: LogicalType | None) -> str:
    """The form in which a whole column is hashed under a declared type; empty where it is not.

    See `reconcilers.ports.RawColumn.hash_form`.
    """
    if logical is None or column.array:
        return ""
    if logical.kind is Kind.TEXT and column.base in ("text", "varchar", "bpchar"):
        return "postgresql text"
    if logical.kind is Kind.UUID and column.base == "uuid":
        return "postgresql uuid"
    if logical.kind is Kind.DECIMAL and _fits(column, logical):
        return f"postgresql decimal of scale {logical.scale}"
    return ""


def _fits(column: PostgresColumn, logical: LogicalType) -> bool:
    digits = column.digits()
    if digits is None:
        return False
    precision, scale = digits
    return scale <= logical.scale and precision - scale <= logical.precision - logical.scale


def hash_sql(fields: Sequence[tuple[Access, LogicalType]]) -> str:
    """SQL of the hash over whole columns that have a form, in this order.

    Args:
        fields: Each with the type under which it is declared.
    """
    bits = [
        f" + CASE WHEN {access.name} IS NULL THEN {2 ** (number + 1)}::int8 ELSE 0 END"
        for number, (access, _) in enumerate(fields)
        if access.column.nullable
    ]
    hashed = f"({_FIRST_SEED}::int8{''.join(bits)})"
    for access, logical in fields:
        hashed = _hashed(access.column, logical, hashed)
    return hashed


def _hashed(column: PostgresColumn, logical: LogicalType, seed: str) -> str:
    """One field's hash; the cast comes first, so that a domain's own rules do not judge what stands in for NULL."""
    name = quote_name(column.name)
    if logical.kind is Kind.UUID:
        return _UUID.format(value=_filled(f"{name}::uuid", _NO_UUID, column), seed=seed)
    if logical.kind is Kind.DECIMAL:
        name = _at_scale(name, column, logical)
    return _TEXT.format(value=_filled(f"{name}::text", "''", column), seed=seed)


def _at_scale(name: str, column: PostgresColumn, logical: LogicalType) -> str:
    precision, scale = column.digits() or (0, 0)
    if scale == logical.scale:
        return name
    return f"{name}::numeric({precision - scale + logical.scale},{logical.scale})"


def _filled(value: str, otherwise: str, column: PostgresColumn) -> str:
    return f"coalesce({value}, {otherwise})" if column.nullable else value
