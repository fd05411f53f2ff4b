"""The command line itself: complete help, quick help, one way to fail."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import typer.core

from auditor.cli import COMMANDS, load_command, run

PROGRAM = Path(sys.executable).with_name("audit")
HELP_SECONDS_MAX = 0.3
HEAVY = ("duckdb", "sqlalchemy", "sqlglot", "pyarrow", "numpy", "alembic", "yaml", "pymysql", "psycopg")

GROUPS = {"contracts": {"check", "infer", "diff", "owners", "schema"}, "ledger": {"status", "upgrade", "prune"}}
COMMON = {"--config", "--format", "--out", "--quiet", "--verbose"}


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert f" {name} " in shown
        assert entry.about.split(maxsplit=1)[0] in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_common_options(name: str) -> None:
    command = load_command(name)
    leaves = command.commands.values() if name in GROUPS else [command]
    if name in GROUPS:
        assert set(command.commands) == GROUPS[name]
    for leaf in leaves:
        options = {option for parameter in leaf.params for option in parameter.opts}
        assert options >= COMMON
        assert leaf.help
        for parameter in leaf.params:
            assert parameter.help, f"{leaf.name} {parameter.name} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert "Usage: audit" in capsys.readouterr().out


def test_a_mistyped_command_is_told_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reconcil"]) == 2
    captured = capsys.readouterr()
    assert "reconcile" in captured.err
    assert captured.out == ""


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"audit {version('consistency-auditor')}\n"


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys; from auditor.cli import run; run(['--help']); print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n"), done.stdout[-200:]


def test_numpy_starts_no_threads_and_pydantic_searches_for_no_plugins() -> None:
    """The threads of NumPy's algebra look for work as long as a command takes; a plugin would see passwords."""
    code = (
        "import os; import auditor.cli as cli\n"
        "def leave(code):\n"
        "    import numpy; from pydantic.plugin._loader import get_plugins\n"
        "    print(len(os.listdir('/proc/self/task')), list(get_plugins()), flush=True); real(code)\n"
        "real, os._exit = os._exit, leave\n"
        "cli.main(['--version'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "1 []"


def test_duckdb_searches_for_no_pandas() -> None:
    """It would look into every directory that modules may be in, with each table that it is shown."""
    code = (
        "import os, sys; import auditor.cli as cli\n"
        "def leave(code):\n"
        "    import duckdb, pyarrow\n"
        "    sys.meta_path.append(Told())\n"
        "    duckdb.register('shown', pyarrow.table({'a': [1]})); duckdb.execute('SELECT a + ? FROM shown', [1])\n"
        "    print('pandas' in searched, flush=True); real(code)\n"
        "searched = set()\n"
        "class Told:\n"
        "    def find_spec(self, name, *_):\n"
        "        searched.add(name)\n"
        "real, os._exit = os._exit, leave\n"
        "cli.main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_help_answers_at_once() -> None:
    """Measured in the processor's time, so that other tests on the same machine do not count."""
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # as people have it
        subprocess.run([PROGRAM, "--help"], capture_output=True, check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) <= HELP_SECONDS_MAX


def test_the_group_lists_names_without_importing_commands() -> None:
    from auditor.cli import command_group

    stubs = command_group().commands
    assert list(stubs) == list(COMMANDS)
    assert all(type(stub) is typer.core.TyperCommand and stub.callback is None for stub in stubs.values())
