"""A contract file on its way to a contract: its shape is checked, and repaired so that the rest can be looked at.

One wrong key must not hide the nine other mistakes of a file.  So every mistake is reported, then replaced by something
harmless, and the place of the repair is remembered: whatever would follow from it alone is not reported again.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from contracts.document import ContractDocument, kind_of
from contracts.errors import Place, Problem
from contracts.suggestion import closest, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from contracts.yaml_text import Location, YamlText

_REPAIRS_MAX = 10
"""Rounds of repair; two are enough for every known mistake."""
_NOT_YET = "not supported yet by this version"

_PLACEHOLDER_REPLICA: dict[str, Any] = {"service": "?", "dataset": "?/?", "fields": {}}
_PLACEHOLDERS: dict[str, Any] = {
    "entity": "?",
    "version": 1,
    "owner": {"service": "?", "dataset": "?/?"},
    "key": ["?"],
    "service": "?",
    "type": "text",
    "name": "?",
    "holds": "TRUE",
    "topic": "?",
    "connection": "?",
    "sql": "SELECT",
    "field": "?",
    "feed": "?",
    "group_id": "?",
}
_ITEM_PLACEHOLDERS: dict[str, Any] = {
    "key": "?",
    "replicas": _PLACEHOLDER_REPLICA,
    "invariants": {"name": "?", "holds": "TRUE"},
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A contract file whose shape is right, by itself or after repairs."""

    text: YamlText
    document: ContractDocument
    problems: tuple[Problem, ...]
    broken: frozenset[Location]
    """Where something was wrong and has been replaced."""

    def place(self, *location: str | int) -> Place:
        """Where a value stands in the file."""
        return self.text.place(self._written(location))

    def is_broken(self, *location: str | int) -> bool:
        """Whether a value, something within it or something around it was replaced."""
        return any(spot[: len(location)] == location or location[: len(spot)] == spot for spot in self.broken)

    def is_replaced(self, *location: str | int) -> bool:
        """Whether a value as a whole, or something around it, was replaced."""
        return any(location[: len(spot)] == spot for spot in self.broken)

    def _written(self, location: Location) -> Location:
        """The location in the file: a list of names is a mapping in the document."""
        around: Any = self.text.data
        for depth, step in enumerate(location):
            if isinstance(around, list) and isinstance(step, str):
                position = around.index(step) if step in around else 0
                return (*location[:depth], position)
            try:
                around = around[step]
            except (KeyError, IndexError, TypeError):
                break
        return location


def draft(text: YamlText) -> Draft | list[Problem]:
    """Check the shape of a contract file.

    Returns:
        The draft with all problems of shape; only the problems, where not even repairs make a contract of it.
    """
    inspection = _Inspection(text)
    document = inspection.document()
    problems = tuple(inspection.problems)
    return Draft(text, document, problems, frozenset(inspection.broken)) if document else list(problems)


class _Inspection:
    def __init__(self, text: YamlText) -> None:
        self._text = text
        self._data: dict[str, Any] = copy.deepcopy(dict(text.data))
        self.problems: list[Problem] = list(text.problems)
        self.broken: set[Location] = set()

    def document(self) -> ContractDocument | None:
        self._take_out_what_comes_later()
        self._take_out_blanks(self._data, ())
        for _ in range(_REPAIRS_MAX):
            try:
                return ContractDocument.model_validate(self._data)
            except ValidationError as error:
                details = error.errors(include_url=False)
                misspelt = {spelt for detail in details if (spelt := _meant(detail))}
                for detail in details:
                    self._report(detail, misspelt)
        return None

    def _problem(self, location: Location, message: str) -> None:
        self.problems.append(Problem(self._text.place(location), message))

    # What the language has, but this version not yet

    def _take_out_what_comes_later(self) -> None:
        for location, what in list(_later(self._data)):
            self._problem(location, f"{what}: {_NOT_YET}")
            self.broken.add(location)
            _remove(self._data, location)
        if ("owners",) in self.broken and "owner" not in self._data:
            self._data["owner"] = copy.deepcopy(_PLACEHOLDERS["owner"])
            self.broken.add(("owner",))

    # Blanks

    def _take_out_blanks(self, value: Any, location: Location) -> None:
        if isinstance(value, dict):
            for key in [key for key, part in value.items() if part is None and _may_be_blank(location, key)]:
                del value[key]
                self.broken.add((*location, key))
                self._problem((*location, key), f"`{key}` is left blank; {_decision(location, key)}")
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, part in parts:
            self._take_out_blanks(part, (*location, key))

    # What pydantic found

    def _report(self, detail: ErrorDetails, misspelt: set[Location]) -> None:
        missing = detail["type"] == "missing"
        if missing and _within(self._data, detail["loc"][:-1]) != detail["loc"][:-1]:
            return  # what it was missing in has just been taken out
        location = detail["loc"] if missing else _within(self._data, detail["loc"])
        if _is_rest_of_a_type(detail, self._text.data):
            pass  # the type before it is reported
        elif location not in self.broken and not (missing and location in misspelt):
            self._problem(location, _message(detail, location))
        self.broken.add(location)
        surplus = detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",)
        placeholder = None if surplus else _placeholder(location)
        if placeholder is not None:
            _put(self._data, location, copy.deepcopy(placeholder))
        elif not missing and location:
            _remove(self._data, location)


def _is_rest_of_a_type(detail: ErrorDetails, data: Mapping[str, Any]) -> bool:
    """Whether an unknown key is what a comma cut off a type: `{type: decimal(10,2)}` without quotes."""
    *around, key = detail["loc"]
    if detail["type"] != "extra_forbidden" or around[:1] != ["fields"] or ")" not in str(key):
        return False
    field: Any = dict(data)
    for step in around:
        field = field.get(step) if isinstance(field, dict) else None
    return isinstance(field, dict) and "(" in str(field.get("type")) and field.get(str(key), "") is None


def _later(data: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Parts of the language that this version recognises and cannot do."""
    if "owners" in data:
        yield ("owners",), "`owners` (fields of one entity with several owners)"
    if "tenant" in data:
        yield ("tenant",), "`tenant` (reports and targets per tenant)"
    owner = data.get("owner")
    if isinstance(owner, dict) and "shards" in owner:
        yield ("owner", "shards"), "`shards` (an owner spread over several datasets)"
    fields = data.get("fields")
    fields = fields if isinstance(fields, dict) else {}
    for name, field in fields.items():
        if isinstance(field, dict) and "derived" in field:
            yield ("fields", name, "derived"), "`derived` (a field computed over a child entity)"
    replicas = data.get("replicas")
    for index, replica in enumerate(replicas if isinstance(replicas, list) else []):
        if isinstance(replica, dict):
            yield from _later_in_replica(replica, index, fields)


_LATER_REPLICA_KEYS = {
    "via": "`via` (the copy that this one is made from)",
    "each": "`each` (one row for each element of a document)",
    "match": "`match` (how the elements of a document are matched)",
    "aggregate": "`aggregate` (a copy that holds sums and counts)",
}


def _later_in_replica(
    replica: Mapping[str, Any], index: int, fields: Mapping[str, Any]
) -> Iterator[tuple[Location, str]]:
    for key, what in _LATER_REPLICA_KEYS.items():
        if key in replica:
            yield ("replicas", index, key), what
    mapped = replica.get("fields")
    for name in mapped if isinstance(mapped, dict) else ():
        if "." in name and name not in fields and name.partition(".")[0] in fields:
            yield (
                ("replicas", index, "fields", name),
                f"`{name}` (a field of another owner, reached through a reference)",
            )


# Ways through the data


def _within(data: Any, location: Location) -> Location:
    """The part of a location that the data has."""
    for depth, step in enumerate(location):
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return location[:depth]
    return location


def _around(data: Any, location: Location) -> Any:
    for step in location[:-1]:
        data = data[step]
    return data


def _remove(data: Any, location: Location) -> None:
    around = _around(data, location)
    if isinstance(around, dict):
        around.pop(location[-1], None)
    else:
        around[location[-1]] = {}


def _put(data: Any, location: Location, value: Any) -> None:
    _around(data, location)[location[-1]] = value


def _placeholder(location: Location) -> Any:  # noqa: PLR0911 - one line a case
    if not location:
        return None
    last = location[-1]
    if isinstance(last, int):
        return _ITEM_PLACEHOLDERS.get(str(location[-2])) if len(location) > 1 else None
    match location:
        case ("fields",):
            return {"?": {"type": "text"}}
        case ("fields", _):
            return {"type": "text"}
        case ("replicas", int(), "name" | "key" | "feed"):
            return None
        case ("owner", "feed"):
            return None
    return _PLACEHOLDERS.get(last)


# Messages


def _message(detail: ErrorDetails, location: Location) -> str:  # noqa: PLR0911 - one line a kind
    name = next((str(step) for step in reversed(location) if isinstance(step, str)), "the file")
    match detail["type"]:
        case "missing":
            return f"`{detail['loc'][-1]}` is missing{_description(detail['loc'])}"
        case "extra_forbidden":
            return _unknown_key(detail["loc"])
        case "value_error":
            return f"`{name}`: {detail['ctx']['error']}"
        case "literal_error":
            return f"`{name}`: expected {detail['ctx']['expected']}, found {_found(detail['input'])}"
        case "list_type":
            return f"`{name}`: expected a list, found {kind_of(detail['input'])}"
        case "too_short":
            return f"`{name}` is empty; expected at least one entry"
        case _:
            wanted = "the replica's own name or a mapping" if _is_replica_field(location) else "a mapping"
            return f"`{name}`: expected {wanted}, found {kind_of(detail['input'])}"


def _is_replica_field(location: Location) -> bool:
    return len(location) == 4 and location[0] == "replicas" and location[2] in ("fields", "key")  # noqa: PLR2004


def _found(value: Any) -> str:
    return repr(value) if isinstance(value, str) else kind_of(value)


def _meant(detail: ErrorDetails) -> Location | None:
    """Where an unknown key would stand if it were spelt as it was probably meant."""
    if detail["type"] != "extra_forbidden":
        return None
    *around, key = detail["loc"]
    close = closest(str(key), _model_at(detail["loc"][:-1]).model_fields)
    return (*around, close) if close else None


def _unknown_key(location: Location) -> str:
    known = list(_model_at(location[:-1]).model_fields)
    hint = did_you_mean(str(location[-1]), known)
    return f"unknown key `{location[-1]}`{hint}; known here: {', '.join(known)}"


def _description(location: Location) -> str:
    description = _model_at(location[:-1]).model_fields[str(location[-1])].description
    return f": {description}" if description else ""


def _may_be_blank(location: Location, key: str) -> bool:
    """Whether a blank here is a missing decision, rather than below a key that is unknown anyway."""
    return _maps_names(location) or key in _model_at(location).model_fields


def _maps_names(location: Location) -> bool:
    """Whether the keys here are names that the contract gives, rather than keys of the language."""
    return location == ("fields",) or (len(location) == 3 and location[2] in ("fields", "key"))  # noqa: PLR2004


def _decision(location: Location, key: str) -> str:
    if _maps_names(location):
        return "give its type, as in {type: text}" if location == ("fields",) else "write the replica's own name of it"
    field = _model_at(location).model_fields[key]
    described = f"decide on it ({field.description})" if field.description else "give it a value"
    return described if field.is_required() else f"{described}, or remove the line for the default"


def _model_at(location: Location) -> type[BaseModel]:
    """The model whose keys stand at a location."""
    model: type[BaseModel] = ContractDocument
    for step in location:
        field = model.model_fields.get(step) if isinstance(step, str) else None
        inner = _model_within(field) if field else None
        if inner is not None:  # else a position in a list, or a name in a mapping of names
            model = inner
    return model


def _model_within(field: FieldInfo) -> type[BaseModel] | None:
    pending = [field.annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        if get_origin(annotation) in (Union, UnionType, list, dict) or hasattr(annotation, "__metadata__"):
            pending += get_args(annotation)
    return None
