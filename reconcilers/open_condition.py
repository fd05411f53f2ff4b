"""Conditions over cells whose value a feed does not tell: whether a row meets them may not be known.

A cell is not told at all, or it is told to be its column's default or NULL (see `reconcilers.ports.RawColumn`).  A
condition is open in a row where other values in such cells would change whether the row meets it.  As far as the
condition does not ask for NULL itself, SQL's three-valued logic says so, with NULL in place of what is not known: what
is true or false then is so whatever the cells hold.  One that asks for NULL is open wherever it names such a cell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contracts.expression import Expression
    from contracts.typed_sql import TypedSql
    from reconcilers.ports import RawColumn


@dataclass(frozen=True, slots=True)
class Cell:
    """A column that a condition names: how it arrives, and its canonical value."""

    column: RawColumn
    value: TypedSql


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on which it depends whether a row counts.

    Attributes:
        passes: SQL, never NULL: the row meets it, or may meet it.
        open: SQL, never NULL: whether the row meets it is not known; empty where it is known of every row.
        why: SQL of a text: what is not told of the row, and what depends on it.
    """

    passes: str
    open: str = ""
    why: str = ""


def reason(conditions: Sequence[Condition]) -> str:
    """SQL of why it is not known whether a row counts; NULL where it is, empty where that is known of every row.

    A row that certainly fails one condition does not count, whatever the others say.
    """
    some = [condition for condition in conditions if condition.open]
    if not some:
        return ""
    passes = " AND ".join(condition.passes for condition in conditions)
    whens = " ".join(f"WHEN {one.open} THEN {one.why}" for one in some)
    return f"CASE WHEN NOT ({passes}) THEN NULL {whens} END"


def why_sql(columns: Mapping[str, RawColumn], what: str) -> str:
    """SQL of a text: which of these columns are not told of a row, and what depends on them."""
    names = [
        f"CASE WHEN {hidden_sql(column)} THEN {_literal(name)} END"
        for name, column in sorted(columns.items())
        if is_hidden(column)
    ]
    return f"concat_ws(', ', {', '.join(names)}) || {_literal(f' of this row is, and {what} depends on it')}"


def is_hidden(column: RawColumn) -> bool:
    """Whether some cells of a column are not told for certain."""
    return bool(column.unknown or column.or_null)


def hidden_sql(column: RawColumn) -> str:
    """SQL condition: the cell is not told for certain."""
    return f"({' OR '.join(part for part in (column.unknown, column.or_null) if part)})"


def open_sql(expression: Expression, cells: Mapping[str, Cell], *, negated: bool = False) -> str:
    """SQL condition, never NULL: what an expression says of a row is not known; empty where it is of every row.

    Args:
        expression: A condition.
        cells: What it names.
        negated: Whether it counts that it is false, and not that it is true: NULL is neither.
    """
    named = [cells[name].column for name in sorted(expression.names)]
    unknown = [column.unknown for column in named if column.unknown]
    either = [column.or_null for column in named if column.or_null]
    if not unknown and not either:
        return ""
    told = expression.to_sql({name: _hiding(cell, cell.column.unknown) for name, cell in cells.items()})
    sure = expression.to_sql(
        {name: _hiding(cell, hidden_sql(cell.column) if is_hidden(cell.column) else "") for name, cell in cells.items()}
    )
    any_unknown = f"({' OR '.join(unknown or ['false'])})"
    counts = "NOT " if negated else ""
    if not expression.asks_for_null:
        return f"(({told} IS NULL AND {any_unknown}) OR (coalesce({counts}{told}, false) AND {sure} IS NULL))"
    if len(either) > 1:
        return f"({any_unknown} OR {' OR '.join(either)})"
    return f"({any_unknown} OR coalesce({counts}{told}, false) <> coalesce({counts}{sure}, false))"


def _hiding(cell: Cell, hidden: str) -> TypedSql:
    """A cell's value, NULL where it is hidden."""
    return replace(cell.value, sql=f"CASE WHEN {hidden} THEN NULL ELSE {cell.value.sql} END") if hidden else cell.value


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
