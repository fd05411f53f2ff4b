"""Carrying rows between cursors loses nothing, whichever way it is done, and can be stopped."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from contracts.errors import StoreError
from reconcilers.workspace import Workspace, carry, carry_few

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERY_TYPE = """
SELECT * FROM (VALUES (
  timestamp 'infinity', timestamp '9999-12-31 23:59:59.999999', date '-infinity', date '0001-01-01', time '24:00:00',
  '\\x00\\xff''"ab'::blob, 'a' || chr(0) || 'b''', '', 'nan'::double, '-inf'::double, 0.1::double, 0.1::float, 1e300,
  170141183460469231731687303715884105727::hugeint, 18446744073709551615::ubigint, 1.10::decimal(10,2),
  99999999999999999999999999999999999999::decimal(38,0), true,
  '123e4567-e89b-12d3-a456-426614174000'::uuid, NULL::varchar, NULL::uuid))
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace of its own."""
    with Workspace(tmp_path) as made:
        yield made


@pytest.mark.parametrize("bring", [carry, carry_few])
@pytest.mark.parametrize("rows", ["", " UNION ALL SELECT * FROM source", " WHERE false"])
def test_no_type_bends_and_no_row_is_lost(workspace: Workspace, bring: object, rows: str) -> None:
    reading, writing = workspace.cursor(), workspace.cursor()
    reading.execute(f"CREATE TABLE source AS {EVERY_TYPE}")
    sql = f"SELECT * FROM source{rows}"
    assert callable(bring)
    count = bring(reading, sql, writing, "carried_here", what="x")
    assert (count,) == reading.execute(f"SELECT count(*) FROM ({sql})").fetchone()
    before = [row[:2] for row in writing.execute("DESCRIBE source").fetchall()]
    assert [row[:2] for row in writing.execute("DESCRIBE carried_here").fetchall()] == before
    for one, other in ((sql, "FROM carried_here"), ("FROM carried_here", sql)):
        assert writing.execute(f"({one}) EXCEPT ALL ({other})").fetchall() == []


@pytest.mark.parametrize("bring", [carry, carry_few])
def test_a_store_that_fails_is_named(workspace: Workspace, bring: object) -> None:
    assert callable(bring)
    with pytest.raises(StoreError, match="reading shop/orders failed"):
        bring(workspace.cursor(), "SELECT error('no')", workspace.cursor(), "t", what="shop/orders")


def test_whoever_watches_is_told_of_every_row(workspace: Workspace) -> None:
    told: list[tuple[str, int]] = []
    rows = 300_000
    carry(
        workspace.cursor(),
        f"SELECT * FROM range({rows})",
        workspace.cursor(),
        "t",
        what="shop/orders",
        watch=lambda dataset, more: told.append((dataset, more)),
    )
    assert len(told) > 1
    assert {dataset for dataset, _ in told} == {"shop/orders"}
    assert sum(more for _, more in told) == rows


def test_interrupt_ends_what_runs_in_other_threads(workspace: Workspace) -> None:
    cursor, failed, began = workspace.cursor(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        endless = "SELECT sum(a.range * b.range % 7) FROM range(10000000) a, range(10000000) b"
        with pytest.raises(StoreError, match="Interrupted"):
            carry(cursor, endless, workspace.cursor(), "t", what="x")
        failed.set()

    thread = threading.Thread(target=work)
    thread.start()
    began.wait(10)
    for _ in range(300):  # an interrupt before the statement runs is lost, as Ctrl-C is not pressed by a clock
        workspace.interrupt()
        if failed.wait(0.1):
            break
    thread.join(10)
    assert failed.is_set()
