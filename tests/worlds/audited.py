"""The program, called in this process: its exit code and its report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from auditor.cli import run

if TYPE_CHECKING:
    import pytest


def reconciled(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """A reconcile in the current directory; fails where it reports nothing."""
    capsys.readouterr()
    code = run(("reconcile", "--format", "json", *arguments))
    out, err = capsys.readouterr()
    assert out, err
    return code, json.loads(out)
