"""Consistency in nines: which share of the owners' changes has arrived at each replica, and how soon."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from auditor.ledger.arrivals import ArrivedHour
from auditor.reports.document import instant_text
from reconcilers.streams.obligations import ARRIVAL_STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from auditor.runs.monitored import MonitoredEntity
    from reconcilers.streams.obligations import Hour

STEP_NAMES = ("1s", "10s", "1m", "5m", "1h")
WINDOWS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
"""Sliding, in whole hours: the hour under way and those before it."""

HOURS_KEPT = timedelta(days=31)
"""In a monitor's own state; the ledger keeps them until it is pruned."""


def arrived_hours(hours: Iterable[Hour]) -> list[ArrivedHour]:
    """Hours as the ledger keeps them."""
    return [
        ArrivedHour(one.entity, one.replica, instant_text(one.hour.replace(tzinfo=UTC)), one.changes, *one.within)
        for one in hours
    ]


def consistency(entities: Sequence[MonitoredEntity], now: datetime) -> list[dict[str, Any]]:
    """For each replica and window: how many of the owner's changes were settled, and which share had arrived by when.

    What nobody can tell is null: a replica without a feed of its own is not looked at before its lag bound is over.
    """
    return [told for entity in entities for told in _of_entity(entity, now)]


def _of_entity(entity: MonitoredEntity, now: datetime) -> list[dict[str, Any]]:
    hours = entity.hours()
    told = []
    for replica in entity.contract.replicas:
        mine = [hour for hour in hours if hour.replica == replica.name]
        by_feed = replica.name in entity.measures
        least = 0.0 if by_feed else replica.lag_bound.total_seconds()
        windows = {name: _window(mine, now - length, least) for name, length in WINDOWS.items()}
        told.append(
            {
                "entity": entity.contract.entity,
                "replica": replica.name,
                "measured": "feed" if by_feed else "looks",
                "windows": windows,
            }
        )
    return told


def _window(hours: Sequence[Hour], begin: datetime, least: float) -> dict[str, Any]:
    first = begin.astimezone(UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    some = [hour for hour in hours if hour.hour >= first]
    changes = sum(hour.changes for hour in some)
    within: dict[str, float | None] = {}
    for i, (name, limit) in enumerate(zip(STEP_NAMES, ARRIVAL_STEPS, strict=True)):
        known = changes > 0 and limit >= least
        within[name] = sum(hour.within[i] for hour in some) / changes if known else None
    return {"changes": changes, "within": within}
