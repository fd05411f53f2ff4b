"""`audit verify`: what became of a plan."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - Typer reads it
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation

if TYPE_CHECKING:
    from auditor.runs.verify import Verified

app = typer.Typer(add_completion=False)

SHOWN_MAX = 50
"""Acts that the terminal lists: more than a person looks through; the JSON has them all."""


@app.command()
def verify(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan.json, or its directory.")],
) -> int:
    """Read again what a plan touched, and say of each act: restored, unchanged or worse.

    A plan that has expired is looked at as well; one that was edited, or whose contracts changed, is not.

    Exit codes: 0 every act is restored, 1 one is not, 2 it could not be looked at.
    """
    from auditor.clock import SystemClock
    from auditor.compensations.plan import has_expired, load_plan, require_same_contracts
    from auditor.runs.surroundings import Surroundings
    from auditor.runs.verify import verify as look_again
    from auditor.wiring import Wiring

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    document = load_plan(plan)
    wiring = Wiring(invocation.settings())
    catalog = wiring.catalog()
    require_same_contracts(document, catalog.contracts)
    clock = SystemClock()
    with wiring.workspace() as workspace:
        around = Surroundings(catalog.contracts, wiring.reader, workspace, clock, invocation.say)
        verified = look_again(document["compensations"], around)
    expired = has_expired(document, clock.now())
    with invocation.result() as stream:
        if form == JSON:
            stream.write(json.dumps(_document(document, verified, expired=expired), indent=1) + "\n")
        else:
            _show(document, verified, stream, expired=expired)
    return verified.exit_code


def _document(plan: dict[str, Any], verified: Verified, *, expired: bool) -> dict[str, Any]:
    from auditor.runs.verify import RESTORED, UNCHANGED, UNREADABLE, WORSE

    return {
        "run_id": plan["run_id"],
        "expired": expired,
        "exit_code": verified.exit_code,
        **{state: verified.count(state) for state in (RESTORED, UNCHANGED, WORSE, UNREADABLE)},
        "escalated": len(verified.escalated),
        "compensations": [
            {
                "id": one.compensation["id"],
                "finding_id": one.compensation["finding_id"],
                "state": one.state,
                "note": one.note,
            }
            for one in verified.outcomes
        ],
    }


def _show(plan: dict[str, Any], verified: Verified, stream: TextIO, *, expired: bool) -> None:
    from auditor.commands.drawing import write_table
    from auditor.reports.visible import key_text, visible
    from auditor.runs.verify import RESTORED, UNCHANGED, UNREADABLE, WORSE

    others = [one for one in verified.outcomes if one.state != RESTORED]
    if others:
        heads = ("act", "what", "where", "state", "note")
        write_table(
            stream,
            heads,
            [
                (
                    one.compensation["id"],
                    f"{one.compensation['verify']['entity']} {key_text(one.compensation['verify']['key'])}",
                    one.compensation["replica"],
                    one.state,
                    visible(one.note),
                )
                for one in others[:SHOWN_MAX]
            ],
        )
        more = len(others) - SHOWN_MAX
        stream.write(f"… and {more} more: --format json has them all\n\n" if more > 0 else "\n")
    counts = ", ".join(f"{verified.count(state)} {state}" for state in (RESTORED, UNCHANGED, WORSE))
    stream.write(f"{len(verified.outcomes)} acts: {counts}")
    stream.write(f", {verified.count(UNREADABLE)} unreadable\n" if verified.count(UNREADABLE) else "\n")
    if verified.escalated:
        stream.write(f"{len(verified.escalated)} were escalated: people decide those, and they were not looked at\n")
    if expired:
        stream.write(f"the plan expired at {plan['expires_at']}: what is not restored needs a new one\n")
