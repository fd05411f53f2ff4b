"""`audit doctor`: whether the settings work, and whether the auditor may do more than it should."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation
from auditor.commands.option_values import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.doctor import Examined

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    context: typer.Context,
    grants: Annotated[bool, typer.Option("--grants", help="Not served yet.", hidden=True)] = False,
) -> int:
    """Check connections, privileges, the ledger, the workspace and this installation.

    Exit codes: 0 everything works (warnings do not count), 2 something does not.
    """
    from auditor.doctor import examine

    refuse("--grants", grants)
    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    found = examine(invocation.settings())
    with invocation.result() as stream:
        if form == JSON:
            stream.write(json.dumps({"checks": [_document(one) for one in found]}, indent=1) + "\n")
        else:
            stream.write("".join(map(_told, found)))
            stream.write(_summary(found))
    return 2 if any(one.status == "error" for one in found) else 0


def _document(examined: Examined) -> dict[str, str]:
    return {"subject": examined.subject, "status": examined.status, "message": examined.message}


def _told(examined: Examined) -> str:
    lines = examined.message.splitlines()
    rest = "".join(f"         {line}\n" for line in lines[1:])
    return f"{examined.status:<8} {examined.subject}: {lines[0] if lines else ''}\n{rest}"


def _summary(found: Sequence[Examined]) -> str:
    from auditor.reports.words import counted

    errors = sum(one.status == "error" for one in found)
    warnings = sum(one.status == "warning" for one in found)
    return f"{counted(len(found), 'check')}: {counted(errors, 'error')}, {counted(warnings, 'warning')}\n"
