"""`audit explain`: one finding with all its evidence and its history."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation
from auditor.reports.document import instant_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from auditor.ledger.records import Acceptance, FindingHistory
    from auditor.reports.document import FindingDocument

_OBSERVED = ("fields", "rows", "evidence", "judge_after")
"""What a run said about a finding, beyond verdict and cause."""

_ENDS = {"other_values": "other values were seen", "gone": "it had gone", "replaced": "accepted again"}

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
        | {name: seen.document[name] for name in _OBSERVED if name in seen.document}
        for seen in history.observations
    ]
    accepted = [asdict(one) for one in history.acceptances]
    document = {"finding": history.latest, "open": history.is_open, "closed_by": history.closed_by}
    return document | {"history": runs, "acceptances": accepted}


def _tell(history: FindingHistory, stream: TextIO) -> None:
    from auditor.commands.drawing import write_pairs, write_table
    from auditor.reports.visible import shown, visible

    finding = cast("FindingDocument", history.latest)
    write_pairs(stream, _about(finding, history))
    heads = ("field", "owner", "replica") if finding["replica"] else ("field", "owner")
    if finding["fields"]:
        stream.write("\n")
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
        rows = [(read["at"], read["side"], read["state"], read["watermark"], read["digest"]) for read in reads]
        write_table(stream, ("when", "side", "state", "watermark", "digest"), rows)
    if finding["evidence"]["changes"]:
        _tell_changes(finding["evidence"]["changes"], stream)
    stream.write("\nWhat each run said\n")
    seen = [(one.run_id, one.seen_at, one.verdict, one.cause or "") for one in history.observations]
    write_table(stream, ("run", "when", "verdict", "cause"), seen)
    if earlier := list(_earlier_values(history)):
        stream.write("\nWhat it was before\n")
        write_table(stream, ("from the run", *heads), [row[: 1 + len(heads)] for row in earlier])
    if history.acceptances:
        stream.write("\nAccepted\n")
        rows = [(one.accepted_at, _ended(one), one.why) for one in history.acceptances]
        write_table(stream, ("when", "until", "why"), rows)


def _tell_changes(changes: Sequence[Mapping[str, str | None]], stream: TextIO) -> None:
    """The owner's changes that matter: what the replica makes of each, when it was, and where it stands."""
    from auditor.reports.visible import shown

    stream.write("\nWhat the owner changed\n")
    for change in changes:
        told = {name: shown(value) for name, value in change.items() if value is not None}
        stream.write(f"{told.get('replica', ''):<10}{told.get('change', '')}  {told.get('committed_at', '')}\n")
        where = f"{told.get('topic', '')}/{told.get('partition', '')}@{told.get('offset', '')}"
        beside = [f"{name} {told[name]}" for name in ("position", "transaction") if name in told]
        stream.write(f"{'':<10}{', '.join([where, *beside])}\n")


def _earlier_values(history: FindingHistory) -> Iterator[tuple[str, ...]]:
    """The differing fields each time they had become others, up to the ones that stand above."""
    from auditor.reports.visible import shown

    told = None
    for observation in history.observations:
        fields = observation.document["fields"]
        if fields == told:
            continue
        told = fields
        if fields != history.latest["fields"]:
            for field in fields:
                yield observation.run_id, field["name"], shown(field["owner"]), shown(field["replica"])


def _ended(acceptance: Acceptance) -> str:
    if acceptance.ended_at is None:
        return acceptance.until
    by = f" by the run {acceptance.ended_by}" if acceptance.ended_by else ""
    return f"{acceptance.ended_at}: {_ENDS.get(acceptance.ended_why or '', 'ended')}{by}"


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
    yield "now", _now(history)


def _now(history: FindingHistory) -> str:
    if not history.is_open:
        return f"closed by the run {history.closed_by}" if history.closed_by else "closed"
    now = instant_text(datetime.now(UTC))
    accepted = next((one for one in history.acceptances if one.in_force(now)), None)
    return f"open, accepted until {accepted.until}: {accepted.why}" if accepted else "open"


def _with(word: str, meaning: str) -> str:
    return f"{word}: {meaning}" if meaning else word
