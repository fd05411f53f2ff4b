"""The key of one entity as people type it: as many values as key fields, or all as `name=value`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import UsageError
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.contract import Contract
    from contracts.logical_types import LogicalType
    from reconcilers.finding import KeyText


def parse_key(contract: Contract, typed: Sequence[str]) -> KeyText:
    """The key in canonical text.

    Raises:
        UsageError: It has another shape than the contract's key, or a value that its type cannot hold.
    """
    values = _named(contract, typed) or _in_order(contract, typed)
    return tuple((name, _canonical(name, text, contract.fields[name].type)) for name, text in values.items())


def _named(contract: Contract, typed: Sequence[str]) -> dict[str, str] | None:
    """The values by name, None where not every one begins with a key field's name."""
    pairs = [text.partition("=") for text in typed]
    if not pairs or any(not equals or name not in contract.key for name, equals, _ in pairs):
        return None
    given = {name: value for name, _, value in pairs}
    if len(given) != len(pairs) or set(given) != set(contract.key):
        raise _wrong_shape(contract)
    return {name: given[name] for name in contract.key}


def _in_order(contract: Contract, typed: Sequence[str]) -> dict[str, str]:
    if len(typed) != len(contract.key):
        raise _wrong_shape(contract)
    return dict(zip(contract.key, typed, strict=True))


def _wrong_shape(contract: Contract) -> UsageError:
    names = ", ".join(f"{name} ({contract.fields[name].type})" for name in contract.key)
    in_order = " ".join(name.upper() for name in contract.key)
    named = " ".join(f"{name}=…" for name in contract.key)
    return UsageError(
        f"the key of {contract.entity} is {names}",
        hint=f"write `audit entity {contract.entity} {in_order}` or `audit entity {contract.entity} {named}`",
    )


_EXAMPLES = {
    Kind.INT: "digits, such as 42",
    Kind.DECIMAL: "a decimal number, such as 12.50",
    Kind.UUID: "a uuid, such as 7f1c2f0e-8c1b-4e0a-9d55-0d9a3c1b2e4f",
    Kind.BOOL: "true or false",
    Kind.DATE: "a date, such as 2026-01-31",
    Kind.TIME: "a time, such as 12:00:00",
    Kind.TIMESTAMP: "a time in ISO 8601, such as 2026-01-31T12:00:00Z",
    Kind.TIMESTAMP_LOCAL: "a time in ISO 8601 without a zone, such as 2026-01-31T12:00:00",
    Kind.BYTES: "hex digits, such as 0aff",
    Kind.ENUM: "one of the members that the contract names",
}


def _canonical(name: str, text: str, logical: LogicalType) -> str:
    from reconcilers.value_text import json_text, list_text, scalar_text

    if logical.kind is Kind.JSON:
        found = json_text(text)
    elif logical.element is not None:
        found = list_text(text, logical.element)
    else:
        found = scalar_text(text, logical)
    if found is None:
        raise UsageError(
            f"the key field {name} is {logical}, and what was typed for it is none",
            hint=f"type it as {_EXAMPLES.get(logical.kind, f'a value of the type {logical}')}",
        )
    return found
