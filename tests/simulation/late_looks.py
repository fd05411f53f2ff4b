"""Changes that a monitor looked for so late that it does not count them: nobody knows when they had arrived."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reconcilers.streams.obligations import Obligations, Took

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator


@contextmanager
def counted_late(late: Counter[str]) -> Iterator[None]:
    """Count them by replica, as they are let go of; those of a transaction that is taken back are counted again."""
    settle = Obligations.settle

    def settled(self: Obligations, met: Any, found: Any, gone: Any, now: Any, took: Took | None = None) -> None:
        if took is not None and took.looked is not None:
            numbers = [number for one in met for number in one.numbers]
            late.update(dict(self._db.execute(_LATE, [numbers, took.looked, took.longest]).fetchall()))
        settle(self, met, found, gone, now, took)

    Obligations.settle = settled  # type: ignore[method-assign]
    try:
        yield
    finally:
        Obligations.settle = settle  # type: ignore[method-assign]


_LATE = """
SELECT replica, count(*) FROM obligations o JOIN subjects s ON s.number = o.subject
WHERE o.number IN (SELECT unnest(?::BIGINT[])) AND s.by_owner AND o.kind IN (0, 1)
  AND epoch(?::TIMESTAMP) - epoch(o.committed) > ?
GROUP BY ALL
"""
