"""The JSON Schema of the contract file, so that editors complete keys and mark mistakes while they are typed.

It says what a single file may look like; what fields and contracts must keep among each other is `contracts.lint`'s.
What this version cannot do yet is left out, so an editor marks it too.  Descriptions are those of `contracts.document`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.document import (
    NAME_CHARACTERS_MAX,
    AppliedByDocument,
    ChangedAtDocument,
    ContractDocument,
    FeedDocument,
    FieldDocument,
    InvariantDocument,
    OwnerDocument,
    QueryDocument,
    ReplicaDocument,
    ReplicaFieldDocument,
    SoftDeleteDocument,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"

_Schema = dict[str, Any]

_TYPE = (
    r"^\s*(list\s*<\s*)*"
    r"(int|float|text|bool|uuid|date|time|timestamp|timestamp\(local\)|interval|bytes|json"
    r"|decimal\s*\(\s*[0-9]+\s*,\s*[0-9]+\s*\)|enum\s*\([^)]+\))(\s*>)*\s*$"
)
_NAME: _Schema = {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS_MAX, "pattern": r"^\S(.*\S)?$"}
_TYPES = ["uuid", "text", "int", "decimal(10,2)", "timestamp", "bool", "list<text>", "enum(open,closed)"]
_TEXT: _Schema = {"type": "string"}
_FLAG: _Schema = {"type": "boolean"}
_DEFINITIONS: _Schema = {
    "name": _NAME,
    "dataset": {"type": "string", "pattern": "^[^/]+/.+$", "examples": ["orders_db/public.orders"]},
    "duration": {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)\s*$", "examples": ["30s", "5m"]},
    "type": {
        "type": "string",
        "pattern": _TYPE,
        "examples": ["uuid", "text", "decimal(10,2)", "timestamp", "list<text>"],
    },
    "step": {
        "anyOf": [
            {
                "type": "string",
                "pattern": (
                    r"^\s*(exact|at_creation|ignored|redacted|case_insensitive|trimmed|unordered|truncated\s+(s|ms|us)"
                    r"|within\s+[0-9]+(\.[0-9]+)?\s*(%|ms|s|m|h|d)?)\s*$"
                ),
                "examples": ["exact", "within 0.005", "truncated ms", "case_insensitive", "trimmed", "unordered"],
            },
            {
                "type": "object",
                "properties": {
                    "mask": {"type": "string", "minLength": 1, "maxLength": 1},
                    "keep_last": {"type": "integer", "minimum": 0},
                },
                "required": ["mask"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"hash": {"const": "sha256"}, "salt": _TEXT},
                "required": ["hash"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"truncated_to": {"type": "integer", "minimum": 1}},
                "required": ["truncated_to"],
                "additionalProperties": False,
            },
        ]
    },
    "equality": {
        "anyOf": [
            {"$ref": "#/$defs/step"},
            {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1, "maxItems": 10},
        ]
    },
}


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/$defs/{name}"}


def contract_schema() -> _Schema:
    """The schema of a contract file, draft 2020-12."""
    return {
        "$schema": SCHEMA_ID,
        "title": "Contract",
        **_object(
            ContractDocument,
            {
                "entity": _ref("name"),
                "version": {"type": "integer", "minimum": 1},
                "description": _TEXT,
                "team": _TEXT,
                "owner": _owner(),
                "key": {"type": "array", "items": _ref("name"), "minItems": 1, "uniqueItems": True},
                "fields": {
                    "type": "object",
                    "propertyNames": _ref("name"),
                    "additionalProperties": _field(),
                    "minProperties": 1,
                },
                "invariants": {"type": "array", "items": _invariant()},
                "replicas": {"type": "array", "items": _replica()},
            },
        ),
        "$defs": _DEFINITIONS,
    }


def _object(model: type[BaseModel], properties: _Schema) -> _Schema:
    """An object with the keys of a model, their descriptions and whether they are required taken from there."""
    described = {
        name: {"description": field.description, **properties[name]} for name, field in model.model_fields.items()
    }
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    schema: _Schema = {"type": "object", "properties": described, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _feed() -> _Schema:
    return _object(FeedDocument, {"name": _ref("name"), "topic": _ref("name")})


def _owner() -> _Schema:
    changed_at = _object(
        ChangedAtDocument, {"field": _ref("name"), "maintained_by": {"enum": ["application", "database"]}}
    )
    return _object(
        OwnerDocument,
        {
            "service": _ref("name"),
            "dataset": _ref("dataset"),
            "query": _object(QueryDocument, {"connection": _ref("name"), "sql": _TEXT}),
            "feed": _feed(),
            "changed_at": {"anyOf": [_ref("name"), changed_at]},
            "soft_delete": _object(SoftDeleteDocument, {"field": _ref("name"), "retention": _ref("duration")}),
            "may_be_empty": _FLAG,
        },
    )


def _invariant() -> _Schema:
    return _object(InvariantDocument, {"name": _ref("name"), "holds": _TEXT})


def _field() -> _Schema:
    return _object(
        FieldDocument,
        {
            "type": _ref("type"),
            "equality": _ref("equality"),
            "references": _ref("name"),
            "meaning": _TEXT,
            "critical": _FLAG,
            "sensitive": _FLAG,
        },
    )


def _replica_fields() -> _Schema:
    mapped = _object(
        ReplicaFieldDocument,
        {"path": {"type": "string", "minLength": 1}, "equality": _ref("equality"), "timezone": _TEXT},
    )
    return {
        "anyOf": [
            {"type": "array", "items": _ref("name"), "uniqueItems": True},
            {
                "type": "object",
                "propertyNames": _ref("name"),
                "additionalProperties": {"anyOf": [{"type": "string", "minLength": 1}, mapped]},
            },
        ]
    }


def _replica() -> _Schema:
    soft: _Schema = {
        "type": "object",
        "properties": {"soft": {"type": "string", "minLength": 1}},
        "required": ["soft"],
        "additionalProperties": False,
    }
    return _object(
        ReplicaDocument,
        {
            "service": _ref("name"),
            "name": _ref("name"),
            "dataset": _ref("dataset"),
            "feed": _feed(),
            "key": _replica_fields(),
            "fields": _replica_fields(),
            "lag_bound": _ref("duration"),
            "deletes": {"anyOf": [{"enum": ["propagate", "keep"]}, soft]},
            "completeness": {"enum": ["full", "partial"]},
            "where": _TEXT,
            "select": _TEXT,
            "applied_by": _object(AppliedByDocument, {"feed": _ref("name"), "group_id": _ref("name")}),
            "format": {"enum": ["json", "hash", "string"]},
            "ttl": _ref("duration"),
        },
    )
