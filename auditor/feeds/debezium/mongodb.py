"""Envelopes of MongoDB: the rows are documents in extended JSON, as texts.

Written from the connector's documentation, never run against a real one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from auditor.feeds import strict_json
from auditor.feeds.debezium import envelope
from auditor.feeds.shape import BadRowError, BadValueError
from auditor.feeds.temporal import timestamp_ms_text
from reconcilers.change import Change, ChangeKind, Lack
from reconcilers.value_text import dump_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditor.feeds.debezium.envelope import Told
    from auditor.feeds.rows import Row
    from reconcilers.change import Cell

_NUMBERS = ("$numberLong", "$numberInt", "$numberDecimal", "$numberDouble")
_ABSENT = object()


def change(value: Mapping[str, Any], told: Told) -> Change:
    """The change that an envelope tells.

    An update's `after` is looked up when it is read: it may be newer than the update, or missing where the document
    has gone meanwhile.  Then what `updateDescription` tells is a part of the row; else the row is not known.

    A document has only the members that it has: any other is NULL.

    Raises:
        BadRowError: It tells no change.
    """
    keyed = told if "_id" in told.key else replace(told, key=key_row(told.raw_key, told.key))  # it was known before
    try:
        if value.get("after") is None and value.get("op") == "u":
            return _partial(value, keyed)
        told_whole = envelope.change(value, keyed, _row, None)
        return replace(told_whole, document=told_whole.kind in (ChangeKind.WRITE, ChangeKind.BACKFILL))
    except BadValueError as error:
        raise BadRowError(str(error), keyed.key) from None


def key_row(raw: Any, row: Row) -> Row:
    """The `_id`: the key has it as extended JSON in a text named `id`.

    Args:
        raw: The key as it was decoded.
        row: By column, as it would be for a table.

    Raises:
        BadValueError: That text is no JSON.
    """
    text = raw.get("id") if isinstance(raw, dict) else None
    return {"_id": _cell(strict_json.parse(text.encode()))} if isinstance(text, str) else dict(row)


def _row(document: Any) -> Row:
    return {name: _cell(member) for name, member in _document(document).items()}


def _document(text: Any) -> dict[str, Any]:
    document = strict_json.parse(text.encode()) if isinstance(text, str) else text
    if not isinstance(document, dict):
        raise BadValueError("expected a document")
    return document


def _partial(value: Mapping[str, Any], told: Told) -> Change:
    description = value.get("updateDescription")
    if not isinstance(description, dict):
        raise BadValueError("the document after an update is missing, and the update is not described")
    row: Row = {}
    updated = description.get("updatedFields")
    for path, member in (_document(updated) if updated else {}).items():
        top, _, rest = str(path).partition(".")
        row[top] = Lack.UNREADABLE if rest else _cell(member)
    for path in _listed(description, "removedFields"):
        top, _, rest = str(path).partition(".")
        row[top] = Lack.UNREADABLE if rest else None
    for entry in _listed(description, "truncatedArrays"):
        if isinstance(entry, dict):
            row[str(entry.get("field")).partition(".")[0]] = Lack.UNREADABLE
    whole = envelope.change({**value, "after": _ABSENT}, told, lambda _: row, None)
    return Change(
        whole.place, ChangeKind.WRITE, whole.operation, whole.key, row, {}, whole.position, whole.transaction,
        whole.committed_at, whole.snapshot, whole.other_key, whole.relation, whole.source, partial=True,
    )  # fmt: skip


def _listed(description: dict[str, Any], name: str) -> list[Any]:
    items = description.get(name) or []
    if not isinstance(items, list):
        raise BadValueError(f"{name} is no list")
    return items


def _cell(member: Any) -> Cell:
    """A member's cell; numbers and dates have several spellings in extended JSON."""
    if member is None or isinstance(member, str):
        return member
    if isinstance(member, bool):
        return "true" if member else "false"
    if isinstance(member, dict):
        return _extended(member)
    return dump_json(_plain(member)) if isinstance(member, list) else str(member)


def _extended(member: dict[str, Any]) -> Cell:
    plain = _plain(member)
    return dump_json(plain) if isinstance(plain, dict | list) else _cell(plain)


def _plain(member: Any) -> Any:
    """A value without the wrappers of extended JSON."""
    if isinstance(member, list):
        return [_plain(item) for item in member]
    if not isinstance(member, dict):
        return member
    if len(member) == 1:
        name, inner = next(iter(member.items()))
        if name == "$date":
            return _date(inner)
        if name in ("$oid", "$uuid", *_NUMBERS):
            return str(inner)
    return {name: _plain(inner) for name, inner in member.items()}


def _long(text: Any) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"-?\d{1,19}", text):
        raise BadValueError("a date is no number of milliseconds")
    return int(text)


def _date(inner: Any) -> Any:
    if isinstance(inner, dict) and "$numberLong" in inner:
        inner = _long(inner["$numberLong"])
    if isinstance(inner, int):
        return f"{timestamp_ms_text(inner)}Z"
    return inner
