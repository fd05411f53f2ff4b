r"""Values as people read them: nothing invisible, nothing that acts on a terminal or a page.

Canonical text may hold anything that a store may hold: escape sequences, marks that turn the direction of writing,
blanks of no width.  Here each of them becomes its escape (`\n`, `\x1b`, `\u202e`), NULL is told apart from the text
`NULL`, and an empty or blank-edged text gets quotes.  Showing is for people only: JSON and the ledger keep the
canonical text.
"""

from __future__ import annotations

import unicodedata

NULL = "NULL"
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """The text with every character that would not print as itself written as an escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def shown(value: str | None) -> str:
    """One value for people: `NULL` without quotes is NULL; quotes make empty and blank-edged text visible."""
    return NULL if value is None else _quoted(visible(value))


def shown_pair(owner: str | None, replica: str | None) -> tuple[str, str]:
    """Two differing values for people; where they would look alike, everything beyond ASCII is escaped.

    A composed and a decomposed `é`, or a blank and a no-break space, differ without looking different.
    """
    if owner is None or replica is None or owner == replica or not _look_alike(owner, replica):
        return shown(owner), shown(replica)
    return _quoted(_ascii(owner)), _quoted(_ascii(replica))


def key_text(key: dict[str, str | None] | None) -> str:
    """A key for people: `id=42`, `order_id=1 line=2`; empty for a finding about no key."""
    return " ".join(f"{visible(name)}={shown(value)}" for name, value in key.items()) if key else ""


def _quoted(text: str) -> str:
    return f'"{text}"' if not text or text == NULL or text[0] == " " or text[-1] == " " else text


def _look_alike(one: str, other: str) -> bool:
    if one.isascii() and other.isascii():
        return False
    return unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other)


def _ascii(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004
