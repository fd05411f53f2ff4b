"""What a snapshot of MariaDB's says of its log, held to what the snapshot shows, on a server of our own."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from auditor.readers.connection import ConnectionParts
from auditor.readers.mysql.reader import MySqlReader
from reconcilers.owner_log import OwnerLog, owner_log
from reconcilers.ports import Told, Wanted
from reconcilers.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pymysql.cursors

    from tests.services import MariaDB

WRITERS = 4
SNAPSHOTS = 25


@pytest.fixture
def server(mariadb: MariaDB) -> Iterator[MariaDB]:
    """One that begins its log: what a session does to its GTIDs stays in it for good."""
    made = type(mariadb).start()
    try:
        made.admin("CREATE DATABASE shop", "CREATE TABLE shop.t (id int AUTO_INCREMENT PRIMARY KEY, v int)")
        yield made
    finally:
        made.stop()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path) as opened:
        yield opened


def reader(server: MariaDB, relation: str = "t", **parts: str) -> MySqlReader:
    account = {"user": server.user, "password": server.password} | parts
    place = ConnectionParts(server.scheme, server.host, server.port, account["user"], account["password"], "shop")
    return MySqlReader("shop/t", place, relation)


def look(server: MariaDB, workspace: Workspace, **parts: str) -> tuple[OwnerLog | None, set[int]]:
    """What a snapshot says of its log, and the ids that it shows."""
    with reader(server, **parts).snapshot(workspace) as snapshot:
        relation = snapshot.scan([Wanted("id", None)])
        snapshot.load(f"SELECT {relation.columns[0].sql} FROM {relation.sql}", "seen")
        rows = workspace.cursor().execute("FROM seen").fetchall()
        return owner_log(snapshot.watermark), {int(row[0]) for row in rows}


BEGUN_SECONDS = 30.0
"""For each session to have inserted a row."""


class Writers:
    """Sessions that insert rows at the same time, each noting the GTID that its row got."""

    def __init__(self, server: MariaDB) -> None:
        self.gtids: dict[int, str] = {}
        self._server = server
        self._stop = threading.Event()
        self._begun = threading.Barrier(WRITERS + 1)
        self._threads = [threading.Thread(target=self._work) for _ in range(WRITERS)]

    def _work(self) -> None:
        with closing(self._server.connect("shop")) as connection, connection.cursor() as cursor:
            self._insert(cursor)
            self._begun.wait(BEGUN_SECONDS)
            while not self._stop.is_set():
                self._insert(cursor)

    def _insert(self, cursor: pymysql.cursors.Cursor) -> None:
        cursor.execute("INSERT INTO t (v) VALUES (1)")
        number = int(cursor.lastrowid)
        cursor.execute("SELECT @@last_gtid")
        ((self.gtids[number],),) = cursor.fetchall()

    @contextmanager
    def busy(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            self._begun.wait(BEGUN_SECONDS)
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()


def test_a_snapshot_shows_what_its_log_says_under_concurrent_commits(server: MariaDB, workspace: Workspace) -> None:
    """Of each transaction: seen is shown, and what comes after all that is shown is behind each of them."""
    writers = Writers(server)
    with writers.busy():
        looks = [look(server, workspace) for _ in range(SNAPSHOTS)]
    moving = 0
    for log, shown in looks:
        assert log is not None
        seen = {number for number, gtid in writers.gtids.items() if log.has_seen(gtid)}
        later = {number for number, gtid in writers.gtids.items() if log.is_before(Told(0, gtid))}
        assert seen <= shown
        assert not later & shown
        assert seen
        moving += bool(later)
    assert moving > SNAPSHOTS / 2, "nothing was written meanwhile"


def test_a_user_who_may_only_select_is_told_as_well(server: MariaDB, workspace: Workspace) -> None:
    server.admin("INSERT INTO shop.t (v) VALUES (1)")
    server.admin("CREATE USER modest IDENTIFIED BY 'modest'", "GRANT SELECT ON shop.t TO modest")
    log, _ = look(server, workspace, user="modest", password="modest")
    assert log is not None
    assert log.leads


def ran(connection: pymysql.Connection[Any], *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_while_something_is_prepared_the_log_tells_nothing(server: MariaDB, workspace: Workspace) -> None:
    """It is in the log already, has a GTID, and no snapshot shows it before it is committed."""
    with closing(server.connect("shop")) as session:
        ran(session, "XA START 'x'", "INSERT INTO t (v) VALUES (2)", "XA END 'x'", "XA PREPARE 'x'")
        assert look(server, workspace) == (None, set())
        ran(session, "XA COMMIT 'x'")
    log, shown = look(server, workspace)
    assert log is not None
    assert len(shown) == 1


def test_a_log_of_two_domains_tells_nothing(server: MariaDB, workspace: Workspace) -> None:
    """Each has an order of its own: that the one has passed says nothing of the other."""
    assert look(server, workspace)[0] is not None
    with closing(server.connect("shop")) as session:
        ran(session, "SET SESSION gtid_domain_id = 5", "INSERT INTO t (v) VALUES (1)")
    assert look(server, workspace)[0] is None


def test_a_table_without_snapshots_has_no_place_in_the_log(server: MariaDB, workspace: Workspace) -> None:
    server.admin("ALTER TABLE shop.t ENGINE = MyISAM")
    assert look(server, workspace)[0] is None


def test_a_server_that_has_repeated_another_one_does_not_lead(server: MariaDB, workspace: Workspace) -> None:
    """Others may have been told already of what it has yet to repeat."""
    server.admin("INSERT INTO shop.t (v) VALUES (1)", "SET GLOBAL gtid_slave_pos = '0-9-1'")
    log, _ = look(server, workspace)
    assert log is None or not log.leads


def test_another_servers_transactions_are_not_compared(server: MariaDB, workspace: Workspace) -> None:
    """After a failover: the snapshot stands behind a transaction of the new primary, and tells of its alone."""
    with closing(server.connect("shop")) as session:
        ran(session, "INSERT INTO t (v) VALUES (1)", "SET SESSION server_id = 7", "INSERT INTO t (v) VALUES (2)")
    log, _ = look(server, workspace)
    assert log is not None
    assert not log.leads, "it repeats another one's, or has done so"
    assert log.has_seen("0-7-2")
    assert not log.has_seen("0-1-2")
    assert not log.is_before(Told(0, "0-1-999"))
