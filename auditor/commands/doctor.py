"""`audit doctor`: whether the settings work, and whether the auditor may do more than it should."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.examined import Examined

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    context: typer.Context,
    grants: Annotated[
        bool, typer.Option("--grants", help="Print the least privileges that each store must grant; connect nowhere.")
    ] = False,
) -> int:
    """Check connections, privileges, the ledger, the workspace and this installation.

    Exit codes: 0 everything works (warnings do not count), 2 something does not.
    """
    from auditor.doctor import examine

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    if grants:
        return _show_grants(invocation, form)
    found = examine(invocation.settings())
    with invocation.result() as stream:
        if form == JSON:
            stream.write(json.dumps({"checks": [_document(one) for one in found]}, indent=1) + "\n")
        else:
            stream.write("".join(map(_told, found)))
            stream.write(_summary(found))
    return 2 if any(one.status == "error" for one in found) else 0


def _show_grants(invocation: Invocation, form: str) -> int:
    from auditor.grants import as_script, least_grants
    from auditor.wiring import Wiring

    settings = invocation.settings()
    found = least_grants(settings, Wiring(settings).catalog().contracts.values())
    with invocation.result() as stream:
        if form == JSON:
            stream.write(json.dumps({"grants": [asdict(one) for one in found]}, indent=1) + "\n")
        else:
            stream.writelines(f"{line}\n" for line in as_script(found))
    return 0


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
