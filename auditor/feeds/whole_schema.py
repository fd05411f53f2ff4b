"""An Avro schema that refers to others, with these put in: a file of schemas knows no references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.feeds.schemas import WriterSchema

_NAMED = frozenset({"record", "error", "enum", "fixed"})


def whole_schema(schema: WriterSchema) -> Any:
    """The definition with each schema that it refers to in the place where it is first named."""
    if not schema.references:
        return schema.definition
    known = {_full_name(one, ""): one for one in schema.references if isinstance(one, dict)}
    return _Filling(known).filled(schema.definition, "")


def _full_name(definition: dict[str, Any], namespace: str) -> str:
    """The name with its namespace: its own, else that of what it stands in."""
    name = str(definition.get("name", ""))
    own = str(definition.get("namespace", namespace))
    return name if "." in name or not own else f"{own}.{name}"


class _Filling:
    """Puts definitions in.

    Args:
        known: Definitions by their full names.
    """

    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known
        self._placed: set[str] = set()

    def filled(self, node: Any, namespace: str) -> Any:
        """A part of a schema, in a namespace."""
        if isinstance(node, str):
            return self._named(node, namespace)
        if isinstance(node, list):
            return [self.filled(branch, namespace) for branch in node]
        if not isinstance(node, dict):
            return node
        if node.get("type") in _NAMED:
            return self._definition(node, namespace)
        inner = {part: self.filled(node[part], namespace) for part in ("items", "values", "type") if part in node}
        return {**node, **inner}

    def _named(self, name: str, namespace: str) -> Any:
        for full in (name, f"{namespace}.{name}") if "." not in name and namespace else (name,):
            if full in self._known and full not in self._placed:
                space, _, short = full.rpartition(".")
                return self._definition({**self._known[full], "name": short, "namespace": space}, "")
        return name

    def _definition(self, node: dict[str, Any], namespace: str) -> dict[str, Any]:
        full = _full_name(node, namespace)
        self._placed.add(full)
        if "fields" not in node:
            return node
        space = full.rpartition(".")[0]
        fields = [{**field, "type": self.filled(field["type"], space)} for field in node["fields"]]
        return {**node, "fields": fields}
