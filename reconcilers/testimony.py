"""Asks the owner's change stream about what one look found, once the look has found something."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from contracts.errors import AuditorError, FeedError, StoreError
from reconcilers.creation import at_creation
from reconcilers.fetch import FETCH_KEYS_MAX
from reconcilers.opened import open_side
from reconcilers.ports import Remembering
from reconcilers.projection import owner_items, replica_items
from reconcilers.recheck import OWNER_ONLY
from reconcilers.row_keys import key_text, key_texts
from reconcilers.single_scan import single_scan

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
    from contextlib import ExitStack

    import duckdb

    from contracts.contract import Contract, FeedRef, Replica
    from reconcilers.fetch import SpelledKey
    from reconcilers.finding import KeyText
    from reconcilers.opened import Opened, Projected
    from reconcilers.ports import Reader
    from reconcilers.recheck import History
    from reconcilers.row_stage import Fetched
    from reconcilers.sight import Sight
    from reconcilers.witness import Witness
    from reconcilers.workspace import Workspace

WITNESSED_MAX = 100_000
"""Suspects of one replica that a look asks the change stream about; where more differ, single rows do not matter."""


@dataclass(slots=True)
class Testimony:
    """The witness of one look at one entity.

    Attributes:
        reader: Of the owner's feed; None where there is none, or where it is what the owner is read from.
        stack: Closes what is opened here, at the end of the look.
        prefix: Makes table names unique in the workspace.
        applied: By replica, how far whoever fills it had come in each partition, before the replica was read.
        streams: By replica, who reads its own feed, where it has one beside its dataset.
        untold: By change stream, why it could not be read; what is met here is added.
        opened: The feed's side, once it was needed: it must not be older than the rows that it is to explain.
        failed: It could not be read.
    """

    workspace: Workspace
    cursor: duckdb.DuckDBPyConnection
    contract: Contract
    reader: Reader | AuditorError | None
    stack: ExitStack
    prefix: str
    applied: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    streams: Mapping[str, Reader | AuditorError] = field(default_factory=dict)
    untold: dict[FeedRef, str] = field(default_factory=dict)
    opened: Opened | None = None
    failed: bool = False
    _streams: dict[str, Opened | None] = field(default_factory=dict)

    def about(self, replica: Replica, owner: Projected, copy: Projected, sights: Iterable[Sight]) -> Iterator[Sight]:
        """The same sights, with what the feed says of each; a feed that cannot be read says nothing."""
        rest, asked, once = iter(sights), 0, at_creation(replica)
        while batch := list(islice(rest, FETCH_KEYS_MAX)):
            told = [sight for sight in batch if _can_be_told(sight, once)]
            feed = self._feed(owner) if told and asked < WITNESSED_MAX else None
            if feed is None:
                yield from batch
                continue
            from reconcilers.witness import Witness  # here: most looks find nothing to be told of

            asked += len(told)
            applied, stream = self.applied.get(replica.name, {}), self._stream(replica, copy)
            witness = Witness(self.cursor, self.contract, feed, owner, applied, stream)
            histories = self._histories(witness, replica, copy, told)
            for sight in batch:
                history = histories.get(sight.finding.key or ()) if _can_be_told(sight, once) else None
                yield sight if history is None else replace(sight, history=history)

    def once_held(
        self, replica: Replica, owner: Projected, rows: Fetched, keys: Sequence[SpelledKey]
    ) -> Mapping[KeyText, Mapping[str, bool | None]]:
        """Of rows of a replica: whether the owner once held what they hold; see `reconcilers.once_held`."""
        feed = self._feed(owner)
        if feed is None or not isinstance(feed.snapshot, Remembering):
            return {}
        from reconcilers.once_held import OnceHeld
        from reconcilers.witness import Witness

        witness = Witness(self.cursor, self.contract, feed, owner)
        try:
            return OnceHeld(self.cursor, self.contract, witness, feed.snapshot).held(replica, rows, keys)
        except FeedError as error:
            self._fail(error)
            return {}

    def _histories(
        self, witness: Witness, replica: Replica, copy: Projected, told: Sequence[Sight]
    ) -> Mapping[KeyText, History]:
        held = {sight.finding.key: sight.replica for sight in told if sight.finding.key is not None}
        owned, copied = (_spelled(self.cursor, self.contract, side, held) for side in (witness.owner, copy))
        keys = {key: ((key, owned.get(key, ())), (key, copied.get(key, ())), held[key]) for key in held}
        try:
            return witness.testify(replica, copy, keys)
        except FeedError as error:
            self._fail(error)
            return {}

    def _feed(self, owner: Projected) -> Opened | None:
        if isinstance(owner.opened.snapshot, Remembering):
            return owner.opened
        if self.reader is None or self.failed:
            return None
        if isinstance(self.reader, AuditorError):
            self._fail(self.reader)
            return None
        if self.opened is None:
            table = f"{self.prefix}witness"
            try:
                self.opened = open_side(self.reader, self.workspace, lambda _: owner_items(self.contract), table, None)
            except StoreError as error:
                self._fail(error)
                return None
            self.stack.callback(self.opened.close)
        return self.opened

    def _fail(self, error: AuditorError) -> None:
        self.failed = True
        if self.contract.owner.feed is not None:
            self.untold[self.contract.owner.feed] = error.message

    def _stream(self, replica: Replica, copy: Projected) -> Opened | None:
        """The replica's own feed; one that cannot be read tells nothing of causes, and no verdict needs it."""
        if isinstance(copy.opened.snapshot, Remembering):
            return copy.opened
        if replica.name not in self._streams:
            self._streams[replica.name] = self._opened_stream(replica)
        return self._streams[replica.name]

    def _opened_stream(self, replica: Replica) -> Opened | None:
        reader = self.streams.get(replica.name)
        if reader is None or replica.feed is None:
            return None
        if isinstance(reader, AuditorError):
            self.untold[replica.feed] = reader.message
            return None
        items = partial(replica_items, self.contract, replica)
        try:
            stream = open_side(reader, self.workspace, items, f"{self.prefix}{replica.name}_stream", None)
        except StoreError as error:
            self.untold[replica.feed] = error.message
            return None
        self.stack.callback(stream.close)
        return stream


def _can_be_told(sight: Sight, once: Container[str]) -> bool:
    """Whether versions explain it; what the owner never held, none of them does."""
    finding = sight.finding
    if any(one.name in once for one in finding.fields):
        return False
    alone = finding.divergence in OWNER_ONLY or finding.divergence.value == "duplicate"
    return finding.key is not None and not alone and not sight.doubt


def _spelled(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, side: Projected, keys: Iterable[KeyText]
) -> dict[KeyText, tuple[str | None, ...]]:
    """Keys as a side spells them, where their canonical form does not determine it."""
    spellings = side.projection.spellings
    if not spellings:
        return {}
    import pyarrow as pa

    names = [f"t{i}" for i in range(len(contract.key))]
    texts = [[text for _, text in key] for key in keys]
    wanted = pa.table([pa.array([row[i] for row in texts], pa.string()) for i in range(len(names))], names)
    cursor.register("asked_keys", single_scan(wanted))
    try:
        found = cursor.execute(
            f'SELECT {", ".join([*key_texts(contract), *spellings])} FROM "{side.table}" '
            f"WHERE ({', '.join(key_texts(contract))}) IN (SELECT ({', '.join(names)}) FROM asked_keys)"
        ).fetchall()
    finally:
        cursor.unregister("asked_keys")
    parts = len(contract.key)
    return {key_text(contract, row[:parts]): row[parts:] for row in found}
