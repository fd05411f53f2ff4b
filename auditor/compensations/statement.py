"""A statement with its values apart, so that it can be written twice: for programs and for people.

The JSON plan has placeholders (`:status`) and the values beside them; the SQL file has the values as literals of the
dialect.  A sensitive value stands in neither: there it is something that whoever applies the plan fills in.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that may be shown.

    Attributes:
        sql: As the dialect writes it.
        text: What a program binds in place of it.
        bind: SQL around the placeholder, `{}`, that makes the column's value of the text; empty where only the literal
            itself can stand there.
    """

    sql: str
    text: str | None = None
    bind: str = ""

    @property
    def is_null(self) -> bool:
        """Whether it is NULL."""
        return self.sql == "NULL"


NULL = Literal("NULL")


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that stands in no plan.

    Attributes:
        origin: `from_owner`, or `from_replica` for what an inverse brings back.
        dataset: Where it is read by whoever applies the plan.
        field: The contract's field; of a replica, the column.
        key: Of the row.
        bind: SQL around the variable, `{}`, that makes what the column is to hold.
    """

    origin: str
    dataset: str
    field: str
    key: Mapping[str, str | None]
    bind: str = "{}"

    @property
    def is_null(self) -> bool:
        """NULL hides nothing: it is written as it is."""
        return False

    @property
    def document(self) -> dict[str, Any]:
        """What the plan says in place of the value."""
        return {self.origin: {"dataset": self.dataset, "field": self.field, "key": dict(self.key)}}


Value = Literal | Secret


@dataclass(frozen=True, slots=True)
class Slot:
    """A value's place in a statement."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its values apart."""

    parts: tuple[str | Slot, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.parts)

    def slots(self) -> Iterator[Slot]:
        """Every value, in the order in which it stands there."""
        return (part for part in self.parts if isinstance(part, Slot))

    def secrets(self) -> dict[str, Secret]:
        """What must be filled in, by name."""
        return {slot.name: slot.value for slot in self.slots() if isinstance(slot.value, Secret)}

    def for_programs(self) -> str:
        """With a placeholder for every value that can be bound."""
        return "".join(part if isinstance(part, str) else _placeholder(part) for part in self.parts)

    def parameters(self) -> dict[str, Any]:
        """What is to be bound to the placeholders."""
        found: dict[str, Any] = {}
        for slot in self.slots():
            if isinstance(slot.value, Secret):
                found[slot.name] = slot.value.document
            elif slot.value.bind:
                found[slot.name] = slot.value.text
        return found

    def for_people(self, variable: Callable[[str], str]) -> str:
        """With literals, and a variable of the dialect for what must be filled in."""
        return "".join(part if isinstance(part, str) else _literal(part, variable) for part in self.parts)


def _placeholder(slot: Slot) -> str:
    value = slot.value
    if isinstance(value, Literal) and not value.bind:
        return value.sql
    return value.bind.replace("{}", f":{slot.name}")


def _literal(slot: Slot, variable: Callable[[str], str]) -> str:
    value = slot.value
    return value.sql if isinstance(value, Literal) else value.bind.replace("{}", variable(slot.name))


def sql(*parts: str | Slot | Statement) -> Statement:
    """A statement of pieces in a row."""
    flat: list[str | Slot] = []
    for part in parts:
        if isinstance(part, Statement):
            flat += part.parts
        else:
            flat.append(part)
    return Statement(tuple(flat))


def joined(separator: str, statements: Iterable[Statement]) -> Statement:
    """Statements with something between each two of them."""
    pieces: list[str | Slot | Statement] = []
    for statement in statements:
        pieces += [separator, statement] if pieces else [statement]
    return sql(*pieces)


_PREFIXES = ("was", "key", "before", "flag", "select", "new")
_DIGEST_DIGITS = 6


def slot_name(prefix: str, name: str) -> str:
    """A placeholder's name that every client takes, made of a field's or a column's; no two of them share one.

    Args:
        prefix: One of `_PREFIXES`; empty for the new value of a field.
        name: The field or the column.
    """
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower())
    if plain != name:  # `State` and `state`, `a b` and `a_b` are different columns
        plain += f"_{hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_DIGITS]}"
    if not prefix and plain.startswith(tuple(f"{one}_" for one in _PREFIXES)):
        prefix = "new"
    return f"{prefix}_{plain}" if prefix else plain
