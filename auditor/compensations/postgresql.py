"""Compensations for PostgreSQL, applied with psql.

Values are untyped literals, which the server takes for what the column is: it then refuses what is too long, where a
cast would cut it without a word.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from auditor.compensations.columns import UnwritableError
from auditor.compensations.dialect import (
    Dialect,
    Literal,
    Written,
    floating,
    fraction,
    number,
    refuse,
    scaled,
    stamp,
    textual,
)
from auditor.compensations.statement import NULL, Slot, Statement, sql
from contracts.equality import Hashed, Mask
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from auditor.compensations.columns import TargetColumn
    from contracts.equality import TruncatedTo
    from contracts.logical_types import LogicalType

_INTEGERS = {"smallint": 15, "integer": 31, "bigint": 63}
_TEXTS = frozenset({"text", "character varying", "character", "citext", "name", '"char"', "bpchar"})
_FLOATS = {"real": True, "double precision": False}
_STAMPS = {"timestamp without time zone": False, "timestamp with time zone": True}
_DOCUMENTS = frozenset({"json", "jsonb"})
_COMPARABLE = frozenset({"boolean", "uuid", "date", "time without time zone", "interval", "bytea", "numeric", "jsonb"})
_DIGITS_MAX = 6
_NUMERIC_DIGITS = (1000, 500)
"""What a numeric without limits is given at most; far more than a contract can declare usefully."""

_CATALOG = """
SELECT a.attname::text AS name,
  format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END,
    CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END)::text AS declared,
  (NOT (a.attnotnull OR t.typnotnull))::int::text AS nullable,
  (a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL)::int::text AS filled,
  (a.attgenerated <> '')::int::text AS generated, (a.attidentity = 'a')::int::text AS always,
  (t.typname <> 'citext' AND coalesce((SELECT collisdeterministic FROM pg_collation WHERE oid = a.attcollation), true))
    ::int::text AS bytewise,
  has_column_privilege(a.attrelid, a.attnum, 'SELECT')::int::text AS readable,
  CASE WHEN c.relkind IN ('r', 'p') THEN 'table' WHEN c.relkind = 'v' THEN 'view' ELSE 'no plain table' END AS kind
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass({table}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


class PostgreSql(Dialect):
    """PostgreSQL."""

    title: ClassVar[str] = "PostgreSQL"
    client: ClassVar[str] = "psql -X --dbname URL --file {file}"

    def quoted(self, name: str) -> str:
        """See `Dialect.quoted`."""
        return '"' + name.replace('"', '""') + '"'

    def text(self, value: str) -> str:
        """See `Dialect.text`.

        Raises:
            UnwritableError: No text of PostgreSQL holds NUL.
        """
        if "\0" in value:
            raise UnwritableError("it holds a NUL character, which no text of PostgreSQL can")
        quoted = value.replace("'", "''")
        if value.isprintable() and "\\" not in value:
            return f"'{quoted}'"
        return "E'" + "".join(_escape(character) for character in quoted.replace("\\", "\\\\")) + "'"

    def variable(self, name: str) -> str:
        """See `Dialect.variable`."""
        return f":'{name}'"

    def filling(self, name: str) -> str:
        """See `Dialect.filling`."""
        return f"\\set {name} 'VALUE'"

    def catalog_query(self, relation: str) -> str:
        """See `Dialect.catalog_query`."""
        return _CATALOG.format(table="'" + self.table(relation).replace("'", "''") + "'")

    def image(self, column: TargetColumn) -> str:
        """See `Dialect.image`."""
        return f"{self.quoted(column.name)}::text"

    def plain(self, column: TargetColumn, image: str) -> str:  # noqa: ARG002
        """See `Dialect.plain`."""
        return image

    def kept(self, column: TargetColumn, image: str | None) -> Literal:  # noqa: ARG002
        """See `Dialect.kept`."""
        return NULL if image is None else self._literal(image)

    def _literal(self, text: str) -> Literal:
        return Literal(self.text(text), text, "{}")

    def written(self, column: TargetColumn, value: Written) -> Literal:
        """See `Dialect.written`."""
        return self._literal(self.element(column, value))

    def element(self, column: TargetColumn, value: Written) -> str:  # noqa: C901, PLR0911 - one line a type
        """The text that the server reads as the column's type; also of an array's element."""
        base, sizes = column.base, column.sizes
        kind = value.logical.kind
        if base.endswith("[]"):
            return _array(column, value)
        if self.is_text(column):
            return textual(column, value, value.sample, sizes[0] if sizes else None)
        if base in _INTEGERS:
            return number(column, value, -(2 ** _INTEGERS[base]), 2 ** _INTEGERS[base] - 1)
        if base == "numeric":
            return scaled(column, value, *((sizes[0], sizes[1]) if sizes else _NUMERIC_DIGITS))
        if base in _FLOATS:
            return floating(column, value, single=_FLOATS[base])
        if base in _STAMPS:
            instant = _STAMPS[base]
            told = stamp(column, value, digits=sizes[0] if sizes else _DIGITS_MAX, instant=instant)
            return f"{told}+00" if instant and told[0].isdecimal() else told
        if base == "time without time zone" and kind is Kind.TIME:
            return fraction(column, value, value.text, sizes[0] if sizes else _DIGITS_MAX)
        if base == "bytea" and kind is Kind.BYTES:
            return f"\\x{value.text}"
        same = {"boolean": Kind.BOOL, "uuid": Kind.UUID, "date": Kind.DATE, "interval": Kind.INTERVAL}
        if same.get(base) is kind or (base in _DOCUMENTS and kind in (Kind.JSON, Kind.LIST)):
            return value.text
        if kind in (Kind.ENUM, Kind.TEXT) and base not in same and base not in _COMPARABLE:
            return value.text  # an enum, or a type that only knows its own text: the server refuses what it is not
        raise refuse(column, value)

    def same_value(self, column: TargetColumn, logical: LogicalType, text: str, literal: Literal) -> str:
        """See `Dialect.same_value`; the server itself reads an instant with its Z."""
        if logical.kind is Kind.TIMESTAMP and _STAMPS.get(column.base):
            return "{}"
        return super().same_value(column, logical, text, literal)

    def is_text(self, column: TargetColumn) -> bool:
        """See `Dialect.is_text`."""
        return column.base in _TEXTS

    def is_still(self, column: TargetColumn, slot: Slot) -> Statement:
        """See `Dialect.is_still`."""
        name = self.quoted(column.name)
        if slot.value.is_null:
            return sql(f"{name} IS NULL")
        base = column.base
        if base == "json":
            return sql(f"{name}::text = ", slot)
        if self.is_text(column) and not column.bytewise:  # whatever its own collation takes for the same
            return sql(f'{name}::text COLLATE "C" IS NOT DISTINCT FROM ', slot)
        if (
            self.is_text(column)
            or base in _INTEGERS
            or base in _FLOATS
            or base in _STAMPS
            or base in _COMPARABLE
            or base.endswith("[]")
        ):
            return sql(f"{name} IS NOT DISTINCT FROM ", slot)
        return sql(f"{name}::text IS NOT DISTINCT FROM ", slot)

    def is_key(self, column: TargetColumn, slot: Slot) -> Statement:
        """See `Dialect.is_key`."""
        return sql(f"{self.quoted(column.name)} = ", slot)

    def is_filled(self, slot: Slot) -> Statement:  # noqa: ARG002 - see `only_if_filled`
        """See `Dialect.is_filled`."""
        return Statement()

    def only_if_filled(self, variables: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """See `Dialect.only_if_filled`."""
        return [f"\\if :{{?{name}}}" for name in variables], ["\\endif" for _ in variables]

    def flag(self, column: TargetColumn, sample: Sequence[str], *, deleted: bool, now: datetime) -> Literal:  # noqa: ARG002
        """See `Dialect.flag`."""
        base = column.base
        if base == "boolean":
            return self._literal("true" if deleted else "false")
        if base in _INTEGERS or base == "numeric":
            return self._literal("1" if deleted else "0")
        if base in _STAMPS or base == "date":
            if not deleted:
                return NULL
            moment = now.isoformat(sep=" ", timespec="seconds")
            return self._literal(moment[:10] if base == "date" else moment)
        raise UnwritableError(f"what column {column.name} ({column.declared}) means by its values is not certain")

    def derived(self, step: Mask | Hashed | TruncatedTo) -> str:
        """See `Dialect.derived`."""
        match step:
            case Mask(character, keep):
                return _mask(self.text(character), keep)
            case Hashed():
                return "" if step.salt else "encode(sha256(convert_to({}, 'UTF8')), 'hex')"
            case _:
                return f"left({{}}, {step.length})"

    def head(self, expires_at: datetime) -> Sequence[str]:
        """See `Dialect.head`."""
        moment = expires_at.isoformat()
        return (
            "\\set ON_ERROR_STOP on",
            "SET client_encoding = 'UTF8';",
            "SET standard_conforming_strings = on;",
            "SET TimeZone = 'UTC';",
            "SET DateStyle = 'ISO, YMD';",
            "SET IntervalStyle = 'iso_8601';",
            "SET bytea_output = 'hex';",
            "SET extra_float_digits = 1;",
            "BEGIN;",
            "DO $$ BEGIN",
            f"  IF now() >= timestamptz '{moment}' THEN",
            f"    RAISE EXCEPTION 'this plan expired at {moment}: make a new one';",
            "  END IF;",
            "END $$;",
        )


def _mask(character: str, keep: int) -> str:
    kept = f" || right({{}}, {keep})" if keep else ""
    return f"repeat({character}, greatest(length({{}}) - {keep}, 0)){kept}"


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return named.get(character) or f"\\U{ord(character):08x}"


def _array(column: TargetColumn, value: Written) -> str:
    """A one-dimensional array; its elements are texts that the server reads as the element's type."""
    element = value.logical.element
    if value.logical.kind is not Kind.LIST or element is None or element.kind in (Kind.LIST, Kind.JSON):
        raise refuse(column, value)
    inner = replace(column, declared=column.declared.removesuffix("[]"))
    items = []
    for item in json.loads(value.text):
        if item is None:
            items.append("NULL")
            continue
        text = PostgreSql().element(inner, Written(str(item), element, value.zone))
        items.append('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
    return "{" + ",".join(items) + "}"
