"""How far consumer groups have come, by what they told the broker."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import kafka
import kafka.errors as kafka_errors

from auditor.feeds.kafka.consumer import open_client
from auditor.feeds.kafka.failure import failures_told
from auditor.feeds.kafka.limits import COORDINATOR_PAUSE_SECONDS, COORDINATOR_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.ports import Partition

_NOT_YET = (
    kafka_errors.CoordinatorNotAvailableError,
    kafka_errors.CoordinatorLoadInProgressError,
    kafka_errors.NotCoordinatorError,
)


def committed_offsets(broker: Broker, group_id: str) -> Mapping[Partition, int]:
    """The next offset that a group will read of each partition, as far as it has said so.

    Raises:
        FeedError: The broker cannot be reached, or does not let us see the group.
    """
    admin = open_client(kafka.KafkaAdminClient, broker)
    try:
        with failures_told(broker, f"looking how far the group {group_id} has come"):
            found = _asked(admin, group_id)
    finally:
        admin.close()
    return {
        (place.topic, place.partition): noted.offset
        for place, noted in found.get(group_id, {}).items()
        if noted.offset >= 0
    }


def _asked(admin: Any, group_id: str) -> Mapping[str, Mapping[Any, Any]]:
    """The broker's answer; one that has just begun to look after groups is given the time to find them."""
    end = time.monotonic() + COORDINATOR_SECONDS
    while True:
        try:
            found: Mapping[str, Mapping[Any, Any]] = admin.list_group_offsets(group_id)
        except _NOT_YET:
            if time.monotonic() >= end:
                raise
            threading.Event().wait(COORDINATOR_PAUSE_SECONDS)
        else:
            return found
