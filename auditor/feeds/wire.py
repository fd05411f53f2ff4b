"""Wire formats: where in a record the schema of its key and of its value is named, and where the data begins.

| first bytes | names the schema by | setting `format` |
|---|---|---|
| `00`, 4 bytes | the id of a Confluent registry, or one that speaks its API | `confluent` |
| `01`, 16 bytes | the GUID of such a registry | `confluent` |
| `00`, 8 bytes | Apicurio's global id | `apicurio-8byte` |
| none | the header `__key_schema_id` or `__value_schema_id`: the same bytes as above | every one |
| none | the header `apicurio.key.globalId` and the like: 8 bytes | every one |
| `{`, `[`, `"`, a digit, … | nothing: JSON | every one |

A header wins over what the payload begins with; of several headers of one name the last counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from auditor.feeds.shape import BadValueError

if TYPE_CHECKING:
    from collections.abc import Iterable

Role = Literal["key", "value"]
Format = Literal["confluent", "apicurio-8byte"]

Headers = tuple[tuple[str, bytes | None], ...]

_CONTEXT = "__debezium.context."

_CONFLUENT_BYTES, _GUID_BYTES, _APICURIO_BYTES = 5, 17, 9
_MAGIC_ID, _MAGIC_GUID = 0, 1


class Naming(Enum):
    """What kind of name a schema is looked up by."""

    ID = "id"
    GUID = "guid"
    GLOBAL_ID = "globalId"
    CONTENT_ID = "contentId"


@dataclass(frozen=True, slots=True)
class SchemaName:
    """Names one schema in a registry."""

    naming: Naming
    text: str

    def __str__(self) -> str:
        return f"{self.naming.value} {self.text}"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A key or a value with the name of its schema taken off.

    Attributes:
        schema: Its schema; None for JSON.
        body: The data alone.
    """

    schema: SchemaName | None
    body: bytes


def split(payload: bytes, headers: Headers, role: Role, wire: Format | None) -> Encoded:
    """Find the name of the schema of a key or a value.

    Args:
        payload: Its bytes.
        headers: Of the record.
        role: Which of the two it is.
        wire: The format that the settings name; None where they name no registry.

    Raises:
        BadValueError: The bytes begin neither as the format does nor as JSON.
    """
    if len(headers) and (schema := _from_headers(headers, role)) is not None:
        return Encoded(schema, payload)
    first = payload[0] if payload else None
    if first is not None and first > _MAGIC_GUID:
        return Encoded(None, payload)
    if first is None:
        raise BadValueError(f"the {role} has no bytes")
    if wire is None:
        raise BadValueError(f"the {role} names a schema, but the feed's settings name no schema registry")
    if wire == "apicurio-8byte":
        return _apicurio(payload, role)
    return _confluent(payload, role)


def _confluent(payload: bytes, role: Role) -> Encoded:
    if payload[0] == _MAGIC_GUID:
        if len(payload) < _GUID_BYTES:
            raise BadValueError(f"the {role} ends within the GUID of its schema")
        return Encoded(SchemaName(Naming.GUID, str(UUID(bytes=payload[1:_GUID_BYTES]))), payload[_GUID_BYTES:])
    if len(payload) < _CONFLUENT_BYTES:
        raise BadValueError(f"the {role} ends within the id of its schema")
    number = int.from_bytes(payload[1:_CONFLUENT_BYTES], "big")
    if not number:
        raise BadValueError(f"the {role} names schema 0, which no registry has: is its format apicurio-8byte?")
    return Encoded(SchemaName(Naming.ID, str(number)), payload[_CONFLUENT_BYTES:])


def _apicurio(payload: bytes, role: Role) -> Encoded:
    if payload[0] != _MAGIC_ID or len(payload) < _APICURIO_BYTES:
        raise BadValueError(f"the {role} does not begin with a zero byte and an id of 8 bytes (format apicurio-8byte)")
    number = int.from_bytes(payload[1:_APICURIO_BYTES], "big")
    return Encoded(SchemaName(Naming.GLOBAL_ID, str(number)), payload[_APICURIO_BYTES:])


def _from_headers(headers: Headers, role: Role) -> SchemaName | None:
    confluent = f"__{role}_schema_id"
    apicurio = f"apicurio.{role}."
    found = {
        name: value for name, value in headers if value is not None and (name == confluent or name.startswith(apicurio))
    }
    if not found:
        return None
    if confluent in found:
        return _confluent_header(found[confluent], role)
    if (encoding := found.get(f"{apicurio}encoding")) is not None and encoding.upper() != b"BINARY":
        raise BadValueError(f"the {role} is not in Avro's binary encoding, and no other is read")
    return _apicurio_header(found, apicurio, role)


def _confluent_header(value: bytes, role: Role) -> SchemaName:
    encoded = _confluent(value, role) if value and value[0] <= _MAGIC_GUID else None
    if encoded is None or encoded.body or encoded.schema is None:
        raise BadValueError(f"the header __{role}_schema_id holds neither an id nor a GUID")
    return encoded.schema


def _apicurio_header(found: dict[str, bytes], prefix: str, role: Role) -> SchemaName | None:
    for naming in (Naming.GLOBAL_ID, Naming.CONTENT_ID):
        if (value := found.get(f"{prefix}{naming.value}")) is not None:
            if len(value) != _APICURIO_BYTES - 1:
                raise BadValueError(f"the header {prefix}{naming.value} of the {role} is no id of 8 bytes")
            return SchemaName(naming, str(int.from_bytes(value, "big")))
    return None


def header(headers: Iterable[tuple[str, bytes | None]], name: str) -> bytes | None:
    """The last header of this name, or None."""
    value = None
    for header_name, header_value in headers:
        if header_name == name:
            value = header_value
    return value


def telling(headers: Headers) -> Headers:
    """The headers that say something of the record; newer connectors add four that say who wrote it."""
    return tuple([entry for entry in headers if not entry[0].startswith(_CONTEXT)]) if headers else ()
