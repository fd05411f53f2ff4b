"""`audit reconcile`: compare every owner in scope with its replicas, recheck what differs, and say what is drift.

The order of things: look at each entity once, wait until the suspects' lag bounds have passed, look at the suspects
again until they are settled or no time is left, count, decide the exit code.  Nothing is written here but the
workspace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from auditor.runs.first_look import FirstLook
from auditor.runs.lateness import tell_late_replicas
from auditor.runs.run_time import RunTime
from auditor.runs.suspicion import Suspicion
from contracts.errors import AuditorError, DeadlineError, StoreError, UsageError, WorkspaceError
from contracts.expression import check_types
from contracts.logical_types import Kind
from reconcilers.finding import Verdict
from reconcilers.look import EntityLook, Looker, Readers, ReplicaLook
from reconcilers.packing import finding_of, packed_finding, packed_sight, sight_of
from reconcilers.recheck import SILENCE_SECONDS
from reconcilers.tally import Coverage, EntityTally, ReplicaTally, RunResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditor.quantities import Window
    from auditor.runs.anchors import Standing
    from auditor.runs.checkpoints import Kept
    from auditor.runs.first_look import Outcome
    from auditor.runs.surroundings import Surroundings
    from contracts.contract import AppliedBy, Contract, FeedRef, Reference, Replica
    from contracts.expression import Expression
    from reconcilers.finding import Finding
    from reconcilers.ports import Reader
    from reconcilers.spill import Spill
    from reconcilers.tally import Incremental
    from reconcilers.watermark import Watermark

MakeReader = Callable[["Reference"], "Reader"]
"""Makes the reader of a dataset."""

Applied = Callable[[], "Mapping[int, int]"]
"""Asks how far whoever fills a replica has come in each partition."""

MAX_WAIT_DEFAULT = timedelta(minutes=10)
EXIT_REASONS = ("drift", "suspects", "undecided", "incomplete", "unreadable", "empty_owner")
"""In the order in which reports list them."""
TROUBLE = frozenset(EXIT_REASONS) - {"drift", "suspects"}


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """What to reconcile and how long to wait.

    Attributes:
        entities: Names; empty means all.
        replica: Only this replica, or None.
        recheck: False reports first differences as suspects.
        recheck_after: In place of every lag bound, or None.
        max_wait: A suspect that needs longer stays in flight.
        where: Only these owner rows, in contract names, or None.
        undecided_tolerated: Undecided keys that are not yet trouble.
        deadline: When the whole run is to be over, from its start on; None: whenever it is.
        kind: What the run is called in reports and in the ledger.
        incremental: Read only what has changed since a clean run and a share of the rest, wherever that is sound.
        member: Of a monitor: its name among those who share the work; empty: it is alone.
    """

    entities: tuple[str, ...] = ()
    replica: str | None = None
    recheck: bool = True
    recheck_after: timedelta | None = None
    max_wait: timedelta = MAX_WAIT_DEFAULT
    undecided_tolerated: int = 0
    where: Expression | None = None
    deadline: timedelta | None = None
    kind: str = "reconcile"
    incremental: bool = False
    member: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """An entity that could be looked at: who looks, and what is suspect."""

    looker: Looker
    suspicion: Suspicion


@dataclass(slots=True)
class EntityRun:
    """One entity on its way through a run.

    `watch` and `first` are None where the owner could not be read, `incremental` where everything was read, `standing`
    where nothing can be gone on from.  `followed`: how many keys of each replica a monitor has looked at; None where
    more than that is in scope.
    """

    contract: Contract
    watch: Watch | None = None
    first: EntityLook | None = None
    incremental: Incremental | None = None
    standing: Standing | None = None
    followed: dict[str, int] | None = None
    error: str = ""
    reasons: set[str] = field(default_factory=set)


def reconcile(request: ReconcileRequest, around: Surroundings, run_id: str) -> RunResult:
    """Run the job; see the module's docstring.

    Raises:
        UsageError: An entity or a replica is unknown.
    """
    started = around.clock.now() if around.checkpoints is None else around.checkpoints.started_at
    runs = [EntityRun(contract) for contract in in_scope(request, around.contracts)]
    _check_where(request, runs)
    time = RunTime(around.clock, around.workspace, request.deadline, request.max_wait)
    with time.running():
        for number, run in enumerate(runs):
            _look(run, request, around, time, number)
            _keep(run, around, more=request.recheck or number + 1 < len(runs))
        if request.recheck:
            _recheck(runs, request, around, time)
            tell_late(runs, around)
        else:
            for watch in _watches(runs):
                watch.suspicion.leave()
        if around.clock.monotonic() < time.ends:
            _ask_unread(runs, around)
    return run_result(runs, request, around, run_id, started)


def in_scope(request: ReconcileRequest, contracts: Mapping[str, Contract]) -> list[Contract]:
    """The contracts that a request is about, each with the replicas in scope only.

    Raises:
        UsageError: An entity or a replica is unknown; the message lists the known ones.
    """
    unknown = [entity for entity in request.entities if entity not in contracts]
    if unknown:
        raise UsageError(
            f"no contract is about {', '.join(map(repr, unknown))}; "
            f"known entities: {', '.join(sorted(contracts)) or 'none'}",
            hint="see `audit contracts owners`",
        )
    chosen = [contracts[entity] for entity in dict.fromkeys(request.entities)] or list(contracts.values())
    if request.replica is None:
        return chosen
    return _only_replica(chosen, request.replica)


def _check_where(request: ReconcileRequest, runs: Sequence[EntityRun]) -> None:
    """The run's filter must make sense for every entity in scope."""
    for run in runs if request.where is not None else ():
        types = {name: declared.type for name, declared in run.contract.fields.items()}
        problems = check_types(request.where, types, wanted=Kind.BOOL)  # type: ignore[arg-type]
        if problems:
            raise UsageError(
                f"--where does not fit {run.contract.entity}: {'; '.join(problems)}",
                hint=f"name the entity that it is about; fields: {', '.join(types)}",
            )


def _only_replica(contracts: Sequence[Contract], name: str) -> list[Contract]:
    kept = [
        replace(contract, replicas=tuple(replica for replica in contract.replicas if replica.name == name))
        for contract in contracts
        if any(replica.name == name for replica in contract.replicas)
    ]
    if not kept:
        known = sorted({replica.name for contract in contracts for replica in contract.replicas})
        raise UsageError(
            f"no replica in scope is called {name!r}; known: {', '.join(known) or 'none'}",
            hint="see `audit contracts owners`",
        )
    return kept


# -- looking -----------------------------------------------------------------------------------------------------------


def _look(run: EntityRun, request: ReconcileRequest, around: Surroundings, time: RunTime, number: int) -> None:
    try:
        looking = looker(run.contract, around, where=request.where, prefix=f"e{number}_")
        seen = _seen(run, request, looking, around, time)
        run.first = seen.whole
        run.first.remarks += around.held_too_long()
    except AuditorError as error:
        run.error = str(error)
        run.reasons.add("incomplete" if isinstance(error, DeadlineError) else "unreadable")
        around.say(f"{run.contract.entity}: {error}")
        return
    if seen.ended is not None:
        run.reasons.add("incomplete" if isinstance(seen.ended, DeadlineError) else "unreadable")
        around.say(f"{run.contract.entity}: {seen.ended}")
    for name, replica in run.first.replicas.items():
        if replica.error:
            around.say(f"{run.contract.entity} at {name}: {replica.error}")
    bounds = {replica.name: _lag_bound(replica, request) for replica in run.contract.replicas}
    run.first.remarks += _silent(run.first, bounds)
    run.watch = Watch(looking, Suspicion(bounds, overflow=around.workspace.overflow, together=around.together))
    if run.first.owner_rows == 0 and not run.contract.owner.may_be_empty:
        if not run.first.not_understood:
            run.reasons.add("empty_owner")
            around.say(_no_row(run.contract, request))
            return
        _leave_doubted(run.first, seen.parts, around)
        around.say(f"{run.contract.entity}: {run.first.notes[-1]}")
    recollection = around.recall(run.contract.entity)
    for part in seen.parts:
        run.watch.suspicion.begin(part.look, part.wall, recollection)


def _seen(run: EntityRun, request: ReconcileRequest, looking: Looker, around: Surroundings, time: RunTime) -> Outcome:
    """What has changed since a clean run and a share of the rest, where that was asked for and is sound; else all."""
    contract = run.contract

    def begin() -> None:
        time.check()
        time.wait_for_windows(_windows(contract, around), around.say)

    limits = around.segments(_connections(contract))
    look = FirstLook(contract, looking, limits, around.clock, around.checkpoints, begin, time.check, around.say)
    if around.anchors is None:
        return look.look()
    from auditor.runs.anchors import NotIncrementalError  # here: they bring the decoder of feeds
    from auditor.runs.incremental import IncrementalLook, whole

    why = ""
    if request.incremental:
        partly = IncrementalLook(contract, looking, around.anchors, around.clock, begin, time.check, around.together)
        try:
            partial = partly.look()
        except NotIncrementalError as error:
            why = f"read whole, not incrementally: {error}"
            around.say(f"{contract.entity}: {why}")
        else:
            run.incremental, run.standing = partial.incremental, partial.standing
            return partial.outcome
    standing = around.anchors.standing(contract, looking.untold)  # before anything is read
    seen = look.look()
    seen.whole.remarks += [why] if why else []
    run.standing = standing and whole(standing, _most_rows(seen.whole))
    return seen


def _silent(look: EntityLook, bounds: Mapping[str, float]) -> list[str]:
    """Which sides are known by a feed that has told nothing for longer than the lag bound."""
    sides = [("the owner", look.watermark, max(bounds.values(), default=0.0))]
    sides += [(name, seen.watermark, bounds[name]) for name, seen in look.replicas.items()]
    told = []
    for name, mark, bound in sides:
        if mark is not None and mark.heard is not None and mark.monotonic - mark.heard > bound + SILENCE_SECONDS:
            since = f"since {mark.told}" if mark.told else "yet"
            told.append(f"{name}: its feed has told nothing {since}; what it holds is known up to then only")
    return told


def _most_rows(look: EntityLook) -> int:
    """Of the side that has the most."""
    counts = (replica.counts for replica in look.replicas.values())
    return max([look.owner_rows, *(count.replica_rows for count in counts if count is not None)])


def _keep(run: EntityRun, around: Surroundings, *, more: bool) -> None:
    """Keep a finished look for a run that may be killed while there is `more` to do."""
    if run.watch is None or run.first is None or around.checkpoints is None or not more or run.first.until is not None:
        return  # of an entity in segments, each of them has been kept
    if run.incremental is not None:
        return  # it would be taken for a look at everything
    try:
        around.checkpoints.keep(run.contract, run.first, run.watch.looker.constants)
    except WorkspaceError as error:  # the run itself goes on
        around.say(f"{error.message}; a run that is killed now cannot be resumed")


def _windows(contract: Contract, around: Surroundings) -> dict[str, Sequence[Window]]:
    """When the connections that an entity's look reads may be read, of those that have windows."""
    others = (around.contracts.get(entity) for entity in contract.references().values())
    referenced = {name for entity in others if entity is not None for name in _connections(entity, copies=False)}
    names = _connections(contract) | referenced  # feeds have no windows
    return {name: windows for name in sorted(names) if (windows := around.windows(name))}


def _connections(contract: Contract, *, copies: bool = True) -> set[str]:
    """The connections of an entity's datasets."""
    references = [
        contract.owner.dataset or contract.owner.query,
        *(copy.dataset for copy in contract.replicas if copies),
    ]
    return {reference.connection for reference in references if reference is not None}


def _leave_doubted(first: EntityLook, parts: Sequence[Kept], around: Surroundings) -> None:
    """Of an owner none of whose rows is known, though it has told of some: nothing is said but of the keys in doubt."""
    note = (
        f"the owner has no row that is known, and may have some: {first.not_understood}; of other keys nothing is said"
    )
    first.notes = [*(text for text in first.notes if text != note), note]  # a look that was kept has it already
    for name, seen in first.replicas.items():
        doubted = 0
        for part in parts:
            copy = part.look.replicas[name]
            sights = around.workspace.overflow.spill(packed_sight, sight_of)
            sights += (sight for sight in copy.sights if sight.doubt)
            copy.sights, doubted = sights, doubted + len(sights)
        seen.counts = seen.counts and replace(seen.counts, compared_rows=doubted)


def _no_row(contract: Contract, request: ReconcileRequest) -> str:
    if request.where is not None:
        return f"{contract.entity}: no row of the owner {_dataset(contract)} meets --where, so nothing was compared"
    return (
        f"{contract.entity}: the owner {_dataset(contract)} has no row, so nothing can be said about its "
        "replicas; if that is lawful, write `may_be_empty: true` under `owner`"
    )


def _dataset(contract: Contract) -> str:
    return str(contract.owner.reference or contract.owner.service)


def looker(contract: Contract, around: Surroundings, *, where: Expression | None = None, prefix: str = "") -> Looker:
    """A looker over the readers of one contract.

    Raises:
        AuditorError: The owner's reader cannot be made.
    """
    reference = contract.owner.reference
    if reference is None:
        raise StoreError(f"{contract.entity}: its owner names no place to read", hint="give the owner a dataset")
    applied = _applied(contract, around)
    readers = _readers(contract, reference, around, around.reader, applied)
    if around.confirmer is not None:
        readers = replace(readers, confirming=_readers(contract, reference, around, around.confirmer, applied))
    return Looker(around.workspace, contract, readers, where=where, prefix=prefix, progress=around.progress)


def _readers(
    contract: Contract, reference: Reference, around: Surroundings, make: MakeReader, applied: Mapping[str, Applied]
) -> Readers:
    replicas = {replica.name: _replica_reader(replica, make) for replica in contract.replicas}
    referenced: dict[str, tuple[Contract, Reader] | AuditorError] = {}
    for entity in set(contract.references().values()):
        referenced[entity] = _referenced(entity, around, make)
    streams = {
        replica.name: _beside(replica.feed, make)
        for replica in contract.replicas
        if replica.feed is not None and replica.dataset is not None
    }
    return Readers(
        make(reference), replicas, referenced,
        witness=_witness(contract, make), applied=applied, streams=streams,
    )  # fmt: skip


def _applied(contract: Contract, around: Surroundings) -> dict[str, Applied]:
    """Asks for each replica that a consumer group fills how far the group has come in the owner's topic."""
    feed = contract.owner.feed
    told: set[str] = set()
    return {
        replica.name: partial(_asked, around, replica.name, replica.applied_by, feed, told)
        for replica in contract.replicas
        if feed is not None and replica.applied_by is not None
    }


def _asked(around: Surroundings, name: str, group: AppliedBy, feed: FeedRef, told: set[str]) -> Mapping[int, int]:
    """How far a group has come; a broker that does not tell leaves the elapsed time as the only proof.

    Every look asks; what was told already is not told again.
    """
    try:
        return around.applied(group, feed)
    except AuditorError as error:
        unknown = f"{name}: how far {group.group_id} has come is not known: {error.message}"
        if unknown not in told:
            told.add(unknown)
            around.say(unknown)
        return {}


def _witness(contract: Contract, make: MakeReader) -> Reader | AuditorError | None:
    """The owner's feed, where it is read beside the owner's dataset; no run needs it."""
    if contract.owner.feed is None or contract.owner.reference is contract.owner.feed:
        return None
    return _beside(contract.owner.feed, make)


def _beside(feed: FeedRef, make: MakeReader) -> Reader | AuditorError:
    try:
        return make(feed)
    except AuditorError as error:
        return error


def _referenced(entity: str, around: Surroundings, make: MakeReader) -> tuple[Contract, Reader] | AuditorError:
    """The owner of an entity that is referred to; or why it cannot be asked for its keys."""
    other = around.contracts.get(entity)
    if other is None:
        return StoreError(f"no contract is about {entity}")
    target = other.owner.reference
    if target is None:
        return StoreError(f"the owner of {entity} names no place to read")
    if len(other.key) > 1:
        return StoreError(f"the key of {entity} has several fields")
    try:
        return other, make(target)
    except AuditorError as error:
        return error


def _replica_reader(replica: Replica, make: MakeReader) -> Reader | AuditorError:
    if replica.reference is None:
        return StoreError(f"{replica.name} names no place to read", hint="give the replica a `dataset` or a `feed`")
    try:
        return make(replica.reference)
    except AuditorError as error:
        return error


def _lag_bound(replica: Replica, request: ReconcileRequest) -> float:
    return (request.recheck_after if request.recheck_after is not None else replica.lag_bound).total_seconds()


# -- rechecking --------------------------------------------------------------------------------------------------------


def _watches(runs: Sequence[EntityRun]) -> list[Watch]:
    return [run.watch for run in runs if run.watch is not None]


def _recheck(runs: Sequence[EntityRun], request: ReconcileRequest, around: Surroundings, time: RunTime) -> None:
    """Look again while something can be settled before `max_wait` or the run's time is over."""
    clock, watches = around.clock, _watches(runs)
    deadline = min(clock.monotonic() + request.max_wait.total_seconds(), time.ends)
    try:
        look_again(watches, deadline, around)
    except DeadlineError as error:
        around.say(f"what was to be looked at again is left to the next run: {error.message}")
    for watch in watches:
        watch.suspicion.give_up(clock.now())


def look_again(watches: Sequence[Watch], deadline: float, around: Surroundings) -> None:
    """Look again at what entities have under suspicion, until all of it is settled or would be later than that.

    Raises:
        DeadlineError: The run's time is over.
    """
    clock = around.clock
    told = None
    while (settled := _earliest(watches, Suspicion.settled_in, clock.monotonic())) is not None:
        if settled > 0 and clock.monotonic() + settled > deadline:  # what needs no waiting is judged in any case
            break
        told = _tell(watches, settled, told, around)
        wait = _earliest(watches, Suspicion.next_look_in, clock.monotonic()) or 0.0
        if wait > 0:
            clock.wait_until(clock.monotonic() + wait)
        for watch in watches:
            watch.suspicion.look_again(watch.looker, clock)


def _earliest(watches: Sequence[Watch], when: Callable[[Suspicion, float], float | None], now: float) -> float | None:
    """Seconds until the earliest of such moments; None when no suspect is left."""
    waits = [wait for watch in watches if (wait := when(watch.suspicion, now)) is not None]
    return min(waits) if waits else None


def _tell(watches: Sequence[Watch], wait: float, told: int | None, around: Surroundings) -> int:
    """Say how many suspects are waited for, once for each number; returns it.  A wait of 0 s is none."""
    count = sum(len(watch.suspicion.suspects) for watch in watches)
    if round(wait) > 0 and count != told:
        noun = "suspect" if count == 1 else "suspects"
        around.say(f"{count} {noun}: looking again for up to {wait:.0f} s, until the lag bound has passed")
    return count


def _ask_unread(runs: Sequence[EntityRun], around: Surroundings) -> None:
    """Learn which change streams beside datasets cannot be read, though nothing differed that they would explain.

    Else a broker that has been down for weeks is told on the day that its versions are needed.
    """
    beside = {run.contract.entity: set(run.contract.streams_beside()) for run in runs if run.watch is not None}
    known = {feed for watch in _watches(runs) for feed in watch.looker.untold}
    asked = sorted(set().union(*beside.values()) - known, key=str)
    unreadable = around.unreadable(asked)
    for run in runs:
        if run.watch is not None:
            told = {feed: why for feed, why in unreadable.items() if feed in beside[run.contract.entity]}
            run.watch.looker.untold.update(told)


def tell_late(runs: Sequence[EntityRun], around: Surroundings) -> None:
    """Tell a replica that has fallen behind as a whole from rows that are wrong."""
    for run in runs:
        if run.watch is not None:
            tell_late_replicas(run.contract, run.watch.suspicion, run.watch.looker, around.clock.now())


# -- counting ----------------------------------------------------------------------------------------------------------


def run_result(
    runs: Sequence[EntityRun], request: ReconcileRequest, around: Surroundings, run_id: str, started: datetime
) -> RunResult:
    """Count what a run that is over has found, and decide its exit code."""
    told = [_told(run) for run in runs]
    entities = [_entity_tally(run, seen, request) for run, seen in zip(runs, told, strict=True)]
    verdicts = sum((seen.verdicts for seen in told), Counter[tuple[str | None, Verdict]]())
    reasons = exit_reasons(runs, verdicts, request.undecided_tolerated)
    for run, seen in zip(runs, told, strict=True):
        if around.anchors is not None and run.standing is not None and _is_clean(run, seen):
            around.anchors.keep(run.contract, run.standing)
    return RunResult(
        run_id=run_id,
        kind=request.kind,
        started_at=started,
        finished_at=around.clock.now(),
        exit_code=exit_code(reasons),
        exit_reasons=reasons,
        entities=entities,
        findings=_findings(runs, around),
        errors=tuple(error for run in runs for error in _errors(run)),
        loads=_loads(around),
        where=_where_text(request, runs),
    )


def _is_clean(run: EntityRun, told: _Told) -> bool:
    """Whether everything that was to be looked at was, and nothing is left of what was found."""
    first = run.first
    if (
        first is None
        or run.reasons
        or first.notes
        or any(verdict is not Verdict.HEALED for _, verdict in told.verdicts)
    ):
        return False
    return not any(replica.error or replica.notes or replica.counts is None for replica in first.replicas.values())


def _findings(runs: Sequence[EntityRun], around: Surroundings) -> Spill[Finding]:
    """Those of every entity, one after the other."""
    together: Spill[Finding] = around.workspace.overflow.spill(packed_finding, finding_of)
    for watch in _watches(runs):
        together.take(watch.suspicion.settled)
    return together


@dataclass(slots=True)
class _Told:
    """How many findings of an entity there are, by replica and verdict, and by replica and field that differs."""

    verdicts: Counter[tuple[str | None, Verdict]] = field(default_factory=Counter)
    fields: Counter[tuple[str | None, str]] = field(default_factory=Counter)

    def of(self, replica: str | None) -> dict[Verdict, int]:
        """By verdict, those of one replica; None: those about the owner alone."""
        return {verdict: count for (name, verdict), count in self.verdicts.items() if name == replica}


def _told(run: EntityRun) -> _Told:
    """Count an entity's findings, in one pass: there may be a million."""
    told = _Told()
    for finding in run.watch.suspicion.settled if run.watch else ():
        told.verdicts[finding.replica, finding.verdict] += 1
        if finding.verdict in _DRIFT:
            for difference in finding.fields:
                told.fields[finding.replica, difference.name] += 1
    return told


_DRIFT = frozenset({Verdict.PERSISTENT, Verdict.SUSPECT})


def _where_text(request: ReconcileRequest, runs: Sequence[EntityRun]) -> str:
    """The run's filter for the report; what it compares sensitive fields with is left out."""
    where = request.where
    if where is None:
        return ""
    sensitive = {f.name for run in runs for f in run.contract.fields.values() if f.sensitive}
    return f"a condition on {', '.join(sorted(where.names))}" if where.names & sensitive else where.text


def _errors(run: EntityRun) -> list[str]:
    """Why something of an entity could not be read, one sentence each."""
    errors = [f"{run.contract.entity}: {run.error}"] if run.error else []
    replicas = run.first.replicas.items() if run.first is not None else ()
    return errors + [f"{run.contract.entity} at {name}: {look.error}" for name, look in replicas if look.error]


def _loads(around: Surroundings) -> dict[str, dict[str, float | None]]:
    """What the whole run, rechecks too, has cost each connection that it read."""
    loads: dict[str, dict[str, float | None]] = {}
    for name, load in around.loads().items():
        loads[name] = {
            "queries": load.queries,
            "rows": load.rows,
            "bytes": load.bytes,
            "seconds": round(load.seconds, 3),
            "longest_transaction_seconds": round(load.longest_transaction, 3),
        }
    return loads


def exit_reasons(
    runs: Sequence[EntityRun], told: Mapping[tuple[str | None, Verdict], int], tolerated: int
) -> tuple[str, ...]:
    """Why the exit code is not 0, in the order of EXIT_REASONS.

    Args:
        runs: Of every entity in scope.
        told: How many findings there are, by replica and verdict.
        tolerated: Undecided keys that are not yet trouble.
    """
    verdicts = Counter[Verdict]()
    for (_, verdict), count in told.items():
        verdicts[verdict] += count
    reasons = {reason for run in runs for reason in run.reasons}
    if verdicts[Verdict.PERSISTENT]:
        reasons.add("drift")
    if verdicts[Verdict.SUSPECT]:
        reasons.add("suspects")
    if verdicts[Verdict.UNDECIDED] > tolerated:
        reasons.add("undecided")
    for run in runs:
        if run.first is None:
            continue
        if run.first.notes or any(replica.notes for replica in run.first.replicas.values()):
            reasons.add("incomplete")
        if any(replica.error for replica in run.first.replicas.values()):
            reasons.add("unreadable")
    return tuple(reason for reason in EXIT_REASONS if reason in reasons)


def exit_code(reasons: Sequence[str]) -> int:
    """0 clean, 1 drift, 2 trouble; trouble wins."""
    if any(reason in TROUBLE for reason in reasons):
        return 2
    return 1 if reasons else 0


def _entity_tally(run: EntityRun, told: _Told, request: ReconcileRequest) -> EntityTally:
    contract = run.contract
    tally = EntityTally(contract.entity, contract.version, _dataset(contract))
    if run.first is None:
        tally.coverage = Coverage(complete=False, skipped=("owner",), notes=(run.error,))
        tally.replicas = [_unread(replica, run.error, request) for replica in contract.replicas]
        return tally
    tally.owner_rows = run.first.owner_rows
    tally.owner_verdicts = told.of(None)
    first = run.first
    remarks = (*first.remarks, *_untold(run))
    keys = None if run.followed is None else sum(run.followed.values())
    tally.coverage = Coverage(
        not first.notes, (), tuple(first.notes), tuple(first.again), remarks, run.incremental, keys
    )
    tally.replicas = [_replica_tally(replica, run, first, told, request) for replica in contract.replicas]
    for one in tally.replicas:
        keys = None if run.followed is None else run.followed.get(one.replica, 0)
        one.coverage = replace(one.coverage, incremental=run.incremental, followed=keys)
    return tally


def _untold(run: EntityRun) -> list[str]:
    """Which change streams were not read that would have told causes."""
    untold = run.watch.looker.untold if run.watch is not None else {}
    return [
        f"the change stream {feed.name}/{feed.topic} could not be read ({why}): its versions and positions "
        "are not known, and causes are told without it"
        for feed, why in untold.items()
    ]


def _unread(replica: Replica, why: str, request: ReconcileRequest) -> ReplicaTally:
    return ReplicaTally(
        replica.name, str(replica.reference or ""), coverage=Coverage(complete=False, notes=(why,)),
        lag_bound_seconds=_lag_bound(replica, request),
    )  # fmt: skip


def _replica_tally(
    replica: Replica, run: EntityRun, look: EntityLook, told: _Told, request: ReconcileRequest
) -> ReplicaTally:
    seen = look.replicas[replica.name]
    if seen.error or seen.counts is None:
        return _unread(replica, seen.error, request)
    empty, remembers = "empty_owner" in run.reasons, run.watch is not None and run.watch.looker.remembers
    notes = [*look.notes, *seen.notes] + ["the owner has no row"] * empty
    skipped = _not_compared(replica, seen, seen.counts.compared_rows, remembers=remembers)
    return ReplicaTally(
        replica=replica.name,
        dataset=str(replica.reference),
        owner_rows=seen.counts.owner_rows,
        replica_rows=seen.counts.replica_rows,
        compared_rows=0 if empty else seen.counts.compared_rows,
        kept=seen.counts.kept,
        verdicts=told.of(replica.name),
        owner_watermark=_watermark(look.watermark, look.until),
        replica_watermark=_watermark(seen.watermark, seen.until),
        coverage=Coverage(not notes, tuple(skipped), (*notes, *skipped.values()), tuple(seen.again)),
        lag_bound_seconds=_lag_bound(replica, request),
        fields_differing={field: count for (name, field), count in told.fields.items() if name == replica.name},
    )


def _not_compared(replica: Replica, seen: ReplicaLook, compared: int, *, remembers: bool) -> dict[str, str]:
    """The fields that were not compared in every row, each with why: what the owner held at creation is not known."""
    names = [one.field for one in replica.fields if one.equality.mode == "at_creation"]
    if not remembers:
        return {name: f"{name}: the owner's value when the row was made is not known without history" for name in names}
    return {
        name: f"{name}: not compared in {rows:,} rows that differ from the owner now: its feed does not tell all that "
        "it once held of them"
        for name in names
        if (rows := min(seen.unremembered[name], compared))  # a monitor may look at a row several times
    }


def _watermark(mark: Watermark | None, until: Watermark | None = None) -> str:
    if mark is None:
        return ""
    if until is not None:
        return f"{_watermark(mark)}; the last segment: {_watermark(until)}"
    position = mark.display or mark.position
    moment = mark.read_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    text = f"{position} at {moment}" if position else moment
    return text if mark.isolation == "snapshot" else f"{text}, rows of different moments"
