"""What the tests of the documentation share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def demo_report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON report of `audit demo`."""
    directory = tmp_path_factory.mktemp("demo")
    audit = Path(sys.executable).with_name("audit")
    subprocess.run([audit, "demo", "--dir", directory, "--quiet", "--out", directory / "terminal.txt"], check=True)
    report: dict[str, Any] = json.loads((directory / "report.json").read_text("utf-8"))
    return report
