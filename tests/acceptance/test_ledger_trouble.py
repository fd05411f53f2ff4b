"""Bad days of the ledger: the report is not lost, the ledger stays sound, and one message says what happened."""

from __future__ import annotations

import json
import resource
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from auditor.clock import SystemClock
from auditor.ledger import database
from auditor.ledger.holder import Holder
from auditor.ledger.ledger import Ledger
from auditor.runs.reconcile import reconcile
from contracts.errors import UsageError
from reconcilers.spill import VALUES_IN_MEMORY_MAX

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from tests.acceptance.conftest import Outcome
    from tests.acceptance.shop import Shop
    from tests.services import PostgreSQL

NOW = ("reconcile", "--recheck-after", "0s", "--format", "json")
MANY = 3000
"""Findings that take more room than the disk has."""

DISK_BYTES = 600_000
OTHER_HOST = Holder("host b, process 7", "another-boot/1 7 1")
TERM = timedelta(minutes=2)


def full_disk() -> None:
    """A limit on the size of files stands for the disk: nothing else fails a write as root, and everywhere."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_BYTES, DISK_BYTES))


def test_a_disk_that_is_full_when_a_run_is_recorded_takes_neither_the_report_nor_the_ledger(
    shop: Shop, audit: Callable[..., Outcome], audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    shop.search("DELETE FROM order_search WHERE order_id = 3")
    assert audit(*NOW).code == 1
    rows = ", ".join(f"({number}, 'ghost', NULL, 1)" for number in range(1000, 1000 + MANY))
    shop.search(f"INSERT INTO order_search VALUES {rows}")
    out, err = audit_process(*NOW, preexec_fn=full_disk).communicate(timeout=60)
    report = json.loads(out)
    assert (report["exit_code"], report["exit_reasons"]) == (2, ["drift", "not_recorded"])
    assert len(report["findings"]) == MANY + 1
    assert "cannot record the run in the ledger" in err
    assert "disk" in err
    assert "Traceback" not in err
    with closing(sqlite3.connect("auditor.db")) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(audit("runs", "--format", "json").json["runs"]) == 1
    assert audit(*NOW).code == 1, "nothing stands in the way of the next run"
    assert len(audit("findings", "--open", "--format", "json").json["findings"]) == MANY + 1


def test_a_disk_that_is_full_where_findings_wait_ends_the_entity_and_loses_nothing(
    shop: Shop, audit: Callable[..., Outcome], audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """Not the ledger's disk but the workspace's: one message, and all that was known before is known after."""
    shop.search("DELETE FROM order_search WHERE order_id = 3")
    assert audit(*NOW).code == 1
    shop.search(
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1000 + "
        f"{VALUES_IN_MEMORY_MAX}) INSERT INTO order_search SELECT i, 'ghost', NULL, 1 FROM n"
    )
    process = audit_process(*NOW, preexec_fn=full_disk)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert err.count("keeping what differs in") == 1
    assert "give workspace.directory room, or name another one" in err
    assert "Traceback" not in err
    open_ones = audit("findings", "--open", "--format", "json").json["findings"]
    assert [one["key"] for one in open_ones] == [{"id": "3"}], "a run that could not look closes nothing"
    after = audit(*NOW)
    assert (after.code, len(after.json["findings"])) == (1, VALUES_IN_MEMORY_MAX + 2)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of waiting for a locked ledger is long for a test."""
    monkeypatch.setattr(database, "LOCK_WAIT_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
def test_a_ledger_that_is_locked_at_the_start_is_told_before_a_store_is_read(
    shop: Shop, audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert audit(*NOW).code == 0
    monkeypatch.delattr("auditor.runs.job.reconcile")
    with closing(sqlite3.connect(shop.directory / "auditor.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = audit(*NOW)
    assert (done.code, done.out) == (2, "")
    assert "cannot take a lease in the ledger" in done.err
    assert "another process has been writing to it" in done.err
    assert len(done.err.splitlines()) == 2


@pytest.mark.usefixtures("impatient")
def test_a_ledger_that_is_locked_when_a_run_is_recorded_does_not_take_the_report_away(
    shop: Shop, audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.search("DELETE FROM order_search WHERE order_id = 3")
    with closing(sqlite3.connect("auditor.db", isolation_level=None)) as other:

        def locked(*arguments: Any) -> Any:
            result = reconcile(*arguments)
            other.execute("BEGIN IMMEDIATE")
            return result

        monkeypatch.setattr("auditor.runs.job.reconcile", locked)
        done = audit(*NOW)
        other.rollback()
    assert (done.code, done.json["exit_reasons"]) == (2, ["drift", "not_recorded"])
    assert [one["divergence"] for one in done.json["findings"]] == ["missing"]
    assert "cannot record the run in the ledger" in done.err
    assert "a lease could not be given back; it ends within 120 s" in done.err
    assert audit("runs").out == "No runs.\n"


# Two hosts that share a ledger


@pytest.fixture
def shared(shop: Shop, postgres: PostgreSQL) -> Iterator[Ledger]:
    """The ledger of a team, as another host has it open."""
    url = postgres.fresh_database("ledger")
    with shop.settings.open("a") as settings:
        settings.write(f'ledger: {{url: "{url}"}}\n')
    with Ledger.open(url) as ledger:
        yield ledger


def test_a_run_on_another_host_keeps_this_one_away_from_its_entities_until_its_lease_ends(
    shared: Ledger, audit: Callable[..., Outcome]
) -> None:
    """Nobody here can know whether a process there is gone; the times are the ledger's server's."""
    shared.take_leases(["customer"], "theirs", OTHER_HOST, TERM)
    assert audit(*NOW).code == 0, "another entity is nobody's concern"
    shared.take_leases(["order"], "theirs", OTHER_HOST, TERM)
    done = audit(*NOW)
    assert (done.code, done.out) == (2, "")
    assert "the run theirs (host b, process 7) is at work on it since" in done.err
    assert audit("ledger", "status", "--format", "json").json["leases"][0]["holder"] == OTHER_HOST.name
    shared.renew_leases("theirs", OTHER_HOST, timedelta(seconds=-1))  # it has not been heard of since
    assert audit(*NOW).code == 0


def test_another_host_is_kept_away_while_this_one_is_at_work(
    shop: Shop, shared: Ledger, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    shop.search("DELETE FROM order_search WHERE order_id = 3")
    process = audit_process("reconcile", "--recheck-after", "5m", "--max-wait", "20m")
    try:
        assert process.stderr is not None
        assert any("looking again" in line for line in process.stderr)
        with pytest.raises(UsageError, match=f"order cannot be reconciled now: .* process {process.pid}"):
            shared.take_leases(["order"], "theirs", OTHER_HOST, TERM)
    finally:
        process.kill()
        process.communicate()
    with pytest.raises(UsageError, match="cannot be reconciled now"):  # who is killed there is known to be gone here
        shared_elsewhere(shared)


def shared_elsewhere(ledger: Ledger) -> None:
    """Take the lease as a host that cannot see the processes of this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditor.ledger.leases.is_gone", lambda _process: False)
        ledger.take_leases(["order"], "theirs", OTHER_HOST, TERM)


def test_of_two_hosts_that_begin_at_once_one_gets_the_entity(shared: Ledger) -> None:
    took: list[str] = []
    told: list[str] = []

    def begin(number: int) -> None:
        try:
            shared.take_leases(["order"], f"run-{number}", Holder(f"host {number}", f"boot-{number}/1 1 1"), TERM)
            took.append(f"run-{number}")
        except UsageError as error:
            told.append(error.message)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == 1
    assert len(told) == 7
    assert all(took[0] in message for message in told)


def test_hosts_whose_clocks_are_hours_apart_take_a_moment_for_a_moment(
    shop: Shop, shared: Ledger, audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one leaves in flight another judges: by the clock of the ledger's server, which all of them share."""
    shop.replace("lag_bound: 1s", "lag_bound: 1h")
    shop.search("DELETE FROM order_search WHERE order_id = 3")
    verdicts = []
    for hours in (0, 0, 7, -7, 0):
        monkeypatch.setattr(SystemClock, "now", lambda _self, h=hours: datetime.now(UTC) + timedelta(hours=h))
        done = audit("reconcile", "--max-wait", "0s", "--format", "json")
        verdicts.append(done.json["findings"][0]["verdict"])
        assert done.json["started_at"] <= done.json["finished_at"]
        assert abs(datetime.fromisoformat(done.json["finished_at"]) - shared.now()) < timedelta(seconds=20)
        told = f"this host's clock is 7 h {'ahead of' if hours > 0 else 'behind'} the ledger's server"
        assert (told in done.err) == bool(hours)
    assert verdicts == ["in_flight"] * 5


# A lag bound longer than the night


def test_a_lag_bound_longer_than_the_night_is_not_waited_for(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """Neither up to `--max-wait` nor up to `--deadline`, since nothing could be settled by then."""
    shop.contract.write_text(shop.contract.read_text().replace("lag_bound: 1s", "lag_bound: 12h"))
    shop.search("DELETE FROM order_search WHERE order_id = 3")
    for limit in (("--max-wait", "1h"), ("--deadline", "1h"), ()):
        done = audit("reconcile", "--format", "json", *limit)
        assert (done.code, done.json["exit_reasons"]) == (0, []), "in flight is not drift, and no trouble"
        (finding,) = done.json["findings"]
        assert (finding["verdict"], finding["divergence"]) == ("in_flight", "missing")
    first = min(read["at"] for read in finding["evidence"]["reads"])
    assert first < done.json["started_at"], "the looks of the earlier runs count"
    assert finding["judge_after"] > done.json["finished_at"]
    assert "1 row in flight" in audit("report").out
