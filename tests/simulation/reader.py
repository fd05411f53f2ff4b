"""Reads a simulated table as a store is read: one consistent snapshot, some time after the other sides'."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from contracts.errors import UnreachableStoreError
from reconcilers.watermark import Watermark
from tests.worlds.memory_reader import MemoryReader, MemorySnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from auditor.clock import ManualClock
    from reconcilers.workspace import Workspace
    from tests.simulation.table import Table

COLUMNS = ("id", "status", "amount", "note")


class TableReader(MemoryReader):
    """Rows of a table as they are when a snapshot of it is opened.

    Args:
        name: The dataset's.
        table: The table.
        clock: The auditor's.
        ahead: Tells how far the store's clock is ahead of it, in seconds.
        pause: Draws how much time opening takes before and after the moment of the snapshot.
        is_out: Whether the store does not answer.
    """

    def __init__(
        self,
        name: str,
        table: Table,
        clock: ManualClock,
        ahead: Callable[[], float],
        pause: Callable[[], float],
        is_out: Callable[[], bool] = bool,
    ) -> None:
        super().__init__(name, dict.fromkeys(COLUMNS, "VARCHAR"), [])
        self._is_out = is_out
        self._table, self._clock, self._ahead, self._pause = table, clock, ahead, pause

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[MemorySnapshot]:
        """The rows as they are now."""
        if self._is_out():
            raise UnreachableStoreError(f"reading {self.dataset}: the simulated store does not answer")
        began, wall = self._clock.monotonic(), self._clock.now()
        store = wall + timedelta(seconds=self._ahead())
        self._clock.advance(self._pause())
        self.rows = [
            {"id": str(key), "status": row[0], "amount": None if row[1] is None else str(row[1]), "note": row[2]}
            for key, row in self._table.rows.items()
        ]
        snapshot = MemorySnapshot(self, workspace)
        taken = self._clock.monotonic()
        snapshot.watermark = Watermark(self.dataset, wall, began, store, taken_by=taken)
        self._clock.advance(self._pause())
        try:
            yield snapshot
        finally:
            snapshot.drop()
