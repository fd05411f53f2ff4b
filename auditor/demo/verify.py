"""Holds what the audit found against what was planted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from auditor.demo.faults import Planted
    from auditor.reports.document import FindingDocument

_Subject = tuple[str, str | None, tuple[str | None, ...], str, str | None, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Verification:
    """What agrees and what does not.

    Attributes:
        missed: Planted, but not found as it should be.
        unexpected: Found, but not planted.
    """

    missed: tuple[Planted, ...]
    unexpected: tuple[FindingDocument, ...]

    @property
    def exact(self) -> bool:
        """Whether exactly what was planted was found."""
        return not self.missed and not self.unexpected


def verify(planted: Sequence[Planted], findings: Collection[FindingDocument]) -> Verification:
    """Compare; a finding counts with its key, divergence, rule and fields, and only when it is persistent."""
    wanted = {_of_planted(fault): fault for fault in planted}
    found = {_of_finding(finding): finding for finding in findings if finding["verdict"] == "persistent"}
    other = [finding for finding in findings if finding["verdict"] != "persistent"]
    return Verification(
        missed=tuple(fault for subject, fault in wanted.items() if subject not in found),
        unexpected=(*(finding for subject, finding in found.items() if subject not in wanted), *other),
    )


def _of_planted(fault: Planted) -> _Subject:
    return (fault.entity, fault.replica, fault.key, fault.divergence, fault.rule, fault.fields)


def _of_finding(finding: FindingDocument) -> _Subject:
    key = tuple((finding["key"] or {}).values())
    fields = frozenset(field["name"] for field in finding["fields"])
    return (finding["entity"], finding["replica"], key, finding["divergence"], finding["rule"], fields)
