"""The workspace: private, bounded, gone at the end; and rows carried through it unchanged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from contracts.errors import StoreError, WorkspaceError
from reconcilers.projection import Projection
from reconcilers.row_keys import duplicates_of, find_duplicates
from reconcilers.workspace import Workspace, carry, carry_few, workspace_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Carry = Callable[..., int]

EVERY_TYPE = """\
SELECT 170141183460469231731687303715884105727::HUGEINT AS huge, '1.10'::DECIMAL(38,10) AS exact,
  'NaN'::DOUBLE AS odd, '550e8400-e29b-41d4-a716-446655440000'::UUID AS id, 'infinity'::TIMESTAMP AS never,
  '2024-01-01 00:00:00.000001+00'::TIMESTAMPTZ AS moment, TIME '24:00:00' AS midnight, '\\x00\\xFF'::BLOB AS raw,
  'a''b' AS text, NULL::DATE AS nothing"""


def test_two_runs_in_one_directory_never_share_a_file(tmp_path: Path) -> None:
    """Each has a directory of its own below, which is gone when it is closed."""
    with Workspace(tmp_path) as one, Workspace(tmp_path) as other:
        assert one.directory != other.directory
        assert {one.directory, other.directory} == set(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_while_little_is_read_whoever_asks_works_alone(tmp_path: Path) -> None:
    """And no longer: a scan afterwards has the threads of the settings, whatever came in between."""

    def threads() -> int:
        ((number,),) = workspace.cursor().execute("SELECT current_setting('threads')").fetchall()
        return int(number)

    with Workspace(tmp_path, threads=3) as workspace:
        with workspace.one_thread():
            assert threads() == 1
        assert threads() == 3
        with pytest.raises(StoreError), workspace.one_thread():
            carry(workspace.cursor(), "SELECT * FROM nowhere", workspace.cursor(), "t", what="nowhere")
        assert threads() == 3


def test_what_a_killed_run_has_left_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    """Neither the directory of a run that is at work, nor one of somebody else's that is called alike."""
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom reconcilers.workspace import Workspace\n"
        "workspace = Workspace(Path(sys.argv[1]))\n(workspace.directory / 'spill').write_text('x')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    (tmp_path / "run-of-mine").mkdir()
    with Workspace(tmp_path) as at_work:
        assert not left.exists()
        Workspace(tmp_path).close()
        assert at_work.directory.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run-of-mine"]


def test_a_directory_that_cannot_be_made_is_told_with_the_setting_to_change(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(WorkspaceError, match="making the workspace directory below") as caught:
        Workspace(tmp_path / "taken" / "below")
    assert "workspace.directory" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    """By its name."""
    tmp_path.chmod(0o500)
    with pytest.raises(WorkspaceError, match="Permission denied"):
        Workspace(tmp_path)


def test_a_setting_that_duckdb_does_not_understand_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """Such as a memory limit without a number."""
    with pytest.raises(WorkspaceError, match="opening the workspace"):
        Workspace(tmp_path, memory_limit="plenty")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_limit_stops_reading_with_an_error(tmp_path: Path) -> None:
    """Never with fewer rows: what does not fit is an error that names the dataset."""
    with Workspace(tmp_path, memory_limit="20MB", threads=1, max_disk=1_000_000) as workspace:
        rows = "SELECT i, md5(i::VARCHAR) || sha256(i::VARCHAR) AS t FROM range(1000000) r(i)"
        with pytest.raises(WorkspaceError, match="reading shop/orders did not fit the workspace") as caught:
            carry(workspace.cursor(), rows, workspace.cursor(), "orders", what="shop/orders")
        assert "workspace.max_disk" in caught.value.hint


def test_a_comparison_that_does_not_fit_is_an_error_of_the_workspace(tmp_path: Path) -> None:
    """A join or a sort may need more than the rows that it is about."""
    with Workspace(tmp_path, memory_limit="20MB", threads=1, max_disk=1_000_000) as workspace:
        cursor = workspace.cursor()
        with (
            pytest.raises(WorkspaceError, match="comparing order did not fit"),
            workspace_errors("comparing order", workspace.halt),
        ):
            cursor.execute("SELECT list(md5(i::VARCHAR)) FROM range(3000000) r(i)").fetchall()


@pytest.mark.parametrize("how", [carry, carry_few])
def test_what_is_carried_keeps_value_and_type(tmp_path: Path, how: Carry) -> None:
    """As a stream or as values: every column arrives as DuckDB had it."""
    with Workspace(tmp_path, threads=1) as workspace:
        cursor = workspace.cursor()
        assert how(workspace.cursor(), EVERY_TYPE, workspace.cursor(), "carried_rows", what="d") == 1
        assert cursor.execute("DESCRIBE carried_rows").fetchall() == cursor.execute(f"DESCRIBE {EVERY_TYPE}").fetchall()
        same = f"SELECT count(*) FROM (({EVERY_TYPE}) EXCEPT (SELECT * FROM carried_rows))"
        assert cursor.execute(same).fetchone() == (0,)


@pytest.mark.parametrize("how", [carry, carry_few])
def test_carrying_no_row_makes_an_empty_table_in_place_of_the_one_before(tmp_path: Path, how: Carry) -> None:
    """A second look must not see the first one's rows."""
    with Workspace(tmp_path, threads=1) as workspace:
        assert how(workspace.cursor(), "SELECT 1 AS a", workspace.cursor(), "t", what="d") == 1
        assert how(workspace.cursor(), "SELECT 1 AS a WHERE false", workspace.cursor(), "t", what="d") == 0
        assert workspace.cursor().execute("SELECT count(*) FROM t").fetchone() == (0,)


@pytest.mark.parametrize("how", [carry, carry_few])
def test_a_statement_that_fails_names_the_dataset_and_not_the_statement(tmp_path: Path, how: Carry) -> None:
    """Statements may hold keys, which may be secret."""
    with Workspace(tmp_path, threads=1) as workspace:
        with pytest.raises(StoreError, match="reading shop/orders failed: ") as caught:
            how(workspace.cursor(), "SELECT 'secret' FROM nowhere", workspace.cursor(), "t", what="shop/orders")
        assert "secret" not in str(caught.value)


def test_a_side_whose_key_became_unique_forgets_the_duplicates_of_an_earlier_look(tmp_path: Path) -> None:
    """The comparison leaves out whatever stands in that table."""
    with Workspace(tmp_path, threads=1) as workspace:
        cursor = workspace.cursor()
        cursor.execute("CREATE TABLE side AS SELECT 1 AS k0 FROM range(2)")
        assert find_duplicates(cursor, "side", _one_key(), unique=False) == duplicates_of(cursor, "side")
        assert find_duplicates(cursor, "side", _one_key(), unique=True) is None
        assert duplicates_of(cursor, "side") is None


def _one_key() -> Projection:
    return Projection("", 1, spelled=False, bad_keys=False, gone=False, issues=False, zeros=False)


def test_findings_and_rows_share_the_disk(tmp_path: Path) -> None:
    """What differs counts to the limit, and DuckDB is left the rest."""
    with Workspace(tmp_path, max_disk=100_000_000) as workspace:
        workspace.overflow.values_max = 0
        kept = workspace.overflow.spill(str, str, block=1)
        kept.append("x" * 10_000_000)
        left = workspace.cursor().execute("SELECT current_setting('max_temp_directory_size')").fetchone()
        assert left == ("24.7 MiB",)
        with pytest.raises(WorkspaceError, match="what differs did not fit the workspace") as caught:
            kept += ("x" * 10_000_000 for _ in range(10))
        assert "workspace.max_disk" in caught.value.hint
        assert workspace.overflow.size < 100_000_000
