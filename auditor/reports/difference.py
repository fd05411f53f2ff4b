"""Where two shown values differ, so that a report can mark it.

Values are cut into a common start, what differs, and a common end.  Where what differs is long, several places may
differ: such values are compared word by word.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher

WORDWISE_FROM = 24
"""Characters: shorter middles are marked whole, since marks inside a word or a number say nothing."""

WORDS_MAX = 120
"""Words a side: comparing word by word takes quadratic time, so longer texts get one mark."""

COMMON_SHARE = 4
"""Values that share less than one part in so many, such as `paid` and `cancelled` their `d`, are marked whole."""

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_JOINERS = "\u200d\ufe0e\ufe0f"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a value that is common to both sides, or that differs."""

    text: str
    differs: bool


Pieces = tuple[Piece, ...]


def difference(owner: str, replica: str) -> tuple[Pieces, Pieces]:
    """Both values in pieces; the pieces of a side put together are its value."""
    start = _common_start(owner, replica)
    end = _common_end(owner[start:], replica[start:])
    if min(len(owner), len(replica)) - start - end >= WORDWISE_FROM:
        words = _WORD.findall(owner), _WORD.findall(replica)
        if max(map(len, words)) <= WORDS_MAX:
            return _wordwise(*words)
    if (start + end) * COMMON_SHARE < max(len(owner), len(replica)):
        return _whole(owner), _whole(replica)
    return _around(owner, start, end), _around(replica, start, end)


def _around(text: str, start: int, end: int) -> Pieces:
    parts = (text[:start], text[start : len(text) - end], text[len(text) - end :])
    return tuple(Piece(part, position == 1) for position, part in enumerate(parts) if part)


def _whole(text: str) -> Pieces:
    return (Piece(text, differs=True),) if text else ()


def _wordwise(one: list[str], other: list[str]) -> tuple[Pieces, Pieces]:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    left: list[Piece] = []
    right: list[Piece] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        differs = tag != "equal"
        if i2 > i1:
            left.append(Piece("".join(one[i1:i2]), differs))
        if j2 > j1:
            right.append(Piece("".join(other[j1:j2]), differs))
    return tuple(left), tuple(right)


def _common_start(one: str, other: str) -> int:
    limit = min(len(one), len(other))
    length = 0
    while length < limit and one[length] == other[length]:
        length += 1
    while length and (_extends(one[length : length + 1]) or _extends(other[length : length + 1])):
        length -= 1  # what differs begins with the character that the combining mark belongs to
    return length


def _common_end(one: str, other: str) -> int:
    limit = min(len(one), len(other))
    length = 0
    while length < limit and one[-1 - length] == other[-1 - length]:
        length += 1
    while length and _extends(one[len(one) - length]):
        length -= 1
    return length


def _extends(character: str) -> bool:
    return bool(character) and (character in _JOINERS or unicodedata.combining(character) != 0)


def excerpt(pieces: Pieces, width: int, *, ellipsis: str = "…", before: int = 12) -> Pieces:
    """At most `width` characters around the first difference; an ellipsis stands for each end that was cut off."""
    length = sum(len(piece.text) for piece in pieces)
    if length <= width:
        return pieces
    first = _first_difference(pieces)
    start = max(0, min(first - before, length - width + len(ellipsis)))
    if start <= len(ellipsis):
        start = 0
    lead = ellipsis if start else ""
    room = max(1, width - len(lead))
    cut_short = length - start > room
    body = _slice(pieces, start, start + room - (len(ellipsis) if cut_short else 0))
    edges = (Piece(lead, differs=False),) if lead else ()
    return edges + body + ((Piece(ellipsis, differs=False),) if cut_short else ())


def _first_difference(pieces: Pieces) -> int:
    position = 0
    for piece in pieces:
        if piece.differs:
            return position
        position += len(piece.text)
    return 0


def _slice(pieces: Pieces, start: int, end: int) -> Pieces:
    cut: list[Piece] = []
    position = 0
    for piece in pieces:
        text = piece.text[max(0, start - position) : max(0, end - position)]
        if text:
            cut.append(Piece(text, piece.differs))
        position += len(piece.text)
    return tuple(cut)
