"""`audit entity`."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

import gc
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation
from auditor.commands.option_values import duration
from contracts.errors import AuditorError

if TYPE_CHECKING:
    from auditor.commands.entity_document import Documents
    from auditor.runs.entity import EntitySight
    from auditor.runs.surroundings import Surroundings
    from auditor.wiring import Wiring
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
    from auditor.wiring import Wiring

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    allowed = duration("--deadline", deadline)
    wiring = Wiring(invocation.settings())
    with wiring.workspace_at_hand() as workspace:  # while DuckDB works on it, Python imports the rest
        from auditor.clock import SystemClock
        from auditor.commands.entity_document import Documents
        from auditor.commands.key_values import parse_key
        from auditor.runs.surroundings import Surroundings

        contract = wiring.contract(name)
        wanted = parse_key(contract, key or ())
        documents = Documents(wiring, contract, wanted)
        _import_what_follows(wiring, contract)
        around = Surroundings({name: contract}, wiring.reader, workspace(), SystemClock(), applied=wiring.applied)
        look = _Look(contract, wanted, around, allowed.total_seconds() if allowed else 0.0)
        sight = look()
        _write(documents, sight, invocation, form)
        if watch:
            gc.enable()  # see `auditor.cli.main`
        while watch and not _agreed(sight):
            around.clock.wait_until(around.clock.monotonic() + WATCH_SECONDS)
            sight = look()
            _write(documents, sight, invocation, form)
    return sight.exit_code


def _import_what_follows(wiring: Wiring, contract: Contract) -> None:
    """Import what reads rows, compares them and shows them, before there is a workspace to read into."""
    import_module("numpy")  # DuckDB calls functions of ours through it
    following = ["auditor.feeds.follower"] if contract.owner.feed is not None else []
    for module in ("auditor.runs.entity", "auditor.reports.entity", "auditor.reports.terminal_report", *following):
        import_module(module)
    references = (contract.owner.reference, contract.owner.feed, *(copy.reference for copy in contract.replicas))
    for reference in references:
        with suppress(AuditorError):  # told where it is read
            _ = reference and wiring.reader(reference)


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
