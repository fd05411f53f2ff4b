"""Whether an owner's query only reads.  The server has the last word; this says no earlier, and more clearly.

The server's read-only transaction refuses writes to tables, but not everything that a SELECT can do: files
(`INTO OUTFILE`), locks (`FOR UPDATE`), sequences.  And a text can hide what it does: `/*! … */` is a comment
everywhere but on this server.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from contracts.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+ | \#[^\n]* | --(?=[\s\x00-\x1f]|\Z)[^\n]*)
    | (?P<executable>/\*M?!)
    | (?P<comment>/\*(?:[^*]|\*(?!/))*\*/)
    | (?P<quoted>'(?:[^'\\]|''|\\.)*' | "(?:[^"\\]|""|\\.)*" | `(?:[^`]|``)*`)
    | (?P<word>[\w$@]+)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BEGINS = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
_FORBIDDEN = {
    "INTO": "INTO writes files or variables",
    "OUTFILE": "OUTFILE writes a file",
    "DUMPFILE": "DUMPFILE writes a file",
    "NEXTVAL": "NEXTVAL advances a sequence",
    "SETVAL": "SETVAL sets a sequence",
    "GET_LOCK": "GET_LOCK takes a lock",
    "LOAD_FILE": "LOAD_FILE reads the server's files",
}
_FORBIDDEN_PAIRS = {
    ("FOR", "UPDATE"): "FOR UPDATE locks rows",
    ("FOR", "SHARE"): "FOR SHARE locks rows",
    ("LOCK", "IN"): "LOCK IN SHARE MODE locks rows",
    ("VALUE", "FOR"): "NEXT VALUE FOR advances a sequence",
}


def reading_only(query: str, dataset: str) -> str:
    """The query without a closing semicolon.

    Raises:
        StoreError: It is not one statement that only reads.
    """
    query = query.strip().rstrip(";").rstrip()
    reason = _objection(query)
    if reason:
        raise StoreError(f"the query of {dataset} was not run: {reason}", hint="use one SELECT that only reads")
    return query


def _objection(query: str) -> str:
    """Why the query is refused, or an empty string."""
    depth, previous = 0, ""
    for kind, text in _tokens(query):
        word = text.upper() if kind == "word" else ""
        if kind == "executable":
            return "it holds an executable comment (/*! … */)"
        if not previous and word not in _BEGINS and text != "(":
            return f"it begins with {text[:20]}, expected SELECT or WITH"
        depth += {"(": 1, ")": -1}.get(text, 0)
        if text == ";" or depth < 0 or (kind == "sign" and text in "'\"`"):
            return "it holds more than one statement, or quotes or parentheses that do not match"
        objection = _FORBIDDEN.get(word) or _FORBIDDEN_PAIRS.get((previous, word))
        if objection:
            return objection
        previous = word or text
    if not previous:
        return "it is empty"
    return "" if depth == 0 else "a parenthesis is left open"


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    """What counts: no blanks, no comments."""
    for match in _TOKEN.finditer(query):
        kind = match.lastgroup or "sign"
        if kind not in ("blank", "comment"):
            yield kind, match[0]
