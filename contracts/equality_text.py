"""Reads and writes equalities as contracts spell them: `within 0.005`, `[trimmed, case_insensitive]`, `{mask: "*"}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from contracts.durations import duration_text, parse_duration
from contracts.equality import (
    EXACT,
    TRUNCATION_UNITS,
    CaseInsensitive,
    Equality,
    Hashed,
    Mask,
    Step,
    Trimmed,
    Truncated,
    TruncatedTo,
    Unordered,
    Within,
)
from contracts.logical_types import Kind, LogicalType
from contracts.suggestion import did_you_mean

STEPS_MAX = 10
"""Most steps of one equality."""
TEXT_CHARACTERS_MAX = 1_000_000
"""Longest text that `keep_last` and `truncated_to` can speak of."""
_AMOUNT = re.compile(r"[0-9]{1,38}(\.[0-9]{1,38})?\Z")
_DURATION = re.compile(r"[0-9.]+\s*(ms|s|m|h|d)\Z")
_MODES = ("at_creation", "ignored", "redacted")
_WORDS: dict[str, Step] = {"case_insensitive": CaseInsensitive(), "trimmed": Trimmed(), "unordered": Unordered()}
_ALL = ("exact", *_MODES, *_WORDS, "within N", "within N%", "within 5s", "truncated s|ms|us")
_MAPPINGS = {"mask": {"mask", "keep_last"}, "hash": {"hash", "salt"}, "truncated_to": {"truncated_to"}}

_NUMBERS = frozenset([Kind.INT, Kind.DECIMAL, Kind.FLOAT])
_CLOCKS = frozenset([Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL])
_TEXTS = frozenset([Kind.TEXT, Kind.ENUM])
_SPELT = _TEXTS | {Kind.INT, Kind.UUID, Kind.DATE}
"""Types whose canonical text is what people would mask or hash."""


def parse_equality(value: Any, expand: Callable[[str], str] | None = None) -> Equality:
    """Read an equality: a text, a mapping, or a list of them.

    Args:
        value: As it stands in the YAML.
        expand: Puts in what `${NAME}` in a salt stands for; without it the salt stays as written.

    Raises:
        ValueError: It is no equality; the message says why, without the salt.
    """
    parts = value if isinstance(value, list) else [value]
    if not parts:
        raise ValueError("an equality is empty; expected `exact` or another one")
    if len(parts) > STEPS_MAX:
        raise ValueError(f"an equality has more than {STEPS_MAX} steps")
    read = [_part(part, expand) for part in parts]
    alone = next((part for part in read if isinstance(part, Equality)), None)
    if alone is None:
        return _chain([part for part in read if not isinstance(part, Equality)])
    if len(read) > 1:
        raise ValueError(f"`{alone.mode if alone != EXACT else 'exact'}` stands alone, not with other equalities")
    return alone


def _chain(steps: list[Step]) -> Equality:
    if any(isinstance(step, Within) for step in steps[:-1]):
        raise ValueError("`within` must be the last equality of the list: nothing can be applied after a tolerance")
    kinds = [type(step) for step in steps]
    if len(set(kinds)) < len(kinds):
        raise ValueError("the same equality stands twice in the list")
    return Equality(tuple(steps))


def _part(part: Any, expand: Callable[[str], str] | None) -> Step | Equality:
    if isinstance(part, str):
        return _word(" ".join(part.split()))
    if isinstance(part, Mapping):
        return _mapping(part, expand)
    raise ValueError(f"{part!r} is no equality; expected one of {', '.join(_ALL)}, or a mapping such as {{mask: '*'}}")


def _word(text: str) -> Step | Equality:
    if text == "exact":
        return EXACT
    if text in _MODES:
        return Equality(mode=text)
    if text in _WORDS:
        return _WORDS[text]
    name, _, rest = text.partition(" ")
    if name == "within":
        return _within(rest)
    if name == "truncated":
        return _truncated(rest)
    hint = did_you_mean(text, ["exact", *_MODES, *_WORDS, *_MAPPINGS])
    raise ValueError(f"unknown equality {text!r}{hint}; expected one of {', '.join(_ALL)}")


def _within(amount: str) -> Within:
    if _AMOUNT.match(amount):
        return Within(Decimal(amount))
    if amount.endswith("%") and _AMOUNT.match(amount[:-1].strip()):
        return Within(Decimal(amount[:-1].strip()), percent=True)
    if _DURATION.match(amount):
        seconds = parse_duration(amount)
        return Within(
            Decimal(seconds.days * 86_400 + seconds.seconds) + Decimal(seconds.microseconds) / 1_000_000, seconds=True
        )
    raise ValueError(f"`within {amount}` needs a number of 0 or more (0.005), a percentage (2%) or a duration (5s)")


def _truncated(unit: str) -> Truncated:
    if unit not in TRUNCATION_UNITS:
        raise ValueError(f"`truncated {unit}` needs one of the units {', '.join(TRUNCATION_UNITS)}")
    return Truncated(unit)


def _mapping(part: Mapping[str, Any], expand: Callable[[str], str] | None) -> Step:
    name = next((key for key in part if key in _MAPPINGS), None)
    if name is None:
        hint = did_you_mean(next(iter(part), ""), list(_MAPPINGS))
        keys = ", ".join(part) or "(none)"
        raise ValueError(f"an equality with the keys {keys} is unknown{hint}; expected mask, hash or truncated_to")
    unknown = sorted(set(part) - _MAPPINGS[name])
    if unknown:
        raise ValueError(f"{name} has the unknown key {unknown[0]!r}; expected {', '.join(sorted(_MAPPINGS[name]))}")
    match name:
        case "mask":
            return Mask(_one_character(part["mask"]), _count(part.get("keep_last", 0), "keep_last", 0))
        case "hash":
            return _hashed(part["hash"], part.get("salt", ""), expand)
        case _:
            return TruncatedTo(_count(part["truncated_to"], "truncated_to", 1))


def _one_character(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1 or value == "\0":
        raise ValueError('mask needs one character in quotes, such as "*"')
    return value


def _count(value: Any, name: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= TEXT_CHARACTERS_MAX:
        raise ValueError(f"{name} needs a whole number from {least} to {TEXT_CHARACTERS_MAX}")
    return value


def _hashed(algorithm: Any, salt: Any, expand: Callable[[str], str] | None) -> Hashed:
    if algorithm != "sha256":
        raise ValueError(f"the hash {algorithm!r} is unknown; expected sha256")
    if not isinstance(salt, str):
        raise ValueError('salt needs a text in quotes, such as "${SALT}"')  # noqa: TRY004 - one kind of error for all
    return Hashed(expand(salt) if expand else salt, algorithm)


# What fits which type


def misfit(equality: Equality, logical: LogicalType) -> str:
    """Why an equality means nothing for values of a type, or an empty string."""
    for step in equality.steps:
        reason = _misfit(step, logical)
        if reason:
            return f"`{step_text(step)}` {reason}, not {logical}"
    return ""


def _misfit(step: Step, logical: LogicalType) -> str:
    kind = logical.kind
    match step:
        case Within(seconds=True):
            return "" if kind in _CLOCKS or kind is Kind.DATE else "is for times"
        case Within():
            return "" if kind in _NUMBERS else "is for numbers (times need a duration, as in `within 5s`)"
        case Truncated():
            return "" if kind in _CLOCKS else "is for times"
        case Unordered():
            return "" if kind is Kind.LIST else "is for lists"
        case Mask() | Hashed():
            return "" if kind in _SPELT else "is for text, enum, int, uuid and date"
        case CaseInsensitive() | Trimmed() | TruncatedTo():
            return "" if kind in _TEXTS else "is for text and enum"


# Writing


def equality_text(equality: Equality) -> str:
    """An equality as a contract would spell it; a salt is never shown."""
    if equality.mode != "compared":
        return equality.mode
    return " + ".join(step_text(step) for step in equality.steps) or "exact"


def step_text(step: Step) -> str:  # noqa: PLR0911 - one line a step
    """One step as a contract would spell it; a salt is never shown."""
    match step:
        case Within(amount, percent, seconds):
            if seconds:
                return f"within {_seconds_text(amount)}"
            return f"within {amount:f}{'%' if percent else ''}"
        case Truncated(unit):
            return f"truncated {unit}"
        case Mask(character, keep_last):
            return f"mask {character} keep_last {keep_last}"
        case Hashed(_, algorithm):
            return f"hash {algorithm}"
        case TruncatedTo(length):
            return f"truncated_to {length}"
        case _:
            return next(word for word, known in _WORDS.items() if known == step)


def _seconds_text(seconds: Decimal) -> str:
    return duration_text(parse_duration(f"{seconds:f}s")) if seconds else "0s"
