"""`audit reconcile` from the contracts to the ledger: what the command, the demo and a scheduler call alike.

Contracts are read, the run is made, what is sensitive is masked, the run is recorded; rendering is left to the caller.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING

from auditor.interruption import interruptible
from auditor.readers.announced import Announced
from auditor.reports.collector import collector_paused
from auditor.reports.document import finding_document, finding_order, instant_text, run_document
from auditor.run_id import new_run_id
from auditor.runs.reconcile import ReconcileRequest, Surroundings, exit_code, in_scope, reconcile
from contracts.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from auditor.clock import Clock
    from auditor.ledger.ledger import Ledger
    from auditor.ledger.records import Seen
    from auditor.masking import Masker
    from auditor.reports.document import FindingDocument, RunDocument
    from auditor.reports.progress import Progress
    from auditor.wiring import Wiring
    from contracts.catalog import Catalog
    from contracts.contract import DatasetRef, QueryRef
    from reconcilers.ports import Reader
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
    findings: Sequence[FindingDocument]
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
        fail_on_new: Only findings that no earlier run saw make the exit code 1.
    """

    reconcile: ReconcileRequest
    fail_on_new: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told what happens meanwhile; see `Surroundings`."""

    say: Callable[[str], None] = field(default=lambda _text: None)
    progress: Progress | None = None
    """Told how far each dataset has been read; None costs nothing."""


def run_job(request: JobRequest, wiring: Wiring, catalog: Catalog, clock: Clock, listener: Listener) -> Job:
    """Run, mask, record.

    The ledger is opened when there is something to record: a run that could not compare anything changes nothing.

    Raises:
        AuditorError: Nothing could be run: an unknown entity, no workspace.
    """
    in_scope(request.reconcile, catalog.contracts)  # a mistyped name is told before a workspace is made
    _begin_importing("auditor.ledger.ledger")
    run_id = new_run_id(clock.now())
    with wiring.workspace() as workspace, interruptible(workspace.interrupt), collector_paused():
        result = reconcile(request.reconcile, _surroundings(wiring, catalog, workspace, clock, listener), run_id)
    document = run_document(result, catalog.contracts)
    if not _compared(document):
        return Job(document, [], document["exit_code"])
    ledger, error = _opened(wiring)
    try:
        books = _Books(catalog, _masker(wiring, catalog, ledger), ledger, error, wiring.settings.digest)
        return _recorded(request, result, document, books)
    finally:
        if ledger is not None:
            ledger.close()


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
        loads=wiring.loads,
    )
    shown = listener.progress
    if shown is None:
        return around
    workspace.watch = shown.advance

    def reader(reference: DatasetRef | QueryRef) -> Reader:
        return Announced(wiring.scanner(reference), shown.start)

    def read(dataset: str, _rows: int) -> None:
        shown.done(dataset)

    return replace(around, reader=reader, progress=read)


def _begin_importing(module: str) -> None:
    """Import beside the run, while DuckDB works and Python has nothing to do."""
    threading.Thread(target=import_module, args=(module,), daemon=True).start()


@dataclass(frozen=True, slots=True)
class _Books:
    """What a result is written down with."""

    catalog: Catalog
    masker: Masker
    ledger: Ledger | None
    ledger_error: LedgerError | None
    settings_digest: str


def _opened(wiring: Wiring) -> tuple[Ledger | None, LedgerError | None]:
    """The ledger; one that cannot be opened does not take the report away, but is told beside it."""
    try:
        return wiring.ledger(), None
    except LedgerError as error:
        return None, error


def _masker(wiring: Wiring, catalog: Catalog, ledger: Ledger | None) -> Masker:
    from auditor.masking import Masker

    key = wiring.settings.report.key()
    if key is None:  # without a ledger there is none to compare with later: a key for this report alone
        key = ledger.hash_key() if ledger is not None else secrets.token_bytes(MASK_KEY_BYTES)
    return Masker.for_contracts(key, catalog.contracts.values())


def _recorded(request: JobRequest, result: RunResult, document: RunDocument, books: _Books) -> Job:
    with collector_paused():
        findings = sorted(
            (finding_document(books.masker.finding(finding)) for finding in result.findings), key=finding_order
        )
    if request.fail_on_new and books.ledger is not None:
        _forgive_known(document, findings, books.ledger)
    job = Job(document, findings, document["exit_code"], books.ledger_error)
    if books.ledger is not None:
        _record(job, books.ledger, books, narrowed=request.reconcile.where is not None)
    if job.ledger_error is not None:
        job.exit_code = job.document["exit_code"] = 2
        job.document["exit_reasons"].append(NOT_RECORDED)
    return job


def _compared(document: RunDocument) -> bool:
    """Whether at least one owner was read."""
    return any("owner" not in entity["owner"].get("coverage", {}).get("skipped", ()) for entity in document["entities"])


def _forgive_known(document: RunDocument, findings: Sequence[FindingDocument], ledger: Ledger) -> None:
    """Take drift out of the exit reasons where every finding of it is open since an earlier run."""
    known = {finding["id"] for finding in ledger.findings(open_only=True)}
    for reason, verdict in (("drift", "persistent"), ("suspects", "suspect")):
        new = any(finding["verdict"] == verdict and finding["id"] not in known for finding in findings)
        if reason in document["exit_reasons"] and not new:
            document["exit_reasons"].remove(reason)
    document["exit_code"] = exit_code(document["exit_reasons"])


def _record(job: Job, ledger: Ledger, books: _Books, *, narrowed: bool) -> None:
    """Record the run; a `narrowed` one looked at some rows only: what it does not report may still be there."""
    from auditor.release import version

    whole = frozenset[tuple[str, str | None]]() if narrowed else None
    try:
        seen = ledger.record(
            job.document, job.findings, whole=whole, auditor_version=version(), settings_digest=books.settings_digest
        )
    except LedgerError as error:
        job.ledger_error = error
        return
    job.findings = [_with_times(finding, seen) for finding in job.findings]


def _with_times(finding: FindingDocument, seen: Mapping[str, Seen]) -> FindingDocument:
    times = seen.get(finding["id"])
    if times is None:
        return finding
    return {**finding, "first_seen": instant_text(times.first_seen), "last_seen": instant_text(times.last_seen)}
