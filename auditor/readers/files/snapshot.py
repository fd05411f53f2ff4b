"""What a snapshot of files is, whatever their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.readers.arrow_rows import StreamingSnapshot
from auditor.readers.key_filter import rows_with_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.readers.files.directory import Files
    from reconcilers.ports import Keys, RawRelation, Wanted
    from reconcilers.workspace import Workspace


class FileSnapshot(StreamingSnapshot):
    """Files as they are now; whether they stayed so is asked at the end."""

    def __init__(self, files: Files, workspace: Workspace, timezone: str) -> None:
        super().__init__(workspace, files.dataset)
        self.files = files
        self.timezone = timezone
        self._before = files.states()
        self.watermark = files.watermark(self._before)

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        raise NotImplementedError

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Snapshot.lookup`; files have no index, so all of them is read."""
        return rows_with_keys(self.workspace, self.cursor, self.scan, wanted, keys)

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:  # noqa: ARG002
        """Nothing is hidden."""
        return None

    def incomplete(self) -> str:
        """See `reconcilers.ports.Snapshot.incomplete`."""
        return self.files.changed(self._before)
