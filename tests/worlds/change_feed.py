"""A made-up change stream: what Debezium for PostgreSQL writes as plain JSON, as a recorded feed."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]


def _bytes(value: object) -> str | None:
    return None if value is None else base64.b64encode(json.dumps(value).encode()).decode()


def heartbeat(connector: str, moment: float, offset: int = 0) -> dict[str, Any]:
    """A record by which a connector shows that it lives."""
    ms = int(moment * 1000)
    return {
        "topic": f"__debezium-heartbeat.{connector}", "partition": 0, "offset": offset, "timestamp": ms,
        "key": _bytes({"serverName": connector}), "value": _bytes({"ts_ms": ms}), "headers": [],
    }  # fmt: skip


@dataclass
class ChangeFeed:
    """One topic with the changes of one table, oldest first.

    Attributes:
        topic: Its name.
        key: The table's key.
        started: When the first change was committed, in seconds since 1970; each one is a tenth of a second later.
        connector: Who writes it.
    """

    topic: str
    key: tuple[str, ...] = ("id",)
    started: float = field(default_factory=lambda: time.time() - 3600)
    partitions: int = 1
    connector: str = "made"
    records: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[Any, Row] = field(default_factory=dict)
    _lsn: int = 1_000
    _offsets: dict[int, int] = field(default_factory=dict)

    def snapshot(self, rows: list[Row], *, ends: bool = True) -> None:
        """What the connector read when it began; it may be about to read more."""
        for number, row in enumerate(rows):
            last = ends and number == len(rows) - 1
            self.rows[self._key(row)] = row
            self._write("r", None, row, "last" if last else "first" if number == 0 else "true")

    def begin_without(self, rows: list[Row]) -> None:
        """Rows that are there before the connector begins, and that it does not read."""
        self.rows |= {self._key(row): row for row in rows}

    def put(self, **row: Any) -> None:
        """An INSERT or an UPDATE."""
        before = self.rows.get(self._key(row))
        self.rows[self._key(row)] = {**(before or {}), **row}
        self._write("u" if before else "c", before, self.rows[self._key(row)])

    def delete(self, **key: Any) -> None:
        """A DELETE, with its tombstone."""
        before = self.rows.pop(self._key(key))
        self._write("d", before, None)
        self._append(before, None)

    def rename(self, old: Row, new: Row) -> None:
        """An UPDATE of the key: one transaction, told as a delete and a create that name each other."""
        row = {**self.rows[self._key(old)], **new}
        self.delete(**old)
        deleted = self.records[-2]
        lsn, self._lsn = self._lsn, self._lsn - 8
        self.put(**row)
        assert self._lsn == lsn
        deleted["headers"] = [["__debezium.newkey", _bytes(new)]]
        self.records[-1]["headers"] = [["__debezium.oldkey", _bytes(old)]]

    def truncate(self) -> None:
        """A TRUNCATE."""
        self.rows.clear()
        self._write("t", None, None)

    def poison(self, value: bytes = b"{", **key: Any) -> None:
        """A record that nobody can understand."""
        self._append(key, None)
        self.records[-1]["value"] = base64.b64encode(value).decode()

    def again(self, records: int) -> None:
        """The connector was killed before it had written down how far it was, and sends the last records again."""
        for record in self.records[-records:]:
            self.records.append({**record, "offset": self._next(record["partition"])})

    def compact(self) -> None:
        """Leave the last record of each key; the others keep their offsets."""
        last = {record["key"]: record["offset"] for record in self.records}
        self.records = [record for record in self.records if last[record["key"]] == record["offset"]]

    def save(self, path: Path, *others: ChangeFeed) -> None:
        """Write it, and others, as one recorded feed."""
        records = [record for feed in (self, *others) for record in feed.records]
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))

    def _key(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.key)

    def _write(self, operation: str, before: Row | None, after: Row | None, snapshot: str = "false") -> None:
        self._lsn += 0 if snapshot != "false" else 8
        ms = self._ms()
        source = {
            "version": "3.5.0.Final", "connector": "postgresql", "name": self.connector, "ts_ms": ms,
            "ts_us": ms * 1000, "ts_ns": ms * 1_000_000, "snapshot": snapshot, "db": "shop",
            "schema": "public", "table": "orders",
            "sequence": f'[null,"{self._lsn}"]', "txId": self._lsn, "lsn": self._lsn, "xmin": None,
        }  # fmt: skip
        value = {"before": before, "after": after, "source": source, "transaction": None, "op": operation, "ts_ms": ms}
        self._append(after or before, value)

    def _ms(self) -> int:
        return int(self.started * 1000) + len(self.records) * 100

    def _append(self, row: Row | None, value: Any) -> None:
        key = None if row is None else {name: row[name] for name in self.key}
        partition = 0 if key is None else hash(tuple(map(str, key.values()))) % self.partitions
        self.records.append(
            {
                "topic": self.topic, "partition": partition, "offset": self._next(partition), "timestamp": self._ms(),
                "key": _bytes(key), "value": _bytes(value), "headers": [],
            }
        )  # fmt: skip

    def _next(self, partition: int) -> int:
        offset = self._offsets.get(partition, 0)
        self._offsets[partition] = offset + 1
        return offset
