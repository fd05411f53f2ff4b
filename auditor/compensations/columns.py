"""What a replica's table says of the columns that a compensation writes."""

from __future__ import annotations

import re
from dataclasses import dataclass


class UnwritableError(Exception):
    """A value that this replica's column cannot hold, or that is not known well enough to write; says why."""


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """One column of the table that is to be put right.

    Attributes:
        name: As the store spells it.
        declared: The whole type, such as `numeric(10,2)`; lower case.
        nullable: It may be NULL.
        filled: The store fills it itself where an INSERT leaves it out.
        generated: The store computes it; nobody can write it.
        always: The store numbers it itself unless told otherwise (PostgreSQL's GENERATED ALWAYS AS IDENTITY).
        bytewise: Its texts are equal to the store only when their bytes are.
        readable: The auditor's user may read it.
    """

    name: str
    declared: str
    nullable: bool = True
    filled: bool = False
    generated: bool = False
    always: bool = False
    bytewise: bool = True
    readable: bool = True

    @property
    def base(self) -> str:
        """The type's name alone, such as `numeric` or `timestamp with time zone`."""
        return re.sub(r"\s*\([^)]*\)", "", self.declared).strip()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers in the type's parentheses: length, or precision and scale."""
        found = re.search(r"\(\s*(-?\d+)\s*(?:,\s*(-?\d+)\s*)?\)", self.declared)
        return tuple(int(size) for size in found.groups() if size is not None) if found else ()


@dataclass(frozen=True, slots=True)
class TargetTable:
    """The table that is to be put right.

    Attributes:
        relation: As the contract names it.
        kind: `table`, or what it is instead.
    """

    relation: str
    columns: tuple[TargetColumn, ...]
    kind: str = "table"

    def column(self, name: str) -> TargetColumn | None:
        """The column of this name."""
        return next((column for column in self.columns if column.name == name), None)
