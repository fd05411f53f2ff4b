"""An owner and a copy that are known by their topics alone."""

from __future__ import annotations

import base64
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.services import Kafka

CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: orders, feed: {{name: shop, topic: {owner}}}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
replicas:
  - {{service: mirror, feed: {{name: shop, topic: {mirror}}}, lag_bound: {lag}s}}
"""


def send(kafka: Kafka, records: Iterable[dict[str, Any]], partition: int = 0) -> None:
    """Hand the broker some records, as recordings spell them."""
    with closing(kafka.producer()) as producer:
        for one in records:
            key, value = (one[part] and base64.b64decode(one[part]) for part in ("key", "value"))
            producer.send(one["topic"], value, key=key, partition=partition)
        producer.flush()
