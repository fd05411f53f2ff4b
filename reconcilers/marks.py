"""What grows with each change of an owner's row: its version number, or the `changed_at` that its database keeps.

It tells a row that is still from one that changed and came back, and how long it has been so.  Only what cannot be
forgotten counts: an application's column misses every UPDATE by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.equality import EXACT
from contracts.logical_types import Kind
from reconcilers.row_stage import texts_of

if TYPE_CHECKING:
    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.finding import KeyText
    from reconcilers.projection import Side
    from reconcilers.recheck import Mark

COLUMN = "mark"
"""Name of the column beside a fetched row's fields."""


@dataclass(frozen=True, slots=True)
class MarkField:
    """The owner's field that grows.

    Attributes:
        name: In contract terms.
        is_time: It is a time; else a number.
    """

    name: str
    is_time: bool

    def column(self, side: Side) -> str:
        """What to select beside a row's fields."""
        return f'{side.of(self.name).text} AS "{COLUMN}"'

    def mark(self, text: str | None) -> Mark:
        """The mark that a canonical text is; None where it is none that can be compared."""
        if text is None:
            return None
        if self.is_time:
            return text if _instant(text) is not None else None
        return int(text) if text.lstrip("-").isdecimal() else None

    def age(self, mark: Mark, now: datetime | None) -> float | None:
        """Seconds from the mark to its own store's `now()`; None where it is no time, or lies in the future."""
        changed = _instant(mark) if isinstance(mark, str) else None
        if changed is None or now is None or changed > now:
            return None
        return (now - changed).total_seconds()

    def of_rows(self, cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str) -> dict[KeyText, Mark]:
        """The marks of fetched rows, by key."""
        rows = texts_of(cursor, contract, table, [COLUMN])
        return {key: self.mark(text) for key, (text,) in rows.items()}


def mark_field(contract: Contract) -> MarkField | None:
    """The owner's field that grows with every change, if the contract names one that it is sure of."""
    changed_at = contract.owner.changed_at
    declared = contract.fields.get(changed_at.field) if changed_at is not None else None
    if changed_at is None or declared is None:
        return None
    if declared.type.kind is Kind.INT:
        return MarkField(declared.name, is_time=False)
    if declared.type.kind is Kind.TIMESTAMP and changed_at.maintained_by == "database":
        return MarkField(declared.name, is_time=True)
    return None


def copies_mark(contract: Contract, replica: Replica) -> MarkField | None:
    """The same field where the replica holds an exact copy of it."""
    field = mark_field(contract)
    if field is None:
        return None
    exact = any(m.field == field.name and m.equality == EXACT for m in replica.fields)
    return field if exact else None


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):  # an infinity, or beyond what Python's calendar knows
        return None
