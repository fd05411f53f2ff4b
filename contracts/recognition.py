"""Under which equality two columns agree, row by row: what a sample shows, in the contract's own words.

Nothing here knows what a copy is meant to hold.  It tells which equality fits the rows that were seen, and how many of
them, so that a person can decide.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING

from contracts.equality import WHITE_SPACE
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contracts.logical_types import LogicalType

PAIRS_MIN = 5
"""Rows of both sides that a judgement takes."""
SHARE_MIN = 0.9
"""Of the rows: fewer that agree are no agreement; the rest may be drift."""
NEARLY_BEST = 0.98
"""An equality that explains nearly as many rows as the best is taken before it, where it asks for more."""
CHANGED_MIN = 3
"""Rows that only the equality makes agree; fewer may be drift."""
DISTINCT_MIN = 3
"""Different values of the owner: 0 and 1 agree everywhere."""
KEPT_MAX = 8
"""Last characters that a mask leaves, at most."""

_MOMENTS = (Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL, Kind.TIME)
_TEXTS = (Kind.TEXT, Kind.ENUM)
_SPELT = (*_TEXTS, Kind.INT, Kind.UUID, Kind.DATE)


@dataclass(frozen=True, slots=True)
class Pair:
    """One field of one row, on both sides.

    Attributes:
        owner: Canonical text under the field's type.
        replica: As the replica's own type spells it.
        read: The replica's value as canonical text under the field's type, None where it is none.
    """

    owner: str | None
    replica: str | None
    read: str | None


@dataclass(frozen=True, slots=True)
class Recognition:
    """How far two columns agree.

    Attributes:
        equality: As a contract spells it; empty for exact.
        agreeing: Rows that agree under it.
        total: Rows that were compared.
        plain: Rows that agree as they are.
        distinct: Different values among the owner's.
        remark: What else a person should know, or empty.
    """

    equality: str
    agreeing: int
    total: int
    plain: int
    distinct: int
    remark: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the equality explains the rows."""
        return self.agreeing >= SHARE_MIN * self.total

    @property
    def is_telling(self) -> bool:
        """Whether the agreement says by itself that one column is the copy of the other."""
        return self.agrees and self.distinct >= DISTINCT_MIN and self.equality != "redacted"

    @property
    def note(self) -> str:
        """What it is based on, for a comment."""
        plain = f", {self.plain:,} of them as they are" if self.equality and self.plain else ""
        doubt = "" if self.agrees else "doubtful: "
        counted = f"{doubt}{self.agreeing:,} of {self.total:,} sampled rows agree{plain}"
        return "; ".join(part for part in (counted, self.remark) if part)


@dataclass(frozen=True, slots=True)
class _Candidate:
    equality: str
    agree: Callable[[Pair], bool]
    remark: str = ""


def recognise(logical: LogicalType, pairs: Sequence[Pair]) -> Recognition | None:
    """The strictest equality that explains the rows, else how many agree as they are; None for too few rows."""
    told = [pair for pair in pairs if pair.owner is not None or pair.replica is not None]
    if len(told) < PAIRS_MIN:
        return None
    distinct = len({pair.owner for pair in told if pair.owner is not None})
    plain = sum(map(_same, told))
    found = [Recognition("", plain, len(told), plain, distinct)]
    if plain < len(told):
        for candidate in _candidates(logical, [pair for pair in told if not _same(pair)], distinct):
            agreeing = sum(1 for pair in told if candidate.agree(pair))
            if agreeing - plain >= CHANGED_MIN or (candidate.equality == "redacted" and agreeing >= PAIRS_MIN):
                found.append(Recognition(candidate.equality, agreeing, len(told), plain, distinct, candidate.remark))
    best = max(one.agreeing for one in found)
    chosen = next(one for one in found if one.agreeing >= NEARLY_BEST * best)
    return chosen if chosen.agrees else found[0]


def _same(pair: Pair) -> bool:
    return pair.owner == pair.read and (pair.replica is None) == (pair.owner is None)


def _candidates(logical: LogicalType, differing: Sequence[Pair], distinct: int) -> Iterator[_Candidate]:
    """Equalities that may explain the rows that differ, the strictest first."""
    if logical.kind in _MOMENTS:
        yield from _of_times()
    if logical.kind is Kind.DECIMAL:
        yield from _of_decimals(logical.scale, differing)
    if logical.kind in _TEXTS:
        yield from _of_texts()
    if logical.kind in _SPELT:
        yield from _of_secrets(differing)
    if logical.kind in _TEXTS:
        yield from _of_cuts(differing)
    yield from _of_redactions(differing, distinct)


def _of_times() -> Iterator[_Candidate]:
    for unit, kept, most in (("ms", 4, timedelta(microseconds=500)), ("s", 0, timedelta(milliseconds=500))):
        yield _Candidate(f"truncated {unit}", partial(_cut_alike, kept=kept))
        yield _Candidate(f"within 0.5{unit}", partial(_near, most=most))  # rounded


def _cut_alike(pair: Pair, kept: int) -> bool:
    return _cut(pair.owner, kept) == _cut(pair.read, kept)


def _cut(text: str | None, kept: int) -> str | None:
    """A canonical time without what a truncation takes away."""
    return None if text is None else text[: text.find(".") + kept] if "." in text else text


def _near(pair: Pair, most: timedelta) -> bool:
    if pair.owner is None or pair.read is None:
        return pair.owner == pair.read and pair.replica is None
    try:
        return abs(datetime.fromisoformat(pair.owner) - datetime.fromisoformat(pair.read)) <= most
    except ValueError:  # a time of day, an infinity, a year that Python lacks
        return pair.owner == pair.read


def _of_decimals(scale: int, differing: Sequence[Pair]) -> Iterator[_Candidate]:
    """Rounded to so many digits: no copy has more, and none is further away than half a unit of the last."""
    numbers = [number for pair in differing if (number := _number(pair.replica)) is not None]
    for digits in range(scale, -1, -1):
        half = Decimal(5).scaleb(-digits - 1)
        rounded = [number for number in numbers if number == round(number, digits)]
        if digits == scale or len(rounded) >= SHARE_MIN * len(numbers):
            yield _Candidate(f"within {half:f}", partial(_close, half=half))


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 50 else None  # noqa: PLR2004 - beyond, nobody rounds


def _close(pair: Pair, half: Decimal) -> bool:
    one, other = _number(pair.owner), _number(pair.replica)
    if one is None or other is None:
        return _same(pair)
    return abs(one - other) <= half


def _of_texts() -> Iterator[_Candidate]:
    yield _Candidate("case_insensitive", lambda pair: _folded(pair.owner) == _folded(pair.replica))
    yield _Candidate("trimmed", lambda pair: _trimmed(pair.owner) == _trimmed(pair.replica))
    yield _Candidate(
        "[trimmed, case_insensitive]", lambda pair: _folded(_trimmed(pair.owner)) == _folded(_trimmed(pair.replica))
    )


def _folded(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _trimmed(text: str | None) -> str | None:
    return None if text is None else text.strip(WHITE_SPACE)


def _of_secrets(differing: Sequence[Pair]) -> Iterator[_Candidate]:
    yield _Candidate("{hash: sha256}", lambda pair: _digest(pair.owner) == pair.replica)
    character = next((pair.replica[0] for pair in differing if pair.replica and pair.owner), "")
    if not character or (character.isalnum() and character not in "xX"):
        return
    for kept in range(KEPT_MAX + 1):
        keeps = f", keep_last: {kept}" if kept else ""
        spelt = character if character not in '"\\' else "\\" + character
        yield _Candidate(
            f'{{mask: "{spelt}"{keeps}}}',
            partial(_is_masked, character=character, kept=kept),
        )


def _is_masked(pair: Pair, character: str, kept: int) -> bool:
    return _masked(pair.owner, character, kept) == pair.replica


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _masked(text: str | None, character: str, kept: int) -> str | None:
    if text is None:
        return None
    return character * max(len(text) - kept, 0) + (text[-kept:] if kept else "")


def _of_cuts(differing: Sequence[Pair]) -> Iterator[_Candidate]:
    length = max((len(pair.replica) for pair in differing if pair.replica and pair.owner), default=0)
    if length and any(len(pair.owner) > length for pair in differing if pair.owner):
        yield _Candidate(
            f"{{truncated_to: {length}}}", lambda pair: pair.owner is not None and pair.owner[:length] == pair.replica
        )


def _of_redactions(differing: Sequence[Pair], distinct: int) -> Iterator[_Candidate]:
    """One constant or NULL, whatever the owner holds."""
    if distinct < DISTINCT_MIN:
        return
    values = Counter(pair.replica for pair in differing if pair.replica is not None)
    constant = values.most_common(1)[0][0] if values else None
    remark = "one constant there" if values else "always NULL there: redacted, or not filled yet?"
    yield _Candidate("redacted", lambda pair: pair.replica is None or pair.replica == constant, remark)
