"""The findings of a run that is over, in report order, masked, as documents.

A million findings are some gigabytes as documents.  So most of them lie in a file, in order, and come to life one after
the other as their lines are written.  What the ledger knows of each is kept beside them by their place: some bytes a
finding.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import repeat
from typing import TYPE_CHECKING

from auditor.reports.collector import collector_paused
from auditor.reports.document import FindingDocument, finding_document, instant_text, order_of
from auditor.reports.ordering import SORTED_AT_ONCE, InOrder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from auditor.ledger.recording import Times
    from auditor.ledger.records import Seen
    from auditor.masking import Masker
    from auditor.runs.known import Known
    from reconcilers.finding import Finding
    from reconcilers.spill import Overflow


class RunFindings(Collection[FindingDocument]):
    """The findings; may be gone through as often as need be.

    Args:
        findings: As the run left them; gone through once.
        masker: Masks them.
        overflow: Where they are kept.
        part: How many are sorted at once.
    """

    def __init__(
        self, findings: Iterable[Finding], masker: Masker, overflow: Overflow, part: int = SORTED_AT_ONCE
    ) -> None:
        self._findings = InOrder(overflow, part)
        with collector_paused():
            for finding in findings:
                masked = masker.finding(finding)
                self._findings.add(order_of(masked), finding_document(masked))
        self._known: Known | None = None
        self._times: Times | None = None

    def __len__(self) -> int:
        return len(self._findings)

    def __iter__(self) -> Iterator[FindingDocument]:
        findings: Iterator[FindingDocument] = iter(self._findings)
        if self._known is not None:
            findings = self._known.settled(findings)
        seen: Iterable[Seen | None] = self._times if self._times is not None else repeat(None)
        for finding, times in zip(findings, seen, strict=False):
            yield finding if times is None else _timed(finding, times)

    def __contains__(self, finding: object) -> bool:
        return any(each == finding for each in self)

    def know(self, known: Known) -> None:
        """From now on, what is accepted says so."""
        self._known = known

    def seen(self, times: Times) -> None:
        """From now on, findings say when they were seen first and last."""
        self._times = times


def _timed(finding: FindingDocument, times: Seen) -> FindingDocument:
    return {**finding, "first_seen": instant_text(times.first_seen), "last_seen": instant_text(times.last_seen)}
