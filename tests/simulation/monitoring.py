"""The monitor in a simulated world: rounds, killed at any statement, and a ledger that is locked at times."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from auditor.ledger.truncates import together
from auditor.reports.document import finding_document
from auditor.runs import monitor as monitoring
from auditor.runs import monitor_loop
from auditor.runs.monitor import Monitor
from auditor.runs.monitor_loop import Rounds
from auditor.runs.reconcile import ReconcileRequest
from auditor.runs.run_time import RunTime
from auditor.runs.surroundings import Surroundings
from contracts.errors import LedgerError, StoreError
from reconcilers.finding import Verdict
from tests.simulation.late_looks import counted_late
from tests.simulation.process import Blow, KilledError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from contracts.contract import Reference
    from reconcilers.finding import Finding
    from reconcilers.ports import Reader
    from reconcilers.streams.truncate import Truncate
    from reconcilers.tally import RunResult
    from tests.simulation.process import Process
    from tests.simulation.world import World

ROUND_SECONDS = 5.0
"""From round to round: fewer than in production, for each costs time that is not simulated."""

RESTART_SECONDS = 1.0


@dataclass
class Ledger:
    """What was recorded.

    Attributes:
        is_locked: It takes nothing now.
        refusing: How often it will not take what is written.
        told: Each finding with the moment at which it was recorded.
        drift: The identities of persistent findings that have not been recorded as healed.
        truncates: What monitors have told each other.
        heard: How many of these somebody had not read.
    """

    is_locked: bool = False
    refusing: int = 0
    told: list[tuple[float, Finding]] = field(default_factory=list)
    drift: dict[str, Finding] = field(default_factory=dict)
    truncates: list[Truncate] = field(default_factory=list)
    heard: int = 0

    def share_truncates(self, feed: str, known: Collection[Truncate]) -> list[Truncate]:
        """See `auditor.ledger.ledger.Ledger`."""
        del feed
        told, self.truncates = self.truncates, together(self.truncates, known)
        news = [one for one in told if one not in known]
        self.heard += len(news)
        return news

    def open_ids(self, entity: str, limit: int) -> set[str]:
        """See `auditor.ledger.ledger.Ledger`."""
        del entity, limit
        return set(self.drift)

    def closed_ids(self, identities: Sequence[str]) -> set[str]:
        """See `auditor.ledger.ledger.Ledger`."""
        return {finding.identity for _, finding in self.told if finding.identity not in self.drift} & set(identities)

    def open_findings(self, entity: str, limit: int) -> list[tuple[str, Mapping[str, Any]]]:
        """See `auditor.ledger.ledger.Ledger`."""
        del entity, limit
        return [(identity, dict(finding_document(one))) for identity, one in self.drift.items()]

    def record(self, now: float, findings: Sequence[Finding]) -> None:
        """All of them, or none."""
        for finding in findings:
            self.told.append((now, finding))
            if finding.verdict is Verdict.PERSISTENT:
                self.drift[finding.identity] = finding
            elif finding.verdict is Verdict.HEALED:
                self.drift.pop(finding.identity, None)


@dataclass
class Monitoring:
    """Runs the monitor; whoever kills it starts it again.

    Attributes:
        world: Where.
        ledger: Outlives it.
        lives: How often it was started.
        fatal: Whether it is killed `before` or `after` the ledger takes what is written next; empty: it is not.
        late: Changes that were looked for too late to be counted, by replica.
    """

    world: World
    ledger: Ledger = field(default_factory=Ledger)
    lives: int = 0
    monitor: Monitor | None = None
    fatal: str = ""
    late: Counter[str] = field(default_factory=Counter)
    _until: float = 0.0

    def run(self, until: float) -> None:
        """Follow until nothing is left to do after the world has come to rest, or until a moment."""
        self._until = until
        with self._settings():
            while self.world.clock.monotonic() < self._until:
                try:
                    if self.lives:
                        self._revive()
                        self.world.clock.advance(RESTART_SECONDS)
                    self._live()
                except KilledError:
                    self.world.note("the monitor was killed")
                    self.world.happened["a process killed"] += 1
                except StoreError as error:
                    self.world.note(f"the monitor ends: {error.message}")
                else:
                    break

    def share_out(self) -> None:
        """Nobody shares."""

    def kill(self, name: str, after: int, back_after: float | None) -> None:
        """Nobody has a name."""

    def close(self) -> None:
        """The processes are the world's."""

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Rounds as far apart as these worlds have them; versions are forgotten soon where that was drawn."""
        before = monitor_loop.ROUND_SECONDS, monitoring.RETENTION_MIN, monitor_loop.FORGET_SECONDS
        monitor_loop.ROUND_SECONDS = ROUND_SECONDS
        if self.world.plan.forgets:
            monitoring.RETENTION_MIN, monitor_loop.FORGET_SECONDS = timedelta(seconds=1), 10.0
        try:
            with counted_late(self.late):
                yield
        finally:
            monitor_loop.ROUND_SECONDS, monitoring.RETENTION_MIN, monitor_loop.FORGET_SECONDS = before

    @property
    def processes(self) -> list[Process]:
        """Who follows the topics."""
        world = self.world
        return [one for one in (world.process, world.second) if one is not None]

    def _revive(self) -> None:
        self.world.workspace.closing.clear()
        blow = Blow()
        for process in self.processes:
            if self.world.plan.on_disk:
                process.revive(blow)
            else:
                process.open()

    def _live(self) -> None:
        """One life of the process."""
        world, clock = self.world, self.world.clock
        self.lives += 1
        followed = {name: process.following for name, process in self._feeds().items()}
        for following in followed.values():
            following.read_on(world.workspace)
        around = Surroundings({"order": world.contract}, self._reader, world.workspace, clock)
        self.monitor = Monitor(ReconcileRequest(kind=monitoring.KIND), around, followed)
        self.monitor.take_on([world.contract])
        for entity in self.monitor.entities:
            for looker in (entity.watch.looker, *entity.looks.values(), *entity.near.values()):
                looker.clock = clock.monotonic
        self.monitor.hand_over(cast("Any", self.ledger))
        time = RunTime(clock, world.workspace, None, timedelta(minutes=10))
        Rounds(self.monitor, clock, self._keep_arrivals, self._write, self, self._is_over, lambda: None).go(time)

    def _feeds(self) -> dict[str, Process]:
        world = self.world
        return {"shop": world.process, **({} if world.second is None else {"copies": world.second})}

    def _reader(self, reference: Reference) -> Reader:
        return self.world.reader_of(reference)

    def _is_over(self) -> bool:
        now = self.world.clock.monotonic()
        return now >= self._until or (now >= self.world.rests_from and self._has_nothing_to_do())

    def _has_nothing_to_do(self) -> bool:
        monitor = self.monitor
        if monitor is None:
            return False
        entities = monitor.entities
        busy = any(len(one.watch.suspicion.suspects) or len(one.watch.suspicion.settled) for one in entities)
        return not busy and not any(any(one.open().values()) for one in entities)

    def _keep_arrivals(self) -> None:
        self._ask_ledger()

    def _ask_ledger(self) -> None:
        self._strike()
        if self.ledger.is_locked:
            raise LedgerError("the simulated ledger is locked", hint="wait")

    def _write(self, result: RunResult) -> Sequence[Mapping[str, object]]:
        self._ask_ledger()
        if self.ledger.refusing:
            self.ledger.refusing -= 1
            self.world.happened["a ledger that refuses"] += 1
            raise LedgerError("the simulated ledger does not take this", hint="wait")
        self._may_be_fatal("before")
        findings, now = list(result.findings), self.world.clock.monotonic()
        self.world.oracles.recorded(findings)
        self.ledger.record(now, findings)
        self._may_be_fatal("after")
        self._strike()
        return [{"key": str(one.key), "verdict": str(one.verdict)} for one in findings]

    def _strike(self) -> None:
        self.world.process.blow.strike()

    def _may_be_fatal(self, when: str) -> None:
        if self.fatal == when:
            self.fatal = ""
            self.world.happened["a process killed while it records"] += 1
            raise KilledError

    def tell(self, event: str, at: str, **members: Any) -> None:
        """See `auditor.runs.monitor_loop.Watcher`."""
        del at
        if event in ("finding", "trouble", "trouble_over"):
            self.world.note(f"{event} {members}")

    def moment(self, finding: Finding) -> float:
        """When the look began that judged a finding, on the true clock."""
        return max((self.world.clock.moment(read.at) for read in finding.evidence.reads), default=0.0)
