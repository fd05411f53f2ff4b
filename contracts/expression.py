"""Rules and filters of a contract (`holds`, `where`, `select`), as a closed subset of SQL over field names.

An expression is parsed and checked when a contract is loaded, and evaluated by DuckDB on canonical values later.
Nothing of its text reaches a database: SQL is written anew from the parsed tree, names are looked up in the mapping
that the caller gives, literals are escaped.

```
expression = parse_expression("total = subtotal + tax", Place("order.yaml", 12))
check_types(expression, {"total": DECIMAL, …})      # messages, empty when all is well
expression.to_sql({"total": TypedSql('"c3"', DECIMAL), …})
```

What values mean in it:

* Decimals and integers are computed exactly with up to 38 digits.  What needs more is unknown (NULL), as is x / 0: it
  never stops a run.  A comparison is right whatever the sizes.  One float in an operation makes it a float operation.
* `+`, `-` keep the larger number of digits after the point, `*` adds them up, `/` has six to ten of them, as the
  declared widths leave room (more where its operands have more), rounded half away from zero, as `round` does.
* A text literal takes the type of what it is compared with.  A timestamp without a zone is in UTC.
* Text compares by code point; `lower` and `upper` map each code point by itself; `trim` takes off white space at both
  ends; `length` counts code points, of bytes the bytes.
* A date beside a timestamp is its midnight, in UTC.
* Three-valued logic as in SQL: NULL equals nothing, an unknown `where` is not met, an unknown `holds` passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.errors import ContractError, Place, Problem
from contracts.typed_sql import TypedSql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from contracts.expression_sql import Binding
    from contracts.expression_tree import Node
    from contracts.logical_types import Kind, LogicalType

__all__ = ["Expression", "TypedSql", "check_types", "expression_type", "parse_expression"]

_SHOWN_CHARACTERS = 60
"""How much of an expression's text an error message repeats."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One parsed expression of a contract."""

    text: str
    """As written."""
    place: Place = field(compare=False)
    names: frozenset[str]
    """The names it uses: fields, or in `select` the replica's columns."""
    tree: Node = field(repr=False, compare=False)

    @property
    def asks_for_null(self) -> bool:
        """Whether it may tell NULL from a value: else it is true or false only where that holds whatever is NULL."""
        from contracts.expression_tree import Call, Case, IsNull

        return any(
            isinstance(node, IsNull | Case) or (isinstance(node, Call) and node.function == "coalesce")
            for node in _nodes(self.tree)
        )

    def to_sql(self, columns: Mapping[str, TypedSql]) -> str:
        """Write it as a DuckDB expression over canonical values.

        Args:
            columns: For each name, how to refer to its canonical value, and its declared type.

        Raises:
            ContractError: A name is not in `columns`, or the types do not fit together.
        """
        from contracts.expression_sql import Binding  # here: most contracts have no expression

        binding = Binding(columns)
        bound = binding.bind(self.tree)
        if binding.problems:
            raise ContractError([Problem(self.place, described(self, message)) for message in binding.problems])
        return bound.sql


def parse_expression(text: str, place: Place) -> Expression:
    """Read an expression.

    Raises:
        ContractError: It is not of the language; the problem carries `place` and names the character.
    """
    from contracts.expression_parser import ExpressionSyntaxError, parse

    try:
        tree = parse(text)
    except ExpressionSyntaxError as problem:
        raise ContractError([Problem(place, f"expression {_shown(text)}: {problem}")]) from None
    return Expression(text, place, frozenset(_names(tree)), tree)


def check_types(
    expression: Expression, types: Mapping[str, LogicalType | None], *, wanted: Kind | None = None
) -> list[str]:
    """What is wrong with an expression over fields of these types, as messages; empty when nothing is.

    Args:
        expression: Any expression.
        types: For each name its type; None where it is not known yet, which agrees with everything.
        wanted: The kind that the result must have, such as `Kind.BOOL`.
    """
    binding = _unplaced(types)
    result = binding.bind(expression.tree)
    if not binding.problems and wanted is not None and result.kind is not None and result.kind is not wanted:
        binding.problems.append(f"its result is {result.kind.value}; expected {wanted.value}")
    return [described(expression, message) for message in binding.problems]


def expression_type(expression: Expression, types: Mapping[str, LogicalType | None]) -> Kind | None:
    """The kind of an expression's result; None where it is not known."""
    return _unplaced(types).bind(expression.tree).kind


def described(expression: Expression, message: str) -> str:
    """A message with the expression it is about."""
    return f"expression {_shown(expression.text)}: {message}"


def _unplaced(types: Mapping[str, LogicalType | None]) -> Binding:
    from contracts.expression_sql import Binding

    known = {name: TypedSql('""', logical) for name, logical in types.items() if logical is not None}
    return Binding(known, untyped=frozenset(types) - frozenset(known))


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return f'"{text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"}"'


def _names(tree: Node) -> set[str]:
    from contracts.expression_tree import Name

    return {node.name for node in _nodes(tree) if isinstance(node, Name)}


def _nodes(tree: Node) -> Iterator[Node]:
    """A node and all below it."""
    from contracts.expression_tree import children

    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending += children(node)
