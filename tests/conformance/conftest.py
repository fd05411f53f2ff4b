"""The stores, each made once for the whole suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.stores.registry import BY_NAME, ON_SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.stores.store import Store


@pytest.fixture(scope="session")
def made() -> Iterator[dict[str, Store]]:
    """The stores that this run has made."""
    stores: dict[str, Store] = {}
    yield stores
    for store in stores.values():
        store.close()


@pytest.fixture
def store(request: pytest.FixtureRequest, made: dict[str, Store], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of this name, made at the first call."""
    kind = BY_NAME[request.param]
    if kind.name not in made:
        server = ON_SERVERS.get(kind)
        argument = request.getfixturevalue(server) if server else tmp_path_factory.mktemp(kind.name)
        made[kind.name] = kind(argument)  # type: ignore[call-arg]
    return made[kind.name]
