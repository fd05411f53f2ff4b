"""One side of a comparison while its snapshot is open: first opened, then projected into the workspace.

The two states are two types, so that nobody asks a side for rows that it does not have yet.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.errors import InterruptedReadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contracts.contract import Contract
    from reconcilers.ports import RawRelation, Reader, Shape, Snapshot, Wanted
    from reconcilers.projection import Item, Projection, Side
    from reconcilers.workspace import Workspace


@dataclass(slots=True)
class Opened:
    """A side whose snapshot is open and of which is known how its columns arrive.

    Attributes:
        reader: The dataset's.
        snapshot: Open until `close`.
        shape: The dataset's columns and unique keys.
        items: Everything that is read of this side.
        relation: Every row of the dataset, one column for each item.
        table: Name of the workspace's table for this side's projection; others made of it begin with it.
        lost: The store broke off, and the snapshot with it.
    """

    reader: Reader
    snapshot: Snapshot
    shape: Shape
    items: Sequence[Item]
    relation: RawRelation
    table: str
    _closing: ExitStack
    lost: bool = False

    @property
    def wanted(self) -> list[Wanted]:
        """What the items are to the reader."""
        return [item.wanted for item in self.items]

    def key_items(self, contract: Contract) -> list[Item]:
        """The items of the key's parts, in contract key order."""
        items = {item.name: item for item in self.items}
        return [items[name] for name in contract.key]

    def bring(self, sql: str, table: str) -> int:
        """Load a SELECT into the workspace; returns its rows.

        Raises:
            StoreError: The store failed while it was read.
        """
        with self.noticing():
            return self.snapshot.load(sql, table)

    def incomplete(self) -> str:
        """See `reconcilers.ports.Snapshot.incomplete`."""
        with self.noticing():
            return self.snapshot.incomplete()

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Remember that it was this side that broke off."""
        try:
            yield
        except InterruptedReadError:
            self.lost = True
            raise

    def close(self) -> None:
        """Let the snapshot go."""
        self._closing.close()


@dataclass(frozen=True, slots=True)
class Projected:
    """An opened side with what is selected from it.

    Attributes:
        side: Its columns, compiled.
        projection: What stands in its table once it was scanned.
    """

    opened: Opened
    side: Side
    projection: Projection

    @property
    def table(self) -> str:
        """The workspace's table of the projection."""
        return self.opened.table


def open_side(reader: Reader, workspace: Workspace, shape: Shape, items: Sequence[Item], table: str) -> Opened:
    """Open one side's snapshot; whoever calls this calls `close`.

    Raises:
        StoreError: The store cannot be reached or refuses.
    """
    with ExitStack() as stack:
        snapshot = stack.enter_context(reader.snapshot(workspace))
        relation = snapshot.scan([item.wanted for item in items])
        return Opened(reader, snapshot, shape, items, relation, table, stack.pop_all())
