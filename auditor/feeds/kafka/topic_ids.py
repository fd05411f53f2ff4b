"""Whether topics are still the ones that reading began with, and which partitions they have by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.errors import RemadeTopicError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.ports import Partition


class TopicIds:
    """What a client knows of some topics; looking asks the broker nothing: the client does every PARTITIONS_SECONDS.

    Args:
        consumer: The client, connected.
        broker: The cluster, for messages.
        partitions: Those that the topics have when reading begins.
    """

    def __init__(self, consumer: Any, broker: Broker, partitions: Iterable[Partition]) -> None:
        self._cluster = consumer._cluster  # noqa: SLF001  the client's own methods ask, and wait where a topic is gone
        self._broker = broker
        self._first = dict(sorted(partitions, reverse=True))  # the last of each topic counts: its first partition
        self._ids = {topic: self.of(topic) for topic in self._first}

    def of(self, topic: str) -> str | None:
        """What tells a topic from another one of its name, made later; None where the broker does not say.

        It is too old to, or does not know the topic just now, as one that has just been started: then it says zeros.
        """
        found = self._cluster.topic_id(topic)
        return None if found is None or not found.int else str(found)

    def require_same(self) -> None:
        """See that no topic was made anew.

        Raises:
            RemadeTopicError: A topic is another one than it was when reading began.
        """
        for topic, before in self._ids.items():
            now = self.of(topic)
            if None not in (before, now) and now != before:
                raise self._remade(topic, now)
            self._ids[topic] = before or now  # a broker that was made newer meanwhile says it now

    def partitions(self) -> Sequence[Partition]:
        """Those that the topics are known to have, ordered; none of a topic that is gone."""
        known = self._cluster.partitions_for_topic
        return sorted((topic, number) for topic in self._ids for number in known(topic) or ())

    def _remade(self, topic: str, now: str | None) -> RemadeTopicError:
        return RemadeTopicError(
            f"reading {topic} of {self._broker}: the topic was deleted and made anew while it was read (its id was "
            f"{self._ids[topic]}, and is {now})",
            hint="what was kept of the topic is not what it says now: it is to be read again from its beginning",
            topic=topic, partition=self._first[topic], following=0, last_stamp=None,
        )  # fmt: skip
