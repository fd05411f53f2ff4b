"""Keeps passwords and keys out of everything that leaves the process.

Whoever learns a secret (the settings, the ledger) tells it to `remember`; whoever prints (the command line, logs)
passes the text through `scrub`.  Nothing of ours writes a secret into a message, but drivers quote connection strings
in theirs.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACEHOLDER = "***"

SHORT_SECRET_CHARACTERS = 4
"""Shorter secrets are replaced as whole words only: a password `a` must not blank every letter a."""

# What looks like a credential whether or not anybody told us the secret.
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/:@'\"]*):([^\s/'\"]+)@")
_NAMED_PASSWORD = re.compile(
    r"\b(password|passwd|pwd|sslpassword|secret|api_key|access_token)(\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s,;&)'\"]+)",
    re.IGNORECASE,
)


class SecretRegistry:
    """The secrets seen so far, and one pattern that finds any spelling of them."""

    def __init__(self) -> None:
        self._patterns: set[str] = set()
        self._compiled: re.Pattern[str] | None = None

    def remember(self, secret: str, *, public: Iterable[str] = ()) -> None:
        """Have every later `scrub` replace this secret.

        Args:
            secret: The secret; nothing happens for an empty one.
            public: Words that messages need, such as user and database.  A secret that is a part of one of them is
                known to the world anyway; it is then replaced only where a credential stands.
        """
        if not secret or any(secret in word for word in public):
            return
        fresh = {_pattern(form) for form in _spellings(secret)}
        if not fresh <= self._patterns:
            self._patterns |= fresh
            self._compiled = None

    def scrub(self, text: str) -> str:
        """The text with every secret, and every password of a URL, replaced by `***`."""
        if self._compiled is None and self._patterns:
            self._compiled = re.compile("|".join(sorted(self._patterns, key=len, reverse=True)))
        if self._compiled is not None:
            text = self._compiled.sub(PLACEHOLDER, text)
        text = _URL_PASSWORD.sub(rf"\1:{PLACEHOLDER}@", text)
        return _NAMED_PASSWORD.sub(rf"\1\2{PLACEHOLDER}", text)


def _spellings(secret: str) -> set[str]:
    """The secret as it may stand in a URL, a JSON text, a Python repr, or an HTTP header."""
    in_urls = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    spellings = {secret, *in_urls, *(_lower_escapes(form) for form in in_urls), *escaped}
    if len(secret) >= SHORT_SECRET_CHARACTERS:
        spellings.add(base64.b64encode(secret.encode(errors="surrogatepass")).decode())
    return spellings


def _lower_escapes(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda escape: escape[0].lower(), text)


def _pattern(form: str) -> str:
    if len(form) >= SHORT_SECRET_CHARACTERS:
        return re.escape(form)
    return rf"(?<!\w){re.escape(form)}(?!\w)"


_REGISTRY = SecretRegistry()
"""One for the process: a message can leave it anywhere."""


def remember(secret: str, *, public: Iterable[str] = ()) -> None:
    """Tell the process a secret; see `SecretRegistry.remember`."""
    _REGISTRY.remember(secret, public=public)


def scrub(text: str) -> str:
    """The text without any secret that the process knows; see `SecretRegistry.scrub`."""
    return _REGISTRY.scrub(text)
