"""What a writer's schema says of one value, whether it came as Avro, with the message, or from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from reconcilers.change import Cell

CellReader = Callable[[object], Cell]
"""From a decoded value to a cell; raises `BadValueError` where the value is none of its type."""


class Carrier(Enum):
    """How values arrive: Avro has bytes and binary numbers, JSON has base64 and decimal digits."""

    AVRO = "avro"
    JSON = "json"


class Absence(Enum):
    """Stands for a default that there is not."""

    NO_DEFAULT = "no default"


NO_DEFAULT = Absence.NO_DEFAULT


AVRO_FALSE, AVRO_TRUE = b"\x00", b"\x01"
"""Avro's booleans are read as the byte that they are: readers disagree about other bytes."""


class BadValueError(ValueError):
    """A value is none of its type; the message names the type and what is wrong, never the value."""


class BadRowError(BadValueError):
    """What a record says of a row cannot be understood, but its key can."""

    def __init__(self, message: str, key: Mapping[str, Cell]) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Shape:
    """One value's type, in the words of Kafka Connect.

    Attributes:
        kind: `boolean`, `int8` to `int64`, `float32`, `float64`, `string`, `bytes`, `array`, `map`, `struct`; or
            `unknown`, for unions of several types and the like.
        name: The logical type, such as `io.debezium.time.Date`; empty where there is none.
        parameters: Of the logical type: `scale`, `length`, `allowed`.
        optional: NULL is a value.
        default: What the converter may have written for NULL, as the carrier has it; only of optional values.
        item: Of an array's elements, or a map's values.
        fields: Of a struct, in order.
    """

    kind: str
    name: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    default: object = NO_DEFAULT
    item: Shape | None = None
    fields: tuple[tuple[str, Shape], ...] = ()

    def member(self, name: str) -> Shape | None:
        """A struct's field by its name."""
        return next((shape for field_name, shape in self.fields if field_name == name), None)
