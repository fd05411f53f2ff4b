"""Findings put into the order of reports, however many: sorted a part at a time, and the parts merged as they are read.

Documents beyond one part lie in a file (`reconcilers.spill`).  Findings of the same place keep the order in which they
came.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from auditor.reports.document import FindingDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.reports.document import Order
    from reconcilers.spill import Overflow, Spill

SORTED_AT_ONCE = 20_000
"""Documents sorted in memory: some 60 MB."""

MERGED_AT_ONCE = 100
"""Documents of each part in memory while the parts are merged: 50 parts of a million, 15 MB."""

_Placed = tuple["Order", FindingDocument]
_ORDER = itemgetter(0)


class InOrder(Collection[FindingDocument]):
    """Findings as documents; added in any order, gone through in that of reports, as often as need be.

    Args:
        overflow: Where they are kept.
        part: Documents sorted at once.
    """

    def __init__(self, overflow: Overflow, part: int = SORTED_AT_ONCE) -> None:
        self._overflow = overflow
        self._size = part
        self._parts: list[Spill[_Placed]] = []
        self._latest: list[_Placed] = []
        self._sorted = True

    def add(self, order: Order, document: FindingDocument) -> None:
        """Add a finding.

        Raises:
            WorkspaceError: There is no room.
        """
        if len(self._latest) >= self._size:
            self._put_away()
        self._latest.append((order, document))
        self._sorted = False

    def _put_away(self) -> None:
        part: Spill[_Placed] = self._overflow.spill(_same, _placed, block=MERGED_AT_ONCE)
        part += self._in_order()
        part.write_out()
        self._parts.append(part)
        self._latest = []

    def _in_order(self) -> list[_Placed]:
        if not self._sorted:
            self._latest.sort(key=_ORDER)
            self._sorted = True
        return self._latest

    def __len__(self) -> int:
        return sum(map(len, self._parts)) + len(self._latest)

    def __iter__(self) -> Iterator[FindingDocument]:
        latest = self._in_order()
        placed = heapq.merge(*self._parts, latest, key=_ORDER) if self._parts else latest
        for _, document in placed:
            yield document

    def __contains__(self, finding: object) -> bool:
        return any(each == finding for each in self)


def _same(placed: _Placed) -> Any:
    return placed


def _placed(packed: Any) -> _Placed:
    order, document = packed
    return order, document
