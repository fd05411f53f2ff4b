"""Throws mutated records at the way that reads many records at once, and holds it to the way that reads one by one.

A mutated record stands in a batch with a good one.  What the batch decoder takes must give the same versions, to the
last byte, as its records do; what is poison record by record must make it refuse the batch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from auditor.feeds.bulk import plans
from auditor.feeds.decoded import Aside, Poison
from auditor.feeds.decoder import Decoder
from auditor.feeds.options import DecodingOptions
from contracts.errors import FeedError
from reconcilers.streams.epochs import Epochs
from reconcilers.streams.intake import Intake
from reconcilers.streams.passes import Passes
from reconcilers.streams.table import StreamTable
from tests.fixtures.debezium_sets import NAMES, DebeziumSet
from tests.fuzz.mutation import mutated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.feeds.decoded import Decoded
    from auditor.feeds.record import Record
    from reconcilers.streams.versions import Versions

SEEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
COLUMNS_MAX = 6


@dataclass
class BatchOutcome:
    """What an attack came to.

    Attributes:
        records: Thrown.
        at_once: Of them, read at once.
        poison: Of them, poison record by record.
        failures: What must not be, with seed and number.
    """

    records: int
    at_once: int
    poison: int
    failures: list[str]


@dataclass(frozen=True)
class _Target:
    """Records of one topic and schema, which are read at once."""

    name: str
    decoder: Decoder
    table: StreamTable
    records: Sequence[Record]


@cache
def _targets() -> tuple[_Target, ...]:
    return tuple(target for name in NAMES for target in _of_set(name))


def _of_set(name: str) -> list[_Target]:
    recorded = DebeziumSet(name)
    decoder = Decoder(DecodingOptions(wire="confluent", modes=recorded.modes), recorded.schemas, recorded.hints())
    decoded = decoder.decode(recorded.records)  # it knows what each topic's records are
    groups: dict[tuple[str, bytes, bytes], list[tuple[Record, Decoded]]] = defaultdict(list)
    for record, told in zip(recorded.records, decoded, strict=True):
        if record.key and record.value and not isinstance(told, Aside | Poison):
            groups[record.topic, record.key[:5], record.value[:5]].append((record, told))
    found = []
    for (topic, _, _), group in groups.items():
        table = _table(topic, [told for _, told in group])
        whole = [record for record, _ in group if _at_once(decoder, [record], table) is not None]
        if whole:
            found.append(_Target(f"{name} {topic}", decoder, table, whole))
    return found


def _table(topic: str, told: Sequence[Decoded]) -> StreamTable:
    rows = [one.row for one in told if not isinstance(one, Aside | Poison)]
    names = dict.fromkeys(name for row in rows for name in row)
    return StreamTable(1, topic, tuple(names)[:COLUMNS_MAX], tuple(names)[:1])


def _at_once(decoder: Decoder, records: Sequence[Record], table: StreamTable) -> Versions | None:
    before, plans.RECORDS_MIN = plans.RECORDS_MIN, 1
    try:
        return decoder.versions(records, table)
    finally:
        plans.RECORDS_MIN = before


def attack_batches(records: int, seed: int) -> BatchOutcome:
    """Read so many mutated records in batches; the same seed gives the same ones."""
    random, outcome, targets = Random(seed), BatchOutcome(records, 0, 0, []), _targets()
    for number in range(records):
        target = targets[random.randrange(len(targets))]
        victim = mutated(random.choice(target.records), random.choice(target.records), random)
        batch = [victim, random.choice(target.records)]
        random.shuffle(batch)
        try:
            failure = _differs(target, batch, victim, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
            failure = f"raised {error!r}"
        if failure:
            outcome.failures.append(f"seed {seed}, record {number}, of {target.name}: {failure}")
    return outcome


def _differs(target: _Target, batch: Sequence[Record], victim: Record, outcome: BatchOutcome) -> str:
    versions = _at_once(target.decoder, batch, target.table)
    decoded = target.decoder.decode(batch)
    outcome.poison += any(isinstance(one, Poison) and one.record is victim for one in decoded)
    if versions is None:
        return ""
    outcome.at_once += 1
    if any(isinstance(one, Poison) for one in decoded):
        return "what is poison was read at once"
    return _same(target.table, batch, versions, decoded)


def _same(table: StreamTable, batch: Sequence[Record], versions: Versions, decoded: Sequence[Decoded]) -> str:
    together, single = Intake(table, Epochs(), SEEN), Intake(table, Epochs(), SEEN)
    passes = Passes(table.topic, [])
    numbers = {row: passes.number_of(mark, int(versions.stamps[row])) for row, mark in versions.snapshots}
    together.take(0, versions, numbers)
    passes, seq = Passes(table.topic, []), 0
    for record, one in zip(batch, decoded, strict=True):
        if isinstance(one, Aside | Poison):
            continue
        stamp = record.timestamp if one.told_at is None else one.told_at
        number = passes.number_of(one.snapshot, stamp)
        try:
            single.add(seq, one, stamp=stamp, snapshot=number)
        except FeedError as error:
            return f"what is refused was read at once: {error}"
        seq += 1
    if single.truncations or together.kept != single.kept or together.epochs != single.epochs:
        return "something beside the versions differs"
    last = {record.partition: number for number, record in enumerate(batch)}
    if dict(versions.last) != last or versions.counts != Counter(record.partition for record in batch):
        return "the last records differ, or how many there are"
    return "" if together.arrow().combine_chunks().equals(single.arrow().combine_chunks()) else "the versions differ"
