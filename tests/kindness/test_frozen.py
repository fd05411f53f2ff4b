"""A server that is there and does nothing more, as one whose disk hangs, holds no run beyond its time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconcilers.finding import Verdict
from tests.kindness.night import CREATE, Night, settings_of, things
from tests.kindness.test_interruptions import sqlite_copy
from tests.services.deadline import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import MariaDB, PostgreSQL

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nobody says there which processes a server has")

DEADLINE_SECONDS = 2
LATE_SECONDS_MAX = 3.0
"""Beyond the deadline: a second for a store that is well, and what it takes to see that this one is not."""


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[PostgreSQL | MariaDB]:
    """A server of these tests' own: nobody else is to be held up."""
    own: PostgreSQL | MariaDB = type(request.getfixturevalue(request.param)).start()
    try:
        yield own
    finally:
        own.stop()


@pytest.fixture
def night(server: PostgreSQL | MariaDB, tmp_path: Path) -> Iterator[Night]:
    """Three rows, of which the copy has one wrong; in the end the server goes on."""
    database = server.fresh_database("frozen")
    server.admin(CREATE, things("a", "b", "c"), database=database)
    try:
        yield Night(tmp_path, settings_of(database), sqlite_copy(tmp_path, "a", "x", "c"))
    finally:
        server.thaw()


@pytest.mark.parametrize("when", ["before", "scan", "fetch"])
def test_the_deadline_ends_waiting_for_a_frozen_server(server: PostgreSQL | MariaDB, night: Night, when: str) -> None:
    left = [1]

    def disturb(dataset: str, what: str) -> None:
        if dataset == "owner/things" and what == when and left:
            left.pop()
            server.freeze()

    night.before_load = disturb
    if when == "before":
        server.freeze()
    began = time.monotonic()
    result = night.run(deadline=timedelta(seconds=DEADLINE_SECONDS))
    assert time.monotonic() - began < DEADLINE_SECONDS + LATE_SECONDS_MAX
    assert (result.exit_code, result.exit_reasons) == (2, ("incomplete",))
    assert not result.entities[0].coverage.complete
    assert result.errors[0].startswith("thing: the run's time was over (--deadline 2s)")
    if server.name == "postgres" or when == "before":  # what reads MariaDB is ours to wake up, without waiting first
        assert "; owner/things did not answer any more, and its connections were cut\n" in result.errors[0]


def test_a_server_that_freezes_in_the_recheck_leaves_suspects_in_flight(
    server: PostgreSQL | MariaDB, night: Night
) -> None:
    night.before_load = lambda _dataset, what: server.freeze() if what == "scan again" else None
    began = time.monotonic()
    result = night.run(deadline=timedelta(seconds=DEADLINE_SECONDS), recheck_after=timedelta(seconds=0.3))
    assert time.monotonic() - began < DEADLINE_SECONDS + LATE_SECONDS_MAX
    assert [finding.verdict for finding in result.findings] == [Verdict.IN_FLIGHT]
    assert any("left to the next run: the run's time was over" in said for said in night.said)


def test_a_run_that_waits_for_a_frozen_server_can_be_ended(
    server: PostgreSQL | MariaDB, night: Night, tmp_path: Path
) -> None:
    server.freeze()
    program = [str(Path(sys.executable).with_name("audit")), "reconcile", "--config", str(night.settings)]
    environment = {**os.environ, "PYTHONWARNINGS": ""}
    process = subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        wait_until(lambda: _waits_for(process.pid, server.port), seconds=30, what="a connection to the server")
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert time.monotonic() - began < 1 + LATE_SECONDS_MAX
    assert process.returncode == 2
    assert "audit: interrupted" in said


def _waits_for(process: int, port: int) -> bool:
    """Whether a process has a connection to a port of this machine."""
    lines = Path(f"/proc/{process}/net/tcp").read_text().splitlines()[1:]
    own = set()
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            own.add(str(file.readlink()))
    return any(
        int(words[2].split(":")[1], 16) == port and f"socket:[{words[9]}]" in own for words in map(str.split, lines)
    )
