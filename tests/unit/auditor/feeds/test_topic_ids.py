"""Which topic a name stands for: another one of the name is noticed, and a broker that knows nothing is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from kafka.cluster import ClusterMetadata

from auditor.feeds.kafka.broker import Broker
from auditor.feeds.kafka.topic_ids import TopicIds
from auditor.settings import KafkaFeed
from contracts.errors import RemadeTopicError

if TYPE_CHECKING:
    from collections.abc import Callable

TOPIC = "shop.orders"
UNKNOWN_TOPIC_OR_PARTITION = 3


@pytest.fixture
def client() -> SimpleNamespace:
    """What a client has learnt of a cluster."""
    return SimpleNamespace(_cluster=ClusterMetadata())


@pytest.fixture
def answer(client: SimpleNamespace) -> Callable[..., None]:
    """A broker's answer to the client, as it is read from the wire."""

    def answer(topic_id: UUID, partitions: int, error: int = 0) -> None:
        parts = [SimpleNamespace(partition_index=n, leader_id=1, leader_epoch=0) for n in range(partitions)]
        topic = SimpleNamespace(name=TOPIC, topic_id=topic_id, is_internal=False, error_code=error, partitions=parts)
        client._cluster.update_metadata(
            SimpleNamespace(
                API_VERSION=12, brokers=[(1, "broker", 9092, None)], controller_id=1, cluster_id="c", topics=[topic]
            )
        )

    return answer


def ids(client: SimpleNamespace) -> TopicIds:
    feed = KafkaFeed.model_validate({"type": "kafka", "bootstrap_servers": "broker:9092"})
    return TopicIds(client, Broker.of("shop", feed), [(TOPIC, 0), (TOPIC, 1)])


def test_a_broker_that_does_not_know_the_topic_just_now_has_not_made_it_anew(
    client: SimpleNamespace, answer: Callable[..., None]
) -> None:
    """One that has just been started says so, with an id of zeros."""
    answer(UUID(int=7), 2)
    topics = ids(client)
    answer(UUID(int=0), 0, UNKNOWN_TOPIC_OR_PARTITION)
    topics.require_same()
    assert (topics.of(TOPIC), topics.partitions()) == (None, [])
    answer(UUID(int=7), 3)
    topics.require_same()
    assert topics.partitions() == [(TOPIC, 0), (TOPIC, 1), (TOPIC, 2)]
    answer(UUID(int=8), 2)
    with pytest.raises(RemadeTopicError, match="deleted and made anew while it was read"):
        topics.require_same()


def test_an_id_that_is_told_later_is_the_one_that_was_read(
    client: SimpleNamespace, answer: Callable[..., None]
) -> None:
    answer(UUID(int=0), 0, UNKNOWN_TOPIC_OR_PARTITION)
    topics = ids(client)
    answer(UUID(int=7), 2)
    topics.require_same()
    answer(UUID(int=8), 2)
    with pytest.raises(RemadeTopicError):
        topics.require_same()
