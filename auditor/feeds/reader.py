"""A dataset that is known by its feed: its rows are the fold of the changes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from auditor.clock import SystemClock
from auditor.readers.arrow_rows import StreamingSnapshot
from auditor.readers.key_filter import rows_with_keys
from auditor.readers.native import quote_text
from auditor.readers.suggestion import did_you_mean
from contracts.errors import FeedError
from reconcilers.ports import (
    LATEST_COLUMNS,
    VERSION_COLUMNS,
    Column,
    Keys,
    RawColumn,
    RawRelation,
    Shape,
    Untold,
    Wanted,
)
from reconcilers.streams.fold import versions_sql
from reconcilers.streams.table import CellState, Kind
from reconcilers.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from auditor.clock import Clock
    from auditor.feeds.following import Following
    from contracts.contract import FeedRef
    from reconcilers.flaws import Flaw
    from reconcilers.ports import OwnerClock, Told
    from reconcilers.streams.table import StreamTable
    from reconcilers.workspace import Workspace

BATCH_ROWS = 50_000
"""Rows handed over at once: some megabytes of text."""

_LIVE = f"kind IN ({int(Kind.WRITE)}, {int(Kind.BACKFILL)})"
_LATEST = dict(zip(LATEST_COLUMNS, ("tx", "seen", f"kind = {int(Kind.BACKFILL)}"), strict=True))
_UNKNOWN = f"({int(CellState.KEPT)}, {int(CellState.ABSENT)}, {int(CellState.UNREADABLE)})"


class FeedReader:
    """Reads one topic as a table.

    Args:
        reference: The topic.
        following: Who follows the feed.
        clock: Tells when it was read.
    """

    def __init__(self, reference: FeedRef, following: Following, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.reference = reference
        self.following = following
        self.dataset = str(reference)

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`; nothing is read: the columns are those that contracts name."""
        return Shape(
            tuple(Column(name, "as the feed tells it") for name in self.following.wanted(self.reference.topic))
        )

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[FeedSnapshot]:
        """See `reconcilers.ports.Reader.snapshot`: everything that the feed has now, folded."""
        with self.following.current(self.reference.topic, workspace) as table:
            snapshot = FeedSnapshot(self, workspace, table)
            try:
                yield snapshot
            finally:
                snapshot.close()

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        names = ", ".join(thing.path for thing in wanted)
        return f"read {self.reference.topic} of {self.reference.name} to its end, fold it by key, columns {names}"


class FeedSnapshot(StreamingSnapshot):
    """The fold of a topic as of its end when the snapshot was opened."""

    def __init__(self, reader: FeedReader, workspace: Workspace, table: StreamTable) -> None:
        super().__init__(workspace, reader.dataset)
        self._following = reader.following
        self._told: set[int] = set()
        """The places of columns that some row is known to have."""
        self._table = table
        reached = self._following.reached(table.topic)
        now, monotonic = reader.clock.now(), reader.clock.monotonic()
        sign = reader.following.heard(table.topic)
        silent = sign.age(now) if sign is not None else None
        self.watermark = Watermark(
            reader.dataset, now, monotonic, position=reached, display=reached,
            heard=None if silent is None else monotonic - silent,
            told=sign.told.isoformat() if sign is not None and sign.told is not None else "",
            beats=sign is not None and sign.beats,
        )  # fmt: skip

    @property
    def topic(self) -> str:
        """See `reconcilers.ports.Remembering`."""
        return self._table.topic

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        return self._relation(wanted, _LIVE)

    def _relation(self, wanted: Sequence[Wanted], rows: str) -> RawRelation:
        return self._selected(wanted, [f"{part} WHERE {rows}" for part in self._head()], {"present": "0"})

    def _head(self) -> list[str]:
        return [f"SELECT * FROM ({part})" for part in self._following.state.head_parts(self._table.topic)]

    def _selected(self, wanted: Sequence[Wanted], parts: Sequence[str], beside: Mapping[str, str]) -> RawRelation:
        """A relation of what some SELECTs find: of each version what is wanted, and further columns with their SQL."""
        selected, columns = [f"{sql} AS {name}" for name, sql in beside.items()], []
        for i, (thing, place) in enumerate(zip(wanted, [self._place(one.path) for one in wanted], strict=True)):
            either = f"s{place} = {int(CellState.EITHER)}"
            selected.append(f"c{place} AS c{i}, s{place} IN {_UNKNOWN} AS u{i}, {either} AS e{i}")
            zone = thing.timezone or "UTC"
            columns.append(RawColumn(f"c{i}", "VARCHAR", timezone=zone, unknown=f"u{i}", or_null=f"e{i}"))
        each = [f"SELECT {', '.join(selected)} FROM ({rows})" for rows in parts]
        cursor = self._following.cursor()
        schema = cursor.execute(f"{each[0]} LIMIT 0").to_arrow_reader(1).schema
        cursor.close()
        return RawRelation(self.relation(schema, lambda: self._batches(each)), tuple(columns))

    def _batches(self, each: Sequence[str]) -> Iterator[pa.RecordBatch]:
        cursor = self._following.cursor()
        try:
            cursor.execute("BEGIN")
            for sql in each:
                yield from cursor.execute(sql).to_arrow_reader(BATCH_ROWS)
        finally:
            cursor.close()

    def _place(self, path: str) -> int:
        try:
            place = self._table.columns.index(path)
        except ValueError:
            place = -1
        seen = self._following.columns(self._table.topic)
        if place < 0 or (path not in seen and self._never_told(place)):
            meant = did_you_mean(path, seen)
            hint = "correct the name in the contract, or, where its table has the column, have the connector tell it"
            raise FeedError(
                f"reading {self.dataset}: no record has a column {path!r}",
                hint=f"{meant}{' ' if meant.endswith('?') else '; ' if meant else ''}{hint}",
            )
        return place

    def _never_told(self, place: int) -> bool:
        """Whether there are rows, of which none has the column: whichever process has read them."""
        if place in self._told:
            return False
        if self._any_head(_LIVE) and not self._any_head(f"s{place} <> {int(CellState.ABSENT)}"):
            return True
        self._told.add(place)
        return False

    def _any_head(self, where: str) -> bool:
        cursor = self._following.cursor()
        return any(cursor.execute(f"{part} WHERE {where} LIMIT 1").fetchone() is not None for part in self._head())

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Snapshot.lookup`."""
        return rows_with_keys(self.workspace, self.cursor, self.scan, wanted, keys)

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:  # noqa: ARG002
        """Nothing is hidden."""
        return None

    def versions(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Remembering`.

        Raises:
            FeedError: Rows of several tables may have been taken for one: none of them is known to be the dataset's.
        """
        if mixed := self._following.mixed(self._table.topic):
            raise FeedError(f"reading {self.dataset}: {mixed}", hint="see `debezium.tables`")
        topic = quote_text(self._table.topic)
        rows = versions_sql(
            self._table, topic, truncated=self._any("truncations", topic), swept=self._any("passes", topic)
        )
        beside = {name: name for name in VERSION_COLUMNS}
        return rows_with_keys(
            self.workspace, self.cursor, lambda things: self._selected(things, [rows], beside), wanted, keys
        )

    def is_log_of(self, connector: str) -> bool:
        """See `reconcilers.ports.Logged`."""
        return self._following.is_of(connector, self._table.topic) and not self._following.mixed(self._table.topic)

    def streamed(self, since: datetime, shown: datetime | None) -> Sequence[Told]:
        """See `reconcilers.ports.Logged`."""
        return self._following.streamed(self._table.topic, since, shown)

    def latest(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Logged`."""
        return rows_with_keys(
            self.workspace, self.cursor, lambda things: self._selected(things, self._head(), _LATEST), wanted, keys
        )

    def tells_absence(self) -> bool:
        """See `reconcilers.ports.Logged`."""
        topic = quote_text(self._table.topic)
        if self._any("truncations", topic) or self._any("passes", topic, at_least=2):
            return False
        with self._following.asking:
            return self._following.state.has_whole_snapshot(self._table.topic) or not self._within_stream()

    def _within_stream(self) -> bool:
        """Whether a snapshot has told rows that does not say when it is finished."""
        found = f"SELECT 1 FROM {self._table.versions} WHERE kind = {int(Kind.BACKFILL)} AND snapshot = 0 LIMIT 1"
        return self._following.cursor().execute(found).fetchone() is not None

    def _any(self, table: str, topic: str, at_least: int = 1) -> bool:
        found = self._following.cursor().execute(f"SELECT count(*) FROM {table} WHERE topic = {topic}").fetchone()
        return found is not None and int(found[0]) >= at_least

    def whole_history(self) -> bool:
        """See `reconcilers.ports.Remembering`."""
        return self._following.whole_history(self._table.topic)

    def begins_with_snapshot(self) -> bool:
        """See `reconcilers.ports.Remembering`."""
        with self._following.asking:
            return bool(self._following.state.passes(self._table.topic)) or self._within_stream()

    def known_from(self) -> int:
        """See `reconcilers.ports.Remembering`."""
        return self._following.known_from(self._table.topic)

    def is_shared(self) -> bool:
        """See `reconcilers.ports.Remembering`."""
        return self._following.is_shared(self._table.topic)

    def owner_clock(self) -> OwnerClock | None:
        """See `reconcilers.ports.Remembering`."""
        return self._following.owner_clock(self._table.topic)

    def read_at(self, seen: datetime) -> float | None:
        """See `reconcilers.ports.Remembering`."""
        return self._following.read_at(seen)

    def absence_unknown(self) -> str:
        """See `reconcilers.ports.PartlyKnown`."""
        return self._following.absence_unknown(self._table.topic)

    def flaws(self) -> Mapping[str, Mapping[Flaw, str]]:
        """See `reconcilers.ports.PartlyKnown`."""
        return self._following.flaws(self._table.topic)

    def doubted(self, keys: Sequence[Wanted]) -> RawRelation | None:
        """See `reconcilers.ports.PartlyKnown`."""
        doubt = f"kind = {int(Kind.DOUBT)}"
        found = self._following.cursor().execute(f"SELECT 1 FROM {self._table.latest} WHERE {doubt} LIMIT 1").fetchone()
        return self._relation(keys, doubt) if found is not None else None

    def doubt(self) -> str:
        """See `reconcilers.ports.PartlyKnown`."""
        return str(self._following.state.dead_reasons(self._table.topic, self._doubted))

    def not_understood(self) -> str:
        """See `reconcilers.ports.PartlyKnown`."""
        state, topic, which = self._following.state, self._table.topic, f"(id IS NULL OR {self._doubted})"
        records, keys = state.dead_count(topic, which)
        if not records:
            return ""
        told = f"{records:,} {'record' if records == 1 else 'records'}"
        about = f" about {keys:,} {'key' if keys == 1 else 'keys'}" if keys else ""
        return f"{told}{about} could not be understood; the first is {state.dead_reasons(topic, which)}"

    @property
    def _doubted(self) -> str:
        """A condition on records that could not be understood: they leave a key in doubt."""
        return f"id IN (SELECT id FROM {self._table.latest} WHERE kind = {int(Kind.DOUBT)})"

    def untold(self, wanted: Sequence[Wanted]) -> Mapping[str, Untold]:
        """See `reconcilers.ports.PartlyKnown`."""
        paths = list(dict.fromkeys(thing.path for thing in wanted))
        states = [f"s{self._place(path)}" for path in paths]
        conditions = [f"{state} IN {_UNKNOWN}" for state in states]
        conditions += [f"{state} = {int(CellState.EITHER)}" for state in states]
        counts = ", ".join(f"count(*) FILTER ({condition})" for condition in conditions)
        cursor = self._following.cursor()
        each = [
            cursor.execute(f"SELECT count(*), {counts} FROM ({part}) WHERE {_LIVE}").fetchall() for part in self._head()
        ]
        among, *rows = map(sum, zip(*(found for (found,) in each), strict=True))
        with self._following.asking:
            notes = self._following.state.notes(self._table.topic)
        told = zip(paths, rows[: len(paths)], rows[len(paths) :], strict=True)
        return {
            path: Untold(count, among, notes.get(path, ""), either) for path, count, either in told if count or either
        }

    def incomplete(self) -> str:
        """See `reconcilers.ports.Snapshot.incomplete`."""
        return self._following.incomplete(self._table.topic)
