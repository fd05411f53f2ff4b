"""An audit stands in nobody's way: it lets go of a table for which an ALTER TABLE waits, and tries again."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from auditor.readers.postgresql import watch
from reconcilers import perseverance
from tests.kindness.night import CREATE, Night, settings_of
from tests.kindness.test_limits import empty_copy

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.services import PostgreSQL

ROWS = 40_000


class Alteration:
    """An ALTER TABLE by somebody else, beside the audit."""

    def __init__(self, postgres: PostgreSQL, database: str, statement: str) -> None:
        self._postgres = postgres
        self._database = database
        self._statement = statement
        self._thread = threading.Thread(target=self._run)
        self.took = 0.0

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        with closing(self._postgres.connect(self._database)) as connection:
            began = time.monotonic()
            connection.execute(self._statement)
            self.took = time.monotonic() - began


def slow_night(postgres: PostgreSQL, directory: Path, **limits: object) -> tuple[Night, str]:
    """A scan that takes about eight seconds."""
    database = postgres.fresh_database("busy")
    postgres.admin(
        CREATE.replace("100", "400"),
        f"INSERT INTO things SELECT i, repeat('x', 350) FROM generate_series(1, {ROWS}) i",
        "ANALYZE things",
        database=database,
    )
    limits = {"rows_per_second": ROWS // 8, **limits}
    return Night(directory, settings_of(database, limits=limits), empty_copy(directory)), database


def once(night: Night, what: str, act: Alteration) -> None:
    """Let it happen shortly after the owner's first read of a kind has begun."""
    left = [1]

    def begin(dataset: str, read_for: str) -> None:
        if dataset == "owner/things" and read_for == what and left:
            left.pop()
            threading.Timer(0.7, act.start).start()

    night.before_load = begin


def test_a_waiting_alter_table_gets_through_and_the_scan_is_read_again(
    postgres: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perseverance, "PAUSES_SECONDS", (0.1, 0.1, 0.1))
    night, database = slow_night(postgres, tmp_path)
    alteration = Alteration(postgres, database, "ALTER TABLE things ADD other int DEFAULT 1")
    once(night, "scan", alteration)
    result = night.run(recheck=False)
    alteration.join()
    assert alteration.took < watch.YIELD_SECONDS + 2 * watch.LOOK_SECONDS + 1.5
    (entity,) = result.entities
    assert entity.owner_rows == ROWS
    assert entity.coverage.complete
    (told,) = entity.coverage.read_again
    assert "another session has waited for us to let go of the table" in told
    assert result.exit_reasons == ("suspects",)


def test_an_audit_that_is_always_in_the_way_gives_up(
    postgres: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perseverance, "PAUSES_SECONDS", ())
    night, database = slow_night(postgres, tmp_path)
    alteration = Alteration(postgres, database, "TRUNCATE things")
    once(night, "scan", alteration)
    result = night.run(recheck=False)
    alteration.join()
    assert result.exit_reasons == ("unreadable",)
    assert "another session has waited for us" in result.errors[0]
    assert "run again when nobody changes the table" in result.errors[0]
