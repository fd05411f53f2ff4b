"""`audit init`: settings and a contract to start from."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import typer

from auditor.commands.invocation import Invocation, atomic_file
from contracts.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(add_completion=False)

CONTRACT = "contracts/entities/order.yaml"


@app.command()
def init(context: typer.Context) -> int:
    """Write commented settings and a contract to start from; nothing that is there already is touched."""
    invocation = Invocation.of(context)
    settings = invocation.config_path
    contract = settings.parent / CONTRACT
    for path in (settings, contract):
        if path.exists():
            raise UsageError(f"{path} is there already", hint="move it away, or name other settings with --config")
    _write(settings, "auditor.yaml")
    _write(contract, "order.yaml")
    invocation.say(f"wrote {settings} and {contract}")
    invocation.say(
        "next: fill in your connections, then\n"
        "  audit doctor\n"
        "  audit contracts infer CONNECTION/RELATION --replica CONNECTION/RELATION\n"
        "  audit contracts check --live\n"
        "  audit reconcile"
    )
    return 0


def _write(path: Path, template: str) -> None:
    text = files("auditor.init").joinpath(template).read_text("utf-8")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"making {path.parent} failed: {error.strerror or error}",
            hint="name settings in a directory that you may write, with --config",
        ) from error
    with atomic_file(path) as stream:
        stream.write(text)
