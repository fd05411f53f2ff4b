"""What the ledger knows, shown: findings, explain, runs, report, ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auditor.reports.formats import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Outcome
    from tests.acceptance.shop import Shop

RECONCILE = ("reconcile", "--recheck-after", "0s", "--format", "json")


@pytest.fixture
def report(shop: Shop, audit: Callable[..., Outcome]) -> Outcome:
    """The report of a run that found one missing and one different row."""
    shop.search(
        "DELETE FROM order_search WHERE order_id = 3", "UPDATE order_search SET state = 'lost' WHERE order_id = 7"
    )
    done = audit(*RECONCILE)
    assert done.code == 1
    return done


def test_findings_are_those_of_the_report(report: Outcome, audit: Callable[..., Outcome]) -> None:
    done = audit("findings", "--format", "json")
    assert done.code == 0
    assert done.json["findings"] == report.json["findings"]
    assert len(audit("findings", "--entity", "order", "--format", "json").json["findings"]) == 2
    assert "3" in audit("findings").out


@pytest.mark.usefixtures("report")
def test_open_findings_are_those_that_have_not_gone(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("UPDATE order_search SET state = 'paid' WHERE order_id = 7")
    audit(*RECONCILE)
    assert audit("findings", "--open", "--format", "json").findings() == {("search", "3", "missing")}
    (open_one, gone) = audit("findings", "--format", "json").json["findings"]
    assert "state" not in open_one
    assert (gone["state"], gone["closed_by"]) == ("closed", audit("runs", "--format", "json").json["runs"][0]["run_id"])
    assert "closed · " in audit("findings").out


@pytest.mark.usefixtures("shop")
def test_an_entity_that_nobody_knows_is_a_mistake_and_one_without_findings_is_not(
    audit: Callable[..., Outcome],
) -> None:
    assert audit(*RECONCILE).code == 0
    done = audit("findings", "--entity", "ordr")
    assert (done.code, done.out) == (2, "")
    assert "order" in done.err
    assert audit("findings", "--entity", "order", "--format", "json").json == {"findings": []}


def test_explain_shows_the_evidence_and_the_history(report: Outcome, audit: Callable[..., Outcome]) -> None:
    (finding,) = [one for one in report.json["findings"] if one["divergence"] == "mismatch"]
    done = audit("explain", finding["id"][:6], "--format", "json")
    assert done.code == 0
    assert done.json["finding"] == finding
    assert [seen["run_id"] for seen in done.json["history"]] == [report.json["run_id"]]
    told = audit("explain", finding["id"])
    for word in ("status", "paid", "lost", "elapsed", report.json["run_id"]):
        assert word in told.out


def test_runs_lists_the_latest_first(report: Outcome, audit: Callable[..., Outcome]) -> None:
    second = audit(*RECONCILE).json
    done = audit("runs", "--format", "json")
    assert [run["run_id"] for run in done.json["runs"]] == [second["run_id"], report.json["run_id"]]
    assert len(audit("runs", "--limit", "1", "--format", "json").json["runs"]) == 1
    assert second["run_id"][:8] in audit("runs").out


def test_a_report_can_be_written_again(report: Outcome, audit: Callable[..., Outcome]) -> None:
    audit(*RECONCILE)
    assert audit("report", report.json["run_id"], "--format", "json").out == report.out
    assert audit("report", "--format", "json").json["run_id"] != report.json["run_id"]


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize("form", NAMES)
def test_a_report_has_every_format(audit: Callable[..., Outcome], form: str) -> None:
    done = audit("report", "--format", form)
    assert done.code == 0
    assert done.out


@pytest.mark.usefixtures("report")
def test_the_ledger_tells_its_size_and_upgrades_itself(audit: Callable[..., Outcome]) -> None:
    done = audit("ledger", "status", "--format", "json")
    assert (done.code, done.json["runs"], done.json["open_findings"]) == (0, 1, 2)
    assert audit("ledger", "upgrade").code == 0


@pytest.mark.parametrize("command", [("runs",), ("findings",), ("explain", "ab"), ("report",), ("ledger", "status")])
def test_looking_makes_no_ledger(shop: Shop, audit: Callable[..., Outcome], command: tuple[str, ...]) -> None:
    before = shop.files()
    done = audit(*command)
    assert done.code == 2
    assert "ledger" in done.err
    assert shop.files() == before


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize("command", [("explain", "ffffffffffffffff"), ("report", "19990101")])
def test_what_is_not_there_is_told(audit: Callable[..., Outcome], command: tuple[str, ...]) -> None:
    done = audit(*command)
    assert (done.code, done.out) == (2, "")
    assert command[1] in done.err
