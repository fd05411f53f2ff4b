"""Avro: a writer's schema made ready once, then its records read strictly.

fastavro reads; what it lets pass is caught here, because a byte that changed must not become another value:

- logical types are taken out of the schema: fastavro rounds decimals to their declared precision, and cannot hold
  times after the year 9999; bytes and integers become cells by our own rules;
- negative indexes into a union or an enum count from the end for it: ours refuse them;
- every byte but 0 counts as true for it: booleans are read as bytes;
- integers longer than they need be, or than 64 bits: where the bytes may hold one, the record is walked through;
- what comes after the record is an error.
"""

from __future__ import annotations

import re
import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

from auditor.feeds.avro_logical import logical_type
from auditor.feeds.shape import AVRO_FALSE, AVRO_TRUE, NO_DEFAULT, BadValueError, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from auditor.feeds.schemas import WriterSchema

_LONG_INTEGER = re.compile(rb"[\x80-\xff]\x00|[\x80-\xff]{9}")
"""Where an integer may have a byte that it does not need, or more than 64 bits."""

_CONTINUES, _VARINT_BYTES_MAX = 0x80, 10
_READ_ERRORS = (
    EOFError, LookupError, ValueError, ArithmeticError, TypeError, struct.error, RecursionError, MemoryError,
)  # fmt: skip
"""What fastavro raises where bytes are not of the schema."""

_PRIMITIVES = {
    "boolean": "boolean", "int": "int32", "long": "int64", "float": "float32", "double": "float64", "bytes": "bytes",
    "string": "string", "fixed": "bytes", "enum": "string",
}  # fmt: skip
_CONNECT_INTS = ("int8", "int16")
_MINIMUM_BYTES = {"null": 0, "float": 4, "double": 8}
_LOGICAL = "au.logical"
"""What a schema's `logicalType` is called, where fastavro is not to see it."""

_UNION = "union"
_WHOLE = "AuditorWhole"
"""A record around every value, which takes no bytes: fastavro reads a schema anew each time that is no record."""

_DEPTH_MAX = 64
"""Levels of a schema; a record of more is nobody's table."""


class BadSchemaError(BadValueError):
    """A schema that cannot be read with; the message says why."""


class AvroReader:
    """Reads the records of one writer's schema.

    Attributes:
        shape: What the schema says of the whole value.
        schema: The schema of the value, made strict: unions and enums are mappings from their indexes.
        named: Its named schemas, likewise.
    """

    def __init__(self, schema: WriterSchema) -> None:
        """Make a schema ready.

        Raises:
            BadSchemaError: It is no Avro schema, or one that cannot be read safely.
        """
        from fastavro import schemaless_reader

        self._read: Callable[[Any, Any, Any], Any] = schemaless_reader
        self._parsed, self._named = _parsed(schema)
        self.named: Mapping[str, Any] = self._named
        self.shape = _Shapes(self._named).of(self._parsed["fields"][0]["type"])
        self._always_walks = _Check(self._named).has_blocks(self._parsed)
        for named in list(self._named.values()):
            _make_strict(named)
        self.schema: Any = self._parsed["fields"][0]["type"]

    def read(self, body: bytes) -> Any:
        """One value; booleans are the bytes `AVRO_FALSE` and `AVRO_TRUE`.

        Raises:
            BadValueError: The bytes are not exactly one value of the schema.
        """
        stream = BytesIO(body)
        try:
            value = self._read(stream, self._parsed, None)["value"]
        except _READ_ERRORS as error:
            raise BadValueError(_complaint(error)) from None
        if stream.tell() != len(body):
            raise BadValueError(f"{len(body) - stream.tell()} bytes are left after the Avro record")
        if self._always_walks or _LONG_INTEGER.search(body):
            _Walk(body, self._named).through(self._parsed)
        return value


def _complaint(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "the Avro record ends early"
    if isinstance(error, UnicodeDecodeError):
        return "a text in the Avro record is not UTF-8"
    return "the bytes are no Avro record of their schema"


def _parsed(schema: WriterSchema) -> tuple[Any, dict[str, Any]]:
    from fastavro import parse_schema
    from fastavro.schema import SchemaParseException, UnknownType

    named: dict[str, Any] = {}
    plain = _Plain()
    try:
        for reference in schema.references:
            parse_schema(plain.of(reference), named_schemas=named)
        whole = {"type": "record", "name": _WHOLE, "fields": [{"name": "value", "type": plain.of(schema.definition)}]}
        parsed = parse_schema(whole, named_schemas=named)
    except (
        SchemaParseException,
        UnknownType,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise BadSchemaError(f"its schema is no Avro schema that can be read ({type(error).__name__})") from None
    _Check(named).whole(parsed)
    return parsed, named


class _Plain:
    """Takes out of a schema what fastavro would interpret."""

    def __init__(self) -> None:
        self._booleans = 0

    def of(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return [self.of(branch) for branch in schema]
        if schema == "boolean":
            return self._boolean({})
        if not isinstance(schema, dict):
            return schema
        if schema.get("type") == "boolean":
            return self._boolean(schema)
        changed = {_LOGICAL if name == "logicalType" else name: value for name, value in schema.items()}
        for inner in ("type", "items", "values"):
            if isinstance(changed.get(inner), dict | list) or changed.get(inner) == "boolean":
                changed[inner] = self.of(changed[inner])
        if isinstance(changed.get("fields"), list):
            changed["fields"] = [self._field(entry) for entry in changed["fields"]]
        return changed

    def _field(self, entry: Any) -> Any:
        """A field without its default, which a writer's schema does not need, but with ours."""
        changed = dict(entry) | {"type": self.of(entry["type"])}
        if "default" in changed:
            changed["au.default"] = changed.pop("default")
        return changed

    def _boolean(self, schema: dict[str, Any]) -> dict[str, Any]:
        self._booleans += 1
        name = f"auditor.Boolean{self._booleans}"
        return {**schema, "type": "fixed", "size": 1, "name": name, "au.boolean": True}


def _make_strict(schema: Any) -> Any:
    """Have unions and enums refuse negative indexes: they become mappings, which do not count from their end.

    Records are changed in place, since names refer to the same objects.
    """
    if isinstance(schema, list):
        return {"type": _UNION, **{index: _make_strict(branch) for index, branch in enumerate(schema)}}
    if isinstance(schema, dict) and schema["type"] != _UNION:
        for inner in ("items", "values"):
            if inner in schema:
                schema[inner] = _make_strict(schema[inner])
        if isinstance(schema.get("symbols"), list):
            schema["symbols"] = dict(enumerate(schema["symbols"]))
        for entry in schema.get("fields", ()):
            entry["type"] = _make_strict(entry["type"])
        if isinstance(schema["type"], dict | list):
            schema["type"] = _make_strict(schema["type"])
    return schema


def _branches(schema: list[Any]) -> tuple[Any, bool] | None:
    """The one type of a union with null and whether null comes first; None for other unions."""
    others = [branch for branch in schema if branch != "null"]
    if len(others) != 1 or len(schema) > 2:  # noqa: PLR2004
        return None
    return others[0], schema[0] == "null"


class _Shapes:
    """Describes a parsed schema in the words of Kafka Connect."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named

    def of(self, schema: Any, default: object = NO_DEFAULT) -> Shape:
        if isinstance(schema, list):
            return self._union(schema, default)
        if isinstance(schema, str) and schema in self._named:
            return self.of(self._named[schema])
        if isinstance(schema, str):
            return Shape(_PRIMITIVES.get(schema, "unknown"))
        if isinstance(schema.get("type"), dict | list):
            return self.of(schema["type"])
        return self._typed(schema)

    def _typed(self, schema: dict[str, Any]) -> Shape:
        kind, name = schema["type"], str(schema.get("connect.name") or _full_name(schema))
        parameters = {str(key): str(value) for key, value in (schema.get("connect.parameters") or {}).items()}
        if kind == "record":
            fields = tuple((f["name"], self.of(f["type"], f.get("au.default", NO_DEFAULT))) for f in schema["fields"])
            return Shape("struct", name, parameters, fields=fields)
        if kind == "array":
            return Shape("array", name, parameters, item=self.of(schema["items"]))
        if kind == "map":
            return Shape("map", name, parameters, item=self.of(schema["values"]))
        if schema.get("au.boolean"):
            return Shape("boolean", str(schema.get("connect.name", "")), parameters)
        if kind not in _PRIMITIVES:
            return self.of(kind) if isinstance(kind, str) and kind in self._named else Shape("unknown")
        narrow = schema.get("connect.type")
        if not name:
            name, parameters = logical_type(schema, schema.get(_LOGICAL))
        return Shape(str(narrow) if narrow in _CONNECT_INTS else _PRIMITIVES[kind], name, parameters)

    def _union(self, schema: list[Any], default: object) -> Shape:
        found = _branches(schema)
        if found is None:
            return Shape("unknown", optional="null" in schema)
        branch, null_first = found
        shape = self.of(branch)
        if null_first or default is NO_DEFAULT:
            default = NO_DEFAULT
        elif shape.kind == "bytes" and isinstance(default, str):
            default = default.encode("latin-1")
        elif shape.kind == "boolean":
            default = AVRO_TRUE if default is True else AVRO_FALSE
        return Shape(
            shape.kind, shape.name, shape.parameters, optional=True, default=default, item=shape.item,
            fields=shape.fields,
        )  # fmt: skip


def _full_name(schema: dict[str, Any]) -> str:
    if schema["type"] != "record":
        return ""
    return str(schema["name"])


class _Check:
    """Refuses schemas that a few bytes could keep a reader busy with for ever."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named

    def whole(self, schema: Any, within: tuple[str, ...] = ()) -> int:
        """Fewest bytes of a value.

        Raises:
            BadSchemaError: The schema refers to itself, is nested too deeply, or has a list of nothing.
        """
        if len(within) > _DEPTH_MAX:
            raise BadSchemaError("its schema is nested too deeply")
        if isinstance(schema, list):
            return 1 + min((self.whole(branch, (*within, "")) for branch in schema), default=0)
        if isinstance(schema, str):
            if schema not in self._named:
                return _MINIMUM_BYTES.get(schema, 1)
            if schema in within:
                raise BadSchemaError("its schema refers to itself")
            return self.whole(self._named[schema], (*within, schema))
        return self._typed(schema, within)

    def _typed(self, schema: dict[str, Any], within: tuple[str, ...]) -> int:
        kind = schema["type"]
        if kind == "record":
            if schema["name"] in within[:-1]:
                raise BadSchemaError("its schema refers to itself")
            inside = (*within, schema["name"])
            return sum(self.whole(entry["type"], inside) for entry in schema["fields"])
        if kind == "fixed":
            return int(schema["size"])
        if kind in ("array", "map"):
            if not self.whole(schema["items" if kind == "array" else "values"], (*within, "")) and kind == "array":
                raise BadSchemaError("its schema has a list whose items take no bytes")
            return 1
        if isinstance(kind, dict | list) or kind in self._named:
            return self.whole(kind, (*within, ""))
        return _MINIMUM_BYTES.get(kind, 1)

    def has_blocks(self, schema: Any) -> bool:
        """Whether a value may have arrays or maps, whose blocks may tell their size twice."""
        if isinstance(schema, list):
            return any(self.has_blocks(branch) for branch in schema)
        if isinstance(schema, str):
            return schema in self._named and self.has_blocks(self._named[schema])
        if schema["type"] == "record":
            return any(self.has_blocks(entry["type"]) for entry in schema["fields"])
        if schema["type"] in ("array", "map"):
            return True
        return self.has_blocks(schema["type"]) if isinstance(schema["type"], dict | list) else False


class _Walk:
    """Goes through a record that fastavro has read, and refuses what it need not have had."""

    def __init__(self, body: bytes, named: dict[str, Any]) -> None:
        self._body, self._named, self._at = body, named, 0

    def through(self, schema: Any) -> None:
        if isinstance(schema, str):
            self._named_or_primitive(schema)
        elif schema["type"] == _UNION:
            self.through(schema[self._integer()])
        elif schema["type"] == "record":
            for entry in schema["fields"]:
                self.through(entry["type"])
        elif schema["type"] == "fixed":
            self._at += schema["size"]
        elif schema["type"] in ("array", "map"):
            self._blocks(schema)
        elif schema["type"] == "enum":
            self._integer()
        else:
            self.through(schema["type"])

    def _named_or_primitive(self, schema: str) -> None:
        if schema in self._named:
            self.through(self._named[schema])
        elif schema in ("int", "long"):
            self._integer()
        elif schema in ("string", "bytes"):
            length = self._integer()  # moves `_at` itself
            self._at += length
        else:
            self._at += {"null": 0, "float": 4, "double": 8}[schema]

    def _blocks(self, schema: dict[str, Any]) -> None:
        item = schema["items" if schema["type"] == "array" else "values"]
        while count := self._integer():
            end = None
            if count < 0:
                size = self._integer()
                count, end = -count, self._at + size
            for _ in range(count):
                if schema["type"] == "map":
                    self._named_or_primitive("string")
                self.through(item)
            if end is not None and end != self._at:
                raise BadValueError("a block of the Avro record has another size than it says")

    def _integer(self) -> int:
        start = at = self._at
        while self._body[at] & _CONTINUES:
            at += 1
        last, length = self._body[at], at + 1 - start
        if (length > 1 and not last) or length > _VARINT_BYTES_MAX or (length == _VARINT_BYTES_MAX and last > 1):
            raise BadValueError("an integer of the Avro record is longer than it need be")
        value = 0
        for index in range(length):
            value |= (self._body[start + index] & 0x7F) << (7 * index)
        self._at = at + 1
        return (value >> 1) ^ -(value & 1)
