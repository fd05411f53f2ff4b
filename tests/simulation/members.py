"""Two monitors that share a topic as a group: each has rounds and a state of its own, and they record in one ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, cast

from auditor.feeds.following import Following
from auditor.feeds.shared_follower import SharedFollower
from auditor.runs import monitor as monitoring
from auditor.runs.monitor import Monitor
from auditor.runs.monitor_loop import Rounds
from auditor.runs.reconcile import ReconcileRequest, Surroundings
from auditor.runs.run_time import RunTime
from reconcilers.streams.state import FeedState
from tests.simulation.group import Group, SharedSimulatedSource
from tests.simulation.monitoring import ROUND_SECONDS, Monitoring
from tests.simulation.process import COLUMNS
from tests.simulation.topic import SimulatedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from auditor.clock import Clock
    from auditor.feeds.ports import Partition
    from contracts.contract import Reference
    from reconcilers.ports import Reader

NAMES = ("one", "other")


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
    """One of them."""

    name: str
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

    def run(self, until: float) -> None:
        """Follow until nothing is left to do after the world has come to rest, or until a moment."""
        self._until = until
        world = self.world
        chance = Random(world.plan.seed + 2)
        self.group = Group(world.topic, chance, NAMES)
        with self._settings():
            self.members = [self._member(name, self.group, chance) for name in NAMES]
            while world.clock.monotonic() < until and not self._all_done():
                for member in self.members:
                    member.turn()
                    world.clock.advance(ROUND_SECONDS / len(NAMES))

    def share_out(self) -> None:
        """The group shares its partitions out anew."""
        if self.group is not None:
            self.group.share_out()

    def close(self) -> None:
        """Let go of the states."""
        for member in self.members:
            member.state.close()

    def _all_done(self) -> bool:
        if self.world.clock.monotonic() < self.world.rests_from:
            return False
        return not any(
            len(one.watch.suspicion.suspects) or len(one.watch.suspicion.settled) or any(one.open().values())
            for member in self.members
            for one in member.monitor.entities
        )

    def _member(self, name: str, group: Group, chance: Random) -> Member:
        world, topic = self.world, self.world.topic
        state = FeedState(None, memory_limit="100MB", threads=1)
        state.keep(topic.name, tuple(COLUMNS), ("id",))
        state.take_on(world.process.duties)

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

        following = Following("shop", {topic.name: tuple(COLUMNS)}, opened)
        following.read_on(world.workspace)
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
        )  # fmt: skip
        return Member(
            name, state, following, monitor, rounds, clock,
            RunTime(world.clock, world.workspace, None, timedelta(minutes=10)),
        )  # fmt: skip

    def _member_reader(self, reference: Reference, following: Following) -> Reader:
        return self.world.reader_of(reference, following)

    def tell(self, event: str, at: str, **members: Any) -> None:
        """See `auditor.runs.monitor_loop.Watcher`."""
        if event == "assigned":
            self.world.note(f"{event} {members}")
        super().tell(event, at, **members)
