"""The comparison said again, naively: row by row in Python, without SQL, hashes, joins or batches.

It is written from the contract language's rules alone and shares no code with the comparison but `value_text` for
single values.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from contracts.equality import (
    WHITE_SPACE,
    CaseInsensitive,
    Equality,
    Hashed,
    Mask,
    Trimmed,
    Truncated,
    TruncatedTo,
    Unordered,
    Within,
)
from contracts.logical_types import Kind, LogicalType
from reconcilers.value_text import decimal_text, json_text, list_text, scalar_text

if TYPE_CHECKING:
    from contracts.contract import Contract, FieldMap, Replica

Row = Mapping[str, str | None]
Key = tuple[str | None, ...]
Found = tuple[str | None, Key, str, str | None, tuple[str, ...]]
"""Replica, key, divergence, rule, names of the differing fields."""

BAD = object()
_TEXT = LogicalType(Kind.TEXT)


def canonical_text(text: str | None, logical: LogicalType) -> object:
    """Canonical text, None for NULL, BAD for what the type cannot hold."""
    if text is None:
        return None
    if logical.kind is Kind.JSON:
        found = json_text(text)
    elif logical.kind is Kind.LIST:
        assert logical.element is not None
        found = list_text(text, logical.element)
    else:
        found = scalar_text(text, logical)
    return BAD if found is None else found


class Oracle:
    """Compares rows as text.

    Args:
        holds: Invariant name to a predicate over an owner row's canonical texts; None passes.
        where: Predicate of the one replica's scope over the same, or None.
    """

    def __init__(
        self,
        contract: Contract,
        holds: Mapping[str, Callable[[Mapping[str, object]], bool | None]],
        where: Callable[[Mapping[str, object]], bool | None] | None,
    ) -> None:
        self.contract = contract
        self.holds = holds
        self.where = where

    def findings(self, owner: Sequence[Row], copies: Sequence[Row]) -> set[Found]:
        """Everything that a look at these rows must find."""
        found: set[Found] = set()
        owner_rows, owner_twice = self._keyed(owner, None, dict.fromkeys(self.contract.key), found)
        self._owner_alone(owner_rows, found)
        (replica,) = self.contract.replicas
        paths = {field_map.field: field_map.path for field_map in replica.key}
        live = [row for row in copies if not _flagged(row, replica.deletes.column)]
        copy_rows, copy_twice = self._keyed(live, replica.name, paths, found)
        for key in owner_rows.keys() | copy_rows.keys():
            if key not in owner_twice | copy_twice:
                self._one(key, owner_rows.get(key), copy_rows.get(key), replica, found)
        return found

    def _keyed(
        self, rows: Sequence[Row], name: str | None, paths: Mapping[str, str | None], found: set[Found]
    ) -> tuple[dict[Key, Row], set[Key]]:
        keyed: dict[Key, Row] = {}
        times: Counter[Key] = Counter()
        for row in rows:
            raw = [row.get(paths[part] or part) for part in self.contract.key]
            texts = [
                canonical_text(text, self.contract.fields[part].type)
                for text, part in zip(raw, self.contract.key, strict=True)
            ]
            if None in raw:
                found.add((name, tuple(raw), "null_key", None, ()))
            elif BAD in texts:
                found.add((name, tuple(raw), "mismatch" if name else "invariant", "type", ()))
            else:
                key = tuple(str(text) for text in texts)
                times[key] += 1
                keyed[key] = row
        twice = {key for key, count in times.items() if count > 1}
        found.update((name, key, "duplicate", None, ()) for key in twice)
        if name is None:
            self._twice = twice
        return keyed, twice

    def _owner_alone(self, rows: Mapping[Key, Row], found: set[Found]) -> None:
        for key, row in rows.items():
            if key in self._twice:
                continue
            texts = self._texts(row)
            bad = tuple(sorted(name for name, text in texts.items() if text is BAD))
            if bad:
                found.add((None, key, "invariant", "type", bad))
            for rule in self.contract.invariants:
                if self.holds[rule.name](texts) is False:
                    found.add((None, key, "invariant", rule.name, tuple(sorted(rule.holds.names))))

    def _texts(self, row: Row) -> dict[str, object]:
        return {name: canonical_text(row.get(name), declared.type) for name, declared in self.contract.fields.items()}

    def _one(self, key: Key, owner: Row | None, copy: Row | None, replica: Replica, found: set[Found]) -> None:
        held = owner is not None and (self.where is None or self.where(self._texts(owner)) is True)
        if not held:
            if copy is not None and replica.deletes.mode != "keep":
                found.add((replica.name, key, "orphan", None, ()))
            return
        assert owner is not None
        if copy is None:
            if replica.completeness != "partial":
                found.add((replica.name, key, "missing", None, ()))
            return
        differing = tuple(
            sorted(m.field for m in replica.fields if not self._equal(owner.get(m.field), copy.get(m.path), m))
        )
        if differing:
            found.add((replica.name, key, "mismatch", None, differing))

    def _equal(self, owner: str | None, copy: str | None, field_map: FieldMap) -> bool:
        logical, equality = self.contract.fields[field_map.field].type, field_map.equality
        left = canonical_text(owner, logical)
        if left is BAD:
            return True
        right = canonical_text(copy, _read_as(logical, equality))
        if right is BAD:
            return False
        for step in equality.steps:
            if isinstance(step, Within):
                return _within(left, right, step, logical)
            left, right = _step(left, step, logical, owner=True), _step(right, step, logical, owner=False)
        return left == right


def _flagged(row: Row, column: str | None) -> bool:
    return column is not None and row.get(column) not in (None, "false", "0", "f", "")


def _read_as(logical: LogicalType, equality: Equality) -> LogicalType:
    if any(isinstance(step, (Mask, Hashed)) for step in equality.steps):
        return _TEXT
    if equality.within is not None and logical.kind is Kind.DECIMAL:
        return LogicalType(Kind.DECIMAL, precision=1000, scale=500)
    return logical


def _step(value: object, step: object, logical: LogicalType, *, owner: bool) -> object:
    if value is None:
        return None
    if isinstance(step, (Mask, Hashed, TruncatedTo)):
        return _as_replicas_hold_it(str(value), step) if owner else value
    return _on_both_sides(str(value), step, logical)


def _on_both_sides(text: str, step: object, logical: LogicalType) -> object:
    match step:
        case CaseInsensitive():
            return text.casefold()
        case Trimmed():
            return text.strip(WHITE_SPACE)
        case Truncated(unit):
            return _truncated(text, unit)
        case Unordered():
            assert logical.element is not None
            return list_text(text, logical.element, ordered=False)
    raise AssertionError(step)


def _as_replicas_hold_it(text: str, step: Mask | Hashed | TruncatedTo) -> str:
    match step:
        case Mask(character, keep):
            return character * max(len(text) - keep, 0) + (text[-keep:] if keep else "")
        case Hashed(salt):
            return hashlib.sha256((salt + text).encode()).hexdigest()
        case TruncatedTo(length):
            return text[:length]


def _truncated(text: str, unit: str) -> str:
    if text.endswith("infinity"):
        return text
    kept = {"s": 0, "ms": 3, "us": 6}[unit]
    head, fraction = text.rstrip("Z").split(".")
    return f"{head}.{fraction[:kept].ljust(6, '0')}"


def _within(left: object, right: object, step: Within, logical: LogicalType) -> bool:
    if left is None or right is None:
        return left is right
    if logical.kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL):
        return _times_within(str(left), str(right), step)
    special = ("NaN", "infinity", "-infinity")
    if left in special or right in special:
        return left == right
    with localcontext() as context:
        context.prec = 2000
        bound = step.amount * abs(Decimal(str(left))) / 100 if step.percent else step.amount
        return decimal_distance(str(left), str(right)) <= bound


def decimal_distance(left: str, right: str) -> Decimal:
    """How far two decimal texts are apart."""
    return abs(Decimal(left) - Decimal(right))


def _times_within(left: str, right: str, step: Within) -> bool:
    if left.endswith("infinity") or right.endswith("infinity"):
        return left == right
    distance = datetime.fromisoformat(left.rstrip("Z")) - datetime.fromisoformat(right.rstrip("Z"))
    return abs(distance) <= timedelta(seconds=float(step.amount))


__all__ = ["BAD", "Oracle", "canonical_text", "decimal_text"]
