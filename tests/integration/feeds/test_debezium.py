"""What Debezium writes into Kafka comes out of our sources, record for record."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from auditor.feeds.kafka.broker import Broker
from auditor.feeds.kafka.source import KafkaSource
from tests.integration.feeds.following import read_until
from tests.services.deadline import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.feeds.record import Record
    from tests.services import Kafka, KafkaConnect, MariaDB, PostgreSQL, SchemaRegistry

CREATE = "CREATE TABLE orders (id int PRIMARY KEY, status varchar(20) NOT NULL)"
OPERATIONS = ["r", "c", "u", "d", None]
"""A row of the snapshot, then one that is inserted, changed and deleted, with its tombstone."""


def _change(server: PostgreSQL | MariaDB, database: str) -> None:
    server.admin(
        "INSERT INTO orders VALUES (2, 'new')",
        "UPDATE orders SET status = 'paid' WHERE id = 2",
        "DELETE FROM orders WHERE id = 2",
        database=database,
    )


def _wait_for_snapshot(kafka: Kafka, topic: str) -> None:
    """Until the snapshot's row has come: a connector runs before that, and what is changed then may be in no record."""
    with closing(kafka.admin()) as admin:
        wait_until(lambda: topic in admin.list_topics(), seconds=120, what=f"the topic {topic}")


def _read(kafka: Kafka, topic: str) -> list[Record]:
    with KafkaSource(Broker("shop", (kafka.url,)), [topic]) as source:
        return read_until(source, lambda found: len(found) >= len(OPERATIONS))


@pytest.fixture
def orders(postgres: PostgreSQL) -> Iterator[str]:
    database = postgres.database_name(postgres.fresh_database("followed"))
    postgres.admin(CREATE, "INSERT INTO orders VALUES (1, 'new')", database=database)
    yield database
    postgres.admin(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
        f"WHERE database = '{database}' AND NOT active"
    )


def test_postgresql_in_avro_has_registered_ids_in_front(
    postgres: PostgreSQL, orders: str, kafka: Kafka, kafka_connect: KafkaConnect, schema_registry: SchemaRegistry
) -> None:
    kafka_connect.follow(postgres, orders, "shop", schema_registry)
    _wait_for_snapshot(kafka, "shop.public.orders")
    _change(postgres, orders)
    found = _read(kafka, "shop.public.orders")
    kafka_connect.delete("shop")
    assert [one.value is None for one in found] == [False, False, False, False, True]
    ids = {int.from_bytes(one.value[1:5]) for one in found if one.value is not None}
    assert all(one.key is not None and one.key[0] == 0 for one in found)
    schemas = [schema_registry.schema(number) for number in ids]
    assert [schema["name"] for schema in schemas] == ["Envelope"]


def test_mariadb_in_json(mariadb: MariaDB, kafka: Kafka, kafka_connect: KafkaConnect) -> None:
    database = mariadb.database_name(mariadb.fresh_database("followed"))
    mariadb.admin(CREATE, "INSERT INTO orders VALUES (1, 'new')", database=database)
    kafka_connect.follow(mariadb, database, "reporting")
    _wait_for_snapshot(kafka, f"reporting.{database}.orders")
    _change(mariadb, database)
    found = _read(kafka, f"reporting.{database}.orders")
    kafka_connect.delete("reporting")
    assert [json.loads(one.value)["op"] if one.value else None for one in found] == OPERATIONS
    assert [json.loads(one.key or b"") for one in found] == [{"id": 1}, *([{"id": 2}] * 4)]
