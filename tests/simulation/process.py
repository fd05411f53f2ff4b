"""Our process: what follows a topic and keeps what it tells, killed at any instruction and started again."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

from auditor.feeds.decoder import Decoder
from auditor.feeds.follower import Follower
from auditor.feeds.following import Following
from auditor.feeds.hints import ColumnHint
from auditor.feeds.options import DecodingOptions
from contracts.errors import FeedError, PausedFeedError, RetentionGapError
from contracts.logical_types import parse_logical_type
from reconcilers.streams.state import FeedState
from tests.simulation.topic import SimulatedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from random import Random

    from auditor.clock import Clock
    from auditor.feeds.record import Record
    from auditor.feeds.wire import Format
    from reconcilers.streams.obligations import Duty
    from reconcilers.streams.table import StreamTable
    from reconcilers.streams.versions import Versions
    from tests.simulation.topic import Topic
    from tests.simulation.wire import Wire

COLUMNS = {"id": "int", "status": "text", "amount": "int", "note": "text"}
PIECE = 25
"""Versions that are brought in and folded at once: few, so that it is done again and again."""

HINTS = {name: ColumnHint(parse_logical_type(kind)) for name, kind in COLUMNS.items()}


class KilledError(BaseException):
    """The process was killed: nothing of it may clean up after itself."""


class Blow:
    """What kills a process: at once, or after some statements of any of its connections."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.dead = False

    def strike(self) -> None:
        """One more statement."""
        if self.left is not None:
            self.left -= 1
            self.dead = self.dead or self.left < 0
        if self.dead:
            raise KilledError


class Doomed:
    """A connection to the state's file that dies after some statements; then nothing gets through any more."""

    def __init__(self, connection: Any, blow: Blow) -> None:
        self._connection = connection
        self._blow = blow

    def execute(self, *statement: Any) -> Any:
        """One statement."""
        self._blow.strike()
        return self._connection.execute(*statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def doom(state: FeedState, blow: Blow) -> Doomed:
    """Have a blow kill a state's connection."""
    doomed = Doomed(state._db, blow)
    for part in (state, state.obligations, state.signs):
        setattr(part, "_db", doomed)  # noqa: B010 - it is no connection but for those who ask it nothing else
    return doomed


class CountingDecoder(Decoder):
    """The decoder, and how often it decodes a batch at once."""

    count: Callable[[], None]

    def versions(self, records: Sequence[Record], table: StreamTable) -> Versions | None:
        """See `auditor.feeds.decoder.Decoder.versions`."""
        found = super().versions(records, table)
        if found is not None:
            self.count()
        return found


class Process:
    """Follows one topic.

    Args:
        topic: What it follows.
        wire: How its records are written.
        clock: Its own.
        chance: Draws what comes first.
        directory: Where the state's file is; None: in memory, and it is never killed.
        duties: What its changes oblige replicas to.
        at_once: Records come side by side, as a broker's do, and are decoded so.
    """

    def __init__(
        self,
        topic: Topic,
        wire: Wire,
        clock: Clock,
        chance: Random,
        directory: Path | None,
        duties: Sequence[Duty] = (),
        *,
        at_once: bool = False,
    ) -> None:
        self._topic, self._wire, self._clock, self._chance, self._directory = topic, wire, clock, chance, directory
        self.duties, self._at_once = duties, at_once
        self.happened: Counter[str] = Counter()
        self.heartbeats: Callable[[], Any] | None = None
        self._lives = 0
        self.generation = 0
        self.start(Blow())

    def start(self, blow: Blow) -> None:
        """Begin, or go on where the last one was killed; a blow that several share kills all of them."""
        self.blow = blow
        self.state = FeedState(self._path(), memory_limit="100MB", threads=1, piece=PIECE)
        self.state.keep(self._topic.name, tuple(COLUMNS), ("id",))
        self.state.take_on(self.duties)
        self.doomed = doom(self.state, blow)
        self.open()

    def open(self) -> None:
        """Follow from where the state is: a new connection to the broker, and no memory of anything."""
        self.follower = self._follower()
        self.follower.begin()
        self.generation += 1
        columns = {self._topic.name: tuple(COLUMNS)}
        self.following = Following(self._topic.name, columns, lambda: self.follower, heartbeats=self.heartbeats)

    def _path(self) -> Path | None:
        return None if self._directory is None else self._directory / f"{self._topic.name}-{self._lives}.duckdb"

    def _follower(self) -> Follower:
        source = SimulatedSource(self._topic, self._chance, at_once=self._at_once)
        return Follower(self._topic.name, source, self.decoder(), self.state, self._clock)

    def decoder(self) -> Decoder:
        """A new one, which knows nothing of the records yet."""
        wire: Format | None = "confluent" if self._wire.form == "avro" else None
        options = DecodingOptions(wire, nulls_kept=True)
        decoder = CountingDecoder(options, self._wire.registry, {self._topic.name: HINTS})
        decoder.count = self._count_at_once
        return decoder

    def _count_at_once(self) -> None:
        self.happened["a batch decoded at once"] += 1

    @property
    def has_folded(self) -> bool:
        """Whether versions were folded: some are then known to be repetitions, and gone."""
        return self.state.cursor().execute("SELECT 1 FROM topics WHERE folded > 0").fetchone() is not None

    @property
    def has_missed(self) -> bool:
        """Whether the broker removed records before they were read."""
        return self.state.cursor().execute("SELECT 1 FROM gaps LIMIT 1").fetchone() is not None

    def read(self) -> None:
        """One batch."""
        self.follower.step(0.0)

    def kill(self, after: int | None) -> None:
        """Kill it within its next batch after some statements, or between two batches; then start it again."""
        if after is not None:
            self.blow.left = after
            try:
                self.follower.step(0.0)
                self.state.fold(self._topic.name)
            except (KilledError, PausedFeedError, RetentionGapError):
                pass  # the blow finds it wherever it is
        self.revive(Blow())

    def revive(self, blow: Blow) -> None:
        """Kill it, and start again from what it has left on disk."""
        self.blow.dead = True
        before = self._path()
        if before is None:
            raise TypeError("a state in memory does not outlive its process")
        self._lives += 1
        after = self._path()
        for suffix in ("", ".wal"):
            left = before.with_name(before.name + suffix)
            if left.exists():
                shutil.copy(left, f"{after}{suffix}")
        self.doomed.close()
        self.start(blow)

    def zombie(self) -> str | None:
        """Another process takes over, and the old one goes on with what it had read: it must not get through.

        Returns:
            What went wrong; empty where all is well, None where there was nothing to read.
        """
        old = self.follower
        records = old.source.poll(0.0)
        if not records:
            return None
        self.open()
        taken = {(record.topic, record.partition): record.offset for record in records}
        while any(self.follower.source.position(one) <= offset for one, offset in taken.items()):
            self.follower.step(0.0)
        try:
            old.apply(records)
        except FeedError:
            return ""
        return "a process that was no longer in charge wrote a batch"

    def close(self) -> None:
        """Let go of the state."""
        self.doomed.close()
