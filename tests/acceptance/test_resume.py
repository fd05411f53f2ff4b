"""A run that is killed at any moment leaves a sound ledger, and goes on where it was."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KILLS = int(os.environ.get("AUDITOR_TEST_KILLS", "12"))
"""Each costs some two seconds; by hand, try hundreds."""

ENTITIES = ("alpha", "beta", "gamma", "delta")
ROWS = 300
RUN_SECONDS_MAX = 120

SETTINGS = """\
version: 1
contracts: contracts
connections:
  own: {url: "sqlite:///own.db"}
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
    """Four entities, each with a mismatch, a missing row and an orphan."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
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


def test_a_killed_run_goes_on_and_says_what_an_undisturbed_one_says(project: Path) -> None:
    """Whenever the kill comes; and the ledger is sound after each."""
    code, undisturbed, _ = _finished(project)
    assert code == 1
    assert len(undisturbed["findings"]) == 3 * len(ENTITIES)
    seconds = 2.0
    chosen = random.Random(11)
    resumed = 0
    for _ in range(KILLS):
        process = _start(project)
        try:
            process.communicate(timeout=chosen.uniform(0.05, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        assert sqlite3.connect(project / "ledger.db").execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        code, report, told = _finished(project, "--resume", "last")
        if code == 2:
            assert "there is no such run" in told or "has come to its end" in told
            continue
        resumed += 1
        assert _told(report) == _told(undisturbed)
    assert resumed > 0
    assert not list((project / ".auditor" / "checkpoints").glob("*"))


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
