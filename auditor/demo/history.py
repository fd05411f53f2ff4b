"""What each order was, and when: in the shop, and where customers follow their orders.

The shop's rows tell only what an order is now.  What it was follows from its status, for an order comes to each of them
by one way only.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from auditor.demo.shop import STATUS_PATHS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.demo.shop import Row

Version: TypeAlias = "tuple[datetime, Row | None]"
"""When a row became so, and what it was from then on; None where it was gone."""

Histories: TypeAlias = "dict[Any, list[Version]]"
"""By key; the versions of each in their order."""

PACE_SEED = 20_250_302
SLOWEST_COPY = timedelta(seconds=4)
CLEARED_AWAY = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
"""When the shop deletes what nobody needs any longer: after all else that happened."""

_PATHS = {path[-1]: path for path, _ in STATUS_PATHS}


def order_histories(orders: Iterable[Row]) -> Histories:
    """Every version of these orders: the last of each is the row itself."""
    return {row["id"]: list(_versions(row)) for row in orders}


def _versions(row: Row) -> Iterable[Version]:
    path = _PATHS[row["status"]]
    taken = row["updated_at"] - row["created_at"]
    for number, status in enumerate(path):
        since = row["created_at"] + taken * number / max(len(path) - 1, 1)
        moment = row["updated_at"] if number == len(path) - 1 else since
        yield moment, row | {"status": status, "updated_at": moment}


def tracked(orders: Histories) -> Histories:
    """What the tracking service makes of them: a few columns, a moment later."""
    rng = random.Random(PACE_SEED)  # noqa: S311 - the same moments every time
    return {
        order: [(moment + SLOWEST_COPY * rng.random(), _tracked(row)) for moment, row in versions]
        for order, versions in orders.items()
    }


def _tracked(row: Row | None) -> Row | None:
    if row is None:
        return None
    return {"order_id": row["id"], "state": row["status"], "changed": row["updated_at"]}
