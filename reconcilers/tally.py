"""What a run counted: rows, verdicts and coverage, for each replica and for the owner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconcilers.finding import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Incremental:
    """What an incremental run read of an entity.

    Attributes:
        since_run: The run since which it read what has changed: it had found the entity clean.
        since: When that had finished.
        changed_keys: How many keys the feeds have told of since.
        segment: Which segment it read beside them, from 1 on.
        segments: How many there are.
        runs_left: Incremental runs until every segment has been read.
        whole_run: The last run that read everything.
        whole_at: When that had finished.
        without_feed: Replicas of which no feed tells what changes in them: only the segments see that.
    """

    since_run: str
    since: str
    changed_keys: int
    segment: int
    segments: int
    runs_left: int
    whole_run: str
    whole_at: str
    without_feed: tuple[str, ...] = ()

    def sentence(self, key: str) -> str:
        """All of it, for people."""
        changed = f"{self.changed_keys:,} {'key' if self.changed_keys == 1 else 'keys'} that changed"
        runs = f"{self.runs_left} more such {'run' if self.runs_left == 1 else 'runs'}"
        after = f"every row will have been read after {runs}" if self.runs_left else "with it, every row has been read"
        told = (
            f"incremental since run {self.since_run}, which found it clean at {self.since}: read were the {changed} "
            f"and segment {self.segment} of {self.segments} of {key}; {after}; the last run that read everything at "
            f"once was {self.whole_run} at {self.whole_at}"
        )
        if not self.without_feed:
            return told
        names = ", ".join(self.without_feed)
        return f"{told}; no feed tells what changes in {names} by itself: that is seen in its segment's turn"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was compared and what was not.

    Attributes:
        complete: Everything in scope was compared.
        skipped: Every field or part that was left out, by name.
        notes: Why, one sentence each.
        read_again: What broke off and was read again from a new snapshot, so that nothing is missing for it.
        remarks: How it was read otherwise, as in segments; nothing is missing for it either.
        incremental: Not every row was in scope: what was; None where all were.
        followed: How many keys were looked at of those that change streams told of, or that were known to differ; None
            where more than that was in scope.
    """

    complete: bool = True
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    read_again: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    incremental: Incremental | None = None
    followed: int | None = None


@dataclass(slots=True)
class ReplicaTally:
    """Counts of one replica in one run."""

    replica: str
    dataset: str = ""
    owner_rows: int = 0
    """Owner rows that this replica is to hold."""
    replica_rows: int = 0
    """Its live rows after `select`."""
    compared_rows: int = 0
    """Distinct keys of both sides that got a verdict."""
    kept: int = 0
    verdicts: dict[Verdict, int] = field(default_factory=dict)
    owner_watermark: str = ""
    replica_watermark: str = ""
    coverage: Coverage = Coverage()
    lag_bound_seconds: float = 0.0
    fields_differing: dict[str, int] = field(default_factory=dict)
    """Field name to the number of persistent (or suspect) mismatches that it takes part in."""

    def count(self, verdict: Verdict) -> int:
        """How many findings have this verdict."""
        return self.verdicts.get(verdict, 0)


@dataclass(slots=True)
class EntityTally:
    """Counts of one entity in one run."""

    entity: str
    contract_version: int
    owner_dataset: str = ""
    owner_rows: int = 0
    owner_verdicts: dict[Verdict, int] = field(default_factory=dict)
    replicas: list[ReplicaTally] = field(default_factory=list)
    coverage: Coverage = Coverage()
    """Of the owner itself: incomplete when it could not be read whole."""


@dataclass(slots=True)
class RunResult:
    """Everything that one run found, unmasked; reports and the ledger are made from it.

    Attributes:
        exit_reasons: Any of `drift`, `suspects`, `undecided`, `incomplete`, `unreadable`, `empty_owner`, in this order.
        errors: One message a store that could not be read, for people.
        loads: Connection name to what the audit cost it: queries, rows, bytes (None where nobody knows), seconds,
            longest_transaction_seconds.
    """

    run_id: str
    kind: str
    started_at: datetime
    finished_at: datetime
    exit_code: int
    exit_reasons: tuple[str, ...]
    entities: list[EntityTally]
    findings: Sequence[Finding]
    errors: tuple[str, ...] = ()
    loads: dict[str, dict[str, float | None]] = field(default_factory=dict)
    where: str = ""
    """The run's own filter, without what it says of sensitive fields; empty when all rows were in scope."""
