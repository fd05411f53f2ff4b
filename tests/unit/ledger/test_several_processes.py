"""Processes that write at once neither corrupt the ledger nor wait for ever; a killed one leaves whole runs only."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from auditor.ledger.ledger import Ledger
from tests.unit.ledger.documents import findings, report

ROOT = Path(__file__).parents[3]


def writer(url: str, name: str, runs: int, count: int) -> subprocess.Popen[str]:
    """A process that is ready to write and waits for a word."""
    program = [sys.executable, "-m", "tests.unit.ledger.writer", url, name, str(runs), str(count)]
    process = subprocess.Popen(
        program, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.mark.parametrize("first", ["nothing", "a ledger"])
def test_two_processes_record_every_run_of_theirs(any_url: str, first: str) -> None:
    if first == "a ledger" or any_url.startswith(("mysql", "mariadb")):
        # MySQL commits each statement that makes a table: there, one process makes the ledger.
        Ledger.open(any_url).close()
    writers = [writer(any_url, name, 5, 1200) for name in ("first", "second")]
    for process in writers:
        go(process)
    for process in writers:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    with Ledger.open(any_url) as ledger:
        status = ledger.status()
        assert (status.runs, status.findings, status.open_findings, status.observations) == (10, 1200, 1200, 12000)
        for run in ledger.runs():
            keys = [int(each["key"]["id"]) for each in ledger.report_findings(run.run_id)]
            assert keys == sorted(keys, reverse=run.run_id.startswith("second"))


def test_readers_see_whole_runs_while_another_process_writes(url: str) -> None:
    with Ledger.open(url) as ledger:
        ledger.record(report("before"), findings(1200))
        process = writer(url, "writing", 8, 1200)
        go(process)
        looks = 0
        while process.poll() is None:
            looks += 1
            for run in ledger.runs():
                assert len(list(ledger.report_findings(run.run_id))) == run.findings == 1200
        process.communicate()
        assert process.returncode == 0
        assert looks > 1
        assert len(ledger.runs()) == 9


@pytest.mark.parametrize("moment", range(6))
def test_a_killed_process_leaves_whole_runs_and_a_sound_file(url: str, tmp_path: Path, moment: int) -> None:
    Ledger.open(url).close()
    process = writer(url, "killed", 1000, 3000)
    go(process)
    assert process.stdout is not None
    for _ in range(moment + 1):
        process.stdout.readline()  # a run is recorded, the next one begins
    process.kill()
    process.communicate()
    with Ledger.open(url) as ledger:
        runs = ledger.runs()
        assert len(runs) >= moment + 1
        assert all(len(list(ledger.report_findings(run.run_id))) == 3000 for run in runs)
        ledger.record(report("after"), findings(10))
    connection = sqlite3.connect(tmp_path / "auditor.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


KILLS = 42


def test_killed_at_any_moment_a_run_is_whole_or_absent(url: str, tmp_path: Path) -> None:
    """One ledger survives many processes, each killed somewhere in its second run or soon after."""
    Ledger.open(url).close()
    chance = random.Random(20260131)
    runs = 0
    for number in range(KILLS):
        process = writer(url, f"killed-{number}", 1000, 300)
        go(process)
        assert process.stdout is not None
        process.stdout.readline()  # the first is recorded
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.08))
        process.kill()
        process.communicate()
        with contextlib.closing(sqlite3.connect(tmp_path / "auditor.db")) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert file.execute("PRAGMA foreign_key_check").fetchall() == []
            recorded = file.execute("SELECT findings, document IS NOT NULL FROM runs").fetchall()
            said = file.execute("SELECT count(*) FROM observations GROUP BY run").fetchall()
        assert set(recorded) == {(300, 1)}
        assert said == [(300,)] * len(recorded)
        assert len(recorded) > runs, "what was recorded before is still there"
        runs = len(recorded)
    with Ledger.open(url) as ledger:
        assert ledger.status().open_findings == 300
