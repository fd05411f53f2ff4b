"""Cells of MySQL's text protocol, one by one: for a few rows, without the weight of NumPy and Arrow.

It is also the oracle of `mysql_rows`, which takes the same bytes apart many thousand rows at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    ReadInto = Callable[[memoryview], int]

HEADER_BYTES = 4
PACKET_MAX = 0xFFFFFF
"""A packet of this length is continued by the next one."""

END_MAX = 9
"""An end packet is shorter than this; a row that begins with the same byte is longer than `PACKET_MAX`."""

END, ERROR, NULL = 0xFE, 0xFF, 0xFB
WIDE_LENGTHS = ((0xFC, 2), (0xFD, 3), (0xFE, 8))
"""A length that does not fit one byte: its mark, and how many bytes follow (least significant first)."""

CHUNK_BYTES = 16 << 10

_ESCAPED = range(0xDC80, 0xDD00)


class ServerError(Exception):
    """The server broke a result off; `packet` is its error packet."""

    def __init__(self, packet: bytes) -> None:
        super().__init__("the server reports an error")
        self.packet = packet


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of a result.

    Attributes:
        name: Its name in the relation.
        binary: Bytes rather than text.
        inner: What to make of the text; None leaves it.
    """

    name: str
    binary: bool = False
    inner: Callable[[str], str | None] | None = None

    def value(self, raw: bytes) -> str | bytes | None:
        """The value of a cell that is not NULL."""
        if self.binary:
            return raw
        text = readable(raw)
        return self.inner(text) if self.inner else text


def readable(raw: bytes) -> str:
    """Bytes that should have been UTF-8 as text; each byte that is not becomes U+FFFD and its hex.

    So it shows, and equals no honest text.
    """
    text = raw.decode(errors="surrogateescape")
    return text if text.isprintable() else "".join(_shown(letter) for letter in text)


def _shown(letter: str) -> str:
    return f"\ufffd{ord(letter) - 0xDC00:02x}" if ord(letter) in _ESCAPED else letter


def read_rows(read_into: ReadInto, cells: Sequence[Cell]) -> Iterator[list[tuple[str | bytes | None, ...]]]:
    """Read the rows of one result, all at once.

    Args:
        read_into: Fills a part of what it is given and says how many bytes; the result's first row comes next.
        cells: The columns.

    Raises:
        ServerError: The server broke off.
        EOFError: The connection broke.
    """
    rows = []
    for packet in _packets(read_into):
        if packet[0] == ERROR:
            raise ServerError(packet)
        if packet[0] == END and len(packet) < END_MAX:
            break
        rows.append(tuple(_values(packet, cells)))
    if rows:
        yield rows


def _packets(read_into: ReadInto) -> Iterator[bytes]:
    """Packets, those that continue each other put together."""
    held = bytearray()
    while True:
        packet = bytearray()
        length = PACKET_MAX
        while length == PACKET_MAX:
            _hold(read_into, held, HEADER_BYTES)
            length = int.from_bytes(held[:3], "little")
            _hold(read_into, held, HEADER_BYTES + length)
            packet += held[HEADER_BYTES : HEADER_BYTES + length]
            del held[: HEADER_BYTES + length]
        yield bytes(packet)


def _hold(read_into: ReadInto, held: bytearray, size: int) -> None:
    while len(held) < size:
        chunk = bytearray(max(CHUNK_BYTES, size - len(held)))
        read = read_into(memoryview(chunk))
        if not read:
            raise EOFError
        held += chunk[:read]


def _values(packet: bytes, cells: Sequence[Cell]) -> Iterator[str | bytes | None]:
    at = 0
    widths = dict(WIDE_LENGTHS)
    for cell in cells:
        mark = packet[at]
        at += 1
        if mark == NULL:
            yield None
            continue
        width = widths.get(mark, 0)
        length = int.from_bytes(packet[at : at + width], "little") if width else mark
        at += width
        yield cell.value(packet[at : at + length])
        at += length
