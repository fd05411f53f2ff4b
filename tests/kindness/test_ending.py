"""Ctrl-C, and the signal by which schedulers end a program, end an audit at once; nothing is left at the store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kindness.night import CREATE, Night, settings_of
from tests.kindness.test_limits import empty_copy
from tests.services.deadline import wait_until

if TYPE_CHECKING:
    from tests.services import MariaDB, PostgreSQL

PROGRAM = Path(sys.executable).with_name("audit")
ROWS = 60_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_a_slow_scan_is_ended_at_once(
    server: str, number: signal.Signals, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database_server: PostgreSQL | MariaDB = request.getfixturevalue(server)
    database = database_server.fresh_database("ended")
    database_server.admin(CREATE.replace("100", "400"), database=database)
    rows = ", ".join(f"({i}, '{'x' * 350}')" for i in range(ROWS))
    database_server.admin(f"INSERT INTO things VALUES {rows}", database=database)
    Night(tmp_path, settings_of(database, limits={"rows_per_second": 500}), empty_copy(tmp_path))
    command = [str(PROGRAM), "reconcile", "--config", str(tmp_path / "auditor.yaml")]
    environment = {**os.environ, "PYTHONWARNINGS": ""}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        wait_until(lambda: sessions(database_server, database) > 0, seconds=30, what="the scan")
        wait_until(lambda: process.poll() is not None or reading(database_server, database), seconds=10, what="rows")
        process.send_signal(number)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert time.monotonic() - began < 8
    assert process.returncode == 2, err
    assert "audit: interrupted" in err
    assert out == ""
    assert "Traceback" not in err
    wait_until(lambda: sessions(database_server, database) == 0, seconds=5, what="the end of our sessions")
    assert not list((tmp_path / ".auditor").glob("run-*"))


def sessions(server: PostgreSQL | MariaDB, database: str) -> int:
    """How many sessions anybody else has in the database."""
    name = server.database_name(database)
    if server.name == "postgres":
        question = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
    else:
        question = f"SELECT count(*) FROM information_schema.processlist WHERE db = '{name}'"
    return int(server.admin(question)[0][0])


def reading(server: PostgreSQL | MariaDB, database: str) -> bool:
    """Whether rows of ours are on their way."""
    name = server.database_name(database)
    if server.name == "postgres":
        question = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}' AND query LIKE 'COPY%things%'"
    else:
        question = f"SELECT 1 FROM information_schema.processlist WHERE db = '{name}' AND info LIKE 'SELECT%things%'"
    return bool(server.admin(question))
