"""One world: an owner, its log and connector, a topic, our process, a replica, and the audit of them all."""

from __future__ import annotations

import tempfile
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from auditor.feeds.bulk import plans
from auditor.feeds.monitored import duties
from auditor.feeds.reader import FeedReader
from auditor.runs.suspicion import Suspicion
from contracts.catalog import parse_catalog
from contracts.contract import FeedRef
from contracts.errors import PausedFeedError, RetentionGapError
from reconcilers import look as looking
from reconcilers.look import Looker, Readers
from reconcilers.recheck import HOT_BOUNDS, MARGIN_SECONDS, SILENCE_SECONDS
from tests.simulation.clocks import AuditorsClock, WallClock
from tests.simulation.connector import Connector
from tests.simulation.copy import Copy
from tests.simulation.heartbeats import SimulatedHeartbeats
from tests.simulation.members import NAMES, Members
from tests.simulation.monitoring import ROUND_SECONDS, Monitoring
from tests.simulation.oracles import GONE_WITHIN, Oracles
from tests.simulation.plan import BUSY_SECONDS, ENDS_BY, HISTORY_SECONDS, LAG_BOUND, RESTS_FROM, draw
from tests.simulation.process import KilledError, Process
from tests.simulation.reader import TableReader
from tests.simulation.table import Table, Write
from tests.simulation.topic import Topic
from tests.simulation.wire import Registry, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from auditor.feeds.following import Following
    from contracts.contract import Contract, Reference
    from reconcilers.ports import Reader
    from reconcilers.workspace import Workspace
    from tests.simulation.plan import Act, Plan

SETTLED_WITHIN = (HOT_BOUNDS + 2) * (LAG_BOUND + MARGIN_SECONDS)
"""Seconds of virtual time that a suspect may wait; the pauses of slow stores are added."""

SEND_SECONDS = 0.05
"""From a commit to its record in the topic, where the connector is well."""

_START = datetime(2026, 1, 31, 12, tzinfo=UTC)

_CONTRACT = """\
entity: order
version: 1
team: t
owner: {owner}
key: [id]
fields: {{id: {{type: int}}, status: {{type: text}}, amount: {{type: int}}, note: {{type: text}}}}
replicas:
{replicas}
"""
_OWNERS = {
    "table": "{service: shop, dataset: shop/orders, may_be_empty: true}",
    "witness": "{service: shop, dataset: shop/orders, feed: {name: shop, topic: orders}, may_be_empty: true}",
    "feed": "{service: shop, feed: {name: shop, topic: orders}, may_be_empty: true}",
}
_REPLICAS = {
    "copy": "{service: copy, dataset: copy/orders, lag_bound: 10s}",
    "mirror": "{service: mirror, feed: {name: copies, topic: mirrored}, lag_bound: 10s}",
    "topic": "{service: topic, feed: {name: shop, topic: orders}, lag_bound: 10s}",
}
_CONTRACTS: dict[tuple[str, tuple[str, ...]], Contract] = {}


def contract_of(owner: str, replicas: tuple[str, ...]) -> Contract:
    """The contract of a world, read once."""
    if (owner, replicas) not in _CONTRACTS:
        lines = "\n".join(f"  - {_REPLICAS[name]}" for name in replicas)
        text = _CONTRACT.format(owner=_OWNERS[owner], replicas=lines)
        _CONTRACTS[owner, replicas] = parse_catalog({"order.yaml": text}).contracts["order"]
    return _CONTRACTS[owner, replicas]


@dataclass(frozen=True, slots=True)
class Failure:
    """An oracle that did not hold.

    Attributes:
        plan: Of the world.
        oracle: Which.
        what: What it said, with the key.
        steps: The last things that happened.
    """

    plan: Plan
    oracle: str
    what: str
    steps: tuple[str, ...]

    @property
    def seed(self) -> int:
        """Of the world."""
        return self.plan.seed


@dataclass
class World:
    """Runs a plan.

    Attributes:
        plan: The plan.
        workspace: Where rows meet; worlds may share one.
        directory: For states on disk.
    """

    plan: Plan
    workspace: Workspace
    directory: Path
    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        plan = self.plan
        self.chance = Random(plan.seed + 1)
        self.clock = AuditorsClock(_START + timedelta(seconds=plan.skews[2]))
        base = _START.timestamp()
        self.walls = {"owner": WallClock(base + plan.skews[0]), "replica": WallClock(base + plan.skews[1])}
        self.walls["auditor"] = self.clock.wall
        self.owner, self.replica = (Table(self.clock.monotonic, serial=plan.mariadb) for _ in range(2))
        lag_max = 0.9 * LAG_BOUND
        self.copy = Copy(self.owner, self.replica, self.clock, self.chance, lag_max)
        self.topic = Topic("orders", plan.partitions)
        self.mirrored = Topic("mirrored", plan.partitions)
        self.wire = self._wire("orders")
        self.connector = self._connector(self.owner, self.topic, self.wire, "owner")
        self.connector.begins = plan.begins
        self.mirror = self._connector(self.replica, self.mirrored, self._wire("mirrored"), "replica")
        disk = self.directory if plan.on_disk else None
        self.contract = contract_of(plan.owner, plan.replicas)
        self.process = self._process(self.topic, self.wire, disk)
        disk = disk if plan.monitored else None
        self.second = self._process(self.mirrored, self.mirror.wire, disk) if "mirror" in plan.replicas else None
        if self.second is not None and plan.beats is not None:
            every = plan.beats
            self.second.heartbeats = lambda: SimulatedHeartbeats(
                self.mirror, self.walls["replica"], self.clock.monotonic, every
            )
            self.second.open()
        self.monitoring = Members(self) if plan.shared else Monitoring(self)
        self.rests_from = RESTS_FROM
        self.was_silent = False
        self.out: set[str] = set()
        self.oracles = Oracles(self)
        self.looking = False
        self.happened: Counter[str] = Counter()
        self.copy.happened = self.topic.happened = self.connector.happened = self.wire.registry.happened = self.happened
        for process in (self.process, self.second):
            if process is not None:
                process.happened = self.happened
        if max(plan.skews) - min(plan.skews) > LAG_BOUND:
            self.happened["clocks apart"] += 1
        self.slowness, self.are_slow = 0.0, False
        self.poisoned: dict[int | None, int] = {}
        self.owner.told.append(self._committed)
        self.replica.told.append(lambda _: self.mirror.run())

    def _wire(self, topic: str) -> Wire:
        grain = 1_000_000 if self.plan.mariadb else 1
        return Wire(topic, self.plan.form, Registry(), grain=grain, mariadb=self.plan.mariadb)

    def _connector(self, table: Table, topic: Topic, wire: Wire, whose: str) -> Connector:
        wall = self.walls[whose]
        return Connector(table, topic, wire, self.chance, wall.at, WallClock(wall.start).at)

    def _process(self, topic: Topic, wire: Wire, directory: Path | None) -> Process:
        owed = duties(self.contract) if self.plan.monitored else []
        mine = [duty for _, duty in owed if duty.topic == topic.name]
        return Process(topic, wire, self.clock, self.chance, directory, mine, at_once=self.plan.at_once)

    def note(self, text: str) -> None:
        """Something happened."""
        self.steps.append(f"{self.clock.monotonic():7.3f} {text}")

    def _committed(self, entry: Any) -> None:
        """The connector sends it a little later; a replica of an owner that is known by its feed has it from there."""
        self.copy.take(entry)
        self.clock.at(self.clock.monotonic() + self._sending(), self.connector.run)

    def _sending(self) -> float:
        return 0.0 if self.plan.owner == "feed" else self.chance.random() * SEND_SECONDS

    # -- the course ---------------------------------------------------------------------------------------------------

    def run(self) -> Failure | None:
        """Everything that is planned, and the audit; the first oracle that does not hold."""
        for act in self.plan.acts:
            self.clock.at(act.moment, lambda act=act: self._do(act))  # type: ignore[misc]
        try:
            with _one_at_a_time(), _however_small(at_once=self.plan.at_once):
                if self.plan.audits:
                    self.clock.advance(HISTORY_SECONDS + self.chance.uniform(0, 10))
                    self._audit()
                if self.plan.monitored:
                    self.clock.advance(self.chance.uniform(0, 20))
                    self.monitoring.run(ENDS_BY)
                    self.process.blow.left = None  # a kill that came to nothing is none of the oracles'
                    self.oracles.monitored(self.monitoring)
                self.clock.advance(max(2 * BUSY_SECONDS - self.clock.monotonic(), 1))
                self.process.blow.left = None
                self.oracles.in_the_end()
        except AssertionError as error:
            oracle, _, what = str(error).partition(": ")
            return Failure(self.plan, oracle, what, tuple(self.steps[-STEPS_TOLD:]))
        except Exception as error:  # noqa: BLE001 - whatever it is, no course may end so
            where = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            return Failure(self.plan, "no crash", what, tuple(self.steps[-STEPS_TOLD:]))
        finally:
            self.workspace.closing.clear()
            self.process.close()
            self.monitoring.close()
            if self.second is not None:
                self.second.close()
        return None

    def _do(self, act: Act) -> None:
        self.steps.append(str(act))
        getattr(self, f"act_{act.name}")(*act.arguments)

    def _audit(self) -> None:
        """The nightly job; where our process is killed, it is started again from its beginning."""
        while not self._audited():
            self.steps.append(f"{self.clock.monotonic():7.3f} the audit is begun anew")

    def _audited(self) -> bool:
        """A look at everything, then at suspects until all are settled; False where our process was killed."""
        process = self.process.generation
        suspicion = Suspicion(dict.fromkeys(self.plan.replicas, LAG_BOUND), sampled=self.plan.sampled)
        began, looker = self.clock.monotonic(), self._looker()
        try:
            first = self._looked(looker.look)
        except PausedFeedError as error:
            self.note(f"the audit ends: {error.message}")
            self.clock.advance(1.0)
            return False
        if "topic" in first.replicas and "registry does not answer" in first.replicas["topic"].error:
            self.note("the audit ends: its replica, which is its owner's feed, cannot be read")
            self.clock.advance(1.0)
            return False
        self.oracles.first_look(began, first)
        suspicion.begin(first, self.clock.now())
        self.slowness = self.clock.monotonic() - began
        while (wait := suspicion.next_look_in(self.clock.monotonic())) is not None:
            self.clock.advance(wait)
            if self.process.generation != process:
                return False
            settled, before = len(suspicion.settled), self.clock.monotonic()
            self._looked(lambda: suspicion.look_again(looker, self.clock))
            self.oracles.settled(list(suspicion.settled)[settled:], before)
            waited = self.clock.monotonic() - began
            within = SETTLED_WITHIN + self.slowness + (0 if self.plan.beats is None else SILENCE_SECONDS)
            assert not suspicion.suspects or waited <= within, (
                f"settled within the bound: {len(suspicion.suspects)} suspects are not, after {waited:.1f} s"
            )
        self.oracles.audited(list(suspicion.settled))
        return True

    def _looked(self, look: Callable[[], Any]) -> Any:
        self.looking = True
        self.steps.append(f"{self.clock.monotonic():7.3f} a look")
        try:
            return look()
        finally:
            self.looking = False

    def _looker(self) -> Looker:
        contract = self.contract
        assert contract.owner.reference is not None
        replicas = {one.name: self.reader_of(one.reference) for one in contract.replicas if one.reference is not None}
        witness = self.reader_of(contract.owner.feed) if contract.owner.dataset and contract.owner.feed else None
        readers = Readers(self.reader_of(contract.owner.reference), replicas, witness=witness)
        looker = Looker(self.workspace, self.contract, readers)
        looker.clock = self.clock.monotonic
        return looker

    def reader_of(self, reference: Reference, following: Following | None = None) -> Reader:
        """Who reads a dataset; a feed as somebody follows it, or as our process does."""
        if isinstance(reference, FeedRef) and following is not None:
            return FeedReader(reference, following, self.clock)
        if isinstance(reference, FeedRef):
            process = self.process if reference.name == "shop" else self.second
            assert process is not None
            return FeedReader(reference, process.following, self.clock)
        table, whose = (self.owner, "owner") if reference.connection == "shop" else (self.replica, "replica")

        def ahead() -> float:
            now = self.clock.monotonic()
            return self.walls[whose].at(now) - self.walls["auditor"].at(now)

        return TableReader(str(reference), table, self.clock, ahead, self._pause, lambda: str(reference) in self.out)

    def _pause(self) -> float:
        """What opening a store takes."""
        slow = self.plan.slow and self.chance.random() < 0.3
        pause = self.chance.uniform(1, 15) if slow else self.chance.uniform(0, 0.2)
        pause = self.chance.uniform(3, 12) if self.are_slow else pause
        self.slowness += pause
        return pause

    # -- what happens -------------------------------------------------------------------------------------------------

    def act_write(self, *transactions: tuple[tuple[int, str | None, int | None, str | None], ...]) -> None:
        """Transactions of the owner that run at once."""
        self.owner.commit(*[[Write(*one) for one in writes] for writes in transactions])

    def act_move(self, key: int, to: int) -> None:
        """A row gets another key."""
        if key in self.owner.rows:
            self.happened["a key changed"] += to not in self.owner.rows
            self.owner.commit([Write(key, None, move_to=to)])

    def act_truncate(self) -> None:
        """The owner's table is emptied."""
        self.happened["a truncate"] += 1
        self.owner.truncate()

    def act_pause(self, seconds: float) -> None:
        """The replica applies nothing for a while, and is late within its bound."""
        self.happened["a replica that pauses"] += 1
        self.copy.pause = max(self.copy.pause, self.clock.monotonic() + seconds)

    def act_by_hand(self, key: int, status: str | None) -> None:
        """Somebody writes the replica."""
        self.happened["a row written by hand"] += 1
        self.copy.by_hand(key, None if status is None else (status, 4711, "by hand"))

    def act_copy_fault(self, name: str, key: int) -> None:
        """Something will go wrong with the next event of a key."""
        if name == "stuck":
            self.copy.stuck.add(key)
        else:
            self.copy.faults.setdefault(key, name)

    def act_connector_down(self, seconds: float) -> None:
        """The connector does nothing for a while."""
        if self.plan.owner == "feed":
            return  # a replica that is fed from there waits as well
        self.connector.is_down = True
        self.happened["a connector that was down"] += 1
        self.clock.at(self.clock.monotonic() + seconds, self._connector_up)

    def _connector_up(self) -> None:
        self.connector.is_down = False
        self.connector.run()

    def act_mirror_down(self, seconds: float) -> None:
        """The connector of the copy's feed does nothing for a while; the copy goes on."""
        self.happened["a replica's connector that falls silent"] += 1
        self.mirror.is_down, self.mirror.down_since = True, self.clock.monotonic()
        self.was_silent = True
        self.clock.at(self.clock.monotonic() + seconds, self._mirror_up)

    def _mirror_up(self) -> None:
        self.mirror.is_down, self.mirror.down_since = False, None
        self.mirror.run()

    def act_connector_crash(self) -> None:
        """It sends again what it does not know to have been sent."""
        self.connector.crash()
        self.connector.run()
        self.mirror.crash()
        self.mirror.run()

    def act_snapshot(self, lost: bool, broken_off: bool) -> None:  # noqa: FBT001 - drawn
        """A second snapshot."""
        self.happened["a second snapshot"] += 1
        self.happened["a snapshot broken off"] += broken_off
        self.connector.snapshot(lost=lost, broken_off=broken_off)
        self.mirror.snapshot(lost=False, broken_off=broken_off)

    def act_incremental(self, seconds: float) -> None:
        """A part of an incremental snapshot."""
        self.happened["an incremental snapshot"] += 1
        self.connector.open_window()
        self.clock.at(self.clock.monotonic() + seconds, self.connector.close_window)

    def act_schema_change(self) -> None:
        """The table gets one more column."""
        self.happened["a schema changed"] += 1
        self.wire.generation += 1

    def act_taken_over(self, server: int, places: str) -> None:
        """Another server writes from now on; its log's places are where they happen to be."""
        self.happened["a server took over"] += 1
        lsn = self.owner.place()
        self.wire.take_over(server, lsn, {"higher": -50_000, "near": -19_900, "lower": lsn - 12_000}[places])

    def act_registry_out(self, seconds: float) -> None:
        """The registry does not answer for a while, in which a schema may be new."""
        self.wire.registry.is_out = True
        self.wire.generation += self.chance.random() < NEW_SCHEMA_SHARE
        self.clock.at(self.clock.monotonic() + seconds, self._registry_back)

    def _registry_back(self) -> None:
        self.wire.registry.is_out = False

    def act_read(self) -> None:
        """Our process reads a batch."""
        if self.looking:
            return
        try:
            self.process.read()
        except PausedFeedError:
            self.steps.append(f"{self.clock.monotonic():7.3f} paused")
        except RetentionGapError:
            self.process.open()
        self.oracles.in_step()

    def act_kill(self, after: int | None) -> None:
        """Our process is killed."""
        if self.looking or not self.plan.on_disk:
            return
        if self.plan.monitored:
            if self.monitoring.lives and after is None:
                raise KilledError
            self.process.blow.left = after if self.monitoring.lives else None
            return
        self.happened["a process killed"] += 1
        self.process.kill(after)
        self.oracles.in_step()

    def act_zombie(self) -> None:
        """Another process takes over while ours still holds a batch."""
        if self.looking:
            return
        try:
            wrong = self.process.zombie()
        except (PausedFeedError, RetentionGapError):
            self.process.open()
            return
        self.happened["a process overtaken"] += wrong is not None
        assert not wrong, f"nothing twice: {wrong}"
        self.oracles.in_step()

    def act_poison(self, key: int) -> None:
        """A record that nobody understands, under a key."""
        self.happened["poison under a key"] += 1
        self.poisoned[key] = len(self.owner.log)
        self.connector.poison(key)

    def act_poison_without_key(self) -> None:
        """A record that nobody understands, and whose key nobody does."""
        self.happened["poison without a key"] += 1
        self.poisoned[None] = len(self.owner.log)
        self.connector.poison(None)

    def act_loses(self) -> None:
        """The connector does not send the next event."""
        self.connector.losing.add(len(self.owner.log))

    def act_store_out(self, name: str, seconds: float) -> None:
        """A store does not answer for a while."""
        self.happened["a store out"] += 1
        self.out.add(name)
        self.clock.at(self.clock.monotonic() + seconds, lambda: self.out.discard(name))

    def act_clock_set(self, whose: str, seconds: float) -> None:
        """A clock is set forwards or back: the owner's, the replica's, or ours."""
        self.happened["a clock set back" if seconds < 0 else "a clock set forwards"] += 1
        self.walls[whose].set(self.clock.monotonic(), seconds)

    def act_stores_slow(self) -> None:
        """Every store takes seconds to be opened, from now on."""
        self.happened["stores that become slow"] += 1
        self.are_slow = True

    def act_ledger_locked(self, seconds: float) -> None:
        """The ledger takes nothing for a while."""
        self.happened["a ledger locked"] += 1
        self.monitoring.ledger.is_locked = True
        self.clock.at(self.clock.monotonic() + seconds, self._ledger_open)

    def _ledger_open(self) -> None:
        self.monitoring.ledger.is_locked = False

    def act_ledger_refuses(self, times: int) -> None:
        """The ledger does not take what is written into it next."""
        self.monitoring.ledger.refusing += times

    def act_kill_recording(self, before: bool) -> None:  # noqa: FBT001 - drawn
        """Our process is killed when it records what it has found: before the ledger has taken it, or after."""
        self.monitoring.fatal = "before" if before else "after"

    def act_mended(self) -> None:
        """Somebody makes the replica as its owner is."""
        self.happened["drift mended by hand"] += bool(self.monitoring.ledger.drift)
        self.copy.mend()
        self.rests_from = max(self.rests_from, self.clock.monotonic() + GONE_WITHIN + ROUND_SECONDS)

    def act_rebalance(self) -> None:
        """The partitions are shared out anew among those who follow the topic together."""
        self.monitoring.share_out()

    def act_member_kill(self, who: int, after: int, back_after: float | None) -> None:
        """A member of the group is killed, at any statement."""
        self.monitoring.kill(NAMES[who], after, back_after)

    def act_cut(self, keep: int) -> None:
        """The broker removes old records."""
        self.happened["records removed by the broker"] += 1
        for part in range(self.topic.partitions):
            self.topic.cut(part, keep)


STEPS_TOLD = 40

NEW_SCHEMA_SHARE = 0.7
"""Of the outages of a registry: of the schemas that are known already it is asked nothing."""


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Sides are opened in an order that is always the same."""
    at_once, looking.SCANS_AT_ONCE_MAX = looking.SCANS_AT_ONCE_MAX, 1
    try:
        yield
    finally:
        looking.SCANS_AT_ONCE_MAX = at_once


@contextmanager
def _however_small(*, at_once: bool) -> Iterator[None]:
    """Batches as small as a simulation's are decoded at once, too, where that was drawn."""
    before = plans.RECORDS_MIN
    plans.RECORDS_MIN = 1 if at_once else before
    try:
        yield
    finally:
        plans.RECORDS_MIN = before


def run_seed(
    seed: int, workspace: Workspace, happened: Counter[str] | None = None, steps: int | None = None
) -> Failure | None:
    """The world of a seed; what went wrong in it is counted.  See `draw`."""
    return run_plan(draw(seed, steps), workspace, happened)


def run_plan(plan: Plan, workspace: Workspace, happened: Counter[str] | None = None) -> Failure | None:
    """A world that was drawn, or a part of it."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(plan, workspace, Path(directory))
        failure = world.run()
    if happened is not None:
        happened.update(world.happened)
    return failure


def shrunk(failure: Failure, workspace: Workspace) -> tuple[Failure, Plan]:
    """The same failure with as few acts as leaving out one after the other gives."""
    plan = failure.plan
    for act in [*[one for one in plan.acts if one.is_fault], *[one for one in plan.acts if not one.is_fault]]:
        smaller = plan.without(act)
        again = run_plan(smaller, workspace)
        if again is not None and again.oracle == failure.oracle:
            plan, failure = smaller, again
    return failure, plan
