"""What a snapshot of MariaDB's has seen, and what comes after it, by GTIDs alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcilers.mariadb_log import MariadbLog
from reconcilers.owner_log import owner_log
from reconcilers.ports import Told
from reconcilers.postgresql_log import PostgresqlLog
from reconcilers.watermark import Watermark

if TYPE_CHECKING:
    from reconcilers.owner_log import OwnerLog

STEPS = ("write", "show", "prepare", "commit", "roll back")


def log_of(text: str, position: str = "") -> OwnerLog | None:
    return owner_log(Watermark("d", datetime(2026, 1, 1, tzinfo=UTC), 0.0, position=position, log=text))


def told(transaction: str) -> Told:
    return Told(1, transaction)


@given(seen=st.integers(1, 2**64 - 1), more=st.integers(0, 5), number=st.integers(0, 2**64 - 1))
def test_of_one_server_and_domain_the_numbers_tell(seen: int, more: int, number: int) -> None:
    log = log_of(f"0-1-{seen} 0-1-{seen + more}")
    assert log is not None
    assert log.has_seen(f"0-1-{number}") is (number <= seen)
    assert log.is_before(told(f"0-1-{number}")) is (number > seen + more)


@pytest.mark.parametrize(
    "transaction", ["", "0-2-5", "1-1-5", "00-1-5", "5", "0/1E2D3C8", "0-1-x", "0-1-5 ", "0-1-٥", "u-u-i-d:5", "0-1--5"]
)
def test_what_counts_otherwise_is_neither_seen_nor_later(transaction: str) -> None:
    """Another server's, another domain's, another database's; a snapshot's row has none at all."""
    for log in (MariadbLog("0-1", 10, 10), MariadbLog("0-1", 1, 1)):
        assert not log.has_seen(transaction)
        assert not log.is_before(told(transaction))


@pytest.mark.parametrize(
    "text",
    ["", "0-1-5", "0-1-5 0-2-6", "0-1-5 1-1-6", "0-1-5 0-1-6,1-1-3", "0-1-5,1-1-3 0-1-6", "binlog.1:4 binlog.1:4", "x"],
)
def test_a_log_of_several_servers_or_domains_tells_nothing(text: str) -> None:
    assert log_of(text) is None


def test_each_database_has_its_own() -> None:
    assert log_of("0-1-5 0-1-5") == MariadbLog("0-1", 5, 5)
    assert log_of("1/0", "10:20:") == PostgresqlLog("10:20:", 2**32)


def test_what_was_written_and_not_committed_when_the_snapshot_was_taken_is_not_seen() -> None:
    """The last place in the log is read before the snapshot, whose own place may be an earlier one."""
    log = log_of("0-1-9 0-1-7")
    assert log is not None
    assert log.has_seen("0-1-7")
    assert not log.has_seen("0-1-8")
    assert log.is_before(told("0-1-8"))


def test_what_was_found_before_the_look_is_shown_where_the_server_stands_alone_and_shows_all_that_it_has_written() -> (
    None
):
    assert log_of("0-1-7 0-1-9 alone") == MariadbLog("0-1", 7, 9, leads=True)
    assert log_of("0-1-7 0-1-9") == MariadbLog("0-1", 7, 9)
    assert log_of("0-1-9 0-1-7 alone") == MariadbLog("0-1", 7, 7)
    assert log_of("0-1-9 0-1-7 along") is None


@dataclass
class Server:
    """A server whose transactions are written first, and shown in the same order; what is prepared, whenever."""

    written: int = 0
    shown: int = 0
    prepared: set[int] = field(default_factory=set)
    never: set[int] = field(default_factory=set)
    """What was prepared, until it is committed."""

    def take(self, step: str) -> None:
        if step in ("write", "prepare"):
            self.written += 1
        if step == "prepare":
            self.shown = self.written  # of what is prepared, the log shows at once
            self.prepared.add(self.written)
            self.never.add(self.written)
        elif step == "show":
            self.shown = min(self.shown + 1, self.written)
        elif step in ("commit", "roll back") and self.prepared:
            one = min(self.prepared)
            self.prepared.discard(one)
            if step == "commit":
                self.never.discard(one)

    @property
    def visible(self) -> set[int]:
        return set(range(1, self.shown + 1)) - self.never


@given(
    before=st.lists(st.sampled_from(STEPS), min_size=1, max_size=12),
    meanwhile=st.tuples(*[st.lists(st.sampled_from(STEPS), max_size=4)] * 4),
)
def test_whatever_happens_while_a_snapshot_is_opened_it_says_nothing_wrong(
    before: list[str], meanwhile: tuple[list[str], ...]
) -> None:
    """The reader's steps, with anything between them: what is seen is shown; what comes after, nothing shown is behind.

    What was prepared and rolled back for good is in the log and nowhere else; that the row lacks it is true.
    """
    server = Server()
    for step in before:
        server.take(step)
    first = server.written
    _go_on(server, meanwhile[0])
    was_prepared = bool(server.prepared)
    _go_on(server, meanwhile[1])
    visible, last, pending = server.visible, server.shown, set(server.prepared)
    _go_on(server, meanwhile[2])
    if was_prepared or server.prepared:
        return
    log = log_of(f"0-1-{first} 0-1-{last}")
    assert log is not None
    seen = {number for number in range(1, server.written + 1) if log.has_seen(f"0-1-{number}")}
    assert not seen & pending
    assert seen - server.never <= visible
    assert not any(log.is_before(told(f"0-1-{number}")) for number in visible)


def _go_on(server: Server, steps: list[str]) -> None:
    for step in steps:
        server.take(step)
