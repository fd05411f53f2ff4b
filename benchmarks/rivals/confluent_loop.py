"""What most write: confluent-kafka's consumer and its Avro deserializers, in a loop that keeps nothing.

Run by the rival's own Python: BROKER REGISTRY TOPIC COUNT.
"""

from __future__ import annotations

import sys

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main(broker: str, registry: str, topic: str, count: str) -> None:
    """Read so many records and make dictionaries of them."""
    client = SchemaRegistryClient({"url": registry})
    keys, values = AvroDeserializer(client), AvroDeserializer(client)
    key_place, value_place = (
        SerializationContext(topic, MessageField.KEY),
        SerializationContext(topic, MessageField.VALUE),
    )
    consumer = Consumer({
        "bootstrap.servers": broker, "group.id": f"loop-{count}", "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })  # fmt: skip
    consumer.subscribe([topic])
    left = int(count)
    while left > 0:
        for message in consumer.consume(10_000, 1.0):
            if message.error() is not None:
                raise SystemExit(str(message.error()))
            keys(message.key(), key_place)
            values(message.value(), value_place)
            left -= 1
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
