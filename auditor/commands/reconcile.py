"""`audit reconcile`."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from auditor.commands.invocation import CONFIG_VARIABLE, TERMINAL, Invocation, tell
from auditor.commands.option_values import duration, refuse
from contracts.errors import UsageError

if TYPE_CHECKING:
    from auditor.runs.job import Job, JobRequest
    from auditor.runs.reconcile import ReconcileRequest
    from auditor.wiring import Wiring
    from contracts.catalog import Catalog
    from contracts.expression import Expression

app = typer.Typer(add_completion=False)

NOTHING_COMPARED = "nothing could be compared, so there is no report"


@app.command()
def reconcile(  # noqa: PLR0913, PLR0917 - the interface has them
    context: typer.Context,
    entities: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ENTITY]...", help="Entities to compare; all without any.", show_default=False),
    ] = None,
    replica: Annotated[str | None, typer.Option(metavar="NAME", help="Only this replica.")] = None,
    no_recheck: Annotated[bool, typer.Option("--no-recheck", help="Report first differences as suspects.")] = False,
    recheck_after: Annotated[str | None, typer.Option(metavar="DURATION", help="In place of every lag bound.")] = None,
    max_wait: Annotated[
        str, typer.Option(metavar="DURATION", help="A suspect that needs longer stays in flight.")
    ] = "10m",
    limit_findings: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Findings to list (terminal, Markdown, HTML); all are counted and stored."
        ),
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Only owner rows for which this holds, in contract names.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show every query, and run none.")] = False,
    fail_on: Annotated[
        Literal["any", "new"], typer.Option(help="Which drift makes the exit code 1: any, or what no earlier run saw.")
    ] = "any",
    deadline: Annotated[
        str | None, typer.Option(metavar="DURATION", help="When the run ends, whatever is left to compare by then.")
    ] = None,
    incremental: Annotated[
        bool,
        typer.Option(
            "--incremental", help="Read what has changed since a clean run and a share of the rest, where feeds tell."
        ),
    ] = False,
    sample: Annotated[str | None, typer.Option(metavar="PERCENT", help="Not served yet.", hidden=True)] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with a run that was killed, or `last`; ask the same again.")
    ] = None,
) -> int:
    """Compare owners with their replicas, look again at what differs, record and report.

    Exit codes: 0 everything in scope was compared and agrees, 1 there is drift, 2 trouble.
    """
    refuse("--sample", sample)
    from auditor.reports.formats import NAMES
    from auditor.runs.job import JobRequest
    from auditor.runs.reconcile import ReconcileRequest

    invocation = Invocation.of(context)
    form = invocation.format_of(("terminal", "json") if dry_run else NAMES)
    wanted = ReconcileRequest(
        entities=tuple(entities or ()),
        replica=replica,
        recheck=not no_recheck,
        recheck_after=duration("--recheck-after", recheck_after),
        max_wait=duration("--max-wait", max_wait) or timedelta(),
        where=_condition(where),
        deadline=duration("--deadline", deadline),
        incremental=incremental,
    )
    _refuse_beside_incremental(wanted, resume)
    wiring, catalog = opened(invocation)
    wanted = replace(wanted, undecided_tolerated=wiring.settings.tolerate.undecided)
    if dry_run:
        from auditor.commands.dry_run import show_plan

        return show_plan(invocation, wanted, wiring, catalog)
    job = _run(JobRequest(wanted, fail_on_new=fail_on == "new", resume=resume), invocation, wiring, catalog)
    return write_job(job, invocation, form, limit_findings)


def _refuse_beside_incremental(wanted: ReconcileRequest, resume: str | None) -> None:
    """An incremental run goes on from what was said of whole entities.

    Raises:
        UsageError: It is asked to look at less, or to go on with another run.
    """
    given = {"--where": wanted.where, "--replica": wanted.replica, "--resume": resume}
    for name, value in given.items():
        if wanted.incremental and value is not None:
            raise UsageError(
                f"--incremental goes on from a clean run over whole entities, and not with {name}",
                hint=f"leave out one of the two; without --incremental, {name} reads everything that it is about",
            )


def _condition(where: str | None) -> Expression | None:
    if where is None:
        return None
    from contracts.errors import Place
    from contracts.expression import parse_expression

    return parse_expression(where, Place("--where"))


def opened(invocation: Invocation) -> tuple[Wiring, Catalog]:
    """The wiring and the contracts, with their warnings told."""
    from auditor.wiring import Wiring, unserved_settings

    wiring = Wiring(invocation.settings())
    catalog = wiring.catalog()
    for warning in catalog.warnings:
        invocation.say(str(warning))
    for name in wiring.settings.connections:
        connection = wiring.settings.connection(name)
        for setting in unserved_settings(connection):
            invocation.say(f"connections.{name}.{setting} has no effect: {connection.url.dialect} has no such limit")
    return wiring, catalog


def _run(request: JobRequest, invocation: Invocation, wiring: Wiring, catalog: Catalog) -> Job:
    from auditor.clock import SystemClock
    from auditor.reports.progress import progress
    from auditor.runs.job import Listener, run_job

    wanted = sys.stderr.isatty() and not invocation.quiet
    with progress(sys.stderr, wanted=wanted) as shown:
        listener = Listener(invocation.say, shown if wanted else None)
        return run_job(request, wiring, catalog, SystemClock(), listener)


def write_job(job: Job, invocation: Invocation, form: str, limit: int | None = None) -> int:
    """Write the report of a run; with nothing to report, say why.

    Returns:
        The exit code.
    """
    from auditor.reports.formats import format_named

    if not job.compared:
        for error in job.document.get("errors", ()) if invocation.quiet else ():  # else they were told already
            tell(f"audit: {error}")
        tell(f"audit: {NOTHING_COMPARED}")
    else:
        with invocation.result() as stream:
            format_named(form).write(job.document, job.findings, stream, limit=limit)
        if form == TERMINAL and job.exit_code and invocation.config is not None:
            settings = shlex.quote(str(invocation.config))
            invocation.say(f"these commands need to know the settings: export {CONFIG_VARIABLE}={settings}")
    if job.ledger_error is not None:
        tell(f"audit: the run was not recorded: {job.ledger_error}")
    return job.exit_code
