"""A recorded feed and Kafka behave alike: what reads one reads the other."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import pytest

from auditor.feeds.kafka.broker import Broker
from auditor.feeds.kafka.source import KafkaSource
from auditor.feeds.lag import lag
from auditor.feeds.record import Record
from auditor.feeds.record_text import record_line
from auditor.feeds.recorded import RecordedSource
from contracts.errors import FeedError, RetentionGapError
from tests.integration.feeds.following import read_to_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from auditor.feeds.ports import RecordSource
    from tests.services import Kafka

RECORDS = 60
KEPT = {"retention.ms": "-1"}  # their times are long ago


class Opens(Protocol):
    """Opens a source of these topics; `{}` in a name stands for what makes it one's own."""

    def __call__(self, *topics: str) -> RecordSource: ...


def _sent(orders: str, items: str) -> Iterator[Record]:
    for number in range(RECORDS):
        topic, partition = (orders, number % 3) if number % 2 else (items, 0)
        value = None if number % 7 == 0 else f"value {number}".encode() * (number % 5)
        yield Record(
            topic, partition, 0, 1_700_000_000_000 + number, b"%d" % number, value, (("h", b"\x00"), ("h", b"2"))
        )


def _with_offsets(records: Sequence[Record]) -> list[Record]:
    counts: dict[tuple[str, int], int] = {}
    placed = []
    for record in records:
        partition = record.topic, record.partition
        offset = counts.get(partition, 0)
        counts[partition] = offset + 1
        placed.append(
            Record(record.topic, record.partition, offset, record.timestamp, record.key, record.value, record.headers)
        )
    return placed


@pytest.fixture(scope="module")
def broker(kafka: Kafka) -> Broker:
    return Broker("shop", (kafka.url,))


@pytest.fixture(scope="module")
def names(kafka: Kafka) -> tuple[str, str]:
    orders, items = kafka.fresh_topic("orders", 3, KEPT), kafka.fresh_topic("items", settings=KEPT)
    with closing(kafka.producer()) as producer:
        for one in _sent(orders, items):
            producer.send(one.topic, one.value, one.key, list(one.headers), one.partition, one.timestamp)
        producer.flush()
    return orders, items


@pytest.fixture(scope="module")
def there(names: tuple[str, str]) -> list[Record]:
    """What both sources hold."""
    return _with_offsets(list(_sent(*names)))


@pytest.fixture(params=["kafka", "recorded"])
def opens(request: pytest.FixtureRequest, broker: Broker, there: list[Record], tmp_path: Path) -> Opens:
    if request.param == "kafka":
        return lambda *topics: KafkaSource(broker, topics)
    path = tmp_path / "records.jsonl"
    path.write_text("".join(map(record_line, there)))
    return lambda *topics: RecordedSource("shop", path, topics)


def _told(record: Record) -> tuple[object, ...]:
    return record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, record.headers


def _ordered(records: Sequence[Record]) -> list[tuple[object, ...]]:
    return sorted(map(_told, records), key=lambda one: one[:3])


def test_every_record_comes_once_with_its_bytes_headers_and_time(
    opens: Opens, names: tuple[str, str], there: list[Record]
) -> None:
    with closing(opens(*names)) as source:
        found = read_to_end(source)
        assert _ordered(found) == _ordered(there)
        assert source.poll(0.1) == []


def test_a_partitions_records_come_in_order_of_offset(opens: Opens, names: tuple[str, str]) -> None:
    with closing(opens(*names)) as source:
        found = read_to_end(source)
        for partition in source.partitions():
            offsets = [one.offset for one in found if (one.topic, one.partition) == partition]
            assert offsets == list(range(len(offsets)))


def test_only_the_topics_that_were_asked_for_are_read(
    opens: Opens, names: tuple[str, str], there: list[Record]
) -> None:
    orders, _ = names
    with closing(opens(orders)) as source:
        assert list(source.partitions()) == [(orders, 0), (orders, 1), (orders, 2)]
        assert _ordered(read_to_end(source)) == _ordered([one for one in there if one.topic == orders])


def test_reading_begins_at_the_first_offset_and_ends_behind_the_last(opens: Opens, names: tuple[str, str]) -> None:
    _, items = names
    with closing(opens(items)) as source:
        assert source.beginning([(items, 0)]) == {(items, 0): 0}
        assert source.end([(items, 0)]) == {(items, 0): RECORDS // 2}
        assert source.position((items, 0)) == 0
        read_to_end(source)
        assert source.position((items, 0)) == RECORDS // 2


def test_the_lag_is_what_is_left_to_read(opens: Opens, names: tuple[str, str]) -> None:
    orders, items = names
    with closing(opens(orders, items)) as source:
        whole = {(orders, 0): 10, (orders, 1): 10, (orders, 2): 10, (items, 0): 30}
        assert lag(source) == whole
        source.seek((items, 0), 28)
        assert lag(source) == whole | {(items, 0): 2}
        read_to_end(source)
        assert set(lag(source).values()) == {0}


def test_seeking_reads_on_from_there_and_again(opens: Opens, names: tuple[str, str]) -> None:
    _, items = names
    with closing(opens(items)) as source:
        for wanted in (12, 3, 29, 30, 0):
            source.seek((items, 0), wanted)
            assert source.position((items, 0)) == wanted
            assert [one.offset for one in read_to_end(source)] == list(range(wanted, RECORDS // 2))


def test_an_offset_after_the_end_is_a_gap_and_moves_nothing(opens: Opens, names: tuple[str, str]) -> None:
    _, items = names
    with closing(opens(items)) as source:
        source.seek((items, 0), 31)
        for _ in range(2):
            with pytest.raises(RetentionGapError, match=r"@31 is not there yet; it has offsets 0 to 29") as error:
                source.poll(10)
            assert (error.value.wanted, error.value.beginning, error.value.end) == (31, 0, 30)
            assert source.position((items, 0)) == 31
        source.seek((items, 0), 28)
        assert [one.offset for one in read_to_end(source)] == [28, 29]


def test_a_topic_that_is_not_there_is_told_with_what_it_may_have_been(opens: Opens, names: tuple[str, str]) -> None:
    _, items = names
    with pytest.raises(FeedError, match=rf"did you mean '{items}'"):
        opens(items.upper())
