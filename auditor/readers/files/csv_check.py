"""Whether a file is CSV as RFC 4180 means it, before anybody reads it.

CSV readers are lenient, each in its own way: DuckDB's drops an empty cell too many, blanks around quotes and blank
lines; Arrow's glues text to a closed quote and takes a quote that is never closed for the rest of the file.  A row must
not be bent or lost in silence, so the whole file is looked through first, at C's speed: a byte is inside quotes when an
odd number of quotes stands before it; what may stand beside commas, line ends and quotes follows from that.

Held to: UTF-8 (a byte order mark is passed over); one kind of line end, LF or CRLF; as many cells in every row as in
the header; a quote only at the start and the end of a cell, or doubled within quotes.  Blank lines at the end are
passed over.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from contracts.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

CHUNK_BYTES = 8_000_000
"""Bytes looked at in one go; some ten arrays of this length are held meanwhile."""

AS_CSV = (
    "export it anew as UTF-8 with one kind of line end, and every cell that holds a comma, a quote or a line end in "
    "quotes, its own quotes doubled (RFC 4180)"
)
"""What to do about a file that is no CSV."""

_QUOTE, _LF, _CR = 34, 10, 13


class _FoundError(Exception):
    """Something is wrong at an offset of the piece in hand."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset
        self.what = what


@dataclass(frozen=True, slots=True)
class CsvFacts:
    """What is known about a file that was looked through.

    Attributes:
        header: The names of its columns.
        rows: Records after the header.
        longest: Bytes of the longest record.
        quoted_newlines: Some cell has a line end in it.
        crlf: Lines end in CRLF.
    """

    header: tuple[str, ...]
    rows: int
    longest: int
    quoted_newlines: bool
    crlf: bool


def check_csv(file: BinaryIO, delimiter: str, what: str) -> CsvFacts:
    """Look a file through.

    Args:
        file: Its bytes.
        delimiter: Between cells.
        what: The dataset, for the error message.

    Raises:
        StoreError: It is no CSV; the message names the line.
    """
    check = _Check(delimiter)
    for piece, last in _pieces(file):
        try:
            check.look_at(piece, last=last)
        except _FoundError as found:
            line = check.lines + piece.count(b"\n", 0, found.offset) + 1
            raise StoreError(f"reading {what}: line {line}: {found.what}", hint=AS_CSV) from None
    if not check.header:
        raise StoreError(
            f"reading {what}: the file is empty, it has no header", hint="see whether its export went through"
        )
    _check_names(check.header, what)
    return CsvFacts(check.header, check.records - 1, check.longest, check.quoted_newlines, bool(check.crlf))


def _pieces(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """The file in pieces of whole records, and whether a piece is the last."""
    held = file.read(CHUNK_BYTES).removeprefix(codecs.BOM_UTF8)
    wanted = CHUNK_BYTES
    while True:
        more = file.read(wanted)
        if not more:
            break
        end = _last_record_end(held)
        if end:
            yield held[:end], False
            wanted = CHUNK_BYTES
        else:
            wanted = len(held)  # one record is longer than a piece: take twice as much
        held = held[end:] + more
    if held:
        yield held, True


def _last_record_end(piece: bytes) -> int:
    """Where the last whole record of a piece ends, 0 where none does; a piece begins with a record."""
    import numpy as np

    data = np.frombuffer(piece, np.uint8)
    ends = _outside(np.flatnonzero(data == _LF), np.flatnonzero(data == _QUOTE))
    return int(ends[-1]) + 1 if len(ends) else 0


class _Check:
    """What was seen so far."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self.header: tuple[str, ...] = ()
        self.lines = 0
        self.records = 0
        self.longest = 0
        self.quoted_newlines = False
        self.crlf: bool | None = None

    def look_at(self, piece: bytes, *, last: bool) -> None:
        """One piece of whole records."""
        import numpy as np

        try:
            piece.decode()
        except UnicodeDecodeError as error:
            raise _FoundError(error.start, f"byte {piece[error.start]:#04x} is no UTF-8") from None
        data = np.frombuffer(piece, np.uint8)
        quotes = np.flatnonzero(data == _QUOTE)
        _check_quotes(data, quotes, ord(self.delimiter))
        ends = self._line_ends(data, quotes)
        if not self.header:
            self.header = self._header(piece[: ends[0]] if len(ends) else piece)
        self._check_cells(data, quotes, *self._records(data, ends, last=last))
        self.lines += piece.count(b"\n")

    def _line_ends(self, data: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Offsets of the line feeds that end records; the end of the file ends one too."""
        import numpy as np

        feeds = np.flatnonzero(data == _LF)
        ends = _outside(feeds, quotes)
        self.quoted_newlines = self.quoted_newlines or len(ends) < len(feeds)
        returns = _outside(np.flatnonzero(data == _CR), quotes)
        followed = np.append(data, 0)[returns + 1] == _LF
        if not followed.all():
            raise _FoundError(int(returns[~followed][0]), "a carriage return stands alone, outside quotes")
        if len(ends):
            if self.crlf is None:
                self.crlf = bool(ends[0] and data[ends[0] - 1] == _CR)
            after_return = np.append(data, 0)[ends - 1] == _CR
            odd = after_return != self.crlf
            if odd.any():
                kinds = ("LF", "CRLF") if self.crlf else ("CRLF", "LF")
                raise _FoundError(int(ends[odd][0]), f"the line ends in {kinds[0]}, those before it in {kinds[1]}")
        return ends

    def _records(
        self, data: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64], *, last: bool
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where records end, an unfinished last line too, and their lengths; blank lines at the file's end left out.

        In a file of one column a blank line is a NULL, so none is left out.
        """
        import numpy as np

        if len(data) and (not len(ends) or ends[-1] != len(data) - 1):
            ends = np.append(ends, len(data))
        lengths = np.diff(ends, prepend=-1) - 1
        lengths -= (lengths > 0) & (np.append(data, 0)[ends - 1] == _CR)
        if last and len(self.header) > 1:
            full = np.flatnonzero(lengths)
            kept = int(full[-1]) + 1 if len(full) else 0
            ends, lengths = ends[:kept], lengths[:kept]
        return ends, lengths

    def _check_cells(
        self,
        data: npt.NDArray[np.uint8],
        quotes: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> None:
        import numpy as np

        if not len(ends):
            return
        self.longest = max(self.longest, int(lengths.max()))
        delimiters = _outside(np.flatnonzero(data == ord(self.delimiter)), quotes)
        cells = np.diff(np.searchsorted(delimiters, ends), prepend=0) + 1
        odd = np.flatnonzero(cells != len(self.header))
        if len(odd):
            row, found = int(odd[0]), f"found {_cells_told(int(cells[odd[0]]))}, expected {len(self.header)}"
            start = int(ends[row - 1]) + 1 if row else 0
            raise _FoundError(start, found if lengths[row] else "is blank")
        self.records += len(ends)

    def _header(self, line: bytes) -> tuple[str, ...]:
        text = line.decode().removesuffix("\r")
        names = tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter, strict=True), ()))
        if not names:
            raise _FoundError(0, "is blank, expected a header")
        return names


def _outside(positions: npt.NDArray[np.int64], quotes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Those of some positions that are not inside quotes."""
    import numpy as np

    if not len(quotes):
        return positions
    outside: npt.NDArray[np.int64] = positions[np.searchsorted(quotes, positions) % 2 == 0]
    return outside


def _check_quotes(data: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64], delimiter: int) -> None:
    """Every second quote opens, the others close; what may stand beside them is few things."""
    import numpy as np

    if not len(quotes):
        return
    padded = np.concatenate(([_LF], data, [_LF]))  # as if a line ended before and after
    opening, closing = quotes[0::2], quotes[1::2]
    before = padded[opening]
    wrong = opening[~np.isin(before, [delimiter, _LF, _QUOTE])]
    if len(wrong):
        raise _FoundError(int(wrong[0]), "a quote stands inside an unquoted cell")
    after = padded[closing + 2]
    wrong = closing[~np.isin(after, [delimiter, _LF, _CR, _QUOTE])]
    if len(wrong):
        raise _FoundError(int(wrong[0]), "something follows a closing quote")
    if len(opening) > len(closing):
        raise _FoundError(int(opening[-1]), "a quote is never closed")


def _check_names(header: tuple[str, ...], what: str) -> None:
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise StoreError(
            f"reading {what}: line 1: two columns are called {twice!r}", hint="give every column a name of its own"
        )


def _cells_told(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
