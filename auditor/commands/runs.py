"""`audit runs`: past runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation

if TYPE_CHECKING:
    from auditor.ledger.records import Run

app = typer.Typer(add_completion=False)


@app.command()
def runs(
    context: typer.Context,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="At most so many, the latest.")] = None,
) -> int:
    """List past runs, the latest first."""
    from auditor.wiring import Wiring

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    with Wiring(invocation.settings()).ledger(read_only=True) as ledger:
        known = ledger.runs(limit)
    with invocation.result() as stream:
        if form == JSON:
            stream.write(json.dumps({"runs": [asdict(run) for run in known]}, indent=1) + "\n")
        elif not known:
            stream.write("No runs.\n")
        else:
            from auditor.commands.drawing import write_table

            heads = ("run", "kind", "began", "took", "exit", "because of", "findings")
            write_table(stream, heads, map(_row, known), numbers=("took", "exit", "findings"))
    return 0


def _row(run: Run) -> tuple[str, ...]:
    from auditor.reports import words

    seconds = (words.moment(run.finished_at) - words.moment(run.started_at)).total_seconds()
    reasons = ", ".join(map(words.words, run.exit_reasons))
    began = words.when(run.started_at)
    return (
        run.run_id,
        run.kind,
        began,
        words.duration(seconds),
        str(run.exit_code),
        reasons,
        words.number(run.findings),
    )
