"""What an audit costs a store: counted where the store is asked, whoever asks."""

from __future__ import annotations

import threading

from reconcilers.ports import Load


class Meter:
    """Counts for one connection, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._load = Load()
        self._longest = 0.0

    @property
    def load(self) -> Load:
        """All so far."""
        return self._load

    def add(self, *, queries: int = 0, rows: int = 0, size: float | None = None, seconds: float = 0.0) -> None:
        """Count what a store was asked, and what it gave.

        Args:
            queries: Statements.
            rows: Rows that it handed over.
            size: Bytes that came with them, where that is known.
            seconds: Spent on them.
        """
        with self._lock:
            was = self._load
            self._load = Load(
                was.queries + queries,
                was.rows + rows,
                was.bytes if size is None else (was.bytes or 0) + round(size),
                was.seconds + seconds,
                was.longest_transaction,
            )

    def held(self, seconds: float) -> None:
        """Count a transaction by how long it was open."""
        with self._lock:
            was = self._load
            longest = max(was.longest_transaction, seconds)
            self._load = Load(was.queries, was.rows, was.bytes, was.seconds, longest)
            self._longest = max(self._longest, seconds)

    def take_longest(self) -> float:
        """How long the longest transaction was open that has ended since this was asked last; 0.0 without any."""
        with self._lock:
            longest, self._longest = self._longest, 0.0
        return longest
