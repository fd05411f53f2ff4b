from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from auditor.reports.formats import FORMATS, NAMES, format_named
from contracts.errors import UsageError
from tests.unit.reports.samples import clean_report, hostile_report, shop_report, trouble_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.reports.document import ReportDocument


def test_the_formats_are_those_that_the_interface_names() -> None:
    assert NAMES == ("terminal", "json", "markdown", "html", "junit", "csv")


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown report format 'pdf'\n  next: choose one of terminal, json"):
        format_named("pdf")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("report", [shop_report, clean_report, trouble_report, hostile_report])
def test_every_format_writes_what_it_renders_from_findings_that_pass_once(
    name: str, report: Callable[[], ReportDocument]
) -> None:
    document = report()
    file = io.StringIO(newline="")
    format_named(name).write(document, iter(document["findings"]), file)
    assert file.getvalue() == format_named(name).render(document)
    assert file.getvalue().endswith("\n")


@pytest.mark.parametrize("name", NAMES)
def test_every_format_can_be_written_as_utf8(name: str) -> None:
    format_named(name).render(hostile_report(), limit=1000).encode()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("report", [shop_report, clean_report, trouble_report])
def test_every_format_can_show_no_finding_at_all(name: str, report: Callable[[], ReportDocument]) -> None:
    assert format_named(name).render(report(), limit=0)


@pytest.mark.parametrize("name", NAMES)
def test_every_format_can_tell_of_a_run_without_entities(name: str) -> None:
    document = clean_report()
    document["entities"] = []
    assert format_named(name).render(document)


@pytest.mark.parametrize("name", NAMES)
def test_half_characters_can_be_written(name: str) -> None:
    """Some stores hold text that is no Unicode; it must not stop a report."""
    document = shop_report()
    for finding in document["findings"]:
        finding["key"] = {"id": "\ud800"}
        finding["fields"] = [{"name": "note", "owner": "\udfff", "replica": "\ud83d"}]
    assert format_named(name).render(document).encode()


def test_knowing_the_formats_costs_none_of_them() -> None:
    """`audit --help` must not pay for what draws a report."""
    modules = ", ".join(repr(form.module) for form in FORMATS.values())
    program = (
        "import sys, auditor.reports.formats, auditor.reports.document\n"
        "import auditor.reports.progress, auditor.reports.entity\n"
        f"heavy = {{{modules}, 'rich', 'duckdb', 'sqlalchemy', 'pydantic', 'sqlglot'}} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
