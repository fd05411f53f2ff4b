"""Which findings a limited report shows, and what it counts of those that it does not.

One pass over the findings, however many: they are counted whole, and kept only as far as a report could show them.
Where a limit cuts, every group (see `Group`) gets its fair share, so that a replica with a million mismatches cannot
hide the one orphan of another; the gravest verdicts are served first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from auditor.reports.words import DRIFT, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.reports.document import FindingDocument


class Group(NamedTuple):
    """What findings have in common that stand together in a report."""

    entity: str
    replica: str | None
    verdict: str
    divergence: str
    rule: str | None
    cause: str


@dataclass(slots=True)
class Selection:
    """What one pass over the findings left.

    Attributes:
        shown: The findings to show, the gravest verdicts first, else in report order.
        counts: How many findings each group has in all.
        fields: (entity, field) to the number of drifted findings that the field takes part in.
    """

    shown: list[FindingDocument] = field(default_factory=list)
    counts: Counter[Group] = field(default_factory=Counter)
    fields: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many findings there are in all, shown or not."""
        return self.counts.total()

    def drift_by_divergence(self) -> Counter[str]:
        """Drifted findings by divergence."""
        drifted: Counter[str] = Counter()
        for group, count in self.counts.items():
            if group.verdict in DRIFT:
                drifted[group.divergence] += count
        return drifted


def group_of(finding: FindingDocument) -> Group:
    """The group that a finding belongs to."""
    return Group(
        finding["entity"],
        finding["replica"],
        finding["verdict"],
        finding["divergence"],
        finding["rule"],
        finding["cause"],
    )


def select(findings: Iterable[FindingDocument], limit: int | None, verdicts: Iterable[str] = VERDICTS) -> Selection:
    """Count all findings and keep those to show.

    Args:
        findings: In report order; consumed.
        limit: How many to show at most; None shows all.
        verdicts: The verdicts that the report shows at all; others are only counted.
    """
    selection = Selection()
    wanted = frozenset(verdicts)
    kept: dict[Group, list[FindingDocument]] = {}
    for finding in findings:
        group = group_of(finding)
        selection.counts[group] += 1
        if group.verdict in DRIFT:
            selection.fields.update((finding["entity"], difference["name"]) for difference in finding["fields"])
        if group.verdict in wanted:
            members = kept.setdefault(group, [])
            if limit is None or len(members) < limit:
                members.append(finding)
    selection.shown = _shown(kept, limit)
    return selection


def _shown(kept: dict[Group, list[FindingDocument]], limit: int | None) -> list[FindingDocument]:
    shown: list[FindingDocument] = []
    for verdict in VERDICTS:
        groups = {group: members for group, members in kept.items() if group.verdict == verdict}
        left = None if limit is None else limit - len(shown)
        shares = {group: len(members) for group, members in groups.items()}
        if left is not None:
            shares = fair_shares(shares, left)
        for group, members in groups.items():
            shown.extend(members[: shares[group]])
    return shown


def fair_shares(wishes: dict[Group, int], limit: int) -> dict[Group, int]:
    """Divide `limit` among the groups: none gets more than it wished, what small ones leave goes to larger ones."""
    shares: dict[Group, int] = {}
    left = limit
    for served, (group, wish) in enumerate(sorted(wishes.items(), key=lambda item: item[1])):
        shares[group] = min(wish, left // (len(wishes) - served))
        left -= shares[group]
    return shares
