"""What the comparison needs from the outside world, as protocols.

Rows meet in DuckDB.  A reader never hands rows to Python one by one: it offers a *relation*, a piece of SQL that
DuckDB can select from within one consistent, read-only view of the store, and the comparison decides what to select
from it.

```
reader = wiring.reader(dataset)          # cheap: nothing is opened
shape = reader.shape()                   # columns, types, unique keys, estimated rows
with reader.snapshot(workspace) as snap: # one read-only transaction (or what the store has of that kind)
    rows = snap.scan(wanted)             # a relation of every row
    some = snap.lookup(wanted, keys)     # a relation of (at least) the rows with these keys
    snap.load(f"SELECT … FROM {rows.sql}", "owner_rows")   # runs within the snapshot, streams into the workspace
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from contracts.logical_types import LogicalType
    from reconcilers.flaws import Flaw
    from reconcilers.watermark import Watermark
    from reconcilers.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the store describes it.

    Attributes:
        name: The store's own spelling.
        store_type: The store's own name of the type, such as `numeric(10,2)`.
        nullable: Whether the store lets it be NULL.
        logical: The logical type that carries every value of the column without loss; what inference proposes
            and what `select` expressions see.  None where the store's type has no counterpart.
        zone: How the column tells time: `instant` (the store knows the instant), `local` (no zone), empty for the rest.
    """

    name: str
    store_type: str
    nullable: bool = True
    logical: LogicalType | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a dataset looks like.

    Attributes:
        columns: In the store's order.
        unique_keys: Sets of columns that the store itself keeps unique and never NULL.
        nullable_keys: Sets of columns that the store keeps unique, of which some may be NULL; as far as it is known.
        indexed: Leading columns of its indexes, each index as a tuple.
        estimated_rows: The store's own estimate, or None.
        estimated_bytes: The store's own estimate of the size on disk, or None.
    """

    columns: tuple[Column, ...]
    unique_keys: tuple[tuple[str, ...], ...] = ()
    indexed: tuple[tuple[str, ...], ...] = ()
    estimated_rows: int | None = None
    estimated_bytes: int | None = None
    nullable_keys: tuple[tuple[str, ...], ...] = ()

    def column(self, name: str) -> Column | None:
        """The column with exactly this name, or None."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing to read.

    Attributes:
        path: Column name, or a path into a document where no column has that name.
        logical: The contract's type for it; the reader picks an access path that carries this type exactly.
            None: the column's own natural type.
        timezone: IANA zone of a column that has none; the connection's where None.
    """

    path: str
    logical: LogicalType | None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class RawColumn:
    r"""One wanted thing as it arrives in the relation.

    Attributes:
        sql: How to refer to it in the relation: a quoted column name.
        duckdb_type: The DuckDB type it arrives with, as DuckDB spells it (`DECIMAL(10,2)`, `VARCHAR`, …).
            VARCHAR under a type other than text means: the value's text, in the forms that `canonical` documents
            (numbers as decimal text, times in ISO 8601, JSON and lists as JSON text, bytes as `\x` and hex).
        timezone: IANA zone for values that arrive without one under `timestamp`.
        exact: Whether `lookup` by this column finds every spelling of a value (an integer column: yes; a uuid kept
            as text: no, its case is not known).
        char_padded: The store pads this column with blanks that are no part of the value (CHAR(n)); already removed.
        nan_hidden: The relation shows NaN as 0 in this column; `Snapshot.nan_keys` tells where.
        parsed: For a column of date and time that arrives as VARCHAR: SQL of the TIMESTAMP that the text stands for,
            NULL where it stands for none; empty where the text must be read by its letter, which takes longer.
        wraps: Times after the last that DuckDB knows arrive 2^64 microseconds too early, where the store has none.
        hash_form: The form in which the store itself can hash this column; empty where it cannot.  It stands for the
            bytes that are hashed and the function: two columns of one form, in whichever stores, hash alike exactly
            when their canonical values are the same, and no value of such a column is bad.
        unknown: SQL of a condition: the cell has no value that is known, whatever it shows; empty where all are known.
        or_null: SQL of a condition: the cell may be NULL in place of what it shows; empty where none may.
    """

    sql: str
    duckdb_type: str
    timezone: str = "UTC"
    exact: bool = True
    char_padded: bool = False
    nan_hidden: bool = False
    parsed: str = ""
    wraps: bool = False
    hash_form: str = ""
    unknown: str = ""
    or_null: str = ""


@dataclass(frozen=True, slots=True)
class RawRelation:
    """Rows of a dataset as DuckDB can select them within one snapshot.

    Attributes:
        sql: To be written after FROM; parenthesised or a name.
        columns: One for each wanted thing, in the order wanted.
        hashes: Names of the columns with the store's own hashes, where such were asked for; never NULL.
    """

    sql: str
    columns: tuple[RawColumn, ...]
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys to look up.

    Attributes:
        columns: The key's columns, in contract key order.
        values: One tuple a key; each part is a tuple of candidate spellings in text (canonical forms, or what the
            store was seen to hold).  A reader may return more rows than asked for, never fewer among the spellings.
    """

    columns: tuple[Wanted, ...]
    values: Sequence[tuple[tuple[str, ...], ...]]


@dataclass(frozen=True, slots=True)
class Load:
    """What reading cost a store so far.

    Attributes:
        queries: Statements sent.
        rows: Rows that the store handed over.
        bytes: What came with them, as well as the reader knows; None where it does not.
        seconds: Spent reading, over all that was read at once.
        longest_transaction: Seconds that the longest snapshot was held open.
    """

    queries: int = 0
    rows: int = 0
    bytes: int | None = None
    seconds: float = 0.0
    longest_transaction: float = 0.0


class Snapshot(Protocol):
    """One consistent, read-only view of a dataset, held open."""

    @property
    def watermark(self) -> Watermark:
        """Where in the dataset's history this view stands."""
        ...

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """A relation of every row, one column for each thing wanted."""
        ...

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """A relation of at least the rows that have one of the keys; the caller filters what is too many."""
        ...

    def load(self, sql: str, table: str) -> int:
        """Run a SELECT over the relations above and keep its result as a new workspace table.

        When this returns, every cursor of the workspace sees the table; the snapshot stays open.

        Returns:
            The number of rows.

        Raises:
            StoreError: The store failed while it was read.
        """
        ...

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:
        """The keys of rows in which one of `wanted` is NaN, where the scan hides NaN; None where it hides nothing."""
        ...

    def incomplete(self) -> str:
        """Why what was read may not be the whole dataset (rewritten meanwhile, rows hidden), or an empty string.

        Asked at the end, before the snapshot is let go.
        """
        ...


@dataclass(frozen=True, slots=True)
class Untold:
    """A column of which some rows do not tell the value.

    Attributes:
        rows: How many.
        among: How many rows there are.
        why: In words, or empty where nobody knows.
        either: Of how many rows it is known only that it is the column's default, or NULL.
    """

    rows: int
    among: int
    why: str
    either: int = 0


@runtime_checkable
class PartlyKnown(Protocol):
    """What a snapshot offers besides whose dataset is known by what was told of it, and by nothing else."""

    def absence_unknown(self) -> str:
        """Why a row that is not shown may be there all the same; empty where what is not shown is not there."""
        ...

    def flaws(self) -> Mapping[str, Mapping[Flaw, str]]:
        """What the values shown may lack of what is there, by column (`*`: all), each flaw with its sentence."""
        ...

    def doubted(self, keys: Sequence[Wanted]) -> RawRelation | None:
        """The keys of which it is not known whether there is a row; None where there are none."""
        ...

    def doubt(self) -> str:
        """The place of the first record that leaves one of these keys in doubt, and why; never a value."""
        ...

    def not_understood(self) -> str:
        """How much of what was told leaves open which rows there are, the first of it and why; empty where nothing."""
        ...

    def untold(self, wanted: Sequence[Wanted]) -> Mapping[str, Untold]:
        """Of how many rows it is not known what they hold, by path; paths that are told of every row are left out."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """What a snapshot offers besides that knows what rows held earlier."""

    @property
    def topic(self) -> str:
        """The topic that tells it."""
        ...

    def versions(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """A relation of (at least) the remembered versions of these keys, the latest of each included.

        Beside the things wanted it has the columns of `VERSION_COLUMNS`.
        """
        ...

    def whole_history(self) -> bool:
        """Whether every version that a key ever had is remembered."""
        ...

    def begins_with_snapshot(self) -> bool:
        """Whether a snapshot told what was there: of a row that was deleted before it, nothing is told."""
        ...

    def known_from(self) -> int:
        """The arrival number from which on no version of any key is lacking; what came before may have holes."""
        ...

    def is_shared(self) -> bool:
        """Whether others read some of the topic: a truncate that they have read may not be known here yet."""
        ...

    def owner_clock(self) -> OwnerClock | None:
        """The latest time that the owner's clock was told to show; None before any."""
        ...

    def read_at(self, seen: datetime) -> float | None:
        """The auditor's monotonic clock when this process read what it saw at a time of its wall clock; else None."""
        ...


class Told(NamedTuple):
    """A change in a log.

    Attributes:
        place: The first number of its place.
        transaction: Its id; empty where it is not told.
    """

    place: int
    transaction: str


@runtime_checkable
class Logged(Protocol):
    """What a snapshot offers besides whose rows are the changes of a database's log, folded."""

    def is_log_of(self, connector: str) -> bool:
        """Whether all changes stem from one log of this kind, by the connector's name for it: places are comparable."""
        ...

    def streamed(self, since: datetime, shown: datetime | None) -> Sequence[Told]:
        """The furthest changes that were read since then, and after which the ends were asked for once more.

        Args:
            since: By the auditor's wall clock.
            shown: Only changes of this time or later by the owner's clock, where it has one: a log that was begun anew
                gives its places a second time, and those of the old one are no places of the new one.
        """
        ...

    def latest(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """A relation of the latest changes of these keys, deletes among them, with `LATEST_COLUMNS` beside."""
        ...

    def tells_absence(self) -> bool:
        """Whether a key of which there is no change has no row.

        It may have gone without one, by a truncate or by a later snapshot; and an incremental snapshot, which does not
        say when it is finished, may not have come to it.
        """
        ...

    def read_at(self, seen: datetime) -> float | None:
        """See `Remembering`: None of what an earlier process has read."""
        ...


LATEST_COLUMNS = ("tx", "seen", "is_read")
"""Of each latest change: its transaction, when it was read, and whether a snapshot found it."""


VERSION_COLUMNS = (
    "seq", "kind", "epoch", "p0", "p1", "p2", "committed", "seen", "tx", "place", "part", "off", "stamp", "snapshot",
    "id", "other",
)  # fmt: skip
"""Of each version: its order of arrival, what it is, its position, when it was committed and read, where it is, when
its record was written, in milliseconds, the snapshot that read it (see `reconcilers.streams.table.WAS_THERE`), its key
as its record has it, and of a row whose key was changed the other key."""


class OwnerClock(NamedTuple):
    """What an owner's clock showed at least.

    Attributes:
        shown: The time, in UTC.
        read: When the change that tells it was read, by the auditor's wall clock.
        stamp: When its record was written, in milliseconds since 1970, by the clock of whoever wrote it.
    """

    shown: datetime
    read: datetime
    stamp: int


class Reader(Protocol):
    """Reads one dataset."""

    @property
    def dataset(self) -> str:
        """The dataset as reports name it."""
        ...

    def shape(self) -> Shape:
        """What the dataset looks like now.

        Raises:
            StoreError: The store cannot be reached, or it has no such relation.
        """
        ...

    def snapshot(self, workspace: Workspace) -> AbstractContextManager[Snapshot]:
        """Open one consistent, read-only view.

        Raises:
            StoreError: The store cannot be reached or refuses.
        """
        ...

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """The statement that `scan` would run at the store, for `--dry-run`."""
        ...


@runtime_checkable
class ShapedReader(Protocol):
    """What a reader offers besides that learns the shape while it opens a snapshot: one connection, not two."""

    def shaped_snapshot(self, workspace: Workspace) -> AbstractContextManager[tuple[Snapshot, Shape]]:
        """As `Reader.snapshot`, with the shape of just before."""
        ...


@runtime_checkable
class StoreHashing(Protocol):
    """What a snapshot offers besides, whose columns have a `hash_form`.

    Each group of things is hashed to one column of 64 bits; the groups of two sides hash alike where their things have
    the same forms in the same order.
    """

    def described(self, wanted: Sequence[Wanted]) -> tuple[RawColumn, ...] | None:
        """How `Snapshot.scan` would bring each thing, without preparing a scan; None where nothing can be hashed."""
        ...

    def scan_hashed(self, wanted: Sequence[Wanted], hashed: Sequence[Sequence[Wanted]]) -> RawRelation:
        """As `Snapshot.scan`, with a hash of each group."""
        ...

    def lookup_hashed(self, wanted: Sequence[Wanted], keys: Keys, hashed: Sequence[Sequence[Wanted]]) -> RawRelation:
        """As `Snapshot.lookup`, with a hash of each group."""
        ...


@runtime_checkable
class Cutting(Protocol):
    """What a snapshot offers besides that can read a part of its rows: those with a range of one column's values.

    The store compares as it does; `reconcilers.segment` finds out whether that is how we do.
    """

    def dividers(self, by: Wanted, rows: int) -> Sequence[str] | None:
        """Values that divide the rows into parts of about so many.

        Args:
            by: The column; its type is one of `reconcilers.segment.CUT_KINDS`.
            rows: How many a part is to have.

        Returns:
            The values in text, in any order, none where there are no more rows than that; None where the rows cannot be
            cut by this column, or each part would cost as much as the whole (no index leads to it).
        """
        ...

    def cut(self, by: Wanted, lower: str | None, upper: str | None) -> None:
        """From now on `Snapshot.scan`, `scan_hashed` and `nan_keys` bring the rows of one part only.

        Whatever the bounds, each row belongs to exactly one of the parts between bounds that follow one another.

        Args:
            by: The column.
            lower: The least value, in canonical text; None: from the beginning on, NULL too.
            upper: The value that all are less than, or None.
        """
        ...


@runtime_checkable
class StoreHashingReader(Protocol):
    """What the reader of such a snapshot offers besides, for `--dry-run`."""

    def described(self, wanted: Sequence[Wanted]) -> tuple[RawColumn, ...] | None:
        """How each thing would arrive; None where nothing of it can be hashed."""
        ...

    def dry_run_hashed(self, wanted: Sequence[Wanted], hashed: Sequence[Sequence[Wanted]]) -> str:
        """The statement that `scan_hashed` would run at the store."""
        ...
