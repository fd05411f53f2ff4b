"""What is kept of one topic: which columns, and the tables that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class CellState(IntEnum):
    """What a kept cell is, beside its text."""

    VALUE = 0  # a NULL text is NULL
    EITHER = 1  # the column's default, which may stand for NULL
    KEPT = 2
    ABSENT = 3
    UNREADABLE = 4


class Kind(IntEnum):
    """What a kept version is."""

    WRITE = 0
    DELETE = 1
    BACKFILL = 2
    DOUBT = 3  # something of this key could not be read: nothing is known of it until it is told again


@dataclass(frozen=True, slots=True)
class StreamTable:
    """The columns kept of one topic.

    Attributes:
        number: Tells its tables from those of other topics.
        topic: The topic.
        columns: By the writer's names; the key's may be among them.
        key: Those of them that tell rows apart where the records have no key of their own.
    """

    number: int
    topic: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()

    @property
    def waiting(self) -> str:
        """The table of the batches that wait to be brought among the versions; all of their `seq`s are higher."""
        return f"waiting_{self.number}"

    @property
    def versions(self) -> str:
        """The view of every version that is kept; the tail, which is not folded yet, has the highest `seq`s."""
        return f"versions_{self.number}"

    @property
    def stored(self) -> str:
        """The table of the same: what is alike in nearly every version takes no room, for each column costs."""
        return f"stored_{self.number}"

    @property
    def latest(self) -> str:
        """The table that says which version of each key was the latest at the last fold, and orders it.

        Keys are looked for by `h`, a hash of the key's text: comparing numbers costs a third of comparing texts.
        """
        return f"latest_{self.number}"

    @property
    def past(self) -> str:
        """The table that says which versions are not the latest any more, and since when."""
        return f"past_{self.number}"

    @property
    def head(self) -> str:
        """The view of the latest version of each key, as of the last fold."""
        return f"head_{self.number}"

    def head_within(self, first: int | None = None, end: int | None = None) -> str:
        """SELECT of those rows of the head whose number is at least the first, and below the end."""
        bounds = [f"seq {sign} {bound}" for sign, bound in ((">=", first), ("<", end)) if bound is not None]
        within = f"WHERE {' AND '.join(bounds) or 'true'}"
        return (
            f"SELECT v.* FROM (SELECT * FROM {self.versions} {within}) v "
            f"SEMI JOIN (SELECT seq FROM {self.latest} {within}) l ON v.seq = l.seq"
        )

    @property
    def images(self) -> str:
        """The table of the last images of rows whose key was changed, and of the births of what they became."""
        return f"images_{self.number}"

    @property
    def cells(self) -> list[str]:
        """Names of the columns with texts."""
        return [f"c{i}" for i in range(len(self.columns))]

    @property
    def states(self) -> list[str]:
        """Names of the columns that say what each cell is."""
        return [f"s{i}" for i in range(len(self.columns))]

    @property
    def names(self) -> list[str]:
        """The columns of `versions`."""
        return [*FIXED, *self.cells, *self.states]

    @property
    def ddl(self) -> str:
        """The statements that make the tables."""
        latest = ", ".join(f"{name} {FIXED[name]}" for name in ORDERING)
        fixed = [f"{name} {kind}" for name, kind in FIXED.items()]
        cells, states = [f"{cell} VARCHAR" for cell in self.cells], [f"{state} UTINYINT" for state in self.states]
        return (
            f"CREATE TABLE {self.waiting} (seq BIGINT, size BIGINT, content BLOB); "
            f"CREATE TABLE {self.stored} ({', '.join([*fixed, *cells])}, {STATES} VARCHAR); "
            f"CREATE VIEW {self.versions} AS {self._unpacked_sql}; "
            f"CREATE TABLE {self.images} ({', '.join([*fixed, *cells, *states])}); "
            f"CREATE TABLE {self.latest} (h UINTEGER, {latest}); "
            f"CREATE TABLE {self.past} (seq BIGINT, since TIMESTAMP); "
            f"CREATE VIEW {self.head} AS {self.head_within()}"
        )

    @property
    def drop(self) -> str:
        """The statements that drop them."""
        views, tables = (self.head, self.versions), (self.waiting, self.stored, self.images, self.latest, self.past)
        return "; ".join([*(f"DROP VIEW {view}" for view in views), *(f"DROP TABLE {table}" for table in tables)])

    def put_sql(self, rows: str) -> str:
        """INSERT of rows as `versions` shows them."""
        digits = ", ".join(["''", *self.states])
        packed = f"nullif(concat({digits}), '{'0' * len(self.columns)}')"
        names = ", ".join([*FIXED, *self.cells])
        return f"INSERT INTO {self.stored} SELECT {names}, {packed} FROM ({rows})"

    @property
    def _unpacked_sql(self) -> str:
        """SELECT of what is stored, with everything in its own column."""
        place = f"coalesce(place, {_POSTGRESQL_PLACE}) AS place"
        fixed = [place if name == "place" else name for name in FIXED]
        states = [
            f"CASE WHEN {STATES} IS NULL THEN 0 ELSE ascii({STATES}[{i}]) - 48 END::UTINYINT AS {state}"
            for i, state in enumerate(self.states, 1)
        ]
        return f"SELECT {', '.join([*fixed, *self.cells, *states])} FROM {self.stored}"


WAS_THERE = -1
"""In place of a snapshot's number: the record said that its row was there before, as an update or a delete does."""

IS_NEW = -2
"""In place of a snapshot's number: the record said that its row was not there before, as a create's does.

0 says nothing of either: the record does not tell which it is."""

STATES = "states"
"""The stored column with a digit for each column, a `CellState`; NULL where each is a value."""

_POSTGRESQL_PLACE = "format('{:X}/{:X}', p0 >> 32, p0 & 4294967295)"
"""A place that is not stored: the position's own number, as PostgreSQL writes it."""

FIXED = {
    "seq": "BIGINT",  # the order of arrival
    "part": "INTEGER",
    "off": "BIGINT",
    "kind": "UTINYINT",
    "id": "VARCHAR",  # the record's key as a JSON array of texts, ordered by column
    "other": "VARCHAR",  # of a change of key: the other key; else NULL
    "epoch": "INTEGER",  # of the owner's log; positions compare within one
    "p0": "BIGINT",
    "p1": "BIGINT",
    "p2": "BIGINT",
    "snapshot": "INTEGER",  # the snapshot that a backfill belongs to; 0: none; see `WAS_THERE`, `IS_NEW`
    "stamp": "BIGINT",  # when the connector told it, else the record's own time, in milliseconds
    "committed": "TIMESTAMP",  # committed at, by the owner's clock
    "tx": "VARCHAR",
    "place": "VARCHAR",  # of the log, for people; stored as NULL where PostgreSQL's position says it
    "seen": "TIMESTAMP",  # when it was read, by the auditor's clock
}
"""The columns of every version, before its cells."""

ORDERING = ("seq", "id", "kind", "epoch", "p0", "p1", "p2", "stamp")
"""What of a version says whether it is the latest of its key."""
