"""Whether a topic is still the log that was read before, told by the last record that was read of it.

Offsets alone do not tell: a topic that was made anew, or whose end was cut off and written again, soon has all the
offsets that the old one had.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.feeds.ports import Partition, RecordSource
    from auditor.feeds.record import Record

DIGEST_BYTES = 16
RECALL_SECONDS = 30.0
"""For one record that the broker has on its disk."""


@dataclass(frozen=True, slots=True)
class LastRead:
    """What is kept of the last record of a partition that was read.

    Attributes:
        offset: Its offset.
        timestamp: Its time, in milliseconds since 1970.
        digest: Of its bytes, in hex.
        leader_epoch: Of the leader that wrote it, where the source told.
    """

    offset: int
    timestamp: int
    digest: str
    leader_epoch: int | None = None

    @classmethod
    def of(cls, record: Record) -> LastRead:
        """What to keep of a record."""
        return cls(record.offset, record.timestamp, record_digest(record), record.leader_epoch)

    def is_in(self, record: Record) -> bool:
        """Whether a record is that one."""
        return (self.offset, self.timestamp, self.digest) == (record.offset, record.timestamp, record_digest(record))


def record_digest(record: Record) -> str:
    """A digest of a record's key, value and headers, each with its length."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    parts = [record.key, record.value]
    for name, content in record.headers:
        parts += [name.encode(), content]
    for part in parts:
        digest.update(b"-" if part is None else len(part).to_bytes(8) + part)
    return digest.hexdigest()


def is_same_log(
    source: RecordSource, partition: Partition, last: LastRead, seconds: float = RECALL_SECONDS
) -> bool | None:
    """Whether the partition still has the record that was read last; its position is afterwards behind that record.

    Args:
        source: Reads the partition; what it brings of others meanwhile is left to be read again.
        partition: The partition.
        last: What was kept of the record.
        seconds: How long to wait for it.

    Returns:
        None where it cannot be known: the record was compacted away or removed, or did not come in time.
    """
    if not source.beginning([partition])[partition] <= last.offset < source.end([partition])[partition]:
        return None
    positions = {other: source.position(other) for other in source.partitions() if other != partition}
    for other, end in source.end(list(positions)).items():
        source.seek(other, end)  # nothing of it is wanted, and where it stands may be gone already
    source.seek(partition, last.offset)
    found = _recall(source, partition, last, time.monotonic() + seconds)
    for other, offset in positions.items():
        source.seek(other, offset)
    source.seek(partition, last.offset + 1)
    return None if found is None else last.is_in(found)


def _recall(source: RecordSource, partition: Partition, last: LastRead, end: float) -> Record | None:
    """The record at the offset of the last one."""
    while source.position(partition) <= last.offset and time.monotonic() < end:
        for record in source.poll(min(1.0, seconds_left(end))):
            if (record.topic, record.partition, record.offset) == (*partition, last.offset):
                return record
    return None


def seconds_left(end: float) -> float:
    """Seconds until a moment of the monotonic clock."""
    return max(end - time.monotonic(), 0)
