"""A shop whose owner never rests: PostgreSQL, written at full speed, copied to three stores up to two seconds later.

Some rows are written many times a second; some are stuck, so that no change of theirs reaches any copy; some copies
hold what was planted there.  The rest is right at every instant of the lag bound, and nobody may say otherwise.
"""

from __future__ import annotations

import heapq
import itertools
import random
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services import MariaDB, PostgreSQL

ROWS = 2_000
DELAY_SECONDS_MAX = 2.0
"""How late a change reaches a copy at most; the lag bound of the contract is twice that, for slow machines."""
BACKLOG_SECONDS_MAX = 0.5
"""A writer waits while a copy is further behind than it should be: what is late must not be the machine's fault."""
LAG_SECONDS = 4.0
"""The lag bound of the contract."""
POLL_SECONDS = 0.01

HOT = range(1, 6)
STUCK = range(11, 16)
HOT_AND_STUCK = range(16, 19)
MISSING = range(21, 24)
WRONG = range(31, 34)
ORPHANS = range(900_001, 900_004)
QUIET = frozenset([*STUCK, *MISSING, *WRONG])

CONTRACT = """\
entity: order
version: 1
team: checkout
owner:
  service: orders
  dataset: orders/public.orders
  changed_at: revision
key: [id]
fields:
  id: {type: int}
  status: {type: text}
  amount: {type: "decimal(10,2)"}
  revision: {type: int}
replicas:
  - {service: warehouse, dataset: warehouse/public.order_copy, fields: {status: state, amount: total, revision: rev}, key: {id: order_id}, lag_bound: 4s}
  - {service: reporting, dataset: reporting/order_copy, fields: {status: state, amount: total, revision: rev}, key: {id: order_id}, lag_bound: 4s}
  - {service: mobile, dataset: mobile/order_copy, fields: {status: state, amount: total}, key: {id: order_id}, lag_bound: 4s}
"""  # noqa: E501

COPY = "order_copy (order_id bigint PRIMARY KEY, state varchar(20), total decimal(10,2), rev bigint)"

Row = tuple[int, str, str, int]
"""id, status, amount, revision."""


class Copy(Protocol):
    """One replica's store, as what fills it sees it."""

    def apply(self, rows: list[tuple[int, Row | None]]) -> None:
        """Write or delete rows, in one transaction."""
        ...

    def close(self) -> None:
        """No more will be written."""
        ...


class ServerCopy:
    """A copy in PostgreSQL or MariaDB."""

    def __init__(self, server: PostgreSQL | MariaDB, url: str, upsert: str) -> None:
        self._connect = server.connect
        self._url = url
        self._upsert = upsert
        server.admin(f"CREATE TABLE {COPY}", database=url)

    def apply(self, rows: list[tuple[int, Row | None]]) -> None:
        """Write or delete rows, in one transaction."""
        with self._connect(self._url) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for key, row in rows:
                if row is None:
                    cursor.execute("DELETE FROM order_copy WHERE order_id = %s", (key,))
                else:
                    cursor.execute(self._upsert, row)
            cursor.execute("COMMIT")

    def close(self) -> None:
        """Nothing is left open."""


class SqliteCopy:
    """A copy in SQLite, which its application keeps open."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"CREATE TABLE {COPY}")

    def apply(self, rows: list[tuple[int, Row | None]]) -> None:
        """Write or delete rows, in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        for key, row in rows:
            if row is None:
                self._connection.execute("DELETE FROM order_copy WHERE order_id = ?", (key,))
            else:
                self._connection.execute("INSERT OR REPLACE INTO order_copy VALUES (?, ?, ?, ?)", row)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """The application ends."""
        self._connection.close()


@dataclass
class Replication:
    """Brings each change to one copy, each after a time of its own, those of one key in order."""

    copy: Copy
    chosen: random.Random
    late: float = 0.0
    """Seconds that the oldest change is past its time."""
    overdue: set[int] = field(default_factory=set)
    """Keys of which a change took longer than the lag bound: a machine at its limits, and drift while it lasted."""
    _due: list[tuple[float, int, int, Row | None, float]] = field(default_factory=list)
    _last: dict[int, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def take(self, key: int, row: Row | None, began: float) -> None:
        """Take a change on its way, which was not made before `began`."""
        with self._lock:
            moment = max(began + self.chosen.uniform(0, DELAY_SECONDS_MAX), self._last.get(key, 0.0))
            self._last[key] = moment
            heapq.heappush(self._due, (moment, next(self._number), key, row, began))

    def work(self, closing: threading.Event) -> None:
        """Deliver what is due, until the shop closes."""
        while not closing.wait(POLL_SECONDS):
            self.deliver(time.monotonic())

    def deliver(self, until: float) -> None:
        """Bring everything that is due by a moment to the copy."""
        batch: list[tuple[int, Row | None]] = []
        begun: dict[int, float] = {}
        with self._lock:
            while self._due and self._due[0][0] <= until:
                _, _, key, row, began = heapq.heappop(self._due)
                batch.append((key, row))
                begun[key] = min(began, begun.get(key, began))
        if batch:
            self.copy.apply(batch)
        now = time.monotonic()
        self.overdue |= {key for key, began in begun.items() if now - began > LAG_SECONDS}
        with self._lock:
            self.late = max(time.monotonic() - self._due[0][0], 0.0) if self._due else 0.0


class BusyShop:
    """The owner, its copies, and the threads that keep them busy."""

    def __init__(self, owner: PostgreSQL, mariadb: MariaDB, directory: Path) -> None:
        self.owner_url = owner.fresh_database("busy")
        self._owner = owner
        owner.admin(
            "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(20), amount numeric(10,2), revision bigint)",
            database=self.owner_url,
        )
        warehouse, reporting = owner.fresh_database("warehouse"), mariadb.fresh_database("reporting")
        self.urls = {
            "orders": self.owner_url, "warehouse": warehouse, "reporting": reporting,
            "mobile": f"sqlite:///{directory / 'mobile.db'}",
        }  # fmt: skip
        postgresql = (
            "INSERT INTO order_copy VALUES (%s, %s, %s, %s) ON CONFLICT (order_id) DO UPDATE "
            "SET state = excluded.state, total = excluded.total, rev = excluded.rev"
        )
        copies: list[Copy] = [
            ServerCopy(owner, warehouse, postgresql),
            ServerCopy(mariadb, reporting, "REPLACE INTO order_copy VALUES (%s, %s, %s, %s)"),
            SqliteCopy(directory / "mobile.db"),
        ]
        self.replications = [Replication(copy, random.Random(i)) for i, copy in enumerate(copies)]
        self._revisions = itertools.count(1)
        self.writes = 0

    def fill(self) -> None:
        """Everything everywhere alike, then what is stuck and what is planted."""
        rows = [self._row(key, "new") for key in range(1, ROWS + 1)]
        with self._owner.connect(self.owner_url) as connection, connection.cursor() as cursor:
            cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s, %s)", rows)
            cursor.execute("UPDATE orders SET status = 'stuck', revision = revision + 10000 WHERE id = ANY(%s)",
                           (list(STUCK),))  # fmt: skip
        for replication in self.replications:
            replication.copy.apply([(row[0], row) for row in rows])
            replication.copy.apply([(key, None) for key in MISSING])
            planted: list[tuple[int, Row | None]] = [(key, (key, "planted", "0.01", 1)) for key in WRONG]
            replication.copy.apply(planted + [(key, (key, "orphan", "1.00", 1)) for key in ORPHANS])

    def _row(self, key: int, status: str) -> Row:
        number = next(self._revisions)
        return key, status, f"{number % 100_000_000 / 100:.2f}", number

    @contextmanager
    def open(self) -> Iterator[BusyShop]:
        """Business while the block runs."""
        closing, failures = threading.Event(), []

        def guarded(work: object, *arguments: object) -> None:
            try:
                work(*arguments)  # type: ignore[operator]
            except Exception as error:  # noqa: BLE001 - told at the block's end
                failures.append(error)
                closing.set()

        threads = [threading.Thread(target=guarded, args=(r.work, closing)) for r in self.replications]
        threads.append(threading.Thread(target=guarded, args=(self._write, closing)))
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            closing.set()
            for thread in threads:
                thread.join()
            for replication in self.replications:
                replication.copy.close()
        assert not failures, failures

    def _write(self, closing: threading.Event) -> None:
        """Changes as fast as they go: every second one to a hot row."""
        chosen = random.Random(7)
        alive = set(range(100, ROWS + 1))
        with self._owner.connect(self.owner_url) as connection, connection.cursor() as cursor:
            while not closing.is_set():
                if any(replication.late > BACKLOG_SECONDS_MAX for replication in self.replications):
                    closing.wait(POLL_SECONDS)
                    continue
                if chosen.random() < 0.5:
                    self._update(cursor, chosen.choice([*HOT, *HOT_AND_STUCK]), chosen)
                else:
                    self._touch(cursor, chosen.randint(100, ROWS + 500), alive, chosen)
                self.writes += 1

    def _touch(self, cursor: object, key: int, alive: set[int], chosen: random.Random) -> None:
        """An insert, an update or a delete of an ordinary row."""
        began = time.monotonic()
        if key not in alive:
            row = self._row(key, "new")
            cursor.execute("INSERT INTO orders VALUES (%s, %s, %s, %s)", row)  # type: ignore[attr-defined]
            alive.add(key)
            self._send(key, row, began)
        elif chosen.random() < 0.2:
            cursor.execute("DELETE FROM orders WHERE id = %s", (key,))  # type: ignore[attr-defined]
            alive.discard(key)
            self._send(key, None, began)
        else:
            self._update(cursor, key, chosen)

    def _update(self, cursor: object, key: int, chosen: random.Random) -> None:
        began = time.monotonic()
        row = self._row(key, chosen.choice(["paid", "packed", "shipped"]))
        cursor.execute(  # type: ignore[attr-defined]
            "UPDATE orders SET status = %s, amount = %s, revision = %s WHERE id = %s", (*row[1:], key)
        )
        self._send(key, row, began)

    def _send(self, key: int, row: Row | None, began: float) -> None:
        if key in HOT_AND_STUCK:
            return
        for replication in self.replications:
            replication.take(key, row, began)
