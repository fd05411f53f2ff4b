from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from auditor.reports import markdown_report
from auditor.reports.visible import shown, visible
from tests.unit.reports.samples import (
    HOSTILE,
    clean_report,
    hostile_report,
    large_report,
    shop_report,
    trouble_report,
)
from tests.unit.reports.strategies import reports, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from markdown_it.token import Token

    from auditor.reports.document import ReportDocument

FORGE_LIMIT = 65_536


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def inline(text: str) -> list[Token]:
    return [child for token in parsed(text) for child in token.children or ()]


def cell_texts(text: str) -> list[list[str]]:
    """The rows of all tables, each cell as a person reads it."""
    rows: list[list[str]] = []
    for token in parsed(text):
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline" and token.level >= 4 and rows:
            rows[-1].append("".join(_text(child) for child in token.children or ()))
    return rows


def _text(token: Token) -> str:
    return "" if token.type == "html_inline" else token.content


@given(st.one_of(st.sampled_from(HOSTILE), st.text()))
def test_a_value_in_a_cell_stays_in_its_cell_and_reads_as_itself(value: str) -> None:
    told = markdown_report.code(shown(value))
    rows = cell_texts(f"| a | b |\n|---|---|\n| {told} | end |")
    assert rows[1] == [shown(value), "end"]


@given(st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1)))
def test_plain_text_holds_no_markup(value: str) -> None:
    tokens = inline(f"- so: {markdown_report.plain(value)}")
    assert {token.type for token in tokens} <= {"text", "text_special"}
    seen = html.unescape("".join(token.content for token in tokens))
    assert " ".join(seen.split()) == " ".join(html.unescape(f"so: {visible(value)}").split()) or "&" in value


@pytest.mark.parametrize("report", [shop_report, clean_report, trouble_report, hostile_report])
def test_every_row_of_a_table_has_as_many_cells_as_its_head(report: Callable[[], ReportDocument]) -> None:
    text = markdown_report.render(report(), limit=100)
    for block in text.split("\n\n"):
        rows = cell_texts(block)
        if rows:
            assert len(rows) == len(block.splitlines()) - 1
            assert len({len(row) for row in rows}) == 1


def test_hostile_values_make_no_link_image_or_element() -> None:
    tokens = inline(markdown_report.render(hostile_report(), limit=100))
    assert {token.type for token in tokens} & {"link_open", "image", "em_open", "s_open"} == set()
    assert {token.content for token in tokens if token.type == "html_inline"} <= {"<code>", "</code>"}


def test_mentions_and_issue_references_are_taken_out_of_action() -> None:
    assert markdown_report.plain("@everyone #1") == "&#64;everyone &#35;1"


@given(reports)
def test_a_report_fits_a_comment(document: ReportDocument) -> None:
    assert len(markdown_report.render(document, limit=1000)) < FORGE_LIMIT


def test_a_large_report_fits_a_comment_and_says_what_is_left_out() -> None:
    text = markdown_report.render(large_report(3000), limit=1_000_000)
    assert FORGE_LIMIT * 0.8 < len(text) < FORGE_LIMIT
    assert "of 3,000 findings shown." in text


def test_differing_values_stand_side_by_side() -> None:
    rows = cell_texts(markdown_report.render(shop_report(), limit=100))
    assert any(row[3:6] == ["status", "shipped", "pending"] for row in rows)
    assert any(row[3:6] == ["", "", ""] and row[1] == "orphan" for row in rows)


def test_long_values_are_cut_around_what_differs() -> None:
    rows = cell_texts(markdown_report.render(shop_report(), limit=100))
    note = next(row for row in rows if row[3:4] == ["note"] and "14" in row[4])
    assert all(len(cell) <= markdown_report.VALUE_MAX for cell in note[4:6])
    assert "41" in note[5]


def test_a_clean_report_is_a_heading_and_a_table() -> None:
    text = markdown_report.render(clean_report())
    assert text.startswith("### ✅ Consistent: 5 replicas")
    assert "**Next**" not in text


def test_trouble_names_what_could_not_be_read() -> None:
    text = markdown_report.render(trouble_report())
    assert "**What could not be read**" in text
    assert "**incomplete**" in text


@given(values)
def test_a_value_never_breaks_a_line(value: str | None) -> None:
    assert "\n" not in markdown_report.code(shown(value))
