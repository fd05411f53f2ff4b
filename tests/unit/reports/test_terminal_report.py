from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from rich.cells import cell_len

from auditor.reports import terminal_report
from auditor.reports.document import ReportDocument, finding_document
from tests.unit.reports.samples import (
    clean_report,
    hostile_report,
    large_report,
    shop_findings,
    shop_report,
    trouble_report,
)
from tests.unit.reports.strategies import reports

SAMPLES = {"shop": shop_report, "clean": clean_report, "trouble": trouble_report, "hostile": hostile_report}
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
COLOR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|[34]8;[0-9;]+)(?:;[0-9]+)*m")


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(document: ReportDocument) -> str:
    file = Terminal()
    terminal_report.write(document, document["findings"], file, width=80)
    return file.getvalue()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("width", [32, 40, 60, 80, 100, 200])
def test_no_line_is_longer_than_the_terminal(sample: str, width: int) -> None:
    text = terminal_report.render(SAMPLES[sample](), width=width, limit=100)
    assert max(cell_len(line) for line in text.splitlines()) <= width


@settings(max_examples=30)
@given(reports)
def test_no_line_is_longer_than_80_columns_whatever_the_values(document: ReportDocument) -> None:
    text = terminal_report.render(document, width=80)
    assert max(cell_len(line) for line in text.split("\n")) <= 80


@given(reports)
def test_nothing_in_a_value_acts_on_the_terminal(document: ReportDocument) -> None:
    text = terminal_report.render(document)
    assert all(character.isprintable() or character == "\n" for character in text)


def test_values_are_no_markup() -> None:
    assert "[bold]markup[/bold]" in terminal_report.render(hostile_report(), limit=100, width=120)


def test_counts_stand_in_the_row_of_their_replica() -> None:
    lines = terminal_report.render(shop_report(), width=120).splitlines()
    head = next(line for line in lines if "compared" in line and "drift" in line)
    row = next(line for line in lines if line.strip().startswith("→ search"))
    assert head.split()[:3] == ["rows", "compared", "drift"]
    assert row.split()[2:8] == ["300,000", "300,000", "3", "1", "3", "1"]


def test_every_listed_finding_shows_key_fields_and_id() -> None:
    text = terminal_report.render(shop_report(), limit=100)
    for finding in shop_findings():
        listed = finding.verdict in terminal_report.LISTED
        assert (finding.identity in text) == listed
    assert "status        cancelled → paid" in text
    assert 'note  NULL → ""' in text


def test_what_is_not_drift_is_counted_and_told_apart() -> None:
    text = terminal_report.render(shop_report())
    part = text[text.index("Not counted as drift") :]
    for told in ("3 in flight", "1 healed", "1 accepted", "1 undecided", "12 kept"):
        assert told in part


def test_exit_reasons_are_told_in_words_with_what_to_do_next() -> None:
    text = " ".join(terminal_report.render(shop_report()).split())
    assert "Why exit code 2 drift: copies differ from their owner" in text
    assert "audit entity customer 6b4cb242-4a23-4596-a217-beaddbc496cb" in text
    assert "--format html --out report.html" in text


def test_a_clean_run_is_short_and_says_what_was_covered() -> None:
    text = terminal_report.render(clean_report())
    assert len(text.splitlines()) <= 14
    assert "1,100,000 rows" in " ".join(text.split())
    assert text.count("complete") == 7
    assert "Next" not in text


def test_a_store_that_could_not_be_read_is_named_with_its_hint() -> None:
    text = " ".join(terminal_report.render(trouble_report()).split())
    assert "reading read_model/order_search failed" in text
    assert "next: check `connections.read_model.url`" in text
    assert text.count("incomplete") >= 3


def test_a_limit_lists_no_more_and_says_so() -> None:
    text = terminal_report.render(large_report(500), limit=10)
    assert len(re.findall(r"\b[0-9a-f]{16}$", text, re.MULTILINE)) == 10
    assert "10 of 500 findings listed." in text
    assert re.search(r"… and \d+ more", text)


def test_a_pipe_gets_neither_colour_nor_style() -> None:
    assert "\x1b" not in terminal_report.render(shop_report())


def test_a_terminal_gets_colour() -> None:
    assert COLOR.search(on_terminal(shop_report()))


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    colored = on_terminal(shop_report())
    monkeypatch.setenv("NO_COLOR", "1")
    plain = on_terminal(shop_report())
    assert not COLOR.search(plain)
    assert ESCAPE.sub("", plain) == ESCAPE.sub("", colored)


def test_a_file_that_knows_only_ascii_gets_only_ascii() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    document = hostile_report()
    terminal_report.write(document, document["findings"], file, limit=100)
    file.flush()
    assert b"->" in raw.getvalue()


def test_the_width_of_a_pipe_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = terminal_report.render(shop_report()).splitlines()
    assert 80 < max(map(len, lines)) <= 100


@pytest.mark.parametrize("columns", ["", "wide", "0"])
def test_a_width_that_is_none_is_80(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert max(map(len, terminal_report.render(shop_report()).splitlines())) <= 80


def test_findings_of_the_ledger_are_listed_with_every_verdict() -> None:
    file = io.StringIO()
    documents = [finding_document(finding) for finding in shop_findings()]
    terminal_report.write_findings(documents, datetime(2026, 2, 1, tzinfo=UTC), file)
    text = file.getvalue()
    assert all(document["id"] in text for document in documents)


def test_no_findings_are_said_to_be_none() -> None:
    file = io.StringIO()
    terminal_report.write_findings((), datetime(2026, 2, 1, tzinfo=UTC), file)
    assert file.getvalue() == "No findings.\n"
