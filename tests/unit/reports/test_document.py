from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given

from auditor.reports.document import (
    duration_notation,
    finding_document,
    finding_order,
    instant_text,
    report_document,
    run_document,
)
from reconcilers.finding import Divergence, Finding, Verdict
from reconcilers.tally import Coverage
from tests.unit.reports.samples import FINISHED, Times, shop_contracts, shop_findings, shop_result
from tests.unit.reports.strategies import findings

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_times_are_utc_with_microseconds_whatever_zone_they_came_in() -> None:
    noon_in_delhi = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert instant_text(noon_in_delhi) == "2026-01-31T06:30:00.000000Z"
    assert instant_text(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000000Z"


def test_a_time_without_a_zone_is_refused_since_it_names_no_instant() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        instant_text(datetime(2026, 1, 31))  # noqa: DTZ001 - the point


def test_a_finding_has_every_member_that_the_interface_names() -> None:
    for finding in shop_findings():
        document = finding_document(finding)
        names = {"id", "entity", "replica", "key", "divergence", "rule", "verdict", "cause", "fields", "evidence"}
        assert names <= set(document)
        assert document["id"] == finding.identity
        assert set(document["evidence"]) >= {"proof", "reads", "changes"}


def test_proof_is_null_while_nothing_is_proven() -> None:
    in_flight = next(f for f in shop_findings() if f.verdict is Verdict.IN_FLIGHT)
    document = finding_document(in_flight)
    assert document["evidence"]["proof"] is None
    assert document["judge_after"] == instant_text(FINISHED + timedelta(minutes=4))


def test_a_replica_has_every_member_that_the_interface_names() -> None:
    run = run_document(shop_result(), shop_contracts())
    for entity in run["entities"]:
        assert {"rows", "persistent", "undecided", "accepted"} <= set(entity["owner"])
        for replica in entity["replicas"]:
            counts = {"persistent", "in_flight", "healed", "undecided", "accepted", "kept"}
            rows = {"replica", "owner_rows", "replica_rows", "compared_rows", "watermarks", "coverage"}
            assert counts | rows <= set(replica)
            assert set(replica["watermarks"]) == {"owner", "replica"}
            assert set(replica["coverage"]) == {"complete", "skipped"}


def test_counts_are_of_the_verdicts_that_the_run_counted() -> None:
    run = run_document(shop_result(), shop_contracts())
    search = run["entities"][1]["replicas"][1]
    assert (search["persistent"], search["undecided"], search["in_flight"], search["healed"]) == (3, 1, 3, 1)
    assert run["entities"][1]["owner"]["persistent"] == 2


def test_an_entity_whose_contract_is_gone_is_still_reported() -> None:
    run = run_document(shop_result(), {})
    assert [entity["entity"] for entity in run["entities"]] == ["customer", "order"]


def test_what_the_contract_says_of_fields_is_there_for_people() -> None:
    fields = run_document(shop_result(), shop_contracts())["entities"][1]["fields"]
    assert fields["status"] == {"type": "text", "meaning": "where the order stands", "critical": True}
    assert fields["email"]["sensitive"]


def test_an_owner_that_was_not_read_whole_is_incomplete() -> None:
    result = shop_result()
    result.entities[0].coverage = Coverage(complete=False, skipped=("hidden rows",))
    owner = run_document(result, shop_contracts())["entities"][0]["owner"]
    assert owner["coverage"] == {"complete": False, "skipped": ["hidden rows"]}


def test_findings_stand_by_entity_then_replica_with_the_owners_own_first_then_key() -> None:
    def finding(entity: str, replica: str | None, key: str | None) -> Finding:
        parts = (("id", key),)
        return Finding(entity, replica, parts, Divergence.MISSING, Verdict.PERSISTENT)

    late = Finding("a", "r", None, Divergence.LATE, Verdict.PERSISTENT)
    wanted = [
        finding("a", None, "9"),
        late,
        finding("a", "r", None),
        finding("a", "r", ""),
        finding("a", "r", "10"),
        finding("a", "r", "9"),
        finding("a", "rr", "1"),
        finding("aa", None, "0"),
        finding("b", "a", "0"),
    ]
    run = run_document(shop_result(), shop_contracts())
    documents = [finding_document(f) for f in wanted]
    assert report_document(run, reversed(documents))["findings"] == documents


def test_keys_of_several_fields_are_ordered_field_by_field() -> None:
    keys = [("a", "z"), ("ab", "a"), ("b", None), ("b", "a")]
    found = [Finding("e", "r", (("x", x), ("y", y)), Divergence.MISSING, Verdict.PERSISTENT) for x, y in reversed(keys)]
    ordered = sorted((finding_document(f) for f in found), key=finding_order)
    assert [tuple((f["key"] or {}).values()) for f in ordered] == keys


@given(findings)
def test_every_time_in_a_finding_is_canonical(finding: Finding) -> None:
    document = finding_document(finding)
    times = [read["at"] for read in document["evidence"]["reads"]]
    times += [document["judge_after"]] if "judge_after" in document else []
    assert all(TIME.fullmatch(time) for time in times)


def test_times_of_the_ledger_are_taken_by_id_and_missing_ones_left_out() -> None:
    run = run_document(shop_result(), shop_contracts())
    documents = [finding_document(finding) for finding in shop_findings()]
    times = Times("2026-01-01T00:00:00.000000Z", "2026-01-31T00:00:00.000000Z")
    first = documents[0]["id"]
    report = report_document(run, documents, {first: times})
    assert [f["id"] for f in report["findings"] if "first_seen" in f] == [first]


@pytest.mark.parametrize(
    ("seconds", "notation"), [(300, "5m"), (30, "30s"), (0.25, "250ms"), (86400, "1d"), (5400, "90m"), (0, "0s")]
)
def test_durations_are_written_as_contracts_write_them(seconds: float, notation: str) -> None:
    assert duration_notation(seconds) == notation
