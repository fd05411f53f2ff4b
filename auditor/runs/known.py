"""What the ledger knows about the drift of a run: what is accepted, and what earlier runs have told already."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import TYPE_CHECKING

from auditor.ledger.acceptance import values_digest
from auditor.runs.reconcile import exit_code
from reconcilers.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from auditor.ledger.ledger import Ledger
    from auditor.ledger.records import AcceptedValues
    from auditor.reports.document import FindingDocument, RunDocument

CHUNK_FINDINGS = 1000
"""Findings asked about at once; some databases take no more than so many parameters."""

_REASONS = {Verdict.PERSISTENT.value: "drift", Verdict.SUSPECT.value: "suspects"}
"""By the verdict, why a run with such findings fails."""


@dataclass(slots=True)
class Known:
    """What one pass over a run's drift has brought.

    Attributes:
        terms: The terms under which findings are accepted, each once.
        which: For each finding, in report order, the number of its terms, from 1 on; 0: it is not accepted.
        counts: How many findings of each entity, replica and verdict are accepted.
        failing: How many findings of each verdict make the run fail.
        statuses: For each finding, the number of its status in `_STATUSES`; empty where the run does not ask.
    """

    terms: dict[tuple[str, str], int] = field(default_factory=dict)
    which: array[int] = field(default_factory=lambda: array("I"))
    counts: Counter[tuple[str, str | None, str]] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)
    statuses: bytearray = field(default_factory=bytearray)

    def accept(self, finding: FindingDocument, values: AcceptedValues) -> None:
        """The next finding is accepted."""
        terms = (values.until, values.why)
        self.which.append(self.terms.setdefault(terms, len(self.terms) + 1))
        self.counts[finding["entity"], finding["replica"], finding["verdict"]] += 1

    def settled(self, findings: Iterable[FindingDocument]) -> Iterator[FindingDocument]:
        """The findings, in report order; `accepted` where they are, with their status where that matters."""
        terms = [None, *({"until": until, "why": why} for until, why in self.terms)]
        for finding, number, status in zip(findings, self.which, self.statuses or repeat(0), strict=False):
            accepted = terms[number]
            if accepted is not None:
                yield {**finding, "verdict": Verdict.ACCEPTED.value, "accepted": accepted}  # type: ignore[typeddict-item]
            else:
                yield {**finding, "status": _STATUSES[status]} if status else finding


_STATUSES = ("", "new", "known", "reopened")
"""Reopened is what was drift before, and had gone or was accepted meanwhile."""


def ask_ledger(findings: Iterable[FindingDocument], ledger: Ledger, now: datetime, *, only_new: bool) -> Known | None:
    """Look every drifted finding up; None where nothing could come of it.

    Args:
        findings: Of a run, masked, in report order; read once.
        ledger: Before this run is recorded.
        now: The time at which acceptances must be in force.
        only_new: Only what no earlier run has told makes the run fail.
    """
    accepts = ledger.accepts_anything(now)
    if not (accepts or only_new):
        return None
    known = Known()
    for chunk in _chunks(findings):
        drift = [finding["id"] for finding in chunk if finding["verdict"] in _REASONS]
        accepted = ledger.accepted(drift, now) if accepts and drift else {}
        rest = [finding for finding in chunk if not _covered(finding, accepted, known)]
        asked = {finding["id"] for finding in rest if finding["verdict"] in _REASONS} if only_new else set[str]()
        told = ledger.told_before(asked) if asked else set[str]()
        for finding in rest:
            if finding["verdict"] in _REASONS and finding["id"] not in told:
                known.failing[finding["verdict"]] += 1
        if only_new:
            again = ledger.told_once(asked - told) if asked else set[str]()
            open_ones = {identity: 2 if identity in told else 3 if identity in again else 1 for identity in asked}
            start = len(known.statuses)
            covered = known.which[start:]
            known.statuses += bytes(
                0 if number or finding["verdict"] not in _REASONS else open_ones[finding["id"]]
                for finding, number in zip(chunk, covered, strict=True)
            )
    return known


def forgive(document: RunDocument, known: Known) -> None:
    """Count what is accepted as such, and take out of the exit reasons what no longer makes the run fail."""
    for entity in document["entities"]:
        _move(entity["owner"], entity["entity"], None, known)
        for replica in entity["replicas"]:
            _move(replica, entity["entity"], replica["replica"], known)
    for verdict, reason in _REASONS.items():
        if reason in document["exit_reasons"] and not known.failing[verdict]:
            document["exit_reasons"].remove(reason)
    document["exit_code"] = exit_code(document["exit_reasons"])


def _covered(finding: FindingDocument, accepted: dict[str, AcceptedValues], known: Known) -> bool:
    values = accepted.get(finding["id"]) if finding["verdict"] in _REASONS else None
    if values is None or values.values_digest != values_digest(finding):
        known.which.append(0)
        return False
    known.accept(finding, values)
    return True


def _move(counts: object, entity: str, replica: str | None, known: Known) -> None:
    assert isinstance(counts, dict)  # noqa: S101 - a TypedDict, which has no item assignment by a variable name
    for verdict in _REASONS:
        accepted = known.counts[entity, replica, verdict]
        counts[verdict] -= accepted
        counts[Verdict.ACCEPTED.value] += accepted


def _chunks(findings: Iterable[FindingDocument]) -> Iterator[list[FindingDocument]]:
    iterator = iter(findings)
    while chunk := list(islice(iterator, CHUNK_FINDINGS)):
        yield chunk
