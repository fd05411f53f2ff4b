"""What `audit doctor` and `audit contracts check --live` find out about feeds, without reading a record of Kafka."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from auditor.examined import ERROR, OK, WARNING, Examined
from auditor.feeds.opening import open_feed
from auditor.reports.words import counted
from auditor.settings import KafkaFeed
from contracts.errors import AuditorError, FeedError, Place, Problem
from contracts.suggestion import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from auditor.feeds.kafka.topics import TopicFacts
    from auditor.feeds.ports import Partition
    from auditor.settings import Settings
    from contracts.contract import Contract

_OF_CONNECTORS = ("__", "schema-changes.")
_BESIDE_ROWS = (".transaction", ".message", ".history")
"""Topics that hold no rows, by how they begin or end; a connector's own topic is its prefix alone."""


def examine_feeds(settings: Settings, contracts: Sequence[Contract], *, complete: bool = True) -> Iterator[Examined]:
    """Look at every feed of the settings.

    Args:
        settings: The settings.
        contracts: Every one.
        complete: All could be read; else nobody knows which feeds they use.
    """
    for name in sorted({*(feed for feed, _, _ in _named(contracts)), *settings.feeds}):
        subject = f"feed {name}"
        topics = sorted({topic for feed, topic, _ in _named(contracts) if feed == name})
        if name not in settings.feeds:
            known = ", ".join(settings.feeds) or "none"
            message = f"contracts name it, but {settings.path} does not configure it; it has {known}"
            yield Examined(subject, ERROR, message)
            continue
        found = [*_tried(settings, name, topics), *_registry(settings, name), *_appliers(settings, name, contracts)]
        used = topics or any(
            one.applied_by is not None and one.applied_by.feed == name
            for contract in contracts
            for one in contract.replicas
        )
        yield from found if used or not complete else map(_unused, found)


def _tried(settings: Settings, name: str, topics: Sequence[str]) -> list[Examined]:
    try:
        return list(_feed(settings, name, topics))
    except AuditorError as error:
        return [Examined(f"feed {name}", ERROR, str(error))]


def _unused(found: Examined) -> Examined:
    """What is wrong with a feed that no contract names stops nothing."""
    if found.status != ERROR:
        return found
    first, *rest = found.message.splitlines()
    return Examined(found.subject, WARNING, "\n".join([f"{first}; no contract uses this feed", *rest]))


def topic_problems(
    settings: Settings, contracts: Sequence[Contract], known: dict[str, Sequence[str]]
) -> Iterator[Problem]:
    """Contracts whose topic is not there, and topics beside theirs that no contract names.

    Args:
        settings: The settings.
        contracts: Every one.
        known: The topics of each feed that answers are put here.
    """
    for name in sorted({feed for feed, _, _ in _named(contracts)} & settings.feeds.keys()):
        named = {topic: place for feed, topic, place in _named(contracts) if feed == name}
        try:
            there = known[name] = topics_of(settings, name)
        except AuditorError as error:
            yield Problem(min(named.values()), f"feed {name}: {error.message}")
            continue
        for topic, place in named.items():
            if topic not in there:
                yield Problem(place, f"feed {name} has no topic {topic}{did_you_mean(topic, there)}")
        if without := _beside(named, there):
            listed = ", ".join(without)
            yield Problem(
                Place(str(settings.path)), f"feed {name}: no contract names {listed}: nobody looks at it", "warning"
            )


def topics_of(settings: Settings, name: str) -> list[str]:
    """Every topic of a feed that we may see, ordered.

    Raises:
        FeedError: It cannot be reached or read.
    """
    feed = settings.feed(name)
    if not isinstance(feed, KafkaFeed):
        from auditor.feeds.recorded import RecordedSource

        with closing(RecordedSource(name, feed.path)) as source:
            return sorted({topic for topic, _ in source.partitions()})
    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.kafka.topics import topic_names

    return topic_names(Broker.of(name, feed))


def _named(contracts: Iterable[Contract]) -> Iterator[tuple[str, str, Place]]:
    """Feed, topic and place of everything that contracts follow."""
    for contract in contracts:
        if contract.owner.feed is not None:
            yield contract.owner.feed.name, contract.owner.feed.topic, contract.owner.feed.place
        for replica in contract.replicas:
            if replica.feed is not None:
                yield replica.feed.name, replica.feed.topic, replica.feed.place


def _beside(named: Mapping[str, Place], there: Iterable[str]) -> list[str]:
    """Topics of the same connectors, which their names begin with, that hold rows and that nobody names."""
    prefixes = {topic.partition(".")[0] for topic in named if "." in topic}
    rows = (one for one in there if not one.startswith(_OF_CONNECTORS) and not one.endswith(_BESIDE_ROWS))
    return sorted(one for one in rows if one not in named and one.partition(".")[0] in prefixes and "." in one)


def _feed(settings: Settings, name: str, topics: Sequence[str]) -> Iterator[Examined]:
    subject = f"feed {name}"
    there = topics_of(settings, name)
    feed = settings.feed(name)
    where = ", ".join(feed.bootstrap_servers) if isinstance(feed, KafkaFeed) else str(feed.path)
    yield Examined(subject, OK, f"{where} answers; we see {counted(len(there), 'topic')}")
    for topic in topics:
        if topic not in there:
            message = f"contracts name the topic {topic}, which is not there{did_you_mean(topic, there)}"
            yield Examined(subject, ERROR, message)
    found = [topic for topic in topics if topic in there]
    if not found:
        return
    with closing(open_feed(settings, name, found)) as source:
        partitions = source.partitions()
        beginning, end = source.beginning(partitions), source.end(partitions)
    facts = _facts(settings, name, found)
    if isinstance(facts, Examined):
        yield facts
        facts = {}
    for topic in found:
        yield _topic(subject, topic, beginning, end, facts.get(topic))


def _facts(settings: Settings, name: str, topics: Sequence[str]) -> Mapping[str, TopicFacts] | Examined:
    """What the broker says of its topics; of a recording there is nothing to say."""
    feed = settings.feed(name)
    if not isinstance(feed, KafkaFeed):
        return {}
    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.kafka.topics import topic_facts

    try:
        return topic_facts(Broker.of(name, feed), topics)
    except FeedError as error:
        message = f"for how long its topics keep what cannot be told: {error.message}; allow DESCRIBE_CONFIGS on them"
        return Examined(f"feed {name}", WARNING, message)


def _topic(
    subject: str,
    topic: str,
    beginning: Mapping[Partition, int],
    end: Mapping[Partition, int],
    facts: TopicFacts | None,
) -> Examined:
    """What a topic can tell, and what it cannot."""
    own = [partition for partition in beginning if partition[0] == topic]
    offsets = sum(end[partition] - beginning[partition] for partition in own)
    told = [f"{topic}: {counted(len(own), 'partition')}, {counted(offsets, 'offset')}"]
    doubts = []
    if cut := sum(beginning[partition] for partition in own):
        gone = f"{counted(cut, 'offset')} at its beginning {'is' if cut == 1 else 'are'} gone"
        doubts.append(f"{gone}: rows are known from its latest snapshot on, if it has one")
    if facts is not None and facts.is_compacted:
        kept = _span(facts.delete_retention_ms)
        doubts.append(
            "it is compacted: what a row was before its last change is lost, and so is that a row was deleted, "
            f"after {kept}"
        )
    elif facts is not None:
        told.append(_kept(facts))
    return Examined(subject, WARNING if doubts else OK, "; ".join([*told, *doubts]))


def _kept(facts: TopicFacts) -> str:
    if not facts.is_cut:
        return "keeps everything"
    limits = [f"{_span(facts.retention_ms)}" if facts.retention_ms is not None else ""]
    limits.append(f"{facts.retention_bytes} bytes a partition" if facts.retention_bytes is not None else "")
    return f"keeps {' and '.join(filter(None, limits))}: whoever is away for longer misses records"


def _registry(settings: Settings, name: str) -> Iterator[Examined]:
    feed = settings.feed(name)
    if not isinstance(feed, KafkaFeed) or feed.schema_registry is None:
        return
    from auditor.feeds.registry import authorization
    from auditor.feeds.registry_connection import RegistryConnection

    registry = feed.schema_registry
    subject = f"schema registry of {name}"
    try:
        connection = RegistryConnection(name, registry.urls, authorization(registry), registry.tls)
        answer = connection.get("/schemas/types")
    except AuditorError as error:
        yield Examined(subject, ERROR, str(error))
        return
    if answer.status == 200:  # noqa: PLR2004
        yield Examined(subject, OK, f"{registry.url} answers")
    else:
        yield Examined(subject, WARNING, f"{registry.url} answers, but not as registries do: is its path right?")


def _appliers(settings: Settings, name: str, contracts: Iterable[Contract]) -> Iterator[Examined]:
    """The consumer groups that contracts name as those who fill a replica."""
    feed = settings.feed(name)
    named = [one.applied_by for contract in contracts for one in contract.replicas if one.applied_by is not None]
    groups = sorted({one.group_id for one in named if one.feed == name})
    if not groups or not isinstance(feed, KafkaFeed):
        return
    from auditor.feeds.kafka.broker import Broker
    from auditor.feeds.kafka.groups import committed_offsets

    for group in groups:
        subject = f"consumer group {group}"
        try:
            offsets = committed_offsets(Broker.of(name, feed), group)
        except AuditorError as error:
            yield Examined(subject, ERROR, str(error))
            continue
        if offsets:
            yield Examined(subject, OK, f"has told how far it is in {counted(len(offsets), 'partition')}")
        else:
            message = f"has told nothing of how far it is in the feed {name}: no proof can rest on it"
            yield Examined(subject, WARNING, message)


def _span(milliseconds: int) -> str:
    """Milliseconds in the largest unit that they are a whole number of."""
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")):
        if milliseconds >= size and milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds} ms"
