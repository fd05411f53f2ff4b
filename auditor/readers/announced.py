"""A reader whose reading somebody follows: when it is about to be read, its name and its size are told."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconcilers.opened import shaped_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from reconcilers.ports import Reader, Shape, Snapshot, Wanted
    from reconcilers.workspace import Workspace


class Announced:
    """Another reader, announced.

    Args:
        reader: What really reads.
        about_to_read: Told the dataset's name and the store's estimate of its rows (None: it has none).
    """

    def __init__(self, reader: Reader, about_to_read: Callable[[str, int | None], None]) -> None:
        self._reader = reader
        self._about_to_read = about_to_read

    @property
    def dataset(self) -> str:
        """See `reconcilers.ports.Reader.dataset`."""
        return self._reader.dataset

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`; a run looks at the shape before it reads."""
        shape = self._reader.shape()
        self._about_to_read(self.dataset, shape.estimated_rows)
        return shape

    def snapshot(self, workspace: Workspace) -> AbstractContextManager[Snapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        return self._reader.snapshot(workspace)

    @contextmanager
    def shaped_snapshot(self, workspace: Workspace) -> Iterator[tuple[Snapshot, Shape]]:
        """See `reconcilers.ports.ShapedReader.shaped_snapshot`."""
        with shaped_snapshot(self._reader, workspace) as (snapshot, shape):
            self._about_to_read(self.dataset, shape.estimated_rows)
            yield snapshot, shape

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        return self._reader.dry_run(wanted)
