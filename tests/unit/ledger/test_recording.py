"""A recorded run comes back as it was, and findings open, age, close and open again by clear rules."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.ledger.ledger import Ledger
from auditor.ledger.recording import wholly_compared
from auditor.reports.document import finding_document, finding_order
from contracts.errors import LedgerError, UsageError
from reconcilers.finding import Cause, Divergence, Evidence, FieldDifference, Finding, Read, Verdict
from tests.unit.ledger.documents import PART, START, finding, findings, report, time_text, timed

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_run_comes_back_as_it_was_reported_on_every_database(any_url: str) -> None:
    found = [finding(None), *findings(2500), finding("x\0é😀", value="y" * 3000)]
    document = report("20260131T030000Z-abcdef")
    with Ledger.open(any_url) as ledger:
        seen = ledger.record(document, iter(found), auditor_version="0.1.0", settings_digest="0123")
        assert {(each.first_seen, each.last_seen) for each in seen} == {(START, START)}
        assert len(seen) == len(found)
    with Ledger.open(any_url) as ledger:
        expected = [timed(each, 0, 0) for each in found]
        assert ledger.report() == document | {"findings": expected}
        assert list(ledger.report_findings("2026")) == expected
        run = ledger.run()
        assert (run.run_id, run.kind, run.exit_code, run.exit_reasons) == (
            document["run_id"],
            "reconcile",
            1,
            ("drift",),
        )
        assert (run.auditor_version, run.settings_digest, run.findings) == ("0.1.0", "0123", len(found))


def test_findings_keep_their_age_over_runs_on_every_database(any_url: str) -> None:
    with Ledger.open(any_url) as ledger:
        ledger.record(report("a", 0), findings(1500))
        seen = ledger.record(report("b", 1), findings(1500, first=1000))
        old, new = 200, 700  # from 1000 on
        assert (seen[old].first_seen, seen[old].last_seen) == tuple(
            datetime.fromisoformat(time_text(day)) for day in (0, 1)
        )
        assert seen[new].first_seen == datetime.fromisoformat(time_text(1))
        still_open = ledger.findings(open_only=True)
        assert {each["key"]["id"] for each in still_open} == {str(number) for number in range(1000, 2500)}
        assert len(ledger.findings()) == 2500
        assert ledger.report("a")["findings"] == [timed(each, 0, 0) for each in findings(1500)], "history stays"


_KEYS = st.one_of(st.none(), st.lists(st.tuples(st.text(), st.none() | st.text()), min_size=1, max_size=3))
_DIFFERENCES = st.builds(FieldDifference, st.text(), st.none() | st.text(), st.none() | st.text())
_READS = st.builds(Read, st.text(), st.datetimes(timezones=st.just(START.tzinfo)), st.text(), st.text(), st.text())
_CHANGES = st.dictionaries(st.text(), st.none() | st.text())
FINDINGS = st.builds(
    Finding,
    entity=st.text(max_size=10),
    replica=st.none() | st.text(max_size=10),
    key=_KEYS.map(lambda parts: None if parts is None else tuple(dict(parts).items())),
    divergence=st.sampled_from(Divergence),
    verdict=st.sampled_from(Verdict),
    rule=st.none() | st.text(max_size=10),
    cause=st.sampled_from(Cause),
    fields=st.lists(_DIFFERENCES, max_size=3).map(tuple),
    evidence=st.builds(
        Evidence,
        st.text(),
        st.lists(_READS, max_size=3).map(tuple),
        st.lists(_CHANGES, max_size=3).map(tuple),
        st.text(),
    ),
    judge_after=st.none() | st.datetimes(timezones=st.just(START.tzinfo)),
    count=st.integers(1, 10**12),
)


@pytest.fixture(scope="module")
def shared_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('shared')}/auditor.db") as ledger:
        yield ledger


@given(found=st.lists(FINDINGS, max_size=20))
def test_whatever_is_recorded_is_reported_in_the_same_order(shared_ledger: Ledger, found: list[Finding]) -> None:
    number = len(shared_ledger.runs()) + 1
    documents = [dict(finding_document(each)) for each in found]
    seen = shared_ledger.record(report(f"run-{number}", number), documents)
    reported = shared_ledger.report(f"run-{number}")["findings"]
    times = [(each.pop("first_seen"), each.pop("last_seen")) for each in reported]
    assert reported == documents
    assert [list(each) for each in reported] == [list(each) for each in documents], "members in the same order"
    assert [tuple(map(datetime.fromisoformat, told)) for told in times] == [
        (each.first_seen, each.last_seen) for each in seen
    ]


def history(ledger: Ledger) -> list[tuple[bool, str, str, str | None]]:
    known = ledger.finding(finding()["id"])
    return [(known.is_open, known.first_seen, known.last_seen, known.closed_by)]


def test_a_finding_closes_when_a_whole_comparison_no_longer_finds_it_and_opens_anew(ledger: Ledger) -> None:
    ledger.record(report("a", 0), [finding()])
    ledger.record(report("b", 1), [finding(value="lost")])
    assert history(ledger) == [(True, time_text(0), time_text(1), None)]
    ledger.record(report("c", 2), [])
    assert history(ledger) == [(False, time_text(0), time_text(1), "c")]
    ledger.record(report("d", 3), [])
    assert history(ledger) == [(False, time_text(0), time_text(1), "c")], "what is closed stays closed by whom it was"
    seen = ledger.record(report("e", 4), [finding()])
    assert history(ledger) == [(True, time_text(4), time_text(4), None)], "drift that is back is new drift"
    assert [each.first_seen for each in seen] == [datetime.fromisoformat(time_text(4))]
    known = ledger.finding(finding()["id"])
    assert [(each.run_id, each.document["first_seen"]) for each in known.observations] == [
        ("a", time_text(0)),
        ("b", time_text(0)),
        ("e", time_text(4)),
    ]
    assert known.observations[1].document["fields"][0]["replica"] == "lost"
    assert known.latest == timed(finding(), 4, 4)


def test_a_healed_finding_is_closed(ledger: Ledger) -> None:
    ledger.record(report("a", 0), [finding()])
    seen = ledger.record(report("b", 1), [finding(verdict=Verdict.HEALED)])
    assert [each.first_seen for each in seen] == [START]
    assert history(ledger) == [(False, time_text(0), time_text(1), "b")]
    ledger.record(report("c", 2), [finding(verdict=Verdict.HEALED)])
    assert history(ledger) == [(False, time_text(2), time_text(2), "c")]


@pytest.mark.parametrize("verdict", [each for each in Verdict if each is not Verdict.HEALED])
def test_every_other_verdict_keeps_a_finding_open(ledger: Ledger, verdict: Verdict) -> None:
    ledger.record(report("a"), [finding(verdict=verdict)])
    assert history(ledger)[0][0]


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (report("b", 1, replica=PART), "the replica was not compared whole"),
        (report("b", 1, owner=PART), "the owner was not read whole"),
        (report("b", 1, entity="customer"), "the entity was not in scope"),
        (report("b", 1) | {"entities": [report("b")["entities"][0] | {"replicas": []}]}, "nor was the replica"),
        (report("b", 1) | {"where": "status = 'x'"}, "only some rows were"),
        (report("b", 1) | {"sample": "10%"}, "only a sample was"),
    ],
)
def test_what_a_run_did_not_look_at_stays_open(ledger: Ledger, later: dict[str, Any], why: str) -> None:
    ledger.record(report("a"), [finding()])
    ledger.record(later, [])
    assert history(ledger)[0][0], why


def test_the_owner_s_own_findings_close_with_the_owner_s_coverage(ledger: Ledger) -> None:
    own = finding(replica=None)
    ledger.record(report("a"), [own, finding()])
    ledger.record(report("b", 1, replica=PART), [])
    assert not ledger.finding(own["id"]).is_open
    assert ledger.finding(finding()["id"]).is_open


def test_a_run_may_say_itself_what_it_compared_whole(ledger: Ledger) -> None:
    ledger.record(report("a"), [finding()])
    ledger.record(report("b", 1), [], whole=[])
    assert history(ledger)[0][0]
    ledger.record(report("c", 2, replica=PART), [], whole=[("order", "search")])
    assert not history(ledger)[0][0]


def test_entities_that_differ_by_case_are_different(any_url: str) -> None:
    with Ledger.open(any_url) as ledger:
        ledger.record(report("a", entity="Order"), [finding(entity="Order")])
        ledger.record(report("b", 1, entity="order"), [])
        assert len(ledger.findings(open_only=True)) == 1
        assert ledger.findings(entity="order") == []


def test_no_coverage_is_no_whole_comparison() -> None:
    assert (
        wholly_compared({"entities": [{"entity": "order", "owner": {}, "replicas": [{"replica": "search"}]}]}) == set()
    )


def test_the_same_run_is_recorded_once(ledger: Ledger) -> None:
    ledger.record(report("a"), [finding()])
    with pytest.raises(LedgerError, match=r"cannot record the run a: the ledger .* has it already"):
        ledger.record(report("a"), findings(5))
    assert ledger.status().observations == 1


def test_a_failure_half_way_records_nothing(ledger: Ledger) -> None:
    ledger.record(report("a"), [finding()])

    def failing() -> Iterator[dict[str, Any]]:
        yield from findings(3000)
        raise RuntimeError("the disk of the workspace is gone")

    with pytest.raises(RuntimeError):
        ledger.record(report("b", 1), failing())
    assert (ledger.status().runs, ledger.status().findings) == (1, 1)
    assert history(ledger) == [(True, time_text(0), time_text(0), None)]


def test_two_findings_of_one_identity_are_both_reported_and_known_once(ledger: Ledger) -> None:
    twice = [finding(value="one"), finding(value="two")]
    ledger.record(report("a"), twice)
    assert [each["fields"][0]["replica"] for each in ledger.report()["findings"]] == ["one", "two"]
    assert ledger.status().findings == 1


def test_findings_are_listed_in_report_order(ledger: Ledger) -> None:
    found = [finding("10"), finding("9"), finding("1", replica=None), finding(None), finding("1", entity="customer")]
    ledger.record(report("a"), found)
    listed = ledger.findings()
    assert listed == sorted(listed, key=finding_order)  # type: ignore[arg-type]
    assert [each["entity"] for each in listed] == ["customer", "order", "order", "order", "order"]
    assert ledger.findings(entity="customer") == [timed(found[4], 0, 0)]


def test_runs_are_found_by_id_by_its_beginning_and_as_the_last(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="there is no run yet"):
        ledger.run()
    for day, name in enumerate(["20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb", "20260102T000000Z-bb"]):
        ledger.record(report(name, day), [])
    assert [run.run_id[-6:] for run in ledger.runs()] == ["00Z-bb", "bbbbbb", "aaaaaa"]
    assert len(ledger.runs(limit=2)) == 2
    assert ledger.run("last").run_id == "20260102T000000Z-bb"
    assert ledger.run("20260101").run_id == "20260101T000000Z-aaaaaa"
    assert ledger.run("20260102T000000Z-bb").run_id == "20260102T000000Z-bb", "a whole id is not ambiguous"
    with pytest.raises(
        UsageError, match="`20260102` begins several runs: 20260102T000000Z-bb, 20260102T000000Z-bbbbbb"
    ):
        ledger.run("20260102")
    for nothing in ("2027", "%", "_", "20260101t", "LAST"):
        with pytest.raises(UsageError, match=f"no run begins with `{nothing}`"):
            ledger.report(nothing)


def test_findings_are_found_by_the_beginning_of_their_id(ledger: Ledger) -> None:
    ledger.record(report("a"), findings(300))
    identity = finding("7")["id"]
    assert ledger.finding(identity[:12]).finding_id == identity
    with pytest.raises(UsageError, match=r"`.` begins several findings: .*\n.* write more of it"):
        ledger.finding(re.sub(r".{15}\Z", "", identity))
    with pytest.raises(UsageError, match="no finding begins with `xyz`"):
        ledger.finding("xyz")


def test_the_status_counts(ledger: Ledger) -> None:
    ledger.record(report("a"), findings(3))
    ledger.record(report("b", 1), findings(1))
    status = ledger.status()
    assert (status.runs, status.findings, status.open_findings, status.observations) == (2, 3, 1, 4)
    assert (status.oldest_run, status.newest_run, status.schema_version) == ("a", "b", "0006")
    assert status.size_bytes
