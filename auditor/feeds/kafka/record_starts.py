"""Where each of many records begins, of which each says how long it is.

They can only be found one after the other, but that in many chunks side by side: a step takes the next record of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from auditor.feeds.bulk.cursor import IrregularError

if TYPE_CHECKING:
    from auditor.feeds.bulk.cursor import Integers

SIDE_BY_SIDE_MIN = 16
"""Chunks for which a step is taken side by side: it costs as much as a dozen records taken one by one."""

_MORE = 0x80
"""The bit of a byte of an integer that says that another byte follows."""

_SIZE_BYTES_MAX = 3
"""Of the size of a record that is found side by side, which holds a mebibyte; longer ones take it one by one."""


def record_starts(octets: bytes, begins: Integers, ends: Integers, counts: Integers) -> Integers:
    """Where each record begins.

    Whether the last of a chunk ends where the chunk does is left to whoever reads them.

    Args:
        octets: Chunks, and at least four bytes behind them.
        begins: Where each chunk begins.
        ends: Where it ends.
        counts: How many records it holds.

    Raises:
        IrregularError: There are more records than bytes, or the sizes lead nowhere.
    """
    if (counts > ends - begins).any():
        raise IrregularError
    most = np.argsort(-counts, kind="stable")
    left, slots = counts[most], (np.cumsum(counts) - counts)[most]
    walking = np.searchsorted(-left, -np.arange(left[0]))  # how many chunks have a record more, before each step
    together = int(np.searchsorted(-walking, -SIDE_BY_SIDE_MIN, side="right"))
    starts = np.empty(int(counts.sum()), np.int64)
    at, taken = _side_by_side(octets, begins[most], walking[:together], slots, starts)
    for index in np.flatnonzero(left > taken):
        rest = _one_by_one(octets, int(at[index]), int(left[index] - taken))
        first = int(slots[index]) + taken
        starts[first : first + len(rest)] = rest
    return starts


def _side_by_side(
    octets: bytes, at: Integers, walking: Integers, slots: Integers, starts: Integers
) -> tuple[Integers, int]:
    """Note where so many records begin of each chunk, those with most of them first.

    Returns:
        Where the next one of each begins that is still walked through, and how many steps were taken.
    """
    end = len(octets) - _WORD_BYTES
    words: np.ndarray[Any, np.dtype[np.uint32]] = np.ndarray((end + 1,), "<u4", octets, strides=(1,))
    for step, count in enumerate(walking.tolist()):
        at = at[:count]
        starts[slots[:count] + step] = at
        word = words[at]
        if (word & _CONTINUES == _CONTINUES).any():
            return at, step  # a long record
        at = np.minimum(at + _whole_size(word), end)
    return at, len(walking)


_WORD_BYTES = 4
_CONTINUES = np.uint32(_MORE | _MORE << 8 | _MORE << 16)
_ONE, _TWO = np.uint32(1), np.uint32(2)
_LOW, _MIDDLE, _HIGH = np.uint32(0x7F), np.uint32(0x3F80), np.uint32(0x1FC000)
_SEVENTH, _EIGHTH = np.uint32(7), np.uint32(8)


def _whole_size(word: np.ndarray[Any, np.dtype[np.uint32]]) -> Integers:
    """The bytes of records with their sizes, whose first four bytes are these."""
    second = (word >> _SEVENTH) & _ONE
    third = (word >> _SEVENTH >> _EIGHTH) & second
    size = word & _LOW
    size |= (word >> _ONE) & (_MIDDLE * second)
    size |= (word >> _TWO) & (_HIGH * third)
    return ((size >> _ONE) + second + third + _ONE).astype(np.int64)


def _one_by_one(octets: bytes, at: int, count: int) -> list[int]:
    """Where each of some records begins.

    Raises:
        IrregularError: The sizes lead beyond the bytes.
    """
    starts: list[int] = []
    append = starts.append
    try:
        for _ in range(count):
            append(at)
            size = octets[at]
            if size < _MORE:
                at += 1 + (size >> 1)
            elif (more := octets[at + 1]) < _MORE:
                at += 2 + ((size & 0x7F | more << 7) >> 1)
            else:
                at = _behind(octets, at)
    except IndexError:
        raise IrregularError from None
    return starts


def _behind(octets: bytes, at: int) -> int:
    """Where a record ends that is so long that its size takes several bytes.

    Raises:
        IndexError: It does not end.
    """
    size = shift = 0
    while octets[at] >= _MORE:
        size |= (octets[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return at + 1 + ((size | octets[at] << shift) >> 1)
