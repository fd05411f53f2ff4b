"""A store that fails at the second look leaves its suspects undecided, and says why."""

from __future__ import annotations

from datetime import UTC, datetime

from reconcilers.finding import Divergence, Finding, Verdict
from reconcilers.recheck import Look, judge, settle

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_an_undecided_finding_says_which_store_failed_and_how() -> None:
    finding = Finding("order", "search", (("id", "1"),), Divergence.MISSING, Verdict.SUSPECT)
    looks = [
        Look(0.0, NOON, "a", "absent", finding),
        Look(10.0, NOON, "", "", None, problem="reading search/orders failed: Connection refused"),
    ]
    settled = settle(finding, judge(looks, 5.0), looks, NOON)
    assert settled.verdict is Verdict.UNDECIDED
    assert settled.evidence.note == ("a side could not be read again: reading search/orders failed: Connection refused")
