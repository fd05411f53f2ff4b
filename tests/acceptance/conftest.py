"""The `audit` command as people meet it: arguments in, text and an exit code out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auditor.cli import run
from tests.acceptance.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = Path(sys.executable).with_name("audit")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The result, as JSON."""
        return json.loads(self.out)

    def findings(self) -> set[tuple[str | None, str, str]]:
        """Replica, key and divergence of every finding of a JSON report."""
        return {
            (one["replica"], ",".join(map(str, (one["key"] or {}).values())), one["divergence"])
            for one in self.json["findings"]
        }


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop in which every copy is right; commands run in its directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    return Shop(tmp_path)


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run one command line."""

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def audit_process() -> Callable[..., subprocess.Popen[str]]:
    """Start the program as a process of its own."""

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        # As people have it: an environment that forbids Python to keep what it compiled would make every start slow.
        # Where there is a terminal, it is one that can be drawn on, whatever started the tests.
        environment = {**os.environ, "PYTHONWARNINGS": "", "PYTHONDONTWRITEBYTECODE": "", "TERM": "xterm"}
        return subprocess.Popen([PROGRAM, *arguments], env=environment, **(streams | options))

    return start
