"""JSON that brings its schema with each message: `{"schema": …, "payload": …}`, as Kafka Connect writes it."""

from __future__ import annotations

from typing import Any

from auditor.feeds.shape import NO_DEFAULT, BadValueError, Shape

_KINDS = {
    "boolean": "boolean", "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64", "float": "float32",
    "double": "float64", "string": "string", "bytes": "bytes", "array": "array", "map": "map", "struct": "struct",
}  # fmt: skip
_DEPTH_MAX = 64


def is_with_schema(value: Any) -> bool:
    """Whether a JSON value brings its schema; no column holds an object."""
    if not isinstance(value, dict) or value.keys() != {"schema", "payload"}:
        return False
    return value["schema"] is None or isinstance(value["schema"], dict)


def shape_of(schema: Any, depth: int = 0) -> Shape:
    """What a Connect schema says.

    Raises:
        BadValueError: It is none.
    """
    if not isinstance(schema, dict) or str(schema.get("type")) not in _KINDS or depth > _DEPTH_MAX:
        raise BadValueError("its JSON schema is none of Kafka Connect's")
    kind, optional = _KINDS[str(schema["type"])], schema.get("optional") is True
    parameters = schema.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BadValueError("its JSON schema is none of Kafka Connect's")
    default = schema.get("default") if optional else None
    return Shape(
        kind,
        str(schema.get("name") or ""),
        {str(name): str(value) for name, value in parameters.items()},
        optional=optional,
        default=NO_DEFAULT if default is None else default,
        item=_item(kind, schema, depth),
        fields=_fields(schema, depth) if kind == "struct" else (),
    )


def _item(kind: str, schema: dict[str, Any], depth: int) -> Shape | None:
    if kind == "array":
        return shape_of(schema.get("items"), depth + 1)
    return shape_of(schema.get("values"), depth + 1) if kind == "map" else None


def _fields(schema: dict[str, Any], depth: int) -> tuple[tuple[str, Shape], ...]:
    fields = schema.get("fields")
    if not isinstance(fields, list) or not all(isinstance(entry, dict) and "field" in entry for entry in fields):
        raise BadValueError("its JSON schema is none of Kafka Connect's")
    return tuple((str(entry["field"]), shape_of(entry, depth + 1)) for entry in fields)
