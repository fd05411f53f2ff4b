from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from auditor.reports import words
from auditor.reports.document import FindingDocument, finding_document, instant_text, run_document
from reconcilers.finding import Cause, Divergence, Finding, Verdict
from reconcilers.tally import RunResult
from tests.unit.reports.samples import (
    FINISHED,
    STARTED,
    clean_report,
    shop_contracts,
    shop_report,
    tallied,
    trouble_report,
)


def test_every_code_of_a_finding_has_words() -> None:
    assert set(words.DIVERGENCES) == set(Divergence)
    assert set(words.VERDICTS) == set(words.VERDICT_MEANINGS) == set(Verdict)
    assert set(words.CAUSES) == set(Cause)


def test_every_exit_reason_has_words() -> None:
    reasons = {"drift", "suspects", "undecided", "incomplete", "unreadable", "empty_owner", "not_recorded"}
    assert set(words.EXIT_REASONS) == reasons
    assert set(words.NEXT_STEPS) == reasons - {"drift"}


def test_a_filtered_run_says_which_rows_it_looked_at() -> None:
    """Nothing is called consistent that was not compared."""
    document = clean_report()
    document["where"] = "id <= 5"
    assert "Only owner rows with id <= 5 were looked at" in words.beside(document)


def test_a_clean_run_says_what_was_covered() -> None:
    assert words.headline(clean_report()) == "5 replicas of 2 entities agree with the owner; 1,100,000 rows compared."
    assert words.outcome(clean_report()) == "Consistent"


def test_drift_is_told_apart_from_rows_of_the_owner_that_break_the_contract() -> None:
    document = shop_report()
    assert words.headline(document) == (
        "18 rows in 4 of 5 replicas differ from the owner; 2 owner rows break the contract."
    )
    assert words.beside(document) == "Beside that, for some rows it could not be told whether they are consistent."


def test_an_exit_code_is_told_by_what_was_found_in_copies_and_in_owners() -> None:
    """Copies that agree are not called wrong, and no plan for them is proposed, where only an owner's row is."""
    both = shop_report()
    copies, owners = words.EXIT_REASONS["drift"], "rows of an owner break its contract"
    assert words.exit_reason("drift", both) == f"{copies}; and {owners}"
    alone = shop_report()
    for _, replica in words.replicas(alone):
        replica["persistent"] = 0
    assert words.exit_reason("drift", alone) == owners
    assert any("compensate" in step.command for step in words.next_steps(both, []))
    assert not any("compensate" in step.command for step in words.next_steps(alone, []))
    for entity in both["entities"]:
        entity["owner"]["persistent"] = 0
    assert words.exit_reason("drift", both) == copies
    assert words.exit_reason("undecided", both) == words.EXIT_REASONS["undecided"]


def test_trouble_is_not_called_drift() -> None:
    assert words.outcome(trouble_report()) == "Trouble"
    assert "differ" not in words.headline(trouble_report())


def test_suspects_only_may_differ() -> None:
    suspects = [Finding("order", "search", (("id", "1"),), Divergence.MISSING, Verdict.SUSPECT)]
    entities = tallied(suspects, shop_contracts(), {"customer": 1, "order": 1})
    result = RunResult("r", "reconcile", STARTED, FINISHED, 1, ("suspects",), entities, suspects)
    assert (
        words.headline(run_document(result, shop_contracts())) == "1 row in 1 of 5 replicas may differ from the owner."
    )


def test_drift_that_does_not_fail_a_run_is_still_mentioned() -> None:
    document = shop_report()
    known = {**document, "exit_code": 0, "exit_reasons": []}
    assert "but for 20 rows known from earlier runs" in words.headline(known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("earlier", "age"),
    [
        (timedelta(0), "new"),
        (timedelta(seconds=-1), "new"),
        (timedelta(minutes=5), "10 min"),
        (timedelta(hours=5), "5 h"),
        (timedelta(days=3), "3 d"),
    ],
)
def test_the_age_of_a_finding_is_told_from_when_it_was_first_seen(earlier: timedelta, age: str) -> None:
    document = shop_report()
    finding: FindingDocument = {**document["findings"][0], "first_seen": instant_text(STARTED - earlier)}
    assert words.age(finding, words.span(document)) == age


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.04, "0.0 s"), (4.1, "4.1 s"), (12, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h")],
)
def test_durations_are_told_in_two_units_at_most(seconds: float, told: str) -> None:
    assert words.duration(seconds) == told


def test_the_proposed_command_can_be_typed_as_it_stands() -> None:
    document = shop_report()
    finding = Finding("order", "search", (("id", "a b; rm -rf ~"),), Divergence.MISSING, Verdict.PERSISTENT)
    assert words.entity_command(finding_document(finding), document) == "audit entity order 'a b; rm -rf ~'"


@pytest.mark.parametrize("value", [None, "", "-1", "line\nbreak", "x" * 100])
def test_no_command_is_proposed_for_a_key_that_cannot_be_typed(value: str | None) -> None:
    finding = Finding("order", "search", (("id", value),), Divergence.MISSING, Verdict.PERSISTENT)
    assert words.entity_command(finding_document(finding), shop_report()) == ""


def test_no_command_is_proposed_for_a_key_whose_values_are_hidden() -> None:
    contract = shop_contracts()["order"]
    secret = {name: replace(field, sensitive=True) for name, field in contract.fields.items()}
    hidden = {"order": replace(contract, fields=secret)}
    finding = Finding("order", "search", (("id", "sha256:12"),), Divergence.MISSING, Verdict.PERSISTENT)
    entities = tallied([finding], hidden, {"order": 1})
    result = RunResult("r", "reconcile", STARTED, FINISHED, 1, ("drift",), entities, [finding])
    assert words.entity_command(finding_document(finding), run_document(result, hidden)) == ""


def test_what_was_not_compared_is_told_with_its_reason() -> None:
    """A store's message, which stands among the errors in full, becomes a few words here."""
    run = clean_report()
    entity = run["entities"][0]
    changed, status = "orders.csv changed while it was read", "status: not known without history"
    entity["owner"]["coverage"] = {"complete": False, "skipped": [], "notes": [changed]}
    entity["replicas"][0]["coverage"] = {"complete": False, "skipped": [], "notes": ["no route to host"]}
    entity["replicas"][1]["coverage"] = {"complete": True, "skipped": ["status"], "notes": [status]}
    run["errors"] = ["customer at reporting: no route to host"]
    assert [(reason, incomplete) for _, reason, incomplete in words.skipped(run)] == [
        (changed, True),
        ("could not be read", True),
        (status, False),
    ]
