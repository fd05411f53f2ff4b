"""The latest changes of one key, as the owner's feed tells them: what somebody on the phone asks first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconcilers.ports import VERSION_COLUMNS, Keys, Remembering
from reconcilers.projection import compile_side, owner_items
from reconcilers.row_stage import row_stage
from reconcilers.streams.table import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from contracts.contract import Contract
    from reconcilers.finding import KeyText
    from reconcilers.ports import Snapshot
    from reconcilers.workspace import Workspace

CHANGES_MAX = 10
"""Changes that are shown of a key, the latest: what a screen holds beside the rows."""

_KINDS = {Kind.WRITE: "write", Kind.DELETE: "delete", Kind.BACKFILL: "snapshot", Kind.DOUBT: "not understood"}

ChangeDocument = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class RecentChanges:
    """What happened to a key.

    Attributes:
        documents: Oldest first: when, where in the log and the feed, and which fields it changed.
        latest: The row after the last of them, without its key, empty where it was deleted; None where it is not known.
    """

    documents: tuple[ChangeDocument, ...] = ()
    latest: Mapping[str, str | None] | None = None


def recent_changes(snapshot: Snapshot, workspace: Workspace, contract: Contract, key: KeyText) -> RecentChanges:
    """What a feed tells of a key.

    Raises:
        StoreError: The feed could not be read.
    """
    if not isinstance(snapshot, Remembering):
        return RecentChanges()
    items = owner_items(contract)
    wanted = {item.name: item.wanted for item in items}
    keys = Keys(tuple(wanted[name] for name, _ in key), [tuple((text or "",) for _, text in key)])
    side = compile_side(items, snapshot.versions([item.wanted for item in items], keys))
    fields = [name for name in contract.fields if name not in contract.key]
    table = "recent_changes"
    snapshot.load(row_stage(contract, side, fields, extra=VERSION_COLUMNS), table)
    columns = [*VERSION_COLUMNS, *(f"{part}{i}" for i in range(len(fields)) for part in "tu")]
    rows = workspace.cursor().execute(f'SELECT {", ".join(columns)} FROM "{table}" ORDER BY epoch, p0, p1, p2, seq')
    told = [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]
    documents = tuple(_documents(told, fields, snapshot.topic))[-CHANGES_MAX:]
    return RecentChanges(documents, _row(told[-1], fields) if told else None)


def _row(version: Mapping[str, Any], fields: Sequence[str]) -> Mapping[str, str | None] | None:
    """What a row holds after a change."""
    if version["kind"] == Kind.DELETE:
        return {}
    if version["kind"] == Kind.DOUBT or any(version[f"u{i}"] for i in range(len(fields))):
        return None
    return {name: version[f"t{i}"] for i, name in enumerate(fields)}


def _documents(rows: Sequence[dict[str, Any]], fields: Sequence[str], topic: str) -> Iterator[ChangeDocument]:
    before: dict[str, str | None] = {}
    for row in rows:
        committed: datetime | None = row["committed"]
        document: ChangeDocument = {
            "change": _KINDS.get(row["kind"], "write"),
            "committed_at": None if committed is None else f"{committed.isoformat(timespec='microseconds')}Z",
            "position": row["place"] or None,
            "topic": topic,
            "partition": str(row["part"]),
            "offset": str(row["off"]),
        }
        texts = {name: row[f"t{i}"] for i, name in enumerate(fields) if not row[f"u{i}"]}
        untold = [name for i, name in enumerate(fields) if row[f"u{i}"]]
        if row["kind"] in (Kind.WRITE, Kind.BACKFILL):
            document |= {"not_told": ", ".join(untold)} if untold else {}
            document |= {name: text for name, text in texts.items() if name not in before or before[name] != text}
            before = texts
        else:
            before = {}
        yield document
