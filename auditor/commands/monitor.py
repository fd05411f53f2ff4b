"""`audit monitor`."""

# ruff: noqa: FBT002, PLR0913, PLR0917 - Typer reads options from a signature

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation, standard_output
from auditor.commands.option_values import duration
from auditor.feeds.process_memory import take_little
from contracts.errors import UsageError

if TYPE_CHECKING:
    from auditor.runs.monitor_loop import Watcher
    from auditor.runs.reconcile import ReconcileRequest
    from auditor.wiring import Wiring
    from contracts.catalog import Catalog

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
    metrics_port: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=65535, help="Serve figures for Prometheus on this machine; 0: any port."),
    ] = None,
    member: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Share the partitions with other members of the feeds' `group_id`."),
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(metavar="DURATION", help="When it ends, whatever is left to judge by then.")
    ] = None,
) -> int:
    """Follow the change streams: what the owners' changes oblige their copies to, and which of it is not met.

    Without --until-caught-up it goes on until SIGTERM or Ctrl-C, and what it finds is told as it is judged.

    With --member, several monitors share the work: each reads the partitions that the consumer group gives it.

    Exit codes: 0 everything that was owed is met, or it was stopped; 1 there is drift; 2 trouble.
    """
    take_little()
    from auditor.clock import SystemClock
    from auditor.commands.reconcile import opened, write_job
    from auditor.reports.formats import NAMES
    from auditor.runs.job import Listener
    from auditor.runs.monitor import catch_up
    from auditor.runs.reconcile import ReconcileRequest

    invocation = Invocation.of(context)
    if until_caught_up and metrics_port is not None:
        raise UsageError(
            "--metrics-port: a monitor that stops by itself serves nothing", hint="leave one of the two out"
        )
    form = invocation.format_of(NAMES if until_caught_up else (TERMINAL, JSON))
    wanted = ReconcileRequest(
        entities=tuple(entities or ()),
        max_wait=duration("--max-wait", max_wait) or timedelta(),
        deadline=duration("--deadline", deadline),
        kind="monitor",
        member=_member(member),
    )
    wiring, catalog = opened(invocation)
    wanted = replace(wanted, undecided_tolerated=wiring.settings.tolerate.undecided)
    if not until_caught_up:
        return _follow(invocation, form, wanted, metrics_port, wiring, catalog)
    job = catch_up(wanted, wiring, catalog, SystemClock(), Listener(invocation.say))
    return write_job(job, invocation, form)


def _member(name: str | None) -> str:
    """A name that a broker and a file system take.

    Raises:
        UsageError: It is none.
    """
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", name):
        raise UsageError(
            f"--member: {name!r} is no name of a member",
            hint="expected up to 64 letters, digits, `.`, `_` and `-`, such as the name of the host",
        )
    return name or ""


def _follow(
    invocation: Invocation,
    form: str,
    wanted: ReconcileRequest,
    port: int | None,
    wiring: Wiring,
    catalog: Catalog,
) -> int:
    from auditor.clock import SystemClock
    from auditor.reports.monitor_events import JsonEvents, TerminalEvents
    from auditor.runs.job import Listener
    from auditor.runs.metrics import HOST, Metrics, MetricsServer
    from auditor.runs.monitor_loop import follow

    if invocation.out is not None:
        raise UsageError("--out: a monitor that goes on has no end to write", hint="use --until-caught-up, or `>`")
    with standard_output(for_machines=form == JSON) as stream, ExitStack() as held:
        if form == JSON:
            events: Watcher = JsonEvents(stream)
        else:
            screen = sys.stderr if sys.stderr.isatty() and not invocation.quiet else None
            events = held.enter_context(TerminalEvents(stream, screen))
        if port is not None:
            events = metrics = Metrics(events)
            server = held.enter_context(MetricsServer(metrics, port))
            invocation.say(f"figures for Prometheus: http://{HOST}:{server.port}/metrics")
        follow(wanted, wiring, catalog, SystemClock(), Listener(invocation.say), events)
    return 0
