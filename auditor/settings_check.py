"""From a settings file to checked settings: expands `${…}`, validates, and tells every problem with its line."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from auditor.interpolation import Interpolation, InterpolationError, without_user_information
from auditor.settings_text import Location, SettingsText, read_settings_text
from auditor.store_url import parse_store_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONCEALED = frozenset({"password", "hash_key", "basic", "url", "standby"})
"""Settings whose values may hold a secret: no message shows what was found there."""

FOUND_CHARACTERS_MAX = 60

_SECRET = frozenset({"password", "hash_key", "basic", "bearer"})
_URLS = frozenset({"url", "standby"})
_Model = TypeVar("_Model", bound=BaseModel)


def checked_settings(model: type[_Model], path: Path, environment: Mapping[str, str]) -> tuple[_Model, str]:
    """The settings of a file, and the file's text with what its references stand for, but for secrets.

    Raises:
        SettingsError: The file cannot be read, or something in it is wrong.
    """
    source = read_settings_text(path)
    directory = Path(os.path.abspath(path.parent))  # noqa: PTH100 - links are left as written
    failed: set[Location] = set()
    values = _expanded(source, source.values, (), Interpolation(environment, directory), failed)
    if not isinstance(values, dict):
        raise source.failure()
    try:
        settings = model.model_validate(values, context={"directory": directory})
    except ValidationError as failure:
        _report(source, model, failure, failed)
        raise source.failure() from None
    if source.problems:
        raise source.failure()
    resolved = [f"{path}: {text}" for path, text in _resolved(source.values, values, ())]
    return settings, "\n".join([source.text, *resolved])


def _resolved(written: Any, expanded: Any, path: Location) -> Iterator[tuple[Location, str]]:
    """What references stand for, with no secret in it."""
    if isinstance(written, dict):
        for name, value in written.items():
            yield from _resolved(value, expanded[name], (*path, name))
    elif isinstance(written, list):
        for index, (value, other) in enumerate(zip(written, expanded, strict=True)):
            yield from _resolved(value, other, (*path, index))
    elif written != expanded and path[-1] not in _SECRET:
        yield path, _public_url(expanded) if path[-1] in _URLS else str(expanded)


def _public_url(text: str) -> str:
    """It without its password; relative paths stay so, since a project may be moved."""
    try:
        return parse_store_url(text, directory=Path()).without_password()
    except ValueError:  # another kind of URL
        return without_user_information(text)


def _expanded(
    source: SettingsText, value: Any, path: Location, interpolation: Interpolation, failed: set[Location]
) -> Any:
    """The value with every reference in it resolved; a failure is reported and remembered."""
    if isinstance(value, dict):
        return {name: _expanded(source, item, (*path, name), interpolation, failed) for name, item in value.items()}
    if isinstance(value, list):
        return [_expanded(source, item, (*path, i), interpolation, failed) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return interpolation.expand_url(value) if path and path[-1] in _URLS else interpolation.expand(value)
    except InterpolationError as failure:
        source.report(path, str(failure))
        failed.add(path)
        return value


def _report(source: SettingsText, model: type[BaseModel], failure: ValidationError, failed: set[Location]) -> None:
    for error in failure.errors(include_url=False, include_input=False):
        path = _path(error["loc"])
        if not any(path[: len(bad)] == bad for bad in failed):
            source.report(path, _message(source, model, path, dict(error)))


def _path(location: tuple[str | int, ...]) -> Location:
    """A place in the file: pydantic adds which kind of feed it took, and `[key]` for a name."""
    if location[:1] == ("feeds",) and len(location) > 2:  # noqa: PLR2004 - feeds, name, kind
        location = location[:2] + location[3:]
    return tuple(step for step in location if step != "[key]")


_PLAIN_MESSAGES = {
    "missing": "is missing",
    "dict_type": "expected a group of settings, one `name: value` a line",
    "model_type": "expected a group of settings, one `name: value` a line",
    "model_attributes_type": "expected a group of settings, one `name: value` a line",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "string_type": "expected text",
    "path_type": "expected a path",
    "int_type": "expected a whole number",
    "is_instance_of": "expected the URL of a store",
    "union_tag_not_found": "`type` is missing: expected kafka or recorded",
    "string_pattern_mismatch": "expected http://… or https://… without a user (that is for `auth`)",
    "too_short": "expected at least one",
    "string_too_short": "is empty",
}


def _message(source: SettingsText, model: type[BaseModel], path: Location, error: dict[str, Any]) -> str:
    """What is wrong, for people: what was expected, and what was found where it is no secret."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(model, source.values, path)
    if kind in _PLAIN_MESSAGES:
        return _PLAIN_MESSAGES[kind]
    if kind == "union_tag_invalid":
        path = (*path, "type")
    return _expected(kind, context, error["msg"]) + _found(source.values, path)


_TEMPLATES = {
    "value_error": "{error}",
    "literal_error": "expected {expected}",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller whole number",
    "union_tag_invalid": "`type` is not known: expected kafka or recorded",
}


def _expected(kind: str, context: Mapping[str, Any], otherwise: str) -> str:
    """The beginning of a message that goes on with what was found."""
    text = _TEMPLATES[kind].format(**context) if kind in _TEMPLATES else otherwise
    return text.replace("'", "") if kind == "literal_error" else text


def _found(values: Any, path: Location) -> str:
    """What the file says there, `${…}` as written; nothing for groups and for what may be secret."""
    value = _at(values, path)
    if not isinstance(value, str) or any(step in CONCEALED for step in path):
        return ""
    shown = value if len(value) <= FOUND_CHARACTERS_MAX else value[:FOUND_CHARACTERS_MAX] + "…"
    return f", found {shown!r}"


def _at(values: Any, path: Location) -> Any:
    for step in path:
        try:
            values = values[step]
        except (LookupError, TypeError):
            return None
    return values


def _unknown(model: type[BaseModel], values: Any, path: Location) -> str:
    known = _known_settings(model, values, path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"unknown setting; did you mean `{close[0]}`?" if close else f"unknown setting; known are {', '.join(known)}"


def _known_settings(model: type[BaseModel], values: Any, path: Location) -> list[str]:
    """The names that the group of settings at `path` may hold."""
    groups = [model]
    for depth, step in enumerate(path):
        names = [group for group in groups if step in group.model_fields]
        if names:
            groups = _groups(names[0].model_fields[str(step)].annotation)
        if depth == len(path) - 1 and len(groups) > 1:
            kind = _at(values, (*path, "type"))
            groups = [group for group in groups if kind in get_args(group.model_fields["type"].annotation)]
    return [name for group in groups for name in group.model_fields]


def _groups(annotation: Any) -> list[type[BaseModel]]:
    """Every group of settings that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [group for argument in get_args(annotation) for group in _groups(argument)]
