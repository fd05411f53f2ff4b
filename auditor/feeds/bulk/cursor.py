"""Many records side by side, each read from left to right: a step reads the same field of all of them.

Whatever is not as it is in nearly every record raises `IrregularError`: the batch is then read record by record, which
tells exactly what is wrong, and with which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

Integers = np.ndarray[Any, np.dtype[np.int64]]
Words = np.ndarray[Any, np.dtype[np.uint64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

MARGIN = 32
"""Bytes behind the last record, so that a number that is cut off is read, and then refused."""

_BYTES_MAX = 2**30
"""Of one batch; positions are kept in 32 bits."""

_CONTINUES = np.uint64(0x8080808080808080)
_GROUPS = (
    (np.uint64(0x007F007F007F007F), np.uint64(0x7F007F007F007F00), np.uint64(1)),
    (np.uint64(0x00003FFF00003FFF), np.uint64(0x3FFF00003FFF0000), np.uint64(2)),
    (np.uint64(0x000000000FFFFFFF), np.uint64(0x0FFFFFFF00000000), np.uint64(4)),
)
"""Brings groups of seven bits together: two bytes, four bytes, eight bytes."""
_SEVENS = np.uint64(0x7F7F7F7F7F7F7F7F)
_WORD_BYTES = 8
_SIZES = range(_WORD_BYTES + 1)
_ENDS = [np.uint64(0x8080808080808080 & ((1 << 8 * size) - 1)) for size in _SIZES]
"""By size of an integer in bytes: the bits that say whether another byte follows."""
_GOES_ON = [np.uint64(0), *_ENDS[:-1]]
"""The same, where they say that this is its size."""
_TOPS = [np.uint64(0x7F << 8 * (size - 1) if size else 0) for size in _SIZES]
"""What the last byte holds."""
_HELD = [np.uint64(0x7F7F7F7F7F7F7F7F & ((1 << 8 * size) - 1)) for size in _SIZES]
"""What all of them hold."""
_ONE = np.uint64(1)
_SAME_MAX = 32
"""Bytes of a text that is looked at for being the same in every record."""


class IrregularError(Exception):
    """A batch is not so regular that it can be read at once; nothing is wrong with it yet."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """The bytes of many records, one behind the other.

    Attributes:
        octets: All bytes, with `MARGIN` more behind them.
        words: The eight bytes from each place on as one number, its lowest byte first.
        starts: Where each record begins.
        ends: Where each record ends.
    """

    octets: np.ndarray[Any, np.dtype[np.uint8]]
    words: Words
    starts: Integers
    ends: Integers

    @classmethod
    def of(cls, records: Sequence[bytes]) -> Buffer:
        """Put records behind each other."""
        lengths = np.fromiter(map(len, records), np.int64, len(records))
        ends = np.cumsum(lengths)
        if not len(records) or ends[-1] > _BYTES_MAX:
            raise IrregularError
        octets = np.frombuffer(b"".join([*records, bytes(MARGIN)]), np.uint8)
        return cls.within(octets, ends - lengths, ends)

    @classmethod
    def within(cls, octets: np.ndarray[Any, np.dtype[np.uint8]], starts: Integers, ends: Integers) -> Buffer:
        """Records that stand in some bytes, in their order; `MARGIN` bytes are behind them."""
        if not len(starts) or len(octets) > _BYTES_MAX:
            raise IrregularError
        words: Words = np.ndarray((len(octets) - _WORD_BYTES + 1,), "<u8", octets, strides=(1,))
        return cls(octets, words, starts, ends)


class Cursor:
    """A place in each of some records.

    Args:
        buffer: The records.
        at: The places.
        ends: Where their records end.
    """

    __slots__ = ("at", "buffer", "ends")

    def __init__(self, buffer: Buffer, at: Integers, ends: Integers) -> None:
        self.buffer, self.at, self.ends = buffer, at, ends

    def part(self, rows: Integers) -> Cursor:
        """The places in some of the records."""
        return Cursor(self.buffer, self.at[rows], self.ends[rows])

    def skip(self, lengths: Integers | int) -> Integers:
        """Step over bytes; returns where they begin.

        Raises:
            IrregularError: They end behind their record.
        """
        begins = self.at
        self.at = begins + lengths
        if (self.at > self.ends).any():
            raise IrregularError
        return begins

    def finish(self) -> None:
        """Make sure that every byte of every record was read."""
        if (self.at != self.ends).any():
            raise IrregularError

    def integers(self) -> Integers:
        """The next field: integers in Avro's form, none longer than need be."""
        first = self.buffer.octets[self.at]
        if len(first) == 0 or first.max() < 0x80:  # noqa: PLR2004  the bit that says that more follows
            self.skip(1)
            short = first.astype(np.int64)
            return (short >> 1) ^ -(short & 1)
        return self._long_integers()

    def _long_integers(self) -> Integers:
        word = self.buffer.words[self.at]
        size = _size(int(word[0]))
        if size <= _WORD_BYTES and not (word & _ENDS[size] != _GOES_ON[size]).any():
            return self._equally_long(word, size)
        last = ~word & _CONTINUES
        last &= ~last + _ONE  # the lowest bit: the byte that nothing follows
        is_longer = last == 0
        below = (last << _ONE) - _ONE
        length = np.bitwise_count(below).astype(np.int64) >> 3
        top = word & (last ^ (last >> np.uint64(7)) * np.uint64(0xFF))  # what the last byte holds
        if ((top == 0) & (length > 1) & ~is_longer).any():
            raise IrregularError
        value = _joined(word & below & _SEVENS, _GROUPS)
        if is_longer.any():
            value, length = self._with_rest(value, length, is_longer)
        self.skip(length)
        return _signed(value)

    def _equally_long(self, word: Words, size: int) -> Integers:
        """Integers of so many bytes each, as moments and positions are: their bytes stand at the same places."""
        if size > 1 and (word & _TOPS[size] == 0).any():
            raise IrregularError
        self.skip(size)
        return _signed(_joined(word & _HELD[size], _GROUPS[: (size - 1).bit_length()]))

    def _with_rest(self, value: Words, length: Integers, is_longer: Flags) -> tuple[Words, Integers]:
        """The ninth and the tenth byte of those integers that have them."""
        rows = np.flatnonzero(is_longer)
        at = self.at[rows] + _WORD_BYTES
        ninth, tenth = (self.buffer.octets[at + more].astype(np.uint64) for more in (0, 1))
        has_tenth = ninth >> np.uint64(7) == 1
        if (has_tenth & (tenth != 1)).any() or (~has_tenth & (ninth == 0)).any():
            raise IrregularError
        rest = (ninth & np.uint64(0x7F)) << np.uint64(56)
        value[rows] |= rest | np.where(has_tenth, tenth << np.uint64(63), np.uint64(0))
        length[rows] = 9 + has_tenth
        return value, length

    def lengths(self) -> Integers:
        """The next field: integers that are lengths.

        Raises:
            IrregularError: One is negative, or longer than any record.
        """
        lengths = self.integers()
        if (lengths.view(np.uint64) > np.uint64(_BYTES_MAX)).any():
            raise IrregularError
        return lengths

    def octets(self, begins: Integers, lengths: Integers | int) -> pa.BinaryArray:
        """Bytes that stand in the records, as one array.

        Arrow's binary arrays have no gaps; so what lies between two values is a value here, and left out again.
        """
        count = len(begins)
        places = np.empty(2 * count + 1, np.int32)
        places[0:-1:2] = begins
        places[1::2] = begins + lengths
        places[-1] = places[-2] if count else 0
        buffers = [None, pa.py_buffer(places), pa.py_buffer(self.buffer.octets)]
        interleaved = pa.Array.from_buffers(pa.binary(), 2 * count, buffers)
        return interleaved.take(pa.array(np.arange(0, 2 * count, 2, dtype=np.int32)))

    def texts(self, begins: Integers, lengths: Integers) -> pa.StringArray:
        """Texts that stand in the records.

        Raises:
            IrregularError: One is not UTF-8.
        """
        try:
            if len(begins) and self._is_one(begins, lengths):
                one = self.buffer.octets[begins[0] : begins[0] + lengths[0]].tobytes()
                return pa.repeat(pa.scalar(one, pa.binary()).cast(pa.string()), len(begins))
            return self.octets(begins, lengths).cast(pa.string())
        except pa.ArrowInvalid:
            raise IrregularError from None

    def _is_one(self, begins: Integers, lengths: Integers) -> bool:
        """Whether it is the same few bytes in every record, as names of connectors and tables are."""
        size = int(lengths[0])
        if size > _SAME_MAX or (lengths != size).any():
            return False
        for at in range(0, size, _WORD_BYTES):
            words = self.buffer.words[begins + at]
            if size - at < _WORD_BYTES:
                words &= np.uint64((1 << 8 * (size - at)) - 1)
            if (words != words[0]).any():
                return False
        return True


def _size(word: int) -> int:
    """Bytes of an integer that begins with these eight; nine, where it is longer than they are."""
    ends = ~word & 0x8080808080808080
    return ((ends & -ends).bit_length() + 7) // 8 if ends else 9


def _joined(value: Words, groups: Sequence[tuple[np.uint64, np.uint64, np.uint64]]) -> Words:
    """What bytes of seven bits hold, without gaps; the given array is changed."""
    for low, high, shift in groups:
        upper = value & high
        upper >>= shift
        value &= low
        value |= upper
    return value


def _signed(value: Words) -> Integers:
    """Numbers whose lowest bit is their sign; the given array is changed."""
    sign = value & _ONE
    np.negative(sign, out=sign)
    value >>= _ONE
    value ^= sign
    return value.view(np.int64)
