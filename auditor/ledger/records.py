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
    pruned_at: str | None = None
    """Since when some of them are no longer kept, or None."""


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
class Acceptance:
    """That somebody accepted a finding."""

    accepted_at: str
    until: str
    why: str
    ended_at: str | None = None
    """When it was over before its day, or None."""
    ended_why: str | None = None
    """`other_values`, `gone` or `replaced`."""
    ended_by: str | None = None
    """The run that saw so, or None."""

    def in_force(self, now: str) -> bool:
        """Whether it holds at that time, as far as runs have looked."""
        return self.ended_at is None and self.until > now


@dataclass(frozen=True, slots=True)
class AcceptedValues:
    """An acceptance in force, for a run that wants to know whether it covers what it sees."""

    values_digest: str
    until: str
    why: str


@dataclass(frozen=True, slots=True)
class AcceptedRun:
    """What became of a run's findings when the run was made the baseline."""

    run_id: str
    accepted: int
    not_drift: int
    """Not accepted, since the run did not call them persistent: in flight, healed, undecided, suspects."""
    closed: int
    """Not accepted, since they have gone meanwhile."""


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
    acceptances: tuple[Acceptance, ...] = ()
    """The oldest first."""

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
class Pruned:
    """What was taken out of a ledger, or would be."""

    observations: int
    """What runs said about findings."""
    findings: int
    runs: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Who is at work on an entity, since when and until when; a run that goes on prolongs it."""

    entity: str
    run_id: str
    holder: str
    taken_at: str
    until: str


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
    accepted: int
    """Acceptances in force."""
    leases: tuple[Lease, ...]
    """Who is at work now."""
