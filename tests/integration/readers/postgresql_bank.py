"""Accounts whose sum never changes, however much is moved between them."""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import PostgreSQL

ACCOUNTS = 30_000
BALANCE = 1000
TOTAL = ACCOUNTS * BALANCE
TELLERS = 3


@dataclass
class Bank:
    """A table `account` of many pages, and threads that move money about in it."""

    server: PostgreSQL
    url: str
    transfers: int = 0
    _closing: threading.Event = field(default_factory=threading.Event)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def founded(cls, server: PostgreSQL) -> Bank:
        """A bank on a primary; its table is large enough to be scanned in parallel."""
        url = server.fresh_database("bank")
        server.admin(
            "CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL, pad text NOT NULL)",
            # Room on every page, so that most updates stay on it; others move a row to another page.
            "ALTER TABLE account SET (fillfactor = 90)",
            f"INSERT INTO account SELECT i, {BALANCE}, repeat('x', 700) FROM generate_series(1, {ACCOUNTS}) i",
            "VACUUM ANALYZE account",
            database=url,
        )
        return cls(server, url)

    @contextmanager
    def open(self) -> Iterator[Bank]:
        """Move money while the block runs."""
        tellers = [threading.Thread(target=self._work, args=(number,)) for number in range(TELLERS)]
        for teller in tellers:
            teller.start()
        try:
            yield self
        finally:
            self._closing.set()
            for teller in tellers:
                teller.join()
        assert self.server.admin("SELECT sum(balance) FROM account", database=self.url) == [(TOTAL,)]

    def _work(self, seed: int) -> None:
        """Transfers, each one transaction; one in five moves an account to another place in the file."""
        chosen = random.Random(seed)
        with self.server.connect(self.url) as connection:
            while not self._closing.is_set():
                low, high = sorted(chosen.sample(range(1, ACCOUNTS + 1), 2))
                amount = chosen.randint(-50, 50)
                taken = f"UPDATE account SET balance = balance - {amount} WHERE id = {low}"
                given = f"UPDATE account SET balance = balance + {amount} WHERE id = {high}"
                moved = (
                    f"WITH gone AS (DELETE FROM account WHERE id = {low} RETURNING *) "
                    f"INSERT INTO account SELECT id, balance - {amount}, pad FROM gone"
                )
                first = moved if chosen.random() < 0.2 else taken
                try:
                    # An account that is being moved cannot be found by others: they are to fail, not to find nothing.
                    connection.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ; {first}; {given}; COMMIT")
                except (errors.SerializationFailure, errors.UniqueViolation):
                    connection.execute("ROLLBACK")
                    continue
                with self._counting:
                    self.transfers += 1
