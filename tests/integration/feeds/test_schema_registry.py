"""The program's client of schema registries, and a real registry."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from auditor.feeds.decoding import decoder_of
from auditor.feeds.record import Record
from auditor.feeds.registry import Registry
from auditor.feeds.registry_connection import RegistryConnection
from auditor.feeds.schema_store import SchemaStore
from auditor.feeds.schemas import UnknownSchemaError
from auditor.feeds.wire import Naming, SchemaName
from auditor.settings import KafkaFeed, RegistryTls
from contracts.errors import FeedError
from reconcilers.change import Change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services import SchemaRegistry

ROW = {"type": "record", "name": "Row", "namespace": "shop", "fields": [{"name": "id", "type": "long"}]}
OTHER = {"type": "record", "name": "Other", "namespace": "shop", "fields": [{"name": "v", "type": "string"}]}


def _registry(server: SchemaRegistry, directory: Path) -> Registry:
    connection = RegistryConnection("shop", [server.url], None, RegistryTls())
    return Registry("shop", connection, SchemaStore(directory, server.url))


def _ask(url: str, document: Any = None) -> Any:
    host, _, path = url.removeprefix("http://").partition("/")
    with closing(HTTPConnection(host, timeout=30)) as connection:
        body = None if document is None else json.dumps(document)
        connection.request("GET" if body is None else "POST", f"/{path}", body, {"Content-Type": "application/json"})
        return json.load(connection.getresponse())


def _register(server: SchemaRegistry, subject: str, schema: Any, references: list[dict[str, Any]]) -> int:
    document = {"schema": json.dumps(schema), "references": references}
    return int(_ask(f"{server.url}/subjects/{subject}/versions", document)["id"])


@pytest.fixture
def forgetful(schema_registry: SchemaRegistry) -> Iterator[SchemaRegistry]:
    """A registry of its own for a test that makes it forget."""
    server = type(schema_registry).start()
    try:
        yield server
    finally:
        server.stop()


def test_a_schema_and_what_it_refers_to_are_looked_up(schema_registry: SchemaRegistry, tmp_path: Path) -> None:
    city = {"type": "record", "name": "City", "namespace": "shop", "fields": [{"name": "name", "type": "string"}]}
    person = {"type": "record", "name": "Person", "namespace": "shop", "fields": [{"name": "in", "type": "shop.City"}]}
    _register(schema_registry, "city", city, [])
    number = _register(schema_registry, "person", person, [{"name": "shop.City", "subject": "city", "version": 1}])
    found = _registry(schema_registry, tmp_path).schema(SchemaName(Naming.ID, str(number)))
    assert found.definition == person
    assert found.references == (city,)


def test_a_record_is_decoded_with_a_schema_from_the_registry(schema_registry: SchemaRegistry, tmp_path: Path) -> None:
    number = schema_registry.register("row-value", ROW)
    feed = KafkaFeed.model_validate(
        {"type": "kafka", "bootstrap_servers": "h:1", "schema_registry": {"url": schema_registry.url}}
    )
    record = Record("t", 0, 0, -1, None, b"\0" + number.to_bytes(4, "big") + b"\x54")
    (change,) = decoder_of("shop", feed, tmp_path).decode([record])
    assert isinstance(change, Change)
    assert change.row == {"id": "42"}


def test_apicurios_own_ids_are_looked_up_at_its_own_address(schema_registry: SchemaRegistry, tmp_path: Path) -> None:
    schema_registry.register("own-value", OTHER)
    meta = _ask(f"{schema_registry.converter_url}/groups/default/artifacts/own-value/meta")
    registry = _registry(schema_registry, tmp_path)
    for naming, number in ((Naming.GLOBAL_ID, meta["globalId"]), (Naming.CONTENT_ID, meta["contentId"])):
        assert registry.schema(SchemaName(naming, str(number))).definition == OTHER
    with pytest.raises(UnknownSchemaError):
        registry.schema(SchemaName(Naming.GLOBAL_ID, "999999"))


def test_an_id_that_the_registry_does_not_have_is_unknown(schema_registry: SchemaRegistry, tmp_path: Path) -> None:
    with pytest.raises(UnknownSchemaError):
        _registry(schema_registry, tmp_path).schema(SchemaName(Naming.ID, "999999"))


def test_a_registry_that_lost_its_memory_names_other_schemas_by_old_ids(
    forgetful: SchemaRegistry, tmp_path: Path
) -> None:
    """As this one does, which keeps nothing on disk."""
    name = SchemaName(Naming.ID, str(forgetful.register("lost-value", ROW | {"doc": "before"})))
    _registry(forgetful, tmp_path).schema(name)
    forgetful.shut()
    down = _registry(forgetful, tmp_path)
    assert down.schema(name).definition["doc"] == "before"
    forgetful.launch()
    number, attempt = 0, 0
    while number < int(name.text):
        attempt += 1
        number = forgetful.register(f"later-{attempt}", ROW | {"doc": f"after {attempt}"})
    with pytest.raises(FeedError, match="gives ids anew"):
        _registry(forgetful, tmp_path).schema(name)
