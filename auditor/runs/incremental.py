"""An incremental look at one entity: the keys that its feeds have told of since a clean run, and a share of the rest.

What the owner's feed and the replicas' feeds have told since then is read first, to where they end now; then those rows
are compared by key, and beside them one segment of the entity, a different one in each run, until all have had their
turn.  The share is what sees a replica without a feed that was changed without its owner, and what no feed told.

Wherever it is not sure that the keys are all that changed, there is a reason in the place of a look, and the entity is
read whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from auditor.runs.anchors import NotIncrementalError, Rotation, Standing, feeds_of, key_columns
from auditor.runs.checkpoints import Kept
from auditor.runs.first_look import Outcome
from auditor.runs.obliged_keys import canonical_keys
from reconcilers.segment import MisplacedError, Segment, keys_within, segments_between
from reconcilers.segments import SegmentLimits, together
from reconcilers.sight import Suspects
from reconcilers.tally import Incremental

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from auditor.clock import Clock
    from auditor.feeds.changed import Changed
    from auditor.runs.anchors import Anchors, Since
    from contracts.contract import Contract
    from reconcilers.change import Cell
    from reconcilers.finding import KeyText
    from reconcilers.look import Looker

SHARES = 30
"""In how many runs every row has had its turn: a month of nights."""

CHANGED_SHARE_MAX = 0.2
"""Of all rows that may have changed: reading more of them by key costs as much as reading everything."""

SILENCE_MIN = timedelta(minutes=5)
"""A topic that tells of something this recent is alive; longer where a lag bound is."""


@dataclass(frozen=True, slots=True)
class Partial:
    """What an incremental look saw, and how it is to be told and gone on from."""

    outcome: Outcome
    incremental: Incremental
    standing: Standing


@dataclass(frozen=True, slots=True)
class IncrementalLook:
    """How one entity is looked at incrementally.

    Attributes:
        contract: The entity's.
        looker: Of it.
        anchors: What earlier runs left.
        clock: Tells when a look ended.
        begin: Waits until the entity may be read, and raises where it may not.
        check: Raises where time is over; asked before each look.
        together: Keys that are looked at in one look.
    """

    contract: Contract
    looker: Looker
    anchors: Anchors
    clock: Clock
    begin: Callable[[], None]
    check: Callable[[], None]
    together: int

    def look(self) -> Partial:
        """Look at what has changed, and at one segment.

        Raises:
            NotIncrementalError: The entity has to be read whole.
            AuditorError: The owner could not be read, or time is over.
        """
        with self.looker.workspace.one_thread():
            return self._look()

    def _look(self) -> Partial:
        since = self.anchors.since(self.contract)
        told = self._told(since)
        keys = self._keys(told)
        self.begin()
        turn = self._turn(since.standing.rotation, len(keys))
        segment = segments_between(turn.bounds)[turn.following]
        try:
            parts = self._parts(segment, turn, keys)
        except MisplacedError as error:
            raise NotIncrementalError(
                f"{error.dataset} sorts {self.contract.key[0]} otherwise than by its value"
            ) from error
        whole = together(self.contract, [part.look for part in parts], of=turn.segments, remark="")
        if not whole.owner_rows:
            raise NotIncrementalError("what would be read has no row of the owner")
        said = self._said(since, turn, len(keys))
        whole.remarks.append(said.sentence(self.contract.key[0]))
        places = {feed: one.stands for feed, one in told.items()}
        after = replace(turn, following=turn.following + 1)
        return Partial(Outcome(whole, parts), said, Standing(places, after))

    # -- what has changed --------------------------------------------------------------------------------------------

    def _told(self, since: Since) -> dict[str, Changed]:
        """What each feed has told; each of their topics must be alive."""
        told = {}
        for feed, topics in feeds_of(self.contract).items():
            found = self.anchors.changed(self.contract, since, feed, alive=False)
            if not all(self._is_alive(found, topic) for topic, _ in topics):
                found = self.anchors.changed(self.contract, since, feed, alive=True)
            for topic, _ in topics:
                if not self._is_alive(found, topic):
                    raise NotIncrementalError(_silence(feed, topic, found.told.get(topic)))
            told[feed] = found
        return told

    def _is_alive(self, told: Changed, topic: str) -> bool:
        """Whether a topic has told of something recent; a recording has an end of its own."""
        bounds = [replica.lag_bound for replica in self.contract.replicas]
        last = told.told.get(topic)
        return told.recorded or (last is not None and self.clock.now() - last <= max([SILENCE_MIN, *bounds]))

    def _keys(self, told: Mapping[str, Changed]) -> list[KeyText]:
        """The keys that any of the feeds told of, each once."""
        self.looker.workspace.know_functions()
        cursor = self.looker.workspace.cursor()
        replicas = {replica.name: replica for replica in self.contract.replicas}
        found: dict[KeyText, None] = {}
        for feed, topics in feeds_of(self.contract).items():
            for topic, name in topics:
                replica = None if name is None else replicas[name]
                columns = key_columns(self.contract, name)
                texts = [_key(cells, columns, topic) for cells in told[feed].keys.get(topic, ())]
                found |= dict.fromkeys(canonical_keys(cursor, self.contract, replica, texts) if texts else ())
        if any(text is None for key in found for _, text in key):
            raise NotIncrementalError("a feed told of a key that its type cannot hold")
        return list(found)

    # -- looking -----------------------------------------------------------------------------------------------------

    def _turn(self, last: Rotation, changed: int) -> Rotation:
        """Which segment it is now; where all have had their turn, the entity is cut anew."""
        if changed > CHANGED_SHARE_MAX * last.rows:
            raise NotIncrementalError(f"{changed:,} of about {last.rows:,} rows may have changed")
        if last.bounds and last.following < last.segments:
            return last
        division = self.looker.division(SegmentLimits(large=-1, rows=max(-(-last.rows // SHARES), 1)))
        if not division.bounds:
            raise NotIncrementalError(division.reason or "it is too small to be read in shares")
        return replace(last, bounds=division.bounds, narrow=division.narrow, following=0)

    def _parts(self, segment: Segment, turn: Rotation, keys: Sequence[KeyText]) -> list[Kept]:
        self.check()
        parts = [self._part(0, segment=segment, narrow=turn.narrow)]
        logical = self.contract.fields[self.contract.key[0]].type
        inside = keys_within(self.looker.workspace.cursor(), segment, logical, [key[0][1] for key in keys])
        others = [key for key, within in zip(keys, inside, strict=True) if not within]
        for start in range(0, len(others), self.together):
            self.check()
            parts.append(self._part(len(parts), suspects=Suspects(others[start : start + self.together])))
        return parts

    def _part(
        self, number: int, *, suspects: Suspects | None = None, segment: Segment | None = None,
        narrow: frozenset[str] | None = None,
    ) -> Kept:  # fmt: skip
        look = self.looker.look(suspects, segment=segment, narrow=narrow)
        return Kept(look, self.clock.now(), {}, number)

    # -- telling -----------------------------------------------------------------------------------------------------

    def _said(self, since: Since, turn: Rotation, changed: int) -> Incremental:
        blind = [replica.name for replica in self.contract.replicas if replica.feed is None]
        return Incremental(
            since.run_id, since.at, changed, turn.following + 1, turn.segments, turn.segments - turn.following - 1,
            turn.whole_run, turn.whole_at, tuple(blind),
        )  # fmt: skip


def _silence(feed: str, topic: str, last: datetime | None) -> str:
    """Why a topic without a recent sign of life proves nothing."""
    until = f"since {last:%Y-%m-%d %H:%M:%S} UTC" if last is not None else "since then"
    return (
        f"{topic} of {feed} has told nothing {until}: a dataset in which nothing happens and a connector that stands "
        "still look alike, but for heartbeats"
    )


def whole(standing: Standing, rows: int) -> Standing:
    """Where a run stands that read everything."""
    return replace(standing, rotation=Rotation(rows=rows))


def _key(cells: Mapping[str, Cell], columns: Sequence[str], topic: str) -> tuple[str | None, ...]:
    """A key's texts as the topic spells them.

    Raises:
        NotIncrementalError: The record does not tell it.
    """
    bare = cells.get("") if len(columns) == 1 else None
    found = [bare if bare is not None else cells.get(column) for column in columns]
    texts = tuple(cell for cell in found if isinstance(cell, str))
    if len(texts) != len(columns):
        raise NotIncrementalError(f"a record of {topic} does not tell all of the key {', '.join(columns)}")
    return texts
