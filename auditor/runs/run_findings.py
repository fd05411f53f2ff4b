"""The findings of a run that is over, in report order, masked, as documents made when they are asked for.

A million findings are some gigabytes as documents.  So they are kept as the run left them, and a document lives as long
as its line is written; only of few findings are the documents kept, since making them twice costs time.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from auditor.reports.collector import collector_paused
from auditor.reports.document import FindingDocument, finding_document, instant_text, order_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.ledger.recording import Times
    from auditor.masking import Masker
    from auditor.runs.known import Known
    from reconcilers.finding import Finding

KEPT_MAX = 100_000
"""Documents of so many findings are kept: some 60 MB."""


class RunFindings(Collection[FindingDocument]):
    """The findings; may be gone through as often as need be.

    Args:
        findings: As the run left them; the list is masked and ordered in place.
        masker: Masks them.
    """

    def __init__(self, findings: list[Finding], masker: Masker) -> None:
        with collector_paused():
            for position, finding in enumerate(findings):
                findings[position] = masker.finding(finding)
            findings.sort(key=order_of)
            self._findings = findings
            self._kept = [finding_document(each) for each in findings] if len(findings) <= KEPT_MAX else None
        self._known: Known | None = None
        self._times: Times | None = None

    def __len__(self) -> int:
        return len(self._findings)

    def __iter__(self) -> Iterator[FindingDocument]:
        for document in self._kept if self._kept is not None else map(finding_document, self._findings):
            yield self._complete(document)

    def __contains__(self, finding: object) -> bool:
        return any(each == finding for each in self)

    def know(self, known: Known) -> None:
        """From now on, what is accepted says so."""
        self._known = known

    def seen(self, times: Times) -> None:
        """From now on, findings say when they were seen first and last."""
        self._times = times

    def _complete(self, finding: FindingDocument) -> FindingDocument:
        if self._known is not None:
            finding = self._known.settled(finding)
        if self._times is None:
            return finding
        times = self._times[finding["id"]]
        first, last = instant_text(times.first_seen), instant_text(times.last_seen)
        return {**finding, "first_seen": first, "last_seen": last}
