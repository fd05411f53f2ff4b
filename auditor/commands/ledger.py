"""`audit ledger`: the ledger's schema and size."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.ledger.records import LedgerStatus

app = typer.Typer(add_completion=False, help="Show or upgrade the ledger.")


@app.command()
def status(context: typer.Context) -> int:
    """Show where the ledger is, its schema and how much it holds."""
    return _show(Invocation.of(context), read_only=True)


@app.command()
def upgrade(context: typer.Context) -> int:
    """Make the ledger, or bring its tables to this version's schema; a ledger that is up to date stays as it is."""
    return _show(Invocation.of(context), read_only=False)


def _show(invocation: Invocation, *, read_only: bool) -> int:
    from auditor.wiring import Wiring

    form = invocation.format_of((TERMINAL, JSON))
    with Wiring(invocation.settings()).ledger(read_only=read_only) as ledger:
        found = ledger.status()
    with invocation.result() as stream:
        if form == JSON:
            stream.write(json.dumps(asdict(found), indent=1) + "\n")
        else:
            from auditor.commands.drawing import write_pairs

            write_pairs(stream, _pairs(found))
    return 0


def _pairs(found: LedgerStatus) -> Iterator[tuple[str, str]]:
    from auditor.reports.words import number

    yield "ledger", found.place
    yield "schema", found.schema_version
    if found.size_bytes is not None:
        yield "size", f"{number(found.size_bytes)} bytes"
    yield "runs", number(found.runs)
    yield "findings", f"{number(found.findings)}, {number(found.open_findings)} of them open"
    if found.accepted:
        yield "accepted", number(found.accepted)
    yield "observations", number(found.observations)
    if found.oldest_run and found.newest_run:
        yield "oldest run", found.oldest_run
        yield "newest run", found.newest_run
    for lease in found.leases:
        yield "at work", f"{lease.run_id} on {lease.entity} since {lease.taken_at}, {lease.holder}"
