"""Tables on their way to a store: named columns, rows of Python values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.demo.history import Histories
    from auditor.demo.shop import Row


@dataclass(slots=True)
class Table:
    """One relation of one store.

    Attributes:
        name: The relation, as contracts name it after the slash.
        columns: Name to the store's own type.
        rows: Each with a value for every column.
        key: The columns that the store keeps unique; empty where it keeps none.
    """

    name: str
    columns: dict[str, str]
    rows: list[Row]
    key: tuple[str, ...] = ()

    def find(self, **values: Any) -> Row:
        """The first row with these values.

        Raises:
            LookupError: There is none.
        """
        for row in self.rows:
            if all(row[name] == value for name, value in values.items()):
                return row
        raise LookupError(f"{self.name} has no row with {values}")

    def remove(self, **values: Any) -> None:
        """Take out every row with these values."""
        self.rows[:] = [row for row in self.rows if any(row[name] != value for name, value in values.items())]


@dataclass(slots=True)
class World:
    """Every table of every store, by connection and relation, and what the orders were in the change streams."""

    shop: dict[str, Table]
    reporting: dict[str, Table]
    lake: dict[str, Table]
    export: dict[str, Table]
    orders: Histories
    tracking: Histories
