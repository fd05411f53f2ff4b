"""Whether a column that changed its type may hold other values for it.

No record tells of the rows that a change of type left or wrote anew.  Where the new type holds every value of the old
one as it is, there is nothing to tell: an integer with more bits, a decimal with more digits, a time with a finer
unit, an enum with one more member, a longer text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from auditor.feeds.shape import Shape

_TIME, _DATA = "io.debezium.time.", "io.debezium.data."
_DECIMAL, _PRECISION = "org.apache.kafka.connect.data.Decimal", "connect.decimal.precision"
_ANY_SCALE = f"{_DATA}VariableScaleDecimal"
_SOURCE = "__debezium.source.column."
"""What `column.propagate.source.type` adds: the column's type in the store, with its length and scale."""

_FINER: tuple[tuple[tuple[str, str], ...], ...] = (
    (("int8", ""), ("int16", ""), ("int32", ""), ("int64", "")),
    (("int32", f"{_TIME}Time"), ("int64", f"{_TIME}MicroTime"), ("int64", f"{_TIME}NanoTime")),
    (("int64", f"{_TIME}Timestamp"), ("int64", f"{_TIME}MicroTimestamp"), ("int64", f"{_TIME}NanoTimestamp")),
)
"""Types of which each holds all values of those before it."""


def kind_of(shape: Shape) -> str:
    """A type, as it is kept and told from others."""
    return json.dumps([shape.kind, shape.name, dict(shape.parameters)], sort_keys=True)


def keeps_values(before: str, after: str) -> bool:
    """Whether every value of one type is the same value of the other.

    Args:
        before: As `kind_of` told it of the older schema.
        after: The same of the newer.
    """
    if before == after:
        return True
    old_kind, old_name, old_all = json.loads(before)
    new_kind, new_name, new_all = json.loads(after)
    old, new = _without_source(old_all), _without_source(new_all)
    if (old_kind, old_name) == (new_kind, new_name):
        return _holds(old_kind, old_name, old, new) and _is_no_shorter(old_all, new_all)
    if old_name == _DECIMAL and new_name == _ANY_SCALE:
        return True
    types = (old_kind, old_name), (new_kind, new_name)
    return old == new and any(_is_in_order(types, family) for family in _FINER)


def _holds(kind: str, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """The same for two types that differ by their parameters at most."""
    if name == _DECIMAL:
        return _holds_digits(old, new)
    if kind == "string" and name in (f"{_DATA}Enum", f"{_DATA}EnumSet"):
        return _is_in_order(old.get("allowed", "").split(","), new.get("allowed", "").split(","))
    return old == new


def _holds_digits(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Neither before nor after the point may there be room for fewer digits."""
    try:
        (old_scale, old_all), (new_scale, new_all) = (
            (int(one["scale"]), int(one[_PRECISION])) for one in (old, new)
        )  # fmt: skip
    except (KeyError, ValueError):
        return False
    return old_scale <= new_scale and old_all - old_scale <= new_all - new_scale


def _is_in_order(some: Iterable[object], among: Iterable[object]) -> bool:
    """Whether all of `some` are there, in their order: renamed members of an enum are other values."""
    rest = iter(among)
    return all(one in rest for one in some)


def _without_source(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if not name.startswith(_SOURCE)}


def _is_no_shorter(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Whether a column of the same kind has no less room by its type in the store, as far as the schema tells that."""
    names = [f"{_SOURCE}{name}" for name in ("type", "length", "scale")]
    (old_type, *old_sizes), (new_type, *new_sizes) = ([one.get(name) for name in names] for one in (old, new))
    if (old_type, old_sizes) == (new_type, new_sizes):
        return True
    try:
        return old_type == new_type and all(
            a == b or int(a or "") <= int(b or "") for a, b in zip(old_sizes, new_sizes, strict=True)
        )
    except ValueError:
        return False
