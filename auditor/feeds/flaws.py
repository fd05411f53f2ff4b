"""What a decoder notes of columns, as flaws that explain differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.feeds import cells, rows, values
from reconcilers.flaws import Flaw

if TYPE_CHECKING:
    from collections.abc import Mapping

_RETYPED_BEFORE = "its type changed: rows that were not written since have a value of the older column"
"""As older state files say it."""

_FLAWS = {
    cells.TRUNCATED: Flaw.TRUNCATED,
    cells.DOUBLE: Flaw.ROUNDED,
    cells.ONE_BIT: Flaw.ONE_BIT,
    cells.WRAPS: Flaw.WRAPS,
    cells.NAN: Flaw.NAN_IS_NULL,
    cells.OUT_OF_DAY: Flaw.TIME_IS_NULL,
    rows.DEFAULTS_UNTOLD: Flaw.NULL_IS_DEFAULT,
    _RETYPED_BEFORE: Flaw.RETYPED,
    values.RETYPED: Flaw.RETYPED,
}


def flaws_of(notes: Mapping[str, str]) -> dict[str, dict[Flaw, str]]:
    """By column, the flaws that its note tells of, each with its sentence."""
    found = {
        column: {flaw: sentence for sentence, flaw in _FLAWS.items() if sentence in note}
        for column, note in notes.items()
    }
    return {column: flaws for column, flaws in found.items() if flaws}
