"""Rule: integers that are read side by side are what Avro says they are, or nothing at all, whatever their lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.feeds.bulk.cursor import Buffer, Cursor, IrregularError

LONGEST = 10
"""Bytes of an integer of 64 bits."""


def octets(number: int) -> bytes:
    """An integer in Avro's form: its sign in the lowest bit, seven bits a byte, the lowest first."""
    left, found = ((number << 1) ^ (number >> 63)) & (2**64 - 1), bytearray()
    while left >= 0x80:
        found.append(0x80 | left & 0x7F)
        left >>= 7
    return bytes([*found, left])


def of_size(size: int) -> st.SearchStrategy[int]:
    """Integers that take so many bytes."""
    low, high = 1 << 7 * (size - 1) if size > 1 else 0, min((1 << 7 * size) - 1, 2**64 - 1)
    return st.integers(low, high).map(lambda held: (held >> 1) ^ -(held & 1))


SIZES = st.integers(1, LONGEST)
ALIKE = SIZES.flatmap(lambda size: st.lists(of_size(size), min_size=1, max_size=20))
MIXED = st.lists(SIZES.flatmap(of_size), min_size=1, max_size=20)


def read(records: list[bytes]) -> list[int]:
    """The one integer of each record, every byte of which is read."""
    buffer = Buffer.of(records)
    cursor = Cursor(buffer, buffer.starts, buffer.ends)
    numbers: list[int] = cursor.integers().tolist()
    cursor.finish()
    return numbers


@given(ALIKE | MIXED)
def test_integers_of_one_length_and_of_several_are_what_was_written(numbers: list[int]) -> None:
    assert read([octets(number) for number in numbers]) == numbers


@given(ALIKE | MIXED, st.data())
def test_an_integer_that_is_longer_than_need_be_is_refused_among_any_others(
    numbers: list[int], data: st.DataObject
) -> None:
    records = [octets(number) for number in numbers]
    row = data.draw(st.integers(0, len(records) - 1))
    padded = records[row]
    if len(padded) == LONGEST:
        return  # a byte more is more than 64 bits hold, and is refused by its length
    records[row] = padded[:-1] + bytes([padded[-1] | 0x80, 0])
    with pytest.raises(IrregularError):
        read(records)


@given(ALIKE | MIXED, st.data())
def test_an_integer_that_is_cut_off_is_refused_among_any_others(numbers: list[int], data: st.DataObject) -> None:
    records = [octets(number) for number in numbers]
    row = data.draw(st.integers(0, len(records) - 1))
    records[row] = records[row][:-1]
    with pytest.raises(IrregularError):
        read(records)
