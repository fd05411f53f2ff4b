"""Reports of many findings are made in about a second; the bounds leave room for slow and busy machines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from auditor.reports.document import ReportDocument, finding_documents, report_document, run_document
from auditor.reports.formats import NAMES, format_named
from tests.unit.reports.samples import large_result, shop_contracts

if TYPE_CHECKING:
    from pathlib import Path

    from reconcilers.tally import RunResult

COUNT = 50_000
SECONDS_MAX = 5.0
"""Processor seconds: five times what a laptop of today needs for the slowest of them."""


@pytest.fixture(scope="module")
def result() -> RunResult:
    return large_result(COUNT)


@pytest.fixture(scope="module")
def document(result: RunResult) -> ReportDocument:
    return report_document(run_document(result, shop_contracts()), finding_documents(result.findings))


def test_fifty_thousand_findings_become_a_document_and_json_quickly(result: RunResult, tmp_path: Path) -> None:
    begun = time.process_time()
    findings = finding_documents(result.findings)
    document = report_document(run_document(result, shop_contracts()), findings)
    with (tmp_path / "report.json").open("w") as file:
        format_named("json").write(document, document["findings"], file)
    assert time.process_time() - begun < SECONDS_MAX


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_quick(document: ReportDocument, name: str) -> None:
    begun = time.process_time()
    format_named(name).render(document)
    assert time.process_time() - begun < SECONDS_MAX
