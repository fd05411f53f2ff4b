"""`audit report`: the report of a past run, in any format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from auditor.commands.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.reports.document import FindingDocument, RunDocument

app = typer.Typer(add_completion=False)


@app.command()
def report(
    context: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Its id, or how the id begins.", show_default="the last one")
    ] = "last",
    limit_findings: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Findings to list (terminal, Markdown, HTML).")
    ] = None,
) -> int:
    """Write the report of a past run again."""
    from auditor.reports.formats import NAMES, format_named
    from auditor.wiring import Wiring

    invocation = Invocation.of(context)
    form = format_named(invocation.format_of(NAMES))
    with Wiring(invocation.settings()).ledger(read_only=True) as ledger:
        found = ledger.run(run).run_id
        document = cast("RunDocument", ledger.report_head(found))
        findings = cast("Iterator[FindingDocument]", ledger.report_findings(found))
        with invocation.result() as stream:
            form.write(document, findings, stream, limit=limit_findings)
    return 0
