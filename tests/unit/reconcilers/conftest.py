"""A workspace for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconcilers.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A private DuckDB that is gone after the test."""
    with Workspace(tmp_path / "workspace", threads=1) as workspace:
        yield workspace
