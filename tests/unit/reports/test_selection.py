from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from auditor.reports.document import finding_document
from auditor.reports.selection import fair_shares, group_of, select
from auditor.reports.words import VERDICTS
from reconcilers.finding import Divergence, FieldDifference, Finding, Verdict
from tests.unit.reports.strategies import findings


def found(replica: str, divergence: Divergence, count: int, verdict: Verdict = Verdict.PERSISTENT) -> list[Finding]:
    return [Finding("order", replica, (("id", f"{n:06}"),), divergence, verdict) for n in range(count)]


def test_a_crowd_cannot_hide_the_one_orphan_of_another_replica() -> None:
    crowd = found("reporting", Divergence.MISMATCH, 1000) + found("search", Divergence.ORPHAN, 1)
    selection = select(map(finding_document, crowd), 10)
    assert Counter(f["replica"] for f in selection.shown) == {"reporting": 9, "search": 1}
    assert selection.total == 1001


def test_the_gravest_verdicts_are_shown_first() -> None:
    mixed = found("a", Divergence.MISSING, 5, Verdict.HEALED) + found("b", Divergence.MISSING, 5)
    selection = select(map(finding_document, mixed), 5)
    assert {f["verdict"] for f in selection.shown} == {"persistent"}


def test_fields_are_counted_over_drift_alone() -> None:
    fields = (FieldDifference("status", "a", "b"),)
    drifted = Finding("order", "r", (("id", "1"),), Divergence.MISMATCH, Verdict.PERSISTENT, fields=fields)
    healed = Finding("order", "r", (("id", "2"),), Divergence.MISMATCH, Verdict.HEALED, fields=fields)
    selection = select(map(finding_document, [drifted, healed]), 0)
    assert selection.fields == {("order", "status"): 1}
    assert selection.drift_by_divergence() == {"mismatch": 1}
    assert selection.shown == []


@given(st.lists(findings, max_size=30), st.one_of(st.none(), st.integers(0, 30)))
def test_all_are_counted_and_as_many_shown_as_the_limit_lets(many: list[Finding], limit: int | None) -> None:
    documents = [finding_document(finding) for finding in many]
    selection = select(iter(documents), limit)
    assert selection.total == len(many)
    assert len(selection.shown) == (len(many) if limit is None else min(limit, len(many)))
    ranks = [VERDICTS.index(f["verdict"]) for f in selection.shown]
    assert ranks == sorted(ranks)
    assert selection.counts == Counter(map(group_of, documents))


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 50), max_size=8), st.integers(0, 100))
def test_shares_use_the_limit_up_and_give_nobody_more_than_wished(wishes: dict[str, int], limit: int) -> None:
    groups = {group_of(finding_document(found(name, Divergence.LATE, 1)[0])): wish for name, wish in wishes.items()}
    shares = fair_shares(groups, limit)
    assert sum(shares.values()) == min(limit, sum(wishes.values()))
    assert all(share <= groups[group] for group, share in shares.items())
