"""`audit explain`: one finding with all its evidence and its history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.ledger.records import FindingHistory
    from auditor.reports.document import FindingDocument

app = typer.Typer(add_completion=False)


@app.command()
def explain(
    context: typer.Context,
    finding: Annotated[str, typer.Argument(metavar="FINDING", help="Its id, or how the id begins.")],
) -> int:
    """Show one finding with all its evidence, and what every run said about it."""
    from auditor.wiring import Wiring

    invocation = Invocation.of(context)
    form = invocation.format_of((TERMINAL, JSON))
    with Wiring(invocation.settings()).ledger(read_only=True) as ledger:
        history = ledger.finding(finding)
    with invocation.result() as stream:
        if form == JSON:
            stream.write(json.dumps(_document(history), indent=1) + "\n")
        else:
            _tell(history, stream)
    return 0


def _document(history: FindingHistory) -> dict[str, object]:
    runs = [
        {"run_id": seen.run_id, "seen_at": seen.seen_at, "verdict": seen.verdict, "cause": seen.cause}
        for seen in history.observations
    ]
    return {"finding": history.latest, "open": history.is_open, "closed_by": history.closed_by, "history": runs}


def _tell(history: FindingHistory, stream: TextIO) -> None:
    from auditor.commands.drawing import write_pairs, write_table
    from auditor.reports.visible import shown, visible

    finding = cast("FindingDocument", history.latest)
    write_pairs(stream, _about(finding, history))
    if finding["fields"]:
        stream.write("\n")
        heads = ("field", "owner", "replica") if finding["replica"] else ("field", "owner")
        rows = [
            (field["name"], shown(field["owner"]), shown(field["replica"]))[: len(heads)] for field in finding["fields"]
        ]
        write_table(stream, heads, rows)
        for field in finding["fields"]:
            if note := field.get("note"):
                stream.write(f"{visible(field['name'])}: {visible(note)}\n")
    if finding["evidence"]["reads"]:
        stream.write("\nWhat was read\n")
        reads = finding["evidence"]["reads"]
        write_table(
            stream, ("when", "side", "state", "digest"), [(r["at"], r["side"], r["state"], r["digest"]) for r in reads]
        )
    stream.write("\nWhat each run said\n")
    seen = [(one.run_id, one.seen_at, one.verdict, one.cause or "") for one in history.observations]
    write_table(stream, ("run", "when", "verdict", "cause"), seen)


def _about(finding: FindingDocument, history: FindingHistory) -> Iterator[tuple[str, str]]:
    from auditor.reports import words
    from auditor.reports.visible import key_text

    yield "finding", finding["id"]
    yield "where", f"{finding['entity']} at {finding['replica'] or 'the owner'}"
    yield "key", key_text(finding["key"]) or "the whole replica"
    meaning = words.divergence_meaning(finding["divergence"], finding["rule"])
    yield "divergence", _with(words.words(finding["divergence"]), meaning)
    if finding["rule"]:
        yield "rule", finding["rule"]
    yield "verdict", _with(words.words(finding["verdict"]), words.VERDICT_MEANINGS.get(finding["verdict"], ""))
    yield "cause", _with(words.words(finding["cause"]), words.CAUSES.get(finding["cause"], ""))
    if finding["evidence"]["proof"]:
        yield "proof", finding["evidence"]["proof"]
    if note := finding["evidence"].get("note"):
        yield "note", note
    if judge_after := finding.get("judge_after"):
        yield "judged after", words.when(judge_after)
    yield "first seen", words.when(history.first_seen)
    yield "last seen", words.when(history.last_seen)
    yield (
        "now",
        "open" if history.is_open else f"closed by the run {history.closed_by}" if history.closed_by else "closed",
    )


def _with(word: str, meaning: str) -> str:
    return f"{word}: {meaning}" if meaning else word
