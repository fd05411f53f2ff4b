"""What one entity promises: who owns it, who holds copies, and when a copy counts as right.

These are the checked, normalised values that the rest of the program works with: every default of the contract
language is already applied here.  `contracts.catalog` builds them from YAML.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts.equality import EXACT, Equality
from contracts.errors import NOWHERE, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.expression import Expression
    from contracts.logical_types import LogicalType

LAG_BOUND_DEFAULT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """A relation of a configured connection, as a contract names it: `orders_db/public.orders`."""

    connection: str
    relation: str

    def __str__(self) -> str:
        return f"{self.connection}/{self.relation}"


@dataclass(frozen=True, slots=True)
class QueryRef:
    """An owner defined by a SELECT over one connection; wrapped when used, never changed."""

    connection: str
    sql: str

    def __str__(self) -> str:
        return f"{self.connection}/(query)"


@dataclass(frozen=True, slots=True)
class FeedRef:
    """A topic of a configured feed.

    Attributes:
        name: The feed's.
        topic: The topic's.
        place: Where a contract names it; two that name the same topic name the same thing.
    """

    name: str
    topic: str
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name}/{self.topic} (feed)"


Reference = DatasetRef | QueryRef | FeedRef
"""Where rows of an entity are read."""


@dataclass(frozen=True, slots=True)
class ChangedAt:
    """The owner's field that tells when a row last changed, and who keeps it: `database` or `application`."""

    field: str
    maintained_by: str = "application"


@dataclass(frozen=True, slots=True)
class SoftDelete:
    """The owner's flag that counts a row as deleted: a true boolean or a non-null time."""

    field: str
    retention: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """The one dataset allowed to decide an entity's values.  One of `dataset`, `query` or `feed` is set at least."""

    service: str
    dataset: DatasetRef | None = None
    query: QueryRef | None = None
    feed: FeedRef | None = None
    changed_at: ChangedAt | None = None
    soft_delete: SoftDelete | None = None
    may_be_empty: bool = False

    @property
    def reference(self) -> Reference | None:
        """Where its rows are read: at the store, where one is named; else they are the fold of its feed."""
        return self.dataset or self.query or self.feed


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entity, in contract terms."""

    name: str
    type: LogicalType
    equality: Equality = EXACT
    references: str | None = None
    meaning: str = ""
    critical: bool = False
    sensitive: bool = False
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Where a replica keeps a contract field, and how the two are compared."""

    field: str
    """Contract name."""
    path: str
    """Replica column or path."""
    equality: Equality = EXACT
    timezone: str | None = None
    """Zone of a column without one; None means the connection's."""


@dataclass(frozen=True, slots=True)
class Deletes:
    """What becomes of a replica's row when the owner's goes: `propagate`, `keep` or `soft` (with the flag's column)."""

    mode: str = "propagate"
    column: str | None = None


@dataclass(frozen=True, slots=True)
class AppliedBy:
    """The consumer group that fills a replica."""

    feed: str
    group_id: str


@dataclass(frozen=True, slots=True)
class Replica:
    """A dataset that holds a copy it does not own.  `name` is unique within the contract and is what reports show."""

    name: str
    service: str
    dataset: DatasetRef | None
    key: tuple[FieldMap, ...]
    """One map a key field, in contract key order."""
    fields: tuple[FieldMap, ...]
    """The compared fields, key fields left out."""
    feed: FeedRef | None = None
    lag_bound: timedelta = LAG_BOUND_DEFAULT
    deletes: Deletes = Deletes()
    completeness: str = "full"
    where: Expression | None = None
    """Which owner rows this replica is to hold, in contract names."""
    select: Expression | None = None
    """Which rows of the dataset are this copy at all, in replica names."""
    applied_by: AppliedBy | None = None
    format: str = "json"
    ttl: timedelta | None = None
    place: Place = NOWHERE

    @property
    def reference(self) -> DatasetRef | FeedRef | None:
        """Where its rows are read: at the store, where one is named; else they are the fold of its feed."""
        return self.dataset or self.feed


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule that every row of the owner keeps; NULL passes."""

    name: str
    holds: Expression


@dataclass(frozen=True, slots=True)
class Contract:
    """What one entity promises.  Fields keep the order of the file."""

    entity: str
    version: int
    owner: Owner
    key: tuple[str, ...]
    fields: Mapping[str, Field]
    replicas: tuple[Replica, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    description: str = ""
    team: str = ""
    place: Place = NOWHERE
    text: str = field(default="", repr=False)
    """The YAML it was read from, for the ledger and `contracts diff`."""

    def key_fields(self) -> tuple[Field, ...]:
        """The key's fields in contract key order."""
        return tuple(self.fields[name] for name in self.key)

    def streams_beside(self) -> tuple[FeedRef, ...]:
        """The feeds beside datasets: without them, every row can still be read."""
        owner = self.owner.feed if self.owner.reference is not self.owner.feed else None
        copies = (replica.feed for replica in self.replicas if replica.dataset is not None)
        return tuple(feed for feed in (owner, *copies) if feed is not None)

    def references(self) -> Mapping[str, str]:
        """Referring field name to the entity it refers to."""
        return MappingProxyType({f.name: f.references for f in self.fields.values() if f.references})
