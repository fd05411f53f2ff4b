"""Outbox events: what a service said that happened, not the state of a row."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from auditor.feeds.shape import BadValueError
from reconcilers.change import Change, ChangeKind
from reconcilers.value_text import dump_json

if TYPE_CHECKING:
    from auditor.feeds.debezium.envelope import Told
    from auditor.feeds.rows import Row
    from reconcilers.change import Cell

_SOURCE = frozenset({"connector", "ts_ms"})
"""What every connector says of where an envelope's change is from."""


def change(value: Any, told: Told, event_id: str, event_type: str) -> Change:
    """The event as a change of its aggregate.

    The router drops members that are NULL from a payload that it expands: a member that is not there says nothing, so
    the row is `partial`.

    Args:
        value: The payload, parsed.
        told: What stands around it; the key is the aggregate's id.
        event_id: Stands for the event wherever it is repeated.
        event_type: What happened, where a header says it.

    Raises:
        BadValueError: It is the envelope of a row's change, or holds what is no JSON.
    """
    if _is_envelope(value):
        raise BadValueError(
            "it is the envelope of a row's change, no outbox event (see `debezium: {records: …}` in the settings of "
            "feeds)"
        )
    row: Row = {}
    for name, member in _members(value):
        if not _is_json(member):
            raise BadValueError(f"column {name}: it holds bytes, and an outbox event is JSON")
        row[name] = _cell(member)
    return Change(
        told.place, ChangeKind.WRITE, "", told.key, row, event_id=event_id, event_type=event_type, partial=True
    )  # fmt: skip


def _members(value: Any) -> list[tuple[str, Any]]:
    """The payload's members; beside a `payload` the router puts the columns that it was told to add."""
    if not isinstance(value, dict):
        return [("payload", value)]
    if isinstance(value.get("payload"), dict):
        beside = [(name, member) for name, member in value.items() if name != "payload"]
        return [*beside, *value["payload"].items()]
    return list(value.items())


def _is_envelope(value: Any) -> bool:
    """Whether a record tells a row's change: it says where the change is from, as no service says of an event."""
    if not isinstance(value, dict) or not {"op", "source"} <= value.keys() or not {"before", "after"} & value.keys():
        return False
    return isinstance(value["source"], dict) and value["source"].keys() >= _SOURCE


def _is_json(value: Any) -> bool:
    """Whether JSON can hold a value: Avro has bytes besides."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_json(member) for name, member in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | int | float | Decimal)


def _cell(value: Any) -> Cell:
    """A payload is the service's own JSON: what stands there is the value."""
    if value is None or isinstance(value, str):
        return value
    if value.__class__ is bool:
        return "true" if value else "false"
    return dump_json(value) if isinstance(value, dict | list) else str(value)
