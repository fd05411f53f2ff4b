"""The report as one HTML file: nothing is fetched, nothing runs but its own script, and it can be read without that.

The page holds its findings as data, which its script filters and pages; the first page of them is in the markup as
well.  A Content-Security-Policy allows exactly this style sheet and this script, by their digests: whatever a value
might smuggle in would not run.
"""

from __future__ import annotations

import base64
import hashlib
import io
from importlib.resources import files
from typing import TYPE_CHECKING, TextIO
from urllib.parse import urlencode

from auditor.reports import words
from auditor.reports.chart import bars
from auditor.reports.document import owner_coverage
from auditor.reports.html_findings import FindingData, data_of, finding_item
from auditor.reports.markup import Html, data_element, element, joined, script_element, style_element, void
from auditor.reports.selection import Selection, select

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.reports.document import (
        CoverageDocument,
        EntityReport,
        FindingDocument,
        OwnerDocument,
        ReplicaDocument,
        ReportDocument,
        RunDocument,
    )

LIMIT = 10_000
"""Findings in the page where nobody asks for another number: some ten megabytes, which a browser filters at once."""

PAGE = 50
"""Findings shown at a time."""

OWNER_FILTER = "(owner)"
"""What the page's filter calls findings about the owner alone; `page/report.js` knows it too."""

_COLUMNS = (
    ("owner_rows", "owner rows"),
    ("replica_rows", "replica rows"),
    ("compared_rows", "compared"),
)
_VERDICTS = ("undecided", "in_flight", "healed", "accepted")


def write(run: RunDocument, findings: Iterable[FindingDocument], file: TextIO, *, limit: int | None = None) -> None:
    """Write the page.

    Args:
        run: The run.
        findings: Its findings in report order; all are counted.
        file: Where to, as UTF-8.
        limit: How many findings the page holds at most; None means `LIMIT`.
    """
    selection = select(findings, LIMIT if limit is None else limit)
    style, script = _asset("report.css"), _asset("report.js")
    file.write("<!DOCTYPE html>\n")
    file.write(element("html", _head(run, style, script), Html("\n"), _body(run, selection, script), lang="en"))
    file.write("\n")


def render(document: ReportDocument, *, limit: int | None = None) -> str:
    """The page as text."""
    file = io.StringIO()
    write(document, document["findings"], file, limit=limit)
    return file.getvalue()


def _head(run: RunDocument, style: str, script: str) -> Html:
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return element(
        "head",
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=policy),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        void("meta", name="referrer", content="no-referrer"),
        void("meta", name="robots", content="noindex"),
        element("title", f"{words.outcome(run)} · audit {run['kind']} {run['run_id']}"),
        style_element(style),
    )


def _asset(name: str) -> str:
    return files("auditor.reports").joinpath("page", name).read_text("utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _body(run: RunDocument, selection: Selection, script: str) -> Html:
    data = data_of(run, selection.shown, PAGE)
    parts = [
        _tiles(run),
        _pair(run, selection),
        _summary(run),
        _charts(run, selection),
        _findings(run, selection, data["findings"][:PAGE]),
        _loads(run),
    ]
    return element(
        "body",
        element("a", "Skip to the findings", class_="skip", href="#findings"),
        _header(run),
        element("main", *parts, class_="wrap"),
        element("footer", _footer(run), class_="wrap"),
        data_element("findings-data", data),
        script_element(script),
    )


def _header(run: RunDocument) -> Html:
    outcome = words.outcome(run)
    told, beside = words.headline(run), words.beside(run)
    reasons = words.listed(words.words(reason) for reason in run["exit_reasons"])
    facts = [
        element("span", "audit ", run["kind"], " ", element("bdi", run["run_id"], class_="mono")),
        element("span", words.when(run["started_at"])),
        element("span", "took ", words.run_duration(run)),
        element("span", f"exit code {run['exit_code']}", f": {reasons}" if reasons else ""),
    ]
    return element(
        "header",
        element(
            "div",
            element("p", outcome, class_="outcome"),
            element("h1", told[0].upper() + told[1:]),
            element("p", beside, class_="beside") if beside else None,
            element("p", *facts, class_="run"),
            class_="wrap",
        ),
        class_=outcome.lower(),
    )


def _tiles(run: RunDocument) -> Html:
    every = words.replicas(run)
    drifted = words.drift_total(run)
    places = sum(1 for _, replica in every if words.drift(replica))
    owners = sum(words.drift(entity["owner"]) for entity in run["entities"])
    where = f"in {places} of {words.counted(len(every), 'replica')}"
    where += f", {words.number(owners)} at owners" if owners else ""
    undecided, in_flight = words.total(run, "undecided"), words.total(run, "in_flight")
    compared = sum(replica["compared_rows"] for _, replica in every)
    skipped = words.skipped(run)
    incomplete = any(cut for _, _, cut in skipped)
    whole = "incremental" if words.incremental(run) else "changes" if words.followed(run) else "complete"
    coverage = "incomplete" if incomplete else f"{len(skipped)} skipped" if skipped else whole
    tone = "warn" if incomplete else "" if skipped or whole != "complete" else "good"
    entities = words.counted(len(run["entities"]), "entity", "entities")
    return element(
        "dl",
        _tile("Drift", words.number(drifted), where, "bad" if drifted else "" if run["exit_code"] else "good"),
        _tile("Undecided", words.number(undecided), "could not be told", "warn" if undecided else ""),
        _tile("In flight", words.number(in_flight), "lawfully on their way"),
        _tile("Coverage", coverage, "of what is in scope", tone, word=True),
        _tile("Rows compared", words.number(compared), f"of {entities}", last=True),
        class_="tiles",
    )


def _tile(name: str, value: str, about: str, tone: str = "", *, word: bool = False, last: bool = False) -> Html:
    return element(
        "div",
        element("dt", name),
        element("dd", value, class_=" ".join(part for part in (tone, "word" if word else "") if part) or None),
        element("dd", about, class_="about"),
        class_="card last" if last else "card",
    )


def _pair(run: RunDocument, selection: Selection) -> Html | None:
    parts = [part for part in (_why(run, selection), _beside(run)) if part is not None]
    return element("div", *parts, class_="pair") if parts else None


def _why(run: RunDocument, selection: Selection) -> Html | None:
    if run["exit_code"] == 0:
        return None
    reasons = [
        element("li", element("b", words.words(reason).capitalize()), ": ", words.exit_reason(reason, run))
        for reason in run["exit_reasons"]
    ]
    errors = [element("li", _lines(error), class_="error bad") for error in run.get("errors", [])]
    steps = [_step(step) for step in words.next_steps(run, selection.shown, html=False)]
    return element(
        "section",
        element("h2", f"Why exit code {run['exit_code']}, and what next"),
        element("ul", *reasons, *errors, *steps, class_="plain"),
        class_="card",
    )


def _step(step: words.Step) -> Html:
    command = element("code", step.command, class_="command") if step.command else None
    return element("li", element("b", "Next"), ": ", step.text, command)


def _lines(message: str) -> Html:
    lines: list[str | Html] = []
    for line in message.split("\n"):
        lines += [Html("<br/>"), line] if lines else [line]
    return joined(lines)


def _beside(run: RunDocument) -> Html | None:
    skipped = [
        element("li", element("b", where), ": ", reason, class_="warn" if incomplete else None)
        for where, reason, incomplete in words.skipped(run)
    ]
    sentences = [element("li", sentence) for sentence in (*words.not_drift(run), *words.signs(run))]
    if not skipped and not sentences:
        return None
    parts = []
    if sentences:
        parts += [element("h2", "Not counted as drift"), element("ul", *sentences, class_="plain")]
    if skipped:
        parts += [element("h2", "Not compared"), element("ul", *skipped, class_="plain")]
    return element("section", *parts, class_="card")


def _summary(run: RunDocument) -> Html:
    verdicts = [verdict for verdict in _VERDICTS if words.total(run, verdict)]
    kept = any(replica["kept"] for _, replica in words.replicas(run))
    heads = [*(label for _, label in _COLUMNS), "drift", *map(words.words, verdicts), *(["kept"] if kept else [])]
    cells = [_head_cell(element("span", "replica", class_="said"), "name"), *map(_head_cell, heads)]
    cells += [_head_cell(head, "text") for head in ("lag bound", "coverage")]
    bodies = [_entity(entity, verdicts, kept=kept, width=len(cells)) for entity in run["entities"]]
    table = element(
        "table",
        element("caption", "Counts of each entity's owner and replicas", class_="said"),
        element("thead", element("tr", *cells, role="row"), role="rowgroup"),
        *bodies,
        class_="summary",
        role="table",
    )
    return element("section", element("h2", "Owners and replicas"), table, class_="card")


def _head_cell(head: str, kind: str | None = None) -> Html:
    return element("th", head, scope="col", class_=kind, role="columnheader")


def _entity(entity: EntityReport, verdicts: list[str], *, kept: bool, width: int) -> Html:
    about = " · ".join(part for part in (entity.get("team", ""), entity.get("description", "")) if part)
    title = element(
        "th",
        entity["entity"],
        element("span", f" v{entity['contract_version']}{' · ' if about else ''}{about}", class_="muted"),
        scope="rowgroup",
        colspan=width,
        role="rowheader",
    )
    rows = [_owner_row(entity, entity["owner"], verdicts, kept=kept)]
    rows += [_replica_row(entity, replica, verdicts, kept=kept) for replica in entity["replicas"]]
    return element("tbody", element("tr", title, class_="entity", role="row"), *rows, role="rowgroup")


def _owner_row(entity: EntityReport, owner: OwnerDocument, verdicts: list[str], *, kept: bool) -> Html:
    service = owner.get("service", "")
    name = f"owner: {service}" if service else "owner"
    cells = [_name(name, owner.get("dataset", "")), _number(owner["rows"], "rows", keep=True)]
    cells += [_blank(), _blank(), _drift(entity["entity"], None, owner)]
    cells += [_number(owner[verdict], words.words(verdict)) for verdict in verdicts]  # type: ignore[literal-required]
    cells += [_blank()] if kept else []
    cells += [_blank(), _coverage(owner_coverage(owner))]
    return element("tr", *cells, role="row")


def _replica_row(entity: EntityReport, replica: ReplicaDocument, verdicts: list[str], *, kept: bool) -> Html:
    cells = [_name(replica["replica"], replica.get("dataset", ""))]
    cells += [_number(replica[member], label, keep=True) for member, label in _COLUMNS]  # type: ignore[literal-required]
    cells.append(_drift(entity["entity"], replica["replica"], replica))
    cells += [_number(replica[verdict], words.words(verdict)) for verdict in verdicts]  # type: ignore[literal-required]
    cells += [_number(replica["kept"], "kept")] if kept else []
    cells += [_text(replica.get("lag_bound", ""), "lag bound"), _coverage(replica["coverage"])]
    return element("tr", *cells, role="row")


def _name(name: str, dataset: str) -> Html:
    place = element("span", element("bdi", dataset), class_="mono") if dataset else None
    return element("th", element("span", element("bdi", name)), place, scope="row", class_="name", role="rowheader")


def _number(count: int, label: str, *, keep: bool = False) -> Html:
    tone = ("zero keep" if keep else "zero") if not count else "warn" if label == "undecided" else None
    return element("td", words.number(count), class_=tone, data_label=label, role="cell")


def _drift(entity: str, replica: str | None, counts: OwnerDocument | ReplicaDocument) -> Html:
    count = words.drift(counts)
    if not count:
        return element("td", "0", class_="zero keep", data_label="drift", role="cell")
    verdict = "persistent" if counts["persistent"] else "suspect"
    place = replica if replica is not None else OWNER_FILTER
    link = element("a", words.number(count), href=_view(entity=entity, replica=place, verdict=verdict))
    return element("td", link, class_="bad", data_label="drift", role="cell")


def _view(**filters: str) -> str:
    """The address within the page that shows what the filters name."""
    return "#" + urlencode(filters, errors="replace")


def _text(content: str, label: str) -> Html:
    return element("td", content, class_="text", data_label=label, role="cell")


def _blank() -> Html:
    return element("td", role="cell")


def _coverage(coverage: CoverageDocument) -> Html:
    word = words.coverage(coverage)
    if word == "incomplete":
        return element("td", "incomplete", class_="text warn", data_label="coverage", role="cell")
    return _text(word, "coverage")


def _charts(run: RunDocument, selection: Selection) -> Html | None:
    if not words.drift_total(run):
        return None
    places = [(f"{entity['entity']} → {r['replica']}", words.drift(r)) for entity, r in words.replicas(run)]
    places += [(f"{entity['entity']} (owner)", words.drift(entity["owner"])) for entity in run["entities"]]
    fields = [(f"{entity}.{name}", count) for (entity, name), count in selection.fields.items()]
    divergences = [(words.words(name), count) for name, count in selection.drift_by_divergence().items()]
    charts = (("Drift by replica", places), ("Drift by field", fields), ("Drift by divergence", divergences))
    sections = [_chart(title, counts) for title, counts in charts if any(count for _, count in counts)]
    return element("div", *sections, class_="charts")


def _chart(title: str, counts: list[tuple[str, int]]) -> Html:
    return element("section", element("h2", title), bars(title, counts), class_="card")


def _findings(run: RunDocument, selection: Selection, first: list[FindingData]) -> Html:
    heading = element("h2", "Findings", id="findings", tabindex="-1")
    if not selection.total:
        told = "Nothing that was compared differs." if run["exit_code"] else "Nothing differs."
        return element("section", heading, element("p", told, class_="muted"), class_="card")
    count = f"{f'1–{len(first)} of ' if len(first) > 1 else ''}{words.counted(len(selection.shown), 'finding')}"
    return element(
        "section",
        heading,
        _filters(selection.shown),
        element(
            "div",
            element("p", count, id="count", role="status"),
            element("button", "Clear filters", id="reset", type="button", hidden=True, data_script=True),
            _pages("push"),
            class_="bar-line",
        ),
        _cut(run, selection),
        _without_script(len(first), len(selection.shown)),
        element("ol", *map(finding_item, first), class_="findings", id="findings-list"),
        element("p", "No finding matches these filters.", id="none", class_="none", hidden=True),
        _pages("below"),
        class_="card",
    )


def _filters(findings: list[FindingDocument]) -> Html:
    replicas = {f["replica"] if f["replica"] is not None else OWNER_FILTER for f in findings}
    verdicts = [verdict for verdict in words.VERDICTS if any(f["verdict"] == verdict for f in findings)]
    hint = "key, value, field or id"
    search = void("input", type="search", name="text", placeholder=hint, autocomplete="off", spellcheck="false")
    selects = (
        _select("Entity", "entity", sorted({f["entity"] for f in findings})),
        _select("Replica", "replica", sorted(replicas)),
        _select("Divergence", "divergence", sorted({f["divergence"] for f in findings})),
        _select("Verdict", "verdict", verdicts),
        _select("Field", "field", sorted({d["name"] for f in findings for d in f["fields"]})),
    )
    label = element("label", "Search", search, class_="wide")
    return element(
        "form", label, *selects, class_="filters", id="filters", role="search", hidden=True, data_script=True
    )


def _select(label: str, name: str, values: list[str]) -> Html:
    options = [element("option", "all", value="")]
    coded = name in ("divergence", "verdict")
    options += [element("option", words.words(value) if coded else value, value=value) for value in values]
    return element("label", label, element("select", *options, name=name))


def _pages(place: str) -> Html:
    return element(
        "nav",
        element("button", "Previous", type="button", class_="back"),
        element("span", class_="where"),
        element("button", "Next", type="button", class_="on"),
        class_=f"pages {place}",
        aria_label="Pages of findings",
        hidden=True,
    )


def _cut(run: RunDocument, selection: Selection) -> Html | None:
    if len(selection.shown) == selection.total:
        return None
    shown, total = words.number(len(selection.shown)), words.number(selection.total)
    return element(
        "p",
        f"This page holds {shown} of {total} findings, a fair share of every kind. All of them: ",
        element("code", f"audit report {run['run_id']} --format json --out report.json"),
        class_="cut",
    )


def _without_script(shown: int, total: int) -> Html | None:
    if shown == total:
        return None
    told = f"Without JavaScript this page shows the first {shown} findings; the others are in it as data."
    return element("noscript", element("p", told, class_="cut"))


def _loads(run: RunDocument) -> Html | None:
    loads = words.loads(run)
    if not loads:
        return None
    heads = [element("th", head, scope="col") for head in words.LOAD_HEADS]
    rows = [
        element(
            "tr",
            element("th", element("bdi", connection), scope="row"),
            *(element("td", number) for number in numbers),
        )
        for connection, *numbers in loads
    ]
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows), class_="loads")
    again = [element("p", f"{where}: {why}") for where, why in words.read_again(run)]
    return element("section", element("h2", "What the audit asked of the stores"), table, *again, class_="card")


def _footer(run: RunDocument) -> Html:
    told = f"Report version {run['report_version']}. Times are UTC. The audit reads; it changed nothing."
    return element("p", told)
