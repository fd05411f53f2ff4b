"""What the topics of a cluster are, and for how long they keep what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import kafka
from kafka.admin import ConfigResource, ConfigResourceType

from auditor.feeds.kafka.consumer import INTERNAL, open_client
from auditor.feeds.kafka.failure import failures_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from auditor.feeds.kafka.broker import Broker

_FOR_EVER = -1


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One topic.

    Attributes:
        identity: What distinguishes it from another that had its name before or will have it.
        partitions: How many it has.
        is_compacted: Only the last record of each key is sure to be kept; of a deleted key, none for long.
        is_cut: Old records are removed, by age or by size.
        retention_ms: How old a record may become, in milliseconds; None is for ever.
        retention_bytes: How much a partition may hold; None is any.
        delete_retention_ms: How long a compacted topic keeps that a key was deleted, in milliseconds.
    """

    identity: str
    partitions: int
    is_compacted: bool
    is_cut: bool
    retention_ms: int | None
    retention_bytes: int | None
    delete_retention_ms: int


def topic_facts(broker: Broker, topics: Iterable[str]) -> Mapping[str, TopicFacts]:
    """The facts of those topics that are there.

    Raises:
        FeedError: The broker cannot be reached, or does not let us see them.
    """
    admin = open_client(kafka.KafkaAdminClient, broker)
    try:
        with failures_told(broker, "looking at the topics"):
            there = sorted(set(topics) & set(admin.list_topics()))
            if not there:
                return {}
            asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
            settings = admin.describe_configs(asked, config_filter="all")["topic"]
            return {one["name"]: _facts(one, settings[one["name"]]) for one in admin.describe_topics(there)}
    finally:
        admin.close()


def topic_names(broker: Broker) -> list[str]:
    """The topics that we may see, without the brokers' own.

    Raises:
        FeedError: The broker cannot be reached, or does not let us in.
    """
    return sorted(name for name in every_topic_name(broker) if not name.startswith(INTERNAL))


def every_topic_name(broker: Broker) -> list[str]:
    """The topics that we may see, with those of connectors and brokers.

    Raises:
        FeedError: The broker cannot be reached, or does not let us in.
    """
    admin = open_client(kafka.KafkaAdminClient, broker)
    try:
        with failures_told(broker, "looking at the topics"):
            return [str(name) for name in admin.list_topics()]
    finally:
        admin.close()


def _facts(described: Mapping[str, Any], settings: Mapping[str, Any]) -> TopicFacts:
    policy = str(settings["cleanup.policy"]["value"])
    retention, size = (_limit(settings[name]["value"]) for name in ("retention.ms", "retention.bytes"))
    return TopicFacts(
        identity=str(described["topic_id"]),
        partitions=len(described["partitions"]),
        is_compacted="compact" in policy,
        is_cut="delete" in policy and (retention is not None or size is not None),
        retention_ms=retention,
        retention_bytes=size,
        delete_retention_ms=int(settings["delete.retention.ms"]["value"]),
    )


def _limit(text: str) -> int | None:
    return None if int(text) == _FOR_EVER else int(text)
