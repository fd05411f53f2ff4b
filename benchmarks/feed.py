"""Following a topic on a real broker, beside what others do with its records; and what a batch costs at many keys."""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import closing
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING

from auditor.feeds.bulk.columns import columns_of
from auditor.feeds.decoder import Decoder
from auditor.feeds.follower import Follower
from auditor.feeds.options import DecodingOptions
from auditor.feeds.polled import Polled
from auditor.feeds.process_memory import let_go
from auditor.feeds.record import Record
from auditor.feeds.schemas import RecordedSchemas
from benchmarks import rival
from benchmarks.events import COLUMNS, KEY, PARTITIONS, TOPIC, VALUE, Events
from benchmarks.process import Contender, in_turn, median
from reconcilers.streams.fold import HASH
from reconcilers.streams.state import MEMORY_LIMIT, FeedState
from reconcilers.streams.table import ORDERING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditor.feeds.ports import Partition
    from benchmarks.process import Run
    from reconcilers.streams.table import StreamTable
    from tests.services import Kafka, SchemaRegistry

CPU_SHARE_MAX = 1 / 5
"""Of the others' processor time an event that ours may take."""

PEAK_MAX_MIB = 400
BATCH = 20_000
BATCH_MEDIAN_MAX, BATCH_WORST_MAX = 0.1, 1.0
"""Seconds for a batch, with the folds and the checkpoints that fall into it."""

_BLOCK_BYTES = 262_144
_SCANNED_AT_ONCE = 100_000
_KEY_ID, _VALUE_ID = 1, 2
_RIVALS = Path(__file__).parent / "rivals"


def compare(kafka: Kafka, registry: SchemaRegistry, directory: Path, *, events: int, rounds: int) -> bool:
    """From the broker to what is kept: whole processes, start-up included."""
    size = produce(kafka, registry, events, TOPIC)
    runs = in_turn(_contenders(kafka, registry, directory, events), directory, rounds=rounds)
    print(f"\n## Feed: {events:,} events of {size:.0f} bytes, {PARTITIONS} partitions\n")
    print(f"{'':28} {'CPU µs/event':>13} {'events/s':>9} {'MiB':>6}")
    for name, several in runs.items():
        peak, speed = median(several, "peak"), events / median(several, "wall")
        print(f"{name:28} {_micros(several, events):13.1f} {speed:9,.0f} {peak:6.0f}")
    ours = _micros(runs["audit"], events)
    met = True
    for name in [name for name in runs if name != "audit"]:
        share = ours / _micros(runs[name], events)
        met &= share <= CPU_SHARE_MAX
        print(f"  {share:.2f} of the processor of {name}; at most {CPU_SHARE_MAX} {_mark(met=share <= CPU_SHARE_MAX)}")
    peak = median(runs["audit"], "peak")
    print(f"  {peak:.0f} MiB; at most {PEAK_MAX_MIB} {_mark(met=peak <= PEAK_MAX_MIB)}")
    return met and peak <= PEAK_MAX_MIB


def produce(kafka: Kafka, registry: SchemaRegistry, events: int, topic: str) -> float:
    """Fill a topic once; returns the mean size of an event."""
    kafka.create_topic(topic, PARTITIONS)
    source = Events(
        registry.register(f"{topic}-key", KEY), registry.register(f"{topic}-value", VALUE), keys=max(events // 4, 1)
    )
    size = 0
    with closing(kafka.producer(linger_ms=50, batch_size=256 * 1024)) as producer:
        for partition, key, value in source.take(events):
            producer.send(topic, key=key, value=value, partition=partition)
            size += len(key) + len(value)
        producer.flush()
    return size / events


def _contenders(kafka: Kafka, registry: SchemaRegistry, directory: Path, events: int) -> list[Contender]:
    confluent = rival.environment("confluent", rival.CONFLUENT) / "python"
    quixstreams = rival.environment("quixstreams", rival.QUIXSTREAMS) / "python"
    place, count = (kafka.url, registry.url, TOPIC), str(events)
    fresh = _Fresh(directory)
    return [
        Contender("audit", [sys.executable, "-m", "benchmarks.feed_follow", *place, fresh.path], (0,), before=fresh),
        Contender("confluent-kafka, dicts", [str(confluent), str(_RIVALS / "confluent_loop.py"), *place, count], (0,)),
        Contender(
            "quixstreams, upsert", [str(quixstreams), str(_RIVALS / "quix_upsert.py"), *place, count, fresh.path], (0,),
            before=fresh,
        ),
    ]  # fmt: skip


class _Fresh:
    """An empty directory for each run."""

    def __init__(self, parent: Path) -> None:
        self._directory = parent / "state"
        self.path = str(self._directory)

    def __call__(self) -> None:
        import shutil

        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()


def _micros(runs: Sequence[Run], events: int) -> float:
    return median(runs, "cpu") / events * 1e6


def batches(directory: Path, *, keys: int, events: int) -> bool:
    """Batches of 20,000 onto a state that knows many keys: each one's time, and how long the file grows."""
    path = directory / "batches.duckdb"
    source = Events(_KEY_ID, _VALUE_ID, keys)
    with FeedState(path) as state:
        table = state.keep(TOPIC, COLUMNS, ["id"])
        _know(state, table, keys)
        state.checkpoint()
        before = path.stat().st_size
        follower = Follower("feed", _Nowhere(), _decoder(), state)  # type: ignore[arg-type]
        follower.begin()
        walls, busies = _applied(follower, source, events)
        state.fold(TOPIC)
        state.checkpoint()
        size, kept, free = path.stat().st_size, _kept(state, table), _free(state)
        head, plain = _scans(state, table)
    middle, worst = statistics.median(walls), max(walls)
    print(f"\n## Batches of {BATCH:,} at {keys:,} known keys, {events:,} events\n")
    at_most = BATCH_MEDIAN_MAX * 1000
    print(f"  median {middle * 1000:.0f} ms, at most {at_most:.0f} {_mark(met=middle <= BATCH_MEDIAN_MAX)}")
    print(f"  worst {worst:.2f} s, at most {BATCH_WORST_MAX} {_mark(met=worst <= BATCH_WORST_MAX)}")
    print(
        f"  of the processor: median {statistics.median(busies) * 1000:.0f} ms, worst {max(busies):.2f} s, "
        f"{sum(busies) / events * 1e6:.1f} µs an event, decoding and folds included"
    )
    print(
        f"  the file: {before / 1e6:.0f} MB before, {size / 1e6:.0f} MB after; in it {', '.join(kept)}; {free:.0%} free"
    )
    print(f"  a scan of what every key holds: {head:.1f} s of the processor, {plain:.1f} s if it were a plain table")
    return middle <= BATCH_MEDIAN_MAX and worst <= BATCH_WORST_MAX


def _kept(state: FeedState, table: StreamTable) -> list[str]:
    """What is kept, with its bytes a row."""
    told = []
    for name, what in ((table.stored, "versions"), (table.latest, "latest"), (table.past, "past")):
        info = f"SELECT count(DISTINCT block_id) FROM pragma_storage_info('{name}') WHERE persistent"
        rows, blocks = _one(state, f"SELECT count(*), ({info}) FROM {name}")
        told.append(f"{rows:,} {what} of {blocks * _BLOCK_BYTES / max(rows, 1):.0f} bytes")
    return told


def _free(state: FeedState) -> float:
    """The share of the file that is free for what comes."""
    free, total = _one(state, "SELECT free_blocks, total_blocks FROM pragma_database_size()")
    return free / max(total, 1)


def _one(state: FeedState, sql: str) -> tuple[int, int]:
    row = state.cursor().execute(sql).fetchone()
    return (int(row[0]), int(row[1])) if row is not None else (0, 0)


def _scans(state: FeedState, table: StreamTable) -> tuple[float, float]:
    """Seconds of the processor for reading the head, and for reading the same rows from a table that has no others."""
    cursor, parts = state.cursor(), state.head_parts(TOPIC)
    cursor.execute("SET memory_limit = '1GB'")  # to make the other table, which no follower ever makes
    cursor.execute(f"CREATE TABLE plain AS {parts[0]}")
    for part in parts[1:]:
        cursor.execute(f"INSERT INTO plain {part}")
    state.checkpoint()
    cursor.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    cells, found = ", ".join(table.cells), []
    for some in ([f"({part})" for part in parts], ["plain"]):
        start = _processor()
        for source in some:
            for _ in cursor.execute(f"SELECT {cells} FROM {source}").to_arrow_reader(_SCANNED_AT_ONCE):
                pass
        found.append(_processor() - start)
    return found[0], found[1]


def _know(state: FeedState, table: StreamTable, keys: int) -> None:
    """Versions as a snapshot leaves them, each the latest of its key."""
    state.cursor().execute(
        f"INSERT INTO {table.stored} BY NAME SELECT range - {keys} AS seq, 0 AS part, 0 AS off, 2 AS kind, "
        """'["' || range || '"]' AS id, -1 AS epoch, 0 AS p0, 0 AS p1, 0 AS p2, 1 AS snapshot, 0 AS stamp, """
        "TIMESTAMP '2026-01-31' AS committed, '700' AS tx, '5/0' AS place, TIMESTAMP '2026-01-31' AS seen, "
        "range::VARCHAR AS c0, '17' AS c1, 'new' AS c2, '12.50' AS c3, 'note of ' || range AS c4, 'true' AS c5, "
        "'2026-01-31T12:00:00' AS c6 "
        f"FROM range({keys})"
    )
    names = ", ".join([HASH, *ORDERING])
    state.cursor().execute(f"INSERT INTO {table.latest} SELECT {names} FROM {table.versions}")


def _applied(follower: Follower, source: Events, events: int) -> tuple[list[float], list[float]]:
    """Seconds of each batch, by the clock and of the processor, with all that it has to wait for."""
    walls: list[float] = []
    busies: list[float] = []
    offsets = [0] * PARTITIONS
    for _ in range(events // BATCH):
        records = []
        for partition, key, value in source.take(BATCH):
            records.append(Record(TOPIC, partition, offsets[partition], 1_795_237_057_187, key, value))
            offsets[partition] += 1
        polled = Polled({TOPIC: columns_of(records)})  # as a poll of a broker brings them
        start, busy = time.perf_counter(), _processor()
        topics = follower.apply(polled)
        let_go()
        follower.state.advance(topics)  # as each step of the follower does
        walls.append(time.perf_counter() - start)
        busies.append(_processor() - busy)
    return walls, busies


def _decoder() -> Decoder:
    return Decoder(DecodingOptions(wire="confluent"), RecordedSchemas({str(_KEY_ID): KEY, str(_VALUE_ID): VALUE}))


class _Nowhere:
    """A source that says where its partitions begin; the records are handed over without it."""

    def partitions(self) -> Sequence[Partition]:
        return [(TOPIC, part) for part in range(PARTITIONS)]

    def beginning(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        return dict.fromkeys(partitions, 0)

    def end(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        return dict.fromkeys(partitions, 0)

    def seek(self, partition: Partition, offset: int) -> None:
        pass


def _processor() -> float:
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _mark(*, met: bool) -> str:
    return "ok" if met else "NOT MET"
