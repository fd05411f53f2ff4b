"""One side on its way through a look: opened, scanned, and read again from the start where its store breaks off."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.errors import AuditorError, StoreError
from reconcilers.perseverance import Perseverance

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.contract import Replica
    from contracts.errors import InterruptedReadError
    from reconcilers.halt import Halt
    from reconcilers.opened import Opened, Projected


@dataclass(slots=True)
class Reading:
    """One side of a look.

    Attributes:
        replica: Whose copy it is; None for the owner.
        open: Opens a snapshot of it; None where there is no reader.
        halt: Ends its pauses.
        opened: The snapshot, once it is open.
        projected: What was selected from it, once it was scanned.
        error: Why it could not be read.
        again: Why it was read again, one sentence a time.
    """

    replica: Replica | None
    open: Callable[[], Opened] | None
    halt: Halt
    opened: Opened | None = None
    projected: Projected | None = None
    error: AuditorError | None = None
    again: list[str] = field(default_factory=list)
    _tries: Perseverance | None = None

    def begin(self) -> None:
        """Open it, again and again within limits.

        Raises:
            StoreError: It cannot be opened.
        """
        self._perseverance().run(self._open_once)

    def scan(self, project: Callable[[Reading, Opened], Projected]) -> None:
        """Scan it; what breaks off is opened and scanned again.

        Args:
            project: Brings the projection of an open snapshot into the workspace.

        Raises:
            StoreError: It cannot be read.
        """
        self._perseverance().run(lambda: self._scan_once(project))

    def scanned(self) -> Projected:
        """What was selected from it.

        Raises:
            StoreError: Nothing was.
        """
        if self.projected is None:
            raise self.error or StoreError("a side is compared before it was scanned")
        return self.projected

    def is_lost(self) -> bool:
        """Whether the store broke off after the scan."""
        return self.opened is not None and self.opened.lost

    def scan_again(self, error: InterruptedReadError, project: Callable[[Reading, Opened], Projected]) -> None:
        """Scan it once more from a new snapshot, since the store broke off while rows were fetched.

        Raises:
            StoreError: It cannot be read, or it broke off too often.
        """
        self._perseverance().allow(error)
        self.scan(project)

    def fail(self, error: AuditorError) -> None:
        """Give this side up."""
        self.error = error
        self.close()

    def close(self) -> None:
        """Let the snapshot go, if one is open."""
        opened, self.opened = self.opened, None
        if opened is None:
            return
        if opened.lost:
            with suppress(AuditorError):  # there is nobody left to say goodbye to
                opened.close()
        else:
            opened.close()

    def _perseverance(self) -> Perseverance:
        if self._tries is None:
            self._tries = Perseverance(self.halt, self._begin_again)
        return self._tries

    def _begin_again(self, error: StoreError) -> None:
        self.close()
        self.again.append(f"read again from a new snapshot: {error.message}")

    def _open_once(self) -> Opened:
        if self.opened is None:
            if self.open is None:
                raise self.error or StoreError("a side without a reader cannot be opened")
            self.opened = self.open()
        return self.opened

    def _scan_once(self, project: Callable[[Reading, Opened], Projected]) -> None:
        self.projected = project(self, self._open_once())
