"""`audit entity`."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation
from auditor.commands.option_values import duration

if TYPE_CHECKING:
    from auditor.commands.entity_document import Documents
    from auditor.runs.entity import EntitySight
    from auditor.runs.reconcile import Surroundings
    from contracts.contract import Contract
    from reconcilers.finding import KeyText

app = typer.Typer(add_completion=False)

WATCH_SECONDS = 1.0
"""How often `--watch` looks again: a person does not see more, and a store does not feel it."""

AGREED = frozenset({"consistent", "lawfully_absent"})


@app.command()
def entity(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ENTITY", help="Such as order.")],
    key: Annotated[
        list[str] | None, typer.Argument(metavar="KEY...", help="As many values as key fields, or all as name=value.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second until all copies agree.")] = False,
    deadline: Annotated[
        str, typer.Option(metavar="DURATION", help="A store that takes longer shows as unreachable.")
    ] = "5s",
) -> int:
    """Show exactly one entity, everywhere, now: its owner and every replica, field by field.

    Exit codes: 0 every replica is right (or lawfully trails), 1 one is divergent, 2 a store is unreachable or
    undecided, or no store knows the key.
    """
    from auditor.clock import SystemClock
    from auditor.commands.entity_document import Documents
    from auditor.commands.key_values import parse_key
    from auditor.runs.reconcile import Surroundings
    from auditor.wiring import Wiring

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    allowed = duration("--deadline", deadline)
    wiring = Wiring(invocation.settings())
    with wiring.workspace_at_hand() as workspace:
        contract = wiring.contract(name)
        wanted = parse_key(contract, key or ())
        documents = Documents(wiring, contract, wanted)
        around = Surroundings({name: contract}, wiring.reader, workspace(), SystemClock(), applied=wiring.applied)
        look = _Look(contract, wanted, around, allowed.total_seconds() if allowed else 0.0)
        sight = look()
        _write(documents, sight, invocation, form)
        gc.enable()  # see `auditor.cli.main`
        while watch and not _agreed(sight):
            around.clock.wait_until(around.clock.monotonic() + WATCH_SECONDS)
            sight = look()
            _write(documents, sight, invocation, form)
    return sight.exit_code


class _Look:
    """Looks, as often as it is called."""

    def __init__(self, contract: Contract, key: KeyText, around: Surroundings, seconds: float) -> None:
        self._contract = contract
        self._key = key
        self._around = around
        self._seconds = seconds

    def __call__(self) -> EntitySight:
        from auditor.runs.entity import look_at_entity

        return look_at_entity(self._contract, self._key, self._around, seconds=self._seconds)


def _agreed(sight: EntitySight) -> bool:
    return sight.owner_state != "unreachable" and all(replica.state in AGREED for replica in sight.replicas)


def _write(documents: Documents, sight: EntitySight, invocation: Invocation, form: str) -> None:
    from auditor.reports.entity import render_json, write_terminal

    document = documents.of(sight)
    with invocation.result() as stream:
        if form == JSON:
            stream.write(render_json(document))
        else:
            write_terminal(document, stream)
