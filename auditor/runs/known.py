"""What the ledger knows about the drift of a run: what is accepted, and what earlier runs have told already."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
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
        accepted: The accepted findings with the values that this run sees, by id.
        counts: How many findings of each entity, replica and verdict are accepted.
        failing: How many findings of each verdict make the run fail.
        only_new: Only what is new makes the run fail, so findings say whether they are.
        told: Of the findings that are not accepted, those that an earlier run has told.
        again: Those of them that were drift before, and had gone or were accepted meanwhile.
    """

    accepted: dict[str, AcceptedValues] = field(default_factory=dict)
    counts: Counter[tuple[str, str | None, str]] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)
    only_new: bool = False
    told: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)

    def settled(self, finding: FindingDocument) -> FindingDocument:
        """The finding, `accepted` where it is, with its status where that matters."""
        if finding["verdict"] not in _REASONS:
            return finding
        values = self.accepted.get(finding["id"])
        if values is None:
            return {**finding, "status": self._status(finding["id"])} if self.only_new else finding
        accepted = {"until": values.until, "why": values.why}
        return {**finding, "verdict": Verdict.ACCEPTED.value, "accepted": accepted}  # type: ignore[typeddict-item]

    def _status(self, identity: str) -> str:
        return "known" if identity in self.told else "reopened" if identity in self.again else "new"


def ask_ledger(findings: Iterable[FindingDocument], ledger: Ledger, now: datetime, *, only_new: bool) -> Known | None:
    """Look every drifted finding up; None where nothing could come of it.

    Args:
        findings: Of a run, masked; read once.
        ledger: Before this run is recorded.
        now: The time at which acceptances must be in force.
        only_new: Only what no earlier run has told makes the run fail.
    """
    accepts = ledger.accepts_anything(now)
    if not (accepts or only_new):
        return None
    known = Known(only_new=only_new)
    drift = (finding for finding in findings if finding["verdict"] in _REASONS)
    for chunk in _chunks(drift):
        accepted = ledger.accepted([finding["id"] for finding in chunk], now) if accepts else {}
        rest = [finding for finding in chunk if not _covered(finding, accepted, known)]
        if only_new:
            identities = [finding["id"] for finding in rest]
            known.told |= (told := ledger.told_before(identities))
            known.again |= ledger.told_once(set(identities) - told)
        known.failing.update(finding["verdict"] for finding in rest if finding["id"] not in known.told)
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
    values = accepted.get(finding["id"])
    if values is None or values.values_digest != values_digest(finding):
        return False
    known.accepted[finding["id"]] = values
    known.counts[finding["entity"], finding["replica"], finding["verdict"]] += 1
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
