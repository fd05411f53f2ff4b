"""A reader of Avro of its own, as strict as its specification, to hold the program's reader to.

It knows nothing of fastavro and nothing of the program: it goes byte by byte, and takes a value in one form only.
"""

from __future__ import annotations

import struct
from typing import Any


class NotAvroError(ValueError):
    """The bytes are no value of the schema, or not in the one form that a writer gives it."""


class StrictAvro:
    """Reads the values of one schema, given as its JSON."""

    def __init__(self, schema: Any) -> None:
        self._schema, self._named = schema, dict[str, Any]()
        self._name(schema, "")
        self._body, self._at = b"", 0

    def read(self, body: bytes) -> Any:
        """One value.

        Raises:
            NotAvroError: The bytes are not exactly one.
        """
        self._body, self._at = body, 0
        value = self._value(self._schema, "")
        if self._at != len(body):
            raise NotAvroError("bytes are left")
        return value

    def _name(self, schema: Any, space: str) -> None:
        if isinstance(schema, list):
            for branch in schema:
                self._name(branch, space)
        if not isinstance(schema, dict):
            return
        space = schema.get("namespace", space)
        if schema["type"] in ("record", "enum", "fixed"):
            self._named[f"{space}.{schema['name']}" if space else schema["name"]] = (schema, space)
        for entry in schema.get("fields", ()):
            self._name(entry["type"], space)
        for inner in ("items", "values", "type"):
            self._name(schema.get(inner), space)

    def _value(self, schema: Any, space: str) -> Any:
        if isinstance(schema, list):
            return self._value(schema[self._index(len(schema))], space)
        if isinstance(schema, str):
            if schema in _READERS:
                return _READERS[schema](self)
            found, space = self._named.get(schema) or self._named[f"{space}.{schema}"]
            return self._complex(found, space)
        return self._complex(schema, schema.get("namespace", space))

    def _complex(self, schema: dict[str, Any], space: str) -> Any:
        kind = schema["type"]
        if kind == "record":
            return {entry["name"]: self._value(entry["type"], space) for entry in schema["fields"]}
        if kind == "enum":
            return schema["symbols"][self._index(len(schema["symbols"]))]
        if kind == "fixed":
            return self.take(schema["size"])
        if kind == "array":
            return [self._value(schema["items"], space) for _ in self._blocks()]
        if kind == "map":
            return {self.text(): self._value(schema["values"], space) for _ in self._blocks()}
        return self._value(kind, space)

    def _blocks(self) -> Any:
        while count := self.integer():
            size = self.integer() if count < 0 else None
            start = self._at
            yield from range(abs(count))
            if size is not None and self._at - start != size:
                raise NotAvroError("size of a block")

    def _index(self, count: int) -> int:
        index = self.integer()
        if not 0 <= index < count:
            raise NotAvroError("index")
        return index

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count < 0 or self._at + count > len(self._body):
            raise NotAvroError("early end")
        self._at += count
        return self._body[self._at - count : self._at]

    def integer(self) -> int:
        """An integer of at most 64 bits, in its shortest form."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if not byte & 128:
                break
            shift += 7
        if (shift and not byte) or value >= 2**64:
            raise NotAvroError("integer")
        return value >> 1 if not value & 1 else -(value >> 1) - 1

    def narrow(self) -> int:
        """An integer of at most 32 bits, as far as the program looks: only columns are held to it."""
        return self.integer()

    def boolean(self) -> bytes:
        """The byte that it is, as the program has it."""
        return self.take(1)

    def text(self) -> str:
        """UTF-8."""
        try:
            return self.take(self.integer()).decode()
        except UnicodeDecodeError:
            raise NotAvroError("text") from None


_READERS: dict[str, Any] = {
    "null": lambda _: None,
    "boolean": StrictAvro.boolean,
    "int": StrictAvro.narrow,
    "long": StrictAvro.integer,
    "float": lambda reader: struct.unpack("<f", reader.take(4))[0],
    "double": lambda reader: struct.unpack("<d", reader.take(8))[0],
    "bytes": lambda reader: reader.take(reader.integer()),
    "string": StrictAvro.text,
}
