"""`audit accept`: differences that are known, and should wake nobody until a day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation
from contracts.errors import UsageError

if TYPE_CHECKING:
    from auditor.ledger.ledger import Ledger

app = typer.Typer(add_completion=False)


@app.command()
def accept(
    context: typer.Context,
    until: Annotated[
        str,
        typer.Option(metavar="DATE", help="The last day, in UTC, such as 2026-12-31; or a time with its zone."),
    ],
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why, for those who wonder later.")],
    findings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FINDING]...", help="Their ids, or how the ids begin.", show_default=False),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="RUN", help="All drift that this run found; `last` is the last one.")
    ] = None,
) -> int:
    """Accept known differences: they stop failing runs until DATE, or until their values change."""
    from auditor.wiring import Wiring

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    if bool(findings) == (baseline is not None):
        raise UsageError("name findings or `--baseline RUN`, one of the two", hint="`audit findings --open` lists them")
    if not why.strip():
        raise UsageError("--why is empty; expected a reason that a colleague understands")
    now = datetime.now(UTC)
    end = _end(until, now)
    with Wiring(invocation.settings()).ledger(must_exist=True) as ledger:
        done = _accept(ledger, findings or [], baseline, now, end, why.strip())
    with invocation.result() as stream:
        if form == JSON:
            stream.write(json.dumps(done, indent=1) + "\n")
        else:
            stream.write(_told(done))
    return 0


def _accept(
    ledger: Ledger, findings: list[str], baseline: str | None, now: datetime, end: datetime, why: str
) -> dict[str, object]:
    """What was done, as `--format json` prints it."""
    from dataclasses import asdict

    from auditor.reports.document import instant_text

    terms: dict[str, object] = {"until": instant_text(end), "why": why}
    if baseline is not None:
        return asdict(ledger.accept_run(baseline, now=now, until=end, why=why)) | terms
    accepted = ledger.accept(findings, now=now, until=end, why=why)
    return {"accepted": len(accepted), "findings": accepted} | terms


def _told(done: dict[str, object]) -> str:
    from auditor.reports.words import counted, when

    accepted = int(str(done["accepted"]))
    lines = [
        f"{counted(accepted, 'finding')} accepted until {when(str(done['until']))}, or until other values are seen"
    ]
    if done.get("not_drift"):
        lines.append(f"not accepted: {counted(int(str(done['not_drift'])), 'finding')} that the run did not call drift")
    if done.get("closed"):
        lines.append(f"not accepted: {counted(int(str(done['closed'])), 'finding')} that have gone meanwhile")
    return "".join(f"{line}\n" for line in lines)


def _end(text: str, now: datetime) -> datetime:
    """When an acceptance ends: a day counts to its end.

    Raises:
        UsageError: The text is no date, or the time has passed.
    """
    try:
        end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError):
        end = _moment(text)
    if end <= now:
        raise UsageError(f"--until {text} has passed; expected a day to come", hint=f"today is {now:%Y-%m-%d} in UTC")
    return end


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--until {text} is no date", hint="write a day such as 2026-12-31, or a time such as 2026-12-31T06:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise UsageError(f"--until {text} has no zone", hint="add Z for UTC, or an offset such as +01:00")
    return moment.astimezone(UTC)
