"""The bank test: money moves between accounts all the time, and every scan sees every cent exactly once.

Passed by every reader of a store that others write to meanwhile.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.conformance.delivery import keys, things, workspace_in
from tests.conformance.stores.registry import STORES, store_marks
from tests.conformance.stores.sql import SqlStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.stores.store import Store

ACCOUNTS = 5_000
BALANCE = 100
SCANS = 20

SHARED = [
    pytest.param(kind.name, id=kind.name, marks=store_marks(kind))
    for kind in STORES
    if issubclass(kind, SqlStore) and kind.has_writers
]


class Tellers:
    """Threads that move money between accounts until told to stop."""

    def __init__(self, store: SqlStore, relation: str, count: int) -> None:
        self.moved = 0
        self._store, self._relation = store, relation
        self._over = threading.Event()
        self._begun = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_a_move(self) -> None:
        """Return when another transfer was committed."""
        while self._begun.acquire(blocking=False):
            pass
        assert self._begun.acquire(timeout=60)

    def _work(self, number: int) -> None:
        with self._store.teller() as execute:
            turn = number
            while not self._over.is_set():
                turn += 7
                self._transfer(execute, turn % ACCOUNTS + 1, turn * 31 % ACCOUNTS + 1)
                self._begun.release()

    def _transfer(self, execute: Any, one: int, other: int) -> None:
        """One cent from one account to another; locks are taken in order, so that tellers never wait in a ring."""
        table = self._store.quoted(self._relation)
        changes = sorted([(one, -1), (other, 1)])
        execute([f"UPDATE {table} SET v = v + {change} WHERE id = {account}" for account, change in changes])


@pytest.fixture
def bank(store: Store) -> tuple[SqlStore, str]:
    """A table of accounts with the same balance each."""
    assert isinstance(store, SqlStore)
    columns = {"id": store.spelled("int"), "v": store.spelled("int")}
    rows = [(str(i), str(BALANCE)) for i in range(1, ACCOUNTS + 1)]
    return store, store.make(store.new_name(), columns, rows, ["id"])


@pytest.mark.parametrize("store", SHARED, indirect=True)
def test_no_scan_is_torn(bank: tuple[SqlStore, str], tmp_path: Path) -> None:
    store, relation = bank
    wanted = things(id="int", v="int")
    some = keys(wanted[:1], *((str(i),) for i in range(1, ACCOUNTS + 1, 5)))
    with Tellers(store, relation, 2) as tellers, workspace_in(tmp_path) as workspace:
        for _ in range(SCANS):
            tellers.wait_for_a_move()
            with store.reader(relation).snapshot(workspace) as snapshot:
                assert snapshot.watermark.isolation == "snapshot"
                read = snapshot.scan(wanted)
                amount = f"CAST({read.columns[1].sql} AS BIGINT)"
                snapshot.load(f"SELECT count(*), sum({amount}) FROM {read.sql}", "balance")
                assert workspace.cursor().execute("SELECT * FROM balance").fetchall() == [
                    (ACCOUNTS, ACCOUNTS * BALANCE)
                ]
                before = _balances(workspace, snapshot, read)
                looked_up = snapshot.lookup(wanted, some)
                after = _balances(workspace, snapshot, looked_up)
                assert after.items() <= before.items()  # by key and by scan, it is the same moment
                assert len(after) >= ACCOUNTS // 5
                assert snapshot.incomplete() == ""


def _balances(workspace: Any, snapshot: Any, relation: Any) -> dict[int, int]:
    number, amount = (f"CAST({column.sql} AS BIGINT)" for column in relation.columns)
    snapshot.load(f"SELECT {number}, {amount} FROM {relation.sql}", "balances")
    return dict(workspace.cursor().execute("SELECT * FROM balances").fetchall())
