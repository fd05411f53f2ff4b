"""`audit monitor`: follow the change streams, and say what the copies owe their owners.

Reading a feed obliges the replicas (`reconcilers.streams.obligations`).  What they owe is looked at, suspects are
rechecked as in the nightly job, and what is found is recorded in the ledger under the same identities, so that both
speak of the same drift.  The ledger is written first and the obligations are let go of then: killed in between, a
monitor finds the same again and records it as what it is.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING, Any

from auditor.interruption import interruptible
from auditor.reports.collector import collector_paused
from auditor.reports.document import run_document
from auditor.reports.monitor_events import consistency_lines
from auditor.reports.words import sign_line
from auditor.run_id import new_run_id
from auditor.runs.consistency import HOURS_KEPT, arrived_hours, consistency
from auditor.runs.job import Job, books_for, record_job
from auditor.runs.lease import ledger_for_run
from auditor.runs.monitored import MonitoredEntity, nothing_seen
from auditor.runs.reconcile import (
    EntityRun,
    ReconcileRequest,
    Watch,
    in_scope,
    look_again,
    looker,
    run_result,
    tell_late,
)
from auditor.runs.run_time import RunTime
from auditor.runs.shared_time import shared_clock
from auditor.runs.surroundings import Surroundings
from auditor.runs.suspicion import Suspicion
from contracts.contract import DatasetRef
from contracts.errors import AuditorError, DeadlineError, PausedFeedError, StoreError, UsageError
from reconcilers.arrivals import Arrivals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from auditor.clock import Clock
    from auditor.feeds.following import Following
    from auditor.feeds.monitored import MonitoredFeeds
    from auditor.ledger.ledger import Ledger
    from auditor.masking import Masker
    from auditor.runs.job import Listener
    from auditor.wiring import Wiring
    from contracts.catalog import Catalog
    from contracts.contract import Contract, Replica
    from reconcilers.finding import Finding
    from reconcilers.ports import Reader
    from reconcilers.streams.obligations import Hour
    from reconcilers.tally import RunResult
    from reconcilers.workspace import Workspace

KIND = "monitor"

LINE_WIDTH = 80
"""Columns of what is said at the end of a run."""

RETENTION_MIN = timedelta(days=1)
"""Versions are remembered for so long at least, and for RETENTION_BOUNDS of the longest lag bound."""

RETENTION_BOUNDS = 4

HANDED_MAX = 100_000
"""Open findings of an entity that another member of the group may have found: some 10 MB; the latest of more."""

NO_FEED = "its owner has no feed"
NO_REPLICA = "it has no replica"
"""Why an entity is not followed."""

TAKEN_MAX = 5
"""How often partitions may be taken from a job that is to end, before it gives up."""


@dataclass(slots=True)
class Monitor:
    """The entities that are monitored, with what they are looked at with.

    Attributes:
        request: What is monitored, and how long is waited.
        around: What looks are had with.
        followed: The feeds, by name.
        entities: Those that can be looked at.
        runs: All in scope.
        letters: What others have put away; see `auditor.feeds.dead_letters`.
    """

    request: ReconcileRequest
    around: Surroundings
    followed: Mapping[str, Following]
    entities: list[MonitoredEntity] = field(default_factory=list)
    runs: list[EntityRun] = field(default_factory=list)
    letters: Callable[[], list[dict[str, Any]]] = list
    _told_of_feeds: set[tuple[str, str | None, str]] = field(default_factory=set)
    _losses: dict[str, int] = field(default_factory=dict)

    def take_on(self, contracts: Sequence[Contract]) -> None:
        """Prepare to look at these."""
        from auditor.feeds.monitored import duties

        self.around.workspace.know_functions()

        for number, contract in enumerate(contracts):
            run = EntityRun(contract)
            self.runs.append(run)
            try:
                looking = looker(contract, self.around, prefix=f"m{number}_")
                looks = {
                    copy.name: looker(replace(contract, replicas=(copy,)), self.around, prefix=f"m{number}_{i}_")
                    for i, copy in enumerate(contract.replicas)
                }
                near = {
                    copy.name: looker(_by_feeds(contract, copy), self.around, prefix=f"n{number}_{i}_")
                    for i, copy in enumerate(contract.replicas)
                    if copy.dataset is None and copy.feed is not None
                }
                unopened = self._stores(contract)
                measures = {name: self._measure(contract, name, f"a{number}_{name}_") for name in near}
            except AuditorError as error:
                self._fail(run, error)
                continue
            bounds = {replica.name: self._bound(replica.name, contract) for replica in contract.replicas}
            around = self.around
            run.watch = Watch(looking, Suspicion(bounds, overflow=around.workspace.overflow, together=around.together))
            run.first = nothing_seen(contract)
            run.followed = dict.fromkeys(run.first.replicas, 0)
            mine = [(self.followed[name], duty) for name, duty in duties(contract)]
            entity = MonitoredEntity(run, mine, around.workspace.cursor(), around.clock, looks, near, measures)
            entity.unopened = unopened
            self.entities.append(entity)

    def _stores(self, contract: Contract) -> dict[str | None, Reader]:
        """Who reads the stores of an entity, by replica; feeds are read already."""
        make = self.around.confirmer or self.around.reader
        places = [(one.name, one.reference) for one in contract.replicas]
        every = [(None, contract.owner.reference), *places]
        return {name: make(place) for name, place in every if isinstance(place, DatasetRef)}

    def refuse(self, contract: Contract, why: str) -> None:
        """Somebody has asked for an entity that cannot be followed."""
        run = EntityRun(contract)
        self.runs.append(run)
        run.error = why
        run.reasons.add("incomplete")

    def _measure(self, contract: Contract, name: str, prefix: str) -> Arrivals:
        replica = next(one for one in contract.replicas if one.name == name)
        if contract.owner.feed is None or replica.feed is None:
            raise TypeError(f"{contract.entity} at {name} is not followed")
        readers = self.around.reader(contract.owner.feed), self.around.reader(replica.feed)
        return Arrivals(self.around.workspace, contract, replica, readers, prefix)

    def _bound(self, name: str, contract: Contract) -> float:
        return next(one.lag_bound for one in contract.replicas if one.name == name).total_seconds()

    def _fail(self, run: EntityRun, error: AuditorError) -> None:
        run.error = str(error)
        run.reasons.add("incomplete" if isinstance(error, DeadlineError) else "unreadable")
        self.around.say(f"{run.contract.entity}: {error}")

    def look_at_everything(self, time: RunTime) -> list[Finding]:
        """Look at all that is owed and at the drift that is known; returns the drift that is no more."""
        gone: list[Finding] = []
        for entity in self.entities:
            try:
                time.check()
                self._open_stores(entity)
                found = entity.look_at_drift(entity.drifting())
                entity.look()
                entity.note_untold()
                found += [*entity.gone, *entity.look_at_known(), *entity.look_at_watched()]
                entity.gone = []
                gone += {one.identity: one for one in found}.values()  # what changed meanwhile is seen twice
            except AuditorError as error:
                self._fail(entity.run, error)
        return gone

    def _open_stores(self, entity: MonitoredEntity) -> None:
        """See that every store of an entity is there; that a replica's is not is noted with the replica.

        Raises:
            StoreError: The owner's is not.
        """
        for name in list(entity.unopened):
            try:
                entity.open_store(name)
            except StoreError as error:
                if name is None or entity.run.first is None:
                    raise
                copy = entity.run.first.replicas[name]
                copy.error = copy.error or str(error)

    def hand_over(self, ledger: Ledger, masker: Masker | None = None) -> None:
        """Learn which findings are open, whoever has found them: who has their keys tells when they are gone.

        That may have been this one, killed when they were in the ledger and not in its own state.

        Args:
            ledger: It.
            masker: Has made what stands there; None: nothing is masked.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        self.share_truncates(ledger)
        for entity in self.entities:
            if masker is not None:
                entity.named = lambda finding: masker.finding(finding).identity
            entity.handed = ledger.open_ids(entity.contract.entity, HANDED_MAX)
            entity.learn_closed(ledger.closed_ids)
            self.know_unredacted(ledger, [entity])
            entity.take_over(ledger.open_findings(entity.contract.entity, HANDED_MAX))

    def know_unredacted(self, ledger: Ledger, entities: Iterable[MonitoredEntity]) -> None:
        """Learn which findings about redacted fields are open.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        for entity in entities:
            if entity.redacts:
                entity.know_unredacted(ledger.open_findings(entity.contract.entity, HANDED_MAX))

    def share_truncates(self, ledger: Ledger) -> None:
        """Tell the other members of the groups of truncates, and hear of theirs: each is told in one partition alone.

        Raises:
            LedgerError: The ledger cannot be read or written.
        """
        for name, following in self.followed.items() if self.request.member else ():
            following.hear(ledger.share_truncates(name, following.truncates()))

    def let_go_of_lost(self, *, asking: bool = False) -> bool:
        """Suspect nothing any more of feeds of which partitions were taken from us; returns whether there are any.

        Args:
            asking: Ask the groups, too, whether we are members still.
        """
        lost = {
            name
            for name, following in self.followed.items()
            if following.losses != self._losses.get(name, 0) or (asking and not following.hold())
        }
        self._losses = {name: following.losses for name, following in self.followed.items()}
        for entity in self.entities:
            if lost & {following.feed for following, _ in entity.duties}:
                entity.let_go_of_all()
        return bool(lost)

    def recheck(self, time: RunTime) -> None:
        """Look again at suspects while something can be settled before `max_wait` or the run's time is over."""
        clock, watches = self.around.clock, [entity.watch for entity in self.entities]
        deadline = min(clock.monotonic() + self.request.max_wait.total_seconds(), time.ends)
        try:
            look_again(watches, deadline, self.around)
        except DeadlineError as error:
            self.around.say(f"what was to be looked at again is left to the next run: {error.message}")
        for watch in watches:
            watch.suspicion.give_up(clock.now())
        tell_late(self.runs, self.around)

    def tell_of_feeds(self) -> list[dict[str, str | None]]:
        """Note what of the feeds is not known, with the side that is known by it; returns what had not been told."""
        news: list[dict[str, str | None]] = []
        for entity in self.entities:
            for following, duty in entity.duties:
                note = following.incomplete(duty.topic) or following.remade.get(duty.topic)
                if not note:
                    continue
                told = f"{following.feed}/{duty.topic}: {note}"
                replica = None if duty.by_owner else duty.replica
                notes = _notes(entity, replica)
                if told not in notes:
                    notes.append(told)
                if (entity.contract.entity, replica, told) not in self._told_of_feeds:
                    self._told_of_feeds.add((entity.contract.entity, replica, told))
                    place = {"entity": entity.contract.entity, "replica": replica, "feed": following.feed}
                    news.append({**place, "topic": duty.topic, "message": note})
        return news

    def result(self, run_id: str, started: datetime) -> RunResult:
        """Everything that was found."""
        for entity in self.entities:
            entity.count_keys()
            first, share = entity.run.first, entity.share()
            if share and first is not None and share not in first.remarks:
                first.remarks.append(share)
        return run_result(self.runs, self.request, self.around, run_id, started)

    def hours(self, since: datetime | None = None) -> list[Hour]:
        """How changes have arrived; `since` in UTC without a zone."""
        return [hour for entity in self.entities for hour in entity.hours(since)]

    def forget(self, now: datetime) -> None:
        """Let go of what is remembered for longer than it is of use; the latest version of each key stays."""
        bounds = [one.lag_bound for entity in self.entities for one in entity.contract.replicas]
        kept = max(RETENTION_MIN, RETENTION_BOUNDS * max(bounds, default=timedelta()))
        for following in self.followed.values():
            following.forget_before(now.astimezone(UTC) - kept)
            following.state.compact_arrivals(now - HOURS_KEPT)

    def signs(self, coming: Iterable[Finding] = (), *, asking: bool = True) -> list[dict[str, Any]]:
        """Signs of trouble in the topics, with their counts.

        Args:
            coming: What is about to be settled.
            asking: What others have put away is looked for, too: a broker is asked, who may not answer.

        Raises:
            FeedError: A topic cannot be read.
        """
        some = list(coming)
        mine = [[one for one in some if one.entity == entity.contract.entity] for entity in self.entities]
        found = [sign for entity, news in zip(self.entities, mine, strict=True) for sign in entity.signs(news)]
        return found + (self.letters() if asking else [])

    def settle(self, findings: Sequence[Finding]) -> None:
        """Keep what was found, once it is recorded."""
        for entity in self.entities:
            entity.settle(one for one in findings if one.entity == entity.contract.entity)

    def keep(self, findings: Sequence[Finding]) -> None:
        """Have what was found as it was: it could not be recorded, and is to be recorded later."""
        for entity in self.entities:
            entity.watch.suspicion.put_back(one for one in findings if one.entity == entity.contract.entity)

    def begin_anew(self) -> None:
        """Count from nothing on, with nothing found: all of it is recorded."""
        self.keep(())
        for entity in self.entities:
            entity.begin_anew()


def catch_up(request: ReconcileRequest, wiring: Wiring, catalog: Catalog, clock: Clock, listener: Listener) -> Job:
    """Read everything that the feeds have, look at what is owed, recheck, record: `--until-caught-up`.

    Raises:
        AuditorError: Nothing could be monitored: no contract has a feed, a feed cannot be read, another monitor.
    """
    scope, unfollowed = followed_contracts(request, catalog.contracts)
    for name, why in unfollowed.items():
        listener.say(f"{name}: {why}, so it is not followed; `audit reconcile` looks at it")
    for warning in wiring.expect(scope, catalog.contracts):
        listener.say(warning)
    clock = shared_clock(wiring, clock, listener.say)
    wiring.say = listener.say
    started, run_id = clock.now(), new_run_id(clock.now())
    with ExitStack() as held:
        feeds = wiring.monitor(catalog.contracts.values(), scope, request.member)
        workspace = held.enter_context(wiring.workspace())
        held.enter_context(interruptible(workspace.interrupt))
        held.enter_context(collector_paused())
        ledger = held.enter_context(ledger_for_run(wiring, (), run_id, listener.say))
        books = books_for(wiring, catalog, ledger)
        time = RunTime(clock, workspace, request.deadline, request.max_wait)
        with time.running():
            around = surroundings(wiring, catalog, workspace, clock, listener)
            monitor = Monitor(
                replace(request, kind=KIND), around, feeds.open(workspace), letters=letters_of(wiring, feeds)
            )
            monitor.take_on(scope)
            for name in unfollowed:
                if name in request.entities:
                    monitor.refuse(catalog.contracts[name], f"{NO_FEED}, so it is not followed")
            gone = _judged(monitor, ledger, books.masker(), time)
        for told in monitor.tell_of_feeds():
            listener.say(f"{told['entity']}: {told['feed']}/{told['topic']}: {told['message']}")
        healed(monitor, gone)
        result = monitor.result(run_id, started)
        findings = list(result.findings)
        document = run_document(result, catalog.contracts)
        if unfollowed:
            document["not_followed"] = [{"entity": name, "why": why} for name, why in unfollowed.items()]
        document["signs"] = signs = monitor.signs(findings)
        for sign in signs:
            listener.say(sign_line(sign))
        job = record_job(replace(request, kind=KIND), result, document, books, workspace.overflow)
        if job.ledger_error is None:
            monitor.settle(findings)
            ledger.put_arrivals(arrived_hours(monitor.hours()), request.member)
        monitor.forget(clock.now())
        job.document["consistency"] = consistency(monitor.entities, clock.now())
        for line in consistency_lines(job.document["consistency"]):
            listener.say(fill(line, LINE_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
        return job


def letters_of(wiring: Wiring, feeds: MonitoredFeeds) -> Callable[[], list[dict[str, Any]]]:
    """Counts what others have put away of the feeds that are monitored."""
    from auditor.feeds.dead_letters import dead_letter_signs

    return partial(dead_letter_signs, wiring.settings, feeds.names)


def _judged(monitor: Monitor, ledger: Ledger, masker: Masker, time: RunTime) -> list[Finding]:
    """Look at everything and recheck; again where partitions were taken from us meanwhile.

    Returns:
        The drift that is no more.
    """
    for _ in range(TAKEN_MAX):
        monitor.hand_over(ledger, masker)
        gone = monitor.look_at_everything(time)
        monitor.recheck(time)
        if not monitor.let_go_of_lost(asking=True):
            return gone
    raise PausedFeedError(
        f"monitoring: {TAKEN_MAX} times partitions were taken from this member while it looked; nothing was recorded",
        hint="wait until the members of the group have come to rest, and call it again",
    )


def surroundings(
    wiring: Wiring, catalog: Catalog, workspace: Workspace, clock: Clock, listener: Listener
) -> Surroundings:
    """What a monitor looks with."""
    return Surroundings(
        catalog.contracts, wiring.scanner, workspace, clock, listener.say,
        confirmer=wiring.confirmer, applied=wiring.applied, loads=wiring.loads,
    )  # fmt: skip


def healed(monitor: Monitor, gone: Sequence[Finding]) -> None:
    """Put the drift that is no more among what the run has found."""
    for entity in monitor.entities:
        entity.add_gone(one for one in gone if one.entity == entity.contract.entity)


def followed_contracts(
    request: ReconcileRequest, contracts: Mapping[str, Contract]
) -> tuple[list[Contract], dict[str, str]]:
    """The contracts in scope that can be followed, as they are monitored, and why the others cannot, by name.

    References are left to the nightly job: they would have the whole owner of another entity read at each look.

    Raises:
        UsageError: None can be.
    """
    chosen = in_scope(request, contracts)
    unfollowed = {contract.entity: why for contract in chosen if (why := _unfollowed(contract))}
    followed = [_without_references(contract) for contract in chosen if contract.entity not in unfollowed]
    if followed:
        return followed, unfollowed
    doing = f"monitoring {', '.join(unfollowed) or 'nothing'}"
    if NO_REPLICA not in unfollowed.values():
        hint = "name one under `owner` in a contract: `feed: {name: FEED, topic: TOPIC}`"
        raise UsageError(f"{doing}: no owner has a feed", hint=hint)
    told = "; ".join(f"{name}: {why}" for name, why in unfollowed.items())
    raise UsageError(
        f"{doing}: nothing can be followed ({told})",
        hint="a monitor follows what replicas owe to an owner with a feed; `audit reconcile` looks at owners alone",
    )


def _unfollowed(contract: Contract) -> str:
    """Why an entity is not followed; empty where it is."""
    if contract.owner.feed is None:
        return NO_FEED
    return "" if contract.replicas else NO_REPLICA


def _notes(entity: MonitoredEntity, replica: str | None) -> list[str]:
    """Why one side of an entity is not known whole; None: its owner, on which all that is compared depends."""
    first = entity.run.first
    if first is None:
        raise TypeError(f"{entity.contract.entity} was not begun")
    return first.notes if replica is None else first.replicas[replica].notes


def _by_feeds(contract: Contract, copy: Replica) -> Contract:
    """The owner's feed and one replica's: nothing of it is anywhere else than here."""
    return replace(contract, owner=replace(contract.owner, dataset=None, query=None), replicas=(copy,), invariants=())


def _without_references(contract: Contract) -> Contract:
    fields = {name: replace(one, references=None) for name, one in contract.fields.items()}
    return replace(contract, fields=fields)
