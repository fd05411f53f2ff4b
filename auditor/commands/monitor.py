"""`audit monitor`."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer

from auditor.commands.invocation import Invocation
from auditor.commands.option_values import duration

app = typer.Typer(add_completion=False)


@app.command()
def monitor(
    context: typer.Context,
    entities: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ENTITY]...", help="Entities to follow; all without any.", show_default=False),
    ] = None,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="Stop once everything that is there now is judged.")
    ] = False,
    max_wait: Annotated[
        str, typer.Option(metavar="DURATION", help="A suspect that needs longer stays in flight.")
    ] = "10m",
    deadline: Annotated[
        str | None, typer.Option(metavar="DURATION", help="When it ends, whatever is left to judge by then.")
    ] = None,
) -> int:
    """Follow the change streams: what the owners' changes oblige their copies to, and which of it is not met.

    Exit codes: 0 everything that was owed is met, 1 there is drift, 2 trouble.
    """
    from auditor.clock import SystemClock
    from auditor.commands.reconcile import opened, write_job
    from auditor.reports.formats import NAMES
    from auditor.runs.job import Listener
    from auditor.runs.monitor import catch_up
    from auditor.runs.reconcile import ReconcileRequest
    from contracts.errors import UsageError

    invocation = Invocation.of(context)
    form = invocation.format_of(NAMES)
    if not until_caught_up:
        raise UsageError("this version follows feeds with --until-caught-up only", hint="run it again and again")
    wanted = ReconcileRequest(
        entities=tuple(entities or ()),
        max_wait=duration("--max-wait", max_wait) or timedelta(),
        deadline=duration("--deadline", deadline),
        kind="monitor",
    )
    wiring, catalog = opened(invocation)
    wanted = replace(wanted, undecided_tolerated=wiring.settings.tolerate.undecided)
    job = catch_up(wanted, wiring, catalog, SystemClock(), Listener(invocation.say))
    return write_job(job, invocation, form)
