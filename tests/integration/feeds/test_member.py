"""Members of a group share a topic's partitions: nothing is lost and nothing is taken twice, whoever comes and goes."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from auditor.feeds.kafka.broker import Broker
from auditor.feeds.kafka.groups import committed_offsets
from auditor.feeds.kafka.member import KafkaMember
from tests.integration.feeds.following import read_until
from tests.services.deadline import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from auditor.feeds.ports import Partition
    from tests.services import Kafka

PARTITIONS = 6

MEMBERS_SECONDS = 120.0
"""For members to join and to read what is waited for, on a machine that has much else to do."""


class Effects:
    """What members did: each record's value, and the next offset of each partition, in one step, as a database would.

    A step is taken only where the partition stands where the batch begins; else somebody else has been there.
    """

    def __init__(self) -> None:
        self.offsets: dict[Partition, int] = {}
        self.applied: list[bytes] = []
        self.refused = 0
        self._lock = threading.Lock()

    def stored(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        with self._lock:
            return {partition: self.offsets[partition] for partition in partitions if partition in self.offsets}

    def take(self, member: KafkaMember) -> None:
        batches: dict[Partition, list[tuple[int, bytes]]] = {}
        for one in member.poll(0.1):
            batches.setdefault((one.topic, one.partition), []).append((one.offset, one.value or b""))
        with self._lock:
            for partition, batch in batches.items():
                if self.offsets.get(partition, 0) != batch[0][0]:
                    self.refused += 1
                    continue
                self.applied += [value for _, value in batch]
                self.offsets[partition] = batch[-1][0] + 1


class Worker:
    """A member that reads in a thread until it is told to stop."""

    def __init__(self, make: Callable[[], KafkaMember], effects: Effects) -> None:
        self.member = make()
        self._effects = effects
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            with self.member:
                while not self._stop.is_set():
                    self._effects.take(self.member)
        except BaseException as error:  # noqa: BLE001 - told by `stop`
            self._failure = error

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure


@pytest.fixture
def topic(kafka: Kafka) -> str:
    return kafka.fresh_topic("shared", PARTITIONS)


@pytest.fixture
def producing(kafka: Kafka, topic: str) -> Iterator[Callable[[int], None]]:
    """Sends the next so many records, over all partitions."""
    sent = 0
    with closing(kafka.producer()) as producer:

        def send(count: int) -> None:
            nonlocal sent
            for number in range(sent, sent + count):
                producer.send(topic, b"%d" % number, partition=number % PARTITIONS)
            sent += count
            producer.flush()

        yield send


def test_members_that_come_and_go_lose_nothing_and_double_nothing(
    kafka: Kafka, topic: str, producing: Callable[[int], None]
) -> None:
    effects = Effects()

    def member() -> KafkaMember:
        return KafkaMember(Broker("shop", (kafka.url,)), [topic], group_id="sharing", stored=effects.stored)

    def applied(count: int) -> None:
        wait_until(lambda: len(effects.applied) >= count, seconds=MEMBERS_SECONDS, what=f"{count} records")

    producing(3000)
    first = Worker(member, effects)
    applied(1000)
    second = Worker(member, effects)
    producing(3000)
    wait_until(
        lambda: len(first.member.partitions()) == len(second.member.partitions()) == PARTITIONS // 2,
        seconds=MEMBERS_SECONDS,
        what="both members having their share",
    )
    producing(3000)
    first.stop()
    producing(3000)
    applied(12_000)
    second.stop()
    assert sorted(map(int, effects.applied)) == list(range(12_000))
    assert effects.refused == 0


def test_a_broker_that_dies_under_a_member_costs_no_record_and_doubles_none(
    kafka: Kafka, topic: str, producing: Callable[[int], None]
) -> None:
    effects = Effects()
    producing(3000)
    worker = Worker(
        lambda: KafkaMember(Broker("shop", (kafka.url,)), [topic], group_id="crashed", stored=effects.stored), effects
    )
    wait_until(lambda: len(effects.applied) >= 500, seconds=MEMBERS_SECONDS, what="the first records")
    kafka.kill()
    kafka.launch()
    producing(3000)
    wait_until(lambda: len(effects.applied) >= 6000, seconds=60, what="all records")
    worker.stop()
    assert sorted(map(int, effects.applied)) == list(range(6000))


def test_where_to_begin_is_what_the_caller_stored_and_not_what_the_broker_was_told(
    kafka: Kafka, topic: str, producing: Callable[[int], None]
) -> None:
    producing(PARTITIONS * 10)
    broker = Broker("shop", (kafka.url,))
    with KafkaMember(broker, [topic], group_id="told", stored=lambda _: {}) as member:
        found = read_until(member, lambda found: len(found) == PARTITIONS * 10)
        assert {one.offset for one in found} == set(range(10))
        assert member.tell({(topic, number): 10 for number in range(PARTITIONS)})
    assert committed_offsets(broker, "told") == {(topic, number): 10 for number in range(PARTITIONS)}
    kept = {(topic, number): 7 for number in range(PARTITIONS - 1)}
    with KafkaMember(broker, [topic], group_id="told", stored=lambda _: kept) as member:
        found = read_until(member, lambda found: len(found) == 3 * (PARTITIONS - 1) + 10)
    assert {one.offset for one in found if one.partition < PARTITIONS - 1} == {7, 8, 9}


def test_a_partition_that_nobody_has_read_may_begin_at_its_end(
    kafka: Kafka, topic: str, producing: Callable[[int], None]
) -> None:
    producing(PARTITIONS)
    broker = Broker("shop", (kafka.url,))
    with KafkaMember(broker, [topic], group_id="late", stored=lambda _: {}, bootstrap_from="latest") as member:
        read_until(member, lambda _: len(member.partitions()) == PARTITIONS)
        producing(PARTITIONS)
        found = read_until(member, lambda found: len(found) == PARTITIONS)
    assert {one.offset for one in found} == {1}


def test_a_partition_that_began_at_its_end_stays_there_when_it_is_given_again(
    kafka: Kafka, topic: str, producing: Callable[[int], None]
) -> None:
    """Else what came between the two would be passed over, if nothing of it was stored yet."""
    producing(PARTITIONS)
    broker = Broker("shop", (kafka.url,))
    with KafkaMember(broker, [topic], group_id="again", stored=lambda _: {}, bootstrap_from="latest") as member:
        read_until(member, lambda _: len(member.partitions()) == PARTITIONS)
        producing(PARTITIONS)
        member._consumer._coordinator.request_rejoin()
        found = read_until(member, lambda found: len(found) == PARTITIONS)
        assert member._consumer.group_metadata().generation_id > 1, "they were given again"
    assert {one.offset for one in found} == {1}


def test_what_a_group_gives_is_taken_though_its_answer_comes_between_two_polls(kafka: Kafka, topic: str) -> None:
    """Each poll is over before the broker can have answered: joining goes on from one to the next, and ends."""
    with KafkaMember(Broker("shop", (kafka.url,)), [topic], group_id="hasty", stored=lambda _: {}) as member:

        def has(count: int) -> bool:
            member.poll(0)
            return len(member.partitions()) == count

        wait_until(lambda: has(PARTITIONS), seconds=MEMBERS_SECONDS, what="the member to have all partitions")
        kafka.add_partitions({topic: PARTITIONS + 1})
        wait_until(lambda: has(PARTITIONS + 1), seconds=MEMBERS_SECONDS, what="the member to have the new one, too")


def test_a_group_that_never_told_has_no_offsets(kafka: Kafka) -> None:
    assert committed_offsets(Broker("shop", (kafka.url,)), "nobody") == {}
