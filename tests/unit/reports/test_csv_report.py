from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from auditor.reports import csv_report
from auditor.reports.document import finding_document, report_document
from reconcilers.finding import Divergence, Evidence, FieldDifference, Finding, Verdict
from tests.unit.reports.samples import clean_report, hostile_report, shop_report, trouble_report
from tests.unit.reports.strategies import reports

if TYPE_CHECKING:
    from auditor.reports.document import ReportDocument

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def value_rows(value: str | None) -> list[dict[str, str]]:
    document = clean_report()
    fields = (FieldDifference("note", value, None),)
    finding = Finding("order", "search", (("id", "1"),), Divergence.MISMATCH, Verdict.PERSISTENT, fields=fields)
    return rows(csv_report.render(report_document(document, [finding_document(finding)])))


@given(reports)
def test_there_is_a_line_for_every_differing_field_and_one_for_a_finding_without(document: ReportDocument) -> None:
    read = rows(csv_report.render(document))
    assert len(read) == sum(max(1, len(finding["fields"])) for finding in document["findings"])
    assert all(None not in row and None not in row.values() for row in read)


@given(reports)
def test_no_cell_begins_as_a_formula(document: ReportDocument) -> None:
    for row in rows(csv_report.render(document)):
        for cell in row.values():
            stripped = cell.lstrip()
            assert not stripped.startswith(FORMULA_STARTS) or float(cell) < 0


@given(reports)
def test_values_are_read_back_by_dropping_one_leading_apostrophe_and_the_escapes_that_the_note_names(
    document: ReportDocument,
) -> None:
    read = rows(csv_report.render(document))
    told = [row for row in read if row["field"]]
    written = [field for finding in document["findings"] for field in finding["fields"]]
    for row, field in zip(told, written, strict=True):
        assert original(row["owner_value"], row["note"]) == (field["owner"] or "")


def original(cell: str, note: str) -> str:
    """A value as it was before it was written."""
    value = cell.removeprefix("'")
    if csv_report.ESCAPED not in note.split("; "):
        return value
    return re.sub(r"\\\\|\\x(..)", lambda found: chr(int(found[1], 16)) if found[1] else "\\", value)


@pytest.mark.parametrize("value", ["\x1b[2Jgone", "a\x00b", "\x9b31m", "\x7f", "\\x1b and \x1b"])
def test_control_characters_reach_no_terminal_and_are_not_lost(value: str) -> None:
    document = clean_report()
    fields = (FieldDifference("name", value, None, note="why"),)
    finding = Finding("order", "search", (("id", value),), Divergence.MISMATCH, Verdict.PERSISTENT, fields=fields)
    text = csv_report.render(report_document(document, [finding_document(finding)]))
    assert all(character.isprintable() or character in "\r\n" for character in text)
    (row,) = rows(text)
    assert row["note"] == "why; escaped"
    assert original(row["owner_value"], row["note"]) == value
    assert json.loads(row["key"]) == {"id": value}


def test_a_note_has_a_column() -> None:
    """Of the field, and of the whole finding."""
    evidence = Evidence("elapsed", note="hot")
    fields = (FieldDifference("name", "a", "b", note="why"),)
    told = [
        Finding("order", "search", (("id", "1"),), Divergence.MISMATCH, Verdict.UNDECIDED, fields=fields),
        Finding("order", "search", (("id", "2"),), Divergence.MISSING, Verdict.UNDECIDED),
    ]
    judged = [one.judged(Verdict.UNDECIDED, one.cause, evidence, None) for one in told]
    documents = [finding_document(one) for one in judged]
    assert [row["note"] for row in rows(csv_report.render(report_document(clean_report(), documents)))] == [
        "why; hot",
        "hot",
    ]


@pytest.mark.parametrize("value", ["-12.50", "-1", "-0.00", "12", "-1.5E-7"])
def test_amounts_stay_amounts(value: str) -> None:
    assert value_rows(value)[0]["owner_value"] == value


@pytest.mark.parametrize("value", ["=1+1", "+49170", "-2+3", "@SUM(A1)", " =1", "'quoted", "-infinity", "＝1"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(value: str) -> None:
    assert value_rows(value)[0]["owner_value"] == f"'{value}"


def test_null_is_an_unquoted_empty_cell_and_empty_text_a_quoted_one() -> None:
    document = shop_report()
    line = next(line for line in csv_report.render(document).split("\r\n") if "default_filled" in line)
    assert ',note,,"",' in line


def test_lines_end_as_rfc_4180_says() -> None:
    text = csv_report.render(clean_report())
    assert text == ",".join(csv_report.COLUMNS) + "\r\n"
    assert csv_report.render(shop_report()).count("\r\n") == csv_report.render(shop_report()).count("\n")


def test_a_key_of_several_fields_is_named() -> None:
    assert csv_report.key_cell({"order_id": "1", "line": None}) == '{"order_id":"1","line":null}'
    ambiguous: list[dict[str, str | None]] = [
        {"a": "1; b=2", "b": "3"},
        {"a": "1", "b": "2; b=3"},
        {"a": None},
        {"a": '{"a":null}'},
        {"a": ""},
    ]
    assert len({csv_report.key_cell(key) for key in ambiguous}) == len(ambiguous)
    assert csv_report.key_cell({"id": "1"}) == "1"
    assert csv_report.key_cell(None) is None


def test_hostile_values_are_all_there() -> None:
    read = rows(csv_report.render(hostile_report()))
    found = [row for row in read if row["finding_id"]]
    assert len(found) == 2 * len(hostile_report()["findings"])
    assert {row["verdict"] for row in read if not row["finding_id"]} == {"not_compared"}


def test_what_was_not_compared_has_lines_of_its_own_after_the_findings() -> None:
    """An empty file would look like copies that agree."""
    document = trouble_report()
    for replica in document["entities"][1]["replicas"][:1]:
        replica["coverage"] = {"complete": True, "skipped": [], "followed": {"keys": 0}}
    document["not_followed"] = [{"entity": "stock", "why": "its owner has no feed"}]
    document["where"] = "id < 5"
    read = rows(csv_report.render(document))
    assert all((row["finding_id"], row["verdict"]) == ("", "not_compared") for row in read)
    told = [(row["entity"], row["replica"], row["note"]) for row in read]
    empty = "the owner customers_db/public.customers has no rows"
    assert told == [
        ("customer", "reporting", empty),
        ("customer", "newsletter", empty),
        ("customer", "", "only owner rows with id < 5 were looked at"),
        ("order", "reporting", "nothing new was owed, and nothing was compared"),
        ("order", "search", "read_model/order_search could not be read"),
        ("order", "", "only owner rows with id < 5 were looked at"),
        ("stock", "", "not followed: its owner has no feed"),
    ]
    assert rows(csv_report.render(clean_report())) == []
