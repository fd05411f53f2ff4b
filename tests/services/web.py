"""JSON over HTTP, as the services around change streams speak it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

_SECONDS = 60


def ask(url: str, document: object | None = None, *, method: str | None = None) -> Any:
    """Ask a server of our own and return what it says, None where that is nothing.

    Args:
        url: Where to ask.
        document: What to send; it makes the question a POST.
        method: Another one.

    Raises:
        urllib.error.HTTPError: It said no.
        OSError: It does not answer.
    """
    body = None if document is None else json.dumps(document).encode()
    question = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    with urllib.request.urlopen(question, timeout=_SECONDS) as answer:  # noqa: S310 - our own server
        told = answer.read()
    return json.loads(told) if told else None
