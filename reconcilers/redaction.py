"""What a look at some rows can say of a redacted field, whose constant only the whole replica tells.

NULL is right.  The owner's own value is wrong, but for a row in which it happens to be the constant: that is not known.
Any other text passes, as nearly all of them are the constant, but never for a proof: what a whole run has found wrong
is not put right by a text that may be as wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.row_stage import UNKNOWN_CONSTANT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.contract import Replica
    from reconcilers.finding import FieldDifference


def redacted_fields(replica: Replica) -> frozenset[str]:
    """The fields of a replica that are to hold NULL or one constant."""
    return frozenset(one.field for one in replica.fields if one.equality.mode == "redacted")


def judgeable(fields: Iterable[FieldDifference], *, told: bool) -> tuple[FieldDifference, ...]:
    """The differences of one row without the texts that pass.

    Args:
        fields: What differs, or may.
        told: A redacted field of the row was found wrong before, and that is open: no text passes.
    """
    return tuple(one for one in fields if told or one.note != UNKNOWN_CONSTANT)
