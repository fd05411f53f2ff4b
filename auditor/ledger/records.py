"""What the ledger hands out: plain values; times in text are in UTC, as reports print them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Document = dict[str, Any]
"""A JSON object: a report, or one finding of it."""

Pair = tuple[str, str | None]
"""An entity and one of its replicas; None stands for the owner's own rows."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Since when a finding has been open without a break, and when it was last seen; in UTC."""

    first_seen: datetime
    last_seen: datetime


def moment(text: str) -> datetime:
    """A time as reports write it."""
    return datetime.fromisoformat(text)


def with_times(finding: Mapping[str, Any], first_seen: str, last_seen: str) -> Document:
    """A stored finding as its report showed it."""
    return {**finding, "first_seen": first_seen, "last_seen": last_seen}


@dataclass(frozen=True, slots=True)
class Run:
    """One recorded run."""

    number: int
    """In the order recorded, from 1."""
    run_id: str
    kind: str
    started_at: str
    finished_at: str
    exit_code: int
    exit_reasons: tuple[str, ...]
    auditor_version: str
    settings_digest: str
    findings: int
    """How many findings it reported, whatever their verdict."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one run said about a finding."""

    run_id: str
    seen_at: str
    verdict: str
    cause: str | None
    document: Document
    """The finding as that run's report shows it."""


@dataclass(frozen=True, slots=True)
class FindingHistory:
    """A finding and all that runs have said about it, the oldest first."""

    finding_id: str
    is_open: bool
    first_seen: str
    last_seen: str
    closed_by: str | None
    """The run that no longer found it, or None while it is open."""
    observations: tuple[Observation, ...]

    @property
    def latest(self) -> Document:
        """The finding as last reported."""
        return self.observations[-1].document


@dataclass(frozen=True, slots=True)
class Carried:
    """A finding that its last run left in flight, for the next run to judge first."""

    finding_id: str
    first_seen: str
    last_seen: str
    judge_after: str
    """From when on it can be judged."""
    document: Document
    """The finding as last reported: masked, with the evidence of that run."""


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """The ledger's schema and size."""

    place: str
    """Its URL, without a password."""
    schema_version: str
    size_bytes: int | None
    """Of a file; None for a server, which counts in its own way."""
    runs: int
    findings: int
    open_findings: int
    observations: int
    oldest_run: str | None
    newest_run: str | None
