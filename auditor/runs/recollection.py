"""What earlier runs left in flight, so that this one judges it first.

The looks of an earlier run count as looks of this one: what its owner held then and holds still, it has held since.
Between two runs there is no monotonic clock; the wall clock stands in for it, and where that went back, nothing is
remembered.  The ledger knows everything masked, digests too: what was seen is compared under the same mask.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from reconcilers.recheck import Look

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from auditor.ledger.records import Carried
    from auditor.masking import Masker
    from reconcilers.finding import Finding

_Subject = tuple[str | None, tuple[tuple[str, str | None], ...]]
"""Replica and masked key."""


class Recollection:
    """What was left in flight of one entity.

    Args:
        carried: As the ledger has it.
        masker: The one under which it was written down.
    """

    def __init__(self, carried: Iterable[Carried], masker: Masker) -> None:
        self._masker = masker
        self._left: dict[_Subject, Mapping[str, Any]] = {
            (left.document["replica"], tuple((left.document["key"] or {}).items())): left.document for left in carried
        }

    def earlier(self, finding: Finding, first: Look) -> list[Look]:
        """The looks of earlier runs at what a first look of this run saw, oldest first; empty where there are none."""
        if not self._left or finding.key is None:
            return []
        document = self._left.get((finding.replica, self._masker.key(finding.entity, finding.key)))
        return [] if document is None else list(self._looks(document, finding, first))

    def _looks(self, document: Mapping[str, Any], finding: Finding, first: Look) -> Iterator[Look]:
        reads = document["evidence"]["reads"]
        for owner, replica in pairwise(reads):
            if owner["side"] != "owner" or replica["side"] == "owner":
                continue
            wall = datetime.fromisoformat(owner["at"])
            ago = (first.wall - wall).total_seconds()
            if ago > 0:
                held = self._unmasked(finding.entity, owner, first.owner)
                copied = self._unmasked(finding.entity, replica, first.replica)
                yield Look(first.at - ago, wall, held, copied, finding)

    def _unmasked(self, entity: str, read: Mapping[str, Any], now: str) -> str:
        """What a side held then, as a digest of this run: the same as now where the two are the same under the mask."""
        then = read.get("digest") or ""
        if not then:
            return str(read["state"])
        return now if then == self._masker.digest(entity, now) else f"{then} of an earlier run"
