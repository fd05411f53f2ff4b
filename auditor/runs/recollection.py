"""What earlier runs left in flight, so that this one judges it first.

The looks of an earlier run count as looks of this one: what its owner held then and holds still, it has held since.
Between two runs there is no monotonic clock; the wall clock stands in for it, and where that went back, nothing is
remembered.  The ledger knows everything masked, digests too: what was seen is compared under the same mask.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from reconcilers.recheck import LACKS, Look, Version, needed_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from auditor.ledger.records import Carried
    from auditor.masking import Masker
    from reconcilers.finding import Finding

CARRIED_MAX = 100_000
"""Of an entity, what one run remembers of earlier ones: some 60 MB.

More than that is left by a night on which a whole replica stood still; the rest waits as if it were new.
"""

_Subject = tuple[str | None, tuple[str | None, ...]]
"""Replica and masked key."""

_Past = tuple[str, str, str]
"""What one side held: when, in which state, under which digest; as the ledger has it."""


class Recollection:
    """What was left in flight of one entity.

    Args:
        carried: As the ledger has it.
        masker: The one under which it was written down.
    """

    def __init__(self, carried: Iterable[Carried], masker: Masker) -> None:
        self._masker = masker
        self._left: dict[_Subject, _Left] = {
            (left.document["replica"], tuple((left.document["key"] or {}).values())): _left(left.document)
            for left in carried
        }

    def __len__(self) -> int:
        return len(self._left)

    def earlier(self, finding: Finding, first: Look, bound: float) -> list[Look]:
        """The looks of earlier runs at what a first look of this run saw, oldest first; empty where there are none.

        Args:
            finding: What was seen.
            first: The look.
            bound: The replica's lag bound in seconds.
        """
        if not self._left or finding.key is None:
            return []
        masked = self._masker.key(finding.entity, finding.key)
        left = self._left.get((finding.replica, tuple(text for _, text in masked)))
        if left is None:
            return []
        looks = list(self._looks(left.pasts, finding, first))
        owed = _owed(left, looks[0].at, first, bound) if looks else None
        return [*looks[:-1], *(replace(look, owed=owed) for look in looks[-1:])]

    def _looks(self, pasts: tuple[_Past, ...], finding: Finding, first: Look) -> Iterator[Look]:
        for owner, replica in zip(pasts[::2], pasts[1::2], strict=True):
            wall = datetime.fromisoformat(owner[0])
            ago = (first.wall - wall).total_seconds()
            if ago > 0:
                held = self._unmasked(finding.entity, owner, first.owner)
                copied = self._unmasked(finding.entity, replica, first.replica)
                yield Look(first.at - ago, wall, held, copied, finding)

    def _unmasked(self, entity: str, past: _Past, now: str) -> str:
        """What a side held then, as a digest of this run: the same as now where the two are the same under the mask."""
        _, state, then = past
        if not then:
            return state
        return now if then == self._masker.digest(entity, now) else f"{then} of an earlier run"


@dataclass(frozen=True, slots=True)
class _Left:
    """What is known of a finding that was left in flight.

    Attributes:
        pasts: What both sides held, in turn.
        lacked: The owner's change that the replica lacked, where a change stream told it.
        due: When it was to be judged, in ISO 8601.
    """

    pasts: tuple[_Past, ...]
    lacked: Mapping[str, str | None]
    due: str


def _left(document: Mapping[str, Any]) -> _Left:
    changes = document["evidence"].get("changes") or ()
    lacked = next((dict(one) for one in changes if one.get("replica") == LACKS), {})
    lacked.pop("replica", None)
    return _Left(_pasts(document), lacked, document.get("judge_after") or "")


def _owed(left: _Left, earliest: float, first: Look, bound: float) -> Version | None:
    """Since when the change was there at the latest that the replica lacked: it was to be judged a lag bound later.

    No earlier than the first of the looks: the lag bound may have been another one then.
    """
    if not left.lacked or not left.due:
        return None
    since = first.at - (first.wall - datetime.fromisoformat(left.due)).total_seconds() - needed_seconds(bound)
    return Version("", max(since, earliest), left.lacked)


def _pasts(document: Mapping[str, Any]) -> tuple[_Past, ...]:
    """The looks of a finding, each as two: the owner's side and the replica's."""
    found: list[_Past] = []
    for owner, replica in pairwise(document["evidence"]["reads"]):
        if owner["side"] == "owner" and replica["side"] != "owner":
            found += [
                (read["at"], sys.intern(str(read["state"])), read.get("digest") or "") for read in (owner, replica)
            ]
    return tuple(found)
