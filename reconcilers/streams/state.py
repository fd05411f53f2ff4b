"""What a follower of change streams remembers, in one DuckDB file.

Effects and offsets are written in one transaction a batch, fenced: a batch is applied only onto the offsets that it was
read from, so that nothing is applied twice, whoever else has written meanwhile.  A process that is killed at any moment
resumes at the offsets of the last whole batch.

There are no primary keys, no MERGE and no UPDATE of rows: versions are appended, and stay where they are.  A batch
waits as one value until there are enough of them to be brought among the versions by whole groups.  Then it is noted
which is the latest of each key (the *head*), and which ones are not any more: those are let go of in time.  What a key
holds now is the head, the tail that is not folded yet, and what waits, together.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import duckdb

from contracts.errors import FeedError, WorkspaceError
from reconcilers.change import Place
from reconcilers.ports import OwnerClock, Told
from reconcilers.private_directory import PRIVATE_FILE, keep_private, make_private_directory, make_private_file
from reconcilers.streams import waiting
from reconcilers.streams.epochs import Epochs, Restart, Stand
from reconcilers.streams.fold import (
    HASH,
    arrived_sql,
    born_heads_sql,
    born_sql,
    filled_sql,
    inherit_sql,
    involved_sql,
    is_plain_sql,
    later_sql,
    latest_sql,
    moves_sql,
    pass_on_sql,
    picked_sql,
    repeated_sql,
    rewritten_sql,
    swept_sql,
    truncated_sql,
)
from reconcilers.streams.latecomers import DDL as LATECOMERS_DDL
from reconcilers.streams.latecomers import Latecomers
from reconcilers.streams.obligations import DDL as OBLIGATIONS_DDL
from reconcilers.streams.obligations import Obligations
from reconcilers.streams.relations import DDL as RELATIONS_DDL
from reconcilers.streams.relations import Relations
from reconcilers.streams.signs import DDL as SIGNS_DDL
from reconcilers.streams.signs import Signs
from reconcilers.streams.strangers import DDL as STRANGERS_DDL
from reconcilers.streams.strangers import Strangers
from reconcilers.streams.stretches import Stretches
from reconcilers.streams.table import ORDERING, Kind, StreamTable
from reconcilers.streams.truncate import Truncate
from reconcilers.streams.waiting import GROUP_ROWS
from reconcilers.workspace import first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    import pyarrow as pa

    from reconcilers.streams.intake import Intake, Truncation
    from reconcilers.streams.obligations import Drifting, Duty, Owed, Took
    from reconcilers.streams.relations import Related

SCHEMA_VERSION = 4

LOG_BYTES_MAX = 32 * 1024 * 1024
"""Of the log before it is brought into the file: until then what is in it is held in memory, too.  Twice as much, and
the fold of five million keys finds no room below the default memory limit."""

MEMORY_LIMIT = "128MB"
"""For the database, where nobody says otherwise."""

MANY_KEYS = 1_000_000
"""Known keys of a topic from which on a fold is done in three steps, and seldom: of five million, going through them is
nearly half of it."""

MANY_FOLDED = 2
"""Pieces that are folded together then: of more, putting them into order takes longer than a batch is to wait."""

HEAD_PART_ROWS = 500_000
"""Of the head that are found at once: a table of so many numbers is held by the processor's own memory."""

_SAMPLED = 1_000
"""Of so many of the head, one tells where a part of it ends."""

Partition = tuple[str, int]
_Tail = tuple[str, int, int]
"""A topic, and the numbers from which on and up to which its versions are not folded."""

_TERMS_DDL = "CREATE TABLE IF NOT EXISTS terms (topic VARCHAR, name VARCHAR, digest VARCHAR)"
"""Later than the rest: a state that an older program has made gets it, and is believed until something changes."""

_RESTARTS_DDL = """
CREATE TABLE IF NOT EXISTS restarts (topic VARCHAR, log VARCHAR, moment BIGINT);
ALTER TABLE restarts ADD COLUMN IF NOT EXISTS stamp BIGINT;
"""
"""Later than the rest, too: an older program has seen none, or has not kept when the connector told them."""

_STRETCHES_DDL = "CREATE TABLE IF NOT EXISTS stretches (topic VARCHAR, log VARCHAR, told VARCHAR)"
"""Later than the rest, too; as JSON: a few hundred bytes a partition, of logs whose changes tell their servers."""

_KINDS_DDL = "CREATE TABLE IF NOT EXISTS kinds (topic VARCHAR, name VARCHAR, kind VARCHAR)"
"""Later than the rest, too: after an older program, the first schema that comes is the first that is known."""

_DDL = """
CREATE TABLE IF NOT EXISTS state (schema_version INTEGER, made_by VARCHAR);
CREATE TABLE IF NOT EXISTS topics (
    number INTEGER, topic VARCHAR, columns VARCHAR, key VARCHAR, next_seq BIGINT, folded BIGINT, forgotten TIMESTAMP);
CREATE TABLE IF NOT EXISTS offsets (
    topic VARCHAR, part INTEGER, first_offset BIGINT, next_offset BIGINT, leader_epoch INTEGER,
    last_offset BIGINT, last_stamp BIGINT, last_digest VARCHAR);
CREATE TABLE IF NOT EXISTS epochs (topic VARCHAR, stream VARCHAR, number INTEGER);
CREATE TABLE IF NOT EXISTS truncations (
    topic VARCHAR, epoch INTEGER, p0 BIGINT, p1 BIGINT, p2 BIGINT, stamp BIGINT, committed TIMESTAMP,
    seq BIGINT, part INTEGER, off BIGINT, seen TIMESTAMP);
CREATE TABLE IF NOT EXISTS passes (
    topic VARCHAR, number INTEGER, began BIGINT, ended BIGINT, begun BOOLEAN);
CREATE TABLE IF NOT EXISTS dead_letters (
    topic VARCHAR, part INTEGER, off BIGINT, key BLOB, value BLOB, headers VARCHAR, error VARCHAR, id VARCHAR,
    seq BIGINT);
CREATE TABLE IF NOT EXISTS notes (topic VARCHAR, name VARCHAR, note VARCHAR);
CREATE TABLE IF NOT EXISTS gaps (
    topic VARCHAR, part INTEGER, first BIGINT, last BIGINT, what VARCHAR, noted BIGINT, seq BIGINT);
CREATE TABLE IF NOT EXISTS gap_ends (topic VARCHAR, part INTEGER, until BIGINT);
"""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a partition was read.

    Attributes:
        first: The offset that reading began at.
        following: The next to read.
        last: The offset of the last record that was read; None before any.
        last_stamp: Its time.
        last_digest: A digest of it, to tell a topic that was made anew from the one that was read.
    """

    first: int
    following: int
    last: int | None = None
    last_stamp: int | None = None
    last_digest: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be understood, with all of its bytes and its number in the order of arrival."""

    topic: str
    part: int
    off: int
    key: bytes | None
    value: bytes | None
    headers: str
    error: str
    id: str | None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Pass:
    """A snapshot that the connector took.

    Attributes:
        number: From 1 on, for each topic.
        began: The time of its first record, in milliseconds since 1970.
        ended: The time of its last; None while it goes on, and for ever where the connector broke it off.
        begun: The record that says that it begins it was read.
    """

    topic: str
    number: int
    began: int
    ended: int | None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch does, all or nothing.

    Attributes:
        intakes: The new versions of each topic.
        moves: Of each partition: the offset that the batch was read from, and how far it is read after it.
        dead: Records that could not be understood.
        passes: Snapshots that began or ended.
        seqs: The next arrival number of each topic.
        there: Of topics that lost records: the latest time of a record that was there when that was noted.
        holes: The first offset that is lacking in partitions in which none was before.
        relations: Of topics: the tables that their records are about.
    """

    intakes: Sequence[Intake]
    moves: Mapping[Partition, tuple[int, Offset]]
    dead: Sequence[DeadLetter] = ()
    passes: Sequence[Pass] = ()
    seqs: Mapping[str, int] = ()  # type: ignore[assignment]
    there: Mapping[str, int] = ()  # type: ignore[assignment]
    holes: Mapping[Partition, int] = field(default_factory=dict)
    relations: Mapping[str, Related] = field(default_factory=dict)


DEAD_REASONS_MAX = 5
"""Reasons for which records could not be understood that are told one by one, the most frequent first."""


@dataclass(frozen=True, slots=True)
class DeadReasons:
    """Why some records could not be understood.

    Attributes:
        first: The place of the first one, and why; empty where there is none.
        reasons: Each with how many records it holds of, the most frequent first, DEAD_REASONS_MAX of them.
        more: How many further reasons there are.
    """

    first: str
    reasons: tuple[tuple[str, int], ...] = ()
    more: int = 0

    def __str__(self) -> str:
        """The first one, and beside it the reasons, where there are several; no value of a record is among them."""
        if len(self.reasons) <= 1:
            return self.first
        told = [f"{reason} ({count} record{'s' * (count > 1)})" for reason, count in self.reasons]
        told += [f"and {self.more} more reason{'s' * (self.more > 1)}"] if self.more else []
        return f"{self.first}; by reason: {'; '.join(told)}"


class FeedState:
    """The file; see the module's docstring.

    Args:
        path: Where it is, or is to be; None: in memory.
        memory_limit: As DuckDB spells it.
        threads: Worker threads; for batches of this size, two take twice the processor of one.
        piece: Versions that are brought in, and that are folded, at once.

    Raises:
        WorkspaceError: It cannot be opened, or another process holds it.
    """

    def __init__(
        self, path: Path | None, *, memory_limit: str = MEMORY_LIMIT, threads: int = 1, piece: int = GROUP_ROWS
    ) -> None:
        self._path = path
        self._piece = piece
        config: dict[str, Any] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "preserve_insertion_order": False,
            "max_vacuum_tasks": 1,  # a batch waits for a checkpoint: it is to write few rows anew to fill gaps
            "checkpoint_threshold": "1GB",  # a checkpoint stalls the commit that it falls into: it is asked for instead
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        try:
            if path is not None:
                _make_room(path)
            self._db = duckdb.connect(":memory:" if path is None else str(path), config=config)
            if path is not None:
                for file in (path, _beside(path, "wal")):
                    keep_private(file)  # an older program has made it as the umask said
            self._guard()
            self._db.execute("SET TimeZone = 'UTC'")
            self._db.execute("SET disabled_compression_methods = 'dictionary'")  # dearer than all else in a checkpoint
            self._prepare()
            self._db.execute(OBLIGATIONS_DDL)
            self._db.execute(SIGNS_DDL)
            self._db.execute(_TERMS_DDL)
            self._db.execute(_RESTARTS_DDL)
            self._db.execute(_STRETCHES_DDL)
            self._db.execute(_KINDS_DDL)
            self._db.execute(LATECOMERS_DDL)
            self._db.execute(STRANGERS_DDL)
            self._db.execute(RELATIONS_DDL)
        except (duckdb.Error, OSError) as error:
            raise _not_opened(path, error) from error
        self.tables: dict[str, StreamTable] = self._read_tables()
        self.obligations = Obligations(self._db)
        self.signs = Signs(self._db)
        self.latecomers = Latecomers(self._db)
        self.strangers = Strangers(self._db)
        self.relations = Relations(self._db)
        self.epochs = self._read_epochs()
        self._written_epochs = set(self.epochs)
        self._written_restarts = {key: len(moments) for key, moments in self.epochs.restarts.items()}
        self._folded: dict[str, int] = dict(self._db.execute("SELECT topic, folded FROM topics").fetchall())
        self._kept = {topic: self.next_seq(topic) for topic in self.tables}
        """Of each topic: before which number versions may leave values to others, or have theirs; at first unknown."""
        self._picked: _Tail | None = None
        """The tail of whose keys `picked` has the versions, if it has."""
        self._ordered: _Tail | None = None
        """The tail whose fold begins with `involved`, if one does."""
        self._many: dict[str, bool] = {}
        """See `_has_many`."""
        self._following: dict[str, int] = {}
        """The next arrival number of each topic of which something has come."""
        self._outlived: dict[str, datetime] = {}
        """Of topics that have versions to be let go of: those that were not the latest any more at this moment."""
        self._hash_anew()

    def _prepare(self) -> None:
        known = self._db.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'state'").fetchone()
        if known is not None and known[0]:
            found = self._db.execute("SELECT schema_version FROM state").fetchone()
            if found is None or found[0] != SCHEMA_VERSION:
                raise WorkspaceError(
                    f"opening the feed state {self._path}: it has version {found and found[0]}, "
                    f"this program knows {SCHEMA_VERSION}",
                    hint="use the program that wrote it, or move the file away: it is then made anew from the topics",
                )
            return
        self._db.execute(f"BEGIN; {_DDL}")
        self._db.execute("INSERT INTO state VALUES (?, ?)", [SCHEMA_VERSION, duckdb.__version__])
        self._db.execute("COMMIT")

    def _hash_anew(self) -> None:
        """Hash the keys anew where another DuckDB has written the file: it may have hashed otherwise."""
        row = self._db.execute("SELECT made_by FROM state").fetchone()
        if row is None or row[0] == duckdb.__version__:
            return
        with self._transaction():
            for table in self.tables.values():
                self._db.execute(
                    f"CREATE OR REPLACE TEMP TABLE hashed AS SELECT * REPLACE ({HASH} AS h) FROM {table.latest}"
                )
                self._db.execute(f"DELETE FROM {table.latest}; INSERT INTO {table.latest} SELECT * FROM hashed")
                self._db.execute("DROP TABLE hashed")
            self._db.execute("UPDATE state SET made_by = ?", [duckdb.__version__])

    def _read_tables(self) -> dict[str, StreamTable]:
        rows = self._db.execute("SELECT number, topic, columns, key FROM topics").fetchall()
        return {
            topic: StreamTable(number, topic, tuple(json.loads(columns)), tuple(json.loads(key)))
            for number, topic, columns, key in rows
        }

    def close(self) -> None:
        """Write what is in the log into the file, and let it go."""
        if self._path is not None:
            self._let_go(self._path)
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor for reading, with a transaction of its own."""
        return self._db.cursor()

    # -- what is known -------------------------------------------------------------------------------------------------

    def offsets(self) -> dict[Partition, Offset]:
        """How far each partition was read."""
        rows = self._db.execute(
            "SELECT topic, part, first_offset, next_offset, last_offset, last_stamp, last_digest FROM offsets"
        ).fetchall()
        return {(topic, part): Offset(*rest) for topic, part, *rest in rows}

    def next_seq(self, topic: str) -> int:
        """The arrival number of the next version."""
        row = self._db.execute("SELECT next_seq FROM topics WHERE topic = ?", [topic]).fetchone()
        return int(row[0]) if row is not None else 0

    def passes(self, topic: str) -> list[Pass]:
        """The snapshots of a topic, oldest first."""
        rows = self._db.execute(
            "SELECT topic, number, began, ended, begun FROM passes WHERE topic = ? ORDER BY number", [topic]
        ).fetchall()
        return [Pass(*row) for row in rows]

    def dead_letters(self, topic: str) -> tuple[int, int]:
        """How many records of a topic could not be understood, and how many of them do not even tell their key."""
        row = self._db.execute(
            "SELECT count(*), count(*) FILTER (id IS NULL) FROM dead_letters WHERE topic = ?", [topic]
        ).fetchone()
        return (int(row[0]), int(row[1])) if row is not None else (0, 0)

    def dead_count(self, topic: str, which: str) -> tuple[int, int]:
        """How many records of a topic could not be understood, and how many keys those name that tell theirs.

        Args:
            topic: The topic.
            which: A condition in SQL on those that count.
        """
        counts = f"SELECT count(*), count(DISTINCT id) FROM dead_letters WHERE topic = ? AND {which}"
        row = self.cursor().execute(counts, [topic]).fetchone()
        return (int(row[0]), int(row[1])) if row is not None else (0, 0)

    def dead_reasons(self, topic: str, which: str = "true") -> DeadReasons:
        """Why records of a topic could not be understood: what differs in numbers alone is one reason.

        Args:
            topic: The topic.
            which: A condition in SQL on those that count.
        """
        rows = (
            self.cursor()
            .execute(
                "SELECT arg_min(error, seq), count(*), count(*) OVER () FROM dead_letters "
                f"WHERE topic = ? AND {which} GROUP BY regexp_replace(error, '[0-9]+', '', 'g') "
                f"ORDER BY count(*) DESC, min(seq) LIMIT {DEAD_REASONS_MAX}",
                [topic],
            )
            .fetchall()
        )
        reasons = tuple((str(error), int(count)) for error, count, _ in rows)
        return DeadReasons(self._first_dead_letter(topic, which), reasons, rows[0][2] - len(rows) if rows else 0)

    def _first_dead_letter(self, topic: str, which: str = "true") -> str:
        """The place of the first record of a topic that could not be understood, and why; empty where there is none.

        Args:
            topic: The topic.
            which: A condition in SQL on those that count.
        """
        row = (
            self.cursor()
            .execute(
                f"SELECT part, off, error FROM dead_letters WHERE topic = ? AND {which} ORDER BY seq LIMIT 1", [topic]
            )
            .fetchone()
        )
        return "" if row is None else f"{topic}/{row[0]}@{row[1]}: {row[2]}"

    def notes(self, topic: str) -> dict[str, str]:
        """What is to be known of the values of columns, by column; `*` stands for all."""
        return dict(self._db.execute("SELECT name, note FROM notes WHERE topic = ?", [topic]).fetchall())

    def note(self, topic: str, notes: Mapping[str, str]) -> None:
        """Keep what is to be known of the values of columns; what was kept before stays."""
        known = self.notes(topic)
        fresh = {name: note for name, note in notes.items() if note not in known.get(name, "")}
        if fresh:
            with self._transaction():
                for name, note in fresh.items():
                    self._db.execute("DELETE FROM notes WHERE topic = ? AND name = ?", [topic, name])
                    whole = "; ".join([known[name], note] if name in known else [note])
                    self._db.execute("INSERT INTO notes VALUES (?, ?, ?)", [topic, name, whole])

    def kinds(self, topic: str) -> dict[str, str]:
        """The latest type of each column that a topic's schemas have told of, by column."""
        return dict(self._db.execute("SELECT name, kind FROM kinds WHERE topic = ?", [topic]).fetchall())

    def keep_kinds(self, topic: str, kinds: Mapping[str, str]) -> None:
        """Keep them, for whoever reads on: a type that changes meanwhile has changed all the same."""
        if fresh := kinds.items() - self.kinds(topic).items():
            with self._transaction():
                for name, kind in sorted(fresh):
                    self._db.execute("DELETE FROM kinds WHERE topic = ? AND name = ?", [topic, name])
                    self._db.execute("INSERT INTO kinds VALUES (?, ?, ?)", [topic, name, kind])

    def disagreeing(self, topic: str, terms: Mapping[str, str]) -> list[str]:
        """Which of a topic's terms are not those, or not only those, that what is kept of it was read on."""
        known = self._db.execute("SELECT name, digest FROM terms WHERE topic = ?", [topic]).fetchall()
        return sorted({name for name, digest in known if terms.get(name, digest) != digest})

    def agree(self, topic: str, terms: Mapping[str, str]) -> None:
        """Keep on which terms a topic is read from now on; those of before stay true of what was read before.

        Args:
            topic: The topic.
            terms: A digest of each thing that decides how records are understood, by its name.
        """
        known = set(self._db.execute("SELECT name, digest FROM terms WHERE topic = ?", [topic]).fetchall())
        if fresh := terms.items() - known:
            with self._transaction():
                for name, digest in sorted(fresh):
                    self._db.execute("INSERT INTO terms VALUES (?, ?, ?)", [topic, name, digest])

    def gaps(self, topic: str) -> list[str]:
        """What was lost of a topic before it could be read, one sentence each.

        A snapshot that began afterwards and was finished tells all that there is, so that nothing is lacking any more.
        The broker's times tell: it began after everything that was there when the loss was noted.  One whose beginning
        was not read may have been half lost itself.
        """
        rows = self._db.execute(
            "SELECT part, first, last, what FROM gaps g WHERE topic = ? AND NOT EXISTS (SELECT 1 FROM passes p "
            "WHERE p.topic = g.topic AND p.ended IS NOT NULL AND p.begun AND p.began > g.noted) ORDER BY part, first",
            [topic],
        ).fetchall()
        return [f"{topic}/{part}: {what} (offsets {first} to {last})" for part, first, last, what in rows]

    def known_from(self, topic: str) -> int:
        """The arrival number from which on no version is lacking: records were lost or not understood before."""
        row = self._db.execute(
            "SELECT greatest((SELECT coalesce(max(seq), 0) FROM gaps WHERE topic = $topic), "
            "(SELECT coalesce(max(seq) + 1, 0) FROM dead_letters WHERE topic = $topic AND id IS NULL))",
            {"topic": topic},
        ).fetchone()
        return int(row[0]) if row is not None else 0

    def gap_ends(self) -> dict[Partition, int]:
        """Where partitions ended when a loss was noted, of those that have not been read as far again."""
        return {(topic, part): until for topic, part, until in self._db.execute("FROM gap_ends").fetchall()}

    # -- writing -------------------------------------------------------------------------------------------------------

    def keep(self, topic: str, columns: Sequence[str], key: Sequence[str]) -> StreamTable:
        """Make room for a topic.

        A topic that was kept with fewer columns is forgotten and read again from its beginning: what those columns
        held earlier is nowhere else.
        """
        known = self.tables.get(topic)
        if known is not None and set(columns) <= set(known.columns) and tuple(key) == known.key:
            return known
        merged = tuple(dict.fromkeys((*(known.columns if known else ()), *columns)))
        number = max((table.number for table in self.tables.values()), default=0) + 1
        table = StreamTable(number, topic, merged, tuple(key))
        with self._transaction():
            if known is not None:
                self._forget(known, same=True)
            told = [number, topic, json.dumps(merged), json.dumps(table.key)]
            self._db.execute("INSERT INTO topics VALUES (?, ?, ?, ?, 0, 0, NULL)", told)
            self._db.execute(table.ddl)
        self.tables[topic] = table
        self._folded[topic] = 0
        self._following.pop(topic, None)
        self._kept.pop(topic, None)
        return table

    def forget(self, topic: str, *, same: bool = False) -> None:
        """Drop what is kept of a topic: it is read again from its beginning.

        Args:
            topic: The topic.
            same: It is the same log that was read, understood otherwise now.
        """
        known = self.tables.pop(topic, None)
        self._outlived.pop(topic, None)
        if known is not None:
            with self._transaction():
                self._forget(known, same=same)

    def forget_partition(self, topic: str, part: int) -> None:
        """Drop what is kept of one partition of a topic: it is read again from its beginning."""
        table = self._whole(topic)
        self._picked = self._ordered = None
        with self._transaction():
            theirs = f"SELECT seq FROM {table.versions} WHERE part = ?"
            for name in (table.latest, table.past):
                self._db.execute(f"DELETE FROM {name} WHERE seq IN ({theirs})", [part])
            for name in (table.stored, table.images):
                self._db.execute(f"DELETE FROM {name} WHERE part = ?", [part])
            self.obligations.forget_partition(topic, part)
            self.latecomers.forget(topic, part)
            self.strangers.forget(topic, part)
            self.epochs.forget(topic, part)
            self._write_stretches()
            for name in ("offsets", "truncations", "dead_letters", "gaps"):
                self._db.execute(f"DELETE FROM {name} WHERE topic = ? AND part = ?", [topic, part])

    def _forget(self, table: StreamTable, *, same: bool) -> None:
        self._picked = self._ordered = None
        self._many.pop(table.topic, None)
        self._db.execute(table.drop)
        self.obligations.forget(table.topic, same=same)
        self.signs.forget(table.topic)
        self.latecomers.forget(table.topic)
        self.strangers.forget(table.topic)
        self.relations.forget(table.topic)
        for name in (
            "topics",
            "offsets",
            "epochs",
            "restarts",
            "stretches",
            "truncations",
            "passes",
            "dead_letters",
            "gaps",
            "gap_ends",
            "notes",
            "kinds",
            "terms",
        ):
            self._db.execute(f"DELETE FROM {name} WHERE topic = ?", [table.topic])
        self.epochs.forget(table.topic)
        self._written_epochs &= set(self.epochs)
        self._written_restarts = {key: len(moments) for key, moments in self.epochs.restarts.items()}

    def begin(self, starts: Mapping[Partition, Offset]) -> None:
        """Note where partitions are read from that were never read."""
        with self._transaction():
            for (topic, part), offset in starts.items():
                self._db.execute(
                    "INSERT INTO offsets VALUES (?, ?, ?, ?, NULL, NULL, NULL, '')",
                    [topic, part, offset.first, offset.following],
                )
            self.latecomers.begin(starts)
        self.latecomers.unbroken |= starts.keys()

    def lose(
        self, topic: str, part: int, lost: tuple[int, int], what: str, ends: Mapping[Partition, int], last: int = 0
    ) -> None:
        """Note that records were lost before they could be read, and read on behind them.

        Args:
            topic: The topic.
            part: The partition.
            lost: The first and the last offset of what was lost.
            what: How, in a few words.
            ends: Where the topic's partitions end now.
            last: The time of the last record that is known to have been before, in milliseconds, by the broker's clock.
        """
        table = self._whole(topic)
        with self._transaction():
            self._db.execute(
                "INSERT INTO gaps SELECT $topic, $part, $first, $last, $what, greatest(max(last_stamp), $stamp, "
                f"(SELECT coalesce(max(stamp), 0) FROM {table.versions})), "
                "(SELECT next_seq FROM topics WHERE topic = $topic) FROM offsets WHERE topic = $topic",
                {"topic": topic, "part": part, "first": lost[0], "last": lost[1], "what": what, "stamp": last},
            )
            self._db.execute("DELETE FROM gap_ends WHERE topic = ?", [topic])
            for (name, number), until in ends.items():
                if name == topic:
                    self._db.execute("INSERT INTO gap_ends VALUES (?, ?, ?)", [name, number, until])
            self._db.execute(
                "UPDATE offsets SET next_offset = ? WHERE topic = ? AND part = ?", [lost[1] + 1, topic, part]
            )

    def apply(self, step: Step) -> None:
        """Write a batch and how far it was read, all or nothing.

        Raises:
            FeedError: Somebody else has read on meanwhile; nothing was written.
            WorkspaceError: The disk or the memory is full; nothing was written.
        """
        with self._transaction("nothing of the batch was kept"):
            self._fence(step.moves)
            for intake in step.intakes:
                self._append(intake)
                self._truncate(intake.truncations)
            self._bury(step.dead)
            self._pass(step.passes)
            self._number(step.seqs)
            self._pass_by(step)
            self.latecomers.lack(step.holes)
            self.relations.write(step.relations)
        self.latecomers.unbroken -= step.holes.keys()
        self.relations.note(step.relations)
        self._following.update(step.seqs)

    @contextmanager
    def _room(self, what: str) -> Iterator[None]:
        """Say that the disk or the memory is full, and what that means."""
        try:
            yield
        except (duckdb.OutOfMemoryException, duckdb.IOException, duckdb.TransactionException) as error:
            raise WorkspaceError(
                f"writing {self._name}: {first_line(error)}; {what}",
                hint="make room on the disk, or raise workspace.memory_limit"
                + ("; reading goes on where it stopped" if self._path is not None else ""),
            ) from error

    @property
    def _name(self) -> str:
        return "what a feed told, in memory" if self._path is None else f"the feed state {self._path}"

    @contextmanager
    def _transaction(self, what: str = "what was read before is kept") -> Iterator[None]:
        """All or nothing; `what`: what that means where the disk or the memory is full."""
        self._guard()
        with self._room(what):
            self._db.execute("BEGIN")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.TransactionException):  # a COMMIT that fails has rolled back
                    self._db.execute("ROLLBACK")
                raise

    def _fence(self, moves: Mapping[Partition, tuple[int, Offset]]) -> None:
        """Move the offsets, each from where the batch was read; in one statement, for statements are what is dear."""
        if not moves:
            return
        rows = ", ".join(
            f"({quoted(topic)}, {part}, {expected}, {offset.following}, {_literal(offset.last)}, "
            f"{_literal(offset.last_stamp)}, {quoted(offset.last_digest)})"
            for (topic, part), (expected, offset) in moves.items()
        )
        moved = self._db.execute(
            "UPDATE offsets SET next_offset = m.following, last_offset = m.last, last_stamp = m.stamp, "
            f"last_digest = m.digest FROM (VALUES {rows}) m(topic, part, expected, following, last, stamp, digest) "
            "WHERE offsets.topic = m.topic AND offsets.part = m.part AND offsets.next_offset = m.expected "
            "RETURNING offsets.topic, offsets.part"
        ).fetchall()
        if lost := moves.keys() - {(topic, part) for topic, part in moved}:
            topic, part = min(lost)
            raise FeedError(
                f"writing what was read of {topic}/{part} from offset {moves[topic, part][0]}: "
                "somebody else has read on meanwhile, so nothing was written",
                hint="let one process alone follow a feed with this state",
            )

    def _append(self, intake: Intake) -> None:
        again: set[int] = set()
        if intake.events:
            again = self.signs.note_events(intake.table.topic, intake.events, intake.seen.replace(tzinfo=None))
        if len(intake) > len(again):
            rows = intake.arrow(without=again)
            waiting.lay_by(self._db, intake.table, rows)
            with self._registered("incoming", rows):
                self.obligations.owe(intake.table, "incoming")
            if intake.kept:
                self._kept[intake.table.topic] = rows["seq"][-1].as_py() + 1
        for key in [key for key in self.epochs if key not in self._written_epochs]:
            self._db.execute("INSERT INTO epochs VALUES (?, ?, ?)", [*key, self.epochs[key]])
            self._written_epochs.add(key)
        for (topic, log), moments in self.epochs.restarts.items():
            for moment in moments[self._written_restarts.get((topic, log), 0) :]:
                self._db.execute("INSERT INTO restarts VALUES (?, ?, ?, ?)", [topic, log, *moment])
            self._written_restarts[topic, log] = len(moments)
        self._write_stretches()

    def _write_stretches(self) -> None:
        for topic, log, stretches in self.epochs.news():
            told = json.dumps(stretches.told(), separators=(",", ":"))
            # Rows that are deleted stay in the file until whole groups of them are; this comes with each batch.
            known = "UPDATE stretches SET told = ? WHERE topic = ? AND log = ? RETURNING 1"
            if self._db.execute(known, [told, topic, log]).fetchone() is None:
                self._db.execute("INSERT INTO stretches VALUES (?, ?, ?)", [topic, log, told])
            stretches.is_news = False

    def _truncate(self, truncations: Sequence[Truncation]) -> None:
        for one in truncations:
            at = one.at.replace(tzinfo=None) if one.at is not None else None
            self._db.execute(
                "INSERT INTO truncations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    one.topic,
                    one.epoch,
                    one.p0,
                    one.p1,
                    one.p2,
                    one.stamp,
                    at,
                    one.seq,
                    one.part,
                    one.off,
                    one.seen.replace(tzinfo=None),
                ],
            )

    def _bury(self, dead: Sequence[DeadLetter]) -> None:
        if not dead:
            return
        import pyarrow as pa

        types = {"part": pa.int32(), "off": pa.int64(), "key": pa.binary(), "value": pa.binary(), "seq": pa.int64()}
        names = ("topic", "part", "off", "key", "value", "headers", "error", "id", "seq")
        columns = {name: pa.array([getattr(one, name) for one in dead], types.get(name, pa.string())) for name in names}
        with self._registered("buried", pa.table(columns)):  # at once: each row by itself would take a block of memory
            self._db.execute(f"INSERT INTO dead_letters SELECT {', '.join(names)} FROM buried")

    def _pass(self, passes: Sequence[Pass]) -> None:
        for one in passes:
            self._db.execute("DELETE FROM passes WHERE topic = ? AND number = ?", [one.topic, one.number])
            told = [one.topic, one.number, one.began, one.ended, one.begun]
            self._db.execute("INSERT INTO passes VALUES (?, ?, ?, ?, ?)", told)

    def _number(self, seqs: Mapping[str, int]) -> None:
        for topic, following in dict(seqs).items():
            self._db.execute(f"UPDATE topics SET next_seq = {following} WHERE topic = {quoted(topic)}")

    def _pass_by(self, step: Step) -> None:
        """Note how far what was there when a loss was noted has been read."""
        for topic, stamp in dict(step.there).items():
            self._db.execute("UPDATE gaps SET noted = greatest(noted, ?) WHERE topic = ?", [stamp, topic])
            for (name, part), (_, offset) in step.moves.items():
                if name == topic:
                    self._db.execute(
                        "DELETE FROM gap_ends WHERE topic = ? AND part = ? AND until <= ?",
                        [topic, part, offset.following],
                    )

    # -- obligations ---------------------------------------------------------------------------------------------------

    def take_on(self, duties: Iterable[Duty]) -> None:
        """Say what obliges whom; see `Obligations.take_on`."""
        tables = {topic: self._whole(topic) for topic in self.tables}
        with self._transaction():
            self.obligations.take_on(duties, tables, self._folded, self.head_parts)

    def settle(
        self,
        met: Sequence[Owed],
        found: Iterable[Drifting],
        gone: Iterable[Drifting],
        now: datetime,
        took: Took | None = None,
    ) -> None:
        """Let go of what was looked at; see `Obligations.settle`."""
        with self._transaction():
            self.obligations.settle(met, found, gone, now.astimezone(UTC).replace(tzinfo=None), took)

    def compact_arrivals(self, before: datetime) -> None:
        """See `Obligations.compact`."""
        with self._transaction():
            self.obligations.compact(before.astimezone(UTC).replace(tzinfo=None))

    def remember(self, topic: str, since: datetime) -> None:
        """Let go of the versions that were not the latest any more at some moment: of a piece now, of others in time.

        See `advance`.
        """
        self._outlived[topic] = since.replace(tzinfo=None)
        with self._transaction():
            self.signs.forget(topic, self._outlived[topic])
        self._let_go_of_outlived(topic)

    def _let_go_of_outlived(self, topic: str) -> bool:
        """Let go of a piece of what is not to be remembered any more; tells whether there was any."""
        table, moment = self.tables[topic], self._outlived[topic]
        some = f"SELECT rowid FROM {table.past} WHERE since < ? LIMIT {self._piece}"
        with self._transaction():
            gone = self._db.execute(f"DELETE FROM {table.past} WHERE rowid IN ({some}) RETURNING seq", [moment])
            with self._registered("gone", gone.to_arrow_table()) as found:
                if found:
                    self._db.execute(f"DELETE FROM {table.stored} USING gone WHERE {table.stored}.seq = gone.seq")
                    self._db.execute("UPDATE topics SET forgotten = ? WHERE topic = ?", [moment, topic])
        if not found:
            del self._outlived[topic]
        return found

    def clock(self, topic: str) -> OwnerClock | None:
        """What the owner's clock showed at least by the latest change that was read.

        A clock may have been put back: then what it showed before says nothing of how old a change since is.
        """
        rows = self._db.execute(
            "SELECT max(committed) AS latest, arg_max(seen, committed), arg_max(stamp, committed), "
            "arg_max(committed, off) AS newest, arg_max(seen, off), arg_max(stamp, off), "
            "latest - newest > INTERVAL 1 SECOND "
            f"FROM {self._whole(topic).versions} WHERE committed IS NOT NULL GROUP BY part"
        ).fetchall()
        if not rows:
            return None
        put_back = [row[3:6] for row in rows if row[6]]
        shown, read, stamp = min(put_back) if put_back else max(row[:3] for row in rows)
        return OwnerClock(shown.replace(tzinfo=UTC), read.replace(tzinfo=UTC), stamp)

    def furthest(
        self, topic: str, epoch: int, since: datetime, until: datetime, shown: datetime | None = None
    ) -> Told | None:
        """The streamed change with the furthest place in the log that was read between two moments.

        Args:
            topic: The topic.
            epoch: Of the log.
            since: By the auditor's clock.
            until: The same; before it.
            shown: The change was made then or later, by the owner's clock; None: whenever.
        """
        streamed = f"kind IN ({int(Kind.WRITE)}, {int(Kind.DELETE)}) AND snapshot <= 0 AND epoch = ?"
        times = [moment.astimezone(UTC).replace(tzinfo=None) for moment in (since, until, shown) if moment is not None]
        made = "" if shown is None else "AND committed >= ?"
        row = self._db.execute(  # a head shows the latest of each key alone, and that may be too young
            f"SELECT max(p0), arg_max(tx, (p0, p1)) FROM {self._whole(topic).versions} "
            f"WHERE {streamed} AND seen >= ? AND seen < ? {made}",
            [epoch, *times],
        ).fetchone()
        return None if row is None or row[0] is None else Told(int(row[0]), row[1] or "")

    def _read_epochs(self) -> Epochs:
        restarts: dict[tuple[str, str], list[Restart]] = {}
        found = f"SELECT topic, log, moment, coalesce(stamp, {2**63 - 1}) FROM restarts ORDER BY moment"
        for topic, log, moment, stamp in self._db.execute(found).fetchall():
            restarts.setdefault((topic, log), []).append(Restart(moment, stamp))
        numbers = self._db.execute("SELECT topic, stream, number FROM epochs").fetchall()
        known = self._db.execute("SELECT topic, log, told FROM stretches").fetchall()
        return Epochs(
            {(topic, stream): number for topic, stream, number in numbers},
            restarts,
            {(topic, log): Stretches.read(json.loads(told)) for topic, log, told in known},
            self._stand,
        )

    def _stand(self, topic: str, epoch: int) -> Stand | None:
        """How far a log was told before this process began."""
        told = f"kind IN ({int(Kind.WRITE)}, {int(Kind.DELETE)}) AND snapshot <= 0 AND committed IS NOT NULL"
        row = self.cursor().execute(
            f"SELECT p0, p1, p2, epoch_us(committed), stamp FROM {self.tables[topic].versions} "
            f"WHERE {told} AND epoch = ? ORDER BY p0 DESC, p1 DESC, p2 DESC LIMIT 1", [epoch],
        ).fetchone()  # fmt: skip
        return None if row is None else Stand((row[0], row[1], row[2]), row[3], row[4])

    def has_whole_snapshot(self, topic: str) -> bool:
        """Whether a snapshot of a topic was read from its beginning to its end."""
        return any(one.begun and one.ended is not None for one in self.passes(topic))

    def has_unfinished_snapshot(self, topic: str) -> bool:
        """Whether snapshots of a topic were begun, and none is known to have come to its end.

        A connector streams nothing before its snapshot is over.  So a change that is later than its beginning stands
        for its end, which may have been compacted away, and which old connectors mark for the last table alone.
        """
        passes = self.passes(topic)
        if not passes or any(one.ended is not None for one in passes):
            return False
        streamed = f"kind IN ({int(Kind.WRITE)}, {int(Kind.DELETE)}) AND snapshot <= 0 AND epoch > 0 AND stamp > ?"
        begun = max(one.began for one in passes)
        found = self._db.execute(f"SELECT 1 FROM {self._whole(topic).versions} WHERE {streamed} LIMIT 1", [begun])
        return found.fetchone() is None

    def truncates(self, topic: str) -> list[Truncate]:
        """The truncates of a topic that are known, as whoever reads another partition is to be told of them."""
        rows = self._db.execute(
            "SELECT e.stream, t.p0, t.p1, t.p2, t.stamp, t.committed, t.part, t.off FROM truncations t "
            "JOIN (SELECT topic, number, min(stream) AS stream FROM epochs GROUP BY ALL) e "  # a stretch has servers
            "ON e.topic = t.topic AND e.number = t.epoch WHERE t.topic = ? ORDER BY t.stamp",
            [topic],
        ).fetchall()
        return [
            Truncate(topic, stream, (p0, p1, p2), stamp, at and at.replace(tzinfo=UTC).isoformat(), part, off)
            for stream, p0, p1, p2, stamp, at, part, off in rows
        ]

    def unordered_truncate(self, topic: str) -> Place | None:
        """A truncate that nobody can tell from which rows of other partitions it is later; None where there is none.

        Several servers have written, and each counts the places of its own log.  A whole snapshot that began after it
        has told anew which rows there are.
        """
        several = ", ".join(map(str, self.epochs.of_several(topic))) or "-1"
        others = f"EXISTS (SELECT 1 FROM offsets o WHERE o.topic = {quoted(topic)} AND o.part <> t.part)"
        return self._truncate_since_snapshot(topic, f"epoch IN ({several}) AND {others}")

    def truncate_of_one_table(self, topic: str) -> Place | None:
        """A truncate in a topic of several tables: the record says of which it is, and no row does; else None.

        A whole snapshot that began after it has told anew which rows there are.
        """
        return self._truncate_since_snapshot(topic, "true") if self.relations.are_several(topic) else None

    def _truncate_since_snapshot(self, topic: str, which: str) -> Place | None:
        """The latest of some truncates that the latest whole snapshot began before."""
        begun = max((one.began for one in self.passes(topic) if one.begun and one.ended is not None), default=-1)
        row = self._db.execute(
            f"SELECT part, off FROM truncations t WHERE topic = $topic AND stamp > $begun AND {which} "
            "ORDER BY seq DESC LIMIT 1",
            {"topic": topic, "begun": begun},
        ).fetchone()
        return None if row is None else Place(topic, row[0], row[1])

    def partitions_of(
        self, topic: str, columns: Sequence[str], keys: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], int]:
        """Which partition of a topic has told of each of these keys; those of which none has are not there.

        Args:
            topic: The topic.
            columns: The key's, as the topic names them.
            keys: Values in their order, as the topic spells them.
        """
        import pyarrow as pa

        table = self._whole(topic)
        named = [(f"k{i}", f"c{table.columns.index(name)}") for i, name in enumerate(columns)]
        asked = pa.table({f"k{i}": pa.array([key[i] for key in keys], pa.string()) for i in range(len(named))})
        with self._registered("asked", asked) as some:
            if not some:
                return {}
            same = " AND ".join(f"v.{cell} = asked.{key}" for key, cell in named)
            told = ", ".join(key for key, _ in named)
            rows = self._db.execute(
                f"SELECT {told}, any_value(v.part) FROM {table.stored} v JOIN asked ON {same} GROUP BY ALL"
            ).fetchall()
        return {tuple(key): part for *key, part in rows}

    def has_rows(self, topic: str) -> bool:
        """Whether anything was ever told of a row of the topic."""
        return self._db.execute(f"SELECT 1 FROM {self.tables[topic].latest} LIMIT 1").fetchone() is not None

    def head_parts(self, topic: str) -> list[str]:
        """The rows of the head, as of the last fold: SELECTs that have some of them each.

        Taken together, a join would have to hold the number of every key in memory.
        """
        table = self.tables[topic]
        some = f"SELECT seq FROM {table.latest} WHERE rowid % {_SAMPLED} = 0 ORDER BY seq"
        numbers = [seq for (seq,) in self.cursor().execute(some).fetchall()]
        every = HEAD_PART_ROWS // _SAMPLED
        bounds = [None, *numbers[every::every], None]
        return [table.head_within(first, end) for first, end in pairwise(bounds)]

    def is_gone(self, topic: str, key: str) -> bool:
        """Whether the last that arrived of a key is a delete.

        Args:
            topic: The topic.
            key: As `reconcilers.streams.intake.identity` writes it.
        """
        row = self._db.execute(
            f"SELECT arg_max(kind, seq) FROM {self._whole(topic).versions} WHERE id = ?", [key]
        ).fetchone()
        return row is not None and row[0] == Kind.DELETE

    def forgotten(self, topic: str) -> datetime | None:
        """Up to when versions have been let go of; None where every one is remembered."""
        row = self._db.execute("SELECT forgotten FROM topics WHERE topic = ?", [topic]).fetchone()
        return row[0] if row is not None else None

    # -- folding -------------------------------------------------------------------------------------------------------

    def fold(self, topic: str) -> None:
        """Bring the head of a topic up to date with everything that was read.

        A truncate and a finished snapshot have no version of their own: with an empty tail, too, they take effect.  All
        partitions must have been read as far as there were records: what one of them still has may be what a snapshot
        has met.
        """
        self._fold(self._whole(topic), swept=True)

    def advance(self, topics: Iterable[str]) -> None:
        """Do one piece of the work that gathers behind batches, where there is enough of it.

        No batch has to wait for more than one: a long log is brought into the file, or whole groups of what waits are
        brought among the versions and put into the order of their keys, or the head of a topic is brought up to date
        with its tail, or some of those that are not to be remembered any more are let go of.

        Args:
            topics: Of the last batch; none: nothing has come.

        Raises:
            WorkspaceError: The disk or the memory is full; what was read is kept.
        """
        with self._room("what was read is kept"):
            self._advance(topics)

    def _advance(self, topics: Iterable[str]) -> None:
        if self._shorten_log():
            return
        for topic in topics:
            if self._following.get(topic, 0) - self._folded[topic] < self._piece:
                continue  # there are no more versions than numbers: they need not be counted
            many = self._has_many(topic)
            if self._tail(topic) >= self._piece * (MANY_FOLDED if many else 1):
                if not (many and (self._pick(self.tables[topic]) or self._order(self.tables[topic]))):
                    self._fold(self.tables[topic], swept=False)
                return
            if self.bring_in(topic, self._piece):
                return
        for topic in list(self._outlived):
            if self._let_go_of_outlived(topic):
                return

    def _tail(self, topic: str) -> int:
        """How many versions are not folded, of those that do not wait."""
        row = self._db.execute(
            f"SELECT count(*) FROM {self.tables[topic].versions} WHERE seq >= {self._folded[topic]}"
        ).fetchone()
        return int(row[0]) if row is not None else 0

    def bring_in(self, topic: str, group: int = 1) -> bool:
        """Bring whole groups of what waits among the versions; tells whether there were any."""
        if waiting.count(self._db, self.tables[topic]) < group:
            return False
        with self._transaction():
            waiting.bring_in(self._db, self.tables[topic], group)
        return True

    def _whole(self, topic: str) -> StreamTable:
        """A topic's tables, with nothing waiting beside them; not within a transaction."""
        self.bring_in(topic)
        return self.tables[topic]

    def _has_many(self, topic: str) -> bool:
        """Whether so many keys are known that a fold, which goes through all of them, is dear; as of the last fold."""
        if topic not in self._many:
            row = self._db.execute(f"SELECT count(*) FROM {self.tables[topic].latest}").fetchone()
            self._many[topic] = row is not None and row[0] >= MANY_KEYS
        return self._many[topic]

    def _pick(self, table: StreamTable) -> bool:
        """Find what a fold of the tail is about, unless that is done; tells whether it was done now."""
        tail = self._tail_of(table)
        if tail is None or tail in (self._picked, self._ordered):
            return False
        self._picked = self._ordered = None
        self._db.execute(f"CREATE OR REPLACE TEMP TABLE picked AS {picked_sql(table, tail[1])}")
        self._picked = tail
        return True

    def _order(self, table: StreamTable) -> bool:
        """Put the tail's versions into the order of their keys, unless that is done; tells whether it was done now."""
        tail = self._tail_of(table)
        if tail is None or tail == self._ordered:
            return False
        picked = "picked" if tail == self._picked else f"({picked_sql(table, tail[1])})"
        self._picked = self._ordered = None
        self._db.execute(f"CREATE OR REPLACE TEMP TABLE involved AS {involved_sql(picked)}")
        self._db.execute("DROP TABLE IF EXISTS picked")
        self._ordered = tail
        return True

    def _tail_of(self, table: StreamTable) -> _Tail | None:
        """The tail of a topic, where it has any version."""
        end, _ = self._tail_ends(table)
        return None if end is None else (table.topic, self._folded[table.topic], end)

    def _tail_ends(self, table: StreamTable) -> tuple[int | None, datetime | None]:
        """The number after a tail's last version, and when the last was read."""
        tail = f"FROM {table.versions} WHERE seq >= {self._folded[table.topic]}"
        row = self._db.execute(f"SELECT max(seq) + 1, max(seen) {tail}").fetchone()
        return (None, None) if row is None else (row[0], row[1])

    def _fold(self, table: StreamTable, *, swept: bool) -> None:
        topic, start = table.topic, self._folded[table.topic]
        end, seen = self._tail_ends(table)
        with self._transaction():
            if end is not None and seen is not None:
                self._order(table)
                self._ordered = None
                self._fold_tail(table, start, seen)
                self._db.execute(f"UPDATE topics SET folded = {end} WHERE topic = {quoted(topic)}")
            self._take_away(table, truncated_sql(table, quoted(topic)))
            if swept:
                self._keep_later(table)
                self._take_away(table, swept_sql(table, quoted(topic)))
                self.latecomers.settle(table)
                self.strangers.settle(table)
        self._folded[topic] = start if end is None else end
        self._many.pop(topic, None)

    def _keep_later(self, table: StreamTable) -> None:
        """Have no row swept that came after the snapshot that did not meet it; see `later_sql`."""
        topic = quoted(table.topic)
        old = (
            f"SELECT 1 FROM {table.latest} l JOIN passes s ON s.topic = {topic} AND s.ended IS NOT NULL "
            f"AND l.stamp < s.began WHERE l.kind IN ({int(Kind.WRITE)}, {int(Kind.DOUBT)}) LIMIT 1"
        )
        if self._db.execute(old).fetchone() is not None:
            self._db.execute(later_sql(table, topic))

    def _shorten_log(self) -> bool:
        """Bring a long log into the file, between batches: no commit has to wait for it; tells whether it was done."""
        log = None if self._path is None else _beside(self._path, "wal")
        return log is not None and log.exists() and log.stat().st_size > LOG_BYTES_MAX and self.checkpoint()

    def checkpoint(self) -> bool:
        """Bring the log into the file, unless somebody reads just now; tells whether it was done."""
        try:
            self._db.execute("CHECKPOINT")
        except duckdb.TransactionException:
            return False  # somebody reads: it is asked for again
        self._guard()
        return True

    def _let_go(self, path: Path) -> None:
        """Take away what was made beside the file and not needed, while nobody else can have it open."""
        with suppress(OSError):  # something is in it
            _beside(path, "tmp").rmdir()
        log = _beside(path, "wal")
        if log.exists() and not log.stat().st_size:
            log.unlink()

    def _guard(self) -> None:
        """See to it that others can read nothing of it.

        DuckDB makes its log anew after each checkpoint, and a place for what it spills: as the umask says, were it not
        there.

        Raises:
            WorkspaceError: There is no room for a log.
        """
        if self._path is None:
            return
        try:
            make_private_file(_beside(self._path, "wal"))
            make_private_directory(_beside(self._path, "tmp"))
        except OSError as error:
            raise _not_opened(self._path, error) from error

    def _take_away(self, table: StreamTable, deletion: str) -> None:
        """Let some keys have no latest version any more; each is owed, as with a delete of its own."""
        gone = self._db.execute(f"{deletion} RETURNING {table.latest}.seq").to_arrow_table()
        with self._registered("gone", gone) as some:
            if some:
                rows = f"(SELECT v.* FROM {table.versions} v SEMI JOIN gone ON v.seq = gone.seq)"
                self.obligations.owe(table, rows, told=False)
                self._db.execute(f"INSERT INTO {table.past} SELECT seq, seen FROM {rows}")

    @contextmanager
    def _registered(self, name: str, rows: pa.Table) -> Iterator[bool]:
        """Have rows under a name; tells whether there are any."""
        self._db.register(name, rows)
        try:
            yield bool(rows.num_rows)
        finally:
            self._db.unregister(name)

    def _fold_tail(self, table: StreamTable, start: int, seen: datetime) -> None:
        self.latecomers.look(table, "involved", start)
        self.strangers.look(table, "involved", start)
        plain = self._db.execute(is_plain_sql("involved")).fetchone()
        if not self._may_keep(table.topic, start) and plain is not None and plain[0]:
            self._note_latest(table, "involved", "place = 1", seen)
        else:
            self._fold_any_tail(table, start, seen)
        self._db.execute("DROP TABLE involved")

    def _may_keep(self, topic: str, start: int) -> bool:
        """Whether a tail may leave values to other versions, or have some that others of another key have left."""
        return self._kept.get(topic, start) > start

    def _note_latest(self, table: StreamTable, versions: str, best: str, seen: datetime) -> None:
        """Note which of some versions are the latest of their keys now, and which are not any more."""
        since = f"TIMESTAMP '{seen.isoformat()}'"
        self._db.execute(f"INSERT INTO {table.past} SELECT seq, {since} FROM {versions} WHERE NOT ({best})")
        gone = f"SELECT seq FROM {versions} WHERE NOT fresh AND NOT ({best})"
        self._db.execute(f"DELETE FROM {table.latest} USING ({gone}) g WHERE {table.latest}.seq = g.seq")
        names = ", ".join([f"{HASH} AS h", *ORDERING])
        self._db.execute(f"INSERT INTO {table.latest} SELECT {names} FROM {versions} WHERE fresh AND ({best})")

    def _fold_any_tail(self, table: StreamTable, start: int, seen: datetime) -> None:
        """The same where some version does not stand as it came."""
        self._db.execute(f"CREATE OR REPLACE TEMP TABLE arrived AS {arrived_sql(table, 'involved')}")
        self._note_repeats(table, start)
        if kept := self._may_keep(table.topic, start):
            self._db.execute(f"CREATE OR REPLACE TEMP TABLE filled AS {filled_sql(table, 'arrived')}")
        source = "filled" if kept else "arrived"
        self._db.execute(f"CREATE OR REPLACE TEMP TABLE folded AS {latest_sql(table, source)}")
        if kept:
            self._db.execute(moves_sql(table, "arrived", "filled"))
            self._inherit(table)
        self._db.execute(rewritten_sql(table, source, "folded", start))
        self._db.execute(
            f"CREATE OR REPLACE TEMP TABLE placed AS SELECT {', '.join(f's.{name}' for name in ORDERING)}, s.fresh, "
            f"f.seq IS NOT NULL AS best FROM {source} s LEFT JOIN folded f ON s.seq = f.seq"
        )
        self._note_latest(table, "placed", "best", seen)
        self._db.execute("DROP TABLE IF EXISTS filled; DROP TABLE arrived; DROP TABLE folded; DROP TABLE placed")

    def _inherit(self, table: StreamTable) -> None:
        """Give the rows that were born by a change of key what they did not write, as far as it has been read."""
        import pyarrow as pa

        born = [self._db.execute(born_sql(table)).to_arrow_table()]
        while self._db.execute(pass_on_sql(table)).fetchall():
            born.append(self._db.execute(born_sql(table)).to_arrow_table())  # a key that was changed several times
        with self._registered("gained", pa.concat_tables(born)) as some:
            if some:
                self._db.execute(born_heads_sql(table, "folded", "gained"))
        self._db.execute(inherit_sql(table, "folded"))

    def _note_repeats(self, table: StreamTable, start: int) -> None:
        """What was told before is a sign, and no change that arrives a second time."""
        self._db.execute(f"CREATE OR REPLACE TEMP TABLE repeated AS {repeated_sql(table, 'arrived', start)}")
        self.signs.note_repeats(table.topic, "repeated", datetime.now(UTC).replace(tzinfo=None))
        self.obligations.uncount(table.topic, "repeated")
        self._db.execute("DROP TABLE repeated")


def quoted(text: str) -> str:
    """A text as DuckDB takes it in a statement."""
    return "'" + text.replace("'", "''") + "'"


def _literal(number: int | None) -> str:
    return "NULL" if number is None else str(number)


def _beside(path: Path, ending: str) -> Path:
    """What DuckDB keeps beside a database file."""
    return path.with_name(f"{path.name}.{ending}")


def _make_room(path: Path) -> None:
    """Have a file for its owner only; it is made where nobody else can look, for DuckDB makes it as the umask says.

    Raises:
        OSError: It cannot be made.
        duckdb.Error: As above.
    """
    make_private_directory(path.parent)
    if not path.exists():
        with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as hidden:  # 0700
            made = Path(hidden) / path.name
            duckdb.connect(str(made)).close()
            made.chmod(PRIVATE_FILE)
            with suppress(OSError):  # another process was first, or this file system has no links: DuckDB makes it then
                os.link(made, path)


_HELD = re.compile(r"\block\b", re.IGNORECASE)
"""In what DuckDB says of a file that another process has open."""


def _not_opened(path: Path | None, error: Exception) -> WorkspaceError:
    if isinstance(error, duckdb.OutOfMemoryException):
        return WorkspaceError(
            f"opening the feed state{'' if path is None else f' {path}'}: {first_line(error)}",
            hint="raise workspace.memory_limit: less than this holds no state",
        )
    if _HELD.search(str(error)):
        return WorkspaceError(
            f"opening the feed state {path}: another process holds it",
            hint="let one process follow a feed with this state, or give this one its own workspace.directory",
        )
    return WorkspaceError(
        f"opening the feed state {path} failed: {first_line(error)}",
        hint="move the file away: it is then made anew from the topics",
    )
