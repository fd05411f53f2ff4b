"""`audit demo`: an embedded shop, really audited."""

from __future__ import annotations

import shlex
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import CONFIG_VARIABLE, Invocation, atomic_file, tell

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from auditor.demo.faults import Planted
    from auditor.demo.verify import Verification
    from auditor.reports.document import FindingDocument
    from auditor.runs.job import Job

app = typer.Typer(add_completion=False)

FILES = {"html": "report.html", "json": "report.json", "markdown": "report.md"}
"""Formats that the demo writes into its directory."""

PLAN = "plan"
"""The directory of the compensation plan."""

SHOWN_FINDING = ("order", "reporting", "mismatch")
"""The kind of finding that the last lines propose to look at."""

FINDINGS_SHOWN = 60
"""Enough to list all that is planted."""


@app.command()
def demo(
    context: typer.Context,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="DIR", help="Where to build it; empty or new.", show_default="a temporary directory"
        ),
    ] = None,
) -> int:
    """Build an embedded shop (owner, read model, Parquet, CSV, change streams) with planted drift, audit it and report.

    Needs no server and no network. Exits 0 when the audit found exactly what was planted.
    """
    from auditor.demo.build import SETTINGS, build
    from auditor.demo.verify import verify
    from auditor.reports.formats import NAMES

    invocation = Invocation.of(context)
    form = invocation.format_of(NAMES)
    place = directory or Path(tempfile.mkdtemp(prefix="audit-demo-"))
    invocation.say(f"building a shop in {place}: 4 stores, 2 change streams, 6 entities")
    planted = build(place)
    job = _audit(place / SETTINGS, invocation)
    _write_files(place, job)
    _write_result(job, invocation, form)
    outcome = verify(planted, job.findings)
    _tell_outcome(planted, outcome)
    if job.ledger_error is None:
        _write_plan(place, job, invocation)
    invocation.say(_next_steps(place, job.findings))
    return 0 if outcome.exact and job.ledger_error is None else 2


def _audit(settings: Path, invocation: Invocation) -> Job:
    """What `audit reconcile` does; nobody writes to these stores, so nothing needs to be waited for."""
    from auditor.clock import SystemClock
    from auditor.runs.job import JobRequest, Listener, run_job
    from auditor.runs.reconcile import ReconcileRequest
    from auditor.settings import load_settings
    from auditor.wiring import Wiring

    wiring = Wiring(load_settings(settings))
    request = JobRequest(ReconcileRequest(recheck_after=timedelta()))
    return run_job(request, wiring, wiring.catalog(), SystemClock(), Listener(invocation.say))


def _write_files(place: Path, job: Job) -> None:
    from auditor.reports.formats import format_named

    for form, name in FILES.items():
        with atomic_file(place / name) as stream:
            format_named(form).write(job.document, job.findings, stream)


def _write_plan(place: Path, job: Job, invocation: Invocation) -> None:
    """What `audit compensate` does."""
    from auditor.commands.compensate import make_plan
    from auditor.commands.plan_files import require_directory, write_plan
    from auditor.settings import load_settings
    from auditor.wiring import Wiring

    plan = make_plan(Wiring(load_settings(place / "auditor.yaml")), job.document["run_id"], invocation)
    write_plan(plan, require_directory(place / PLAN))
    acts = sum(one["statement"] is not None for one in plan.compensations)
    invocation.say(
        f"{acts} statements would put copies right, {len(plan.compensations) - acts} findings need a person: "
        f"{place / PLAN}"
    )


def _write_result(job: Job, invocation: Invocation, form: str) -> None:
    from auditor.reports.formats import format_named

    with invocation.result() as stream:
        format_named(form).write(job.document, job.findings, stream, limit=FINDINGS_SHOWN)


def _tell_outcome(planted: Sequence[Planted], outcome: Verification) -> None:
    if outcome.exact:
        tell(f"\nall {len(planted)} planted faults were found, with their keys and fields, and nothing else")
        return
    for fault in outcome.missed:
        where = f"{fault.entity} at {fault.replica or 'the owner'}, {fault.key}"
        tell(f"not found: {where}: {fault.divergence} ({fault.story})")
    for finding in outcome.unexpected:
        names = ", ".join(field["name"] for field in finding["fields"])
        where = f"{finding['entity']} at {finding['replica'] or 'the owner'}, {finding['key']}"
        tell(f"not planted: {where}: {finding['divergence']} {finding['verdict']} {names}")


def _next_steps(place: Path, findings: Collection[FindingDocument]) -> str:
    stale = next(one for one in findings if (one["entity"], one["replica"], one["divergence"]) == SHOWN_FINDING)
    steps = (
        (
            "let the commands know which settings are meant",
            f"export {CONFIG_VARIABLE}={shlex.quote(str(place / 'auditor.yaml'))}",
        ),
        ("one order everywhere, now", f"audit entity order {(stale['key'] or {}).get('id')}"),
        ("the evidence for what is wrong with it", f"audit explain {stale['id']}"),
        ("what would put it right, for review", str(place / PLAN / "reporting.sql")),
        ("the same audit again", "audit reconcile --recheck-after 0s"),
        ("all of it on a page, in a browser", str(place / FILES["html"])),
        ("what the entities promise", str(place / "contracts")),
    )
    return "\nTry next\n" + "\n".join(f"  {about}:\n    {command}" for about, command in steps)
