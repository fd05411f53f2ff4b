"""`audit compensate`: what would put a run's findings right, as a plan for people to review and apply."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation, standard_output, tell
from auditor.commands.option_values import duration
from contracts.errors import UsageError

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from auditor.commands.invocation import Invocation as _Invocation
    from auditor.compensations.plan import Plan
    from auditor.wiring import Wiring

app = typer.Typer(add_completion=False)


@app.command()
def compensate(
    context: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Its id, or how the id begins.", show_default="the last one")
    ] = "last",
    valid_for: Annotated[str, typer.Option(metavar="DURATION", help="How long the plan may be applied.")] = "24h",
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Compensations in one plan.", show_default="10000")
    ] = None,
) -> int:
    """Write what would put a run's findings right: plan.json and one SQL file a store, below the directory of --out.

    Nothing is applied: both rows are read again, and what no longer differs is left out.

    Exit codes: 0 the plan is whole, 2 a store could not be read or the limit was hit (the rest is written).
    """
    from auditor.commands.plan_files import require_directory, write_plan

    invocation = Invocation.of(context)
    if invocation.out is None:
        raise UsageError("audit compensate: no directory for the plan", hint="name one: audit compensate --out DIR")
    directory, invocation.out = invocation.out, None  # what else is written goes to stdout
    form = invocation.format_of((TERMINAL, JSON))
    require_directory(directory)
    from auditor.wiring import Wiring

    wiring = Wiring(invocation.settings())
    plan = make_plan(wiring, run, invocation, valid_for=duration("--valid-for", valid_for), limit=limit)
    files = write_plan(plan, directory)
    with standard_output(for_machines=form == JSON) as stream:
        if form == JSON:
            stream.write(json.dumps(plan.document(), indent=1) + "\n")
        else:
            _show(plan, files, stream)
    _tell_trouble(plan)
    return 0 if plan.complete else 2


def make_plan(
    wiring: Wiring,
    run: str,
    invocation: _Invocation,
    *,
    valid_for: timedelta | None = None,
    limit: int | None = None,
) -> Plan:
    """The plan of a run in the ledger.

    Raises:
        AuditorError: There is no such run, or nothing could be read at all.
    """
    from auditor.clock import SystemClock
    from auditor.compensations.plan import VALID_FOR
    from auditor.masking import Masker
    from auditor.release import version
    from auditor.runs.compensate import CompensateRequest
    from auditor.runs.compensate import compensate as plan_for
    from auditor.runs.surroundings import Surroundings
    from reconcilers.compensation import COMPENSATIONS_MAX

    catalog, clock = wiring.catalog(), SystemClock()
    with wiring.ledger(read_only=True) as ledger, wiring.workspace() as workspace:
        around = Surroundings(catalog.contracts, wiring.reader, workspace, clock, invocation.say)
        accepts = ledger.accepts_anything(clock.now())  # mostly not: then a million findings need not be asked for
        request = CompensateRequest(
            ledger.run(run).run_id,
            ledger.report_findings(run),
            version(),
            lambda ids: ledger.accepted(ids, clock.now()) if accepts else (),
            valid_for=VALID_FOR if valid_for is None else valid_for,
            limit=limit or COMPENSATIONS_MAX,
        )
        key = wiring.settings.report.key() or ledger.hash_key()
        return plan_for(request, wiring.settings, around, Masker.for_contracts(key, catalog.contracts.values()))


def _show(plan: Plan, files: list[Path], stream: TextIO) -> None:
    from auditor.commands.drawing import write_table

    counts = Counter((one["store"], one["action"]) for one in plan.compensations)
    if counts:
        rows = [(store, action, str(number)) for (store, action), number in sorted(counts.items())]
        write_table(stream, ("store", "action", "number"), rows)
    else:
        stream.write("nothing to compensate\n")
    stream.writelines(f"left out: {number} ({reason})\n" for reason, number in plan.left_out_counts().items())
    stream.write("\nWritten, not applied\n")
    stream.writelines(f"  {file}\n" for file in files)
    stream.write(f"Expires {plan.expires_at:%Y-%m-%d %H:%M} UTC\n")
    if plan.scripts:
        stream.write(
            "\nReview the SQL, let each store's own client apply it, then see what became of it:\n"
            f"  audit verify {shlex.quote(str(files[0]))}\n"
        )


def _tell_trouble(plan: Plan) -> None:
    for why in plan.unreadable:
        tell(f"audit: not in the plan: {why}")
    if plan.beyond_limit:
        tell(
            f"audit: {plan.beyond_limit} findings are not in the plan, which holds no more than its limit\n"
            "  next: so much drift is put right by a new load; or raise --limit"
        )
