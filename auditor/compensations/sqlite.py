"""Compensations for SQLite, applied with the `sqlite3` program.

SQLite types values, not columns: an image is the value with its storage class, and a new value takes the class that
the column's affinity, else the values that are there already, give it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.compensations.columns import UnwritableError
from auditor.compensations.dialect import Dialect, Literal, Written, number, refuse, textual
from auditor.compensations.spelling import double_text, is_double
from auditor.compensations.statement import NULL, Secret, Slot, Statement, sql
from contracts.equality import Hashed, Mask
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from auditor.compensations.columns import TargetColumn
    from contracts.equality import TruncatedTo

_INT64 = 2**63
_NUMBERS = (Kind.INT, Kind.DECIMAL, Kind.FLOAT)

_CATALOG = """
SELECT c.name AS name, lower(c.type) AS declared, CAST(c."notnull" = 0 AS TEXT) AS nullable,
  CAST(c.dflt_value IS NOT NULL OR (c.pk = 1 AND lower(c.type) = 'integer'
    AND (SELECT count(*) FROM pragma_table_xinfo({name}) WHERE pk > 0) = 1) AS TEXT) AS filled,
  CAST(c.hidden IN (2, 3) AS TEXT) AS generated, '0' AS always,
  (SELECT CAST(sql NOT LIKE '%collate%' AS TEXT) FROM sqlite_master
    WHERE lower(name) = lower({name}) AND type IN ('table', 'view')) AS bytewise, '1' AS readable,
  (SELECT type FROM sqlite_master WHERE lower(name) = lower({name}) AND type IN ('table', 'view')) AS kind
FROM pragma_table_xinfo({name}) c WHERE c.hidden <> 1 ORDER BY c.cid
"""


class Sqlite(Dialect):
    """SQLite."""

    title: ClassVar[str] = "SQLite"
    client: ClassVar[str] = "sqlite3 FILE < {file}"

    def quoted(self, name: str) -> str:
        """See `Dialect.quoted`."""
        return '"' + name.replace('"', '""') + '"'

    def table(self, relation: str) -> str:
        """See `Dialect.table`; there are no schemas but `main`."""
        return self.quoted(relation.removeprefix("main."))

    def text(self, value: str) -> str:
        """See `Dialect.text`."""
        pieces: list[str] = []
        run = ""
        for character in value:
            if character.isprintable():
                run += character
                continue
            pieces += ([_quote(run)] if run else []) + [f"char({ord(character)})"]
            run = ""
        if run or not pieces:
            pieces.append(_quote(run))
        return pieces[0] if len(pieces) == 1 else f"({' || '.join(pieces)})"

    def variable(self, name: str) -> str:
        """See `Dialect.variable`."""
        return f":{name}"

    def filling(self, name: str) -> str:
        """See `Dialect.filling`."""
        return f".parameter set :{name} \"'VALUE'\""

    def catalog_query(self, relation: str) -> str:
        """See `Dialect.catalog_query`."""
        return _CATALOG.format(name=_quote(relation.removeprefix("main.")))

    def image(self, column: TargetColumn) -> str:
        """See `Dialect.image`: the storage class by its first letter, then the value."""
        name = self.quoted(column.name)
        return (
            f"CASE typeof({name}) WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || {name} "
            f"WHEN 'real' THEN 'r' || quote({name}) ELSE substr(typeof({name}), 1, 1) || hex(CAST({name} AS BLOB)) END"
        )

    def plain(self, column: TargetColumn, image: str) -> str:  # noqa: ARG002
        """See `Dialect.plain`."""
        return bytes.fromhex(image[1:]).decode(errors="replace") if image[0] == "t" else image[1:]

    def texts(self, column: TargetColumn, images: Sequence[str]) -> list[str]:
        """See `Dialect.texts`; numbers and blobs are none."""
        return [self.plain(column, image) for image in images if image[0] == "t"]

    def kept(self, column: TargetColumn, image: str | None) -> Literal:
        """See `Dialect.kept`."""
        if image is None:
            return NULL
        kind, rest = image[0], image[1:]
        if kind == "i":
            return _integer(rest)
        if kind == "r":
            return _real({"Inf": "9e999", "-Inf": "-9e999"}.get(rest, rest))
        if kind == "b":
            return Literal(f"X'{rest}'")
        try:
            return self._literal(bytes.fromhex(rest).decode())
        except UnicodeDecodeError:
            return Literal(f"CAST(X'{rest}' AS TEXT)")
        finally:
            del column

    def _literal(self, text: str) -> Literal:
        if "\0" in text:  # no client binds that
            return Literal(self.text(text))
        return Literal(self.text(text), text, "{}")

    def written(self, column: TargetColumn, value: Written) -> Literal:
        """See `Dialect.written`."""
        kind = value.logical.kind
        if kind is Kind.BYTES and self._holds(column, value) != "TEXT":
            return Literal(f"X'{value.text.upper()}'")
        if kind in (*_NUMBERS, Kind.BOOL) and self._holds(column, value) != "TEXT":
            return self._number(column, value)
        if kind is Kind.UUID and "blob" in column.declared and not self.texts(column, value.sample):
            return Literal(f"X'{value.text.replace('-', '').upper()}'")
        return self._literal(textual(column, value, self.texts(column, value.sample), None))

    def _holds(self, column: TargetColumn, value: Written) -> str:
        """What the column keeps such a value as: by its affinity, else by what is there."""
        affinity = _affinity(column.declared)
        if affinity == "BLOB" and not column.declared and self.texts(column, value.sample):
            return "TEXT"
        if affinity == "BLOB" and value.logical.kind in (*_NUMBERS, Kind.BOOL):
            return "NUMERIC"
        return affinity

    def _number(self, column: TargetColumn, value: Written) -> Literal:
        text = value.text
        if value.logical.kind in (Kind.INT, Kind.BOOL):
            return _integer(number(column, value, -_INT64, _INT64 - 1))
        if text in ("infinity", "-infinity"):
            return _real("9e999" if text[0] != "-" else "-9e999")
        if text == "NaN" or not is_double(text):
            raise refuse(column, value, "SQLite would keep a rounded one")
        return _real(double_text(text))

    def is_text(self, column: TargetColumn) -> bool:
        """See `Dialect.is_text`."""
        return _affinity(column.declared) == "TEXT"

    def is_still(self, column: TargetColumn, slot: Slot) -> Statement:
        """See `Dialect.is_still`."""
        name = self.quoted(column.name)
        if slot.value.is_null:
            return sql(f"{name} IS NULL")
        return sql(f"{name} IS ", slot, _collation(column, slot))

    def is_key(self, column: TargetColumn, slot: Slot) -> Statement:
        """See `Dialect.is_key`."""
        return sql(f"{self.quoted(column.name)} = ", slot, _collation(column, slot))

    def is_filled(self, slot: Slot) -> Statement:
        """See `Dialect.is_filled`; a parameter that was never set is NULL here."""
        if not isinstance(slot.value, Secret):
            return Statement()
        bare = Secret(slot.value.origin, slot.value.dataset, slot.value.field, slot.value.key)
        return sql(Slot(slot.name, bare), " IS NOT NULL")

    def flag(self, column: TargetColumn, sample: Sequence[str], *, deleted: bool, now: datetime) -> Literal:
        """See `Dialect.flag`."""
        affinity, declared = _affinity(column.declared), column.declared
        if declared.startswith(("timestamp", "datetime", "date")):
            moment = f"{now:%Y-%m-%d %H:%M:%S}"
            return self._literal(moment[:10] if declared == "date" else moment) if deleted else NULL
        if affinity in ("INTEGER", "NUMERIC", "REAL"):
            return _integer("1" if deleted else "0")
        words = {("true", "false"), ("t", "f"), ("1", "0")}
        seen = {one.lower() for one in self.texts(column, sample)}
        for true, false in sorted(words):
            if seen and seen <= {true, false}:
                return self._literal(true if deleted else false)
        raise UnwritableError(f"what column {column.name} ({declared or 'no type'}) means by its values is not certain")

    def derived(self, step: Mask | Hashed | TruncatedTo) -> str:
        """See `Dialect.derived`; SQLite itself has no sha256."""
        match step:
            case Mask(character, keep):
                stars = f"replace(hex(zeroblob(max(length({{}}) - {keep}, 0))), '00', {self.text(character)})"
                return f"({stars} || substr({{}}, -{keep}))" if keep else stars
            case Hashed():
                return ""
            case _:
                return f"substr({{}}, 1, {step.length})"

    def head(self, expires_at: datetime) -> Sequence[str]:
        """See `Dialect.head`: the refusal is a constraint of a temporary table, named so that the error says why."""
        moment = f"{expires_at:%Y-%m-%d %H:%M:%S}"
        return (
            ".bail on",
            "BEGIN IMMEDIATE;",
            "CREATE TEMP TABLE audit_plan (applied_at TEXT,",
            f"  CONSTRAINT \"this plan expired at {moment} UTC; make a new one\" CHECK (applied_at < '{moment}'));",
            "INSERT INTO audit_plan VALUES (datetime('now'));",
            "DROP TABLE audit_plan;",
        )


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _integer(digits: str) -> Literal:
    return Literal(digits, digits, "CAST({} AS INTEGER)")


def _real(text: str) -> Literal:
    plain = text if any(mark in text for mark in ".eE") else f"{text}.0"
    return Literal(plain)


def _collation(column: TargetColumn, slot: Slot) -> str:
    """Texts are the same only when their bytes are, whatever the column's own collation says."""
    value = slot.value
    textual = isinstance(value, Secret) or value.bind == "{}" or value.sql.startswith(("(", "'", "CAST(X"))
    return " COLLATE BINARY" if textual and not column.bytewise else ""


def _affinity(declared: str) -> str:
    from auditor.readers.sqlite.catalog import affinity_of

    return affinity_of(declared)
