"""Compensations for MySQL and MariaDB, applied with their own clients.

Texts that hold a backslash or anything invisible are written in hex: no SQL mode (NO_BACKSLASH_ESCAPES, ANSI_QUOTES)
reads them another way.  Text is compared as bytes, since most collations take `a` for `A` and `a ` for `a`.
"""

from __future__ import annotations

import re
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
from auditor.compensations.spelling import single_text
from auditor.compensations.statement import NULL, Secret, Slot, Statement, sql
from contracts.equality import Hashed, Mask
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from auditor.compensations.columns import TargetColumn
    from contracts.equality import TruncatedTo

_INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_FLOATS = {"float": True, "double": False}
_TEXT_BYTES = {"tinytext": 255, "text": 65_535, "mediumtext": 16_777_215, "longtext": 4_294_967_295}
_TEXTS = frozenset({"char", "varchar", *_TEXT_BYTES, "enum", "set"})
_BINARIES = {"binary": None, "varbinary": None, "tinyblob": 255, "blob": 65_535, "mediumblob": 16_777_215,
             "longblob": 4_294_967_295}  # fmt: skip
_TIMES = frozenset({"date", "time", "datetime", "timestamp"})
_OWN_TEXT = frozenset({"uuid", "inet4", "inet6"})
_FINITE = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL)
_MODE = "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO"
"""Strict, so that nothing is cut or bent without a word; and a key of 0 is a key."""

_UUID_BYTES = 16
_YEARS = (1901, 2155)

_CATALOG = """
SELECT CONVERT(column_name USING utf8mb4) AS `name`, CONVERT(lower(column_type) USING utf8mb4) AS `declared`,
  CONVERT(CAST(is_nullable = 'YES' AS CHAR) USING utf8mb4) AS `nullable`,
  CONVERT(CAST(column_default IS NOT NULL OR lower(extra) LIKE '%auto_increment%' AS CHAR) USING utf8mb4) AS `filled`,
  CONVERT(CAST(lower(extra) LIKE '%generated' OR lower(extra) LIKE '%virtual%' OR lower(extra) LIKE '%stored%'
    OR lower(extra) LIKE '%persistent%' AS CHAR) USING utf8mb4) AS `generated`,
  '0' AS `always`, '0' AS `bytewise`, '1' AS `readable`,
  CONVERT(CASE WHEN table_type = 'BASE TABLE' THEN 'table' ELSE lower(table_type) END USING utf8mb4) AS `kind`
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_name = {name} AND table_schema = {schema}
ORDER BY ordinal_position
"""


class MySql(Dialect):
    """MySQL and MariaDB."""

    title: ClassVar[str] = "MySQL or MariaDB"
    client: ClassVar[str] = "mariadb DATABASE < {file}   (or mysql)"
    nowhere: ClassVar[str] = " FROM DUAL"

    def quoted(self, name: str) -> str:
        """See `Dialect.quoted`."""
        return "`" + name.replace("`", "``") + "`"

    def text(self, value: str) -> str:
        """See `Dialect.text`."""
        if value.isprintable() and "\\" not in value:
            return "'" + value.replace("'", "''") + "'"
        return f"CONVERT(X'{value.encode().hex()}' USING utf8mb4)"

    def variable(self, name: str) -> str:
        """See `Dialect.variable`."""
        return f"@{name}"

    def filling(self, name: str) -> str:
        """See `Dialect.filling`."""
        return f"SET @{name} = 'VALUE';"

    def catalog_query(self, relation: str) -> str:
        """See `Dialect.catalog_query`."""
        schema, dot, name = relation.partition(".")
        return _CATALOG.format(
            name=self.text(name if dot else relation), schema=self.text(schema) if dot else "database()"
        )

    def image(self, column: TargetColumn) -> str:
        """See `Dialect.image`."""
        name = self.quoted(column.name)
        base = column.base.split()[0]
        if base in _BINARIES:
            return f"HEX({name})"
        if base == "bit":
            return f"CONVERT(CAST({name} + 0 AS CHAR) USING utf8mb4)"
        if base in _FLOATS:  # FLOAT shows 6 digits, as part of an expression all of them
            return f"CONVERT(CAST({name} + 0e0 AS CHAR) USING utf8mb4)"
        if base in _TEXTS:
            return f"HEX(CONVERT({name} USING utf8mb4))"
        return f"CONVERT(CAST({name} AS CHAR) USING utf8mb4)"

    def plain(self, column: TargetColumn, image: str) -> str:
        """See `Dialect.plain`."""
        return bytes.fromhex(image).decode() if column.base in _TEXTS else image

    def kept(self, column: TargetColumn, image: str | None) -> Literal:
        """See `Dialect.kept`."""
        if image is None:
            return NULL
        base = column.base.split()[0]
        if base in _BINARIES:
            return Literal(f"X'{image}'", image, "UNHEX({})")
        if base in _FLOATS:
            return _double(image)
        if base in _INTEGERS or base in ("decimal", "bit", "year"):
            return Literal(image, image, "{}")
        if base in _TEXTS or base in _TIMES or base in _OWN_TEXT or base == "json":
            return self._literal(self.plain(column, image))
        raise UnwritableError(f"column {column.name} ({column.declared}) is of a type that is not written here")

    def _literal(self, text: str) -> Literal:
        return Literal(self.text(text), text, "{}")

    def written(self, column: TargetColumn, value: Written) -> Literal:  # noqa: C901, PLR0911 - one line a type
        """See `Dialect.written`."""
        base, sizes, kind = column.base.split()[0], column.sizes, value.logical.kind
        if kind in _FINITE and value.text in ("infinity", "-infinity"):
            raise refuse(column, value, "MySQL knows no infinity")
        if base in _INTEGERS:
            return self._integer(column, value, _INTEGERS[base])
        if base == "decimal":
            return Literal(told := scaled(column, value, sizes[0], (*sizes, 0)[1]), told, "{}")
        if base in _FLOATS:
            if value.text in ("NaN", "infinity", "-infinity"):
                raise refuse(column, value, "MySQL knows neither NaN nor infinity")
            told = floating(column, value, single=_FLOATS[base])
            return _double(single_text(told) if _FLOATS[base] else told)
        if base in _BINARIES:
            return self._bytes(column, value, base)
        if base in _TIMES:
            return self._literal(_time(column, value, base))
        if base in ("bit", "year"):
            lowest, highest = (0, 2 ** (sizes or (1,))[0] - 1) if base == "bit" else _YEARS
            return Literal(told := number(column, value, lowest, highest), told, "{}")
        if base == "json" and kind in (Kind.JSON, Kind.LIST):
            return self._literal(value.text)
        if base in _OWN_TEXT and kind in (Kind.UUID, Kind.TEXT):
            return self._literal(value.text)
        if base in _TEXTS:
            return self._text(column, value, base)
        raise refuse(column, value)

    def _integer(self, column: TargetColumn, value: Written, bits: int) -> Literal:
        lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        if "unsigned" in column.declared:
            lowest, highest = 0, 2**bits - 1
        digits = number(column, value, lowest, highest)
        return Literal(digits, digits, "{}")

    def _bytes(self, column: TargetColumn, value: Written, base: str) -> Literal:
        digits = value.text.replace("-", "") if value.logical.kind is Kind.UUID else value.text
        size = column.sizes[0] if column.sizes else _BINARIES[base]
        if value.logical.kind is Kind.UUID and size != _UUID_BYTES:
            raise refuse(column, value, "whether it keeps 16 bytes or their text is not certain")
        if value.logical.kind not in (Kind.UUID, Kind.BYTES):
            digits = value.text.encode().hex()
        length = len(digits) // 2
        if (size is not None and length > size) or (base == "binary" and length != size):
            raise refuse(column, value, f"it is {length} bytes long")
        return Literal(f"X'{digits.upper()}'", digits.upper(), "UNHEX({})")

    def _text(self, column: TargetColumn, value: Written, base: str) -> Literal:
        if base in ("enum", "set"):
            members = [one.replace("''", "'") for one in re.findall(r"'((?:[^']|'')*)'", column.declared)]
            if value.text.lower() not in members or base == "set":
                raise refuse(column, value, "it is none of the type's members" if base == "enum" else "")
            return self._literal(value.text)
        text = textual(column, value, self.texts(column, value.sample), column.sizes[0] if column.sizes else None)
        if len(text.encode()) > _TEXT_BYTES.get(base, 4 * len(text)):
            raise refuse(column, value, "it is too long")
        if base == "char" and text != text.rstrip(" "):
            raise refuse(column, value, "it ends with a blank, which CHAR does not keep")
        return self._literal(text)

    def is_text(self, column: TargetColumn) -> bool:
        """See `Dialect.is_text`."""
        return column.base in _TEXTS and column.base not in ("enum", "set")

    def is_still(self, column: TargetColumn, slot: Slot) -> Statement:
        """See `Dialect.is_still`."""
        name, base = self.quoted(column.name), column.base.split()[0]
        if slot.value.is_null:
            return sql(f"{name} IS NULL")
        if base in _TEXTS:
            return sql(f"CAST(CONVERT({name} USING utf8mb4) AS BINARY) <=> CAST(", slot, " AS BINARY)")
        if base == "json":
            return sql(f"{name} <=> CAST(", slot, " AS JSON)")
        if base in _FLOATS:
            return sql(f"({name} + 0e0) <=> ", slot)
        return sql(f"{name} <=> ", slot)

    def is_key(self, column: TargetColumn, slot: Slot) -> Statement:
        """See `Dialect.is_key`."""
        name = self.quoted(column.name)
        if column.base not in _TEXTS:
            return sql(f"{name} = ", slot)
        return sql(f"{name} = ", slot, " AND ", self.is_still(column, slot))

    def is_filled(self, slot: Slot) -> Statement:
        """See `Dialect.is_filled`; a variable that was never set is NULL here."""
        if not isinstance(slot.value, Secret):
            return Statement()
        bare = Secret(slot.value.origin, slot.value.dataset, slot.value.field, slot.value.key)
        return sql(Slot(slot.name, bare), " IS NOT NULL")

    def flag(self, column: TargetColumn, sample: Sequence[str], *, deleted: bool, now: datetime) -> Literal:  # noqa: ARG002
        """See `Dialect.flag`."""
        base = column.base.split()[0]
        if base in _INTEGERS or base in ("bit", "decimal"):
            digit = "1" if deleted else "0"
            return Literal(digit, digit, "{}")
        if base in ("datetime", "timestamp", "date"):
            if not deleted:
                return NULL
            moment = f"{now:%Y-%m-%d %H:%M:%S}"
            return self._literal(moment[:10] if base == "date" else moment)
        raise UnwritableError(f"what column {column.name} ({column.declared}) means by its values is not certain")

    def derived(self, step: Mask | Hashed | TruncatedTo) -> str:
        """See `Dialect.derived`."""
        match step:
            case Mask(character, keep):
                kept = f"RIGHT({{}}, {keep})" if keep else "''"
                stars = f"REPEAT({self.text(character)}, GREATEST(CHAR_LENGTH({{}}) - {keep}, 0))"
                return f"CONCAT({stars}, {kept})"
            case Hashed():
                return "" if step.salt else "SHA2(CONVERT({} USING utf8mb4), 256)"
            case _:
                return f"LEFT({{}}, {step.length})"

    def head(self, expires_at: datetime) -> Sequence[str]:
        """See `Dialect.head`.

        There is no way to raise an error here but by a mistake: where the plan has expired, XPath's parser is given
        words that it repeats as it refuses them.
        """
        moment = f"{expires_at:%Y-%m-%d %H:%M:%S}"
        words = f"plan expired {expires_at:%Y-%m-%dT%H:%MZ}"
        return (
            "SET NAMES utf8mb4;",
            "SET time_zone = '+00:00';",
            f"SET SESSION sql_mode = '{_MODE}';",
            f"DO EXTRACTVALUE('<a/>', IF(UTC_TIMESTAMP() < '{moment}', '/a', '~{words}'));",
            "START TRANSACTION;",
        )


def _double(text: str) -> Literal:
    """A literal that the server takes for a double, not for a decimal."""
    plain = text if "e" in text.lower() else f"{text}e0"
    return Literal(plain, text, "({} + 0e0)")


def _time(column: TargetColumn, value: Written, base: str) -> str:
    digits = column.sizes[0] if column.sizes else 0
    if base == "date" and value.logical.kind is Kind.DATE:
        return value.text
    if base == "time" and value.logical.kind is Kind.TIME:
        return fraction(column, value, value.text, digits)
    if base in ("datetime", "timestamp"):
        return stamp(column, value, digits=digits, instant=base == "timestamp")
    raise refuse(column, value)
