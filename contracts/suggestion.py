"""`did you mean …?` for names that are nearly right."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


LIKENESS_MIN = 0.6
"""Likeness, from 0 to 1, from which a name is worth suggesting."""


def closest(name: str, known: Iterable[str], *, likeness: float = LIKENESS_MIN) -> str:
    """The known name that is nearly this one, or an empty string."""
    lower = {candidate.lower(): candidate for candidate in reversed(list(known))}
    close = get_close_matches(name.lower(), list(lower), n=1, cutoff=likeness)
    return lower[close[0]] if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean `order`?` where a known name is close enough, else an empty string."""
    close = closest(name, known)
    return f"; did you mean `{close}`?" if close else ""
