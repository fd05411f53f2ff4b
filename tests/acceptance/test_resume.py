"""A run that is killed at any moment leaves a sound ledger, and goes on where it was."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

KILLS = int(os.environ.get("AUDITOR_TEST_KILLS", "22"))
"""Of each layout, at random; a kill costs some two seconds, so by hand, try hundreds.  With those at named states below
and those of the process that only records (tests/unit/ledger/test_several_processes.py), the suite kills 103 times."""

KILLS_IN_A_ROW_MAX = 5
"""Of one run, before it may come to its end."""

ENTITIES = ("alpha", "beta", "gamma", "delta")
ROWS = 300
SEGMENT_ROWS = 80
"""Four segments of each entity, where they are cut."""
RUN_SECONDS_MAX = 120
LOOKED_AFTER_SECONDS = 0.002
KILLED_FROM, KILLED_TO = 0.3, 1.0
"""When a run is killed, as shares of the time that a whole one last took: under load, too, kills fall everywhere."""
DATASETS = ("own", "copy")
LOOKS_MAX = 10
"""At a finding: one second has to pass, in looks a fifth of a second apart; a busy machine fits in one or two more."""
FETCHED_ROWS_MAX = LOOKS_MAX * len(ENTITIES) * 4
"""Of looking at findings again: a look at an entity's three fetches four rows, two of them of the mismatch."""
CUT = f", limits: {{segment_rows: {SEGMENT_ROWS}}}"

SETTINGS = """\
version: 1
contracts: contracts
connections:
  own: {url: "sqlite:///own.db"LIMITS}
  copy: {url: "sqlite:///copy.db"}
ledger: {url: "sqlite:///ledger.db"}
workspace: {directory: .auditor, memory_limit: 256MB, threads: 1}
"""
CONTRACT = """\
entity: ENTITY
version: 1
team: t
owner: {service: s, dataset: own/ENTITY}
key: [id]
fields:
  id: {type: int}
  name: {type: text}
  total: {type: "decimal(8,2)"}
replicas:
  - {service: copy, dataset: copy/ENTITY, lag_bound: 1ms, fields: {name: name, total: {path: total, equality: within 0.01}}}
"""  # noqa: E501


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Four entities, each with a mismatch, a missing row and an orphan, each read in one scan."""
    return _made(tmp_path, "")


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """The same, each read in segments."""
    return _made(tmp_path, CUT)


def _made(tmp_path: Path, limits: str) -> Path:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "auditor.yaml").write_text(SETTINGS.replace("LIMITS", limits))
    for number, entity in enumerate(ENTITIES):
        (tmp_path / "contracts" / f"{entity}.yaml").write_text(CONTRACT.replace("ENTITY", entity))
        rows = [(i, f"name {i}", f"{i}.50") for i in range(ROWS)]
        wrong = [(i, "wrong" if i == 7 + number else name, total) for i, name, total in rows if i != 20 + number]
        _fill(tmp_path / "own.db", entity, rows)
        _fill(tmp_path / "copy.db", entity, [*wrong, (9_000 + number, "orphan", "1.00")])
    return tmp_path


def _fill(path: Path, table: str, rows: list[tuple[int, str, str]]) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT, total TEXT)")
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)
    connection.close()


def _start(project: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("audit")), "reconcile", "--format", "json", *options]
    return subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _finished(project: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    process = _start(project, *options)
    out, err = process.communicate(timeout=RUN_SECONDS_MAX)
    return process.returncode, json.loads(out) if out else {}, err.decode()


def _told(report: dict[str, Any]) -> tuple[Any, ...]:
    """What a report says of the data, without what says when."""
    counts = [
        (entity["entity"], entity["owner"]["rows"], [
            {name: value for name, value in replica.items() if name != "watermarks"} for replica in entity["replicas"]
        ])
        for entity in report["entities"]
    ]  # fmt: skip
    findings = [
        (one["id"], one["divergence"], one["verdict"], one["cause"], one["fields"]) for one in report["findings"]
    ]
    return report["exit_code"], report["exit_reasons"], counts, findings


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """What a run says that nobody disturbs, in segments."""
    code, report, _ = _finished(_made(tmp_path_factory.mktemp("undisturbed"), CUT))
    assert code == 1
    assert len(report["findings"]) == 3 * len(ENTITIES)
    assert "read in 4 segments of id" in str(report["entities"][0]["owner"]["coverage"]["remarks"])
    assert report["entities"][0]["owner"]["coverage"]["complete"]
    return _told(report)


@pytest.fixture(scope="module")
def undisturbed_in_scans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """The same, each entity in one scan."""
    code, report, _ = _finished(_made(tmp_path_factory.mktemp("scans"), ""))
    assert code == 1
    return _told(report)


def test_segments_say_what_one_scan_says(undisturbed_in_scans: tuple[Any, ...], undisturbed: tuple[Any, ...]) -> None:
    *counted, findings = undisturbed_in_scans
    *counted_in_segments, findings_in_segments = undisturbed
    assert counted == counted_in_segments
    assert sorted(findings, key=str) == sorted(findings_in_segments, key=str)


def test_a_dry_run_says_in_how_many_segments(cut: Path) -> None:
    """By the stores' own estimates, which here are too high: nobody has asked yet where to cut."""
    _, plan, _ = _finished(cut, "--dry-run", "alpha")
    assert [query["segments"] > len(DATASETS) for query in plan["queries"]] == [True, True]


def test_a_snapshot_that_was_held_longer_than_it_should_be_is_told(project: Path) -> None:
    """How long a scan takes is only reckoned before; and what cannot be cut is read in one."""
    contract = project / "contracts" / "alpha.yaml"
    contract.write_text(contract.read_text().replace("id: {type: int}", 'id: {type: "decimal(18,0)"}'))
    settings = project / "auditor.yaml"
    limits = ", limits: {rows_per_second: 100, longest_snapshot: 1s}"
    settings.write_text(settings.read_text().replace('own.db"', 'own.db"' + limits))
    _, report, _ = _finished(project, "alpha")
    remarks = report["entities"][0]["owner"]["coverage"]["remarks"]
    assert any("a snapshot of own was held for" in one and one.endswith("longest_snapshot is 1s") for one in remarks)


def test_what_would_not_fit_the_workspace_is_refused_before_it_is_read(project: Path) -> None:
    """With what it would take; the other entities are read."""
    contract = project / "contracts" / "alpha.yaml"
    contract.write_text(contract.read_text().replace("id: {type: int}", 'id: {type: "decimal(18,0)"}'))
    connection = sqlite3.connect(project / "own.db")
    with connection:
        connection.execute("ANALYZE")
        connection.execute("DELETE FROM sqlite_stat1 WHERE tbl = 'alpha'")
        connection.execute("INSERT INTO sqlite_stat1 VALUES ('alpha', NULL, '50000000000')")
    connection.close()
    refused = "alpha was not read: in one scan"
    code, plan, _ = _finished(project, "--dry-run")
    assert code == 2
    assert refused in plan["queries"][2]["query"]
    code, report, told = _finished(project)
    assert (code, report["exit_reasons"]) == (2, ["drift", "unreadable"])
    assert refused in told
    assert "raise workspace.max_disk, or lower limits.segment_rows" in told
    assert len(report["findings"]) == 3 * (len(ENTITIES) - 1)
    assert _rows_read(report) < (len(ENTITIES) - 1) * len(DATASETS) * (ROWS + 1) + FETCHED_ROWS_MAX


@pytest.mark.parametrize("limits", [CUT, ""], ids=["segments", "one scan"])
def test_a_killed_run_goes_on_and_says_what_an_undisturbed_one_says(tmp_path: Path, limits: str) -> None:
    """Whenever kills come, several of one run in a row among them; and the ledger is sound after each."""
    project = _made(tmp_path, limits)
    chosen = random.Random(11)
    begun = time.monotonic()
    undisturbed = _told(_finished(project)[1])
    seconds = time.monotonic() - begun
    kills = in_a_row = gone_on = 0
    while kills < KILLS or _killed(project):
        resumed = _killed(project)
        killable = kills < KILLS and in_a_row < KILLS_IN_A_ROW_MAX
        process, begun = _start(project, *(("--resume", "last") if resumed else ())), time.monotonic()
        try:
            limit = seconds * chosen.uniform(KILLED_FROM, KILLED_TO) if killable else RUN_SECONDS_MAX
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            assert killable, f"the run took more than {RUN_SECONDS_MAX} s"
            kills, in_a_row = kills + 1, in_a_row + 1
            _require_sound(project)
            continue
        in_a_row = 0
        if resumed and process.returncode == 2:  # killed between its record and its end
            assert "has come to its end" in err.decode()
            continue
        assert _told(json.loads(out)) == undisturbed
        assert not _killed(project)
        gone_on += resumed
        if not resumed:
            seconds = time.monotonic() - begun
    assert gone_on > 0, "no kill fell after a checkpoint"


def _killed(project: Path) -> bool:
    """Whether a killed run can be gone on with."""
    return any((project / ".auditor" / "checkpoints").glob("*/run.json"))


def _require_sound(project: Path) -> None:
    with contextlib.closing(sqlite3.connect(project / "ledger.db")) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert ledger.execute("PRAGMA foreign_key_check").fetchall() == []


def _kept(project: Path) -> list[Path]:
    return list((project / ".auditor" / "checkpoints").glob("*/*.json*"))


def _segments(project: Path, number: int) -> int:
    """How many entities' segments of this number are finished."""
    return sum(path.name.endswith(f".{number}.jsonl") for path in _kept(project))


def _looks(project: Path) -> int:
    """How many entities, each read in one scan, are looked at."""
    return sum(path.name.count(".") == 1 and path.suffix == ".jsonl" for path in _kept(project))


def _recorded(project: Path) -> int:
    """How many runs the ledger has."""
    with contextlib.closing(sqlite3.connect(project / "ledger.db")) as ledger:
        return int(ledger.execute("SELECT count(*) FROM runs").fetchone()[0])


STATES: dict[str, Callable[[Path], bool]] = {
    "where the first entity is cut is known": lambda project: any("division" in path.name for path in _kept(project)),
    "its first segment is finished": lambda project: _segments(project, 0) > 0,
    "its last segment is finished": lambda project: _segments(project, 3) > 0,
    "the second entity is begun": lambda project: _segments(project, 0) > 1,
    "all is looked at": lambda project: _segments(project, 3) == len(ENTITIES),
    "it is recorded": lambda project: _segments(project, 3) == len(ENTITIES) and _recorded(project) > 0,
}
SCANS: dict[str, Callable[[Path], bool]] = {
    "the ledger is open": lambda project: (project / "ledger.db-wal").exists(),
    "the first entity is looked at": lambda project: _looks(project) > 0,
    "the second entity is looked at": lambda project: _looks(project) > 1,
    "all but the last are looked at": lambda project: _looks(project) == len(ENTITIES) - 1,
}
"""Where each entity is read in one scan."""


@pytest.mark.parametrize(
    ("state", "ending"),
    [*((state, signal.SIGKILL) for state in STATES), ("its first segment is finished", signal.SIGTERM)],
)
def test_a_run_ended_at_a_named_state_goes_on_at_the_last_finished_segment(
    cut: Path, undisturbed: tuple[Any, ...], state: str, ending: signal.Signals
) -> None:
    """What was finished is not read again, and the result is that of an undisturbed run."""
    err = _ended_at(cut, state, STATES[state], ending)
    finished = sum(path.name.endswith(".jsonl") for path in _kept(cut))
    if not _kept(cut):
        return  # it had come to its end before the signal did
    if ending is signal.SIGTERM:
        assert "audit reconcile --resume" in err
    report = _gone_on(cut)
    if report is None:
        return
    assert _told(report) == undisturbed
    scanned = len(ENTITIES) * len(DATASETS) * (ROWS + 1)
    assert _rows_read(report) <= scanned - finished * len(DATASETS) * (SEGMENT_ROWS - 10) + FETCHED_ROWS_MAX


@pytest.mark.parametrize("state", SCANS)
def test_a_run_killed_at_a_named_state_goes_on_at_the_first_entity_that_it_had_not_read(
    project: Path, undisturbed_in_scans: tuple[Any, ...], state: str
) -> None:
    """Each is read in one scan, and no finished one is read again."""
    _ended_at(project, state, SCANS[state], signal.SIGKILL)
    finished = _looks(project)
    if not _killed(project):
        return  # nothing was finished, or all
    report = _gone_on(project)
    if report is None:
        return
    assert _told(report) == undisturbed_in_scans
    assert _rows_read(report) <= (len(ENTITIES) - finished) * len(DATASETS) * (ROWS + 1) + FETCHED_ROWS_MAX


def _ended_at(project: Path, state: str, reached: Callable[[Path], bool], ending: signal.Signals) -> str:
    """Start a run, end it as soon as it has reached a state, and hold the ledger to be sound; what it said."""
    process = _start(project)
    deadline = time.monotonic() + RUN_SECONDS_MAX
    while not reached(project) and process.poll() is None:
        assert time.monotonic() < deadline, f"the run never came to where {state}"
        select.select([], [], [], LOOKED_AFTER_SECONDS)
    process.send_signal(ending)
    _, err = process.communicate(timeout=RUN_SECONDS_MAX)
    _require_sound(project)
    return err.decode()


def _gone_on(project: Path) -> dict[str, Any] | None:
    """The report of the run that goes on; None where the killed one had come to its end all the same."""
    code, report, told = _finished(project, "--resume", "last")
    assert not _killed(project)
    if code == 2:
        assert "has come to its end" in told
        return None
    return report


def _rows_read(report: dict[str, Any]) -> int:
    return sum(load["rows"] for load in report["loads"].values())


def test_a_run_that_is_asked_something_else_is_not_gone_on_with(project: Path) -> None:
    """Its looks are of other things."""
    kept = project / ".auditor" / "checkpoints" / "20260101T000000Z-abcdef"
    kept.mkdir(parents=True)
    (kept / "run.json").write_text('{"asked": "something else", "started_at": "2026-01-01T00:00:00+00:00"}')
    code, report, told = _finished(project, "--resume", "last")
    assert (code, report) == (2, {})
    assert "was asked something else" in told
    code, _, told = _finished(project, "--resume", "nothing")
    assert code == 2
    assert "there is no such run to go on with" in told
