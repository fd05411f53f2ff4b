"""How a column that could hold a value in several spellings spells it.

A text column may keep a time as `2026-01-31 12:00:00` or `2026-01-31T12:00:00Z`, a uuid in upper case, a boolean as
`t`.  Under the contract all of them are equal; to the replica's own readers they are not.  So what is there already is
looked at, and the first spelling that writes every value of the sample exactly as it stands there is used; where none
does, or there is no sample, the canonical one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import product
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from auditor.compensations.columns import UnwritableError
from contracts.logical_types import Kind
from reconcilers.value_text import scalar_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contracts.logical_types import LogicalType

    Spelling = Callable[[str], str]

SAMPLE_ROWS_MAX = 200
"""Rows of a replica that are looked at for its spellings: more would only repeat them."""

_FRACTION_DIGITS = 6


def spelled(text: str, logical: LogicalType, sample: Sequence[str], zone: str) -> str:
    """Canonical text as this column spells it.

    Args:
        text: Canonical text.
        logical: Its type.
        sample: What the column holds in other rows.
        zone: Of times that are written without one.
    """
    found = _spelling(logical, sample, zone)
    return text if found is None else found(text)


def is_spelled_in_one_way(logical: LogicalType, sample: Sequence[str], zone: str) -> bool:
    """Whether a spelling of ours writes all of a sample as it stands there; see `spelled`."""
    return _spelling(logical, sample, zone) is not None


def _spelling(logical: LogicalType, sample: Sequence[str], zone: str) -> Spelling | None:
    known = [(canonical, raw) for raw in sample if (canonical := _canonical(raw, logical, zone)) is not None]
    for spelling in _spellings(logical, zone):
        if all(spelling(canonical) == raw for canonical, raw in known):
            return spelling
    return None


def _canonical(raw: str, logical: LogicalType, zone: str) -> str | None:
    if logical.kind in (Kind.JSON, Kind.LIST):
        return None
    text = scalar_text(raw, logical)
    if text is None or logical.kind is not Kind.TIMESTAMP or raw.endswith("Z") or "+" in raw or raw.count("-") > 2:  # noqa: PLR2004 - a third hyphen begins an offset
        return text
    if _is_special(text):
        return text
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _spellings(logical: LogicalType, zone: str) -> Sequence[Spelling]:  # noqa: PLR0911 - one line a type
    match logical.kind:
        case Kind.UUID:
            return (str, str.upper, _bare, _bare_upper, _braced)
        case Kind.BOOL:
            words = (("true", "false"), ("t", "f"), ("1", "0"), ("TRUE", "FALSE"), ("True", "False"), ("T", "F"))
            return [partial(_word, true, false) for true, false in words]
        case Kind.TIMESTAMP | Kind.TIMESTAMP_LOCAL:
            ends = ("Z", "+00:00", "+00", "") if logical.kind is Kind.TIMESTAMP else ("",)
            forms = product("T ", (_FRACTION_DIGITS, -1, 0, 3), ends)
            return [partial(_stamp, mark, digits, end, zone) for mark, digits, end in forms]
        case Kind.TIME:
            return [partial(_fraction, digits) for digits in (_FRACTION_DIGITS, -1, 0, 3)]
        case Kind.DECIMAL:
            return (str, _trimmed)
        case Kind.BYTES:
            return (str, _escaped, str.upper)
        case _:
            return (str,)


def _bare(text: str) -> str:
    return text.replace("-", "")


def _bare_upper(text: str) -> str:
    return _bare(text).upper()


def _braced(text: str) -> str:
    return f"{{{text}}}"


def _word(true: str, false: str, text: str) -> str:
    return true if text == "true" else false


def _trimmed(text: str) -> str:
    return text if _is_special(text) or "." not in text else text.rstrip("0").rstrip(".")


def _escaped(text: str) -> str:
    return f"\\x{text}"


def _fraction(digits: int, text: str) -> str:
    """The time with so many digits of its fraction, where the others are zeros; −1: as many as it takes."""
    whole, _, fraction = text.partition(".")
    kept = fraction.rstrip("0") if digits < 0 else fraction[:digits]
    if fraction.rstrip("0") != kept.rstrip("0"):
        kept = fraction  # nothing is ever cut for the sake of looks
    return f"{whole}.{kept}" if kept else whole


def _stamp(mark: str, digits: int, end: str, zone: str, text: str) -> str:
    if _is_special(text):
        return text
    if not end and text.endswith("Z"):
        text = local_text(text, zone)
    return _fraction(digits, text.removesuffix("Z")).replace("T", mark) + end


def _is_special(text: str) -> bool:
    return text in ("infinity", "-infinity", "NaN")


def local_text(text: str, zone: str) -> str:
    """An instant in canonical text as a clock on the wall of this zone shows it.

    Raises:
        UnwritableError: The wall's clock shows that time twice, or the zone cannot tell it.
    """
    if _is_special(text):
        return text
    moment = datetime.fromisoformat(text)
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except OverflowError as error:
        raise UnwritableError(f"{text} lies beyond what the zone {zone} can tell") from error
    other = local.replace(fold=1 - local.fold)
    if other.utcoffset() != local.utcoffset():
        raise UnwritableError(
            f"{zone} shows the clock time of {text} twice, and a column without a zone cannot say which"
        )
    return local.replace(tzinfo=None).isoformat(timespec="microseconds")


def double_text(text: str) -> str:
    """The shortest text of the double next to a number; NaN and the infinities as they are."""
    return text if _is_special(text) else repr(float(text))


def single_text(text: str) -> str:
    """The 32-bit float next to a number, as the double that is exactly it."""
    import numpy as np

    return repr(float(np.float32(text)))


def is_double(text: str) -> bool:
    """Whether a double shows exactly this number."""
    return _is_special(text) or Decimal(repr(float(text))) == Decimal(text)


def is_single(text: str) -> bool:
    """Whether a 32-bit float shows exactly this number."""
    import numpy as np

    return _is_special(text) or Decimal(str(np.float32(text))) == Decimal(text)
