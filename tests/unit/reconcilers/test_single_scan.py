"""Rows for a single scan reach DuckDB as a bare stream."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

from reconcilers.single_scan import single_scan

if TYPE_CHECKING:
    from pathlib import Path

CARRYING = """
import sys
from pathlib import Path
from reconcilers.workspace import Workspace, carry
with Workspace(Path(sys.argv[1])) as workspace:
    watched = []
    sql = "SELECT i, i::VARCHAR AS s FROM range(300000) r(i)"
    watch = lambda name, rows: watched.append(rows)
    carry(workspace.cursor(), sql, workspace.cursor(), "t", what="d", watch=watch)
print(sum(watched), "pyarrow" in sys.modules, "pyarrow.dataset" in sys.modules)
"""


def test_some_columns_of_every_row_are_scanned() -> None:
    rows = pa.table({"n": [1, 2, 3], "t": ["a", "b", "c"], "z": [0.5, 1.5, None]})
    for given in (rows, rows.to_reader()):
        with duckdb.connect() as connection:
            connection.register("given", single_scan(given))
            assert connection.execute("SELECT z, t FROM given WHERE n > 1 ORDER BY n").fetchall() == [
                (1.5, "b"),
                (None, "c"),
            ]


def test_a_second_scan_is_an_error_and_never_finds_nothing() -> None:
    with duckdb.connect() as connection:
        connection.register("given", single_scan(pa.table({"n": [1]})))
        assert connection.execute("SELECT count(*) FROM given").fetchone() == (1,)
        with pytest.raises(duckdb.Error, match="already been consumed"):
            connection.execute("SELECT count(*) FROM given").fetchone()


def test_carrying_rows_does_not_load_what_takes_longest_of_arrow(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CARRYING, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["300000", "True", "False"]
