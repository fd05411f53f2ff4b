"""From a key's or a value's bytes to what it holds and what its schema says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.feeds import connect_json, strict_json
from auditor.feeds.avro import AvroReader
from auditor.feeds.schemas import UnknownSchemaError
from auditor.feeds.shape import BadValueError, Carrier, Shape
from auditor.feeds.wire import Format, Headers, Naming, Role, SchemaName, split

if TYPE_CHECKING:
    from auditor.feeds.schemas import SchemaSource

_PLANS_MAX = 4096
"""Schemas that came with messages, and broken ones, that are remembered; hostile records bring a new one each."""

_ID_BYTES = 5
"""How a payload in Confluent's format begins; the same bytes name the same schema."""

_SCHEMA, _PAYLOAD = b'{"schema":{', b',"payload":'


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """A schema that messages were written with; one object stands for one schema.

    Attributes:
        shape: What it says; None for JSON without a schema.
        carrier: How values arrive.
    """

    shape: Shape | None
    carrier: Carrier


SCHEMALESS = Schema(None, Carrier.JSON)


class Messages:
    """Reads keys and values, and remembers the schemas that it has seen."""

    def __init__(self, wire: Format | None, schemas: SchemaSource | None) -> None:
        self._wire, self._schemas = wire, schemas
        self._readers: dict[SchemaName, tuple[AvroReader, Schema] | None] = {}
        self._by_start: dict[bytes, tuple[AvroReader, Schema]] = {}
        self._broken: dict[SchemaName, str] = {}
        self._by_prefix: dict[bytes, Schema] = {}
        self._prefix_of: dict[tuple[str, Role], bytes] = {}

    def read(self, payload: bytes, headers: Headers, role: Role, topic: str) -> tuple[Any, Schema]:
        """What a key or a value holds, and its schema.

        Raises:
            BadValueError: The bytes cannot be understood, now or ever.
            FeedError: Its schema cannot be had.
        """
        if not headers and (found := self._by_start.get(payload[:_ID_BYTES])) is not None:
            return found[0].read(payload[_ID_BYTES:]), found[1]
        encoded = split(payload, headers, role, self._wire)
        if encoded.schema is None:
            return self._json(encoded.body, role, topic)
        found = self._reader(encoded.schema)
        if found is None:  # the registry says that the schema is for JSON
            return strict_json.parse(encoded.body), SCHEMALESS
        reader, schema = found
        if self._wire == "confluent" and encoded.schema.naming is Naming.ID and not headers:
            self._by_start[payload[:_ID_BYTES]] = found
        return reader.read(encoded.body), schema

    def reader(self, payload: bytes, role: Role) -> tuple[AvroReader, Schema]:
        """What reads payloads that begin as this one does, where no header says otherwise.

        Raises:
            BadValueError: They are no Avro.
            FeedError: Its schema cannot be had.
        """
        name = split(payload, (), role, self._wire).schema
        if name is None or (found := self._reader(name)) is None:
            raise BadValueError(f"the {role} is not Avro")
        return found

    def _reader(self, name: SchemaName) -> tuple[AvroReader, Schema] | None:
        if name in self._readers:
            return self._readers[name]
        if (reason := self._broken.get(name)) is not None:
            raise BadValueError(reason)
        try:
            found = self._made(name)
        except UnknownSchemaError:
            raise  # it may be known later, and whoever knows schemas remembers for how long not to ask
        except BadValueError as error:
            if len(self._broken) < _PLANS_MAX:
                self._broken[name] = str(error)
            raise
        self._readers[name] = found
        return found

    def _made(self, name: SchemaName) -> tuple[AvroReader, Schema] | None:
        if self._schemas is None:
            raise BadValueError(f"the schema with {name} is not known: the feed's settings name no schema registry")
        schema = self._schemas.schema(name)
        if schema.language == "JSON":
            return None
        if schema.language != "AVRO":
            raise BadValueError(f"the schema with {name} is {schema.language}; Avro and JSON are read")
        reader = AvroReader(schema)
        return reader, Schema(reader.shape, Carrier.AVRO)

    def _json(self, body: bytes, role: Role, topic: str) -> tuple[Any, Schema]:
        prefix = self._prefix_of.get((topic, role))
        if prefix is not None and body.startswith(prefix) and body.endswith(b"}"):
            try:
                return strict_json.parse(body[len(prefix) : -1]), self._by_prefix[prefix]
            except BadValueError:  # more members, or blanks: the whole text will tell
                pass
        value = strict_json.parse(body)
        if not connect_json.is_with_schema(value):
            return value, SCHEMALESS
        if value["schema"] is None:
            return value["payload"], SCHEMALESS
        return value["payload"], self._schema(body, value["schema"], role, topic)

    def _schema(self, body: bytes, definition: Any, role: Role, topic: str) -> Schema:
        prefix = _prefix(body)
        schema = self._by_prefix.get(prefix) if prefix else None
        if schema is None:
            schema = Schema(connect_json.shape_of(definition), Carrier.JSON)
        if prefix:
            if len(self._by_prefix) >= _PLANS_MAX:
                self._by_prefix.clear()
                self._prefix_of.clear()
            self._by_prefix[prefix] = schema
            self._prefix_of[topic, role] = prefix
        return schema


def _prefix(body: bytes) -> bytes:
    """What stands before the payload, where the message is written as Kafka Connect writes it."""
    if not body.startswith(_SCHEMA):
        return b""
    text = body.decode()
    _, end = json.JSONDecoder().raw_decode(text, len(_SCHEMA) - 1)
    prefix = text[:end].encode() + _PAYLOAD
    return prefix if body.startswith(prefix) else b""
