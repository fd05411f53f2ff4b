"""How far consumer groups have come, by what they told the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import kafka

from auditor.feeds.kafka.consumer import open_client
from auditor.feeds.kafka.failure import failures_told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.ports import Partition


def committed_offsets(broker: Broker, group_id: str) -> Mapping[Partition, int]:
    """The next offset that a group will read of each partition, as far as it has said so.

    Raises:
        FeedError: The broker cannot be reached, or does not let us see the group.
    """
    admin = open_client(kafka.KafkaAdminClient, broker)
    try:
        with failures_told(broker, f"looking how far the group {group_id} has come"):
            found = admin.list_group_offsets(group_id)
    finally:
        admin.close()
    return {
        (place.topic, place.partition): noted.offset
        for place, noted in found.get(group_id, {}).items()
        if noted.offset >= 0
    }
