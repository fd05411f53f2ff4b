"""`audit monitor` without an end: round after round, until somebody stops it.

A round reads what there is, lets replicas meet what they owe, looks at what is due, rechecks suspects, and records what
was judged.  It is begun when the one before is over, and a second after that one began at the earliest.

A feed that cannot be read for a while, a store that does not answer, a ledger that is locked: each is told once, and
tried again in the next round.  What was not recorded is not let go of.  What will not pass by itself (a topic that was
made anew, records that were removed unread, a full disk) ends the monitor.
"""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Protocol

from auditor.feeds.process_memory import let_go_of_all
from auditor.reports.collector import collector_paused
from auditor.reports.document import instant_text, run_document
from auditor.run_id import new_run_id
from auditor.runs.consistency import arrived_hours, consistency
from auditor.runs.job import books_for, record_job
from auditor.runs.lease import ledger_for_run
from auditor.runs.monitor import KIND, Monitor, followed_contracts, letters_of, surroundings
from auditor.runs.run_time import RunTime
from auditor.runs.shared_time import shared_clock
from contracts.errors import (
    AuditorError,
    DeadlineError,
    FeedError,
    LedgerBusyError,
    LedgerError,
    PausedFeedError,
    RemadeTopicError,
    RetentionGapError,
    StoreError,
    WorkspaceError,
)
from reconcilers.recheck import MARGIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from types import FrameType

    from auditor.clock import Clock
    from auditor.feeds.ports import Partition
    from auditor.runs.job import Listener
    from auditor.runs.monitored import MonitoredEntity
    from auditor.runs.reconcile import ReconcileRequest
    from auditor.wiring import Wiring
    from contracts.catalog import Catalog
    from reconcilers.tally import RunResult

ROUND_SECONDS = 1.0
"""From one round to the next, at least."""

DRIFT_SECONDS = 10.0
"""Known drift is looked at so often at most: it is to be told when it has gone, and that is not urgent."""

SETTLED_AGAIN_SECONDS = 30.0
"""What stayed undecided, or was found to be in flight, is looked at again after so long, and its lag bound."""

FEED_TROUBLE_SECONDS = 300.0
"""How long a feed may be out of reach: brokers are restarted."""

FORGET_SECONDS = 60.0
ARRIVALS_AGAIN = timedelta(days=1)
"""Changes that were committed so long ago may still be seen to arrive, and their hours are written again."""

_FATAL = (RemadeTopicError, RetentionGapError, WorkspaceError, DeadlineError)


class _StoppedError(DeadlineError):
    """Somebody wants it to end; what has been read is kept."""


class Watcher(Protocol):
    """Who is told what the monitor does."""

    def tell(self, event: str, at: str, **members: object) -> None:
        """Something happened; see docs/reference/monitor-events.md."""
        ...


@dataclass(slots=True)
class Rounds:
    """The state of a monitor that goes on.

    Attributes:
        monitor: What is looked at.
        clock: Tells when.
        keep_arrivals: Writes down how changes have arrived.
        hand_over: Learns what other members of a group have found.
        share_truncates: Tells them of truncates, and hears of theirs.
        know_unredacted: Learns what others have found of redacted fields.
        let_go: Lets go of memory that is not in use any more.
        write: Writes down what was judged, or raises a `LedgerError`; returns the findings as reports show them.
        watcher: Told what happens.
        stop: Whether somebody wants it to end.
        check: Raises where somebody does.
    """

    monitor: Monitor
    clock: Clock
    keep_arrivals: Callable[[], None]
    write: Callable[[RunResult], Sequence[Mapping[str, object]]]
    watcher: Watcher
    stop: Callable[[], bool]
    check: Callable[[], None]
    hand_over: Callable[[], None] = lambda: None
    share_truncates: Callable[[], None] = lambda: None
    know_unredacted: Callable[[], None] = lambda: None
    let_go: Callable[[], None] = lambda: None
    _shares: dict[str, Sequence[Partition]] = field(default_factory=dict)
    _troubles: dict[str, str] = field(default_factory=dict)
    _feed_trouble: dict[str, float] = field(default_factory=dict)
    _signs: dict[str, int] = field(default_factory=dict)
    _looked_at_drift: float = float("-inf")
    _forgot: float = float("-inf")

    def go(self, time: RunTime) -> None:
        """Round after round, until it is stopped or its time is over.

        Raises:
            AuditorError: Something that does not pass by itself.
        """
        while not self.stop():
            began = self.clock.monotonic()
            self._read()
            self._share()
            for told in self.monitor.tell_of_feeds():
                self._tell("incomplete", **told)
            for entity in self.monitor.entities:
                self._open_stores(entity)
                if not self.stop():
                    self._try(entity.contract.entity, lambda entity=entity: self._look(entity))  # type: ignore[misc]
            self._record()
            self._tell_progress()
            self._forget()
            time.check()
            self.clock.wait_until(began + ROUND_SECONDS, self.stop)

    def _read(self) -> None:
        for name, following in self.monitor.followed.items():
            try:
                following.read_on(self.monitor.around.workspace, self.check)
            except _FATAL:
                raise
            except FeedError as error:
                since = self._feed_trouble.setdefault(name, self.clock.monotonic())
                waits = isinstance(error, PausedFeedError)
                if not waits and self.clock.monotonic() - since > FEED_TROUBLE_SECONDS:
                    raise
                self._trouble(name, error)
            else:
                self._feed_trouble.pop(name, None)
                self._over(name)

    def _share(self) -> None:
        """See which partitions are ours, where others share the work."""
        if not self.monitor.request.member:
            return
        share = {name: following.partitions() for name, following in self.monitor.followed.items()}
        if share == self._shares:
            return
        self.monitor.let_go_of_lost()
        try:
            self.hand_over()
        except LedgerError as error:
            self._trouble("ledger", error)
            return
        self._shares = share
        for name, partitions in share.items():
            self._tell("assigned", feed=name, partitions=[f"{topic}/{part}" for topic, part in partitions])

    def _open_stores(self, entity: MonitoredEntity) -> None:
        """See that each store is there, once: that it is not is told although nothing may be owed."""
        for name in list(entity.unopened):
            what = f"{entity.contract.entity}/{name or 'owner'}"
            self._try(what, lambda name=name: entity.open_store(name))  # type: ignore[misc]

    def _look(self, entity: MonitoredEntity) -> None:
        entity.meet()
        entity.look(self._due(entity))
        entity.add_gone(entity.gone)
        entity.gone = []
        entity.watch.suspicion.look_again(entity.watch.looker, self.clock)

    def _due(self, entity: MonitoredEntity) -> dict[str, datetime]:
        """What was read before these moments is due."""
        now = self.clock.now().astimezone(UTC).replace(tzinfo=None)
        margin = timedelta(seconds=MARGIN_SECONDS)
        return {one.name: now - one.lag_bound - margin for one in entity.contract.replicas}

    def _try(self, what: str, act: Callable[[], None]) -> None:
        """Do something that may fail for a while."""
        try:
            act()
        except _FATAL:
            raise
        except StoreError as error:
            self._trouble(what, error)
        else:
            self._over(what)

    def _trouble(self, what: str, error: AuditorError) -> None:
        """Tell of trouble, once."""
        if self._troubles.get(what) != error.message:
            self._troubles[what] = error.message
            self._tell("trouble", what=what, message=str(error))

    def _over(self, what: str) -> None:
        if self._troubles.pop(what, None) is not None:
            self._tell("trouble_over", what=what)

    def _record(self) -> None:
        """Write down what was judged; where that fails, it is tried again."""
        now = self.clock.monotonic()
        if now - self._looked_at_drift >= DRIFT_SECONDS:
            self._looked_at_drift = now
            self._share_truncates()
            self._know_unredacted()
            for entity in self.monitor.entities:
                self._try(entity.contract.entity, lambda entity=entity: self._look_at_drift(entity))  # type: ignore[misc]
        for entity in self.monitor.entities:
            if len(entity.watch.suspicion.settled):
                bounds = [one.lag_bound.total_seconds() for one in entity.contract.replicas]
                entity.sift(SETTLED_AGAIN_SECONDS + max(bounds, default=0.0))
        if not any(len(entity.watch.suspicion.settled) for entity in self.monitor.entities):
            return
        try:
            told = self._recorded()
        except LedgerBusyError:
            self._over("ledger")  # it answers; what was found waits until that run is over
            return
        except (LedgerError, FeedError) as error:
            self._trouble("ledger", error)
            return
        self._over("ledger")
        for finding in told:
            self._tell("finding", finding=finding)

    def _recorded(self) -> Sequence[Mapping[str, object]]:
        """Record what was judged, and let go of it; what could not be recorded is still there.

        Raises:
            LedgerError: It could not be recorded.
            FeedError: A broker cannot be asked whether it is ours to record.
        """
        if self.monitor.let_go_of_lost(asking=True):
            return []  # some of it is judged elsewhere now; what is ours is looked at again
        now = self.clock.now()
        result = self.monitor.result(new_run_id(now), now)
        findings = list(result.findings)
        try:
            told = self.write(result)
        except LedgerError:
            self.monitor.keep(findings)
            raise
        self.monitor.settle(findings)
        self.monitor.begin_anew()
        return told

    def _share_truncates(self) -> None:
        try:
            self.share_truncates()
        except LedgerError as error:
            self._trouble("ledger", error)

    def _know_unredacted(self) -> None:
        try:
            self.know_unredacted()
        except LedgerError as error:
            self._trouble("ledger", error)

    def _look_at_drift(self, entity: MonitoredEntity) -> None:
        entity.add_gone(entity.look_at_drift(entity.drifting(), again=False))
        entity.add_gone(entity.look_at_known())
        entity.add_gone(entity.look_at_watched())
        for remark in entity.note_untold():
            self.monitor.around.say(f"{entity.contract.entity}: {remark}")

    def _forget(self) -> None:
        now = self.clock.monotonic()
        if now - self._forgot < FORGET_SECONDS:
            return
        self._forgot = now
        at = self.clock.now()
        self.monitor.forget(at)
        self.let_go()
        try:
            self.keep_arrivals()
        except LedgerError as error:
            self._trouble("ledger", error)
        self.tell_signs()
        self._tell("consistency", replicas=consistency(self.monitor.entities, at))

    def tell_signs(self, *, asking: bool = True) -> None:
        """Tell the signs that are new, or of which there is more than there was; see `Monitor.signs`."""
        try:
            signs = self.monitor.signs(asking=asking)
        except FeedError as error:
            self._trouble("signs", error)
            return
        self._over("signs")
        for sign in signs:
            name = f"{sign['feed']}/{sign['topic']}/{sign['sign']}"
            if sign["records"] > self._signs.get(name, 0):
                self._tell("sign", **sign)
            self._signs[name] = sign["records"]

    def _tell_progress(self) -> None:
        feeds = self.monitor.followed
        lag: dict[str, int] = {}
        for name, following in feeds.items():
            if name not in self._feed_trouble:
                lag |= {f"{name}/{topic}/{part}": behind for (topic, part), behind in following.lag().items()}
        entities = self.monitor.entities
        self._tell(
            "progress",
            records={name: following.records for name, following in feeds.items()},
            lag=lag,
            open={key: count for entity in entities for key, count in entity.open().items()},
            suspects=sum(len(entity.watch.suspicion.suspects) for entity in entities),
            drifting=sum(len(entity.drifting()) for entity in entities),
        )

    def _tell(self, event: str, **members: object) -> None:
        self.watcher.tell(event, instant_text(self.clock.now()), **members)


def follow(
    request: ReconcileRequest, wiring: Wiring, catalog: Catalog, clock: Clock, listener: Listener, watcher: Watcher
) -> None:
    """Follow the feeds until SIGTERM, SIGINT or the deadline: then the round under way is finished.

    Raises:
        AuditorError: Nothing can be monitored, or something that does not pass by itself.
    """
    scope, unfollowed = followed_contracts(request, catalog.contracts)
    for warning in wiring.expect(scope, catalog.contracts):
        listener.say(warning)
    clock = shared_clock(wiring, clock, listener.say)
    wiring.say = listener.say
    with ExitStack() as held:
        stop = held.enter_context(_stopping())
        with wiring.ledger() as ledger:  # trouble is told before anything is read
            ledger.hash_key()
        feeds = wiring.monitor(catalog.contracts.values(), scope, request.member)
        workspace = held.enter_context(wiring.workspace())
        held.enter_context(collector_paused())
        time = RunTime(clock, workspace, None, request.max_wait)
        if request.deadline is not None:
            time.ends = clock.monotonic() + request.deadline.total_seconds()
        around = surroundings(wiring, catalog, workspace, clock, listener)

        def check() -> None:
            if stop.is_set():
                raise _StoppedError("stopped")
            time.check()

        try:
            monitor = Monitor(
                replace(request, kind=KIND), around, feeds.open(workspace, check), letters=letters_of(wiring, feeds)
            )
            monitor.take_on(scope)
            names = [entity.contract.entity for entity in monitor.entities]
            members = {"entities": names, "not_followed": list(unfollowed), "feeds": sorted(monitor.followed)}
            watcher.tell("started", instant_text(clock.now()), **members)
            recorder = _Recorder(monitor, wiring, catalog, clock, listener)
            recorder.hand_over()
            rounds = Rounds(
                monitor, clock, recorder.keep_arrivals, recorder.write, watcher, stop.is_set, check,
                recorder.hand_over, recorder.share_truncates, recorder.know_unredacted, let_go_of_all,
            )  # fmt: skip
            try:
                _go(rounds, time, listener)
            finally:
                try:
                    recorder.keep_arrivals()
                except LedgerError as error:  # the next monitor counts them from the state once more
                    listener.say(f"how soon changes arrived is not in the ledger yet: {error}")
            rounds.tell_signs(asking=False)  # somebody waits for the end
            watcher.tell("consistency", instant_text(clock.now()), replicas=consistency(monitor.entities, clock.now()))
        except _StoppedError:
            pass
        except DeadlineError:
            listener.say(_AT_THE_DEADLINE)
        watcher.tell("stopped", instant_text(clock.now()))


def _go(rounds: Rounds, time: RunTime, listener: Listener) -> None:
    """Go round until there is an end to it."""
    try:
        rounds.go(time)
    except _StoppedError:
        pass
    except DeadlineError:
        listener.say(_AT_THE_DEADLINE)


_AT_THE_DEADLINE = "the deadline has come; what is owed is kept for the next call"


@dataclass(slots=True)
class _Recorder:
    """Writes what was judged into the ledger, as a run of its own."""

    monitor: Monitor
    wiring: Wiring
    catalog: Catalog
    clock: Clock
    listener: Listener
    kept_from: datetime | None = None

    def keep_arrivals(self) -> None:
        """Write down how changes have arrived since the hour before the last time.

        Raises:
            LedgerError: They could not be written.
        """
        hours = arrived_hours(self.monitor.hours(self.kept_from))
        with self.wiring.ledger() as ledger:
            ledger.put_arrivals(hours, self.monitor.request.member)
        self.kept_from = self.clock.now().astimezone(UTC).replace(tzinfo=None) - ARRIVALS_AGAIN

    def hand_over(self) -> None:
        """See `Monitor.hand_over`.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        with self.wiring.ledger() as ledger:
            self.monitor.hand_over(ledger, books_for(self.wiring, self.catalog, ledger).masker())

    def share_truncates(self) -> None:
        """See `Monitor.share_truncates`.

        Raises:
            LedgerError: The ledger cannot be read or written.
        """
        if self.monitor.request.member:
            with self.wiring.ledger() as ledger:
                self.monitor.share_truncates(ledger)

    def know_unredacted(self) -> None:
        """See `Monitor.know_unredacted`: of what drifts a run may have told more meanwhile.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        some = [entity for entity in self.monitor.entities if entity.redacts and entity.drifting()]
        if some:
            with self.wiring.ledger() as ledger:
                self.monitor.know_unredacted(ledger, some)

    def write(self, result: RunResult) -> list[Mapping[str, object]]:
        """Write a run into the ledger; returns the findings as reports show them.

        Raises:
            LedgerError: It could not be recorded.
        """
        document = run_document(result, self.catalog.contracts)
        with ledger_for_run(self.wiring, (), result.run_id, self.listener.say) as ledger:
            books = books_for(self.wiring, self.catalog, ledger)
            job = record_job(self.monitor.request, result, document, books, self.monitor.around.workspace.overflow)
        if job.ledger_error is not None:
            raise job.ledger_error
        return [dict(finding) for finding in job.findings]


@dataclass(slots=True)
class _Stop:
    """Whether somebody wants it to end; no event, whose lock a second signal would find taken by the first."""

    asked: bool = False

    def is_set(self) -> bool:
        """Whether somebody does."""
        return self.asked


@contextmanager
def _stopping() -> Iterator[_Stop]:
    """Hear of SIGTERM and SIGINT; a second one ends everything at once."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread is told of signals
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
