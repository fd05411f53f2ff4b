"""What a look at an owner says of the changes of its log: which of them it has seen, and which come after all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from reconcilers.mariadb_log import MariadbLog
from reconcilers.postgresql_log import PostgresqlLog

if TYPE_CHECKING:
    from reconcilers.ports import Told
    from reconcilers.watermark import Watermark


class OwnerLog(Protocol):
    """Where a snapshot stands in the log of its database; each kind of database has its own.

    Attributes:
        connector: The name by which connectors tell of such a database.
    """

    connector: ClassVar[str]

    @property
    def leads(self) -> bool:
        """Whether the snapshot surely shows whatever rows anybody had found by then, in this database or a replica.

        False where it may repeat what another one has shown before.
        """
        ...

    def has_seen(self, transaction: str) -> bool:
        """Whether the snapshot surely shows what a transaction did; False where it cannot be told."""
        ...

    def is_before(self, told: Told) -> bool:
        """Whether everything that the snapshot shows surely stands before a change; False where it cannot be told."""
        ...


def owner_log(mark: Watermark) -> OwnerLog | None:
    """What a watermark says of its owner's log; None where it says nothing."""
    return PostgresqlLog.of(mark) or MariadbLog.of(mark)
