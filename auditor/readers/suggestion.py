"""The names that a person may have meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the closest of the known names, or all of them when they are few; else an empty string."""
    names = sorted(set(known))
    by_folded = {other.casefold(): other for other in names}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(repr(by_folded[folded]) for folded in close)}?"
    if 0 < len(names) <= 12:  # noqa: PLR2004  as many as fit a line or two
        return f"there are {', '.join(map(repr, names))}"
    return ""
