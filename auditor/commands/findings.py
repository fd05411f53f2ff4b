"""`audit findings`: what the ledger knows, as last reported."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation

app = typer.Typer(add_completion=False)

LISTED_MAX = 1000
"""Findings that a terminal is given where nobody asks for another number; JSON lists all."""


@app.command()
def findings(
    context: typer.Context,
    open_only: Annotated[bool, typer.Option("--open", help="Leave out what has healed or gone.")] = False,
    entity: Annotated[str | None, typer.Option(metavar="E", help="Only this entity's.")] = None,
    limit_findings: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Findings to list (terminal).", show_default="1000")
    ] = None,
) -> int:
    """List what was found, as last reported, and what has become of it since."""
    from auditor.wiring import Wiring
    from reconcilers.spill import Overflow

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    wiring = Wiring(invocation.settings())
    with wiring.ledger(read_only=True) as ledger:
        overflow = Overflow(wiring.settings.workspace.directory)
        found = ledger.listed(overflow, open_only=open_only, entity=entity)
        if entity is not None and not found and not ledger.knows(entity):
            wiring.catalog().contract(entity)  # else it is a mistyped name
    with invocation.result() as stream:
        if form == JSON:
            from auditor.reports.json_report import write_json

            write_json({}, found, stream)
        else:
            from auditor.reports.terminal_report import write_findings

            limit = LISTED_MAX if limit_findings is None else limit_findings
            write_findings(found, datetime.now(UTC), stream, limit=limit)
    return 0
