"""A lease has one holder at a time, on every kind of database, and outlives only whoever may still be alive."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from auditor.ledger.holder import Holder, is_gone, this_process
from auditor.ledger.ledger import Ledger
from contracts.errors import LedgerBusyError, LedgerError, UsageError
from tests.unit.ledger.documents import finding, report

MINUTE = timedelta(minutes=1)
HERE, THERE = Holder("host a, process 1", "boot-a/1 1 1"), Holder("host b, process 2", "boot-b/1 2 2")


def test_leases_are_taken_renewed_given_back_and_taken_over_on_every_database(any_url: str) -> None:
    with Ledger.open(any_url) as ledger, Ledger.open(any_url) as other:
        ledger.take_leases(["order", "customer"], "one", HERE, MINUTE)
        with pytest.raises(UsageError, match=r"order cannot be reconciled now: the run one \(host a, process 1\)"):
            other.take_leases(["order", "product"], "two", THERE, MINUTE)
        assert [(lease.entity, lease.run_id) for lease in ledger.status().leases] == [
            ("customer", "one"),
            ("order", "one"),
        ], "nothing of a refused request is taken"
        other.take_leases(["product"], "two", THERE, MINUTE)
        before = {lease.entity: lease.until for lease in ledger.status().leases}
        assert ledger.renew_leases("one", HERE, 2 * MINUTE) == 2
        after = {lease.entity: lease.until for lease in ledger.status().leases}
        assert after["order"] > before["order"]
        assert after["product"] == before["product"]
        ledger.release_leases("one", HERE)
        assert [lease.entity for lease in ledger.status().leases] == ["product"]
        ledger.take_leases(["order"], "three", HERE, -MINUTE)
        assert [lease.entity for lease in ledger.status().leases] == ["product"], "an expired one keeps nobody away"
        other.take_leases(["order"], "four", THERE, MINUTE)
        assert ledger.renew_leases("three", HERE, MINUTE) == 0, "who lost a lease does not get it back by renewing"
        ledger.release_leases("three", HERE)
        assert [lease.run_id for lease in ledger.status().leases] == ["four", "two"]


def test_times_of_leases_are_those_of_now(any_url: str) -> None:
    with Ledger.open(any_url) as ledger:
        ledger.take_leases(["order"], "one", HERE, MINUTE)
        (lease,) = ledger.status().leases
        assert abs(datetime.fromisoformat(lease.taken_at) - datetime.now(UTC)) < MINUTE
        assert datetime.fromisoformat(lease.until) - datetime.fromisoformat(lease.taken_at) == MINUTE


def test_the_same_run_in_another_process_is_kept_away_too(ledger: Ledger) -> None:
    ledger.take_leases(["order"], "one", HERE, MINUTE)
    with pytest.raises(UsageError):
        ledger.take_leases(["order"], "one", THERE, MINUTE)


def test_a_run_records_nothing_over_what_its_successor_works_on(ledger: Ledger) -> None:
    ledger.take_leases(["order"], "earlier", HERE, -MINUTE)
    ledger.take_leases(["order"], "later", THERE, MINUTE)
    with pytest.raises(LedgerError, match=r"its lease of order had ended, and the run later \(host b, process 2\)"):
        ledger.record(report("earlier"), [finding()])
    assert ledger.status().runs == 0
    ledger.record(report("later"), [finding()])
    ledger.record(report("another", entity="customer"), [])


def test_whoever_takes_no_lease_is_told_to_wait_and_not_that_it_slept(ledger: Ledger) -> None:
    """A monitor looks at keys at any time, and records them between the runs that look at everything."""
    ledger.take_leases(["order"], "nightly", THERE, MINUTE)
    with pytest.raises(LedgerBusyError, match=r"the run nightly \(host b, process 2\) is at work on it since"):
        ledger.record(report("monitor"), [finding()])
    ledger.release_leases("nightly", THERE)
    ledger.record(report("monitor"), [finding()])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell, and leases expire there")
def test_a_process_is_gone_only_when_that_is_certain() -> None:
    own = this_process().process
    assert own
    assert not is_gone(own)
    where, number, started = own.split(" ")
    assert is_gone(f"{where} {number} {int(started) - 1}"), "its number was given to another process"
    for unknown in ("", "another-boot/1 1 1", where, f"{where} x y"):
        assert not is_gone(unknown)
    program = "from auditor.ledger.holder import this_process; print(this_process().process, flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    theirs = process.stdout.readline().strip()
    assert not is_gone(theirs)
    process.kill()
    process.communicate()
    assert is_gone(theirs)
