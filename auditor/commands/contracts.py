"""`audit contracts`: check, infer, diff, owners, schema."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path  # noqa: TC003 - Typer evaluates the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation
from contracts.errors import ContractError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.wiring import Wiring
    from contracts.catalog import Catalog
    from contracts.contract import Contract
    from contracts.errors import Problem

app = typer.Typer(add_completion=False, help="Check, infer, compare and list contracts.")


@app.command()
def check(
    context: typer.Context,
    live: Annotated[bool, typer.Option("--live", help="Also against the real schemas.")] = False,
) -> int:
    """Lint all contracts: every error at once, each with its file and line.

    Exit codes: 0 no error (warnings do not count), 2 errors.
    """
    from auditor.wiring import Wiring

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    wiring = Wiring(invocation.settings())
    count = 0
    try:
        catalog = wiring.catalog(complete=True)
        problems = list(catalog.warnings)
        count = len(catalog.contracts)
    except ContractError as error:
        problems = list(error.problems)
        live = False
    if live:
        problems += _live(wiring, catalog)
    with invocation.result() as stream:
        stream.write(_checked_json(problems, count) if form == JSON else _checked_text(problems, count))
    return 2 if any(problem.severity == "error" for problem in problems) else 0


def _live(wiring: Wiring, catalog: Catalog) -> list[Problem]:
    from auditor.contracts_live import Facts, check_live

    settings = wiring.settings

    def facts(connection: str) -> Facts:
        written = settings.connections[connection]
        return Facts("timezone" in written.model_fields_set, keeps_keys=written.url.dialect != "file")

    contracts = tuple(catalog.contracts.values())
    found = check_live(contracts, wiring.reader, facts)
    return found + _live_feeds(wiring, contracts) if settings.feeds else found


def _live_feeds(wiring: Wiring, contracts: Sequence[Contract]) -> list[Problem]:
    from auditor.contracts_records import record_problems
    from auditor.feeds.examination import topic_problems
    from auditor.feeds.samples import Sample, samples

    def sample(feed: str, topics: Sequence[str]) -> dict[str, Sample]:
        wanted = wiring.feeds.wanted_of(feed)
        return samples(wiring.settings, feed, {topic: wanted[topic].columns for topic in topics})

    there: dict[str, Sequence[str]] = {}
    found = list(topic_problems(wiring.settings, contracts, there))
    with wiring.workspace(few=True) as workspace:
        return found + list(record_problems(contracts, there, sample, workspace))


def _checked_text(problems: Sequence[Problem], count: int) -> str:
    from auditor.reports.words import counted

    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    told = "".join(f"{problem}\n" for problem in sorted(problems))
    found = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}" if problems else "no problem"
    return f"{told}{counted(count, 'contract')}: {found}\n" if count else f"{told}{found}\n"


def _checked_json(problems: Sequence[Problem], count: int) -> str:
    listed = [
        {"file": one.place.file, "line": one.place.line, "severity": one.severity, "message": one.message}
        for one in sorted(problems)
    ]
    return json.dumps({"contracts": count, "problems": listed}, indent=1) + "\n"


@app.command()
def infer(
    context: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="CONNECTION/RELATION", help="The dataset that decides.")],
    replica: Annotated[
        list[str] | None, typer.Option(metavar="CONNECTION/RELATION", help="A dataset with a copy; may be repeated.")
    ] = None,
    entity: Annotated[str, typer.Option(metavar="NAME", help="The entity's name.", show_default="the relation's")] = "",
) -> int:
    """Write a first contract from the real schemas and a sample of their values.

    What nobody but you knows (deletes, lag_bound, completeness) is left as blanks to fill.
    """
    from auditor.contract_pairs import with_recognitions
    from auditor.contract_samples import describe
    from auditor.wiring import Wiring
    from contracts.inference import infer_contract, with_text_types

    invocation = Invocation.of(context)
    invocation.format_of((TERMINAL,))
    wiring = Wiring(invocation.settings())
    datasets = [_dataset(name) for name in (owner, *(replica or ()))]
    with wiring.workspace() as workspace:
        decides, *copies = [describe(name, wiring.reader, workspace) for name in datasets]
        decides = replace(decides, description=with_text_types(decides.description))
        described = [with_recognitions(decides, copy, workspace, entity) for copy in copies]
    with invocation.result() as stream:
        stream.write(infer_contract(decides.description, described, entity=entity))
    return 0


def _dataset(text: str) -> tuple[str, str]:
    connection, slash, relation = text.partition("/")
    if not slash or not connection or not relation:
        raise UsageError(
            f"{text!r} is no dataset; expected CONNECTION/RELATION, such as orders_db/public.orders",
            hint="the connections are those under `connections` in the settings",
        )
    return connection, relation


@app.command()
def diff(
    context: typer.Context,
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The older version: a contract file, or a directory.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The newer one.")],
) -> int:
    """Show what changed between two versions of a contract, and what each change does to whom.

    Exit codes: 0 the version number says what changed, 2 it does not (breaking changes need a higher one).
    """
    from contracts.catalog import read_contract
    from contracts.versions import diff_catalogs, diff_json, diff_text

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    before, after = ({one.entity: one for one in map(read_contract, _files(path))} for path in (old, new))
    diffs = diff_catalogs(before, after)
    with invocation.result() as stream:
        if form == JSON:
            stream.write(json.dumps({"contracts": [diff_json(one) for one in diffs]}, indent=1) + "\n")
        else:
            stream.write("\n".join(map(diff_text, diffs)) + "\n" if diffs else "no change\n")
    return 2 if any(one.problem for one in diffs) else 0


def _files(path: Path) -> list[Path]:
    found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
    missing = [file for file in found or [path] if not file.is_file()]
    if missing:
        what = f"{path} holds no contract (*.yaml)" if path.is_dir() else f"there is no contract file {missing[0]}"
        raise UsageError(what, hint="name a contract file, or a directory of them, as OLD and as NEW")
    return found


@app.command()
def owners(context: typer.Context) -> int:
    """Show who owns what, and who holds copies, as a table."""
    from auditor.wiring import Wiring
    from contracts.owners import copy_rows, owner_rows

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    known = Wiring(invocation.settings()).catalog().contracts.values()
    with invocation.result() as stream:
        if form == JSON:
            rows = {
                "owners": [asdict(row) for row in owner_rows(known)],
                "copies": [asdict(row) for row in copy_rows(known)],
            }
            stream.write(json.dumps(rows, indent=1) + "\n")
            return 0
        from auditor.commands.drawing import write_table

        heads = ("entity", "team", "owner", "dataset", "key", "copies")
        rows_of_owners = [
            (
                f"{row.entity} v{row.version}",
                row.team,
                row.service,
                row.dataset,
                ", ".join(row.key),
                ", ".join(row.replicas),
            )
            for row in owner_rows(known)
        ]
        write_table(stream, heads, rows_of_owners)
        stream.write("\n")
        copies = [
            (row.entity, row.replica, row.dataset, row.lag_bound, row.deletes, row.completeness)
            for row in copy_rows(known)
        ]
        write_table(stream, ("entity", "copy", "dataset", "lag bound", "deletes", "completeness"), copies)
    return 0


@app.command()
def schema(context: typer.Context) -> int:
    """Print the JSON Schema of the contract file, for editors."""
    from contracts.json_schema import contract_schema

    with Invocation.of(context).result() as stream:
        stream.write(json.dumps(contract_schema(), indent=2) + "\n")
    return 0
