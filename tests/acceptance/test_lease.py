"""Two runs never work on one entity at once, and nobody has to tidy up after a run that was killed."""

from __future__ import annotations

import signal
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auditor.ledger import database
from auditor.ledger.ledger import Ledger
from auditor.ledger.recording import Recording
from auditor.runs import lease as lease_module
from auditor.runs.reconcile import reconcile
from contracts.errors import LedgerError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from tests.acceptance.conftest import Outcome
    from tests.acceptance.shop import Shop

WAITING = ("reconcile", "--recheck-after", "5m", "--max-wait", "20m", "--format", "json")
"""A run that has found a suspect and waits for minutes."""
NOW = ("reconcile", "--recheck-after", "0s", "--format", "json")


def leases(columns: str = "entity") -> list[tuple[str, ...]]:
    with closing(sqlite3.connect("auditor.db")) as connection:
        return connection.execute(f"SELECT {columns} FROM leases ORDER BY entity").fetchall()


@pytest.fixture
def waiting(shop: Shop, audit_process: Callable[..., subprocess.Popen[str]]) -> Iterator[subprocess.Popen[str]]:
    """A run at work in another process."""
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    process = audit_process(*WAITING)
    assert process.stderr is not None
    assert any("looking again" in line for line in process.stderr)
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_told_who_is_at_work_and_reads_nothing(
    waiting: subprocess.Popen[str], audit: Callable[..., Outcome]
) -> None:
    ((run_id, taken_at, until),) = leases("run_id, taken_at, until")
    done = audit(*NOW)
    assert (done.code, done.out) == (2, "")
    for word in ("order", run_id, f"process {waiting.pid}", taken_at, until, "next: wait"):
        assert word in done.err
    assert audit("ledger", "status", "--format", "json").json["leases"][0]["run_id"] == run_id
    assert audit("entity", "order", "7").code == 1, "looking at one entity needs no lease"
    assert audit("reconcile", "--dry-run").code == 0
    assert audit("runs").code == 0


def test_a_killed_run_leaves_nothing_that_keeps_the_next_one_away(
    waiting: subprocess.Popen[str], audit: Callable[..., Outcome]
) -> None:
    waiting.kill()
    waiting.wait()
    assert leases() == [("order",)]
    assert audit(*NOW).code == 1
    assert leases() == []


def test_where_nobody_can_tell_that_it_was_killed_the_lease_ends_by_itself(
    waiting: subprocess.Popen[str], audit: Callable[..., Outcome]
) -> None:
    waiting.kill()
    waiting.wait()
    with closing(sqlite3.connect("auditor.db")) as connection, connection:
        connection.execute("UPDATE leases SET process = 'another-boot/1 1 1'")
    assert audit(*NOW).code == 2
    with closing(sqlite3.connect("auditor.db")) as connection, connection:
        connection.execute("UPDATE leases SET until = '2020-01-01T00:00:00.000000Z'")
    assert audit(*NOW).code == 1


def test_a_run_that_is_ended_gives_its_lease_back(
    waiting: subprocess.Popen[str], audit: Callable[..., Outcome]
) -> None:
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=60)
    assert waiting.returncode == 2
    assert not Path("auditor.db").exists(), "nor a ledger that holds nothing"
    assert audit(*NOW).code == 1


def test_a_run_prolongs_its_lease(shop: Shop, audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "LEASE_TERM", timedelta(seconds=1.2))
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    outcome: list[Outcome] = []
    run = threading.Thread(target=lambda: outcome.append(audit("reconcile", "--recheck-after", "4s", "--quiet")))
    run.start()
    seen = set()
    while run.is_alive():
        if Path("auditor.db").exists():
            with closing(sqlite3.connect("file:auditor.db?mode=ro", uri=True)) as connection:
                if connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'leases'").fetchone()[0]:
                    seen |= set(connection.execute("SELECT until FROM leases"))
        run.join(0.05)
    assert len(seen) > 2
    assert outcome[0].code == 1
    assert leases() == []


def test_a_run_that_records_for_long_does_not_take_itself_for_another(
    shop: Shop, audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million findings hold a file for minutes: the lease cannot be renewed meanwhile, nor taken by anybody."""
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    refused, renew, add = threading.Event(), Ledger.renew_leases, Recording.add

    def renewing(ledger: Ledger, *arguments: Any) -> int:
        try:
            return renew(ledger, *arguments)
        except LedgerError:
            refused.set()
            raise

    def adding(recording: Recording, findings: Any) -> None:
        add(recording, findings)
        assert refused.wait(30)

    monkeypatch.setattr(lease_module, "LEASE_TERM", timedelta(seconds=1.2))
    monkeypatch.setattr(database, "LOCK_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(Ledger, "renew_leases", renewing)
    monkeypatch.setattr(Recording, "add", adding)
    done = audit(*NOW)
    assert done.code == 1, done.err
    assert "lease" not in done.err
    assert leases() == []


@pytest.mark.usefixtures("shop")
def test_a_run_whose_lease_was_taken_over_is_not_recorded_but_reports(
    audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*arguments: Any) -> Any:
        with closing(sqlite3.connect("auditor.db")) as connection, connection:
            connection.execute("UPDATE leases SET run_id = 'the-other', process = 'another-boot/1 1 1'")
        return reconcile(*arguments)

    monkeypatch.setattr("auditor.runs.job.reconcile", overtaken)
    done = audit(*NOW)
    assert (done.code, done.json["exit_reasons"]) == (2, ["not_recorded"])
    assert "the-other" in done.err
    assert leases("run_id") == [("the-other",)], "what is another's stays"
    assert audit("runs").out == "No runs.\n"


def test_a_ledger_that_is_gone_when_the_run_ends_does_not_take_the_report_away(
    shop: Shop, audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted(*arguments: Any) -> Any:
        (shop.directory / "auditor.db").unlink()
        return reconcile(*arguments)

    monkeypatch.setattr("auditor.runs.job.reconcile", deleted)
    done = audit(*NOW)
    assert (done.code, done.json["exit_reasons"]) == (2, ["not_recorded"])
    assert done.json["entities"][0]["replicas"][0]["compared_rows"] == 20
    assert "deleted or replaced" in done.err
    assert not (shop.directory / "auditor.db").exists()


@pytest.mark.parametrize(
    ("ledger", "says"),
    [
        ("sqlite:///blocked/auditor.db", "there is no directory"),
        ("sqlite:///newer.db", "made by a newer auditor"),
        ("sqlite:///broken.db", "no SQLite database"),
        ("postgresql://auditor@127.0.0.1:9/ledger", "127.0.0.1:9"),
    ],
)
def test_a_ledger_that_cannot_be_used_is_told_before_a_store_is_read(
    shop: Shop, audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, ledger: str, says: str
) -> None:
    (shop.directory / "blocked").write_text("a file where a directory should be")
    (shop.directory / "broken.db").write_text("a text that is no database " * 40)
    assert audit(*NOW).code == 0
    (shop.directory / "auditor.db").rename(shop.directory / "newer.db")
    with closing(sqlite3.connect("newer.db")) as connection, connection:
        connection.execute("UPDATE ledger_version SET version_num = '9999'")
    with shop.settings.open("a") as settings:
        settings.write(f'ledger: {{url: "{ledger}"}}\n')
    monkeypatch.delattr("auditor.runs.job.reconcile")
    done = audit(*NOW)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "internal" not in done.err
