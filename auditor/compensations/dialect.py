"""What one family of SQL stores must say for compensations to be written for it.

A dialect knows names, literals, how a row's present image is read as text and put back, how a value is written so that
reading it back gives an equal one, and how a file refuses to run once its plan has expired.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from auditor.compensations.columns import UnwritableError
from auditor.compensations.spelling import is_double, is_single, local_text, spelled
from auditor.compensations.statement import NULL, Literal, Slot, Statement, joined, sql
from contracts.logical_types import Kind
from reconcilers.value_text import decimal_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from auditor.compensations.columns import TargetColumn
    from contracts.equality import Hashed, Mask, TruncatedTo
    from contracts.logical_types import LogicalType


@dataclass(frozen=True, slots=True)
class Written:
    """A value to be written.

    Attributes:
        text: Canonical text, or the raw text where the contract only knows the value as text.
        logical: Its type.
        zone: Of the column's times, where it has none.
        sample: Images of what the column holds in other rows.
    """

    text: str
    logical: LogicalType
    zone: str = "UTC"
    sample: Sequence[str] = ()


class Dialect(ABC):
    """One family of stores."""

    title: ClassVar[str]
    client: ClassVar[str]
    """How a file is applied, `{file}` being its name."""

    # -- names and literals ------------------------------------------------------------------------------------------

    @abstractmethod
    def quoted(self, name: str) -> str:
        """An identifier, whatever it holds."""

    @abstractmethod
    def text(self, value: str) -> str:
        """A text literal that means this very text, and shows nothing that acts on a terminal."""

    def table(self, relation: str) -> str:
        """A relation of a contract as a name in SQL: `schema.table` is split at the first dot."""
        return ".".join(self.quoted(part) for part in relation.split(".", 1))

    @abstractmethod
    def variable(self, name: str) -> str:
        """How a file refers to something that whoever applies it fills in."""

    @abstractmethod
    def filling(self, name: str) -> str:
        """How that is filled in, as the client wants it."""

    # -- reading -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def catalog_query(self, relation: str) -> str:
        """A SELECT of name, type, nullable, filled, generated, always, kind of each column; truths as 0 and 1."""

    @abstractmethod
    def image(self, column: TargetColumn) -> str:
        """SQL of the column's value as text that `kept` makes a literal of; NULL where it is NULL."""

    @abstractmethod
    def plain(self, column: TargetColumn, image: str) -> str:
        """What of an image is the value's text as the store shows it."""

    def texts(self, column: TargetColumn, images: Sequence[str]) -> list[str]:
        """Of a sample what is text, as the store shows it."""
        return [self.plain(column, image) for image in images]

    @abstractmethod
    def kept(self, column: TargetColumn, image: str | None) -> Literal:
        """The literal that stands for exactly what an image shows.

        Raises:
            UnwritableError: There is none.
        """

    # -- writing -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def written(self, column: TargetColumn, value: Written) -> Literal:
        """The literal of a value, so that reading it back from this column gives an equal one.

        Raises:
            UnwritableError: The column cannot hold it.
        """

    def same_value(self, column: TargetColumn, logical: LogicalType, text: str, literal: Literal) -> str:  # noqa: ARG002
        """SQL around `{}` that makes the column's value of canonical text; empty where this dialect cannot say it.

        Args:
            column: Where it is to stand.
            logical: Its type.
            text: Canonical text of one such value.
            literal: How that value is written.
        """
        if logical.kind is Kind.BOOL and literal.sql in ("0", "1"):
            return "({} = 'true')"
        if (
            logical.kind in (Kind.INT, Kind.DECIMAL)
            and literal.bind
            and Decimal(literal.text or "NaN") == Decimal(text)
        ):
            return literal.bind
        return ""

    @abstractmethod
    def is_text(self, column: TargetColumn) -> bool:
        """Whether the column holds text of any kind."""

    @abstractmethod
    def is_still(self, column: TargetColumn, slot: Slot) -> Statement:
        """Condition, never NULL: the column holds exactly this value."""

    def is_key(self, column: TargetColumn, slot: Slot) -> Statement:
        """Condition that an index serves: the key's part is this one."""
        return self.is_still(column, slot)

    def differs(self, column: TargetColumn, slot: Slot) -> Statement:
        """Condition, never NULL: the column holds something else."""
        return sql("NOT (", self.is_still(column, slot), ")")

    @abstractmethod
    def is_filled(self, slot: Slot) -> Statement:
        """Condition: a variable was filled in; an empty statement where the client itself refuses."""

    def only_if_filled(self, variables: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:  # noqa: ARG002
        """Lines around an act that keep the client from it while its variables are not filled in."""
        return (), ()

    @abstractmethod
    def flag(self, column: TargetColumn, sample: Sequence[str], *, deleted: bool, now: datetime) -> Literal:
        """The value of a column that flags a row as deleted, or as live.

        Raises:
            UnwritableError: What the column means by its values is not certain.
        """

    @abstractmethod
    def derived(self, step: Mask | Hashed | TruncatedTo) -> str:
        """SQL around `{}` of what a replica holds of a secret; empty where this dialect cannot say it."""

    # -- statements --------------------------------------------------------------------------------------------------

    def insert(self, table: str, values: Mapping[TargetColumn, Slot], absent: Statement) -> Statement:
        """Insert a row where none has its key."""
        names = ", ".join(self.quoted(column.name) for column in values)
        told = " OVERRIDING SYSTEM VALUE" if any(column.always for column in values) else ""
        slots = joined(", ", [sql(slot) for slot in values.values()])
        present = sql("SELECT 1 FROM ", table, " WHERE ", absent)
        filled = [self.is_filled(slot) for slot in values.values()]
        conditions = [sql("NOT EXISTS (", present, ")"), *(condition for condition in filled if condition)]
        return sql(
            f"INSERT INTO {table} ({names}){told}\n  SELECT ", slots, self.nowhere,
            "\n  WHERE ", joined("\n    AND ", conditions),
        )  # fmt: skip

    nowhere: ClassVar[str] = ""
    """What a SELECT without a table needs before its WHERE."""

    def update(self, table: str, values: Mapping[TargetColumn, Slot], condition: Statement) -> Statement:
        """Set columns of the row that meets a condition."""
        settings = [sql(f"{self.quoted(column.name)} = ", slot) for column, slot in values.items()]
        filled = [found for slot in values.values() if (found := self.is_filled(slot))]
        return sql(
            f"UPDATE {table}\n  SET ", joined(",\n    ", settings),
            "\n  WHERE ", joined("\n    AND ", [condition, *filled]),
        )  # fmt: skip

    def delete(self, table: str, condition: Statement) -> Statement:
        """Delete the row that meets a condition."""
        return sql(f"DELETE FROM {table}\n  WHERE ", condition)

    # -- files -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def head(self, expires_at: datetime) -> Sequence[str]:
        """Lines that begin a file: how text is read, one transaction, and the refusal of an expired plan."""

    def foot(self) -> Sequence[str]:
        """Lines that end a file."""
        return ("COMMIT;",)


# -- what several dialects share -------------------------------------------------------------------------------------


def refuse(column: TargetColumn, value: Written, why: str = "") -> UnwritableError:
    """The error for a value that a column cannot hold; the value itself may be sensitive and is not in it."""
    return UnwritableError(
        f"column {column.name} ({column.declared or 'no type'}) cannot hold the owner's {value.logical} exactly"
        + (f": {why}" if why else "")
    )


def number(column: TargetColumn, value: Written, lowest: int, highest: int) -> str:
    """Digits of an integer within bounds."""
    text = "10"[value.text == "false"] if value.logical.kind is Kind.BOOL else value.text
    if value.logical.kind not in (Kind.INT, Kind.DECIMAL, Kind.FLOAT, Kind.BOOL, Kind.ENUM, Kind.TEXT):
        raise refuse(column, value)
    whole = decimal_text(text, 60, 0)
    if whole is None or not whole.lstrip("-").isdecimal() or not lowest <= int(whole) <= highest:
        raise refuse(column, value)
    return whole


def scaled(column: TargetColumn, value: Written, precision: int, scale: int) -> str:
    """A number with exactly these digits."""
    text = "10"[value.text == "false"] if value.logical.kind is Kind.BOOL else value.text
    if value.logical.kind not in (Kind.INT, Kind.DECIMAL, Kind.FLOAT, Kind.BOOL):
        raise refuse(column, value)
    fitting = decimal_text(text, precision, scale)
    if fitting is None:
        raise refuse(column, value)
    return fitting


def floating(column: TargetColumn, value: Written, *, single: bool) -> str:
    """A number that a binary float shows exactly."""
    if value.logical.kind not in (Kind.INT, Kind.DECIMAL, Kind.FLOAT):
        raise refuse(column, value)
    if not (is_single if single else is_double)(value.text):
        raise refuse(column, value)
    return value.text


def stamp(column: TargetColumn, value: Written, *, digits: int, instant: bool) -> str:
    """A time without its mark of the zone; in UTC where the column knows the instant."""
    if value.logical.kind not in (Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL):
        raise refuse(column, value)
    if instant != (value.logical.kind is Kind.TIMESTAMP) and instant:
        raise refuse(column, value, "it never had a zone, and the column has one")
    text = value.text
    if text in ("infinity", "-infinity"):
        return text
    local = text if instant or value.logical.kind is Kind.TIMESTAMP_LOCAL else local_text(text, value.zone)
    return fraction(column, value, local.removesuffix("Z").replace("T", " "), digits)


def fraction(column: TargetColumn, value: Written, text: str, digits: int) -> str:
    """A time with at most so many digits after its point."""
    whole, _, parts = text.partition(".")
    if parts[digits:].strip("0"):
        raise refuse(column, value, f"it has {digits} digits after the second")
    kept = parts[:digits].rstrip("0")
    return f"{whole}.{kept}" if kept else whole


def textual(column: TargetColumn, value: Written, texts: Sequence[str], longest: int | None) -> str:
    """Text as the column spells it, no longer than it may be.

    Args:
        column: Where it is to stand.
        value: The value.
        texts: What the column holds in other rows.
        longest: Characters that it holds; None for any number.
    """
    text = spelled(value.text, value.logical, texts, value.zone)
    if longest is not None and len(text) > longest:
        raise refuse(column, value, f"it is longer than {longest} characters")
    return text


__all__ = [
    "NULL", "Dialect", "Literal", "Written", "floating", "fraction", "number", "refuse", "scaled", "stamp", "textual",
]  # fmt: skip
