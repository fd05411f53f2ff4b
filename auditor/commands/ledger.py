"""`audit ledger`: the ledger's schema, size and history."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation
from auditor.reports.document import instant_text
from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.ledger.records import LedgerStatus, Pruned

app = typer.Typer(add_completion=False, help="Show, upgrade or prune the ledger.")


@app.command()
def status(context: typer.Context) -> int:
    """Show where the ledger is, its schema and how much it holds."""
    return _show(Invocation.of(context), read_only=True)


@app.command()
def upgrade(context: typer.Context) -> int:
    """Make the ledger, or bring its tables to this version's schema; a ledger that is up to date stays as it is."""
    return _show(Invocation.of(context), read_only=False)


@app.command()
def prune(
    context: typer.Context,
    older_than: Annotated[str, typer.Option(metavar="DURATION", help="How old a run must be to be history: 90d.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> int:
    """Remove what old runs said about findings that are closed; what is open, accepted or the last word stays."""
    from auditor.commands.option_values import duration
    from auditor.wiring import Wiring

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    age = duration("--older-than", older_than) or timedelta()
    now = datetime.now(UTC)
    try:
        before = now - age
    except OverflowError:
        raise UsageError(f"--older-than {older_than} is longer than there has been a calendar") from None
    with Wiring(invocation.settings()).ledger(read_only=dry_run, must_exist=True) as ledger:
        done = ledger.prune(now=now, before=before, dry_run=dry_run)
        size = ledger.status().size_bytes
    with invocation.result() as stream:
        if form == JSON:
            document = {"removed": asdict(done), "dry_run": dry_run, "before": instant_text(before)}
            stream.write(json.dumps(document, indent=1) + "\n")
        else:
            stream.write(_pruned(done, before, size, dry_run=dry_run))
    return 0


def _pruned(done: Pruned, before: datetime, size: int | None, *, dry_run: bool) -> str:
    from auditor.reports.words import counted, when

    removed = (
        f"{counted(done.observations, 'observation')}, {counted(done.findings, 'finding')}, {counted(done.runs, 'run')}"
    )
    told = f"{'would remove' if dry_run else 'removed'} {removed}, from before {when(instant_text(before))}\n"
    if done.observations and size is not None and not dry_run:
        told += "the file keeps its size: the room is used again by the next runs\n"
    return told


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
