"""The replica service: it consumes the order service's topic into a table of its own, rightly but for what is planted.

What it does rightly is what every consumer of such a topic has to: a change that comes again after a crash of the
connector is known by its place in the owner's log, a truncate takes what was there before it in that log, and what a
second snapshot does not meet is gone.  It decodes with nothing of the auditor's.
"""

from __future__ import annotations

import io
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import fastavro
from kafka import KafkaConsumer, TopicPartition

from tests.services.deadline import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import Kafka, MariaDB, SchemaRegistry

TABLE = "order_copy"
CREATE = f"CREATE TABLE {TABLE} (order_id int PRIMARY KEY, state varchar(20), total decimal(10,2))"

LOST, NEVER, REORDERED, KEPT, TOUCHED, SURVIVOR, TWICE, LATE = range(1, 9)
"""Keys with a fault each: a lost update, a lost insert, two changes out of order, a missed delete, a write by hand, a
row that is written again after a truncate; and two without harm: a change applied twice, one applied late."""

LAG_SECONDS = 15
"""The lag bound of the contract."""

KNOWN_SECONDS = 60.0
"""Until a new topic's partitions are known."""

_PREFIX_BYTES = 5
"""Before an Avro value: a zero and the id of its schema."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one record says.

    Attributes:
        op: Debezium's letter.
        key: Of the order; None of a truncate.
        row: The order as it is now; None where it is gone.
        lsn: The place in the owner's log: of one row, later changes have greater ones.
        snapshot: What the record says of the snapshot that it belongs to.
        told: When the connector told it, in milliseconds.
        committed: When the owner committed it, in seconds.
    """

    op: str
    key: int | None
    row: dict[str, Any] | None
    lsn: int
    snapshot: str
    told: int
    committed: float

    @property
    def status(self) -> str | None:
        """Of the order, where it is there."""
        return None if self.row is None else str(self.row["status"])


@dataclass
class ReplicaService:
    """See the module's docstring.

    Attributes:
        released: Whether the change that comes late may be applied.
        overdue: Keys of which a change took longer than the lag bound: on a machine at its limits, and drift meanwhile.
    """

    mariadb: MariaDB
    database: str
    kafka: Kafka
    registry: SchemaRegistry
    topic: str
    released: threading.Event = field(default_factory=threading.Event)
    overdue: set[int] = field(default_factory=set)
    failure: Exception | None = None
    _closing: threading.Event = field(default_factory=threading.Event)
    _schemas: dict[int, Any] = field(default_factory=dict)
    _applied: dict[int, int] = field(default_factory=dict)
    _told: dict[int, int] = field(default_factory=dict)
    _placed: dict[int, int] = field(default_factory=dict)
    _held: dict[int, list[Change]] = field(default_factory=dict)
    _truncated: int = 0
    _pass_began: int = 0
    _pass_ends: dict[TopicPartition, int] = field(default_factory=dict)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        assert self._thread is not None
        self._thread.join()

    def check(self) -> None:
        """Raise what has ended it."""
        assert self.failure is None, self.failure

    def holds_late(self) -> bool:
        """Whether the change that comes late has come, and waits to be released."""
        self.check()
        return LATE in self._held

    # -- the consumer --------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with (
                closing(self.mariadb.connect(self.database)) as connection,
                connection.cursor() as cursor,
                closing(KafkaConsumer(bootstrap_servers=self.kafka.url, enable_auto_commit=False)) as consumer,
            ):
                partitions = self._partitions(consumer)
                consumer.assign(partitions)
                consumer.seek_to_beginning(*partitions)
                while not self._closing.is_set():
                    for records in consumer.poll(timeout_ms=100).values():
                        for record in records:
                            self._take(cursor, record.value)
                    self._release(cursor)
                    self._sweep(cursor, consumer)
        except Exception as error:  # noqa: BLE001 - told by whoever waits for it
            self.failure = error

    def _partitions(self, consumer: KafkaConsumer) -> list[TopicPartition]:
        """Of the topic, which the broker may list before it has told who leads it."""
        known = partial(consumer.partitions_for_topic, self.topic)
        wait_until(lambda: bool(known()), seconds=KNOWN_SECONDS, what=f"the partitions of {self.topic}")
        return [TopicPartition(self.topic, one) for one in known()]

    def _take(self, cursor: Any, value: bytes | None) -> None:
        """Apply one record."""
        if value is None:
            return  # a tombstone, after its delete
        change = self._decoded(value)
        if change.op == "r":
            self._note_pass(change)
        if change.key is None:
            self._truncate(cursor, change)
            return
        if change.lsn < self._truncated:
            return  # it was taken away by a truncate that came from another partition
        self._told[change.key] = max(change.told, self._told.get(change.key, 0))
        self._placed[change.key] = max(change.lsn, self._placed.get(change.key, 0))
        if change.op != "r":
            if change.lsn <= self._applied.get(change.key, 0):
                return  # it comes again
            self._applied[change.key] = change.lsn
        for planned in self._planted(change):
            self._apply(cursor, planned)

    def _apply(self, cursor: Any, change: Change) -> None:
        assert change.key is not None
        if change.row is None:
            cursor.execute(f"DELETE FROM {TABLE} WHERE order_id = %s", (change.key,))
        else:
            cursor.execute(
                f"REPLACE INTO {TABLE} VALUES (%s, %s, %s)", (change.key, change.row["status"], change.row["total"])
            )
        if time.time() - change.committed > LAG_SECONDS:
            self.overdue.add(change.key)

    def _truncate(self, cursor: Any, change: Change) -> None:
        """Nothing of what was there before it stays, but for what was told since and came earlier, and the fault."""
        since = [key for key, lsn in self._placed.items() if lsn > change.lsn]
        cursor.execute(f"SELECT order_id, state, total FROM {TABLE} WHERE order_id IN %s", ((*since, SURVIVOR),))
        kept = cursor.fetchall()
        cursor.execute(f"TRUNCATE TABLE {TABLE}")
        cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s, %s, %s)", kept)
        self._truncated = max(self._truncated, change.lsn)

    def _note_pass(self, change: Change) -> None:
        """A snapshot begins or ends."""
        if change.snapshot.startswith("first"):
            self._pass_began = change.told
        if change.snapshot.startswith("last"):
            self._pass_ends = {TopicPartition("", 0): 0}  # asked for in the next round

    def _sweep(self, cursor: Any, consumer: KafkaConsumer) -> None:
        """Once all of a snapshot has come: what it did not meet was gone before it."""
        if not self._pass_ends:
            return
        if TopicPartition("", 0) in self._pass_ends:
            self._pass_ends = consumer.end_offsets(list(consumer.assignment()))
        if any(consumer.position(one) < end for one, end in self._pass_ends.items()):
            return
        self._pass_ends = {}
        for key in [key for key, told in self._told.items() if told < self._pass_began]:
            del self._told[key]
            cursor.execute(f"DELETE FROM {TABLE} WHERE order_id = %s", (key,))

    # -- the faults ----------------------------------------------------------------------------------------------------

    def _planted(self, change: Change) -> Iterator[Change]:
        """What is applied of a change, and what of it later."""
        if change.key == LOST and change.status == "paid":
            return
        if change.key == NEVER and change.op == "c":
            return
        if change.key == KEPT and change.op == "d":
            return
        if change.key == LATE and change.status == "paid" and not self.released.is_set():
            self._held[LATE] = [change]
            return
        if change.key == REORDERED and change.status == "paid":
            self._held[REORDERED] = [change]
            return
        yield change
        if change.key == TWICE:
            yield change
        if change.key == REORDERED and change.status == "packed":
            yield from self._held.pop(REORDERED)

    def _release(self, cursor: Any) -> None:
        """Apply what was to come late, once it may."""
        if self.released.is_set():
            for change in self._held.pop(LATE, []):
                self._apply(cursor, change)

    # -- decoding ------------------------------------------------------------------------------------------------------

    def _decoded(self, value: bytes) -> Change:
        number = int.from_bytes(value[1:_PREFIX_BYTES], "big")
        if number not in self._schemas:
            self._schemas[number] = fastavro.parse_schema(self.registry.schema(number))
        told: Any = fastavro.schemaless_reader(io.BytesIO(value[_PREFIX_BYTES:]), self._schemas[number], None)
        source, row = told["source"], told["after"]
        meant = row or told["before"]
        return Change(
            told["op"], None if meant is None else meant["id"], row, source["lsn"], source["snapshot"] or "false",
            told["ts_ms"], source["ts_ms"] / 1000,
        )  # fmt: skip
