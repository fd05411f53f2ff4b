"""How the owners' changes arrived at their replicas, hour by hour, as monitors have counted it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Case, Column, Connection, Integer, case, delete, func, insert, select

from auditor.ledger.tables import ARRIVALS

if TYPE_CHECKING:
    from collections.abc import Iterable


class ArrivedHour(NamedTuple):
    """The changes that an owner committed in one hour, and how many of them arrived within 1 s, 10 s, 1 m, 5 m, 1 h.

    None where that is not known: looks do not see so finely.
    """

    entity: str
    replica: str
    hour: str
    changes: int
    within_1s: int | None
    within_10s: int | None
    within_1m: int | None
    within_5m: int | None
    within_1h: int | None


def put(connection: Connection, hours: Iterable[ArrivedHour], member: str = "") -> None:
    """Write hours down, in the place of what was known of them: a monitor counts each from its beginning.

    An hour that has no more changes than are known is left as it is: a monitor whose state was made anew has not seen
    what arrived before, and takes for arrived what was found to be late.

    Args:
        connection: Within a transaction.
        hours: The hours.
        member: Who counted, where several share the work: each counts for itself.
    """
    for hour in hours:
        same = (
            (ARRIVALS.c.entity == hour.entity) & (ARRIVALS.c.replica == hour.replica) & (ARRIVALS.c.hour == hour.hour)
            & (ARRIVALS.c.member == member)
        )  # fmt: skip
        if (connection.execute(select(ARRIVALS.c.changes).where(same)).scalar() or 0) >= hour.changes:
            continue
        connection.execute(delete(ARRIVALS).where(same))
        connection.execute(insert(ARRIVALS), {**hour._asdict(), "member": member})


def known(connection: Connection) -> list[ArrivedHour]:
    """Every hour, all members together, ordered by entity, replica and time."""
    place = ARRIVALS.c.entity, ARRIVALS.c.replica, ARRIVALS.c.hour
    counts = [_together(ARRIVALS.c[name]).label(name) for name in ArrivedHour._fields[len(place) :]]
    rows = connection.execute(select(*place, *counts).group_by(*place).order_by(*place))
    return [ArrivedHour(*row) for row in rows]


def _together(count: Column[int]) -> Case[int | None]:
    """The sum over members: not known where one of them does not know."""
    return case((func.count(count) == func.count(), func.sum(count).cast(Integer)))


def prune(connection: Connection, before: str) -> int:
    """Forget hours that began before a time; returns how many there were."""
    return connection.execute(delete(ARRIVALS).where(ARRIVALS.c.hour < before)).rowcount
