"""The shape of an expression after parsing: a closed set of nodes, each an immutable value.

Nothing else can stand in an expression, so nothing else can reach a database.
`at` is the position in the expression's text, counted in characters from 1; 0 means unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Name:
    """A field (in `select`: a replica's column), spelled letter by letter."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written; its digits after the point count."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotes; it takes the type of what it is compared with."""

    value: str


@dataclass(frozen=True, slots=True)
class Truth:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class Null:
    """NULL, which equals nothing."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One of `+`, `-`, `*`, `/` between two numbers."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negation:
    """A number with its sign turned."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Comparison:
    """One of `=`, `<>`, `<`, `<=`, `>`, `>=`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Connection:
    """Conditions joined by `AND` or `OR`, as many as stand in a row."""

    operator: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; unknown stays unknown."""

    operand: Node


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether a value is NULL; never unknown."""

    operand: Node


@dataclass(frozen=True, slots=True)
class In:
    """Whether a value equals one of several."""

    operand: Node
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """Whether a value lies between two others, both included."""

    operand: Node
    low: Node
    high: Node


@dataclass(frozen=True, slots=True)
class Case:
    """The first branch whose condition holds; with `operand`, whose value equals it."""

    operand: Node | None
    branches: tuple[tuple[Node, Node], ...]
    default: Node | None


@dataclass(frozen=True, slots=True)
class Call:
    """One of the functions of `FUNCTIONS`, in lower case."""

    function: str
    arguments: tuple[Node, ...]
    at: int = field(default=0, compare=False)


Value = Name | Number | Text | Truth | Null
Operation = Arithmetic | Negation | Comparison | Connection | Not | IsNull | In | Between | Case | Call
Node = Value | Operation


def children(node: Node) -> tuple[Node, ...]:  # noqa: PLR0911 - one line a shape
    """The nodes directly below one, from left to right."""
    match node:
        case Arithmetic() | Comparison():
            return (node.left, node.right)
        case Negation() | Not() | IsNull():
            return (node.operand,)
        case Connection():
            return node.parts
        case In():
            return (node.operand, *node.items)
        case Between():
            return (node.operand, node.low, node.high)
        case Case():
            ends = tuple(end for end in (node.operand, node.default) if end is not None)
            return (*ends, *(part for branch in node.branches for part in branch))
        case Call():
            return node.arguments
        case _:
            return ()


FUNCTIONS = {
    "coalesce": (1, 100),
    "lower": (1, 1),
    "upper": (1, 1),
    "trim": (1, 1),
    "length": (1, 1),
    "abs": (1, 1),
    "round": (1, 2),
    "floor": (1, 1),
    "date_trunc": (2, 2),
}
"""The functions of the language, with the least and the greatest number of their arguments."""
