"""What the rest of the program needs from a feed: records in order, and offsets that nothing moves silently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditor.feeds.decoded import Decoded
    from auditor.feeds.record import Record
    from reconcilers.streams.table import StreamTable
    from reconcilers.streams.versions import Versions

Partition = tuple[str, int]
"""A topic and one of its partitions."""


class RecordSource(Protocol):
    """Reads the records of some topics, from offsets that its caller keeps.

    It commits nothing and resets nothing by itself.  Every method raises a `FeedError` that says what was being done,
    where, what was found, and what to do next.
    """

    def partitions(self) -> Sequence[Partition]:
        """The partitions that are ours to read now, ordered."""
        ...

    def beginning(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The first offset that is still there, of each."""
        ...

    def end(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last that is committed and visible, of each."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset."""
        ...

    def position(self, partition: Partition) -> int:
        """The next offset that will be read; control records are passed without a record being seen."""
        ...

    def poll(self, seconds: float) -> Sequence[Record]:
        """The next records, as many as came within the time; perhaps none.  A partition's are in order of offset.

        Raises:
            RetentionGapError: The offset to read is no longer, or not yet, there.
        """
        ...

    def close(self) -> None:
        """Let go of the connection; nothing is committed."""
        ...


@runtime_checkable
class Identified(Protocol):
    """A source whose topics have more than a name."""

    def topic_id(self, topic: str) -> str | None:
        """What tells a topic from another one of its name, made later; None where nobody knows."""
        ...


class RecordDecoder(Protocol):
    """Tells what records mean."""

    def decode(self, records: Sequence[Record]) -> Sequence[Decoded]:
        """What each record turns out to be, in their order.

        Raises:
            PausedFeedError: A schema cannot be had now; nothing was decoded: give the same records again.
            FeedError: The feed is configured wrongly.
        """
        ...

    def notes(self) -> Mapping[str, Mapping[str, str]]:
        """What is to be known of columns' values, by topic and column, as far as records were seen."""
        ...

    def kinds(self) -> Mapping[str, Mapping[str, str]]:
        """The latest type of each column that schemas have told of, by topic and column."""
        ...


@runtime_checkable
class BatchDecoder(RecordDecoder, Protocol):
    """Tells what many records mean at once, where it can."""

    def versions(self, records: Sequence[Record], table: StreamTable) -> Versions | None:
        """What records of one topic tell, the same as `decode` would; None where that is to be called.

        Raises:
            PausedFeedError: A schema cannot be had now; nothing was decoded: give the same records again.
            FeedError: The feed is configured wrongly.
        """
        ...


class SharedSource(RecordSource, Protocol):
    """Reads those partitions that are ours among all who follow the same feed as one group.

    What is ours changes within `poll` only.  So whatever a poll brought is to be stored, with its offsets, before the
    next.
    """

    def shared(self) -> Sequence[Partition]:
        """All partitions of the topics, whoever has them, ordered."""
        ...

    def is_settled(self) -> bool:
        """Whether the group has told us what is ours, perhaps nothing, and all of it is being read."""
        ...

    def tell(self, offsets: Mapping[Partition, int]) -> bool:
        """Note the next offset of each for whoever watches; False where nobody took note.  We never read on from it."""
        ...
