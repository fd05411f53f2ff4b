"""Findings in the HTML report: as data for the page's script, and as the markup of the first page.

`page/report.js` draws the same markup from the same data; who changes one changes both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from auditor.reports import words
from auditor.reports.collector import collector_paused
from auditor.reports.difference import Pieces, difference
from auditor.reports.markup import Html, element
from auditor.reports.visible import key_text, shown, shown_pair, visible

if TYPE_CHECKING:
    from auditor.reports.document import DifferenceDocument, FindingDocument, ReadDocument, RunDocument

Value = list[str] | None
"""A shown value in pieces, every second of which differs; None for NULL."""

FieldData = tuple[str, Value, Value, str]
"""A field's name, the owner's value, the replica's, and what the field means."""

Table = tuple[str, list[str], list[list[str]]]
"""A caption, the heads of the columns, the rows."""


Meanings = dict[tuple[str, str], str]
"""(entity, field) to what it means, for people."""


class FindingData(TypedDict):
    """What the page's script knows of a finding; the names are short because there are thousands of them."""

    i: str  # its id
    e: str  # entity
    r: str | None  # replica
    d: str  # divergence
    v: str  # verdict
    u: str | None  # rule
    p: str  # place, as headed
    k: str  # key
    m: str  # cause and age
    s: str  # what the divergence means, where no field differs
    n: str  # note
    f: list[FieldData]  # differing fields
    x: list[tuple[str, str]]  # facts of the evidence
    t: list[Table]  # tables of the evidence


class PageData(TypedDict):
    """Everything that the page's script works on."""

    page: int
    words: dict[str, str]
    findings: list[FindingData]


def data_of(run: RunDocument, findings: list[FindingDocument], page: int) -> PageData:
    """The findings as data, every value already as it is to be shown.

    Args:
        run: The run.
        findings: In the order of the page.
        page: Findings shown at a time.
    """
    codes = {finding["divergence"] for finding in findings} | {finding["verdict"] for finding in findings}
    named = {code: words.words(code) for code in sorted(codes)}
    meanings = meanings_of(run)
    span = words.span(run)
    with collector_paused():
        every = [finding_data(finding, span, meanings) for finding in findings]
    return {"page": page, "words": named, "findings": every}


def meanings_of(run: RunDocument) -> Meanings:
    """What the fields mean, by entity and field, as far as the report knows."""
    meanings: Meanings = {}
    for entity in run["entities"]:
        for name, field in entity.get("fields", {}).items():
            told = ["critical"] if field.get("critical") else []
            meaning = visible(field.get("meaning", ""))
            meanings[entity["entity"], name] = ": ".join([*told, meaning] if meaning else told)
    return meanings


def finding_data(finding: FindingDocument, span: words.Span, meanings: Meanings) -> FindingData:
    """One finding as data."""
    entity = visible(finding["entity"])
    replica = None if finding["replica"] is None else visible(finding["replica"])
    return {
        "i": finding["id"],
        "e": entity,
        "r": replica,
        "d": finding["divergence"],
        "v": finding["verdict"],
        "u": None if finding["rule"] is None else visible(finding["rule"]),
        "p": f"{entity} → {replica}" if replica is not None else f"{entity}, the owner's own data",
        "k": key_text(finding["key"]) or "the whole replica",
        "m": _about(finding, span),
        "s": f"{words.divergence_meaning(finding['divergence'], finding['rule']).capitalize()}.",
        "n": visible(words.own_note(finding)),
        "f": _fields(finding, meanings),
        "x": _facts(finding),
        "t": _tables(finding),
    }


def _about(finding: FindingDocument, span: words.Span) -> str:
    cause = finding["cause"]
    age = words.age(finding, span)
    parts = [
        "" if cause == "unknown" else f"{words.words(cause)}: {words.CAUSES.get(cause, '')}".removesuffix(": "),
        f"{words.number(finding['rows'])} rows" if finding.get("rows", 1) > 1 else "",
        age if age in ("", *words.NEWS) else f"known for {age}",
    ]
    return " · ".join(part for part in parts if part)


_PRESENCE = {"missing": (["present"], ["", "absent"]), "orphan": (["absent"], ["", "present"])}


def _fields(finding: FindingDocument, meanings: Meanings) -> list[FieldData]:
    if not finding["fields"] and finding["divergence"] in _PRESENCE:
        owner, replica = _PRESENCE[finding["divergence"]]
        return [("row", owner, replica, "")]
    told = (
        (field, _remark(field, meanings.get((finding["entity"], field["name"]), ""))) for field in finding["fields"]
    )
    return [(visible(field["name"]), *_values(finding, field), remark) for field, remark in told]


def _remark(field: DifferenceDocument, meaning: str) -> str:
    """What a field means, and what its two values alone do not show."""
    return "; ".join(part for part in (meaning, visible(field.get("note", ""))) if part)


def _values(finding: FindingDocument, field: DifferenceDocument) -> tuple[Value, Value]:
    owner, replica = field["owner"], field["replica"]
    if finding["replica"] is None:
        return None if owner is None else [shown(owner)], None
    one, other = difference(*shown_pair(owner, replica))
    return None if owner is None else _value(one), None if replica is None else _value(other)


def _value(pieces: Pieces) -> list[str]:
    texts: list[str] = []
    for piece in pieces:
        if piece.differs != (len(texts) % 2 == 1):
            texts.append("")
        texts.append(piece.text)
    return texts


def _facts(finding: FindingDocument) -> list[tuple[str, str]]:
    proof = finding["evidence"]["proof"]
    facts = [("verdict", f"{words.words(finding['verdict'])}: {words.VERDICT_MEANINGS.get(finding['verdict'], '')}")]
    facts += [("proof", f"{words.words(proof)}: {words.PROOFS.get(proof, '')}")] if proof else []
    times = (("first seen", "first_seen"), ("last seen", "last_seen"), ("to be judged after", "judge_after"))
    for name, member in times:
        if member in finding:
            facts.append((name, words.when(finding[member])))  # type: ignore[literal-required]
    return [*facts, ("finding", finding["id"])]


def _tables(finding: FindingDocument) -> list[Table]:
    tables: list[Table] = []
    reads = finding["evidence"]["reads"]
    if reads:
        heads = ["read at (UTC)", "side", "state", "digest", "watermark"]
        tables.append(("Every look at both sides", heads, [_read(read) for read in reads]))
    changes = finding["evidence"]["changes"]
    if changes:
        heads = list(dict.fromkeys(name for change in changes for name in change))
        rows = [[shown(change[name]) if name in change else "" for name in heads] for change in changes]
        tables.append(("The owner's changes", [visible(head) for head in heads], rows))
    return tables


def _read(read: ReadDocument) -> list[str]:
    parts = (words.clock(read["at"]), read["side"], words.words(read["state"]), read["digest"], read["watermark"])
    return [visible(part) for part in parts]


def finding_item(data: FindingData) -> Html:
    """One finding as markup."""
    badges = element(
        "p",
        element("span", words.words(data["v"]), class_=f"badge {data['v']}"),
        element("span", words.words(data["d"]), class_="kind"),
        None if data["u"] is None else element("bdi", data["u"], class_="mono"),
        class_="badges",
    )
    title = element("h3", element("bdi", data["p"]), element("bdi", data["k"], class_="key"))
    meta = element("p", data["m"], class_="meta") if data["m"] else None
    body = _sides(data) if data["f"] else element("p", data["s"], class_="small")
    note = element("p", element("bdi", data["n"]), class_="note") if data["n"] else None
    return element(
        "li", element("div", badges, title, meta), element("div", body, note, _evidence(data)), class_="finding"
    )


def _sides(data: FindingData) -> Html:
    heads = ["value"] if data["r"] is None else ["owner", data["r"]]
    columns = [element("th", element("span", "field", class_="said"), scope="col")]
    columns += [element("th", head, scope="col") for head in heads]
    rows = []
    for name, owner, replica, meaning in data["f"]:
        told = element("span", meaning, class_="meaning") if meaning else None
        cells = [element("th", element("bdi", name), told, scope="row"), _cell(owner, "owner")]
        cells += [_cell(replica, "replica")] if len(heads) > 1 else []
        rows.append(element("tr", *cells))
    return element(
        "table",
        element("colgroup", Html('<col class="field"/>')),
        element("thead", element("tr", *columns)),
        element("tbody", *rows),
        class_="sides",
    )


def _cell(value: Value, side: str) -> Html:
    if value is None:
        return element("td", element("bdi", "NULL", class_="value null"), class_=side, data_label=side)
    pieces = [element("mark", text) if position % 2 else text for position, text in enumerate(value) if text]
    return element("td", element("bdi", *pieces, class_="value"), class_=side, data_label=side)


def _evidence(data: FindingData) -> Html:
    facts = [part for name, told in data["x"] for part in (element("dt", name), element("dd", element("bdi", told)))]
    tables = [_table(caption, heads, rows) for caption, heads, rows in data["t"]]
    body = element("div", element("dl", *facts, class_="facts"), *tables, class_="evidence-body")
    return element("details", element("summary", "Evidence"), body)


def _table(caption: str, heads: list[str], rows: list[list[str]]) -> Html:
    return element(
        "table",
        element("caption", caption, class_="said"),
        element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
        element("tbody", *(element("tr", *(element("td", element("bdi", cell)) for cell in row)) for row in rows)),
        class_="reads",
    )
