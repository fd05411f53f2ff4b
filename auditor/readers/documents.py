"""Values inside JSON documents, with every digit kept.

Python's own parser reads the text; numbers stay the characters they were written as, so that 1.10,
0.1000000000000000055 and integers beyond 64 bits come out as they went in.  As Python values they are `bytes`: nothing
else in a document is, and no class of ours would be made as quickly, which is most of what parsing costs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from contracts.logical_types import Kind, LogicalType

if TYPE_CHECKING:
    from collections.abc import Sequence


class Repeated(dict[str, Any]):
    """An object in which a name stands several times; `pairs` has them all."""

    pairs: list[tuple[str, Any]]


class NotJsonError(ValueError):
    """The text is no JSON document."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeated = Repeated(plain)
    repeated.pairs = pairs
    return repeated


def _constant(name: str) -> Any:
    raise NotJsonError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=str.encode, parse_int=str.encode, parse_constant=_constant
)


def parse_document(text: str) -> Any:
    """A document as Python values; numbers are their characters, as `bytes`.

    Raises:
        NotJsonError: The text is no JSON, or nested too deeply.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise NotJsonError("nested too deeply") from error


def at_path(document: Any, path: Sequence[str]) -> Any:
    """What stands at a path; None where there is nothing.

    A part names a member of an object, or counts from 0 in a list.  A member whose name has dots in it is found too.
    """
    node = document
    for position, part in enumerate(path):
        if isinstance(node, dict):
            rest = ".".join(path[position:])
            if rest in node:
                return node[rest]
            node = node.get(part)
        elif isinstance(node, list):
            node = node[int(part)] if part.isdecimal() and int(part) < len(node) else None
        else:
            return None
    return node


def value_text(value: Any, logical: LogicalType | None) -> str | None:
    """The text of a value in the form that readers deliver: text as it is, numbers as digits, the rest as JSON."""
    if value is None:
        return None
    if isinstance(value, str) and (logical is None or logical.kind is not Kind.JSON):
        return speakable(value)
    return speakable(json_text(value))


def inner_text(text: str | None, path: Sequence[str], logical: LogicalType | None) -> str | None:
    """What stands at a path of a document given as text; the whole text where it is none, so that people see it."""
    if text is None:
        return None
    try:
        return value_text(at_path(parse_document(text), path), logical)
    except NotJsonError:
        return text


def json_text(value: Any) -> str:
    """A value as JSON text, its digits and its repeated names kept."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        pairs = value.pairs if isinstance(value, Repeated) else value.items()
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{json_text(item)}" for name, item in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def speakable(text: str) -> str:
    r"""Text that UTF-8 can say: half a surrogate pair, which JSON can write but nobody can mean, its `\ud800`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text
