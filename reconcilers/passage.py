"""A replica that is its owner's own log: whether the log has told all that the owner was seen to hold.

Where the replica is the topic that its owner's changes are told by, there is nothing to wait for but the log: once the
topic has passed a watermark of the owner's, it must say of each key what the owner held at that watermark.

1. A topic has passed a watermark when a change was read that stands behind it in the log, by whichever transaction, and
   the ends of the topic's partitions were asked for afterwards, and everything up to them was read.
2. The change that the replica's row stems from must be in the owner's snapshot: else the row may be newer than what the
   owner was seen to hold.  Of a row that a snapshot of the connector's found, and that has no transaction, it is enough
   that it was read before the owner was, if the owner repeats nobody.
3. Then the row is the last word of the log about the key as of that watermark; if the owner held another one, this is
   drift, however short ago (`recheck`).

How places compare, and what is in a snapshot, each kind of database says for itself (`owner_log`).

Two databases have no common log: whether the one's has passed a place of the other's says nothing.  So has another
table of the same database, which may be filled later, though it stands in the same log.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING

from reconcilers.fetch import FETCH_KEYS_MAX
from reconcilers.owner_log import owner_log
from reconcilers.ports import LATEST_COLUMNS, Keys, Logged
from reconcilers.projection import compile_side
from reconcilers.row_keys import key_text, key_texts
from reconcilers.row_stage import row_stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.finding import KeyText
    from reconcilers.opened import Projected
    from reconcilers.owner_log import OwnerLog
    from reconcilers.sight import Sight
    from reconcilers.watermark import Watermark

MARKS_MAX = 32
"""Watermarks of the owner that are remembered; one proof is enough."""


@dataclass(frozen=True, slots=True)
class OwnerMark:
    """A look at the owner: when, by the auditor's clocks and by its own, and where its snapshot stands in its log."""

    taken: float
    read_at: datetime
    shown: datetime | None
    log: OwnerLog

    def is_passed(self, snapshot: Logged) -> bool:
        """Whether a topic has told of a change that all of the owner's snapshot stands before."""
        return any(self.log.is_before(told) for told in snapshot.streamed(self.read_at, self.shown))

    def has_seen(self, stem: Stem) -> bool:
        """Whether what a key's row stems from is in the owner's snapshot."""
        if stem.transaction:
            return self.log.has_seen(stem.transaction)
        return stem.is_none or (self.log.leads and stem.found is not None and stem.found < self.taken)


@dataclass(frozen=True, slots=True)
class Stem:
    """What a replica's row stems from, or the lack of one.

    Attributes:
        transaction: Of the latest change; empty where it is not told.
        found: Where a snapshot of the connector's found it: by the auditor's monotonic clock, when it was read.
        is_none: There is no change at all, and the log would tell of it.
    """

    transaction: str = ""
    found: float | None = None
    is_none: bool = False


@dataclass(slots=True)
class Passage:
    """What is remembered of the looks at one owner.

    Attributes:
        contract: The entity's.
        cursor: Of the workspace.
    """

    contract: Contract
    cursor: duckdb.DuckDBPyConnection
    _marks: deque[OwnerMark] = field(default_factory=lambda: deque(maxlen=MARKS_MAX))

    def note(self, mark: Watermark | None) -> None:
        """Remember where the owner stood when it was looked at."""
        log = None if mark is None else owner_log(mark)
        if mark is not None and log is not None:
            self._marks.append(OwnerMark(mark.monotonic, mark.read_at, mark.store_time, log))

    def about(self, replica: Replica, owner: Projected, copy: Projected, sights: Iterable[Sight]) -> Iterator[Sight]:
        """The same sights, each with the looks at the owner since which the log has told nothing new of its key."""
        snapshot, log = copy.opened.snapshot, owner_log(owner.opened.snapshot.watermark)
        if log is None or not isinstance(snapshot, Logged) or not self._is_told_by(replica, snapshot, log):
            yield from sights
            return
        passed = [mark for mark in self._marks if mark.is_passed(snapshot)]
        without = Stem(is_none=bool(passed) and snapshot.tells_absence())
        rest = iter(sights)
        while batch := list(islice(rest, FETCH_KEYS_MAX)):
            keys = [sight.finding.key for sight in batch if sight.finding.key is not None]
            stems = self._stems(copy, snapshot, keys) if passed else {}
            for sight in batch:
                stem = stems.get(sight.finding.key or (), without)
                yield replace(sight, settled=tuple(mark.taken for mark in passed if mark.has_seen(stem)))

    def _is_told_by(self, replica: Replica, snapshot: Logged, log: OwnerLog) -> bool:
        """Whether the replica is known by its owner's feed, which tells places in this log, and the owner is not."""
        owner = self.contract.owner
        alone = replica.reference is not None and replica.reference is replica.feed
        own = alone and replica.feed == owner.feed and owner.reference is not owner.feed
        return own and snapshot.is_log_of(log.connector)

    def _stems(self, copy: Projected, snapshot: Logged, keys: Sequence[KeyText]) -> Mapping[KeyText, Stem]:
        """What the row of each key stems from, of which there is a change."""
        items = copy.opened.key_items(self.contract)
        columns = tuple(item.wanted for item in items)
        wanted = Keys(columns, [tuple((text or "",) for _, text in key) for key in keys])
        side = compile_side(items, snapshot.latest(columns, wanted))
        table = f"{copy.table}_stems"
        copy.opened.bring(row_stage(self.contract, side, (), extra=LATEST_COLUMNS), table)
        columns_sql = ", ".join([*key_texts(self.contract), *LATEST_COLUMNS])
        rows = self.cursor.execute(f'SELECT {columns_sql} FROM "{table}"').fetchall()
        return {
            key_text(self.contract, row[: -len(LATEST_COLUMNS)]): _stem(snapshot, *row[-len(LATEST_COLUMNS) :])
            for row in rows
        }


def _stem(snapshot: Logged, transaction: str | None, seen: datetime, is_read: bool) -> Stem:  # noqa: FBT001  a row's
    """What a row stems from, by what is told of the latest change of its key."""
    if transaction or not is_read:
        return Stem(transaction or "")
    found = snapshot.read_at(seen.replace(tzinfo=UTC))
    return Stem(found=-math.inf if found is None else found)  # an earlier process has read it
