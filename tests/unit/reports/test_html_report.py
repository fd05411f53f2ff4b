from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from auditor.reports import html_report
from auditor.reports.chart import BARS_MAX, bars
from auditor.reports.markup import Html, data_element, element, text
from tests.unit.reports.samples import (
    HOSTILE,
    clean_report,
    hostile_report,
    large_report,
    shop_report,
    trouble_report,
)
from tests.unit.reports.strategies import reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.reports.document import ReportDocument

OURS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "a",
    "header",
    "div",
    "p",
    "h1",
    "h2",
    "h3",
    "span",
    "bdi",
    "main",
    "section",
    "dl",
    "dt",
    "dd",
    "ul",
    "ol",
    "li",
    "b",
    "br",
    "code",
    "table",
    "caption",
    "colgroup",
    "col",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "svg",
    "g",
    "rect",
    "text",
    "form",
    "label",
    "input",
    "select",
    "option",
    "button",
    "nav",
    "noscript",
    "mark",
    "details",
    "summary",
    "footer",
    "script",
}
VOID = {"meta", "br", "col", "input", "rect"}


class Page(HTMLParser):
    """A page as a browser would take it apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        assert len(attributes) == len(attrs)
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(part for tag, parts in self.texts.items() if tag not in ("script", "style") for part in parts)


def data(page: Page) -> dict[str, list[dict[str, object]]]:
    parsed: dict[str, list[dict[str, object]]] = json.loads(page.texts["script"][0])
    return parsed


def assert_sealed(page: Page) -> None:
    """Nothing but our own elements, scripts and styles is in the page, and nothing of it points elsewhere."""
    assert {name for name, _ in page.elements} <= OURS
    for name, attributes in page.elements:
        assert not any(attribute.startswith("on") or attribute == "style" for attribute in attributes)
        assert not {"src", "action", "formaction", "srcdoc", "ping"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#"), name
    scripts = page.all("script")
    assert [script.get("type") for script in scripts] == ["application/json", None]
    assert len(page.all("style")) == 1
    policy = next(m["content"] or "" for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    for kind, content in (("style", page.texts["style"][0]), ("script", page.texts["script"][1])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize("report", [shop_report, clean_report, trouble_report, hostile_report])
def test_the_page_is_sealed(report: Callable[[], ReportDocument]) -> None:
    assert_sealed(Page(html_report.render(report())))


@settings(max_examples=40, deadline=None)
@given(reports)
def test_the_page_is_sealed_whatever_the_values(document: ReportDocument) -> None:
    assert_sealed(Page(html_report.render(document)))


def test_the_page_asks_nothing_of_the_network() -> None:
    page = html_report.render(shop_report())
    assert not re.search(r"(?:https?:)?//[a-z]", page.split("</style>")[0].split("<style>")[1])
    assert "@import" not in page
    assert "url(" not in page


def test_hostile_values_are_shown_as_text() -> None:
    page = Page(html_report.render(hostile_report()))
    for value in HOSTILE:
        if value.isprintable() and value.strip():
            assert value in page.words


def test_what_would_not_be_seen_is_written_out() -> None:
    raw = html_report.render(hostile_report())
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f-\x9f]", raw)
    assert "\\u202egnp.exe" in Page(raw).words


def test_data_cannot_end_its_element() -> None:
    embedded = data_element("d", ["</script><!--<script>", "&", "\u2028"])
    content = embedded.removeprefix('<script type="application/json" id="d">').removesuffix("</script>")
    assert not set("<>&\u2028") & set(content)
    assert json.loads(content) == ["</script><!--<script>", "&", "\u2028"]


def test_text_is_escaped_unless_it_is_markup() -> None:
    assert element("p", "<b>", Html("<i></i>"), title='"<') == '<p title="&quot;&lt;">&lt;b&gt;<i></i></p>'
    assert text("a\nb") == "a\\nb"


def test_the_page_can_be_read_without_its_script() -> None:
    page = Page(html_report.render(large_report(200)))
    forms = page.all("form") + page.all("nav")
    assert forms
    assert all("hidden" in attributes for attributes in forms)
    assert len([1 for attributes in page.all("li") if attributes.get("class") == "finding"]) == html_report.PAGE
    assert "Without JavaScript this page shows the first 50 findings" in page.words


def test_the_page_holds_every_finding_up_to_its_limit_and_says_when_it_cut() -> None:
    whole = Page(html_report.render(large_report(200)))
    assert len(data(whole)["findings"]) == 200
    assert "This page holds" not in whole.words
    cut = Page(html_report.render(large_report(200), limit=60))
    assert len(data(cut)["findings"]) == 60
    assert "This page holds 60 of 200 findings" in cut.words


def test_charts_count_all_findings_whatever_the_limit() -> None:
    page = Page(html_report.render(large_report(200), limit=10))
    labels = [svg["aria-label"] or "" for svg in page.all("svg")]
    assert [label.split(":")[0] for label in labels] == ["Drift by replica", "Drift by field", "Drift by divergence"]
    assert sum(int(count) for count in re.findall(r" (\d+)(?:;|$)", labels[0])) == 200
    assert sum(int(count) for count in re.findall(r" (\d+)(?:;|$)", labels[2])) == 200


def test_differing_characters_are_marked_on_both_sides() -> None:
    page = Page(html_report.render(shop_report()))
    assert {"shipped", "pending", "5.00", "4.99", "14", "41"} <= set(page.texts["mark"])


def test_the_summary_leads_to_the_findings_of_a_replica() -> None:
    page = Page(html_report.render(shop_report()))
    assert "#entity=order&replica=search&verdict=persistent" in [a["href"] for a in page.all("a")]
    assert "#entity=order&replica=%28owner%29&verdict=persistent" in [a["href"] for a in page.all("a")]


def test_every_filter_that_is_promised_is_there() -> None:
    page = Page(html_report.render(shop_report()))
    controls = {a["name"] for a in page.all("select") + page.all("input")}
    assert controls == {"text", "entity", "replica", "divergence", "verdict", "field"}
    values = {a.get("value") for a in page.all("option")}
    assert {"order", "warehouse", "orphan", "undecided", "total_amount", "(owner)"} <= values


def test_a_clean_page_has_no_charts_and_no_filters() -> None:
    page = Page(html_report.render(clean_report()))
    assert not page.all("svg")
    assert not page.all("form")
    assert "Nothing differs." in page.words


def test_trouble_without_drift_does_not_look_clean() -> None:
    page = Page(html_report.render(trouble_report()))
    assert page.all("header")[0]["class"] == "trouble"
    assert "Nothing that was compared differs." in page.words
    assert "reading read_model/order_search failed" in page.words


def test_a_chart_with_many_bars_sums_up_the_rest() -> None:
    chart = Page(bars("Drift by field", [(f"field {n}", n) for n in range(1, 21)]))
    assert len(chart.all("g")) == BARS_MAX
    assert "13 others 91" in (chart.all("svg")[0]["aria-label"] or "")


def test_a_chart_leaves_out_what_has_nothing() -> None:
    assert len(Page(bars("x", [("a", 0), ("b", 3)])).all("g")) == 1
