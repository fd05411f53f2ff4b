"""What a run leaves in flight is handed to the next run, with what is known of it."""

from __future__ import annotations

from typing import Any

from auditor.ledger.ledger import Ledger
from reconcilers.finding import Verdict
from tests.unit.ledger.documents import finding, report, time_text


def in_flight(key: str, judge_day: int) -> dict[str, Any]:
    return finding(key, verdict=Verdict.IN_FLIGHT) | {"judge_after": time_text(judge_day)}


def test_what_the_last_run_left_in_flight_is_carried_soonest_first_on_every_database(any_url: str) -> None:
    later, sooner, other = in_flight("1", 9), in_flight("2", 8), in_flight("3", 9)
    with Ledger.open(any_url) as ledger:
        ledger.record(report("a", 0), [later])
        ledger.record(report("b", 1), [finding("4"), later, sooner])
        ledger.record(report("c", 2, entity="customer"), [other | {"entity": "customer"}])
        carried = list(ledger.carried("order"))
        assert [each.finding_id for each in carried] == [sooner["id"], later["id"]]
        assert [(each.first_seen, each.last_seen, each.judge_after) for each in carried] == [
            (time_text(1), time_text(1), time_text(8)),
            (time_text(0), time_text(1), time_text(9)),
        ]
        assert carried[0].document["evidence"] == sooner["evidence"]
        assert [each.document["entity"] for each in ledger.carried("customer")] == ["customer"]


def test_nothing_is_carried_once_a_run_has_judged_it_or_no_longer_found_it(ledger: Ledger) -> None:
    ledger.record(report("a", 0), [in_flight("1", 9), in_flight("2", 9)])
    ledger.record(report("b", 1), [finding("1")])
    assert list(ledger.carried("order")) == []


def test_no_more_is_carried_than_a_run_remembers(ledger: Ledger) -> None:
    ledger.record(report("a", 0), [in_flight("1", 9), in_flight("2", 8), in_flight("3", 7)])
    assert [each.judge_after for each in ledger.carried("order", 2)] == [time_text(7), time_text(8)]
