"""Two monitors that share a topic as a group: each has rounds and a state of its own, and they record in one ledger.

One that is killed is missed by the group a while later; it comes back with the state that it left on disk, or never.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, cast

from auditor.feeds.following import Following
from auditor.feeds.shared_follower import SharedFollower
from auditor.runs import monitor as monitoring
from auditor.runs.monitor import Monitor
from auditor.runs.monitor_loop import Rounds
from auditor.runs.reconcile import ReconcileRequest
from auditor.runs.run_time import RunTime
from auditor.runs.surroundings import Surroundings
from contracts.errors import PausedFeedError
from reconcilers.streams.state import FeedState
from tests.simulation.group import Group, SharedSimulatedSource
from tests.simulation.monitoring import RESTART_SECONDS, ROUND_SECONDS, Monitoring
from tests.simulation.process import COLUMNS, PIECE, Blow, Doomed, KilledError, doom
from tests.simulation.topic import SimulatedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from auditor.clock import Clock
    from auditor.feeds.ports import Partition
    from contracts.contract import Reference
    from reconcilers.ports import Reader

NAMES = ("one", "other")

MISSED_SECONDS = 10.0
"""After so long at most, a group shares out what a dead member had."""


class TurnClock:
    """The auditor's clock for one round: to wait for the next ends the turn.

    Args:
        clock: The auditor's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.is_over = False

    def now(self) -> datetime:
        """See `auditor.clock.Clock`."""
        return self._clock.now()

    def monotonic(self) -> float:
        """See `auditor.clock.Clock`."""
        return self._clock.monotonic()

    def wait_until(self, deadline: float, condition: Callable[[], bool] | None = None) -> bool:
        """The other one's turn."""
        del deadline, condition
        self.is_over = True
        return True


@dataclass
class Member:
    """One of them, in one of its lives."""

    name: str
    path: Path | None
    blow: Blow
    doomed: Doomed
    state: FeedState
    following: Following
    monitor: Monitor
    rounds: Rounds
    clock: TurnClock
    time: RunTime

    def turn(self) -> None:
        """One round."""
        self.clock.is_over = False
        self.rounds.go(self.time)

    def open_keys(self) -> list[tuple[int, int]]:
        """The keys about which something is owed in what is ours, with how much it is."""
        parts = ", ".join(str(part) for _, part in self.following.partitions()) or "NULL"
        rows = self.state.cursor().execute(
            f"SELECT key[1]::INTEGER, count(*) FROM obligations WHERE part IN ({parts}) GROUP BY ALL"
        ).fetchall()  # fmt: skip
        return [(key, count) for key, count in rows]


@dataclass
class Members(Monitoring):
    """Runs them in turn."""

    members: list[Member] = field(default_factory=list)
    group: Group | None = None
    _chance: Random = field(default_factory=Random)
    _turn: Member | None = None
    _back_after: dict[str, float | None] = field(default_factory=dict)
    _dead: dict[str, tuple[float, Path | None]] = field(default_factory=dict)

    def run(self, until: float) -> None:
        """Follow until nothing is left to do after the world has come to rest, or until a moment."""
        self._until = until
        world = self.world
        self._chance = Random(world.plan.seed + 2)
        self.group = Group(world.topic, self._chance, NAMES)
        with self._settings():
            self.members = [self._member(name, self.group, self._path(name)) for name in NAMES]
            while world.clock.monotonic() < until and not self._all_done():
                for name in NAMES:
                    self._come_back(name)
                    self._turn = next((one for one in self.members if one.name == name), None)
                    if self._turn is not None:
                        self._take(self._turn)
                    self._turn = None
                    world.clock.advance(ROUND_SECONDS / len(NAMES))
        for member in self.members:
            member.blow.left = None  # a kill that came to nothing is none of the oracles'
        world.happened["a truncate heard from another member"] += self.ledger.heard

    def share_out(self) -> None:
        """The group shares its partitions out anew."""
        if self.group is not None:
            self.group.share_out()

    def kill(self, name: str, after: int, back_after: float | None) -> None:
        """Kill a member after some more statements; it comes back after some seconds, or never (None)."""
        for member in self.members:
            if member.name == name and member.blow.left is None:
                member.blow.left, self._back_after[name] = after, back_after

    def _take(self, member: Member) -> None:
        """One's turn, which may be its last."""
        try:
            member.turn()
        except KilledError:
            self.world.note(f"the member {member.name} was killed")
            self.world.happened["a member of a group killed"] += 1
            self.members.remove(member)
            member.doomed.close()
            self.world.workspace.closing.clear()
            self._bury(member, self._back_after.pop(member.name))

    def _bury(self, member: Member, back_after: float | None) -> None:
        """The group misses it, unless it is back before; it has what was on disk when it was killed."""
        clock, name = self.world.clock, member.name
        if back_after is not None:
            left = None if member.path is None else _copied(member.path, self._path(name))
            self._dead[name] = (clock.monotonic() + back_after, left)

        def missed() -> None:
            if self.group is not None and all(one.name != name for one in self.members):
                self.group.miss(name)

        clock.at(clock.monotonic() + self._chance.uniform(0, MISSED_SECONDS), missed)

    def _come_back(self, name: str) -> None:
        """Start a dead member again, when it is time to."""
        moment, left = self._dead.get(name, (math.inf, None))
        if self.group is not None and moment <= self.world.clock.monotonic():
            del self._dead[name]
            self.group.join(name)
            self.members.append(self._member(name, self.group, left))
            self.world.note(f"the member {name} is back")

    def _path(self, name: str) -> Path | None:
        """Of a new file for a member's state."""
        self.lives += 1
        return self.world.directory / f"member-{name}-{self.lives}.duckdb" if self.world.plan.on_disk else None

    def close(self) -> None:
        """Let go of the states."""
        for member in self.members:
            member.doomed.close()

    def _all_done(self) -> bool:
        if self.world.clock.monotonic() < self.world.rests_from:
            return False
        if self._dead:
            return False
        return not any(
            len(one.watch.suspicion.suspects) or len(one.watch.suspicion.settled) or any(one.open().values())
            for member in self.members
            for one in member.monitor.entities
        )

    def _member(self, name: str, group: Group, path: Path | None) -> Member:
        world, topic, chance = self.world, self.world.topic, self._chance
        state, blow = FeedState(path, memory_limit="100MB", threads=1, piece=PIECE), Blow()
        state.keep(topic.name, tuple(COLUMNS), ("id",))
        state.take_on(world.process.duties)
        doomed = doom(state, blow)

        def noted() -> Mapping[Partition, int]:
            return group.noted

        def opened() -> SharedFollower:
            return SharedFollower(
                "shop",
                join=lambda starts: SharedSimulatedSource(group, name, starts, chance),
                alone=lambda _topic: SimulatedSource(topic, chance),
                noted=noted,
                decoder=world.process.decoder(),
                state=state,
                clock=world.clock,
            )

        following = self._reading(opened)
        clock = TurnClock(world.clock)
        around = Surroundings(
            {"order": world.contract}, lambda place: self._member_reader(place, following), world.workspace, world.clock
        )
        monitor = Monitor(ReconcileRequest(kind=monitoring.KIND, member=name), around, {"shop": following})
        monitor.take_on([world.contract])
        for entity in monitor.entities:
            for looker in (entity.watch.looker, *entity.looks.values(), *entity.near.values()):
                looker.clock = world.clock.monotonic
        rounds = Rounds(
            monitor, clock, self._keep_arrivals, self._write, self, lambda: clock.is_over, lambda: None,
            lambda: monitor.hand_over(cast("Any", self.ledger)),
            lambda: monitor.share_truncates(cast("Any", self.ledger)),
        )  # fmt: skip
        return Member(
            name, path, blow, doomed, state, following, monitor, rounds, clock,
            RunTime(world.clock, world.workspace, None, timedelta(minutes=10)),
        )  # fmt: skip

    def _reading(self, opened: Callable[[], SharedFollower]) -> Following:
        """Begin to read; a process that cannot, since the registry is out, ends, and is started again."""
        world = self.world
        while True:
            following = Following("shop", {world.topic.name: tuple(COLUMNS)}, opened)
            try:
                following.read_on(world.workspace)
            except PausedFeedError as error:
                world.note(f"a member ends: {error.message}")
                world.clock.advance(RESTART_SECONDS)
            else:
                return following

    def _strike(self) -> None:
        if self._turn is not None:
            self._turn.blow.strike()

    def _member_reader(self, reference: Reference, following: Following) -> Reader:
        return self.world.reader_of(reference, following)

    def tell(self, event: str, at: str, **members: Any) -> None:
        """See `auditor.runs.monitor_loop.Watcher`."""
        if event == "assigned":
            self.world.note(f"{event} {members}")
        super().tell(event, at, **members)


def _copied(before: Path, after: Path | None) -> Path | None:
    """What a state has left on disk, under another name."""
    for suffix in ("", ".wal"):
        left = before.with_name(before.name + suffix)
        if left.exists():
            shutil.copy(left, f"{after}{suffix}")
    return after
