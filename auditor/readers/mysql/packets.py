"""Packets of MySQL's protocol, found in whole buffers of what the network brings.

A packet is 3 bytes of length, 1 byte of sequence number, and its content; each packet's place follows from the one
before, so this is the one loop over rows in Python.  It looks at two of the three bytes of a length, for nearly all
rows are shorter than 64 KiB, and checks the third bytes of all rows together afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditor.readers.mysql.cells import END, END_MAX, ERROR, HEADER_BYTES, PACKET_MAX, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from auditor.readers.mysql.cells import ReadInto

    Places: TypeAlias = npt.NDArray[np.int64]

BUFFER_BYTES = 2 << 20
"""Bytes of rows that become one Arrow batch: enough that NumPy's cost per call vanishes, few enough for the cache."""

SPARE_BYTES = 12
"""Bytes after the last packet that may be read and mean nothing."""

NEARLY_FULL = 15 / 16
"""A buffer is handed on when it is filled this far: waiting for the last byte would take many small reads."""


@dataclass(frozen=True, slots=True)
class Packets:
    """Rows as they came.

    Attributes:
        buffer: Nobody writes to it any more.
        heads: Where each row's packet begins; the next one begins where it ends.
        end: Where the last one ends; `SPARE_BYTES` more are there.
    """

    buffer: bytearray
    heads: Places
    end: int


def read_packets(read_into: ReadInto, *, buffer_bytes: int = BUFFER_BYTES) -> Iterator[Packets]:
    """Read the row packets of one result, until its end.

    Args:
        read_into: Fills a part of what it is given and says how many bytes; the result's first row comes next.
        buffer_bytes: See `BUFFER_BYTES`.

    Raises:
        ServerError: The server broke off.
        EOFError: The connection broke.
    """
    rest = b""
    ended = False
    while not ended:
        filling = _Filling(rest, buffer_bytes)
        ended = filling.fill(read_into)
        if filling.heads:
            yield filling.packets()
        rest = filling.rest()
        if not ended and _is_continued(rest, 0, len(rest)):
            row, rest = _long_row(read_into, rest)
            yield row


class _Filling:
    """A buffer that is being filled.

    Args:
        rest: What it begins with: the beginning of a packet.
        size: How many bytes it is to hold; it grows for a row that is longer.
    """

    def __init__(self, rest: bytes, size: int) -> None:
        self._buffer = bytearray(max(size, 2 * len(rest)) + SPARE_BYTES)
        self._buffer[: len(rest)] = rest
        self._filled = len(rest)
        self._parsed = 0
        self.heads: list[Places] = []

    def fill(self, read_into: ReadInto) -> bool:
        """Read until it is nearly full, the result ends, or a packet comes that goes on in the next one.

        Returns:
            Whether the result has ended.
        """
        while True:
            if self._find():
                return True
            room = len(self._buffer) - SPARE_BYTES
            enough = bool(self.heads) and self._filled > room * NEARLY_FULL
            if enough or _is_continued(self._buffer, self._parsed, self._filled):
                return False
            if self._filled == room:  # one row is longer than the buffer
                self._buffer = self._buffer[:room] + bytearray(room + SPARE_BYTES)
                room *= 2
            read = read_into(memoryview(self._buffer)[self._filled : room])
            if not read:
                raise EOFError
            self._filled += read

    def packets(self) -> Packets:
        """The rows found."""
        return Packets(self._buffer, np.concatenate(self.heads), self._parsed)

    def rest(self) -> bytes:
        """What follows them."""
        return bytes(self._buffer[self._parsed : self._filled])

    def _find(self) -> bool:
        """Note the complete packets; whether the last one ends the result."""
        heads, parsed = _heads(self._buffer, self._parsed, self._filled)
        places = np.array(heads, dtype=np.int64)
        if np.frombuffer(self._buffer, dtype=np.uint8)[places + 2].any():
            heads, parsed = _heads_of_any_length(self._buffer, self._parsed, self._filled)
            places = np.array(heads, dtype=np.int64)
        self._parsed = parsed
        ended = bool(heads) and _is_end(self._buffer, heads[-1], parsed)
        if ended:
            self._parsed = heads[-1]
            places = places[:-1]
        if len(places):
            self.heads.append(places)
        return ended


def _heads(buffer: bytearray, at: int, filled: int) -> tuple[list[int], int]:
    """Where the complete packets begin, and where the last one ends, if none is longer than 64 KiB."""
    heads: list[int] = []
    note = heads.append
    last = filled - HEADER_BYTES
    while at <= last:
        note(at)
        at += HEADER_BYTES + buffer[at] + (buffer[at + 1] << 8)
    if at > filled and heads:
        at = heads.pop()
    return heads, at


def _heads_of_any_length(buffer: bytearray, at: int, filled: int) -> tuple[list[int], int]:
    """The same, up to the first packet that is continued."""
    heads: list[int] = []
    while at <= filled - HEADER_BYTES:
        length = int.from_bytes(buffer[at : at + 3], "little")
        end = at + HEADER_BYTES + length
        if end > filled or length == PACKET_MAX:
            break
        heads.append(at)
        at = end
    return heads, at


def _is_continued(buffer: bytearray | bytes, at: int, filled: int) -> bool:
    """Whether the packet that begins here goes on in the next one."""
    return filled - at >= HEADER_BYTES and int.from_bytes(buffer[at : at + 3], "little") == PACKET_MAX


def _is_end(buffer: bytearray, head: int, end: int) -> bool:
    """Whether a packet ends the result.

    Raises:
        ServerError: It is an error packet.
    """
    content = head + HEADER_BYTES
    if content >= end:
        return False
    if buffer[content] == ERROR:
        raise ServerError(bytes(buffer[content:end]))
    return buffer[content] == END and end - content < END_MAX


def _long_row(read_into: ReadInto, rest: bytes) -> tuple[Packets, bytes]:
    """Put a row together that spans several packets; `rest` begins with the first one's header."""
    row = bytearray(HEADER_BYTES)
    length = PACKET_MAX
    while length == PACKET_MAX:
        rest = _at_least(read_into, rest, HEADER_BYTES)
        length = int.from_bytes(rest[:3], "little")
        rest = _at_least(read_into, rest, HEADER_BYTES + length)
        row += rest[HEADER_BYTES : HEADER_BYTES + length]
        rest = rest[HEADER_BYTES + length :]
    end = len(row)
    return Packets(row + bytearray(SPARE_BYTES), np.zeros(1, dtype=np.int64), end), rest


def _at_least(read_into: ReadInto, rest: bytes, size: int) -> bytes:
    if len(rest) >= size:
        return rest
    whole = bytearray(size)
    whole[: len(rest)] = rest
    filled = len(rest)
    while filled < size:
        read = read_into(memoryview(whole)[filled:])
        if not read:
            raise EOFError
        filled += read
    return bytes(whole)
