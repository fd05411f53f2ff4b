"""Records a feed: its records into a file, and the schemas that they name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from auditor.feeds.gap import partition_text
from auditor.feeds.record_text import record_line
from auditor.feeds.schemas import UnknownSchemaError
from auditor.feeds.shape import BadValueError
from auditor.feeds.whole_schema import whole_schema
from auditor.feeds.wire import Naming, split
from contracts.errors import FeedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from auditor.feeds.ports import Partition, RecordSource
    from auditor.feeds.record import Record
    from auditor.feeds.schemas import SchemaSource
    from auditor.feeds.wire import Format, Role, SchemaName

POLL_SECONDS = 1.0
"""How long one poll waits: so long an end that is reached meanwhile is not noticed."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is recorded.

    Attributes:
        start: The offset to begin at in every partition; None for its first.
        to_end: Only up to where the partitions end when recording begins.
        max_records: No more than this; None for all.
        seconds: No longer than this; None for as long as it takes.
    """

    start: int | None = None
    to_end: bool = True
    max_records: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Recorded:
    """What was recorded.

    Attributes:
        records: How many, by partition.
        behind: Partitions whose end was not reached, with how many offsets are left.
        notes: What whoever uses the recording has to know.
    """

    records: Counter[Partition] = field(default_factory=Counter)
    behind: dict[Partition, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class SchemaCollector:
    """Finds the schemas that records name.

    Args:
        wire: How records name them.
        schemas: Who knows them.
    """

    def __init__(self, wire: Format | None, schemas: SchemaSource) -> None:
        self._wire = wire
        self._schemas = schemas
        self._seen: set[SchemaName] = set()
        self.definitions: dict[str, Any] = {}
        self.notes: list[str] = []

    def add(self, record: Record) -> None:
        """Look up what the record's key and value name; records that cannot be understood name nothing."""
        self._add(record.key, record, "key")
        self._add(record.value, record, "value")

    def _add(self, payload: bytes | None, record: Record, role: Role) -> None:
        if payload is None:
            return
        try:
            name = split(payload, record.headers, role, self._wire).schema
        except BadValueError:
            return  # poison, in a recording as at the broker
        if name is not None and name not in self._seen:
            self._seen.add(name)
            self._look_up(name)

    def _look_up(self, name: SchemaName) -> None:
        try:
            schema = self._schemas.schema(name)
        except UnknownSchemaError as error:
            self.notes.append(str(error))
            return
        if schema.language != "AVRO" or name.naming is Naming.GUID:
            self.notes.append(f"the schema with {name} is left out: a recording holds Avro schemas, by id")
            return
        self.definitions[name.text] = whole_schema(schema)


def record_feed(
    source: RecordSource, stream: TextIO, extent: Extent, collector: SchemaCollector | None, now: Callable[[], float]
) -> Recorded:
    """Write the records of a source.

    Args:
        source: What to record; all its partitions.
        stream: Where the lines go.
        extent: How much.
        collector: Looks their schemas up; None for a feed without a registry.
        now: Seconds of a clock that only grows.

    Raises:
        FeedError: The source cannot be read on, or has nothing.
    """
    partitions = source.partitions()
    end = source.end(partitions)
    if extent.start is not None:
        _begin(source, extent.start, end)
    recorded = Recorded()
    until = None if extent.seconds is None else now() + extent.seconds
    while not _is_done(source, end, recorded, extent, until, now()):
        wait = POLL_SECONDS if until is None else min(POLL_SECONDS, max(until - now(), 0))
        left = None if extent.max_records is None else extent.max_records - recorded.records.total()
        for record in _wanted(source.poll(wait), end if extent.to_end else {}, left):
            stream.write(record_line(record))
            recorded.records[record.topic, record.partition] += 1
            if collector is not None:
                collector.add(record)
    if extent.to_end:
        recorded.behind = {
            one: end[one] - source.position(one) for one in partitions if source.position(one) < end[one]
        }
    if collector is not None:
        recorded.notes += collector.notes
    if not recorded.records:
        topics = ", ".join(sorted({topic for topic, _ in partitions}))
        raise FeedError(f"recording {topics}: no record came, so nothing is written", hint="look whether it has any")
    return recorded


def _begin(source: RecordSource, start: int, end: Mapping[Partition, int]) -> None:
    """Begin every partition at an offset; those that end before it have nothing to record yet."""
    if start > max(end.values(), default=0):
        ends = ", ".join(f"{partition_text(partition)} at {offset}" for partition, offset in sorted(end.items()))
        raise FeedError(f"recording from offset {start}: everything ends before it: {ends}", hint="begin earlier")
    for partition, offset in end.items():
        source.seek(partition, min(start, offset))


def _is_done(
    source: RecordSource,
    end: Mapping[Partition, int],
    recorded: Recorded,
    extent: Extent,
    until: float | None,
    now: float,
) -> bool:
    if until is not None and now >= until:
        return True
    if extent.max_records is not None and recorded.records.total() >= extent.max_records:
        return True
    return extent.to_end and all(source.position(partition) >= offset for partition, offset in end.items())


def _wanted(records: Sequence[Record], end: Mapping[Partition, int], left: int | None) -> Sequence[Record]:
    """Those before the end, and no more than are left to take."""
    before = [one for one in records if one.offset < end.get((one.topic, one.partition), one.offset + 1)]
    return before if left is None else before[:left]
