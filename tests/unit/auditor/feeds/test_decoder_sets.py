"""The decoder on records of real connectors."""

from __future__ import annotations

from collections import Counter

import pytest

from auditor.feeds.decoded import Aside, Poison
from auditor.feeds.decoder import Decoder
from auditor.feeds.options import DecodingOptions
from reconcilers.change import Change
from tests.fixtures.debezium_sets import NAMES, DebeziumSet


@pytest.mark.parametrize("name", NAMES)
def test_every_record_of_a_real_connector_is_understood(name: str) -> None:
    recorded = DebeziumSet(name)
    decoded = Decoder(DecodingOptions(wire="confluent"), recorded.schemas, recorded.hints()).decode(recorded.records)
    assert [entry.error for entry in decoded if isinstance(entry, Poison)] == []
    assert len(decoded) == len(recorded.records)
    assert all(
        (entry.place.topic, entry.place.partition, entry.place.offset)
        == (record.topic, record.partition, record.offset)
        for entry, record in zip(decoded, recorded.records, strict=True)
    )


def test_what_stands_beside_the_changes_is_told_apart() -> None:
    """Heartbeats, transaction marks and messages are recognised by their schemas, not by their topics."""
    recorded = DebeziumSet("pg-txn-avro")
    decoded = Decoder(DecodingOptions(wire="confluent"), recorded.schemas, recorded.hints()).decode(recorded.records)
    kinds = Counter(entry.kind.value for entry in decoded if isinstance(entry, Aside))
    assert kinds == {"heartbeat": 19, "transaction": 16, "message": 2}
    operations = Counter(entry.operation for entry in decoded if isinstance(entry, Change))
    assert operations == {"r": 3, "u": 2, "c": 16, "d": 3}
