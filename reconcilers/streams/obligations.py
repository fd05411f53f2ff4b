"""What change streams oblige replicas to, and which of it has not been seen to be met yet.

Each version of an owner's row is an obligation on each replica of the contract: to hold it, or a later one, within its
lag bound.  A replica's own change is one, too: it must be what the owner tells it to be.  Rows that are gone without a
word of their own (a truncate, a snapshot that did not meet them) are obligations as every delete is.

They are written in the transaction that keeps the changes and their offsets, so that none is lost and none is there
twice, whenever the process is killed.  Rows are appended and, once met, deleted; none is updated, but those of changes
that turn out to be sent a second time: they are owed, and no longer counted among those that arrive.  How many there
are is bounded by what changes within the lag bounds, and by what stays undecided.

What was found to be drift is kept until it is seen to be gone (*drifting*): nobody owes it again, and yet it must be
looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import duckdb

    from reconcilers.finding import KeyText
    from reconcilers.streams.table import StreamTable

DDL = """
CREATE TABLE IF NOT EXISTS subjects (
    number INTEGER, entity VARCHAR, replica VARCHAR, topic VARCHAR, by_owner BOOLEAN, key VARCHAR);
CREATE SEQUENCE IF NOT EXISTS obligation_numbers;
CREATE TABLE IF NOT EXISTS obligations (
    subject INTEGER, number BIGINT, seq BIGINT, part INTEGER, kind UTINYINT, key VARCHAR[], committed TIMESTAMP,
    seen TIMESTAMP);
CREATE TABLE IF NOT EXISTS drifting (
    entity VARCHAR, replica VARCHAR, key VARCHAR, divergence VARCHAR, rule VARCHAR, since TIMESTAMP);
ALTER TABLE drifting ADD COLUMN IF NOT EXISTS applied BIGINT DEFAULT 0;
ALTER TABLE drifting ADD COLUMN IF NOT EXISTS part INTEGER;
CREATE TABLE IF NOT EXISTS arrivals (
    entity VARCHAR, replica VARCHAR, hour TIMESTAMP, step UTINYINT, changes BIGINT);
ALTER TABLE arrivals ADD COLUMN IF NOT EXISTS looked BOOLEAN DEFAULT false;
CREATE TABLE IF NOT EXISTS counted (topic VARCHAR, part INTEGER, following BIGINT);
"""

ARRIVAL_STEPS = (1.0, 10.0, 60.0, 300.0, 3600.0)
"""Seconds from an owner's commit, within which its changes are counted as arrived."""

OWED_AT_ONCE = 20_000
"""Keys handed over at once: as many as are looked at together."""


@dataclass(frozen=True, slots=True)
class Duty:
    """That changes of a topic oblige a replica.

    Attributes:
        entity: Whose contract says so.
        replica: Whose duty it is.
        topic: Whose changes they are.
        by_owner: The topic is the owner's; else the replica's own.
        key: The columns of the topic that hold the contract's key, in contract order.
    """

    entity: str
    replica: str
    topic: str
    by_owner: bool
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owed:
    """The open obligations of one key, as one topic spells it.

    Attributes:
        subject: The number of the duty.
        key: The texts of its parts.
        since: When the oldest was read, by the auditor's clock, in UTC without a zone.
        numbers: Theirs: those that come later are not meant.
        part: The partition that they come from.
    """

    subject: int
    key: tuple[str | None, ...]
    since: datetime
    numbers: tuple[int, ...]
    part: int = 0

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class Hour:
    """How the changes that an owner committed within one hour have arrived at a replica.

    Attributes:
        hour: Its beginning, in UTC without a zone.
        changes: How many were settled: seen to have arrived, or found not to have.
        within: How many of them had surely arrived within each of ARRIVAL_STEPS.
        unknown: How many of them may have, or not: a look saw them there later than that, and none had looked before.
    """

    entity: str
    replica: str
    hour: datetime
    changes: int
    within: tuple[int, ...]
    unknown: tuple[int, ...] = (0,) * len(ARRIVAL_STEPS)


@dataclass(frozen=True, slots=True)
class Took:
    """How long what is met took to arrive.

    Attributes:
        seconds: By the arrival number of the owner's version; what is not there is not known, and not counted.
        looked: In its place where nobody tells: the moment of the look that saw it there, in UTC without a zone.  When
            it arrived before that is not known.
        longest: Seconds that a look may come after the commit: one that comes later does not tell when it arrived.
        late: What is not known has not arrived: it is drift.
    """

    seconds: Mapping[int, float] = field(default_factory=dict)
    looked: datetime | None = None
    longest: float = 0.0
    late: bool = False


@dataclass(frozen=True, slots=True)
class Drifting:
    """Drift that was found and is not known to be gone.

    Attributes:
        applied: How often the replica has written the key, and was found to be wrong after it.
        part: The partition of the owner's topic that tells of the key, where that is known.
    """

    entity: str
    replica: str | None
    key: KeyText
    divergence: str
    rule: str | None
    applied: int = 0
    part: int | None = None


class Obligations:
    """The obligations in one state of feeds.

    Args:
        db: The state's connection; whoever writes, does so within its transactions.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db
        self._duties: dict[Duty, int] = {}
        self._share: Mapping[str, Collection[int]] | None = None
        self._read_before = self._known_reads()

    def _known_reads(self) -> dict[str, dict[int, int]]:
        """By topic and partition, the offset before which changes were counted when the topic was read before."""
        found: dict[str, dict[int, int]] = {}
        for topic, part, following in self._db.execute("SELECT topic, part, following FROM counted").fetchall():
            found.setdefault(topic, {})[part] = following
        return found

    def share(self, share: Mapping[str, Collection[int]]) -> None:
        """Have only some partitions judged from now on; what is owed by others stays, and is not shown.

        Args:
            share: The partitions of each topic; of a topic that is not there, none.
        """
        self._share = share

    def _ours(self, numbers: Iterable[int]) -> str:
        """SQL: whether an obligation of one of these duties comes from a partition that is judged here."""
        some = set(numbers)
        if self._share is None:
            return f"subject IN ({_listed(some)})"
        parts = {number: self._share.get(duty.topic, ()) for duty, number in self._duties.items() if number in some}
        each = [f"(subject = {number} AND part IN ({_listed(mine)}))" for number, mine in parts.items()]
        return f"({' OR '.join(each) or 'false'})"

    # -- duties --------------------------------------------------------------------------------------------------------

    def take_on(
        self,
        duties: Iterable[Duty],
        tables: Mapping[str, StreamTable],
        tails: Mapping[str, int],
        head_parts: Callable[[str], Sequence[str]],
    ) -> None:
        """Say what obliges whom from now on; within a transaction.

        A duty that is new owes everything that is kept already.  One that is there no more is forgotten.

        Args:
            duties: All of them.
            tables: The topics'.
            tails: The number of the first version of each topic that is not folded yet.
            head_parts: See `FeedState.head_parts`.
        """
        wanted = {duty for duty in duties if duty.topic in tables}
        known = self._known()
        for duty in [duty for duty in known if duty.topic in tables and duty not in wanted]:
            self._drop(known.pop(duty))
        number = max(known.values(), default=0)
        for duty in sorted(wanted - known.keys(), key=repr):
            number += 1
            row = [number, duty.entity, duty.replica, duty.topic, duty.by_owner, json.dumps(duty.key)]
            self._db.execute("INSERT INTO subjects VALUES (?, ?, ?, ?, ?, ?)", row)
            known[duty] = number
            table = tables[duty.topic]
            for part in head_parts(duty.topic):
                self._owe(duty, number, table, f"({part})")
            self._owe(duty, number, table, table.versions, f"seq >= {tails[duty.topic]}")
        self._duties = {duty: known[duty] for duty in wanted}

    def _known(self) -> dict[Duty, int]:
        rows = self._db.execute("SELECT number, entity, replica, topic, by_owner, key FROM subjects").fetchall()
        return {
            Duty(entity, replica, topic, by_owner, tuple(json.loads(key))): number
            for number, entity, replica, topic, by_owner, key in rows
        }

    def _drop(self, number: int) -> None:
        self._db.execute("DELETE FROM subjects WHERE number = ?", [number])
        self._db.execute("DELETE FROM obligations WHERE subject = ?", [number])

    def forget(self, topic: str, *, same: bool) -> None:
        """The topic is read again from its beginning: everything of it will be owed anew; within a transaction.

        Args:
            topic: The topic.
            same: It is the same log, so that what was read of it is not counted again among what arrives.
        """
        if same:
            before = self._read_before.get(topic, {})
            read = self._db.execute("SELECT part, next_offset FROM offsets WHERE topic = ?", [topic]).fetchall()
            self._read_before[topic] = {part: max(following, before.get(part, 0)) for part, following in read}
        else:
            self._read_before.pop(topic, None)
        self._db.execute("DELETE FROM counted WHERE topic = ?", [topic])
        for part, following in self._read_before.get(topic, {}).items():
            self._db.execute("INSERT INTO counted VALUES (?, ?, ?)", [topic, part, following])
        numbers = "SELECT number FROM subjects WHERE topic = ?"
        self._db.execute(f"DELETE FROM obligations WHERE subject IN ({numbers})", [topic])
        self._db.execute("DELETE FROM subjects WHERE topic = ?", [topic])

    def forget_partition(self, topic: str, part: int) -> None:
        """One partition of the topic is read again from its beginning; within a transaction."""
        numbers = "SELECT number FROM subjects WHERE topic = ?"
        self._db.execute(f"DELETE FROM obligations WHERE subject IN ({numbers}) AND part = ?", [topic, part])
        entities = "SELECT entity FROM subjects WHERE topic = ? AND by_owner"
        self._db.execute(f"DELETE FROM drifting WHERE entity IN ({entities}) AND part = ?", [topic, part])

    def number(self, duty: Duty) -> int | None:
        """The number of a duty; None where it was not taken on."""
        return self._duties.get(duty)

    # -- owing ---------------------------------------------------------------------------------------------------------

    def owe(self, table: StreamTable, source: str, where: str = "true", *, told: bool = True) -> None:
        """Oblige by some versions of a topic; within a transaction.

        Args:
            table: The topic's.
            source: The table of the versions, with the topic's columns.
            where: Which of them.
            told: They are changes; else rows that are gone without a word of their own, and nobody tells since when.
        """
        for duty, number in self._duties.items():
            if duty.topic == table.topic:
                self._owe(duty, number, table, source, where, told=told)

    def _owe(
        self, duty: Duty, number: int, table: StreamTable, source: str, where: str = "true", *, told: bool = True
    ) -> None:
        key = ", ".join(f"c{table.columns.index(name)}" for name in duty.key)
        committed = "committed" if told else "NULL"
        if told and duty.by_owner and (counted := self._read_before.get(duty.topic)):
            some = " OR ".join(f"(part = {part} AND off < {following})" for part, following in counted.items())
            committed = f"CASE WHEN {some} THEN NULL ELSE committed END"
        self._db.execute(
            f"INSERT INTO obligations SELECT {number}, nextval('obligation_numbers'), seq, part, kind, [{key}], "
            f"{committed}, seen FROM {source} WHERE {where}"
        )

    def uncount(self, topic: str, repeated: str) -> None:
        """Changes that were told before arrive once; they are owed all the same, for replicas apply them anew.

        Within a transaction.

        Args:
            topic: The topic.
            repeated: The table of their arrival numbers.
        """
        self._db.execute(
            f"UPDATE obligations SET committed = NULL WHERE seq IN (SELECT seq FROM {repeated}) "
            "AND subject IN (SELECT number FROM subjects WHERE topic = ?)",
            [topic],
        )

    # -- what is owed --------------------------------------------------------------------------------------------------

    def owed(
        self, numbers: Sequence[int], until: datetime | None = None, now: datetime | None = None
    ) -> Iterator[list[Owed]]:
        """The keys with open obligations, oldest first, of OWED_AT_ONCE obligations at a time.

        What is asked for next costs the same however many there are; what was asked for may be settled meanwhile.

        Args:
            numbers: Of which duties.
            until: Only what was read by then, in UTC without a zone; None: all.
            now: What seems to have been read after it was read before the clock was set back, and is taken as well.
        """
        moment = f" AND seen <= TIMESTAMP '{until.isoformat()}'" if until is not None else ""
        if until is not None and now is not None:
            moment = f" AND (seen <= TIMESTAMP '{until.isoformat()}' OR seen > TIMESTAMP '{now.isoformat()}')"
        due = f"{self._ours(numbers)}{moment}"
        after, several = -1, True
        while several:
            found = self._db.execute(
                "SELECT max(number), count(*) FROM (SELECT number FROM obligations "
                f"WHERE number > {after} AND {due} ORDER BY number LIMIT {OWED_AT_ONCE})"
            ).fetchone()
            end, size = found if found is not None else (None, 0)
            if not size:
                return
            several = size == OWED_AT_ONCE
            some = "obligations"
            if several or after >= 0:  # else all of it is asked for
                page = f"number > {after} AND number <= {end} AND {due}"
                keys = f"SELECT DISTINCT subject, key FROM obligations WHERE {page}"
                some = f"obligations SEMI JOIN ({keys}) USING (subject, key)"
            rows = self._db.execute(
                f"SELECT subject, key, min(seen) AS since, list(number), max(part) FROM {some} WHERE {due} "
                f"GROUP BY subject, key HAVING min(number) > {after} ORDER BY since, key"
            ).fetchall()
            yield [Owed(subject, tuple(key), since, tuple(all_), part) for subject, key, since, all_, part in rows]
            after = end

    def latest(self) -> int:
        """The number of the latest obligation that is open; 0 where none is."""
        row = self._db.execute("SELECT max(number) FROM obligations").fetchone()
        return int(row[0]) if row is not None and row[0] is not None else 0

    def count_of(self, duty: Duty) -> int:
        """How many obligations of one duty are open."""
        number = self.number(duty)
        return 0 if number is None else self.count([number])

    def count(self, numbers: Sequence[int] | None = None) -> int:
        """How many obligations are open; of some duties, or of all."""
        some = "" if numbers is None else f" WHERE {self._ours(numbers)}"
        row = self._db.execute(f"SELECT count(*) FROM obligations{some}")
        return int((row.fetchone() or (0,))[0])

    def drifting(self, entity: str) -> list[Drifting]:
        """What was found to be drift and is not known to be gone."""
        rows = self._db.execute(
            "SELECT entity, replica, key, divergence, rule, applied, part FROM drifting "
            f"WHERE entity = ? AND {self._ours_of(entity)} ORDER BY replica, key",
            [entity],
        ).fetchall()
        return [
            Drifting(name, replica, tuple((one, text) for one, text in json.loads(key)), *rest)
            for name, replica, key, *rest in rows
        ]

    def _ours_of(self, entity: str) -> str:
        """SQL: whether a drifting key of an entity is judged here."""
        if self._share is None:
            return "true"
        topics = {duty.topic for duty in self._duties if duty.by_owner and duty.entity == entity}
        parts = {part for topic in topics for part in self._share.get(topic, ())}
        return f"(part IS NULL OR part IN ({_listed(parts)}))"

    # -- settling ------------------------------------------------------------------------------------------------------

    def settle(
        self,
        met: Sequence[Owed],
        found: Iterable[Drifting],
        gone: Iterable[Drifting],
        now: datetime,
        took: Took | None = None,
    ) -> None:
        """Let go of what was looked at, and keep what was found; within a transaction.

        Args:
            met: Nobody owes these any more: they were met, or are drift from now on.
            took: How long those took that were met; None: nobody knows.
            found: Drift.
            gone: Drift that is no more.
            now: In UTC without a zone.
        """
        if met:
            self._delete(met, took or Took())
        found = [self._counted(one) for one in found]
        for one in (*gone, *found):
            self._db.execute(
                "DELETE FROM drifting WHERE entity = ? AND replica IS NOT DISTINCT FROM ? AND key = ? "
                "AND divergence = ? AND rule IS NOT DISTINCT FROM ?",
                _row(one),
            )
        for one in found:
            self._db.execute(
                "INSERT INTO drifting (entity, replica, key, divergence, rule, since, applied, part) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [*_row(one), now, one.applied, one.part],
            )

    def _counted(self, one: Drifting) -> Drifting:
        """With what was known of the key before."""
        row = self._db.execute(
            "SELECT max(applied), max(part) FROM drifting "
            "WHERE entity = ? AND replica IS NOT DISTINCT FROM ? AND key = ?",
            _row(one)[:3],
        ).fetchone()
        applied, part = row if row is not None else (None, None)
        return replace(one, applied=one.applied + int(applied or 0), part=part if one.part is None else one.part)

    def _delete(self, met: Sequence[Owed], took: Took) -> None:
        import pyarrow as pa

        numbers = pa.array([number for one in met for number in one.numbers], pa.int64())
        self._db.register("met", pa.table({"number": numbers}))
        self._count(took)
        self._db.execute("DELETE FROM obligations USING met WHERE obligations.number = met.number")
        self._db.unregister("met")

    def _count(self, took: Took) -> None:
        """Count the owner's changes among those let go of by how long they took; rows of snapshots are none."""
        import pyarrow as pa

        seconds = took.seconds
        lags = pa.table(
            {"seq": pa.array(list(seconds), pa.int64()), "took": pa.array(list(seconds.values()), pa.float64())}
        )
        self._db.register("lags", lags)
        steps = " ".join(f"WHEN took <= {limit} THEN {i}" for i, limit in enumerate(ARRIVAL_STEPS))
        age = "l.took" if not took.late else "coalesce(l.took, 'infinity'::DOUBLE)"
        if took.looked is not None:
            moment = took.looked.isoformat()
            age = f"greatest(epoch(TIMESTAMP '{moment}') - epoch(o.committed), 0)"
        known = f"took <= {took.longest}" if took.looked is not None else "took IS NOT NULL"
        looked = "true" if took.looked is not None else "false"
        self._db.execute(
            f"INSERT INTO arrivals (entity, replica, hour, step, changes, looked) SELECT entity, replica, hour, "
            f"CASE {steps} ELSE {len(ARRIVAL_STEPS)} END, count(*), {looked} "
            f"FROM (SELECT s.entity, s.replica, date_trunc('hour', o.committed) AS hour, {age} AS took "
            "FROM obligations o JOIN met ON o.number = met.number JOIN subjects s ON s.number = o.subject "
            "LEFT JOIN lags l ON l.seq = o.seq "
            f"WHERE s.by_owner AND o.kind IN (0, 1) AND o.committed IS NOT NULL) WHERE {known} GROUP BY ALL"
        )
        self._db.unregister("lags")

    def arrivals(self, entity: str, since: datetime | None = None) -> list[Hour]:
        """How an owner's changes have arrived, hour by hour.

        Args:
            entity: The entity.
            since: Only hours from this one on, in UTC without a zone.
        """
        steps = range(len(ARRIVAL_STEPS))
        each = [f"step <= {i}" for i in steps] + [f"looked AND step > {i}" for i in steps]
        counts = ", ".join(f"coalesce(sum(changes) FILTER ({which}), 0)::BIGINT" for which in each)
        rows = self._db.execute(
            f"SELECT replica, hour, sum(changes)::BIGINT, {counts} FROM arrivals "
            "WHERE entity = ? AND (? IS NULL OR hour >= ?) GROUP BY replica, hour ORDER BY replica, hour",
            [entity, since, since],
        ).fetchall()
        cut = len(ARRIVAL_STEPS)
        return [
            Hour(entity, replica, hour, changes, tuple(counts[:cut]), tuple(counts[cut:]))
            for replica, hour, changes, *counts in rows
        ]

    def compact(self, before: datetime) -> None:
        """Bring the counts together, and forget those of hours before a moment; within a transaction."""
        self._db.execute(
            "CREATE OR REPLACE TEMP TABLE counted AS SELECT entity, replica, hour, step, looked, "
            "sum(changes)::BIGINT AS changes FROM arrivals WHERE hour >= ? GROUP BY ALL",
            [before],
        )
        self._db.execute("DELETE FROM arrivals")
        self._db.execute("INSERT INTO arrivals BY NAME SELECT * FROM counted")
        self._db.execute("DROP TABLE counted")


def _listed(numbers: Iterable[int]) -> str:
    """Numbers as SQL has them in a list, which must not be empty."""
    return ", ".join(map(str, sorted(numbers))) or "NULL"


def _row(one: Drifting) -> list[object]:
    return [one.entity, one.replica, json.dumps(one.key, ensure_ascii=False), one.divergence, one.rule]
