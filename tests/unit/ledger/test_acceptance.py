"""What is accepted, with which values, and when it is over; on every kind of database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from auditor.ledger.acceptance import values_digest
from auditor.ledger.ledger import Ledger
from contracts.errors import UsageError
from reconcilers.finding import Verdict
from tests.unit.ledger.documents import START, finding, findings, report

if TYPE_CHECKING:
    from datetime import datetime

ID = finding()["id"]


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def accept(ledger: Ledger, *references: str, since: int = 0, until: int = 30) -> list[str]:
    return ledger.accept(references or [ID], now=day(since), until=day(until), why="known")


def ends(ledger: Ledger) -> list[tuple[str | None, str | None]]:
    return [(one.ended_why, one.ended_by) for one in ledger.finding(ID).acceptances]


def accepted(**changes: Any) -> dict[str, Any]:
    return finding(verdict=Verdict.ACCEPTED, **changes)


def test_an_acceptance_lives_and_ends_on_every_database(any_url: str) -> None:
    with Ledger.open(any_url) as ledger:
        ledger.record(report("a", 0), [finding(), *findings(1200, first=10)])
        assert not ledger.accepts_anything(day(1))
        assert accept(ledger, ID[:12]) == [ID]
        assert ledger.accepts_anything(day(1))
        assert not ledger.accepts_anything(day(30)), "it ends at the time given"
        known = ledger.accepted([ID, finding("10")["id"]], day(1))
        assert {identity: one.values_digest for identity, one in known.items()} == {ID: values_digest(finding())}
        accept(ledger, since=1)
        assert ends(ledger) == [("replaced", None), (None, None)]
        ledger.record(report("b", 2), [accepted()])
        assert ends(ledger)[-1] == (None, None)
        ledger.record(report("c", 3), [finding(value="stolen")])
        assert ends(ledger)[-1] == ("other_values", "c")
        assert ledger.accepted([ID], day(4)) == {}
        done = ledger.accept_run("a", now=day(4), until=day(30), why="start")
        assert (done.accepted, done.not_drift, done.closed) == (1, 0, 1200)
        ledger.record(report("d", 5), [])
        assert ends(ledger)[-1] == ("gone", "d")


@pytest.mark.parametrize("verdict", [Verdict.IN_FLIGHT, Verdict.UNDECIDED])
def test_what_a_run_could_not_tell_ends_nothing(ledger: Ledger, verdict: Verdict) -> None:
    ledger.record(report("a", 0), [finding()])
    accept(ledger)
    ledger.record(report("b", 1), [finding(verdict=verdict, value="stolen")])
    assert ends(ledger) == [(None, None)]


def test_an_acceptance_made_after_the_run_had_looked_is_not_ended_by_it(ledger: Ledger) -> None:
    ledger.record(report("a", 0), [finding()])
    accept(ledger, since=2)
    ledger.record(report("b", 1), [finding()])
    assert ends(ledger) == [(None, None)]


def test_an_expired_acceptance_is_left_as_it_ended(ledger: Ledger) -> None:
    ledger.record(report("a", 0), [finding()])
    accept(ledger, until=1)
    ledger.record(report("b", 2), [finding(value="stolen")])
    assert ends(ledger) == [(None, None)]


def test_the_values_are_those_that_differ_in_whatever_order(ledger: Ledger) -> None:
    first = finding()
    two = first | {"fields": [*first["fields"], {"name": "a", "owner": None, "replica": "x"}]}
    assert values_digest(two) == values_digest(two | {"fields": list(reversed(two["fields"]))})
    others = [two, finding(value="stolen"), first | {"rows": 2}, first | {"fields": []}]
    assert len({values_digest(each) for each in [first, *others]}) == 5
    assert values_digest(first) == values_digest(first | {"cause": "unknown", "evidence": {}, "verdict": "accepted"})
    ledger.record(report("a"), [first])


@pytest.mark.parametrize("verdict", [each for each in Verdict if each not in (Verdict.PERSISTENT, Verdict.ACCEPTED)])
def test_only_drift_can_be_accepted(ledger: Ledger, verdict: Verdict) -> None:
    ledger.record(report("a", 0), [finding(verdict=verdict), finding("2")])
    with pytest.raises(UsageError, match=f"nothing was accepted: {ID} "):
        accept(ledger, finding("2")["id"], ID)
    assert not ledger.accepts_anything(day(1))
    done = ledger.accept_run("a", now=day(1), until=day(2), why="start")
    assert (done.accepted, done.not_drift) == (1, 1)


def test_told_before_is_what_was_drift_since_it_was_opened(any_url: str) -> None:
    with Ledger.open(any_url) as ledger:
        drift, waiting, gone = finding("1"), finding("2", verdict=Verdict.IN_FLIGHT), finding("3")
        ledger.record(report("a", 0), [drift, waiting, gone])
        ledger.record(report("b", 1), [finding("1", verdict=Verdict.UNDECIDED), waiting])
        ids = [each["id"] for each in (drift, waiting, gone)]
        assert ledger.told_before(ids) == {drift["id"]}
        ledger.record(report("c", 2), [finding("3", verdict=Verdict.IN_FLIGHT), drift, waiting])
        assert ledger.told_before(ids) == {drift["id"]}, "what was opened anew is as new as ever"
        ledger.record(report("d", 3), [finding("1", verdict=Verdict.ACCEPTED), waiting])
        assert ledger.told_before(ids) == set(), "what was accepted is news once it no longer is"
