"""What an owner's query calls, found in its text.

The server itself sees to it that a query is one SELECT (it is prepared alone, then wrapped) in a read-only transaction.
That does not stop functions that reach around the transaction (`lo_import` before PostgreSQL 16, `lo_export`,
`dblink_exec`, `pg_terminate_backend`, …).  All of those are VOLATILE; so every name that stands before a parenthesis is
collected here, and the server is asked which of them are volatile.  A word too many does no harm, a name missed would.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from contracts.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

HARMLESS = frozenset({"random", "clock_timestamp", "timeofday", "gen_random_uuid"})
"""Functions of PostgreSQL's own that are volatile only because they answer differently each time."""

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<escaped>[uU]&["'])
    | (?P<escape>[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<dollar>\$(?P<tag>[^\W\d]\w*)?\$)
    | "(?P<quoted>(?:[^"]|"")*)"
    | (?P<word>[^\W\d][\w$]*)
    | (?P<open>\()
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME_BYTES_MAX = 63
"""The server cuts longer names off, and so finds a function by a longer one."""

_ASCII_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def reading_only(query: str, dataset: str) -> str:
    """The query without what may stand behind it.

    Raises:
        StoreError: There is none, or it hides names from us.
    """
    stripped = query.strip().rstrip("; \t\r\n")
    if not stripped:
        raise StoreError(f"reading {dataset}: its query is empty", hint="write one SELECT")
    if "\x00" in stripped:
        raise StoreError(f"reading {dataset}: its query holds a NUL character", hint="write one SELECT")
    try:
        called_names(stripped)
    except ValueError as error:
        raise StoreError(f"reading {dataset}: its query {error}", hint="write one plain SELECT") from None
    return stripped


def called_names(query: str) -> set[str]:
    """Names that stand before an opening parenthesis, in every way that the server may fold them.

    Raises:
        ValueError: The query spells a name in a way that is not followed here.
    """
    names: set[str] = set()
    before: tuple[str, ...] = ()
    for kind, text in _tokens(query):
        if kind == "open":
            names.update(map(_cut, before))
        before = _foldings(kind, text)
    return names


def _foldings(kind: str, text: str) -> tuple[str, ...]:
    if kind == "quoted":
        return (text.replace('""', '"'),)
    # Whether letters beyond ASCII are folded depends on the database's encoding.
    return (text.translate(_ASCII_UPPER), text.lower()) if kind == "word" else ()


def _cut(name: str) -> str:
    return name.encode()[:_NAME_BYTES_MAX].decode(errors="ignore")


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    """Words, quoted names and the rest; white space and comments are left out, since they separate nothing here."""
    position = 0
    while match := _TOKEN.match(query, position):
        position = match.end()
        kind = match.lastgroup or ""
        if kind == "comment":
            position = _after_comment(query, position)
        elif kind in ("dollar", "tag"):
            position = _after_dollars(query, match["dollar"], position)
            yield "text", ""
        elif kind == "escaped":
            raise ValueError("uses U& escapes, which can hide what it calls")
        elif kind != "space":
            yield kind, match[kind]


def _after_comment(query: str, position: int) -> int:
    """Where a comment ends; comments nest."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(query, position)
        if edge is None:
            raise ValueError("has a comment without an end")
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position


def _after_dollars(query: str, tag: str, position: int) -> int:
    end = query.find(tag, position)
    if end < 0:
        raise ValueError("has a dollar quote without an end")
    return end + len(tag)
