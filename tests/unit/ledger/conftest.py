"""Ledgers to write into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auditor.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where a ledger may be made."""
    return f"sqlite:///{tmp_path}/auditor.db"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """A new ledger in a file."""
    with Ledger.open(url) as opened:
        yield opened


_SERVERS = ["postgres", "mariadb", "mysql"]


@pytest.fixture(
    params=[
        "sqlite",
        *(pytest.param(name, marks=[getattr(pytest.mark, name), pytest.mark.services]) for name in _SERVERS),
    ]
)
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger may be made, in each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/auditor.db"
    server = request.getfixturevalue(request.param)
    fresh = server.fresh_database("ledger")
    assert isinstance(fresh, str)
    return fresh
