"""A streaming library's way: quixstreams, each row kept under its key in its state store.

Run by the rival's own Python: BROKER REGISTRY TOPIC COUNT DIRECTORY.
"""

from __future__ import annotations

import sys
from typing import Any
from uuid import uuid4

from quixstreams import Application
from quixstreams.models import SchemaRegistryClientConfig
from quixstreams.models.serializers.avro import AvroDeserializer


def _keep(value: Any, state: Any) -> None:
    row = value["after"]
    if row is not None:
        row["total"] = str(row["total"])  # its state is JSON, which holds no decimal
    state.set("row", row)


def main(broker: str, registry: str, topic: str, count: str, directory: str) -> None:
    """Read so many records and keep the last row of each key."""
    app = Application(
        broker_address=broker, consumer_group=f"upsert-{uuid4()}", auto_offset_reset="earliest", state_dir=directory,
        use_changelog_topics=False, loglevel="WARNING",  # a group's next run would find nothing left to read
    )  # fmt: skip
    deserializer = AvroDeserializer(schema_registry_client_config=SchemaRegistryClientConfig(url=registry))
    source = app.topic(topic, value_deserializer=deserializer, key_deserializer="bytes")
    app.dataframe(source).update(_keep, stateful=True)
    app.run(count=int(count), collect=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
