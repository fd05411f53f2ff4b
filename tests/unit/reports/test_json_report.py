from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, TextIO, cast

from hypothesis import given

from auditor.reports import json_report
from tests.unit.reports.samples import hostile_report, shop_report
from tests.unit.reports.strategies import reports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.reports.document import FindingDocument, ReportDocument


@given(reports)
def test_json_holds_the_whole_document(document: ReportDocument) -> None:
    assert json.loads(json_report.render(document)) == document


def test_json_is_ascii_so_that_no_value_acts_on_a_terminal() -> None:
    text = json_report.render(hostile_report())
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)


def test_a_finding_stands_on_a_line_of_its_own() -> None:
    document = shop_report()
    lines = json_report.render(document).splitlines()
    found = [line for line in lines if line.startswith('{"id":')]
    assert [json.loads(line.rstrip(","))["id"] for line in found] == [f["id"] for f in document["findings"]]


def test_a_limit_leaves_nothing_out_of_json() -> None:
    document = shop_report()
    assert json_report.render(document, limit=1) == json_report.render(document)


def test_a_list_of_findings_alone_can_be_written() -> None:
    import io

    file = io.StringIO()
    json_report.write_json({}, iter(()), file)
    assert json.loads(file.getvalue()) == {"findings": []}


class Counter:
    """A file that only counts, so that what is measured is not the file."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, text: str) -> int:
        self.size += len(text)
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.write(line)


def test_memory_does_not_grow_with_the_findings() -> None:
    """Ten thousand findings, ten megabytes of text, pass through within a fraction of that."""
    document = shop_report()

    def many() -> Iterator[FindingDocument]:
        for number in range(10_000):
            yield {**document["findings"][number % len(document["findings"])], "id": f"{number:016x}"}

    file = Counter()
    tracemalloc.start()
    try:
        json_report.write(document, many(), cast("TextIO", file))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.size > 8_000_000
    assert peak < 4_000_000
