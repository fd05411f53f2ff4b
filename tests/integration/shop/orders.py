"""The order service: it owns orders in PostgreSQL, and changes them all the time."""

from __future__ import annotations

import itertools
import random
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.integration.shop.reporting import KEPT, LATE, LOST, NEVER, REORDERED, SURVIVOR, TOUCHED, TWICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.services import PostgreSQL

CREATE = "CREATE TABLE orders (id int PRIMARY KEY, status varchar(20) NOT NULL, total numeric(10,2) NOT NULL)"
BUSY = range(101, 161)
"""Orders that business is about; none of them has a fault."""

PAUSE_SECONDS = 0.03
_STATUSES = ("new", "paid", "packed", "shipped")


@dataclass
class OrderService:
    """Writes orders, each change committed by itself, until it is closed.

    Attributes:
        written: How many changes it has made by itself.
    """

    postgres: PostgreSQL
    database: str
    written: int = 0
    failure: Exception | None = None
    _fresh: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    _closing: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()

    def rest(self) -> None:
        """Write no more."""
        self._closing.set()
        assert self._thread is not None
        self._thread.join()
        assert self.failure is None, self.failure

    def execute(self, *statements: str) -> None:
        """Change something, each statement by itself."""
        self.postgres.admin(*statements, database=self.database)

    def add(self) -> int:
        """Make an order that nothing happens to, and return its key."""
        key = next(self._fresh)
        self.execute(_insert([key], 30))
        return key

    def fill(self) -> None:
        """What there is before anybody follows."""
        self.execute(CREATE, _insert([SURVIVOR, *BUSY], 10))

    def empty(self) -> None:
        """A TRUNCATE, after which the orders are made that something is to go wrong with."""
        self.execute("TRUNCATE orders", _insert([LOST, REORDERED, KEPT, TOUCHED, TWICE, LATE], 20))

    def change_special_orders(self) -> None:
        """Changes of which some go wrong on their way."""
        self.execute(
            f"UPDATE orders SET status = 'paid' WHERE id IN ({LOST}, {REORDERED}, {TWICE}, {LATE})",
            f"UPDATE orders SET status = 'packed' WHERE id IN ({REORDERED}, {TWICE})",
            f"DELETE FROM orders WHERE id = {KEPT}",
            _insert([NEVER], 20),
        )

    def rows(self) -> dict[int, tuple[str, str]]:
        """All orders, as they stand in the table."""
        found = self.postgres.admin("SELECT id, status, total::text FROM orders", database=self.database)
        return {key: (status, total) for key, status, total in found}

    def _work(self) -> None:
        chosen = random.Random(7)
        try:
            with closing(self.postgres.connect(self.database)) as connection, connection.cursor() as cursor:
                while not self._closing.wait(PAUSE_SECONDS):
                    self._change(cursor, chosen)
                    self.written += 1
        except Exception as error:  # noqa: BLE001 - told when it is closed
            self.failure = error

    def _change(self, cursor: Any, chosen: random.Random) -> None:
        """Mostly an order is written; now and then it goes, gets another key, or is changed twice at once."""
        key, what = chosen.choice(BUSY), chosen.random()
        total = f"{self.written + 1}.25"
        if what < 0.1:
            cursor.execute("DELETE FROM orders WHERE id = %s", (key,))
        elif what < 0.2:
            other = chosen.choice(BUSY)
            cursor.execute("BEGIN")
            cursor.execute("DELETE FROM orders WHERE id = %s AND id <> %s", (other, key))
            cursor.execute("UPDATE orders SET id = %s WHERE id = %s", (other, key))
            cursor.execute("COMMIT")
        elif what < 0.3:
            cursor.execute("BEGIN")
            self._put(cursor, key, "new", total)
            self._put(cursor, key, "cancelled", total)
            cursor.execute("COMMIT")
        else:
            self._put(cursor, key, chosen.choice(_STATUSES), total)

    def _put(self, cursor: Any, key: int, status: str, total: str) -> None:
        cursor.execute(
            "INSERT INTO orders (id, status, total) VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE "
            "SET status = excluded.status, total = excluded.total",
            (key, status, total),
        )


def _insert(keys: Sequence[int], total: int) -> str:
    """Statement that makes new orders; their columns are named, for the table gets more of them."""
    return "INSERT INTO orders (id, status, total) VALUES " + ", ".join(f"({key}, 'new', {total})" for key in keys)
