"""Whether an entity is looked at in segments, in which, and what the looks at all of them say together.

The bounds are those of the side that has the most rows, by an index of the store's or a sample; how even they are is
a matter of speed alone.  Where a side cannot be cut by the key, or sorts keys otherwise than we do, the entity is
read in one scan, and a remark says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.errors import WorkspaceError
from contracts.logical_types import Kind
from reconcilers.frequent import most_frequent
from reconcilers.ports import Cutting
from reconcilers.rows import Counts, constant_literal
from reconcilers.segment import CUT_KINDS, in_order
from reconcilers.sight import EntityLook, ReplicaLook

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

    from contracts.contract import Contract
    from reconcilers.opened import Opened

LARGE_ROWS = 50_000_000
"""More rows than this are not read in one scan: a snapshot of minutes is a load for a store that is written to, and a
killed run would have to read all of them again."""

SEGMENT_ROWS = 10_000_000
"""Some ten seconds to a minute of reading, and a few hundred megabytes of workspace."""

ROW_BYTES = 40
"""Of a row's projection in the workspace: a key, a hash and flags, in columns of 8 bytes."""

TEXT_KEY_BYTES = 40
"""What a key part that is text takes more."""


ROWS_ALL = 1 << 62
"""More rows than any dataset has: whether it can be cut is asked, and not where."""

PARTS_MAX = 10_000
"""More segments than this are for people to ask for; an estimate may be far too high."""


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """How much is read at a time.

    Attributes:
        large: Entities with more rows on any side are read in segments.
        rows: Most rows of a segment, on the side that has the most.
        room: Bytes that a segment of all sides may take in the workspace; None: as many as it likes.
    """

    large: int = LARGE_ROWS
    rows: int = SEGMENT_ROWS
    room: int | None = None


@dataclass(frozen=True, slots=True)
class Division:
    """How an entity is cut.

    Attributes:
        bounds: Values of the key's first part in canonical text, least first; none: in one scan.
        narrow: Int fields that every side delivers in at most 64 bits: their hashes must agree in every segment.
        remark: Why it is read in one scan although it is large, or an empty string.
        reason: The same without what follows from it.
    """

    bounds: tuple[str, ...] = ()
    narrow: frozenset[str] = frozenset()
    remark: str = ""
    reason: str = ""


def expected_segments(contract: Contract, estimates: Sequence[int], limits: SegmentLimits) -> int:
    """In about how many segments an entity would be read, were every side cut by its key; 1: in one scan.

    Args:
        contract: The entity's.
        estimates: Each side's rows, as its store thinks.
        limits: How much is read at a time.

    Raises:
        WorkspaceError: What would be read at a time does not fit the workspace.
    """
    most = max(estimates, default=0)
    cut = most > limits.large and contract.fields[contract.key[0]].type.kind in CUT_KINDS
    parts = min(-(-most // limits.rows), PARTS_MAX) if cut else 1
    _require_room(contract, sum(estimates) // parts, limits, f"in {parts} segments" if cut else "in one scan")
    return parts


def divided(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, sides: Sequence[Opened], limits: SegmentLimits
) -> Division:
    """How an entity is to be cut.

    Args:
        cursor: Of the workspace.
        contract: The entity's.
        sides: Every side that could be opened.
        limits: How much is read at a time.

    Raises:
        StoreError: A store cannot say where to cut.
        WorkspaceError: What would be read at a time does not fit the workspace.
    """
    estimates = [side.shape.estimated_rows or 0 for side in sides]
    most = max(estimates, default=0)
    if most <= limits.large:
        _require_room(contract, sum(estimates), limits, "in one scan")
        return Division()
    bounds, reason = _bounds(cursor, contract, sides, max(limits.rows, -(-most // PARTS_MAX)))
    if not bounds and not reason:  # fewer rows than was thought
        _require_room(contract, limits.rows * len(sides), limits, "in one scan")
        return Division()
    if not bounds:
        _require_room(contract, sum(estimates), limits, f"in one scan, since {reason}")
        remark = f"read in one scan, though a side has about {most:,} rows: {reason}"
        return Division(remark=remark, reason=reason)
    _require_room(contract, sum(estimates) // (len(bounds) + 1), limits, f"in {len(bounds) + 1} segments")
    return Division(tuple(bounds))


def _bounds(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, sides: Sequence[Opened], rows: int
) -> tuple[list[str], str]:
    """Where to cut; none where there is no need, or where it cannot be done: then why."""
    name = contract.key[0]
    logical = contract.fields[name].type
    if logical.kind not in CUT_KINDS:
        return [], f"{name} is {logical}, by which rows are not cut"
    most: Sequence[str] = ()
    for side in sorted(sides, key=lambda side: side.shape.estimated_rows or 0, reverse=True):
        by = next(item.wanted for item in side.items if item.name == name)
        wanted = ROWS_ALL if most and side.shape.estimated_rows else rows  # one that has fewer need not be sampled, too
        dividers = side.snapshot.dividers(by, wanted) if isinstance(side.snapshot, Cutting) else None
        if dividers is None:
            return [], f"{side.reader.dataset} cannot be cut by {by.path}"
        most = max(most, dividers, key=len)
    return in_order(cursor, logical, most), ""


def _require_room(contract: Contract, rows: int, limits: SegmentLimits, how: str) -> None:
    """Refuse what would not fit, before anything is read.

    Raises:
        WorkspaceError: With what it would take.
    """
    if limits.room is None:
        return
    texts = sum(contract.fields[name].type.kind is Kind.TEXT for name in contract.key)
    wanted = rows * (ROW_BYTES + texts * TEXT_KEY_BYTES)
    if wanted > limits.room:
        raise WorkspaceError(
            f"{contract.entity} was not read: {how}, about {rows:,} rows of all sides at a time would take "
            f"{wanted / 1e9:,.1f} GB of the workspace, and it has {limits.room / 1e9:,.1f} GB",
            hint="raise workspace.max_disk, or lower limits.segment_rows of one of its connections",
        )


def together(
    contract: Contract, looks: Sequence[EntityLook], *, of: int, note: str = "", remark: str | None = None
) -> EntityLook:
    """What the looks at the segments count and say together, without the sights.

    Args:
        contract: The entity's.
        looks: At least one, in the order in which they were had.
        of: How many segments there are.
        note: Why not all of them were looked at, or an empty string.
        remark: How it was read; None: in these segments.
    """
    if remark is None:
        remark = f"read in {of} segments of {contract.key[0]}, each at a moment of its own"
    result = EntityLook(
        owner_rows=sum(look.owner_rows for look in looks),
        watermark=looks[0].watermark,
        until=looks[-1].watermark,
        notes=[*_each_once(look.notes for look in looks), *([note] if note else [])],
        again=[text for look in looks for text in look.again],
        not_understood=next((look.not_understood for look in looks if look.not_understood), ""),
        remarks=[*_each_once(look.remarks for look in looks), *([remark] if remark else [])],
        read_until=max(look.read_until for look in looks),
    )
    for replica in contract.replicas:
        result.replicas[replica.name] = _replica_together([look.replicas[replica.name] for look in looks])
    return result


def _replica_together(seen: Sequence[ReplicaLook]) -> ReplicaLook:
    counts = [look.counts for look in seen if look.counts is not None]
    whole = len(counts) == len(seen)
    return ReplicaLook(
        counts=_sum(counts) if whole else None,
        watermark=seen[0].watermark,
        until=seen[-1].watermark,
        notes=_each_once(look.notes for look in seen),
        again=[text for look in seen for text in look.again],
        error=next((look.error for look in seen if look.error), ""),
        unremembered=sum((look.unremembered for look in seen), Counter[str]()),
    )


def _sum(counts: Sequence[Counts]) -> Counts:
    return Counts(
        owner_rows=sum(each.owner_rows for each in counts),
        replica_rows=sum(each.replica_rows for each in counts),
        compared_rows=sum(each.compared_rows for each in counts),
        kept=sum(each.kept for each in counts),
    )


def _each_once(lists: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(text for texts in lists for text in texts))


Constants = dict[str, dict[str, str]]
"""By replica and redacted field: the SQL literal of the constant."""


def whole_constants(looks: Sequence[EntityLook]) -> Constants | None:
    """The constants of redacted fields, as they are among the rows of all segments; None where that cannot be told."""
    found: Constants = {}
    for name in looks[0].replicas:
        seen = [look.replicas[name] for look in looks if not look.replicas[name].error]
        found[name] = {}
        for redacted in seen[0].frequent if seen else ():
            texts = [look.frequent[redacted] for look in seen]
            sure, text = most_frequent(texts)
            if not sure:
                return None
            found[name][redacted] = constant_literal(text)
    return found
