"""`audit reconcile` from the contracts to the ledger: what the command, the demo and a scheduler call alike.

Contracts are read, the run is made, what is sensitive is masked, the run is recorded; rendering is left to the caller.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING

from auditor.interruption import interruptible
from auditor.readers.announced import Announced
from auditor.reports.collector import collector_paused
from auditor.reports.document import run_document
from auditor.run_id import new_run_id
from auditor.runs.lease import ledger_for_run
from auditor.runs.reconcile import ReconcileRequest, in_scope, reconcile
from auditor.runs.run_findings import RunFindings
from auditor.runs.shared_time import shared_clock
from auditor.runs.surroundings import Surroundings
from contracts.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from auditor.clock import Clock
    from auditor.ledger.ledger import Ledger
    from auditor.masking import Masker
    from auditor.reports.document import FindingDocument, RunDocument
    from auditor.reports.progress import Progress
    from auditor.runs.anchors import Anchors
    from auditor.runs.checkpoints import Checkpoints
    from auditor.runs.recollection import Recollection
    from auditor.wiring import Wiring
    from contracts.catalog import Catalog
    from contracts.contract import Contract, Reference
    from reconcilers.ports import Reader
    from reconcilers.spill import Overflow
    from reconcilers.tally import RunResult
    from reconcilers.workspace import Workspace

MASK_KEY_BYTES = 32


NOT_RECORDED = "not_recorded"
"""Beyond the reasons of a run itself: the ledger could not be written, so tomorrow's run knows nothing of this one."""


@dataclass(slots=True)
class Job:
    """A run that is over, ready to be written.

    Attributes:
        document: Everything but the findings.
        findings: In report order, masked, with the times that the ledger knows.
        exit_code: 0, 1 or 2; trouble with the ledger is in it.
        ledger_error: Why the run could not be recorded, or None.
    """

    document: RunDocument
    findings: Collection[FindingDocument]
    exit_code: int
    ledger_error: LedgerError | None = None

    @property
    def compared(self) -> bool:
        """Whether anything could be compared at all."""
        return _compared(self.document)


@dataclass(slots=True)
class JobRequest:
    """A reconcile request, and what is to be made of its outcome.

    Attributes:
        fail_on_new: Only drift that no earlier run has told makes the exit code 1.
        resume: Go on with this run, which was killed; or `last`.
    """

    reconcile: ReconcileRequest
    fail_on_new: bool = False
    resume: str | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told what happens meanwhile; see `Surroundings`."""

    say: Callable[[str], None] = field(default=lambda _text: None)
    progress: Progress | None = None
    """Told how far each dataset has been read; None costs nothing."""


def run_job(request: JobRequest, wiring: Wiring, catalog: Catalog, clock: Clock, listener: Listener) -> Job:
    """Run, mask, record.

    The ledger is opened, and the leases of the entities in scope are taken, before a store is read.

    Raises:
        AuditorError: Nothing could be run: an unknown entity, no workspace, no ledger, another run at work.
    """
    scope = in_scope(request.reconcile, catalog.contracts)  # a mistyped name is told before a workspace is made
    wiring.say = listener.say
    for warning in wiring.expect(scope, catalog.contracts):
        listener.say(warning)
    _begin_importing("auditor.ledger.ledger")
    clock = shared_clock(wiring, clock, listener.say)
    checkpoints = _checkpoints(request, wiring, scope, clock)
    run_id = checkpoints.run_id
    with ExitStack() as held, _resumable(checkpoints, listener):
        with (
            wiring.workspace() as workspace,
            interruptible(workspace.interrupt),
            collector_paused(),
            wiring.loading_scanners(workspace),
        ):
            entities = [contract.entity for contract in scope]
            ledger = held.enter_context(ledger_for_run(wiring, entities, run_id, listener.say))
            books = books_for(wiring, catalog, ledger)
            if request.resume is not None:
                _refuse_ended(checkpoints, ledger)
            books.anchors = _anchors(request, wiring, ledger, scope)
            around = replace(
                _surroundings(wiring, catalog, workspace, clock, listener),
                recall=books.recollection,
                checkpoints=checkpoints,
                anchors=books.anchors,
            )
            result = reconcile(request.reconcile, around, run_id)
            overflow = workspace.overflow
        document = run_document(result, catalog.contracts)
        if not _compared(document):
            return Job(document, (), document["exit_code"])
        return _recorded(request, result, document, books, overflow)


def _anchors(request: JobRequest, wiring: Wiring, ledger: Ledger, scope: Sequence[Contract]) -> Anchors | None:
    """Where clean runs stood; of no use to a run that looks at less, or goes on with another's looks."""
    wanted = request.reconcile
    if not wanted.incremental and not any(contract.owner.feed for contract in scope):
        return None
    if request.resume is not None or wanted.where is not None or wanted.replica is not None:
        return None
    from auditor.release import version
    from auditor.runs.anchors import Anchors

    return Anchors(wiring, ledger, version())


def books_for(wiring: Wiring, catalog: Catalog, ledger: Ledger) -> _Books:
    """What results are written down with."""
    return _Books(wiring, catalog, ledger)


def record_job(
    request: ReconcileRequest, result: RunResult, document: RunDocument, books: _Books, overflow: Overflow
) -> Job:
    """Mask and record what some run found that has looked at single keys only."""
    return _recorded(JobRequest(request), result, document, books, overflow)


def _checkpoints(request: JobRequest, wiring: Wiring, scope: Sequence[Contract], clock: Clock) -> Checkpoints:
    """Where this run keeps what it has looked at; that of a killed run where it is to go on.

    Raises:
        UsageError: There is no such run, or it was asked something else.
    """
    from auditor.runs.checkpoints import Checkpoints

    wanted = request.reconcile
    entities = [contract.entity for contract in scope]
    where = wanted.where.text if wanted.where is not None else ""
    told = [wiring.settings.digest, entities, wanted.replica, wanted.recheck, str(wanted.recheck_after), where]
    asked = hashlib.sha256(repr(told).encode()).hexdigest()
    directory = wiring.settings.workspace.directory
    if request.resume is not None:
        return Checkpoints.found(directory, request.resume, asked, clock)
    return Checkpoints.begun(directory, new_run_id(clock.now()), asked, clock)


@contextmanager
def _resumable(checkpoints: Checkpoints, listener: Listener) -> Iterator[None]:
    """What is kept of a run goes when it has come to its end, and stays when it is broken off."""
    try:
        yield
    except BaseException:
        if checkpoints.directory.exists():
            listener.say(f"to go on where this run was broken off: audit reconcile --resume {checkpoints.run_id}")
        raise
    checkpoints.forget()


def _refuse_ended(checkpoints: Checkpoints, ledger: Ledger) -> None:
    """A run that was killed after it had been recorded has come to its end all the same.

    Raises:
        UsageError: It is in the ledger.
    """
    if any(run.run_id == checkpoints.run_id for run in ledger.runs()):
        checkpoints.forget()
        raise UsageError(
            f"--resume: run {checkpoints.run_id} has come to its end", hint="`audit report` shows it; start a new run"
        )


def _surroundings(
    wiring: Wiring, catalog: Catalog, workspace: Workspace, clock: Clock, listener: Listener
) -> Surroundings:
    around = Surroundings(
        catalog.contracts,
        wiring.scanner,
        workspace,
        clock,
        listener.say,
        confirmer=wiring.confirmer,
        applied=wiring.applied,
        loads=wiring.loads,
        held_too_long=wiring.held_too_long,
        windows=wiring.windows,
        segments=wiring.segments,
        unreadable=wiring.unreadable,
    )
    shown = listener.progress
    if shown is None:
        return around
    workspace.watch = shown.advance

    def reader(reference: Reference) -> Reader:
        return Announced(wiring.scanner(reference), shown.start)

    def read(dataset: str, _rows: int) -> None:
        shown.done(dataset)

    return replace(around, reader=reader, progress=read)


def _begin_importing(module: str) -> None:
    """Import beside the run, while DuckDB works and Python has nothing to do."""
    threading.Thread(target=import_module, args=(module,), daemon=True).start()


@dataclass(slots=True)
class _Books:
    """What a result is written down with."""

    wiring: Wiring
    catalog: Catalog
    ledger: Ledger
    anchors: Anchors | None = None

    def masker(self) -> Masker:
        """Masks under the key of the settings, else under the ledger's.

        Raises:
            LedgerError: The ledger's key cannot be read.
        """
        return self._masker(self.wiring.settings.report.key() or self.ledger.hash_key())

    def recollection(self, entity: str) -> Recollection | None:
        """What earlier runs left in flight of an entity; without it, suspects are waited for as if they were new."""
        from auditor.runs.recollection import CARRIED_MAX, Recollection

        try:
            left = Recollection(self.ledger.carried(entity, CARRIED_MAX), self.masker())
        except LedgerError:  # told when the run cannot be recorded
            return None
        if len(left) >= CARRIED_MAX:
            self.wiring.say(
                f"{entity}: earlier runs left more than {CARRIED_MAX:,} suspects in flight; "
                "those beyond are waited for as if they were new"
            )
        return left if len(left) else None

    def makeshift_masker(self) -> Masker:
        """Masks for this report alone, where the ledger's key is not to be had: nothing can be compared with it."""
        return self._masker(self.wiring.settings.report.key() or secrets.token_bytes(MASK_KEY_BYTES))

    def _masker(self, key: bytes) -> Masker:
        from auditor.masking import Masker

        return Masker.for_contracts(key, self.catalog.contracts.values())


def _recorded(request: JobRequest, result: RunResult, document: RunDocument, books: _Books, overflow: Overflow) -> Job:
    """The run in the ledger; trouble with the ledger does not take the report away, but is told beside it."""
    try:
        masker, error = books.masker(), None
    except LedgerError as failure:
        masker, error = books.makeshift_masker(), failure
    findings = RunFindings(result.findings, masker, overflow)
    job = Job(document, findings, document["exit_code"], error)
    try:
        if error is None:
            _record(job, findings, request, result, books)
    except LedgerError as failure:
        job.ledger_error = failure
    job.exit_code = job.document["exit_code"]
    if job.ledger_error is not None:
        job.exit_code = job.document["exit_code"] = 2
        job.document["exit_reasons"].append(NOT_RECORDED)
    return job


def _record(job: Job, findings: RunFindings, request: JobRequest, result: RunResult, books: _Books) -> None:
    """Record the run; a narrowed one looked at some rows only: what it does not report may still be there.

    Raises:
        LedgerError: It could not be recorded.
    """
    from auditor.release import version
    from auditor.runs.known import ask_ledger, forgive

    ledger = books.ledger
    known = ask_ledger(findings, ledger, result.finished_at, only_new=request.fail_on_new)
    if known is not None:
        findings.know(known)
        forgive(job.document, known)
    narrowed = request.reconcile.where is not None or request.reconcile.kind != "reconcile"
    whole = frozenset[tuple[str, str | None]]() if narrowed else None
    digest = books.wiring.settings.digest
    clean = books.anchors.noted(result.run_id, result.finished_at) if books.anchors is not None else []
    with collector_paused():
        times = ledger.record(
            job.document, findings, whole=whole, auditor_version=version(), settings_digest=digest, clean=clean
        )
    findings.seen(times)


def _compared(document: RunDocument) -> bool:
    """Whether at least one owner was read."""
    return any("owner" not in entity["owner"].get("coverage", {}).get("skipped", ()) for entity in document["entities"])
