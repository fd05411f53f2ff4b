"""SQLite's own shell, which compensations for SQLite are applied with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.services.availability import Unavailable
from tests.services.backends import REQUIRE_VARIABLE
from tests.services.packages import install_packages


def sqlite_shell() -> Path:
    """The path of `sqlite3`: the machine's, else from the package of that name; skips where it cannot be had."""
    if shutil.which("sqlite3") is None:
        try:
            install_packages("sqlite3", wanted_for="the sqlite3 program")
        except Unavailable as error:
            if os.environ.get(REQUIRE_VARIABLE):
                pytest.fail(f"{error} ({REQUIRE_VARIABLE} asks for it)", pytrace=False)
            pytest.skip(str(error))
    found = shutil.which("sqlite3")
    assert found is not None, "the package sqlite3 brought no program of that name"
    return Path(found)
