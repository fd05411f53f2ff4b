"""A feed that was recorded: a file with one record a line, read as a broker is.

The file is read once to check every line and to learn where each partition stands in it; only a place every few
hundred records is kept.  After that, records are read on from wherever the partitions that are behind stand.  Nothing
is held in memory but the records of one poll.

A file that grows is a topic that grows: whole lines at its end are new records, whenever somebody asks how far it goes.
One that becomes shorter, or that another file takes the place of, is not what was read any more, and an error.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from auditor.feeds.gap import partition_text, retention_gap
from auditor.feeds.record_text import read_record
from auditor.readers.suggestion import did_you_mean
from auditor.reports.words import counted
from contracts.errors import FeedError, UnknownTopicError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from auditor.feeds.ports import Partition
    from auditor.feeds.record import Record

POLL_MAX_RECORDS = 5_000
"""Records a poll, as many as of a broker: one batch for whoever decodes them."""

MARK_EVERY_RECORDS = 512
"""How far apart the places are that are kept of a partition: nearer is more memory, further more lines to skip."""

LINE_MAX_BYTES = 256 * 1024 * 1024
"""A longer line is no record: brokers take 1 MB, and rarely more than some 10 MB."""


@dataclass(slots=True)
class _Track:
    """One partition in the file.

    Attributes:
        beginning: Its first offset.
        end: The offset after its last.
        offsets: Of every so-manieth record.
        places: Where the lines of those begin, in bytes.
        records: How many it has.
        position: The next offset to read.
        line: The number of its last record's line.
    """

    beginning: int
    end: int
    offsets: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    records: int = 0
    position: int = 0
    line: int = 0

    def add(self, offset: int, place: int, line: int) -> None:
        """Learn of the next record."""
        if self.records % MARK_EVERY_RECORDS == 0:
            self.offsets.append(offset)
            self.places.append(place)
        self.records += 1
        self.end, self.line = offset + 1, line

    def place_before(self, offset: int) -> int:
        """A place in the file from which this offset, or the one that follows where it is missing, is still to come."""
        return self.places[max(bisect_right(self.offsets, offset) - 1, 0)]


class RecordedSource:
    """The records of some topics in a file.

    Offsets may have holes, as those of compacted topics have; a partition's lines stand in order of offset, mixed with
    others in any way.

    Args:
        name: Of the feed, for messages.
        path: The file.
        topics: Which topics to read; None for all in the file.

    Raises:
        FeedError: The file cannot be read, a line is no record, or a topic is not in it.
    """

    def __init__(self, name: str, path: Path, topics: Iterable[str] | None = None) -> None:
        self._name = name
        self._path = path
        self._file = self._open()
        self._topics = None if topics is None else frozenset(topics)
        self._tracks: dict[Partition, _Track] = {}
        self._known = self._lines_known = 0
        self._last = b""
        """The last known line: where another stands in its place, the file was written anew."""
        try:
            self._learn()
        except BaseException:
            self._file.close()
            raise
        self._place: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def partitions(self) -> Sequence[Partition]:
        """The partitions in the file, ordered; new ones may have come."""
        self._learn_more()
        return sorted(self._tracks)

    def beginning(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The first offset of each."""
        return {partition: self._track(partition).beginning for partition in partitions}

    def end(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last of each, as it is now.

        Raises:
            FeedError: The file is not the one any more that was read, or a new line is no record.
        """
        self._learn_more()
        return {partition: self._track(partition).end for partition in partitions}

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset."""
        if offset < 0:
            raise ValueError(f"an offset is 0 or more, not {offset}")
        self._track(partition).position = offset
        self._place = None

    def position(self, partition: Partition) -> int:
        """The next offset that will be read."""
        return self._track(partition).position

    def poll(self, seconds: float) -> Sequence[Record]:
        """The next records; when all are read, none after the time is over, as of a broker where nothing is new.

        Raises:
            RetentionGapError: An offset to read is before the first, or after the end.
            FeedError: What was read of the file has changed since.
        """
        self._require_in_range()
        if all(track.position == track.end for track in self._tracks.values()):
            threading.Event().wait(seconds)
            return []
        return self._read()

    def tell(self, offsets: Mapping[Partition, int]) -> bool:
        """Nobody watches how far a file was read."""
        del offsets
        return False

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise FeedError(
                f"reading the recorded feed {self._name}: {self._path}: {error.strerror or error}",
                hint=f"set `path` of the feed {self._name} to a file of records, one JSON object a line",
            ) from error

    def _learn(self) -> None:
        """One pass over the file: check every line, and remember where partitions stand in it."""
        for number, place, line in self._lines():
            self._add(self._record(line, number), number, place)
        if self._topics is not None:
            self._require_topics(self._topics, {topic for topic, _ in self._tracks})
            self._tracks = {one: track for one, track in self._tracks.items() if one[0] in self._topics}

    def _learn_more(self) -> None:
        """Learn of the whole lines that have come to stand at the end; the beginning of one is left until it is whole.

        Raises:
            FeedError: The file is not the one any more that was read, or a line is no record.
        """
        status = os.fstat(self._file.fileno())
        if status.st_size < self._known or not self._is_there(status):
            raise self._changed()
        if status.st_size == self._known:
            return
        self._file.seek(self._known - len(self._last))
        if self._file.read(len(self._last)) != self._last:
            raise self._changed()
        for number, place, line in self._lines(whole=True):
            record = self._record(line, number)
            if self._topics is None or record.topic in self._topics:
                self._add(record, number, place)

    def _is_there(self, status: os.stat_result) -> bool:
        """Whether the path still leads to the file that is open."""
        try:
            return os.path.samestat(self._path.stat(), status)
        except OSError:
            return False

    def _add(self, record: Record, number: int, place: int) -> None:
        partition = record.topic, record.partition
        track = self._tracks.get(partition)
        if track is None:
            track = self._tracks[partition] = _Track(record.offset, record.offset, position=record.offset)
        elif record.offset < track.end:
            raise self._wrong(
                number,
                f"offset {record.offset} of {partition_text(partition)} stands after offset {track.end - 1} "
                f"(line {track.line}); expected a partition's records in order of offset, each once",
            )
        track.add(record.offset, place, number)

    def _lines(self, *, whole: bool = False) -> Iterator[tuple[int, int, bytes]]:
        """Every further line that is not blank: its number, where it begins, and its bytes; see `_learn_more`."""
        place, number = self._known, self._lines_known
        self._file.seek(place)
        while line := self._file.readline(LINE_MAX_BYTES + 1):
            if whole and not line.endswith(b"\n") and len(line) <= LINE_MAX_BYTES:
                return
            number += 1
            if len(line) > LINE_MAX_BYTES:
                raise self._wrong(number, f"the line is longer than {LINE_MAX_BYTES} bytes")
            if line.strip():
                yield number, place, line
            place += len(line)
            self._known, self._lines_known, self._last = place, number, line

    def _record(self, line: bytes, number: int) -> Record:
        try:
            return read_record(line)
        except ValueError as error:
            raise self._wrong(number, f"the line {error}") from None

    def _wrong(self, number: int, what: str) -> FeedError:
        return FeedError(
            f"reading the recorded feed {self._name}: {self._path}:{number}: {what}",
            hint='expected one record a line: {"topic", "partition", "offset", "timestamp", "key", "value", '
            '"headers"}, key and value in base64 or null, headers as [[name, base64], …]',
        )

    def _require_topics(self, topics: frozenset[str], seen: set[str]) -> None:
        """A topic of which nothing was recorded is an error: it is not told from one whose name is mistyped."""
        if topics and not seen:
            size = os.fstat(self._file.fileno()).st_size
            raise FeedError(
                f"reading the recorded feed {self._name}: {self._path} holds no record ({counted(size, 'byte')}, "
                f"{counted(self._lines_known, 'line')}); expected records of {', '.join(sorted(topics))}, one JSON "
                "object a line",
                hint=f"record them with `audit feed record`, or set `path` of the feed {self._name} to their file",
            )
        for topic in sorted(topics - seen):
            close = did_you_mean(topic, seen)
            raise UnknownTopicError(
                f"reading the recorded feed {self._name}: {self._path} has no record of the topic {topic}"
                + (f"; {close}" if close else ""),
                topic=topic,
                hint="name a topic of the recording, or record this one: `audit feed record`",
            )

    def _track(self, partition: Partition) -> _Track:
        try:
            return self._tracks[partition]
        except KeyError:
            raise FeedError(
                f"reading the recorded feed {self._name}: {self._path} has no record of {partition_text(partition)}",
                hint="name a topic and partition of the recording",
            ) from None

    def _require_in_range(self) -> None:
        for partition, track in sorted(self._tracks.items()):
            if not track.beginning <= track.position <= track.end:
                where = f"the recorded feed {self._name} ({self._path})"
                raise retention_gap(where, partition, track.position, track.beginning, track.end)

    def _read(self) -> list[Record]:
        """Records on from where the partition stands that is furthest behind in the file."""
        if self._place is None:
            self._place = min(
                track.place_before(track.position) for track in self._tracks.values() if track.position < track.end
            )
        found: list[Record] = []
        self._file.seek(self._place)
        while len(found) < POLL_MAX_RECORDS and self._place < self._known and (line := self._file.readline()):
            self._place += len(line)
            if line.strip():
                self._take(line, found)
        if not found:
            raise self._changed()
        return found

    def _take(self, line: bytes, found: list[Record]) -> None:
        try:
            record = read_record(line)
        except ValueError:
            raise self._changed() from None
        track = self._tracks.get((record.topic, record.partition))
        if track is not None and track.position <= record.offset < track.end:
            track.position = record.offset + 1
            found.append(record)

    def _changed(self) -> FeedError:
        size = os.fstat(self._file.fileno()).st_size
        return FeedError(
            f"reading the recorded feed {self._name}: {self._path} (now {size} bytes) changed while it was read",
            hint="read it again; a recording may grow at its end, and what is in it stays as it is",
        )
