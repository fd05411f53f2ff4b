"""Findings and whole reports with whatever text a store may hold."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from auditor.reports.document import ReportDocument, finding_document, report_document, run_document
from reconcilers.finding import Cause, Divergence, Evidence, FieldDifference, Finding, Read, Verdict
from reconcilers.tally import RunResult
from tests.unit.reports.samples import FINISHED, HOSTILE, STARTED, shop_contracts, tallied

names = st.one_of(st.sampled_from(("id", "status", "total_amount")), st.text(min_size=1, max_size=12))
values = st.one_of(st.none(), st.sampled_from(HOSTILE), st.text(max_size=60))
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
differences = st.builds(FieldDifference, names, values, values)
reads = st.builds(
    Read, names, moments, st.text(max_size=20), st.sampled_from(("present", "absent")), st.text(max_size=8)
)
changes = st.dictionaries(names, values, max_size=3)
evidence = st.builds(
    Evidence,
    st.sampled_from(("", "elapsed", "applied", "position")),
    st.lists(reads, max_size=2).map(tuple),
    st.lists(changes, max_size=2).map(tuple),
    st.text(max_size=30),
)
keys = st.one_of(st.none(), st.dictionaries(names, values, min_size=1, max_size=3).map(lambda key: tuple(key.items())))
findings = st.builds(
    Finding,
    st.sampled_from(("customer", "order")),
    st.sampled_from((None, "reporting", "search")),
    keys,
    st.sampled_from(Divergence),
    st.sampled_from(Verdict),
    rule=st.one_of(st.none(), names),
    cause=st.sampled_from(Cause),
    fields=st.lists(differences, max_size=3).map(tuple),
    evidence=evidence,
    judge_after=st.one_of(st.none(), moments),
    count=st.integers(1, 5),
)


def _report(found: list[Finding]) -> ReportDocument:
    reasons = [
        reason
        for reason, verdict in (("drift", "persistent"), ("suspects", "suspect"), ("undecided", "undecided"))
        if any(finding.verdict == verdict for finding in found)
    ]
    code = 2 if "undecided" in reasons else 1 if reasons else 0
    entities = tallied(found, shop_contracts(), {"customer": 10, "order": 20})
    result = RunResult("run-1", "reconcile", STARTED, FINISHED, code, tuple(reasons), entities, found)
    documents = [finding_document(finding) for finding in found]
    return report_document(run_document(result, shop_contracts()), documents)


reports: st.SearchStrategy[ReportDocument] = st.lists(findings, max_size=12).map(_report)
