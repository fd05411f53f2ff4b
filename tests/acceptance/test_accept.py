"""Known differences stop failing runs until their day, or until their values change; and no longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Outcome
    from tests.acceptance.shop import Shop

NOW = ("reconcile", "--recheck-after", "0s", "--format", "json")
NEW = (*NOW, "--fail-on", "new")
NEXT_YEAR = f"{datetime.now(UTC) + timedelta(days=365):%Y-%m-%d}"
TERMS = ("--until", NEXT_YEAR, "--why", "known since the move")
LOST = "UPDATE order_search SET state = 'lost' WHERE order_id = 7"


@pytest.fixture
def drifted(shop: Shop, audit: Callable[..., Outcome]) -> Outcome:
    """The report of a run that found one missing and one different row, and a broken rule at the owner."""
    shop.search("DELETE FROM order_search WHERE order_id = 3", LOST)
    shop.owner("UPDATE orders SET total = '-1.00' WHERE id = 9")
    shop.search("UPDATE order_search SET amount = -1 WHERE order_id = 9")
    done = audit("reconcile", "--recheck-after", "0s", "--format", "json", "--replica", "search")
    assert (done.code, len(done.json["findings"])) == (1, 3)
    return done


def ids(report: Outcome) -> dict[str, str]:
    """The id of the finding of each divergence."""
    return {finding["divergence"]: finding["id"] for finding in report.json["findings"]}


def search(*arguments: str) -> tuple[str, ...]:
    return (*NOW, "--replica", "search", *arguments)


def test_accepted_findings_are_counted_as_such_and_do_not_fail_a_run(
    drifted: Outcome, audit: Callable[..., Outcome]
) -> None:
    accepted = audit("accept", *ids(drifted).values(), *TERMS, "--format", "json")
    assert (accepted.code, accepted.json["accepted"]) == (0, 3)
    done = audit(*search())
    assert (done.code, done.json["exit_reasons"]) == (0, [])
    entity = done.json["entities"][0]
    assert (entity["owner"]["persistent"], entity["owner"]["accepted"]) == (0, 1)
    assert (entity["replicas"][0]["persistent"], entity["replicas"][0]["accepted"]) == (0, 2)
    for finding in done.json["findings"]:
        assert finding["verdict"] == "accepted"
        assert finding["accepted"]["why"] == "known since the move"
        assert finding["evidence"]["proof"] == "elapsed"
    again = audit("report", "--format", "json")
    assert again.json == done.json
    assert 'failures="0"' in audit("report", "--format", "junit").out
    assert ",accepted," in audit("report", "--format", "csv").out
    assert "3 accepted" in audit("report").out


def test_what_is_not_accepted_still_fails(drifted: Outcome, audit: Callable[..., Outcome]) -> None:
    assert audit("accept", ids(drifted)["missing"][:10], *TERMS).code == 0
    done = audit(*search())
    assert (done.code, done.json["exit_reasons"]) == (1, ["drift"])
    verdicts = {finding["divergence"]: finding["verdict"] for finding in done.json["findings"]}
    assert verdicts == {"missing": "accepted", "mismatch": "persistent", "invariant": "persistent"}


def test_other_values_reopen_it_for_good(shop: Shop, drifted: Outcome, audit: Callable[..., Outcome]) -> None:
    audit("accept", *ids(drifted).values(), *TERMS)
    shop.search("UPDATE order_search SET state = 'stolen' WHERE order_id = 7")
    done = audit(*search())
    assert done.code == 1
    (reopened,) = [finding for finding in done.json["findings"] if finding["verdict"] == "persistent"]
    assert reopened["id"] == ids(drifted)["mismatch"], "it is the same finding"
    shop.search(LOST)
    assert audit(*search()).code == 1, "an acceptance that has ended does not come back"
    told = " ".join(audit("explain", reopened["id"]).out.split())
    assert "other values were" in told
    assert "stolen" in told


def test_drift_that_has_gone_and_is_back_is_new(shop: Shop, drifted: Outcome, audit: Callable[..., Outcome]) -> None:
    audit("accept", *ids(drifted).values(), *TERMS)
    shop.search("UPDATE order_search SET state = 'paid' WHERE order_id = 7")
    assert audit(*search()).code == 0
    shop.search(LOST)
    assert audit(*search()).code == 1


def test_its_day_passes(drifted: Outcome, audit: Callable[..., Outcome]) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    assert audit("accept", *ids(drifted).values(), "--until", soon.isoformat(), "--why", "for now").code == 0
    while datetime.now(UTC) <= soon:  # each look takes its time
        audit("findings")
    done = audit(*search())
    assert (done.code, done.json["entities"][0]["replicas"][0]["accepted"]) == (1, 0)


def test_a_whole_run_is_a_baseline(shop: Shop, drifted: Outcome, audit: Callable[..., Outcome]) -> None:
    done = audit("accept", "--baseline", "last", *TERMS, "--format", "json")
    assert done.code == 0
    assert done.json["run_id"] == drifted.json["run_id"]
    assert (done.json["accepted"], done.json["not_drift"], done.json["closed"]) == (3, 0, 0)
    assert audit(*search()).code == 0
    shop.search("DELETE FROM order_search WHERE order_id = 4")
    assert audit(*search()).code == 1
    again = audit("accept", "--baseline", drifted.json["run_id"][:-1], *TERMS)
    assert again.code == 0
    assert "3 findings accepted until" in again.out


@pytest.mark.usefixtures("drifted")
def test_a_baseline_binds_to_what_its_run_saw(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("UPDATE order_search SET state = 'stolen' WHERE order_id = 7")
    first = audit("runs", "--format", "json").json["runs"][0]["run_id"]
    audit("accept", "--baseline", first, *TERMS)
    assert audit(*search()).code == 1


def test_only_new_drift_fails_where_that_is_asked_for(
    shop: Shop, drifted: Outcome, audit: Callable[..., Outcome]
) -> None:
    known = audit(*search("--fail-on", "new"))
    assert (known.code, known.json["exit_reasons"]) == (0, [])
    assert known.json["entities"][0]["replicas"][0]["persistent"] == 2, "known is not accepted"
    shop.search("DELETE FROM order_search WHERE order_id = 4")
    assert audit(*search("--fail-on", "new")).code == 1
    assert audit(*search("--fail-on", "new")).code == 0
    audit("accept", ids(drifted)["mismatch"], *TERMS)
    assert audit(*search("--fail-on", "new")).code == 0
    shop.search("UPDATE order_search SET state = 'stolen' WHERE order_id = 7")
    assert audit(*search("--fail-on", "new")).code == 1, "what reopens is news"
    assert audit(*search("--fail-on", "new")).code == 0


def statuses(outcome: Outcome) -> dict[str, str]:
    """What a report says of each key's drift."""
    return {next(iter(one["key"].values())): one.get("status", "") for one in outcome.json["findings"]}


@pytest.mark.usefixtures("drifted")
def test_a_run_that_fails_on_new_drift_says_which_that_is(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """In every format; what had gone, or was accepted, and is back, is told apart."""
    shop.search("DELETE FROM order_search WHERE order_id = 4")
    first = audit(*search("--fail-on", "new"))
    assert sorted(statuses(first).values()) == ["known", "known", "known", "new"]
    assert statuses(first)["4"] == "new"
    shop.search("INSERT INTO order_search VALUES (4, 'paid', 'user4@example.com', 4.5)")
    assert "4" not in statuses(audit(*search("--fail-on", "new")))
    shop.search("DELETE FROM order_search WHERE order_id = 4")
    again = audit(*search("--fail-on", "new"))
    assert (again.code, statuses(again)["4"]) == (1, "reopened")
    for form in ("terminal", "markdown", "html", "junit", "csv"):
        assert "reopened" in audit("report", "--format", form).out
    assert statuses(audit("report", "--format", "json")) == statuses(again), "the same report again"
    assert set(statuses(audit(*search())).values()) == {""}, "nobody asked"


def test_what_is_accepted_and_then_differs_otherwise_is_reopened(
    shop: Shop, drifted: Outcome, audit: Callable[..., Outcome]
) -> None:
    audit("accept", ids(drifted)["mismatch"], *TERMS)
    accepted = audit(*search("--fail-on", "new"))
    assert statuses(accepted)["7"] == ""
    shop.search("UPDATE order_search SET state = 'stolen' WHERE order_id = 7")
    assert statuses(audit(*search("--fail-on", "new")))["7"] == "reopened"


def test_drift_that_was_in_flight_only_is_news_once_it_is_drift(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search(LOST)
    first = audit("reconcile", "--max-wait", "0s", "--format", "json", "--replica", "search")
    assert (first.code, first.json["findings"][0]["verdict"]) == (0, "in_flight")
    assert audit(*search("--fail-on", "new")).code == 1


def test_suspects_are_accepted_too(drifted: Outcome, audit: Callable[..., Outcome]) -> None:
    audit("accept", *ids(drifted).values(), *TERMS)
    done = audit("reconcile", "--no-recheck", "--replica", "search", "--format", "json")
    assert (done.code, done.json["exit_reasons"]) == (0, [])


def test_lists_show_what_is_accepted_at_once(drifted: Outcome, audit: Callable[..., Outcome]) -> None:
    mismatch = ids(drifted)["mismatch"]
    audit("accept", mismatch, *TERMS)
    states = {one["id"]: one.get("state") for one in audit("findings", "--open", "--format", "json").json["findings"]}
    assert states.pop(mismatch) == "accepted"
    assert set(states.values()) == {None}
    assert "known since the move" in audit("findings").out
    told = audit("explain", mismatch, "--format", "json").json
    assert [one["why"] for one in told["acceptances"]] == ["known since the move"]
    assert "known since the move" in audit("explain", mismatch).out


@pytest.mark.usefixtures("drifted")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ffff", *TERMS), "no finding begins with `ffff`"),
        (("", *TERMS), "begins several findings"),
        (("--baseline", "1999", *TERMS), "no run begins with `1999`"),
        ((*TERMS,), "one of the two"),
        (("ab", "--baseline", "last", *TERMS), "one of the two"),
        (("ab", "--until", "2020-01-31", "--why", "x"), "has passed"),
        (("ab", "--until", "soon", "--why", "x"), "is no date"),
        (("ab", "--until", "2099-01-31T12:00:00", "--why", "x"), "has no zone"),
        (("ab", "--until", NEXT_YEAR, "--why", " "), "--why is empty"),
        (("ab", "--until", NEXT_YEAR), "--why"),
        (("ab", "--why", "x"), "--until"),
    ],
)
def test_what_cannot_be_accepted_is_told(audit: Callable[..., Outcome], arguments: tuple[str, ...], says: str) -> None:
    done = audit("accept", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_only_drift_can_be_accepted_and_all_or_nothing_is(
    shop: Shop, drifted: Outcome, audit: Callable[..., Outcome]
) -> None:
    shop.search("UPDATE order_search SET state = 'paid' WHERE order_id = 7")
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 8")
    waiting = audit("reconcile", "--max-wait", "0s", "--format", "json", "--replica", "search").json
    (in_flight,) = [one["id"] for one in waiting["findings"] if (one["key"] or {}).get("id") == "8"]
    done = audit("accept", in_flight, ids(drifted)["mismatch"], ids(drifted)["invariant"], *TERMS)
    assert done.code == 2
    assert f"{in_flight} is in flight, not persistent" in done.err
    assert f"{ids(drifted)['mismatch']} has gone" in done.err
    assert audit("findings", "--format", "json").json["findings"][0].get("state") is None


def test_accepting_makes_no_ledger(shop: Shop, audit: Callable[..., Outcome]) -> None:
    before = shop.files()
    done = audit("accept", "ab", *TERMS)
    assert (done.code, "there is no such file" in done.err) == (2, True)
    assert shop.files() == before
