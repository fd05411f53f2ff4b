"""The types that a contract can declare, independent of any store.

A logical type says what a value *means*; each store has its own ways to hold it.  Two values are compared only
under the logical type that the contract declares for their field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

DECIMAL_DIGITS_MAX = 1000
"""Most digits a declared decimal may have; PostgreSQL's own limit for a declared precision."""


class Kind(Enum):
    """The families of logical types of the contract language, version 1."""

    INT = "int"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    BOOL = "bool"
    UUID = "uuid"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMP_LOCAL = "timestamp(local)"
    INTERVAL = "interval"
    BYTES = "bytes"
    JSON = "json"
    LIST = "list"
    ENUM = "enum"


@dataclass(frozen=True, slots=True)
class LogicalType:
    """One declared type.

    Attributes:
        kind: The family.
        precision: All digits of a decimal, else 0.
        scale: Digits after the point of a decimal, else 0.
        element: The type of a list's elements, else None.
        members: The lawful values of an enum, else empty.
    """

    kind: Kind
    precision: int = 0
    scale: int = 0
    element: LogicalType | None = None
    members: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind is Kind.DECIMAL:
            return f"decimal({self.precision},{self.scale})"
        if self.kind is Kind.LIST:
            return f"list<{self.element}>"
        if self.kind is Kind.ENUM:
            return f"enum({','.join(self.members)})"
        return str(self.kind.value)


_PLAIN = {kind.value: kind for kind in Kind if kind not in (Kind.DECIMAL, Kind.LIST, Kind.ENUM)}
_DECIMAL = re.compile(r"decimal\s*\(\s*([0-9]+)\s*,\s*([0-9]+)\s*\)\Z")
_LIST = re.compile(r"list\s*<(.+)>\Z")
_ENUM = re.compile(r"enum\s*\((.+)\)\Z")


def parse_logical_type(text: str) -> LogicalType:
    """Read a type as written in a contract, such as `decimal(10,2)` or `list<text>`.

    Raises:
        ValueError: The text is no type of the contract language; the message says which are.
    """
    text = text.strip()
    if text in _PLAIN:
        return LogicalType(_PLAIN[text])
    if match := _DECIMAL.match(text):
        return _decimal(int(match[1]), int(match[2]))
    if match := _LIST.match(text):
        return _list(match[1])
    if match := _ENUM.match(text):
        return _enum(match[1])
    known = ", ".join([*_PLAIN, "decimal(p,s)", "list<T>", "enum(a,b)"])
    raise ValueError(f"unknown type {text!r}; expected one of {known}")


def _decimal(precision: int, scale: int) -> LogicalType:
    if not 1 <= precision <= DECIMAL_DIGITS_MAX or scale > precision:
        raise ValueError(
            f"decimal({precision},{scale}) is impossible; "
            f"expected 1 to {DECIMAL_DIGITS_MAX} digits and a scale within them"
        )
    return LogicalType(Kind.DECIMAL, precision=precision, scale=scale)


def _list(element: str) -> LogicalType:
    inner = parse_logical_type(element)
    return LogicalType(Kind.LIST, element=inner)


def _enum(members: str) -> LogicalType:
    names = tuple(part.strip() for part in members.split(","))
    if "" in names or len(set(names)) != len(names):
        raise ValueError(f"enum({members}) needs different, non-empty members")
    return LogicalType(Kind.ENUM, members=names)
