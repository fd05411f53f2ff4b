"""Text of the numbers that connectors write, with nothing rounded."""

from __future__ import annotations

import struct
from decimal import Decimal

from auditor.feeds.shape import BadValueError
from reconcilers.value_text import float_text

DECIMAL_BYTES_MAX = 62_000
"""More bytes than PostgreSQL's longest numeric has (131,072 digits before the point, 16,383 after it)."""

SCALE_MAX = 150_000
"""Zeros that a decimal's scale may ask for; beyond, a few bytes would fill the memory."""

_SHORT_BYTES = 1_600
"""Up to here Python turns an integer to text without its own limit of digits."""


def unscaled_text(raw: bytes, scale: int) -> str:
    """Text of a decimal given as big-endian two's complement and the number of digits after the point.

    Raises:
        BadValueError: No bytes at all, or more than any database writes.
    """
    if not 0 < len(raw) <= DECIMAL_BYTES_MAX or abs(scale) > SCALE_MAX:
        raise BadValueError("a decimal has no bytes, or too many")
    number = int.from_bytes(raw, "big", signed=True)
    if not scale and len(raw) <= _SHORT_BYTES:
        return str(number)
    digits = str(abs(number)) if len(raw) <= _SHORT_BYTES else str(Decimal(abs(number)))
    sign = "-" if number < 0 else ""
    if scale <= 0:
        return f"{sign}{digits}{'0' * -scale}" if number else "0"
    digits = digits.rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def float32_text(number: float) -> str:
    """Shortest text that reads back as the same 32-bit float."""
    if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124  NaN
        return float_text(number)
    try:
        for digits in range(6, 10):
            text = f"{number:.{digits}g}"
            if struct.unpack("f", struct.pack("f", float(text)))[0] == number:
                break
    except OverflowError:
        raise BadValueError("expected a number that a float of 32 bits holds") from None
    return float_text(float(text))
