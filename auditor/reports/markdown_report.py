"""The report as Markdown, short enough for a chat message or a comment on a pull request.

Values stand in code spans, and everything that Markdown, HTML or a forge would act on is taken out of action there.
Long values are cut around their first difference, and findings are left out rather than pass the size that forges
accept.
"""

from __future__ import annotations

import io
import re
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from auditor.reports import words
from auditor.reports.difference import Pieces, difference, excerpt
from auditor.reports.document import owner_coverage
from auditor.reports.selection import Selection, select
from auditor.reports.visible import key_text, shown, shown_pair, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.reports.document import (
        CoverageDocument,
        FindingDocument,
        ReportDocument,
        RunDocument,
        VerdictCounts,
    )

LIMIT = 20
"""Findings shown where nobody asks for another number: what fits a screen of a chat."""

SIZE_MAX = 60_000
"""Characters: forges refuse comments beyond 65,536, and a few are left for whoever embeds the report."""

VALUE_MAX = 60
"""Characters of a value: enough to see what differs, and two of them fit side by side."""

REASONS_MAX = 20
"""Parts named as not compared, and messages of stores: more would bury the findings."""

LISTED = ("persistent", "suspect", "undecided")

# What starts a construct of Markdown, HTML or a forge (mentions, references to issues, links).
_ACTIVE = re.compile(r"[\\`*\[\]<>#|&~@$]|(?<!\w)_|_(?!\w)|:(?=\S)|(?<=www)\.")
_ROOM_FOR_THE_REST = 100  # characters: for the line that says what was left out
_SIGNS = {0: "✅", 1: "❌", 2: "⚠️"}


def write(run: RunDocument, findings: Iterable[FindingDocument], file: TextIO, *, limit: int | None = None) -> None:
    """Write the report.

    Args:
        run: The run.
        findings: Its findings in report order; all are counted.
        file: Where to.
        limit: How many findings to show at most; None means `LIMIT`.
    """
    selection = select(findings, LIMIT if limit is None else limit, LISTED)
    head = [_headline(run), *filter(None, [words.beside(run)]), _about(run), _summary(run), *_skipped(run)]
    foot = [*_not_drift(run), *_errors(run), *_loads(run), *_next(run, selection)]
    room = SIZE_MAX - sum(len(block) + 2 for block in (*head, *foot))
    blocks = [*head, *_findings(run, selection, room), *foot]
    file.write("\n\n".join(blocks) + "\n")


def render(document: ReportDocument, *, limit: int | None = None) -> str:
    """The report as Markdown text."""
    file = io.StringIO()
    write(document, document["findings"], file, limit=limit)
    return file.getvalue()


def plain(text: str) -> str:
    """Text that stands for itself in Markdown: whatever could act becomes an HTML entity."""
    return _ACTIVE.sub(lambda match: f"&#{ord(match[0])};", visible(text))


def code(text: str) -> str:
    """Text in a code span that can stand in a table's cell.

    A table takes `|` for its own even within a code span, and a backtick could end the span; a text with one of them
    becomes an HTML element with entities in place of a span.
    """
    safe = visible(text)
    if "|" in safe or "`" in safe:
        return f"<code>{plain(safe)}</code>"
    return f"`{safe}`" if safe else ""


def _headline(run: RunDocument) -> str:
    sign = "➖" if words.is_idle(run) else _SIGNS.get(run["exit_code"], "⚠️")
    return f"### {sign} {words.outcome(run)}: {plain(words.headline(run))}"


def _about(run: RunDocument) -> str:
    parts = [
        f"`audit {run['kind']}` run {code(run['run_id'])}",
        words.when(run["started_at"]),
        words.run_duration(run),
    ]
    if run["exit_code"]:
        reasons = words.listed(words.words(reason) for reason in run["exit_reasons"])
        parts.append(f"exit code {run['exit_code']}: {reasons}")
    return " · ".join(parts)


def _summary(run: RunDocument) -> str:
    always = "suspect" if "suspects" in run["exit_reasons"] else "persistent"
    verdicts = [verdict for verdict in words.VERDICTS if verdict == always or words.total(run, verdict)]
    heads = ["entity", "replica", "rows", "compared", *(words.words(verdict) for verdict in verdicts), "coverage"]
    lines = [_row(heads), "|---|---|--:|--:|" + "--:|" * len(verdicts) + "---|"]
    for entity in run["entities"]:
        owner = entity["owner"]
        name = f"**{plain(entity['entity'])}**"
        coverage = owner_coverage(owner)
        rows = words.number(owner["rows"])
        lines.append(_row([name, words.OWNER, rows, "", *_counts(owner, verdicts), _coverage(coverage)]))
        for replica in entity["replicas"]:
            numbers = [words.number(replica["replica_rows"]), words.number(replica["compared_rows"])]
            cells = ["", plain(replica["replica"]), *numbers, *_counts(replica, verdicts)]
            lines.append(_row([*cells, _coverage(replica["coverage"])]))
    return "\n".join(lines) if run["entities"] else "No entity was in scope."


def _counts(counts: VerdictCounts, verdicts: list[str]) -> list[str]:
    cells = []
    for verdict in verdicts:
        count: int = counts[verdict]  # type: ignore[literal-required]
        bold = "**" if verdict in words.DRIFT else ""
        cells.append(f"{bold}{words.number(count)}{bold}" if count else "–")
    return cells


def _coverage(coverage: CoverageDocument) -> str:
    word = words.coverage(coverage)
    return f"**{word}**" if word == "incomplete" else word


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _skipped(run: RunDocument) -> list[str]:
    lines = [f"- {plain(where)}: {plain(reason)}" for where, reason, _ in words.skipped(run)]
    return ["**Not compared**\n\n" + "\n".join(_few(lines))] if lines else []


def _few(lines: list[str]) -> list[str]:
    cut = [line if len(line) <= 10 * VALUE_MAX else f"{line[: 10 * VALUE_MAX].rsplit('&', 1)[0]}…" for line in lines]
    return cut if len(cut) <= REASONS_MAX else [*cut[:REASONS_MAX], f"- … and {len(cut) - REASONS_MAX} more"]


def _findings(run: RunDocument, selection: Selection, room: int) -> list[str]:
    blocks: list[str] = []
    shown_findings = 0
    ordered = sorted(selection.shown, key=_place_order)
    for _, members in groupby(ordered, key=_place_order):
        findings = list(members)
        head = _place_head(findings[0], selection)
        lines = _within(room - len(head) - 2, (_finding_rows(finding, words.span(run)) for finding in findings))
        if lines:
            blocks.append("\n".join([head, *lines]))
            room -= len(blocks[-1]) + 2
            shown_findings += len(lines)
    listed = sum(count for group, count in selection.counts.items() if group.verdict in LISTED)
    if shown_findings < listed:
        blocks.append(f"{words.number(shown_findings)} of {words.counted(listed, 'finding')} shown.")
    return blocks


def _within(room: int, texts: Iterable[str]) -> list[str]:
    """As many of the texts, from the first, as fit into `room` characters with a line feed each."""
    fitting: list[str] = []
    for text in texts:
        room -= len(text) + 1
        if room < _ROOM_FOR_THE_REST:
            break
        fitting.append(text)
    return fitting


def _place_order(finding: FindingDocument) -> tuple[str, bool, str]:
    return (finding["entity"], finding["replica"] is not None, finding["replica"] or "")


def _place_head(finding: FindingDocument, selection: Selection) -> str:
    entity, replica = finding["entity"], finding["replica"]
    counts: dict[str, int] = {}
    for group, count in selection.counts.items():
        if (group.entity, group.replica) == (entity, replica) and group.verdict in LISTED:
            counts[group.verdict] = counts.get(group.verdict, 0) + count
    place = f"{plain(entity)} → {plain(replica)}" if replica is not None else f"{plain(entity)}, the owner's own data"
    told = words.listed(f"{words.number(counts[v])} {words.words(v)}" for v in LISTED if v in counts)
    heads = [*_HEADS, *(["owner", "replica"] if replica is not None else ["value"]), "since"]
    return f"**{place}**: {told}\n\n{_row(heads)}\n|{'---|' * len(heads)}"


_HEADS = ("key", "divergence", "cause", "field")


def _finding_rows(finding: FindingDocument, span: words.Span) -> str:
    alone = finding["replica"] is None
    cause = "" if finding["cause"] == "unknown" else words.words(finding["cause"])
    about = [_key(finding), _divergence(finding), cause]
    age = words.age(finding, span)
    lines = []
    for field in finding["fields"]:
        values = [code(_short(shown(field["owner"])))] if alone else _values(field["owner"], field["replica"])
        note = f" ({plain(field['note'])})" if field.get("note") else ""
        lines.append(_row([*about, f"{code(_short(visible(field['name'])))}{note}", *values, age]))
        about, age = ["", "", ""], ""
    return "\n".join(lines or [_row([*about, "", *([""] if alone else ["", ""]), age])])


def _key(finding: FindingDocument) -> str:
    return code(_short(key_text(finding["key"]))) if finding["key"] else "the whole replica"


def _divergence(finding: FindingDocument) -> str:
    rule = f" {code(_short(visible(finding['rule'])))}" if finding["rule"] else ""
    rows = f" ×{words.number(finding['rows'])}" if finding.get("rows", 1) > 1 else ""
    verdict = " (undecided)" if finding["verdict"] == "undecided" else ""
    return f"{words.words(finding['divergence'])}{rule}{rows}{verdict}"


def _values(owner: str | None, replica: str | None) -> list[str]:
    pieces = difference(*shown_pair(owner, replica))
    return [code(_joined(excerpt(side, VALUE_MAX))) for side in pieces]


def _joined(pieces: Pieces) -> str:
    return "".join(piece.text for piece in pieces)


def _short(text: str) -> str:
    return text if len(text) <= VALUE_MAX else f"{text[: VALUE_MAX - 1]}…"


def _not_drift(run: RunDocument) -> list[str]:
    lines = [f"- {sentence}" for sentence in words.not_drift(run)]
    lines += _few([f"- {plain(sentence)}" for sentence in words.signs(run)])
    return ["**Not counted as drift**\n\n" + "\n".join(lines)] if lines else []


def _errors(run: RunDocument) -> list[str]:
    lines = [f"- {plain(' '.join(error.split()))}" for error in run.get("errors", [])]
    return ["**What could not be read**\n\n" + "\n".join(_few(lines))] if lines else []


def _loads(run: RunDocument) -> list[str]:
    lines = [_row([plain(name), *numbers]) for name, *numbers in words.loads(run)]
    head = [_row(words.LOAD_HEADS), "|---|" + "--:|" * (len(words.LOAD_HEADS) - 1)]
    again = [f"- {plain(where)}: {plain(why)}" for where, why in words.read_again(run)]
    table = ["**What the audit asked of the stores**\n\n" + "\n".join([*head, *lines])] if lines else []
    return [*table, "\n".join(_few(again))] if again else table


def _next(run: RunDocument, selection: Selection) -> list[str]:
    steps = words.next_steps(run, selection.shown)
    lines = [f"- {plain(step.text)}{f': {code(step.command)}' if step.command else ''}" for step in steps]
    return ["**Next**\n\n" + "\n".join(lines)] if lines else []
