"""How the owners' changes arrived at their replicas, hour by hour, as monitors have counted it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from auditor.ledger.tables import ARRIVALS

if TYPE_CHECKING:
    from collections.abc import Iterable


class ArrivedHour(NamedTuple):
    """The changes that an owner committed in one hour, and how many of them arrived within 1 s, 10 s, 1 m, 5 m, 1 h."""

    entity: str
    replica: str
    hour: str
    changes: int
    within_1s: int
    within_10s: int
    within_1m: int
    within_5m: int
    within_1h: int


def put(connection: Connection, hours: Iterable[ArrivedHour]) -> None:
    """Write hours down, in the place of what was known of them: a monitor counts each from its beginning."""
    for hour in hours:
        same = (
            (ARRIVALS.c.entity == hour.entity) & (ARRIVALS.c.replica == hour.replica) & (ARRIVALS.c.hour == hour.hour)
        )
        connection.execute(delete(ARRIVALS).where(same))
        connection.execute(insert(ARRIVALS), hour._asdict())


def known(connection: Connection) -> list[ArrivedHour]:
    """Every hour, ordered by entity, replica and time."""
    wanted = select(*(ARRIVALS.c[name] for name in ArrivedHour._fields))
    rows = connection.execute(wanted.order_by(ARRIVALS.c.entity, ARRIVALS.c.replica, ARRIVALS.c.hour))
    return [ArrivedHour(*row) for row in rows]


def prune(connection: Connection, before: str) -> int:
    """Forget hours that began before a time; returns how many there were."""
    return connection.execute(delete(ARRIVALS).where(ARRIVALS.c.hour < before)).rowcount
