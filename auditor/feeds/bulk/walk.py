"""Walks, made once from a writer's schema: what to read next, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from auditor.feeds.bulk.cursor import IrregularError
from auditor.feeds.bulk.pieces import Booleans, Nothing, Numbers, Octets, Optional, Struct, Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from auditor.feeds.bulk.cursor import Cursor, Integers
    from auditor.feeds.bulk.pieces import Piece

    Walk = Callable[[Cursor], Piece]

_UNION = "union"
_DOUBLES = {"float": (4, "<f4"), "double": (8, "<f8")}
_BRANCHES = 2


class UnwalkableError(Exception):
    """A schema with lists, maps or unions of several types: its records are read one by one."""


def walk_of(schema: Any, named: Mapping[str, Any]) -> Walk:
    """What reads the values of a schema.

    Args:
        schema: As `auditor.feeds.avro.AvroReader` has made it ready.
        named: Schemas by their names.

    Raises:
        UnwalkableError: There is none.
    """
    if isinstance(schema, str):
        return walk_of(named[schema], named) if schema in named else _primitive(schema)
    kind = schema["type"]
    if kind == _UNION:
        return _union(schema, named)
    if kind == "record":
        return _record([(entry["name"], walk_of(entry["type"], named)) for entry in schema["fields"]])
    if kind == "fixed":
        return _booleans if schema.get("au.boolean") else _fixed(int(schema["size"]))
    if kind in ("enum", "array", "map"):
        raise UnwalkableError
    return walk_of(kind, named)


def _primitive(name: str) -> Walk:
    if name in _DOUBLES:
        return _doubles(*_DOUBLES[name])
    try:
        return _PRIMITIVES[name]
    except KeyError:
        raise UnwalkableError from None


def _union(schema: Mapping[Any, Any], named: Mapping[str, Any]) -> Walk:
    branches = [schema[index] for index in range(len(schema) - 1)]
    if len(branches) != _BRANCHES or branches.count("null") != 1:
        raise UnwalkableError
    null = branches.index("null")
    walk = walk_of(branches[1 - null], named)

    def optional(cursor: Cursor) -> Piece:
        index = cursor.integers()
        if (index.view(np.uint64) > 1).any():
            raise IrregularError
        valid = index != null
        if valid.all():
            return Optional(valid, walk(cursor))
        if not valid.any():
            return Optional(valid, Nothing(0))
        rows = np.flatnonzero(valid)
        part = cursor.part(rows)
        inner = walk(part)
        cursor.at = cursor.at.copy()
        cursor.at[rows] = part.at
        return Optional(valid, inner)

    return optional


def _record(members: list[tuple[str, Walk]]) -> Walk:
    return lambda cursor: Struct({name: walk(cursor) for name, walk in members})


def _null(cursor: Cursor) -> Piece:
    return Nothing(len(cursor.at))


def _long(cursor: Cursor) -> Piece:
    return Numbers(cursor.integers())


def _text(cursor: Cursor) -> Piece:
    lengths = cursor.lengths()
    return Texts(cursor.texts(cursor.skip(lengths), lengths))


def _bytes(cursor: Cursor) -> Piece:
    lengths = cursor.lengths()
    return _octets(cursor, cursor.skip(lengths), lengths)


def _fixed(size: int) -> Walk:
    return lambda cursor: _octets(cursor, cursor.skip(size), np.full(len(cursor.at), size, np.int64))


def _octets(cursor: Cursor, begins: Integers, lengths: Integers) -> Piece:
    array: pa.BinaryArray = cursor.octets(begins, lengths)
    return Octets(array, lengths, cursor.buffer.words[begins].byteswap().view(np.int64))


def _doubles(size: int, form: str) -> Walk:
    def doubles(cursor: Cursor) -> Piece:
        words = cursor.buffer.words[cursor.skip(size)]
        low = words if size == 8 else words.astype(np.uint32)  # noqa: PLR2004  bytes of a double
        return Numbers(low.view(form).astype(np.float64))

    return doubles


def _booleans(cursor: Cursor) -> Piece:
    values = cursor.buffer.octets[cursor.skip(1)]
    if (values > 1).any():
        raise IrregularError
    return Booleans(values == 1)


_PRIMITIVES: dict[str, Walk] = {
    "null": _null, "int": _long, "long": _long, "string": _text, "bytes": _bytes,
}  # fmt: skip
