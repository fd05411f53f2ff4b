"""What a batch costs where very much is owed: new obligations, met ones, and those that are overdue."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, TypeVar

from auditor.feeds.bulk.columns import columns_of
from auditor.feeds.decoder import Decoder
from auditor.feeds.options import DecodingOptions
from auditor.feeds.record import Record
from auditor.feeds.schemas import RecordedSchemas
from benchmarks.events import COLUMNS, KEY, PARTITIONS, TOPIC, VALUE, Events
from reconcilers.streams.intake import Intake
from reconcilers.streams.obligations import Duty, Owed, Took
from reconcilers.streams.state import FeedState, Offset, Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MEDIAN_MAX = 0.1
"""Seconds for a batch."""

NEW = MET = 10_000
OVERDUE = 1_000
"""Obligations that become overdue with each batch."""

Result = TypeVar("Result")
_BEGAN = datetime(2026, 1, 31, tzinfo=UTC)
_DUTY = Duty("order", "replica", TOPIC, by_owner=True, key=("id",))


@dataclass(slots=True)
class Times:
    """Seconds of each batch, by the clock and of the processor."""

    walls: dict[str, list[float]] = field(default_factory=dict)
    busies: dict[str, list[float]] = field(default_factory=dict)

    def of(self, what: str, act: Callable[[], Result]) -> Result:
        """Do something and note how long it took."""
        start, busy = time.perf_counter(), _processor()
        result = act()
        self.walls.setdefault(what, []).append(time.perf_counter() - start)
        self.busies.setdefault(what, []).append(_processor() - busy)
        return result

    def median(self, what: str) -> str:
        """For people."""
        wall, busy = statistics.median(self.walls[what]), statistics.median(self.busies[what])
        return f"{wall * 1000:.0f} ms ({busy * 1000:.0f} ms of the processor)"


def measure(directory: Path, *, outstanding: int, batches: int) -> bool:
    """Batches of 10,000 new and 10,000 met obligations, with the overdue ones, onto many that are open."""
    with FeedState(directory / "obligations.duckdb") as state:
        state.keep(TOPIC, COLUMNS, ["id"])
        state.begin({(TOPIC, part): Offset(0, 0) for part in range(PARTITIONS)})
        state.take_on([_DUTY])
        _owe(state, outstanding)
        state.checkpoint()
        times = _Batches(state, keys=max(outstanding * 7 // 10, 1)).run(batches)
        number = state.obligations.number(_DUTY) or 0
        times.of("all", lambda: next(state.obligations.owed([number], None)))
        outstanding_now = state.obligations.count()
    whole = [sum(parts) for parts in zip(*(times.walls[one] for one in ("new", "met", "overdue")), strict=True)]
    busy = [sum(parts) for parts in zip(*(times.busies[one] for one in ("new", "met", "overdue")), strict=True)]
    middle: float = statistics.median(whole)
    print(f"\n## Obligations: {outstanding:,} open, {batches} batches of {NEW:,} new and {MET:,} met\n")
    print(
        f"  median {middle * 1000:.0f} ms ({statistics.median(busy) * 1000:.0f} ms of the processor), "
        f"at most {MEDIAN_MAX * 1000:.0f} {'ok' if middle <= MEDIAN_MAX else 'NOT MET'}; worst {max(whole):.2f} s"
    )
    print(f"  new, with their versions and offsets: {times.median('new')}; met: {times.median('met')}")
    print(f"  {OVERDUE:,} overdue: {times.median('overdue')}; the first 20,000 where all are: {times.median('all')}")
    print(f"  between polls: worst {max(times.walls['between']):.2f} s; {outstanding_now:,} open at the end")
    return middle <= MEDIAN_MAX


def _owe(state: FeedState, count: int) -> None:
    """Obligations as many batches have left them, a thousand a second, of seven keys for ten."""
    began = _BEGAN.replace(tzinfo=None).isoformat()
    state.cursor().execute(
        "INSERT INTO obligations SELECT 1, nextval('obligation_numbers'), -1 - range, 0, 0, "
        f"[((range * 7919) % {max(count * 7 // 10, 1)})::VARCHAR], TIMESTAMP '{began}', "
        f"TIMESTAMP '{began}' + INTERVAL (range) MILLISECOND FROM range({count})"
    )


class _Batches:
    """Batches onto one state."""

    def __init__(self, state: FeedState, keys: int) -> None:
        self._state = state
        self._events = Events(1, 2, keys)
        schemas = RecordedSchemas({"1": KEY, "2": VALUE})
        self._decoder = Decoder(DecodingOptions(wire="confluent"), schemas)
        self._offsets = [0] * PARTITIONS
        self._seq = 0

    def run(self, batches: int) -> Times:
        """All of them; what is read from a feed, and how it is decoded, is not timed."""
        times, state = Times(), self._state
        number = state.obligations.number(_DUTY) or 0
        for batch in range(batches):
            step, met = self._step(), self._met(batch)
            now = _BEGAN + timedelta(hours=1)
            took = Took(looked=now.replace(tzinfo=None), longest=60.0)
            until = (_BEGAN + timedelta(milliseconds=OVERDUE * (batch + 1))).replace(tzinfo=None)
            times.of("new", partial(state.apply, step))
            times.of("met", partial(state.settle, met, (), (), now, took))
            overdue = times.of("overdue", partial(self._overdue, number, until))
            times.of("between", partial(state.advance, ()))
            state.settle(overdue, (), (), now)  # they are drift, or were met late
        return times

    def _overdue(self, number: int, until: datetime) -> list[Owed]:
        """As many as are looked at together."""
        return next(self._state.obligations.owed([number], until), [])

    def _step(self) -> Step:
        records = []
        starts = list(self._offsets)
        for part, key, value in self._events.take(NEW):
            records.append(Record(TOPIC, part, self._offsets[part], 1_795_237_057_187, key, value))
            self._offsets[part] += 1
        table = self._state.tables[TOPIC]
        versions = self._decoder.versions(columns_of(records), table)
        if versions is None:
            raise RuntimeError("the events are not of the common kind")
        intake = Intake(table, self._state.epochs, _BEGAN + timedelta(hours=1))
        intake.take(self._seq, versions, {})
        self._seq += len(versions)
        moves = {(TOPIC, part): (starts[part], Offset(0, self._offsets[part])) for part in range(PARTITIONS)}
        return Step([intake], moves, seqs={TOPIC: self._seq})

    def _met(self, batch: int) -> list[Owed]:
        """Keys from the middle of what is owed, each with all that it owes."""
        first = self._state.obligations.count() // 2 + batch * MET
        rows = (
            self._state.cursor()
            .execute(
                "SELECT subject, key, min(seen), list(number) FROM obligations SEMI JOIN "
                f"(SELECT DISTINCT key FROM obligations WHERE number BETWEEN {first} AND {first + MET * 5 // 4}) "
                f"USING (key) GROUP BY subject, key ORDER BY min(number) LIMIT {MET}"
            )
            .fetchall()
        )
        return [Owed(subject, tuple(key), since, tuple(numbers)) for subject, key, since, numbers in rows]


def _processor() -> float:
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
