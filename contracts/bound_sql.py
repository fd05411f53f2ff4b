"""A piece of SQL whose type is known, and what is said when types do not fit together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.literals import quoted
from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from decimal import Decimal

DIGITS_MAX = 38
"""Digits of DuckDB's widest decimal."""
NUMBERS = frozenset([Kind.INT, Kind.DECIMAL, Kind.FLOAT])


@dataclass(frozen=True, slots=True)
class Bound:
    """A piece of SQL whose type is known.

    Attributes:
        sql: DuckDB SQL; complete in itself (parenthesised where needed).
        kind: None for NULL and for what is not known.
        digits: Most digits before the point of an exact number; None where nothing bounds them.
        scale: Digits after the point of a decimal.
        logical: The declared type, of a column.
        text: What was written, of a text literal.
        number: Its value, of a number literal.
        raw: What IS NULL looks at, where it is not `sql`.
    """

    sql: str
    kind: Kind | None
    digits: int | None = None
    scale: int = 0
    logical: LogicalType | None = None
    text: str | None = None
    number: Decimal | None = None
    raw: str = ""

    @property
    def fits(self) -> bool:
        """Whether every value surely has a place in 38 digits."""
        return self.digits is not None and self.digits + self.scale <= DIGITS_MAX


UNKNOWN = Bound("NULL", None)


class MisfitError(Exception):
    """One part of an expression makes no sense; the rest is still looked at."""


def kind_text(bound: Bound) -> str:
    """The type of a value, for messages."""
    if bound.text is not None:
        return f"the text {quoted(bound.text)}"
    return str(bound.logical or (bound.kind.value if bound.kind else "NULL"))


def condition(sql: str) -> Bound:
    """SQL that is true, false or unknown."""
    return Bound(sql, Kind.BOOL)
