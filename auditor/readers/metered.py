"""A reader whose load is counted and, where the connection has a limit, slowed down."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.readers.lifeline import lifeline
from auditor.readers.native import NativeSnapshot
from auditor.reports.document import duration_notation
from contracts.errors import StoreError
from reconcilers.ports import Cutting, ShapedReader, StoreHashing, StoreHashingReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from auditor.readers.meter import Meter
    from auditor.readers.throttle import Throttle
    from reconcilers.ports import Keys, RawColumn, RawRelation, Reader, Shape, Snapshot, Wanted
    from reconcilers.watermark import Watermark
    from reconcilers.workspace import Workspace


STANDBY_ALONE = "it is the connection's standby, and scans are read nowhere else"
"""What a person has to know when it cannot be read: the primary is not scanned in its place."""


@dataclass(frozen=True, slots=True)
class Account:
    """What all readers of one connection share.

    Attributes:
        meter: Counts what they cost.
        throttle: Slows them down; None where nothing limits them.
        counts_queries: Their sessions count every statement themselves; else each read is taken for one.
        standby: The connection leads to a standby.
        port: Of the server; None where the store is none, or where its driver minds the end of a run itself.
        longest_snapshot: Seconds for which one of its snapshots should be held at most.
    """

    meter: Meter
    throttle: Throttle | None = None
    counts_queries: bool = False
    standby: bool = False
    port: int | None = None
    longest_snapshot: float = math.inf

    def held_too_long(self, name: str) -> list[str]:
        """What is to be said of snapshots that were held too long since this was asked last."""
        longest = self.meter.take_longest()
        if longest <= self.longest_snapshot:
            return []
        allowed = duration_notation(self.longest_snapshot)
        return [f"a snapshot of {name} was held for {longest:.0f} s; limits.longest_snapshot is {allowed}"]


class Metered:
    """Another reader, on account.

    Args:
        reader: What really reads.
        account: Of its connection.
    """

    def __init__(self, reader: Reader, account: Account) -> None:
        self._reader = reader
        self._account = account

    @property
    def dataset(self) -> str:
        """See `reconcilers.ports.Reader.dataset`."""
        return self._reader.dataset

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`."""
        with self._telling(), timed(self._account):
            return self._reader.shape()

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[Snapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        began = time.monotonic()
        with ExitStack() as stack:
            stack.callback(lambda: self._account.meter.held(time.monotonic() - began))
            stack.enter_context(lifeline(workspace.halt, self._account.port, self.dataset))
            with self._telling():
                snapshot = stack.enter_context(self._reader.snapshot(workspace))
            yield MeteredSnapshot(snapshot, self._account, workspace)

    @contextmanager
    def shaped_snapshot(self, workspace: Workspace) -> Iterator[tuple[Snapshot, Shape]]:
        """See `reconcilers.ports.ShapedReader.shaped_snapshot`."""
        if not isinstance(self._reader, ShapedReader):
            with lifeline(workspace.halt, self._account.port, self.dataset):
                shape = self.shape()
            with self.snapshot(workspace) as snapshot:
                yield snapshot, shape
            return
        began = time.monotonic()
        with ExitStack() as stack:
            stack.callback(lambda: self._account.meter.held(time.monotonic() - began))
            stack.enter_context(lifeline(workspace.halt, self._account.port, self.dataset))
            with self._telling():
                snapshot, shape = stack.enter_context(self._reader.shaped_snapshot(workspace))
            yield MeteredSnapshot(snapshot, self._account, workspace), shape

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        with self._telling():
            return self._reader.dry_run(wanted)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say of a standby that cannot be read that it is one, and that nothing is read in its place."""
        try:
            yield
        except StoreError as error:
            if not self._account.standby:
                raise
            raise type(error)(f"{error.message}; {STANDBY_ALONE}", hint=error.hint) from error

    def described(self, wanted: Sequence[Wanted]) -> tuple[RawColumn, ...] | None:
        """See `reconcilers.ports.StoreHashingReader.described`."""
        return self._reader.described(wanted) if isinstance(self._reader, StoreHashingReader) else None

    def dry_run_hashed(self, wanted: Sequence[Wanted], hashed: Sequence[Sequence[Wanted]]) -> str:
        """See `reconcilers.ports.StoreHashingReader.dry_run_hashed`."""
        if not isinstance(self._reader, StoreHashingReader):
            raise TypeError(f"{self.dataset} hashes nothing")
        return self._reader.dry_run_hashed(wanted, hashed)


class MeteredSnapshot:
    """Another snapshot, on account; see `reconcilers.ports.Snapshot`."""

    def __init__(self, snapshot: Snapshot, account: Account, workspace: Workspace) -> None:
        self._snapshot = snapshot
        self._account = account
        self._halt = workspace.halt
        self._passing = isinstance(snapshot, NativeSnapshot)
        if isinstance(snapshot, NativeSnapshot):
            self._told = snapshot.watch
            snapshot.watch = self._pass
            if account.throttle is not None:
                snapshot.batch_rows = min(snapshot.batch_rows, account.throttle.batch_rows)
            snapshot.weigh = lambda size: account.meter.add(size=size)

    @property
    def watermark(self) -> Watermark:
        """See `reconcilers.ports.Snapshot.watermark`."""
        return self._snapshot.watermark

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        return self._snapshot.scan(wanted)

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Snapshot.lookup`."""
        return self._snapshot.lookup(wanted, keys)

    def described(self, wanted: Sequence[Wanted]) -> tuple[RawColumn, ...] | None:
        """See `reconcilers.ports.StoreHashing.described`."""
        return self._snapshot.described(wanted) if isinstance(self._snapshot, StoreHashing) else None

    def scan_hashed(self, wanted: Sequence[Wanted], hashed: Sequence[Sequence[Wanted]]) -> RawRelation:
        """See `reconcilers.ports.StoreHashing.scan_hashed`."""
        return self._hashing().scan_hashed(wanted, hashed)

    def lookup_hashed(self, wanted: Sequence[Wanted], keys: Keys, hashed: Sequence[Sequence[Wanted]]) -> RawRelation:
        """See `reconcilers.ports.StoreHashing.lookup_hashed`."""
        return self._hashing().lookup_hashed(wanted, keys, hashed)

    def _hashing(self) -> StoreHashing:
        if not isinstance(self._snapshot, StoreHashing):
            raise TypeError(f"the store of {self.watermark.dataset} hashes nothing")
        return self._snapshot

    def dividers(self, by: Wanted, rows: int) -> Sequence[str] | None:
        """See `reconcilers.ports.Cutting.dividers`."""
        if not isinstance(self._snapshot, Cutting):
            return None
        with timed(self._account):
            return self._snapshot.dividers(by, rows)

    def cut(self, by: Wanted, lower: str | None, upper: str | None) -> None:
        """See `reconcilers.ports.Cutting.cut`."""
        if not isinstance(self._snapshot, Cutting):
            raise TypeError(f"the store of {self.watermark.dataset} cuts nothing")
        self._snapshot.cut(by, lower, upper)

    def load(self, sql: str, table: str) -> int:
        """See `reconcilers.ports.Snapshot.load`."""
        with timed(self._account):
            count = self._snapshot.load(sql, table)
        if not self._passing:  # rows are seen only when all of them have come
            self._count(count)
        return count

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:
        """See `reconcilers.ports.Snapshot.nan_keys`."""
        return self._snapshot.nan_keys(wanted, keys)

    def incomplete(self) -> str:
        """See `reconcilers.ports.Snapshot.incomplete`."""
        return self._snapshot.incomplete()

    def _pass(self, dataset: str, rows: int) -> None:
        """Rows are passing, in whatever thread."""
        if self._told is not None:
            self._told(dataset, rows)
        self._count(rows)

    def _count(self, rows: int) -> None:
        self._account.meter.add(rows=rows)
        if self._account.throttle is not None:
            self._account.throttle.take(rows, self._halt)


@contextmanager
def timed(account: Account) -> Iterator[None]:
    """Count the time that something takes, and the query that it is."""
    began = time.monotonic()
    try:
        yield
    finally:
        account.meter.add(queries=0 if account.counts_queries else 1, seconds=time.monotonic() - began)
