"""Programs that tests call: the machine's, else those of the package of the same name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.services.availability import Unavailable
from tests.services.backends import REQUIRE_VARIABLE
from tests.services.packages import require_program


def program(name: str) -> Path:
    """The path of a program; skips where it cannot be had, and fails where every service is required."""
    try:
        require_program(name)
    except Unavailable as error:
        if os.environ.get(REQUIRE_VARIABLE):
            pytest.fail(f"{error} ({REQUIRE_VARIABLE} asks for it)", pytrace=False)
        pytest.skip(str(error))
    found = shutil.which(name)
    assert found is not None, f"the package {name} brought no program of that name"
    return Path(found)
