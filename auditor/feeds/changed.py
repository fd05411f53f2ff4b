"""Which keys a feed has told of since an earlier run: read from where that run noted the feed's end.

Nothing is folded and nothing is kept: only the records between the two ends are read.  Where they cannot be known to be
all of the changes, there is no answer, but a reason: a partial one would pass for a whole.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from auditor.feeds.continuity import LastRead
from auditor.feeds.decoded import Aside, AsideKind, Poison
from auditor.feeds.decoding import decoder_of
from auditor.feeds.heartbeats import last_heartbeats
from auditor.feeds.opening import open_feed
from auditor.feeds.skimming import Skimming
from auditor.feeds.tail import last_records, records_between
from auditor.settings import KafkaFeed
from reconcilers.change import ChangeKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from auditor.feeds.decoded import Decoded
    from auditor.feeds.decoder import Decoder
    from auditor.feeds.hints import ColumnHint
    from auditor.feeds.ports import Partition, RecordSource
    from auditor.feeds.record import Record
    from auditor.settings import Settings
    from reconcilers.change import Cell

_NEVER = datetime.min.replace(tzinfo=UTC)

OFFSETS_MAX = 2_000_000
"""Read at most: with more changes than that, a whole look costs less."""


class UntoldError(Exception):
    """The feed cannot say what has changed; the text says why, as the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a partition ended.

    Attributes:
        following: The offset after its last.
        last: Its last record, by which it is recognised; None where it showed none.
    """

    following: int
    last: LastRead | None = None

    def packed(self) -> list[Any]:
        """As plain values."""
        last = self.last
        return [self.following, *([] if last is None else [last.offset, last.timestamp, last.digest])]

    @classmethod
    def of(cls, packed: Sequence[Any]) -> Self:
        """The way back."""
        following, *last = packed
        return cls(following, LastRead(*last) if last else None)


Stands = dict[str, dict[int, Stand]]
"""By topic and partition."""


@dataclass(slots=True)
class Changed:
    """What some topics of a feed have told since an earlier run.

    Attributes:
        keys: Of each change, its key by topic; what it lacks is among the columns of its row.
        stands: Where the topics end now; everything before was read.
        told: By topic, the latest moment that it speaks of, by its database's clock or its connector's; topics that
            tell none are not in it.  Those of a feed may have connectors of their own.
        recorded: It is a recording, which has an end of its own.
    """

    keys: dict[str, list[Mapping[str, Cell]]] = field(default_factory=dict)
    stands: Stands = field(default_factory=dict)
    told: dict[str, datetime] = field(default_factory=dict)
    recorded: bool = False


Hints = dict[str, dict[str, "ColumnHint"]]
"""What contracts say of columns, by topic and column."""


def stands(settings: Settings, feed: str, topics: Sequence[str]) -> Stands:
    """Where some topics of a feed end now.

    Raises:
        FeedError: The feed cannot be read.
    """
    with closing(open_feed(settings, feed, topics)) as source:
        partitions = list(source.partitions())
        ends = source.end(partitions)
        last = last_records(source, partitions)
    found: Stands = {topic: {} for topic in topics}
    for topic, part in partitions:
        record = last.get((topic, part))
        following = ends[topic, part]
        if record is not None and record.offset >= following:
            following = record.offset + 1
        found[topic][part] = Stand(following, None if record is None else LastRead.of(record))
    return found


def changed(
    settings: Settings,
    feed: str,
    since: Mapping[str, Mapping[int, Stand]],
    hints: Hints,
    columns: Mapping[str, Collection[str]],
    *,
    alive: bool = False,
) -> Changed:
    """What some topics of a feed have told since they ended there.

    Args:
        settings: The settings.
        feed: Its name.
        since: By topic and partition.
        hints: What contracts say of the topics' columns.
        columns: Of each topic: the columns of keys, as it names them.
        alive: Ask the connectors' heartbeats first, too.

    Raises:
        UntoldError: It is not known what they told.
        FeedError: The feed cannot be read.
    """
    kind = settings.feed(feed)
    beats = last_heartbeats(settings, feed, since) if alive else {}
    decoder = decoder_of(feed, kind, settings.workspace.directory, hints)
    found = Changed({topic: [] for topic in since}, {topic: {} for topic in since}, beats)
    found.recorded = not isinstance(kind, KafkaFeed)
    with closing(open_feed(settings, feed, tuple(since))) as source:
        starts, ends = _range(source, since)
        checked, skimming = _Checked(since), Skimming(decoder, columns)
        for records in records_between(source, starts, ends):
            _take_all(found, checked, skimming, decoder, records)
    checked.require_all()
    for topic, part in ends:
        read = checked.last.get((topic, part))
        last = since[topic].get(part, Stand(0)).last if read is None else LastRead.of(read)
        found.stands[topic][part] = Stand(ends[topic, part], last)
    return found


def _take_all(
    found: Changed, checked: _Checked, skimming: Skimming, decoder: Decoder, records: Sequence[Record]
) -> None:
    """Note what some records tell; of each partition, the last of them says how recent it is.

    Raises:
        UntoldError: It is not known which rows one is about.
    """
    some = list(records)
    new = [checked.is_new(one) for one in some]
    lasts = {(one.topic, one.partition): number for number, one in enumerate(some)}
    wanted = {number for number, is_new in enumerate(new) if not is_new} | {*lasts.values(), *skimming.unknown(some)}
    left = [number for number in range(len(some)) if number not in wanted]
    _decode(found, skimming, decoder, [(some[number], new[number]) for number in sorted(wanted)])
    keys = [skimming.key(some[number]) for number in left]
    for number, key in zip(left, keys, strict=True):
        if key is not None:
            found.keys[some[number].topic].append(key)
    unskimmed = [number for number, key in zip(left, keys, strict=True) if key is None]
    _decode(found, skimming, decoder, [(some[number], True) for number in unskimmed])


def _decode(found: Changed, skimming: Skimming, decoder: Decoder, records: Sequence[tuple[Record, bool]]) -> None:
    """Understand some records, and note what those tell that are new.

    Raises:
        UntoldError: It is not known which rows one is about.
    """
    understood = decoder.decode([record for record, _ in records])
    for (record, is_new), decoded in zip(records, understood, strict=True):
        skimming.learn(record, decoded)
        if is_new:
            _take(found, record, decoded)
        else:
            _tell(found, record.topic, decoded)


def _range(
    source: RecordSource, since: Mapping[str, Mapping[int, Stand]]
) -> tuple[dict[Partition, int], Mapping[Partition, int]]:
    """From where to read, which is the last record that was read then, and up to where."""
    partitions = list(source.partitions())
    first, ends = source.beginning(partitions), source.end(partitions)
    starts = {}
    for partition in partitions:
        topic, part = partition
        stand = since[topic].get(part, Stand(first[partition] if part not in since[topic] else 0))
        if ends[partition] < stand.following:
            raise UntoldError(f"{topic}/{part} ends before where it ended then: it was made anew or cut off")
        if first[partition] > stand.following:
            raise UntoldError(f"records of {topic}/{part} were removed before they were read")
        starts[partition] = stand.following if stand.last is None else stand.last.offset
        if starts[partition] < first[partition]:
            raise UntoldError(f"the last record of {topic}/{part} that was known has been removed")
    missing = [f"{topic}/{part}" for topic, parts in since.items() for part in parts if (topic, part) not in ends]
    if missing:
        raise UntoldError(f"{missing[0]} is gone")
    count = sum(ends[one] - starts[one] for one in partitions)
    if count > OFFSETS_MAX:
        raise UntoldError(f"{count:,} offsets are to be read, more than {OFFSETS_MAX:,}")
    return starts, ends


class _Checked:
    """Tells the records that were known from those that are new, and holds the former to what was known."""

    def __init__(self, since: Mapping[str, Mapping[int, Stand]]) -> None:
        self._known = {(topic, part): stand for topic, parts in since.items() for part, stand in parts.items()}
        self._met: set[Partition] = set()
        self.last: dict[Partition, Record] = {}

    def is_new(self, record: Record) -> bool:
        """Whether a record came after the stand.

        Raises:
            UntoldError: Where the last known one stood, there is another.
        """
        place = (record.topic, record.partition)
        stand = self._known.get(place)
        self.last[place] = record
        if stand is None:
            return True
        if stand.last is not None and record.offset == stand.last.offset:
            if not stand.last.is_in(record):
                raise UntoldError(f"{record.topic}/{record.partition} was made anew: another record is in its place")
            self._met.add(place)
        return record.offset >= stand.following

    def require_all(self) -> None:
        """Every last known record must have been met.

        Raises:
            UntoldError: One was not.
        """
        for (topic, part), stand in self._known.items():
            if stand.last is not None and (topic, part) not in self._met:
                raise UntoldError(f"the last record of {topic}/{part} that was known is not there any more")


def _take(found: Changed, record: Record, decoded: Decoded) -> None:
    """Note what a new record tells.

    Raises:
        UntoldError: It is not known which rows it is about.
    """
    _tell(found, record.topic, decoded)
    if isinstance(decoded, Aside):
        if decoded.kind is AsideKind.TOMBSTONE and decoded.key:  # its delete may be there no more
            found.keys[record.topic].append(dict(decoded.key))  # type: ignore[arg-type]  # a key's cells
        return
    if isinstance(decoded, Poison):
        if not decoded.key:
            raise UntoldError(f"a record could not be understood: {record.topic}/{record.partition}@{record.offset}")
        found.keys[record.topic].append(dict(decoded.key))  # type: ignore[arg-type]  # a key's cells
        return
    if decoded.kind is ChangeKind.TRUNCATE:
        raise UntoldError(f"{record.topic} tells of a truncate")
    found.keys[record.topic].append({**decoded.row, **decoded.key})


def _tell(found: Changed, topic: str, decoded: Decoded) -> None:
    """Note the latest moment that is spoken of."""
    if isinstance(decoded, Poison):
        return
    moment = decoded.happened_at if isinstance(decoded, Aside) else decoded.committed_at
    if moment is not None and moment > found.told.get(topic, _NEVER):
        found.told[topic] = moment
