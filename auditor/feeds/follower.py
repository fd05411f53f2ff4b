"""Follows topics: takes records, understands them, and keeps what they tell; nothing is skipped, nothing applied twice.

Offsets are kept beside the effects, never at the broker.  Where the broker no longer has the next record (it was too
old), or has another one in its place (the topic was made anew), that is noted as a loss, and said: what is kept of the
topic is then no longer known to be all.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from auditor.clock import SystemClock
from auditor.feeds.continuity import LastRead, is_same_log, record_digest
from auditor.feeds.decoded import MISREAD_MIN, Aside, AsideKind, Poison
from auditor.feeds.polled import by_topic
from auditor.feeds.ports import BatchDecoder, Identified
from auditor.feeds.process_memory import let_go
from auditor.feeds.reading_times import ReadingTimes
from contracts.errors import FeedError, PausedFeedError, RemadeTopicError, TopicError
from reconcilers.change import Change, ChangeKind
from reconcilers.streams.intake import Intake, identity
from reconcilers.streams.passes import Passes
from reconcilers.streams.relations import Related
from reconcilers.streams.state import DeadLetter, FeedState, Offset, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from auditor.clock import Clock
    from auditor.feeds.bulk.cursor import Flags
    from auditor.feeds.decoded import Decoded
    from auditor.feeds.ports import Partition, RecordDecoder, RecordSource
    from auditor.feeds.record import Record
    from reconcilers.streams.truncate import Truncate
    from reconcilers.streams.versions import Versions

POLL_SECONDS = 1.0
"""How long a poll waits for records while the end has not been reached: long enough not to spin."""

_TOPIC_ID = "the topic itself"
"""Among the terms on which a topic was read (`auditor.feeds.terms`): which one of its name it was."""

DEAD_LETTERS_MAX = 10_000
"""Records of one topic that may be beyond understanding before following it stops: the settings must be wrong then."""


@dataclass(slots=True)
class Seen:
    """What was seen of a topic beside its changes: the names of the columns that its rows have had."""

    columns: set[str] = field(default_factory=set)


class Follower:
    """Follows some topics of one feed.

    Args:
        feed: The feed's name in the settings.
        source: Where its records come from.
        decoder: What they mean.
        state: What is kept; the topics' tables have been made (`FeedState.keep`).
        clock: Tells when records were read.
        from_end: A topic of which nothing was read yet is begun at its end; else at its first record.
    """

    def __init__(
        self,
        feed: str,
        source: RecordSource,
        decoder: RecordDecoder,
        state: FeedState,
        clock: Clock | None = None,
        *,
        from_end: bool = False,
    ) -> None:
        self._from_end = from_end
        self.feed = feed
        self.clock = clock or SystemClock()
        self.source = source
        self.decoder = decoder
        self.state = state
        self._passes = {topic: Passes(topic, state.passes(topic)) for topic in state.tables}
        self._seqs = {topic: state.next_seq(topic) for topic in state.tables}
        self._offsets: dict[Partition, Offset] = {}
        self.times = ReadingTimes()
        self.records = 0
        """Kept by this process."""
        self._dead = {topic: state.dead_letters(topic)[0] for topic in state.tables}
        self.seen: dict[str, Seen] = {topic: Seen() for topic in state.tables}
        self._gone: dict[Partition, str | None] = {}
        """Of each partition that this process has read: the key, where its last record was a delete or a tombstone."""
        self._valueless: set[str] = set()
        """Topics of which nothing but records without a value was read, from their beginning on."""
        self.losses = 0
        """How often partitions were taken from us: what was seen of them is not ours to judge any more."""
        self.gap_ends: Mapping[Partition, int] = state.gap_ends()
        """See `FeedState.gap_ends`."""

    def begin(self, check: Callable[[], None] = lambda: None) -> None:
        """Go to where reading stopped; a partition that was never read begins at its first record, or see `from_end`.

        Args:
            check: Raises when the run is to end.

        Raises:
            FeedError: The feed cannot be read.
        """
        check()
        partitions = list(self.source.partitions())
        first, end = self.source.beginning(partitions), self.source.end(partitions)
        stored = self.state.offsets()
        self._identify({topic for topic, _ in partitions}, stored)
        late = self._begun_at_end({topic for topic, _ in partitions} - {topic for topic, _ in stored})
        starts = {one: (end if one[0] in late else first)[one] for one in partitions if one not in stored}
        fresh = {one: Offset(start, start) for one, start in starts.items()}
        self.state.begin(fresh)
        for partition in partitions:
            offset = stored.get(partition) or fresh[partition]
            self._offsets[partition] = self._still_there(
                partition, offset, (first[partition], end[partition]), self.source
            )
            self.source.seek(partition, self._offsets[partition].following)

    def _begun_at_end(self, topics: Collection[str]) -> set[str]:
        """Those of new topics that are begun at their end: all that a topic tells that was made anew came since."""
        return {topic for topic in topics if self._from_end and not self.state.gaps(topic)}

    def _identify(self, topics: Iterable[str], stored: Mapping[Partition, Offset]) -> None:
        """Have each topic be the one that was read, and not another one of its name.

        Args:
            topics: Which.
            stored: How far partitions were read.

        Raises:
            RemadeTopicError: It was deleted and made anew, and may be as long by now as it was.
        """
        if not isinstance(self.source, Identified):
            return
        for topic in sorted(topics):
            if (now := self.source.topic_id(topic)) is None:
                continue
            if self.state.disagreeing(topic, {_TOPIC_ID: now}):
                partition = min((one for one in stored if one[0] == topic), default=(topic, 0))
                offset = stored.get(partition, Offset(0, 0))
                raise _remade(self.feed, partition, offset, f"its id is {now}, another than was read")
            self.state.agree(topic, {_TOPIC_ID: now})

    def _still_there(
        self, partition: Partition, offset: Offset, there: tuple[int, int], source: RecordSource
    ) -> Offset:
        """Where to read on; what was lost meanwhile is noted."""
        (topic, part), (first, end) = partition, there
        if offset.following > end:
            what = f"it ends at {end}, before the {offset.following} that was read up to"
            raise _remade(self.feed, partition, offset, what)
        if offset.last is not None and offset.last_stamp is not None:
            last = LastRead(offset.last, offset.last_stamp, offset.last_digest)
            if is_same_log(source, partition, last) is False:
                what = f"at {offset.last} stands another record than was read there"
                raise _remade(self.feed, partition, offset, what)
        if offset.following < first:
            what = "records were removed before they were read"
            ends = source.end([one for one in source.partitions() if one[0] == topic])
            self.state.lose(topic, part, (offset.following, first - 1), what, ends)
            self.gap_ends = self.state.gap_ends()
            return replace(offset, following=first)
        return offset

    def catch_up(self, check: Callable[[], None]) -> Mapping[Partition, int]:
        """Read everything that is there now.

        Args:
            check: Raises when the run is to end.

        Returns:
            The end of each partition as it was when this began: everything before was read.

        Raises:
            FeedError: The feed cannot be read or understood.
        """
        self.begin_new()
        ends = dict(self.source.end(list(self._offsets)))
        while self._is_behind(ends, check):
            check()
            self.step(POLL_SECONDS)
            if given := self._offsets.keys() - ends.keys():
                ends |= self.source.end(sorted(given))
        self.settle()
        for topic, notes in self.decoder.notes().items():
            if topic in self.state.tables:
                self.state.note(topic, notes)
        for topic, kinds in self.decoder.kinds().items():
            if topic in self.state.tables:
                self.state.keep_kinds(topic, kinds)
        return ends

    def _is_behind(self, ends: Mapping[Partition, int], check: Callable[[], None]) -> bool:
        """Whether something is still to be read before these ends; where others share the topics, it takes waiting."""
        del check
        return any(self.source.position(one) < ends[one] for one in self._offsets if one in ends)

    def begin_new(self) -> None:
        """Begin with partitions that have come since, at their first records: topics get more, and recordings grow."""
        fresh = [one for one in self.source.partitions() if one not in self._offsets]
        if not fresh:
            return
        offsets = {one: Offset(first, first) for one, first in self.source.beginning(fresh).items()}
        self.state.begin(offsets)
        self._offsets |= offsets

    def step(self, seconds: float) -> int:
        """Take the records that come within the time, and keep what they tell; returns how many there were.

        Raises:
            PausedFeedError: They cannot be understood now; the next step takes the same ones again.
            FeedError: The feed cannot be read or understood.
        """
        count, topics = self._take(seconds)
        let_go()
        self.state.advance(topics)  # the records are let go of by now: both need not be in memory at once
        return count

    def _take(self, seconds: float) -> tuple[int, Iterable[str]]:
        """Keep what the records tell that come within the time: how many there were, and of which topics."""
        records = self.source.poll(seconds)
        if not records:
            return 0, ()
        try:
            return len(records), self.apply(records)
        except PausedFeedError:
            self.rewind()
            raise

    def rewind(self) -> None:
        """Go back to where the last whole batch ended: what was read since could not be kept."""
        for partition, offset in self._offsets.items():
            self.source.seek(partition, offset.following)

    def partitions(self) -> Sequence[Partition]:
        """What we read, ordered."""
        return sorted(self._offsets)

    def hear(self, truncates: Iterable[Truncate]) -> int:
        """Take notice of truncates that others have read; returns how many were news.

        What is kept of the rows that were there before is owed then, as if the record had been read here.
        """
        fresh = 0
        for one in truncates:
            known = self.state.truncates(one.topic) if one.topic in self.state.tables else [one]
            if one.place in {each.place for each in known}:
                continue
            fresh += 1
            seq = self._seqs[one.topic]
            intake = Intake(self.state.tables[one.topic], self.state.epochs, self.clock.now())
            intake.hear(seq, one)
            self.state.apply(Step((intake,), {}, seqs={one.topic: seq + 1}))
            self._seqs[one.topic] = seq + 1
            self.state.fold(one.topic)
        return fresh

    def shared(self) -> Sequence[Partition]:
        """What is shared with others, ours and theirs, ordered; nothing where we are alone."""
        return ()

    def hold(self) -> bool:
        """Whether what was read is still ours to judge."""
        return True

    def note(self) -> None:
        """Note how far we are for whoever watches; nobody does."""

    def settle(self) -> None:
        """Keep the positions that have moved without a record being seen: control records have offsets, too."""
        moves = {}
        for partition, offset in self._offsets.items():
            position = self.source.position(partition)
            if position > offset.following:
                moved = replace(offset, following=position)
                moves[partition] = (offset.following, moved)
        if moves:
            unseen = moves.keys() & self.state.latecomers.unbroken
            self.state.apply(Step((), moves, holes={one: moves[one][0] for one in unseen}))
            self._offsets.update({partition: moved for partition, (_, moved) in moves.items()})

    def apply(self, records: Sequence[Record]) -> Sequence[str]:
        """Understand a batch and keep it with its offsets, all or nothing; returns its topics."""
        topics = by_topic(records)
        collected = _Collected(self, topics, _there(records, self.gap_ends) if self.gap_ends else {})
        rest = {topic for topic, several in topics.items() if not self._take_at_once(collected, topic, several)}
        others = [record for topic in topics if topic in rest for record in topics[topic]]
        for record, decoded in zip(others, self.decoder.decode(others) if others else (), strict=True):
            collected.take(record, decoded)
        step = collected.step()
        for topic, several in topics.items():
            self._require_understood(topic, several, [one for one in step.dead if one.topic == topic])
        self.state.apply(step)
        self._offsets.update({partition: moved for partition, (_, moved) in step.moves.items()})
        self._gone.update(collected.gone)
        self.gap_ends = self._not_reached(self.gap_ends)
        self.records += len(records)
        self._seqs.update(step.seqs)
        for letter in step.dead:
            self._count_dead(letter)
        return list(topics)

    def _not_reached(self, ends: Mapping[Partition, int]) -> Mapping[Partition, int]:
        return {one: end for one, end in ends.items() if one in self._offsets and self._offsets[one].following < end}

    def _take_at_once(self, collected: _Collected, topic: str, records: Sequence[Record]) -> bool:
        """Take the records of a topic at once, where they are of the common kind."""
        if not isinstance(self.decoder, BatchDecoder):
            return False
        versions = self.decoder.versions(records, self.state.tables[topic])
        if versions is None or any(self.is_alone((topic, part), key) for part, key in versions.begins.items()):
            return False
        collected.take_at_once(topic, records, versions)
        return True

    def is_alone(self, partition: Partition, key: str) -> bool:
        """Whether a tombstone that would be the next of its partition has no delete of its key before it."""
        if partition in self._gone:
            return self._gone[partition] != key
        return not self.state.is_gone(partition[0], key)

    def _require_understood(self, topic: str, records: Sequence[Record], dead: Sequence[DeadLetter]) -> None:
        """Stop where the first records of a topic are all beyond understanding for one reason: so are the others, then.

        A record without a value is no understanding: it shows nothing of how values are to be read.

        Raises:
            FeedError: They are; nothing of them was kept.
        """
        begun = any(offset.last is not None for (name, _), offset in self._offsets.items() if name == topic)
        if begun and topic not in self._valueless:
            return
        if dead:
            values = sum(record.value is not None for record in records)
            misread = sum(letter.value is not None for letter in dead) if values else len(dead)
            if misread == (values or len(records)):
                self._require_several_reasons(topic, len(records), dead)
        if any(record.value is not None for record in records):
            self._valueless.discard(topic)
        else:
            self._valueless.add(topic)

    def _require_several_reasons(self, topic: str, records: int, dead: Sequence[DeadLetter]) -> None:
        """Stop where nothing of some first records was understood, but that some have no value, for one reason."""
        if len(dead) >= MISREAD_MIN and len({re.sub(r"\d+", "", letter.error) for letter in dead}) == 1:
            letter, what = dead[0], "records" if len(dead) == records else "records with a value"
            raise TopicError(
                f"reading {self.feed}, {topic}: none of its first {len(dead)} {what} can be understood, the one at "
                f"{topic}/{letter.part}@{letter.off} because {letter.error}; nothing of them was kept",
                topic=topic,
                hint="check the feed's wire format, its schema registry and `debezium.records` in the settings",
            )

    def _count_dead(self, letter: DeadLetter) -> None:
        self._dead[letter.topic] += 1
        if self._dead[letter.topic] > DEAD_LETTERS_MAX:
            raise TopicError(
                f"reading {self.feed}, {letter.topic}/{letter.part}@{letter.off}: more than {DEAD_LETTERS_MAX} records "
                f"could not be understood, this one because {letter.error}",
                topic=letter.topic,
                hint="check the feed's wire format and its schema registry in the settings",
            )

    def close(self) -> None:
        """Let go of the feed and of what is kept."""
        self.source.close()
        self.state.close()

    def offset(self, partition: Partition) -> Offset:
        """How far a partition was read."""
        return self._offsets[partition]

    def passes(self, topic: str) -> Passes:
        """The snapshots of a topic."""
        return self._passes[topic]

    def seq(self, topic: str) -> int:
        """The next arrival number of a topic."""
        return self._seqs[topic]


class _Collected:
    """What one batch of records does."""

    def __init__(self, follower: Follower, topics: Mapping[str, Sequence[Record]], there: Mapping[str, int]) -> None:
        self._follower = follower
        tables, epochs = follower.state.tables, follower.state.epochs
        seen = follower.clock.now()
        follower.times.note(seen, follower.clock.monotonic())
        self._intakes = {topic: Intake(tables[topic], epochs, seen) for topic in topics}
        self._seqs = {topic: follower.seq(topic) for topic in topics}
        self._topics = topics
        self._last: dict[Partition, Record] = {}
        self._counts: Counter[Partition] = Counter()
        self._there = dict(there)
        self._dead: list[DeadLetter] = []
        self._relations = {topic: Related() for topic in topics}
        self.gone: dict[Partition, str | None] = {}
        """See `Follower._gone`."""

    def take(self, record: Record, decoded: Decoded) -> None:
        """One record and what it turned out to be."""
        self._last[record.topic, record.partition] = record
        self._counts[record.topic, record.partition] += 1
        decoded = self._followed(record, decoded)
        if isinstance(decoded, Aside):
            return
        seq, self._seqs[record.topic] = self._seqs[record.topic], self._seqs[record.topic] + 1
        intake = self._intakes[record.topic]
        if isinstance(decoded, Poison):
            self._bury(intake, seq, record, decoded)
            return
        self._follower.seen[record.topic].columns.update(decoded.row)
        if decoded.relation:
            self._note_relation(record.topic, decoded, (record.partition, record.offset))
        stamp = record.timestamp if decoded.told_at is None else decoded.told_at
        if record.offset < self._follower.gap_ends.get((record.topic, record.partition), 0):
            self._note_there(record.topic, stamp)
        number = self._follower.passes(record.topic).number_of(decoded.snapshot, stamp)
        try:
            intake.add(seq, decoded, stamp=stamp, snapshot=number)
        except FeedError as error:
            self._bury(intake, seq, record, Poison(record, error.message))

    def _followed(self, record: Record, decoded: Decoded) -> Decoded:
        """A record, seen with the one before it: a tombstone without a delete of its key is all that is left of one.

        Compaction takes the delete, and leaves the tombstone for a while.
        """
        partition = record.topic, record.partition
        is_tombstone = isinstance(decoded, Aside) and decoded.kind is AsideKind.TOMBSTONE and bool(decoded.key)
        is_delete = isinstance(decoded, Change) and decoded.kind is ChangeKind.DELETE
        key = identity(decoded.key) if is_tombstone or is_delete else None  # type: ignore[arg-type]
        alone = is_tombstone and key is not None and self._is_alone(partition, key)
        self.gone[partition] = key
        return Change(decoded.place, ChangeKind.DELETE, "", decoded.key) if alone else decoded  # type: ignore[arg-type]

    def _is_alone(self, partition: Partition, key: str) -> bool:
        """See `Follower.is_alone`; what came of the partition in this batch is the nearest."""
        return self.gone[partition] != key if partition in self.gone else self._follower.is_alone(partition, key)

    def take_at_once(self, topic: str, records: Sequence[Record], versions: Versions) -> None:
        """The records of a topic and what they turned out to be."""
        self._last.update({(topic, part): records[index] for part, index in versions.last.items()})
        self._counts.update({(topic, part): count for part, count in versions.counts.items()})
        self.gone.update({(topic, part): key for part, key in versions.ends.items()})
        seq, self._seqs[topic] = self._seqs[topic], self._seqs[topic] + len(versions)
        self._follower.seen[topic].columns.update(versions.names)
        for relation, row in versions.relations.items():
            self._relations[topic].found(relation, (int(versions.parts[row]), int(versions.offsets[row])))
        for (name, part), end in self._follower.gap_ends.items():
            if name == topic:
                self._note_there(topic, int(versions.stamps[_before(versions, part, end)].max(initial=0)))
        passes = self._follower.passes(topic)
        numbers = {row: passes.number_of(mark, int(versions.stamps[row])) for row, mark in versions.snapshots}
        self._intakes[topic].take(seq, versions, numbers)

    def _note_relation(self, topic: str, change: Change, place: tuple[int, int]) -> None:
        """Which table a change is about; where its key tells it beside the row's own, with the key."""
        if change.routed and change.key:
            self._relations[topic].sharded[identity(change.key), change.table] = None
        else:
            self._relations[topic].found(change.table, place)

    def _note_there(self, topic: str, stamp: int) -> None:
        """When a record that was there when a loss was noted was told, by the connector's clock."""
        self._there[topic] = max(self._there.get(topic, 0), stamp)

    def _bury(self, intake: Intake, seq: int, record: Record, poison: Poison) -> None:
        key = poison.key
        headers = [[name, value and base64.b64encode(value).decode()] for name, value in record.headers]
        self._dead.append(
            DeadLetter(
                record.topic, record.partition, record.offset, record.key, record.value, json.dumps(headers),
                poison.error, identity(key) if key else None, seq,  # type: ignore[arg-type]
            )
        )  # fmt: skip
        if key:
            intake.doubt(seq, key, (record.partition, record.offset), record.timestamp)

    def step(self) -> Step:
        """All of it, to be applied at once."""
        moves = {}
        for partition, record in self._last.items():
            before = self._follower.offset(partition)
            moved = Offset(before.first, record.offset + 1, record.offset, record.timestamp, record_digest(record))
            moves[partition] = (before.following, moved)
        passes = [one for topic in self._intakes for one in self._follower.passes(topic).changed.values()]
        for topic in self._intakes:
            self._follower.passes(topic).changed.clear()
        told = tuple(self._intakes.values())
        return Step(told, moves, self._dead, passes, self._seqs, self._there, self._holes(moves), self._relations)

    def _holes(self, moves: Mapping[Partition, tuple[int, Offset]]) -> dict[Partition, int]:
        """The first offset that is lacking in partitions in which none was before."""
        return {
            (topic, part): _first_lacking(self._topics[topic], part, start)
            for (topic, part), (start, moved) in moves.items()
            if moved.following - start > self._counts[topic, part]
            and (topic, part) in self._follower.state.latecomers.unbroken
        }


def _there(records: Sequence[Record], ends: Mapping[Partition, int]) -> dict[str, int]:
    """Of each topic: the latest time among its records that stand before these ends."""
    found: dict[str, int] = {}
    for record in records:
        if record.offset < ends.get((record.topic, record.partition), 0):
            found[record.topic] = max(found.get(record.topic, 0), record.timestamp)
    return found


def _first_lacking(records: Sequence[Record], part: int, start: int) -> int:
    """The first offset from a start on that no record of a partition has."""
    following = start
    for record in records:
        if record.partition == part:
            if record.offset != following:
                break
            following += 1
    return following


def _before(versions: Versions, part: int, end: int) -> Flags:
    """Those of a partition's versions that stand before an offset."""
    before: Flags = (versions.parts == part) & (versions.offsets < end)
    return before


def _remade(feed: str, partition: Partition, offset: Offset, what: str) -> RemadeTopicError:
    topic, part = partition
    return RemadeTopicError(
        f"reading {feed}, {topic}/{part}: the topic was made anew or cut off: {what}",
        hint="what was kept of the topic is not what it says now: it is to be read again from its beginning",
        topic=topic, partition=part, following=offset.following, last_stamp=offset.last_stamp,
    )  # fmt: skip
