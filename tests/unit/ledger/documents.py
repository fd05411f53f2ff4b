"""Reports and findings to record, made by what makes the real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from auditor.reports.document import finding_document, run_document
from reconcilers.finding import Cause, Divergence, Evidence, FieldDifference, Finding, Read, Verdict
from reconcilers.tally import Coverage, EntityTally, ReplicaTally, RunResult

START = datetime(2026, 1, 31, 3, tzinfo=UTC)
WHOLE, PART = Coverage(), Coverage(complete=False, skipped=("rows behind the standby",))


def time_text(day: int) -> str:
    """When the run of that day finished, as reports write it."""
    return f"{START + timedelta(days=day):%Y-%m-%dT%H:%M:%S.%f}Z"


def report(
    run_id: str, day: int = 0, *, owner: Coverage = WHOLE, replica: Coverage = WHOLE, entity: str = "order"
) -> dict[str, Any]:
    """The report of a run over one entity with the replica `search`."""
    tally = EntityTally(entity, 3, replicas=[ReplicaTally("search", coverage=replica)], coverage=owner)
    finished = START + timedelta(days=day)
    result = RunResult(run_id, "reconcile", finished - timedelta(minutes=5), finished, 1, ("drift",), [tally], [])
    return dict(run_document(result, {}))


def finding(
    key: str | None = "1",
    *,
    verdict: Verdict = Verdict.PERSISTENT,
    replica: str | None = "search",
    entity: str = "order",
    value: str = "pending",
) -> dict[str, Any]:
    """A finding about one order."""
    reads = tuple(
        Read(side, START + timedelta(seconds=each), "0/16B3748", "present", f"{each:016x}")
        for each, side in enumerate(("owner", "search", "owner", "search"))
    )
    made = Finding(
        entity,
        replica,
        None if key is None else (("id", key),),
        Divergence.MISMATCH,
        verdict,
        cause=Cause.STALE,
        fields=(FieldDifference("status", "shipped", value),),
        evidence=Evidence("elapsed", reads),
    )
    return dict(finding_document(made))


def findings(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """So many findings, about one order each."""
    return [finding(str(number)) for number in range(first, first + count)]


def timed(document: dict[str, Any], first_day: int, last_day: int) -> dict[str, Any]:
    """The finding as a report shows it."""
    return document | {"first_seen": time_text(first_day), "last_seen": time_text(last_day)}
