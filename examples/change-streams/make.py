"""Makes what this example audits: a shop, a copy of it that lost two changes, and a recording of the shop's changes."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path

TOPIC = "shop.public.orders"
BEGAN = 1_767_261_600_000  # 2026-01-01 10:00 UTC, in milliseconds
HERE = Path(__file__).parent

Row = tuple[int, str, str]

# What happened, in order: the operation (r: read by the connector's snapshot, c: created, u: updated, d: deleted),
# the order's id, and its status and total from then on.
CHANGES = [
    ("r", 1, "paid", "10.00"),
    ("r", 2, "paid", "20.00"),
    ("r", 3, "paid", "30.00"),
    ("r", 4, "paid", "40.00"),
    ("r", 5, "paid", "50.00"),
    ("u", 1, "shipped", "10.00"),
    ("u", 3, "shipped", "30.00"),
    ("d", 4, "", ""),
    ("c", 6, "placed", "60.00"),
    ("u", 2, "refunded", "0.00"),
    ("u", 6, "paid", "60.00"),
]
LOST = {6, 7}  # by their place above: what the copy never heard of


def main() -> None:
    """Make everything anew."""
    _table(HERE / "shop.db", _fold(set()))
    _table(HERE / "reporting.db", _fold(LOST))
    recorded = HERE / "recorded"
    recorded.mkdir(exist_ok=True)
    with (recorded / "records.jsonl").open("w", encoding="utf-8") as lines:
        for offset, (key, value) in enumerate(_records()):
            record = {
                "topic": TOPIC,
                "partition": 0,
                "offset": offset,
                "timestamp": BEGAN + 1000 * offset,
                "key": _base64(key),
                "value": _base64(value),
                "headers": [],
            }
            lines.write(json.dumps(record) + "\n")


def _fold(lost: set[int]) -> list[Row]:
    """The rows after all changes but those that were lost."""
    rows: dict[int, Row] = {}
    for place, (operation, order, status, total) in enumerate(CHANGES):
        if place in lost:
            continue
        if operation == "d":
            del rows[order]
        else:
            rows[order] = (order, status, total)
    return list(rows.values())


def _table(path: Path, rows: list[Row]) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT NOT NULL, total TEXT NOT NULL)")
        database.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)


def _records() -> list[tuple[dict[str, object], dict[str, object] | None]]:
    """Key and value of each record, as Debezium's connector for PostgreSQL writes them in JSON without schemas."""
    records: list[tuple[dict[str, object], dict[str, object] | None]] = []
    snapshot = sum(operation == "r" for operation, *_ in CHANGES)
    for place, (operation, order, status, total) in enumerate(CHANGES):
        moment = BEGAN + 60_000 * place
        source = {
            "version": "3.5.0.Final",
            "connector": "postgresql",
            "name": "shop",
            "ts_ms": moment,
            "snapshot": "false" if place >= snapshot else "last" if place == snapshot - 1 else "true",
            "db": "shop",
            "sequence": json.dumps([None, str(1000 + place)]),
            "schema": "public",
            "table": "orders",
            "txId": 700 + place,
            "lsn": 1000 + place,
            "xmin": None,
        }
        after = None if operation == "d" else {"id": order, "status": status, "total": total}
        before = {"id": order, "status": None, "total": None} if operation == "d" else None
        value = {"before": before, "after": after, "source": source, "op": operation, "ts_ms": moment + 20}
        records.append(({"id": order}, value))
        if operation == "d":
            records.append(({"id": order}, None))  # a tombstone: lets a compacted topic forget the key
    return records


def _base64(value: object) -> str | None:
    return None if value is None else base64.b64encode(json.dumps(value).encode()).decode()


if __name__ == "__main__":
    main()
