"""The terms on which a topic's records were understood: where others hold now, what is kept of it is to be read again.

A feed that was read with a wrong setting would otherwise stay wrong when the setting is put right: what has been read
is not looked at again.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from auditor.feeds.continuity import LastRead, is_same_log
from auditor.settings import KafkaFeed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from auditor.feeds.hints import ColumnHint
    from auditor.feeds.ports import RecordSource
    from auditor.settings import RecordedFeed
    from reconcilers.streams.state import FeedState

FEED = "*"
"""What the settings of the feed are called among the columns."""


def terms_of(feed: KafkaFeed | RecordedFeed, topic: str, columns: Mapping[str, ColumnHint]) -> dict[str, str]:
    """A digest of what decides how a topic's records are understood, by column, and of the feed's own settings.

    By column, since contracts that share a topic are not always in scope together.  Nothing secret is part of it.
    """
    known = feed.schemaless.columns.get(topic, {})
    schemaless = feed.schemaless.model_dump(mode="json", exclude={"columns"})
    debezium = feed.debezium.model_dump(mode="json", exclude={"tables"})  # what is kept does not depend on it
    settings = [debezium, schemaless, known, *_schemas(feed)]
    return {FEED: _digest(settings)} | {name: _digest(str(hint.logical)) for name, hint in columns.items()}


def _schemas(feed: KafkaFeed | RecordedFeed) -> list[str]:
    """Where schemas come from, and how records name them."""
    if isinstance(feed, KafkaFeed):
        registry = feed.schema_registry
        return [] if registry is None else [registry.urls[0], registry.format]  # the others are the same registry's
    return [] if feed.schemas is None else [str(feed.schemas), feed.format]


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def changed_words(topic: str, changed: Iterable[str]) -> str:
    """What holds now that did not when a topic was read, as the beginning of a sentence."""
    columns = ", ".join(sorted(set(changed) - {FEED}))
    told = ["the feed's settings that say how records are read"] if FEED in changed else []
    told += [f"the types that contracts give to {columns}"] if columns else []
    return f"{topic} was read before {' and '.join(told)} were changed"


def is_whole(source: RecordSource, state: FeedState, topic: str) -> bool | None:
    """Whether a topic still has the first record that was read of each partition, so that it can be read again.

    Returns:
        None where it is not the log any more that was read: whoever goes on with it finds that out, and has to say so.
    """
    stored = {one: offset for one, offset in state.offsets().items() if one[0] == topic}
    there = [one for one in source.partitions() if one in stored]
    first, end = source.beginning(there), source.end(there)
    for one in there:
        offset = stored[one]
        if offset.following > end[one]:
            return None
        if offset.last is not None and offset.last_stamp is not None:
            last = LastRead(offset.last, offset.last_stamp, offset.last_digest)
            if is_same_log(source, one, last) is False:
                return None
    return len(there) == len(stored) and all(first[one] <= stored[one].first for one in there)
