"""Faults put into the code that ships, each of which the oracles must notice: else a world or an oracle has a hole."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from auditor.feeds.bulk.batch import BatchPlan
from auditor.runs import suspicion
from auditor.runs.monitor import Monitor
from auditor.runs.monitor_loop import Rounds
from auditor.runs.monitored import MonitoredEntity
from auditor.runs.suspect import Suspect
from reconcilers import recheck, witness
from reconcilers.arrivals import Arrivals
from reconcilers.change import ChangeKind
from reconcilers.look import Looker
from reconcilers.streams import fold, state
from reconcilers.streams.intake import Intake
from reconcilers.streams.obligations import Obligations
from reconcilers.streams.state import FeedState, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Mutation:
    """One fault.

    Attributes:
        name: What is wrong.
        patches: What stands in place of what: an object, its attribute, and what makes the new one of the old one.
        seeds: Worlds that notice it.
    """

    name: str
    patches: tuple[tuple[Any, str, Callable[[Any], Any]], ...]
    seeds: tuple[int, ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Have the fault in the code."""
        before = [(place, name, getattr(place, name)) for place, name, _ in self.patches]
        try:
            for place, name, made in self.patches:
                setattr(place, name, made(getattr(place, name)))
            yield
        finally:
            for place, name, old in before:
                setattr(place, name, old)


# -- feeds -------------------------------------------------------------------------------------------------------------


def _real_position(old: Callable[[Intake, Any, int], Any]) -> Any:
    def position(self: Intake, change: Any, stamp: int) -> Any:
        is_backfill = change.kind is ChangeKind.BACKFILL
        return old(self, replace(change, kind=ChangeKind.WRITE) if is_backfill else change, stamp)

    return position


def _offsets_first(old: Callable[[FeedState, Step], None]) -> Any:
    def apply(self: FeedState, step: Step) -> None:
        old(self, Step((), step.moves))
        old(self, replace(step, moves={}))

    return apply


def _without_deletes(old: Callable[..., None]) -> Any:
    def add(self: Intake, seq: int, change: Any, **rest: Any) -> None:
        if change.kind is not ChangeKind.DELETE:
            old(self, seq, change, **rest)

    return add


def _without_fence(old: Callable[[FeedState, Mapping[Any, Any]], None]) -> Any:
    def fence(self: FeedState, moves: Mapping[Any, Any]) -> None:
        known = self.offsets()
        old(self, {place: (known[place].following, offset) for place, (_, offset) in moves.items()})

    return fence


def _first_record_alone(old: Callable[..., Any]) -> Any:
    def versions(self: BatchPlan, records: Any, table: Any) -> Any:
        found = old(self, records, table)
        firsts = {int(part): list(records.parts).index(part) for part in found.last}
        return replace(found, last=firsts)

    return versions


# -- verdicts ----------------------------------------------------------------------------------------------------------


def _age_of_the_version_before(old: Callable[..., Any]) -> Any:
    def history(*args: Any, **rest: Any) -> Any:
        found = old(*args, **rest)
        if found is None:
            return None
        since = [found.versions[0].since, *(one.since for one in found.versions)]
        moved = (replace(one, since=at) for one, at in zip(found.versions, since, strict=False))
        return replace(found, versions=tuple(moved))

    return history


def _owner_first(old: Callable[..., None]) -> Any:
    waiting: list[Any] = []

    def opened(self: Looker, sides: Sequence[Any]) -> None:
        if all(side.replica is not None for side in sides):
            waiting[:] = sides
            return
        old(self, sides)
        if waiting:
            old(self, list(waiting))
            waiting.clear()

    return opened


def _owner_last_all_the_same(old: Callable[..., Any]) -> Any:
    return lambda *args: replace(old(*args), owner_last=True)


def _clock_begun_anew(old: Callable[..., None]) -> Any:
    def see(self: Suspect, look: Any, finding: Any = None) -> None:
        if self.looks and self.looks[-1].owner != look.owner:
            self.looks.clear()
        old(self, look, finding)

    return see


# -- the monitor -------------------------------------------------------------------------------------------------------


def _met_by_anything(old: Callable[..., Any]) -> Any:
    def seen(self: MonitoredEntity, *args: Any, **rest: Any) -> Any:
        suspects = self.watch.suspicion.suspects
        count = len(suspects)
        found = old(self, *args, **rest)
        if len(suspects) > count:
            list(suspects.drain())
            self.pending.clear()
        return {} if found else found

    return seen


def _settled_before_recorded(_old: Callable[..., Any]) -> Any:
    def recorded(self: Rounds) -> Any:
        now = self.clock.now()
        result = self.monitor.result("run", now)
        findings = list(result.findings)
        self.monitor.settle(findings)
        told = self.write(result)
        self.monitor.begin_anew()
        return told

    return recorded


def _times(factor: float) -> Callable[[Callable[..., dict[int, float]]], Any]:
    return lambda old: lambda self, keys: {seq: factor * took for seq, took in old(self, keys).items()}


_LOSSES_UNSEEN: tuple[tuple[Any, str, Callable[[Any], Any]], ...] = tuple(
    (witness, name, lambda _: lambda *_: False) for name in ("_lacks_delete", "_lacks_create")
)
"""Else a row's own records say that some are lacking."""

MUTATIONS = (
    Mutation(
        "a snapshot's row stands where the snapshot does in the log",
        ((Intake, "_position", _real_position), (fold, "_ARRIVAL_DECIDES", lambda _: "kind IN (3)")),
        (110,),
    ),
    Mutation("offsets are written before what they brought", ((FeedState, "apply", _offsets_first),), (7, 24)),
    Mutation("a delete is passed over", ((Intake, "add", _without_deletes),), (0, 1)),
    Mutation(
        "a truncate removes nothing",
        ((state, "truncated_sql", lambda _: lambda table, _topic: f"DELETE FROM {table.latest} WHERE false"),),
        (38,),
    ),
    Mutation("a batch is written onto whatever offsets there are", ((FeedState, "_fence", _without_fence),), (3, 6)),
    Mutation(
        "what a change did not write is not taken from the version before",
        ((state, "filled_sql", lambda _: lambda _table, arrived: f"SELECT * FROM {arrived}"),),
        (0, 1),
    ),
    Mutation(
        "a row lacks what its old key is read to have held later",
        ((state, "born_heads_sql", lambda _: lambda _table, _folded, _gained: "SELECT 1"),),
        (686,),
    ),
    Mutation(
        "a batch that is decoded at once ends with its first record",
        ((BatchPlan, "versions", _first_record_alone),),
        (3, 22),
    ),
    Mutation(
        "a version is as old as the one before it", ((witness, "_history", _age_of_the_version_before),), (10, 18)
    ),
    Mutation(
        "a truncate that another member was told of is no reason for a row to be away",
        ((witness, "_may_be_emptied", lambda _: lambda *_: False), *_LOSSES_UNSEEN),
        (216,),
    ),
    Mutation(
        "the owner is read before its replica, and taken for read after it",
        ((Looker, "_open", _owner_first), (suspicion, "_moments", _owner_last_all_the_same)),
        (329, 432),
    ),
    Mutation("a suspect's clock begins anew when its owner changes", ((Suspect, "see", _clock_begun_anew),), (31, 191)),
    Mutation("what is in flight is drift", ((recheck._Case, "due", lambda _: lambda _case, _since: True),), (5, 10)),
    Mutation(
        "a history with a hole is whole",
        ((FeedState, "known_from", lambda _: lambda _self, _topic: 0), *_LOSSES_UNSEEN),
        (3762,),
    ),
    Mutation(
        "an obligation is met by whatever the replica holds",
        ((MonitoredEntity, "_seen", _met_by_anything),),
        (110, 158),
    ),
    Mutation(
        "what could not be recorded is dropped",
        ((Monitor, "keep", lambda old: lambda self, _findings: old(self, ())),),
        (158, 161),
    ),
    Mutation(
        "what was found is settled before it is recorded", ((Rounds, "_recorded", _settled_before_recorded),), (158,)
    ),
    Mutation(
        "drift that is gone is not looked for",
        ((MonitoredEntity, "look_at_drift", lambda _: lambda _self, _known, **_how: []),),
        (110, 161),
    ),
    Mutation("changes take a tenth of their time", ((Arrivals, "seconds", _times(0.1)),), (297, 305)),
    Mutation("changes take ten times as long", ((Arrivals, "seconds", _times(10.0)),), (76, 297)),
    Mutation(
        "a change that is sent again is counted again",
        ((Obligations, "uncount", lambda _: lambda _self, _topic, _repeated: None),),
        (66, 223),
    ),
)
