"""Our side of `./run bench feed`: what `audit monitor` does with each batch, and nothing else.

BROKER REGISTRY TOPIC DIRECTORY: read the topic to its end, keep versions, obligations and offsets, fold.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from auditor.feeds.process_memory import take_little
from auditor.libraries import spare_libraries


def main(broker: str, registry: str, topic: str, directory: str) -> None:
    """Follow the topic to its end."""
    gc.disable()  # as `auditor.cli.main` does
    spare_libraries()
    take_little()
    from auditor.feeds.decoding import decoder_of
    from auditor.feeds.follower import Follower
    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.kafka.source import KafkaSource
    from auditor.settings import KafkaFeed
    from benchmarks.events import COLUMNS
    from reconcilers.streams.obligations import Duty
    from reconcilers.streams.state import FeedState

    work = Path(directory)
    feed = KafkaFeed.model_validate({
        "type": "kafka", "bootstrap_servers": broker,
        "schema_registry": {"url": registry, "format": "confluent"},
    })  # fmt: skip
    with FeedState(work / "state.duckdb") as state:
        state.keep(topic, COLUMNS, ["id"])
        state.take_on([Duty("order", "replica", topic, by_owner=True, key=("id",))])
        with KafkaSource(Broker.of("shop", feed), [topic]) as source:
            follower = Follower("shop", source, decoder_of("shop", feed, work), state)
            follower.begin()
            follower.catch_up(lambda: None)


if __name__ == "__main__":
    main(*sys.argv[1:])
