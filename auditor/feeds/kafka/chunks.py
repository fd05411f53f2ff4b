"""Records as brokers keep them, many together: a *chunk* is one batch of one producer.

kafka-python makes three objects of each record, which costs more than everything that is done with it afterwards.  Here
it still fetches, checks sums, and passes control records and what transactions took back; but it hands over whole
chunks, and their records are read side by side (`auditor.feeds.bulk`).  What is not as it is in nearly every chunk
(records with headers, old formats, anything that does not add up) kafka-python reads itself, and says what is wrong.
"""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING, Any

import kafka.errors as kafka_errors
import numpy as np
from kafka.consumer.fetcher import Fetcher, IsolationLevel

from auditor.feeds.bulk.columns import Payloads, RecordColumns
from auditor.feeds.bulk.cursor import MARGIN, Buffer, Cursor, IrregularError
from auditor.feeds.kafka.record_starts import record_starts
from auditor.feeds.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from auditor.feeds.bulk.cursor import Integers
    from auditor.feeds.ports import Partition

_MAGIC = 2
"""The format of batches since Kafka 0.11."""

_MORE = 0x80
"""The bit of a byte of an integer that says that another byte follows."""

_LOG_APPEND_TIME = 1
_MODERATE = 2**60


class Chunk:
    """One batch of the present format.

    Args:
        partition: Where it stands.
        batch: It, as kafka-python has it; nothing of it was read yet.
        first: Records before this offset are not meant: what is fetched may begin within a batch.
    """

    __slots__ = ("_batch", "_count", "base_offset", "epoch", "first", "octets", "partition", "stamp", "stamps_differ")

    def __init__(self, partition: Partition, batch: Any, first: int) -> None:
        self.partition, self._batch, self.first = partition, batch, first
        iter(batch)  # brings it out of its compression
        octets, begin = batch._buffer, batch._pos  # noqa: SLF001  it offers no other way
        self.octets = memoryview(octets)[begin:]
        """Its records, not copied."""
        self._count = int(batch.records_count)
        self.epoch = int(batch.leader_epoch)
        """Of the leader that wrote it."""
        self.base_offset = int(batch.base_offset)
        """What the offsets of its records are counted from."""
        self.stamps_differ = batch.timestamp_type != _LOG_APPEND_TIME
        """Whether each record has a time of its own."""
        self.stamp = int(batch.first_timestamp if self.stamps_differ else batch.max_timestamp)
        """What the times of its records are counted from; else the time of them all."""

    def __len__(self) -> int:
        return self._count

    def listed(self) -> list[Record]:
        """Its records, as kafka-python reads them.

        Raises:
            CorruptRecordError: They do not add up.
        """
        return list(dropwhile(lambda one: one.offset < self.first, map(self._record, self._batch)))

    def _record(self, one: Any) -> Record:
        return _listed(self.partition, one, self.epoch)


class ChunkedRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # untyped
    """What was fetched of a partition, handed over in chunks; else the same as its base, which hands over records."""

    next_fetch_offset: int

    def _maybe_skip_record(self, _: Chunk | list[Record]) -> bool:
        """A chunk leaves out itself what is before the offset that was asked for."""
        return False

    def _unpack_records(self, tp: Any, records: Any, *_: Any) -> Iterator[Chunk | list[Record]]:
        while (batch := records.next_batch()) is not None:
            if self.check_crcs and not batch.validate_crc():
                raise self._corrupt("batch", batch.base_offset)
            if batch.magic != _MAGIC:
                old = self._old((tp.topic, tp.partition), batch)
                if old:
                    self.next_fetch_offset = old[-1].offset + 1
                yield old
                continue
            self.leader_epoch = batch.leader_epoch
            self.next_fetch_offset = batch.next_offset
            if not self._is_passed(batch):
                yield Chunk((tp.topic, tp.partition), batch, self.fetch_offset)
        self.drain()

    def _is_passed(self, batch: Any) -> bool:
        """Whether it is a marker of a transaction, or what one took back; the same as the base does."""
        may_be = self.aborted_transactions or self.aborted_producer_ids  # nearly never: what is asked of all is dear
        if may_be and self.isolation_level == IsolationLevel.READ_COMMITTED and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)

    def _old(self, partition: Partition, batch: Any) -> list[Record]:
        found: list[Record] = []
        for one in batch:
            if self.check_crcs and not one.validate_crc():
                raise self._corrupt("record", one.offset)
            if one.offset >= self.fetch_offset:
                found.append(_listed(partition, one, -1))
        return found

    def _corrupt(self, what: str, offset: int) -> Exception:
        error: Exception = kafka_errors.CorruptRecordError(
            f"the sum of the {what} at {offset} of {self.topic_partition} is wrong"
        )
        return error


def _listed(partition: Partition, one: Any, epoch: int) -> Record:
    return Record(*partition, one.offset, one.timestamp, one.key, one.value, tuple(one.headers), epoch)


def hand_over_chunks(consumer: Any) -> None:
    """Have a consumer's `poll` bring chunks; `records_of` tells what is in them."""
    consumer._fetcher.PartitionRecords = ChunkedRecords  # noqa: SLF001  it offers no other way


def records_of(chunks: Sequence[Chunk | list[Record]]) -> dict[str, Sequence[Record]]:
    """What chunks hold, by topic, in their order.

    Raises:
        CorruptRecordError: Something of it does not add up.
    """
    by_topic: dict[str, list[Chunk | list[Record]]] = {}
    for chunk in chunks:
        if len(chunk):
            topic = chunk.partition[0] if isinstance(chunk, Chunk) else chunk[0].topic
            by_topic.setdefault(topic, []).append(chunk)
    found = {topic: _records(topic, several) for topic, several in by_topic.items()}
    return {topic: records for topic, records in found.items() if len(records)}


def _records(topic: str, chunks: Sequence[Chunk | list[Record]]) -> Sequence[Record]:
    present = [chunk for chunk in chunks if isinstance(chunk, Chunk)]
    if len(present) == len(chunks):
        try:
            return _side_by_side(topic, present)
        except IrregularError:
            pass
    return [one for chunk in chunks for one in (chunk.listed() if isinstance(chunk, Chunk) else chunk)]


def _side_by_side(topic: str, chunks: Sequence[Chunk]) -> RecordColumns:
    """Each field of all records in turn: attributes, time, offset, key, value, number of headers."""
    counts = np.fromiter(map(len, chunks), np.int64, len(chunks))

    def each(values: Sequence[int]) -> Integers:
        return np.repeat(np.array(values, np.int64), counts)

    lengths = np.fromiter((len(chunk.octets) for chunk in chunks), np.int64, len(chunks))
    ends = np.cumsum(lengths)
    octets = b"".join([*(chunk.octets for chunk in chunks), bytes(MARGIN)])
    starts = record_starts(octets, ends - lengths, ends, counts)
    content = np.frombuffer(octets, np.uint8)
    if (starts >= np.repeat(ends, counts)).any():
        raise IrregularError  # the sizes before lead beyond their chunk
    buffer = Buffer.within(content, starts, np.append(starts[1:], len(content) - MARGIN))
    cursor = Cursor(buffer, buffer.starts, buffer.ends)
    sizes = cursor.integers()
    if (cursor.at + sizes != buffer.ends).any():
        raise IrregularError
    if (content[cursor.skip(1)] >= _MORE).any():
        raise IrregularError  # no attribute is known
    later = np.where(each([chunk.stamps_differ for chunk in chunks]), _moderate(cursor.integers()), 0)
    stamps = later + _moderate(each([chunk.stamp for chunk in chunks]))
    places = cursor.integers()
    if (places < 0).any() or (np.diff(places)[np.diff(np.repeat(ends, counts)) == 0] <= 0).any():
        raise IrregularError  # offsets grow
    offsets = _moderate(places) + _moderate(each([chunk.base_offset for chunk in chunks]))
    keys, values = _payloads(cursor), _payloads(cursor)
    if (content[cursor.skip(1)] != 0).any():
        raise IrregularError  # headers
    cursor.finish()
    parts = each([chunk.partition[1] for chunk in chunks])
    epochs = each([chunk.epoch for chunk in chunks])
    found = RecordColumns(topic, parts, offsets, stamps, epochs, content, keys, values)
    meant = offsets >= each([chunk.first for chunk in chunks])
    return found if meant.all() else found.of(meant)


def _moderate(numbers: Integers) -> Integers:
    """Numbers that can be added up."""
    if (numbers > _MODERATE).any() or (numbers < -_MODERATE).any():
        raise IrregularError
    return numbers


def _payloads(cursor: Cursor) -> Payloads:
    lengths = cursor.integers()
    begins = cursor.skip(np.maximum(lengths, 0))
    return Payloads(begins, begins + np.maximum(lengths, -1))
