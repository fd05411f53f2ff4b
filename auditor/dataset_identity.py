"""When two datasets of the settings are the same rows, under whatever names.

A connection that stands twice in the settings, a relation spelt in another way: what looks like an owner and its copy
would be one table, and comparing it with itself finds nothing, ever.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from auditor.settings import Settings
    from auditor.store_url import StoreUrl
    from contracts.contract import DatasetRef

_FAMILIES = {"mariadb": "mysql"}
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433, "oracle": 1521}
_LOOPBACK = {"localhost": "127.0.0.1", "::1": "127.0.0.1"}


def dataset_identity(settings: Settings, dataset: DatasetRef) -> Hashable:
    """Equal for two datasets that are surely the same; a dataset of an unknown connection equals itself alone."""
    connection = settings.connections.get(dataset.connection)
    if connection is None:
        return dataset
    url = connection.url
    family = _FAMILIES.get(url.dialect, url.dialect)
    if url.path is not None:
        return (family, os.path.realpath(url.path), *_in_a_file(family, dataset.relation))
    hosts = tuple((_LOOPBACK.get(host, host).lower(), port or _PORTS.get(family)) for host, port in url.hosts)
    return (family, hosts, *_at_a_server(family, url, dataset.relation))


def _in_a_file(family: str, relation: str) -> tuple[str, ...]:
    if family in ("sqlite", "duckdb"):  # neither tells names apart by case; `main` is where names without a schema are
        return (relation.casefold().removeprefix("main."),)
    return (os.path.normpath(relation),)


def _at_a_server(family: str, url: StoreUrl, relation: str) -> tuple[str, ...]:
    if family == "mysql":  # a database is a schema, and a relation may name another one
        return (relation if "." in relation else f"{url.database}.{relation}",)
    return (url.database, url.query.get("options", ""), relation)
