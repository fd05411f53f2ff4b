"""What a run says about one key: a divergence, its verdict, its evidence.

All values here are canonical text (`reconcilers.canonical`), or the store's raw text where the declared type cannot
hold the value.  Nothing here is masked: sensitive fields are hashed by `auditor.masking` before anything leaves the
process.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Divergence(StrEnum):
    """An inequality that was observed."""

    MISSING = "missing"
    ORPHAN = "orphan"
    MISMATCH = "mismatch"
    DUPLICATE = "duplicate"
    NULL_KEY = "null_key"
    MISPLACED = "misplaced"
    LATE = "late"
    INVARIANT = "invariant"
    REFERENCE = "reference"


class Verdict(StrEnum):
    """What is known about a divergence."""

    SUSPECT = "suspect"
    IN_FLIGHT = "in_flight"
    HEALED = "healed"
    PERSISTENT = "persistent"
    UNDECIDED = "undecided"
    ACCEPTED = "accepted"


class Cause(StrEnum):
    """The fault that explains a divergence."""

    STALE = "stale"
    LOST_UPDATE = "lost_update"
    REORDERED = "reordered"
    MISSED_DELETE = "missed_delete"
    RESURRECTED = "resurrected"
    PHANTOM_WRITE = "phantom_write"
    DUPLICATE_APPLIED = "duplicate_applied"
    LOSSY_COPY = "lossy_copy"
    DEFAULT_FILLED = "default_filled"
    SCHEMA_LAG = "schema_lag"
    KEY_CHANGED = "key_changed"
    NEVER_ARRIVED = "never_arrived"
    LEFT_SCOPE = "left_scope"
    UPSTREAM = "upstream"
    PARTIAL_FAN_OUT = "partial_fan_out"
    UNKNOWN = "unknown"


KeyText = tuple[tuple[str, str | None], ...]
"""A key as (field, canonical text) pairs in contract key order."""


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field that differs, each side in canonical text, None for NULL.

    `note` says what the two values alone do not show, without either of them; mostly it is empty.
    """

    name: str
    owner: str | None
    replica: str | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """One look at one side: when, at which watermark, and what was there.

    Attributes:
        side: `owner` or the replica's name.
        at: The auditor's wall clock, UTC.
        watermark: The store's position for people, or an empty string.
        state: `present`, `absent`, `deleted` (flagged) or `out_of_scope`.
        digest: A digest of the compared fields, so that two reads can be told apart; empty when absent.
    """

    side: str
    at: datetime
    watermark: str
    state: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why the verdict is what it is.

    Attributes:
        proof: `elapsed`, `applied`, `position`, or an empty string while nothing is proven.
        reads: Every look, oldest first.
        changes: The owner's changes that matter, oldest first (from feeds).
        note: One sentence for people, or an empty string.
    """

    proof: str = ""
    reads: tuple[Read, ...] = ()
    changes: tuple[dict[str, str | None], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One divergence on one key of one replica (or of the owner alone: `replica` None), with its verdict."""

    entity: str
    replica: str | None
    key: KeyText | None
    divergence: Divergence
    verdict: Verdict
    rule: str | None = None
    cause: Cause = Cause.UNKNOWN
    fields: tuple[FieldDifference, ...] = ()
    evidence: Evidence = Evidence()
    judge_after: datetime | None = None
    count: int = 1
    """Rows that share the finding, such as the copies of a duplicate key."""

    def judged(self, verdict: Verdict, cause: Cause, evidence: Evidence, judge_after: datetime | None) -> Finding:
        """The same divergence with its verdict; written out, since `dataclasses.replace` is slow a million times."""
        return Finding(
            self.entity, self.replica, self.key, self.divergence, verdict, self.rule, cause, self.fields, evidence,
            judge_after, self.count,
        )  # fmt: skip

    @property
    def identity(self) -> str:
        """Stable name of the divergence, whichever fields differ by now: 16 hex digits."""
        return finding_identity(self.entity, self.replica, self.key, self.divergence, self.rule)


_IDENTITY = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
"""Made once: `json.dumps` would make one for each of perhaps a million findings."""


def finding_identity(entity: str, replica: str | None, key: KeyText | None, divergence: str, rule: str | None) -> str:
    """The first 64 bits of sha256 over what makes a finding the same finding, as 16 hex digits."""
    parts = [entity, replica, None if key is None else [list(part) for part in key], str(divergence), rule]
    return hashlib.sha256(_IDENTITY.encode(parts).encode()).hexdigest()[:16]
