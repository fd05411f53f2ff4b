"""Leases: at most one run at a time is at work on an entity.

A run takes the leases of all entities in its scope, or none, before it reads a store.  It renews them while it works
and gives them back at the end.  One that was killed leaves its leases behind: they end at the time that they name, or
at once where the next run can see that the process is gone.

Times are those of the database's server, so that two hosts need not agree about the time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, text, update

from auditor.ledger.holder import is_gone
from auditor.ledger.records import Lease
from auditor.ledger.tables import LEASES
from auditor.reports.document import instant_text
from contracts.errors import LedgerBusyError, LedgerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from auditor.ledger.holder import Holder

_SERVER_CLOCKS = {
    "postgresql": "SELECT clock_timestamp() AT TIME ZONE 'UTC'",
    "mysql": "SELECT utc_timestamp(6)",
    "mariadb": "SELECT utc_timestamp(6)",
}


def take(connection: Connection, entities: Collection[str], run_id: str, holder: Holder, term: timedelta) -> None:
    """Take the leases of all these entities.

    Raises:
        UsageError: Another run holds one of them; nothing is taken then.
    """
    now = server_now(connection)
    rows = connection.execute(select(LEASES).where(LEASES.c.entity.in_(entities)).order_by(LEASES.c.entity)).all()
    held = [_lease(row) for row in rows if _is_held(row, instant_text(now))]
    if held:
        raise _refusal(held)
    connection.execute(delete(LEASES).where(LEASES.c.entity.in_(entities)))
    common = {"run_id": run_id, "holder": holder.name, "process": holder.process}
    times = {"taken_at": instant_text(now), "until": instant_text(now + term)}
    rows_to_be = [{"entity": entity, **common, **times} for entity in sorted(set(entities))]
    if rows_to_be:
        connection.execute(insert(LEASES), rows_to_be)


def renew(connection: Connection, run_id: str, holder: Holder, term: timedelta) -> int:
    """Prolong what the run still holds.

    Returns:
        How many leases that are.
    """
    until = instant_text(server_now(connection) + term)
    return connection.execute(update(LEASES).where(_mine(run_id, holder)).values(until=until)).rowcount


def release(connection: Connection, run_id: str, holder: Holder) -> None:
    """Give back what the run still holds."""
    connection.execute(delete(LEASES).where(_mine(run_id, holder)))


def in_force(connection: Connection) -> list[Lease]:
    """Every lease that keeps others away, by entity."""
    now = instant_text(server_now(connection))
    rows = connection.execute(select(LEASES).order_by(LEASES.c.entity)).all()
    return [_lease(row) for row in rows if _is_held(row, now)]


def require_none_of_others(
    connection: Connection, entities: Collection[str], run_id: str, place: str, *, had: bool
) -> None:
    """What a run at work finds must not be written over: by one that lost a lease while it slept, or that took none.

    Args:
        connection: Within a transaction.
        entities: That are to be written about.
        run_id: The run that is to be recorded.
        place: The ledger, for the message.
        had: It took leases of them; a monitor takes none.

    Raises:
        LedgerBusyError: Another run is at work on one of these entities, and this one took no lease.
        LedgerError: The same of one that did.
    """
    others = LEASES.c.entity.in_(entities) & (LEASES.c.run_id != run_id)
    now = instant_text(server_now(connection))
    for row in connection.execute(select(LEASES).where(others).order_by(LEASES.c.entity)):
        if not _is_held(row, now):
            continue
        if not had:
            raise LedgerBusyError(
                f"nothing can be recorded about {row.entity} in the ledger {place} now: the run {row.run_id} "
                f"({row.holder}) is at work on it since {row.taken_at}",
                hint="a monitor records what it has found when that run is over; one that has ended finds it again",
            )
        raise LedgerError(
            f"cannot record the run {run_id} in the ledger {place}: its lease of {row.entity} had ended, and the "
            f"run {row.run_id} ({row.holder}) has taken it over at {row.taken_at}",
            hint="that run's report is the newer one; let nothing suspend a run for minutes",
        )


def _mine(run_id: str, holder: Holder) -> Any:
    return (LEASES.c.run_id == run_id) & (LEASES.c.process == holder.process) & (LEASES.c.holder == holder.name)


def _is_held(row: Any, now: str) -> bool:
    return bool(row.until > now) and not is_gone(row.process)


def _lease(row: Any) -> Lease:
    return Lease(row.entity, row.run_id, row.holder, row.taken_at, row.until)


def _refusal(held: list[Lease]) -> UsageError:
    first = held[0]
    entities = ", ".join(lease.entity for lease in held if lease.run_id == first.run_id)
    return UsageError(
        f"{entities} cannot be reconciled now: the run {first.run_id} ({first.holder}) is at work on it since "
        f"{first.taken_at}, and has its lease until {first.until}, longer as long as it runs",
        hint="wait until that run has finished; if it was killed, its lease ends by itself at the time above",
    )


def server_now(connection: Connection) -> datetime:
    """The time by the database's server; a file's server is this process."""
    question = _SERVER_CLOCKS.get(connection.dialect.name)
    if question is None:
        return datetime.now(UTC)
    told: datetime = connection.execute(text(question)).scalar_one()
    return told.replace(tzinfo=UTC)
