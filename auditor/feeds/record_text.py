"""One record as one line of JSON, as recorded feeds keep it: bytes as base64."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from auditor.feeds.record import Record

MEMBERS = frozenset({"topic", "partition", "offset", "timestamp", "key", "value", "headers"})
_REQUIRED = ("topic", "partition", "offset", "key", "value")
OFFSET_MAX = 2**63 - 1
_PARTITION_MAX = 2**31 - 1


def record_line(record: Record) -> str:
    """The record as a line, with its end."""
    document = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _encoded(record.key),
        "value": _encoded(record.value),
        "headers": [[name, _encoded(content)] for name, content in record.headers],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def read_record(line: bytes) -> Record:
    """The record that a line holds.

    Raises:
        ValueError: It holds none; the message says what was found and what was expected, and never a value.
    """
    document = _document(line)
    if missing := [name for name in _REQUIRED if name not in document]:
        raise ValueError(f"lacks {', '.join(missing)}")
    if unknown := sorted(document.keys() - MEMBERS):
        raise ValueError(f"has {', '.join(map(repr, unknown))}, which no record has")
    topic = document["topic"]
    if not isinstance(topic, str) or not topic:
        raise ValueError("`topic` is no name")
    return Record(
        topic=topic,
        partition=_number(document, "partition", 0, _PARTITION_MAX),
        offset=_number(document, "offset", 0, OFFSET_MAX),
        timestamp=_number(document, "timestamp", -1, OFFSET_MAX) if "timestamp" in document else -1,
        key=_decoded(document["key"], "`key`"),
        value=_decoded(document["value"], "`value`"),
        headers=_headers(document.get("headers", [])),
    )


def _document(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is one too
        place = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"is no JSON{place}") from None
    if not isinstance(document, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - all that is wrong with a line is one kind of error
    return document


def _number(document: dict[str, Any], name: str, least: int, most: int) -> int:
    found = document[name]
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise ValueError(f"`{name}` is no whole number of {least} or more")
    return found


def _headers(found: Any) -> tuple[tuple[str, bytes | None], ...]:
    if found is None:
        return ()
    if not isinstance(found, list):
        raise ValueError("`headers` is no list")  # noqa: TRY004
    return tuple(map(_header, found))


def _header(found: Any) -> tuple[str, bytes | None]:
    match found:
        case [str(name), content]:
            return name, _decoded(content, f"the header {name!r}")
    raise ValueError("`headers` has something else than pairs of a name and base64")


def _encoded(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _decoded(text: Any, what: str) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError(f"{what} is neither base64 nor null") from None
