from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from auditor.reports import junit_report
from tests.unit.reports.samples import clean_report, hostile_report, large_report, shop_report, trouble_report
from tests.unit.reports.strategies import reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.reports.document import ReportDocument

ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error", "skipped", "system-out"},
    "failure": set(),
    "error": set(),
    "skipped": set(),
    "system-out": set(),
}


def validated(text: str) -> ET.Element:
    """The report, held against what Jenkins' schema of JUnit's format allows and what readers of it count."""
    root = ET.fromstring(text)  # noqa: S314 - our own output
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) == ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= CHILDREN[element.tag]
    for suite in root:
        cases = list(suite)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        assert int(suite.attrib["tests"]) == len(cases) > 0
        assert all(sum(child.tag in ("failure", "error", "skipped") for child in case) <= 1 for case in cases)
        for kind in ("failure", "error"):
            assert int(suite.attrib[f"{kind}s"]) == sum(case.find(kind) is not None for case in cases)
        assert int(suite.attrib["skipped"]) == sum(case.find("skipped") is not None for case in cases)
    for name in ("tests", "failures", "errors"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
    return root


@pytest.mark.parametrize("report", [shop_report, clean_report, trouble_report, hostile_report])
def test_the_report_is_valid(report: Callable[[], ReportDocument]) -> None:
    validated(junit_report.render(report()))


@given(reports)
def test_the_report_is_valid_whatever_the_values(document: ReportDocument) -> None:
    root = validated(junit_report.render(document))
    failing = int(root.attrib["failures"]) + int(root.attrib["errors"])
    assert (failing > 0) == (document["exit_code"] != 0)


def test_there_is_a_test_case_for_every_owner_and_every_replica() -> None:
    root = validated(junit_report.render(shop_report()))
    cases = {(case.attrib["classname"], case.attrib["name"]) for case in root.iter("testcase")}
    customer = {("customer", name) for name in ("owner", "reporting", "newsletter")}
    assert cases == customer | {("order", name) for name in ("owner", "reporting", "search", "warehouse")}


def test_failures_hold_the_findings() -> None:
    root = validated(junit_report.render(shop_report(), limit=1))
    texts = "".join(element.text or "" for element in root.iter("failure"))
    drifted = [f for f in shop_report()["findings"] if f["verdict"] == "persistent"]
    assert all(finding["id"] in texts for finding in drifted)
    assert "status: owner cancelled, replica paid" in texts


def test_what_is_not_drift_is_a_remark() -> None:
    root = validated(junit_report.render(shop_report()))
    accepted = next(f for f in shop_report()["findings"] if f["verdict"] == "accepted")
    assert any(accepted["id"] in (element.text or "") for element in root.iter("system-out"))
    assert not any(accepted["id"] in (element.text or "") for element in root.iter("failure"))


def test_a_clean_run_passes_every_test() -> None:
    root = validated(junit_report.render(clean_report()))
    assert (root.attrib["failures"], root.attrib["errors"]) == ("0", "0")


def test_trouble_is_an_error_that_says_why() -> None:
    root = validated(junit_report.render(trouble_report()))
    assert root.attrib["failures"] == "0"
    messages = [element.attrib["message"] for element in root.iter("error")]
    assert any("read_model/order_search could not be read" in message for message in messages)
    assert any("an owner has no row at all" in message for message in messages)


def test_drift_that_does_not_fail_the_run_fails_no_test() -> None:
    document = large_report(20)
    document["exit_code"], document["exit_reasons"] = 0, []
    root = validated(junit_report.render(document))
    assert root.attrib["failures"] == "0"
    assert "".join(e.text or "" for e in root.iter("system-out")).count("mismatch") >= 1


def test_a_run_that_found_no_entity_still_has_a_test() -> None:
    document = clean_report()
    document["entities"] = []
    assert validated(junit_report.render(document)).attrib["tests"] == "1"


def test_what_a_monitor_had_nothing_to_look_at_is_skipped_and_does_not_pass() -> None:
    """A test that passes was compared; one that was compared in part says so."""
    document = clean_report()
    entity = document["entities"][1]
    for side, keys in ((entity["owner"], 7), (entity["replicas"][0], 0), (entity["replicas"][1], 7)):
        side["coverage"] = {"complete": True, "skipped": [], "followed": {"keys": keys}}
    document["not_followed"] = [{"entity": "stock", "why": "its owner has no feed"}]
    root = validated(junit_report.render(document))
    cases = {(case.attrib["classname"], case.attrib["name"]): case for case in root.iter("testcase")}
    skipped = {place: case[0].attrib["message"] for place, case in cases.items() if case.find("skipped") is not None}
    assert skipped == {
        ("order", "reporting"): "nothing new was owed, and nothing was compared",
        ("stock", "owner"): "not followed: its owner has no feed",
    }
    partly = "only what change streams told of or was known to differ was looked at: 7 keys\n"
    assert [cases["order", name].findtext("system-out") for name in ("owner", "search")] == [partly, partly]


def test_why_something_was_not_compared_is_told_with_what_was_read_otherwise() -> None:
    document = trouble_report()
    document["entities"][0]["owner"]["coverage"] = {
        "complete": True, "skipped": [], "remarks": ["read in 3 segments"], "read_again": ["broke off once"]
    }  # fmt: skip
    search = document["entities"][1]["replicas"][1]
    search["coverage"] = {"complete": False, "skipped": [], "notes": ["records were lost: offsets 2 to 5"]}
    root = validated(junit_report.render(document))
    messages = [element.attrib["message"] for element in root.iter("error")]
    assert "not compared: records were lost: offsets 2 to 5" in messages
    told = "".join(element.text or "" for element in root.iter("system-out"))
    assert "read in 3 segments\nbroke off once\n" in told
