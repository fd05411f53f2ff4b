"""Consistency in nines: which share of the owners' changes has arrived at each replica, and how soon."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from auditor.ledger.arrivals import ArrivedHour
from auditor.reports.document import instant_text

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


UNKNOWN_MAX = 0.05
"""Of the changes: where more may have arrived by a time, or not, the share that had by then is not known.

A look comes when the lag bound has passed, and sees what is there, not since when: of times that are shorter nothing is
known, for any change.  Longer ones are known but for changes that were looked at late; a few of them are left out.
"""


def arrived_hours(hours: Iterable[Hour]) -> list[ArrivedHour]:
    """Hours as the ledger keeps them; what is not known is None."""
    return [
        ArrivedHour(one.entity, one.replica, instant_text(one.hour.replace(tzinfo=UTC)), one.changes, *_counts(one))
        for one in hours
    ]


def _counts(hour: Hour) -> list[int | None]:
    return [
        count if _is_known(hour.changes, unknown) else None
        for count, unknown in zip(hour.within, hour.unknown, strict=True)
    ]


def _is_known(changes: int, unknown: int) -> bool:
    return changes > 0 and unknown <= UNKNOWN_MAX * changes


def consistency(entities: Sequence[MonitoredEntity], now: datetime) -> list[dict[str, Any]]:
    """For each replica and window: how many of the owner's changes were settled, and which share had arrived by when.

    What nobody can tell is null: a replica without a feed of its own is not looked at before its lag bound is over, and
    a look does not tell since when it sees what is there.
    """
    return [told for entity in entities for told in _of_entity(entity, now)]


def _of_entity(entity: MonitoredEntity, now: datetime) -> list[dict[str, Any]]:
    hours = entity.hours()
    told = []
    for replica in entity.contract.replicas:
        mine = [hour for hour in hours if hour.replica == replica.name]
        by_feed = replica.name in entity.measures
        windows = {name: _window(mine, now - length) for name, length in WINDOWS.items()}
        told.append(
            {
                "entity": entity.contract.entity,
                "replica": replica.name,
                "measured": "feed" if by_feed else "looks",
                "windows": windows,
            }
        )
    return told


def _window(hours: Sequence[Hour], begin: datetime) -> dict[str, Any]:
    first = begin.astimezone(UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    some = [hour for hour in hours if hour.hour >= first]
    changes = sum(hour.changes for hour in some)
    within: dict[str, float | None] = {}
    for i, name in enumerate(STEP_NAMES):
        unknown = sum(hour.unknown[i] for hour in some)
        arrived = sum(hour.within[i] for hour in some)
        within[name] = arrived / (changes - unknown) if _is_known(changes, unknown) else None
    return {"changes": changes, "within": within}
