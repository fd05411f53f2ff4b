"""Rows of MySQL's text protocol, from the bytes of the connection to Arrow, many thousand at a time.

MySQL sends each row as one packet (3 bytes length, 1 byte sequence number) of cells, each cell a length and its text.
A driver makes a Python object of every cell; here a cell is never touched alone.  One pass in Python finds where the
rows of a buffer begin.  Then NumPy walks all rows of the buffer at once, cell by cell: read the length byte of every
row, remember where the cells begin, step over them.  What comes out is one Arrow *view* array a column: for each cell
16 bytes that point into the buffer as it came from the network.  The text itself is never copied; DuckDB casts it, on
all its threads.

DuckDB's own MySQL scanner needs three to four times as long for the same rows, and keeps the whole result in memory
before the first row can be used.  In the tests it is the oracle, beside `mysql_cells`.

Limits: a buffer holds at least one row; MySQL's own limit for a row is 1 GiB (`max_allowed_packet`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from auditor.readers.mysql_cells import (
    END,
    END_MAX,
    ERROR,
    HEADER_BYTES,
    NULL,
    PACKET_MAX,
    WIDE_LENGTHS,
    Cell,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from auditor.readers.mysql_cells import ReadInto

    Bytes: TypeAlias = npt.NDArray[np.uint8]
    Places: TypeAlias = npt.NDArray[np.int64]
    Flags: TypeAlias = npt.NDArray[np.bool_]

BUFFER_BYTES = 4 << 20
"""Bytes of rows that become one Arrow batch: enough that NumPy's cost per call vanishes, few enough for the cache."""

INLINE_BYTES = 12
"""Arrow keeps cells up to this length in the view itself."""

_unpack_header = struct.Struct("<I").unpack_from
_WINDOW = np.dtype(f"V{INLINE_BYTES}")
_INLINE_VIEW = np.dtype([("length", "<i4"), ("text", _WINDOW)])
_WORDS_VIEW = np.dtype([("length", "<i4"), ("words", "<u4", 3)])
_LONG_VIEW = np.dtype([("length", "<i4"), ("prefix", "<u4"), ("buffer", "<i4"), ("offset", "<i4")])
_KEPT = np.array(
    [[(1 << 8 * min(max(length - 4 * word, 0), 4)) - 1 for word in range(3)] for length in range(INLINE_BYTES + 1)],
    dtype="<u4",
)
"""For each inline length the bits of its text; what follows must be zero."""


def arrow_schema(cells: Sequence[Cell]) -> Any:
    """The Arrow schema of a result with these columns."""
    return pa.schema([(cell.name, pa.binary_view() if cell.binary else pa.string_view()) for cell in cells])


def read_batches(read_into: ReadInto, cells: Sequence[Cell], *, buffer_bytes: int = BUFFER_BYTES) -> Iterator[Any]:
    """Read the rows of one result as Arrow record batches.

    Args:
        read_into: Fills a part of what it is given and says how many bytes; the result's first row comes next.
        cells: The columns.
        buffer_bytes: See `BUFFER_BYTES`.

    Yields:
        Record batches of `arrow_schema(cells)`.

    Raises:
        ServerError: The server broke off.
        EOFError: The connection broke.
    """
    schema = arrow_schema(cells)
    for buffer, begins in read_packets(read_into, buffer_bytes=buffer_bytes):
        yield pa.RecordBatch.from_arrays(_columns(buffer, begins, cells), schema=schema)


def read_packets(read_into: ReadInto, *, buffer_bytes: int = BUFFER_BYTES) -> Iterator[tuple[Bytes, Places]]:
    """Read the row packets of one result, until its end.

    Yields:
        A buffer that nobody writes to any more, and where in it each row's first cell begins.
    """
    rest = b""
    while True:
        buffer, filled, begins, parsed = _fill(read_into, rest, buffer_bytes)
        ended = _is_end(buffer, begins, filled=parsed)
        if ended:
            begins.pop()
        rest = bytes(buffer[parsed:filled])
        if begins:
            yield buffer, np.array(begins, dtype=np.int64)
        if ended:
            return
        if _is_continued(rest, 0, len(rest)):
            row, rest = _long_row(read_into, rest)
            yield row, np.zeros(1, dtype=np.int64)


def _fill(read_into: ReadInto, rest: bytes, buffer_bytes: int) -> tuple[Bytes, int, list[int], int]:
    """Read until the buffer is nearly full, the result ends, or a packet comes that goes on in the next one.

    Returns:
        The buffer, how much of it is filled, where its complete packets' contents begin, and where the last one ends.
    """
    buffer = np.empty(max(buffer_bytes, 2 * len(rest)) + INLINE_BYTES, dtype=np.uint8)
    room = memoryview(buffer.data)[: len(buffer) - INLINE_BYTES]  # a window at the last byte must not leave the buffer
    room[: len(rest)] = rest
    filled, parsed = len(rest), 0
    begins: list[int] = []
    while True:
        parsed = _find_packets(room, parsed, filled, begins)
        if begins and (_is_end(buffer, begins, filled=parsed) or filled > len(room) - (len(room) >> 4)):
            return buffer, filled, begins, parsed
        if _is_continued(room, parsed, filled):
            return buffer, filled, begins, parsed
        if filled == len(room):  # one row is larger than the buffer
            larger = np.empty(2 * len(room) + INLINE_BYTES, dtype=np.uint8)
            larger[:filled] = buffer[:filled]
            buffer, room = larger, memoryview(larger.data)[: len(larger) - INLINE_BYTES]
        read = read_into(room[filled:])
        if not read:
            raise EOFError
        filled += read


def _find_packets(room: memoryview, at: int, filled: int, begins: list[int]) -> int:
    """Note where the contents of each complete packet begin that is not continued; returns where the last one ends."""
    found = begins.append
    last_header = filled - HEADER_BYTES
    while at <= last_header:
        content = at + HEADER_BYTES
        length = _unpack_header(room, at)[0] & PACKET_MAX
        end = content + length
        if end > filled or length == PACKET_MAX:
            break
        found(content)
        at = end
    return at


def _is_continued(content: memoryview | bytes, at: int, filled: int) -> bool:
    """Whether the packet that begins here goes on in the next one."""
    return filled - at >= HEADER_BYTES and _unpack_header(content, at)[0] & PACKET_MAX == PACKET_MAX


def _is_end(buffer: Bytes, begins: list[int], *, filled: int) -> bool:
    """Whether the last complete packet ends the result.

    Raises:
        ServerError: It is an error packet.
    """
    if not begins or begins[-1] >= filled:
        return False
    mark = buffer[begins[-1]]
    if mark == ERROR:
        raise ServerError(bytes(buffer[begins[-1] : filled]))
    return bool(mark == END and filled - begins[-1] < END_MAX)


def _long_row(read_into: ReadInto, rest: bytes) -> tuple[Bytes, bytes]:
    """Put a row together that spans several packets; `rest` begins with the first one's header."""
    parts: list[bytes] = []
    length = PACKET_MAX
    while length == PACKET_MAX:
        rest = _at_least(read_into, rest, HEADER_BYTES)
        length = int.from_bytes(rest[:3], "little")
        rest = _at_least(read_into, rest, HEADER_BYTES + length)
        parts.append(rest[HEADER_BYTES : HEADER_BYTES + length])
        rest = rest[HEADER_BYTES + length :]
    row = b"".join([*parts, bytes(INLINE_BYTES)])
    return np.frombuffer(row, dtype=np.uint8), rest


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


def _columns(buffer: Bytes, begins: Places, cells: Sequence[Cell]) -> list[Any]:
    """All cells of all rows, one Arrow array a column."""
    windows = np.lib.stride_tricks.as_strided(
        buffer[:INLINE_BYTES].view(_WINDOW), shape=(len(buffer) - INLINE_BYTES + 1,), strides=(1,)
    )
    content = pa.py_buffer(buffer)
    arrays = []
    at = begins
    for cell in cells:
        begin, length, null = _measure(buffer, at)
        at = begin + length
        arrays.append(_array(cell, _Cells(windows, begin, length, null), content))
    return arrays


def _measure(buffer: Bytes, at: Places) -> tuple[Places, Places, Flags | None]:
    """Where one column's cells begin, how long they are, and which are NULL."""
    lead = buffer[at]
    if lead.max() < NULL:
        return at + 1, lead.astype(np.int64), None
    null = lead == NULL
    length = np.where(null, 0, lead).astype(np.int64)
    begin = at + 1
    for mark, width in WIDE_LENGTHS:
        wide = lead == mark
        if wide.any():
            where = begin[wide]
            length[wide] = sum(buffer[where + place].astype(np.int64) << 8 * place for place in range(width))
            begin[wide] += width
    return begin, length, null


@dataclass(frozen=True, slots=True)
class _Cells:
    """One column's cells: 12 bytes from any place of the buffer, the places, the lengths, and which are NULL."""

    windows: Any
    begin: Places
    length: Places
    null: Flags | None


def _array(cell: Cell, cells: _Cells, content: Any) -> Any:
    kind = pa.binary_view() if cell.binary else pa.string_view()
    nulls, validity = 0, None
    if cells.null is not None:
        nulls = int(np.count_nonzero(cells.null))
        validity = pa.py_buffer(np.packbits(~cells.null, bitorder="little"))
    buffers = [validity, pa.py_buffer(_views(cells)), content]
    array = pa.Array.from_buffers(kind, len(cells.begin), buffers, null_count=nulls)
    if cell.inner is not None or not (cell.binary or _is_utf8(array)):
        return _one_by_one(cell, array)
    return array


def _views(cells: _Cells) -> npt.NDArray[Any]:
    views = np.empty(len(cells.begin), dtype=_INLINE_VIEW)
    views["length"] = cells.length
    views["text"] = cells.windows[cells.begin]
    shortest, longest = cells.length.min(), cells.length.max()
    if shortest < INLINE_BYTES:  # what follows a short text in its window is the next cell
        views.view(_WORDS_VIEW)["words"] &= _KEPT[np.minimum(cells.length, INLINE_BYTES)]
    if longest > INLINE_BYTES:
        pointers = views.view(_LONG_VIEW)
        long = slice(None) if shortest > INLINE_BYTES else cells.length > INLINE_BYTES
        pointers["buffer"][long] = 0
        pointers["offset"][long] = cells.begin[long]
    return views


def _is_utf8(array: Any) -> bool:
    """Whether all text is what it should be; DuckDB would not look."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _one_by_one(cell: Cell, array: Any) -> Any:
    """Values that only Python can tell."""
    raw = array.view(pa.binary_view()).to_pylist()
    return pa.array([None if value is None else cell.value(value) for value in raw], type=pa.string_view())
