"""Pruning takes what nobody needs, exactly what it announced, and nothing that is open, accepted or the last word."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from auditor.ledger import pruning
from auditor.ledger.ledger import Ledger
from auditor.ledger.records import Pruned
from contracts.errors import UsageError
from tests.unit.ledger.documents import START, finding, findings, report

if TYPE_CHECKING:
    from datetime import datetime


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def prune(ledger: Ledger, before: float) -> Pruned:
    """Prune, and hold what was announced to what was done."""
    announced = ledger.prune(now=day(before + 90), before=day(before), dry_run=True)
    done = ledger.prune(now=day(before + 90), before=day(before))
    assert done == announced
    assert ledger.prune(now=day(before + 90), before=day(before)) == Pruned(0, 0, 0), "once is enough"
    return done


def test_old_history_goes_and_what_is_needed_stays_on_every_database(
    any_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "ROWS_A_STEP", 7)
    monkeypatch.setattr(pruning, "_IN_A_LIST", 7)
    still, accepted = finding("open"), finding("accepted")
    with Ledger.open(any_url) as ledger:
        ledger.record(report("a", 0), [still, accepted, *findings(20)])
        ledger.accept([accepted["id"]], now=day(0.5), until=day(1000), why="known")
        ledger.record(report("b", 1), [still, accepted, *findings(5)])
        ledger.record(report("other", 2, entity="customer"), [finding("9", entity="customer")])
        ledger.record(report("other-clean", 3, entity="customer"), [])
        ledger.record(report("c", 4), [still, accepted])
        ledger.record(report("d", 50), [still, accepted])
        assert prune(ledger, 10) == Pruned(observations=26, findings=21, runs=1)
        assert [run.run_id for run in ledger.runs()] == ["d", "c", "other-clean", "b", "a"]
        assert [seen.run_id for seen in ledger.finding(still["id"]).observations] == ["a", "b", "c", "d"]
        assert ledger.finding(accepted["id"]).acceptances[0].why == "known"
        assert ledger.report("d")["findings"][0]["key"] == {"id": "open"}
        assert len(ledger.report("c")["findings"]) == 2, "it has lost nothing"
        with pytest.raises(UsageError, match="what the run a found was pruned at"):
            ledger.report("a")
        with pytest.raises(UsageError, match="was pruned at"):
            ledger.accept_run("a", now=day(60), until=day(90), why="start")
        assert len(ledger.findings()) == 2
        ledger.record(report("e", 51), [still])
        assert ledger.finding(still["id"]).first_seen.startswith("2026-01-31")


def test_nothing_recent_goes(ledger: Ledger) -> None:
    ledger.record(report("a", 0), findings(3))
    ledger.record(report("b", 1), [])
    assert prune(ledger, 0) == Pruned(0, 0, 0)
    assert len(ledger.report("a")["findings"]) == 3


def test_the_last_run_of_an_entity_stays_whole_however_old(ledger: Ledger) -> None:
    ledger.record(report("a", 0), findings(3))
    ledger.record(report("b", 1, entity="customer"), [])
    assert prune(ledger, 1000) == Pruned(0, 0, 0)
    ledger.record(report("c", 2), [])
    assert prune(ledger, 1000) == Pruned(3, 3, 1)
    assert [run.run_id for run in ledger.runs()] == ["c", "b"]


def test_what_an_expired_acceptance_kept_goes(ledger: Ledger) -> None:
    ledger.record(report("a", 0), [finding()])
    ledger.accept([finding()["id"]], now=day(0.5), until=day(5), why="for a week")
    ledger.record(report("b", 1), [])
    ledger.record(report("c", 2), [])
    assert prune(ledger, 3) == Pruned(1, 1, 2)
