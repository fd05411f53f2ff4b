"""Where each entity's last clean run stood: what an incremental run goes on from.

There is one for an entity at most, of the last run that found it clean.  What it says is the run's own business; the
ledger keeps it as a JSON object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from auditor.ledger.json_text import decode, encode
from auditor.ledger.tables import ANCHORS, FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.ledger.records import Document


class Anchor(NamedTuple):
    """What a clean run left: which entity, which run, when it finished, and where it stood."""

    entity: str
    run_id: str
    noted_at: str
    document: Document


def put(connection: Connection, anchors: Iterable[Anchor]) -> None:
    """Write anchors down, each in the place of the entity's last."""
    for anchor in anchors:
        connection.execute(delete(ANCHORS).where(ANCHORS.c.entity == anchor.entity))
        connection.execute(insert(ANCHORS), anchor._asdict() | {"document": encode(anchor.document)})


def of_entity(connection: Connection, entity: str) -> Anchor | None:
    """The entity's; None where no clean run has left one."""
    wanted = select(*(ANCHORS.c[name] for name in Anchor._fields)).where(ANCHORS.c.entity == entity)
    row = connection.execute(wanted).first()
    return None if row is None else Anchor(row.entity, row.run_id, row.noted_at, decode(row.document))


def is_open(connection: Connection, entity: str) -> bool:
    """Whether anything that was ever found of the entity is still open, accepted or not."""
    wanted = select(FINDINGS.c.number).where(FINDINGS.c.is_open & (FINDINGS.c.entity == entity)).limit(1)
    return connection.execute(wanted).first() is not None
