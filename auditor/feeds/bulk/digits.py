"""Numbers of a whole column as the texts that `auditor.feeds` makes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from auditor.feeds.bulk.cursor import Flags, Integers

_HEX = np.frombuffer(b"0123456789ABCDEF", np.uint8)
_HEX_PAIRS = np.stack([np.repeat(_HEX, 16), np.tile(_HEX, 16)], axis=1)
_STAMP_CHARACTERS, _DAY_CHARACTERS = 26, 10
_T = ord("T")
FIRST_MICROS, LAST_MICROS = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The first and the last moment of the years 1 to 9999."""
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
SCALE_MAX = 6
"""Digits after the point up to which Arrow writes no exponent."""


def integer_texts(values: Integers) -> pa.StringArray:
    """Each in decimal digits."""
    return pa.array(values).cast(pa.string())


def unsigned_texts(values: Integers) -> pa.StringArray:
    """Each in decimal digits, negative ones as what they were before 64 bits wrapped round."""
    return pa.array(values.view(np.uint64)).cast(pa.string())


def day_texts(days: Integers) -> pa.StringArray:
    """Days since 1970-01-01, of years 1 to 9999."""
    return pa.array(days.astype(np.int32)).cast(pa.date32()).cast(pa.string())


def moment_texts(micros: Integers) -> pa.StringArray:
    """Microseconds since 1970, of years 1 to 9999; whole seconds have no fraction."""
    written = pa.array(micros).cast(pa.timestamp("us")).cast(pa.string())
    characters = np.frombuffer(written.buffers()[2], np.uint8, len(micros) * _STAMP_CHARACTERS)
    characters = characters.reshape(len(micros), _STAMP_CHARACTERS).copy()
    characters[:, _DAY_CHARACTERS] = _T
    kept = np.ones(characters.shape, np.bool_)
    kept[micros % 1_000_000 == 0, _STAMP_CHARACTERS - 7 :] = False
    return _joined(characters, kept)


def decimal_texts(unscaled: Integers, scale: int) -> pa.StringArray:
    """Integers with a point before their last digits, up to SCALE_MAX of them."""
    if scale == 0:
        return integer_texts(unscaled)
    pairs = np.empty((len(unscaled), 2), np.int64)
    pairs[:, 0], pairs[:, 1] = unscaled, unscaled >> 63
    buffers = [None, pa.py_buffer(pairs)]
    return pa.Array.from_buffers(pa.decimal128(38, scale), len(unscaled), buffers).cast(pa.string())


def position_texts(positions: Integers) -> pa.StringArray:
    """PostgreSQL's positions: two numbers of 32 bits in hexadecimal digits."""
    octets = positions.astype(">i8").view(np.uint8)
    written = _HEX_PAIRS[octets].reshape(len(positions), 16)
    characters = np.full((len(positions), 17), ord("/"), np.uint8)
    characters[:, :8], characters[:, 9:] = written[:, :8], written[:, 8:]
    kept = np.ones(characters.shape, np.bool_)
    kept[:, :7], kept[:, 9:16] = _begun(written[:, :7]), _begun(written[:, 8:15])
    return _joined(characters, kept)


def _begun(digits: Any) -> Flags:
    """Which digits stand behind another one than zero, or are one."""
    begun: Flags = np.logical_or.accumulate(digits != _HEX[0], axis=1)
    return begun


def _joined(characters: Any, kept: Flags) -> pa.StringArray:
    """Rows of characters, of which some are left out, as texts."""
    ends = np.zeros(len(characters) + 1, np.int32)
    np.cumsum(kept.sum(axis=1), out=ends[1:])
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(characters[kept])]
    return pa.Array.from_buffers(pa.string(), len(characters), buffers)
