"""Records that are read many together are those that kafka-python reads one by one, whatever the batches hold."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from crc32c import crc32c
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kafka.consumer.fetcher import Fetcher, IsolationLevel
from kafka.errors import CorruptRecordError
from kafka.protocol.consumer import FetchResponse
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.structs import TopicPartition

from auditor.feeds.bulk.columns import RecordColumns, columns_of
from auditor.feeds.kafka.chunks import ChunkedRecords, records_of
from auditor.feeds.record import Record

PLACE = TopicPartition("shop.orders", 3)
NOT_COMPRESSED, GZIP = 0, 1
APPEND_TIME, CONTROL = 0x08, 0x20
ATTRIBUTES = DefaultRecordBatch.ATTRIBUTES_OFFSET
payloads = st.one_of(st.none(), st.binary(max_size=200))
headers = st.lists(st.tuples(st.text(max_size=5), st.one_of(st.none(), st.binary(max_size=5))), max_size=2)
events = st.tuples(st.integers(0, 3), st.integers(0, 2**41), payloads, payloads)
batches = st.fixed_dictionaries(
    {
        "events": st.lists(events, min_size=1, max_size=8),
        "headers": st.one_of(st.just([]), headers),
        "compression": st.sampled_from([NOT_COMPRESSED, GZIP]),
        "attributes": st.sampled_from([0, 0, APPEND_TIME]),
        "producer": st.sampled_from([-1, -1, 7, 8]),
        "marker": st.sampled_from([None, None, 0, 1]),
    }
)


def written(drawn: list[dict[str, Any]]) -> bytes:
    """Batches behind each other, each beginning behind some offsets that were compacted away."""
    octets, offset = b"", 5
    for one in drawn:
        transactional = one["producer"] >= 0
        builder = DefaultRecordBatchBuilder(
            2, one["compression"], transactional, one["producer"], 0 if transactional else -1,
            0 if transactional else -1, 1_000_000,
        )  # fmt: skip
        start, attributes = offset, one["attributes"]
        if transactional and one["marker"] is not None:
            attributes |= CONTROL
            builder.append(0, 1, struct.pack(">hh", 0, one["marker"]), b"", [])
            offset += 1
        else:
            for gap, stamp, key, value in one["events"]:
                offset += gap
                builder.append(offset - start, stamp, key, value, one["headers"])
                offset += 1
        octets += sealed(bytes(builder.build()), start, attributes)
    return octets


def sealed(batch: bytes, offset: int, attributes: int = 0) -> bytes:
    """A batch at an offset, with attributes set and its sum made anew."""
    content = bytearray(batch)
    struct.pack_into(">q", content, 0, offset)
    (known,) = struct.unpack_from(">h", content, ATTRIBUTES)
    struct.pack_into(">h", content, ATTRIBUTES, known | attributes)
    struct.pack_into(">I", content, DefaultRecordBatch.CRC_OFFSET, crc32c(bytes(content[ATTRIBUTES:])))
    return bytes(content)


def aborted(producer: int, first: int) -> Any:
    partition = FetchResponse.FetchableTopicResponse.PartitionData
    return partition.AbortedTransaction(producer_id=producer, first_offset=first)


def opened(kind: Any, octets: bytes, start: int, taken_back: list[tuple[int, int]], level: IsolationLevel) -> Any:
    return kind(
        start, PLACE, MemoryRecords(octets), isolation_level=level,
        aborted_transactions=[aborted(*one) for one in taken_back],
    )  # fmt: skip


def one_by_one(part: Any) -> list[Record]:
    return [
        Record(
            PLACE.topic,
            PLACE.partition,
            one.offset,
            one.timestamp,
            one.key,
            one.value,
            tuple(one.headers),
            one.leader_epoch,
        )
        for one in part.record_iterator
    ]


def together(part: Any) -> list[Record]:
    return [one for records in records_of(part.take()).values() for one in records]


@settings(max_examples=150)
@given(
    st.lists(batches, min_size=1, max_size=5),
    st.integers(0, 40),
    st.lists(st.tuples(st.sampled_from([7, 8]), st.integers(0, 30)), max_size=2),
    st.sampled_from(list(IsolationLevel)),
)
def test_chunks_hold_what_kafka_python_reads_and_end_where_it_ends(
    drawn: list[dict[str, Any]], start: int, taken_back: list[tuple[int, int]], level: IsolationLevel
) -> None:
    octets = written(drawn)
    theirs = opened(Fetcher.PartitionRecords, octets, start, taken_back, level)
    ours = opened(ChunkedRecords, octets, start, taken_back, level)
    assert together(ours) == one_by_one(theirs)
    assert ours.next_fetch_offset == theirs.next_fetch_offset
    assert bool(ours) == bool(theirs)


BEYOND = {
    "events": [(0, 65, bytes(2), bytes(5)), (0, 0, None, bytes(2)), (0, 0, b"\0", b"\0")],
    "headers": [("", None), ("00", b"\0")], "compression": NOT_COMPRESSED, "attributes": 0, "producer": -1,
    "marker": None,
}  # fmt: skip
"""Of these, a size that is changed leads the next record behind the end of all."""


@settings(max_examples=300)
@example(BEYOND, 76, 242)
@given(batches, st.integers(0, 400), st.integers(0, 255))
def test_what_does_not_add_up_is_refused_as_kafka_python_refuses_it(
    drawn: dict[str, Any], place: int, octet: int
) -> None:
    content = bytearray(written([{**drawn, "compression": NOT_COMPRESSED, "producer": -1}]))
    at = DefaultRecordBatch.HEADER_STRUCT.size + place % (len(content) - DefaultRecordBatch.HEADER_STRUCT.size)
    content[at] = octet
    octets = sealed(bytes(content), 5)
    part = opened(ChunkedRecords, octets, 0, [], IsolationLevel.READ_COMMITTED)
    try:
        expected = one_by_one(opened(Fetcher.PartitionRecords, octets, 0, [], IsolationLevel.READ_COMMITTED))
    except CorruptRecordError:
        with pytest.raises(CorruptRecordError):
            together(part)
    else:
        assert together(part) == expected


def test_a_damaged_batch_is_refused() -> None:
    content = bytearray(written([{"events": [(0, 1, b"k", b"v")], "headers": [], "compression": 0, "attributes": 0,
                                  "producer": -1, "marker": None}]))  # fmt: skip
    content[-2] ^= 1
    with pytest.raises(CorruptRecordError, match="sum"):
        opened(ChunkedRecords, bytes(content), 0, [], IsolationLevel.READ_COMMITTED).take()


def test_a_record_that_does_not_add_up_is_refused() -> None:
    batch = written([{"events": [(0, 1, b"k", b"v")], "headers": [], "compression": 0, "attributes": 0,
                      "producer": -1, "marker": None}])  # fmt: skip
    content = bytearray(batch)
    content[DefaultRecordBatch.HEADER_STRUCT.size] += 2
    part = opened(ChunkedRecords, sealed(bytes(content), 5), 0, [], IsolationLevel.READ_COMMITTED)
    with pytest.raises(CorruptRecordError):
        together(part)


@pytest.mark.parametrize("magic", [0, 1])
def test_old_formats_are_read_by_kafka_python(magic: int) -> None:
    builder = MemoryRecordsBuilder(magic, NOT_COMPRESSED, 1_000_000)
    for number in range(4):
        builder.append(1000 + number, b"%d" % number, None)
    builder.close()
    octets = bytes(builder.buffer())
    level = IsolationLevel.READ_COMMITTED
    ours = opened(ChunkedRecords, octets, 2, [], level)
    expected = one_by_one(opened(Fetcher.PartitionRecords, octets, 2, [], level))
    assert [one.offset for one in expected] == [2, 3]
    assert together(ours) == expected
    assert ours.next_fetch_offset == 4


@given(st.lists(events, min_size=1, max_size=8))
def test_records_side_by_side_are_the_same_records(drawn: list[tuple[int, int, bytes | None, bytes | None]]) -> None:
    records = [Record("t", part, index, stamp, key, value, (), -1) for index, (part, stamp, key, value) in
               enumerate(drawn)]  # fmt: skip
    columns = columns_of(records)
    assert isinstance(columns, RecordColumns)
    assert list(columns) == records
    assert columns[-1] == records[-1]
    assert columns[1:] == records[1:]
