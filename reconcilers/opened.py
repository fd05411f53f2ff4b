"""One side of a comparison while its snapshot is open: first opened, then projected into the workspace.

The two states are two types, so that nobody asks a side for rows that it does not have yet.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.errors import InterruptedReadError
from reconcilers.ports import ShapedReader, StoreHashing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contracts.contract import Contract
    from reconcilers.ports import RawColumn, RawRelation, Reader, Shape, Snapshot, Wanted
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
        columns: How each item arrives.
        table: Name of the workspace's table for this side's projection; others made of it begin with it.
        lost: The store broke off, and the snapshot with it.
    """

    reader: Reader
    snapshot: Snapshot
    shape: Shape
    items: Sequence[Item]
    columns: tuple[RawColumn, ...]
    table: str
    _closing: ExitStack
    _relation: RawRelation | None = None
    lost: bool = False

    @property
    def wanted(self) -> list[Wanted]:
        """What the items are to the reader."""
        return [item.wanted for item in self.items]

    @property
    def relation(self) -> RawRelation:
        """Every row of the dataset, one column for each item."""
        if self._relation is None:
            self._relation = self.snapshot.scan(self.wanted)
        return self._relation

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


def open_side(
    reader: Reader,
    workspace: Workspace,
    items_of: Callable[[Shape], Sequence[Item]],
    table: str,
    cut: Callable[[Snapshot, Sequence[Item]], None] | None = None,
) -> Opened:
    """Open one side's snapshot; whoever calls this calls `close`.

    Args:
        reader: The dataset's.
        workspace: Where its rows go.
        items_of: What is to be read, given the dataset's shape.
        table: The name of its table there.
        cut: Has the snapshot bring a part of its rows only.

    Raises:
        StoreError: The store cannot be reached or refuses.
    """
    with ExitStack() as stack:
        snapshot, shape = stack.enter_context(shaped_snapshot(reader, workspace))
        items = items_of(shape)
        if cut is not None:
            cut(snapshot, items)
        wanted = [item.wanted for item in items]
        columns = snapshot.described(wanted) if isinstance(snapshot, StoreHashing) else None
        relation = snapshot.scan(wanted) if columns is None else None
        arrives = relation.columns if relation is not None else columns or ()
        return Opened(reader, snapshot, shape, items, arrives, table, stack.pop_all(), relation)


@contextmanager
def shaped_snapshot(reader: Reader, workspace: Workspace) -> Iterator[tuple[Snapshot, Shape]]:
    """A snapshot, and the shape that the dataset had before: over one connection where the reader can do that."""
    if isinstance(reader, ShapedReader):
        with reader.shaped_snapshot(workspace) as shaped:
            yield shaped
    else:
        shape = reader.shape()
        with reader.snapshot(workspace) as snapshot:
            yield snapshot, shape
