"""What one look saw, before anybody judged it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconcilers.finding import FieldDifference, Finding, KeyText
    from reconcilers.frequent import Frequent
    from reconcilers.recheck import History, Mark, Sign
    from reconcilers.rows import Counts
    from reconcilers.spill import Listed
    from reconcilers.watermark import Watermark

DIGEST_DIGITS = 16
"""Hex digits of a digest: 64 bits tell two reads of one row apart."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One divergence as seen in one look.

    Attributes:
        finding: The divergence, not judged yet.
        owner: A digest of what the owner held; `absent`, `deleted` or `out_of_scope` where it held no live row.
        replica: The same of the replica.
        mark: The owner's version, where its row has one that grows with every change.
        copied: The replica's copy of it.
        age: Seconds since the owner's row changed, as its own database tells both times.
        doubt: Why it is not known whether the two diverge at all; empty where they do.
        history: The owner's versions of the key, where its change stream tells them.
        settled: Where the replica is the owner's own log: the moments of those looks at the owner that the log has
            passed without telling anything of this key that the owner did not hold then; see `passage`.
        sign: Of a broken reference: up to when it is known what the referenced owner held, where that is a feed alone.
    """

    finding: Finding
    owner: str
    replica: str
    mark: Mark = None
    copied: Mark = None
    age: float | None = None
    doubt: str = ""
    history: History | None = None
    settled: tuple[float, ...] | None = None
    sign: Sign | None = None


@dataclass(slots=True)
class ReplicaLook:
    """What one look found at one replica."""

    counts: Counts | None = None
    sights: Listed[Sight] = field(default_factory=list)
    watermark: Watermark | None = None
    notes: list[str] = field(default_factory=list)
    """Why the replica was not read whole."""
    again: list[str] = field(default_factory=list)
    """Why it was read again from a new snapshot; nothing is missing for that."""
    error: str = ""
    """Why it could not be read at all."""
    until: Watermark | None = None
    """The last segment's, where it was read in segments."""
    frequent: dict[str, Frequent] = field(default_factory=dict)
    """Of a segment: by redacted field, the most frequent of its texts."""
    unremembered: Counter[str] = field(default_factory=Counter)
    """By field that is `at_creation`: rows of which it is not known whether the owner ever held what they hold."""


@dataclass(slots=True)
class EntityLook:
    """What one look found at one entity."""

    owner_rows: int = 0
    owner_sights: Listed[Sight] = field(default_factory=list)
    watermark: Watermark | None = None
    notes: list[str] = field(default_factory=list)
    """Why the owner was not read whole, or its references not checked."""
    replicas: dict[str, ReplicaLook] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    """Why the owner was read again from a new snapshot; nothing is missing for that."""
    rewritten: str = ""
    """Why what was read of the owner's rows may not be all of them; one of the notes, or an empty string."""
    not_understood: str = ""
    """What of the owner's feed could not be understood, so that it is open which rows there are; mostly empty."""
    until: Watermark | None = None
    """The last segment's, where it was read in segments."""
    remarks: list[str] = field(default_factory=list)
    """What is worth knowing of how it was read; nothing is missing for that."""
    read_until: float = 0.0
    """The monotonic clock when everything had been read: how late a store without a snapshot may have been seen."""


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """Of which keys a look found rows, and how many of each.

    Attributes:
        owned: At the owner.
        wanted: Those of them that the replica is to hold.
        copied: At the replica.
    """

    owned: Mapping[KeyText, int]
    wanted: Mapping[KeyText, int]
    copied: Mapping[KeyText, int]


@dataclass(frozen=True, slots=True)
class Suspects:
    """What a recheck looks at again.

    Attributes:
        keys: Every key of interest.
        unkeyed: Also rows whose key is NULL or bad, which no key finds.
    """

    keys: Collection[KeyText]
    unkeyed: bool = False


def owner_digest(fields: Sequence[FieldDifference]) -> str:
    """A digest of the owner's values in these fields: for rows that have no hash."""
    return text_digest([(difference.name, difference.owner) for difference in fields])


def replica_digest(fields: Sequence[FieldDifference]) -> str:
    """The same of the replica's values."""
    return text_digest([(difference.name, difference.replica) for difference in fields])


def text_digest(values: Sequence[object]) -> str:
    """A digest of texts, to tell two reads apart."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:DIGEST_DIGITS]
