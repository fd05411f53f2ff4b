"""Reads YAML so that every value knows its line, and so that nothing in it is guessed.

The parser is PyYAML's; what the scalars mean is decided here, after YAML 1.2: `no`, `on` and `2026-01-31` are texts,
only `true` and `false` are booleans, a key is always the text that stands there.  A key that stands twice, a tag, a
merge key and a text that is not UTF-8 are refused, and so is what would grow without bound (aliases of aliases).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from contracts.errors import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_BYTES_MAX = 1024 * 1024
"""Largest file; a contract of a thousand fields has about 100 KB."""
NODES_MAX = 50_000
"""Most values of one file, those that aliases repeat included."""
DEPTH_MAX = 50
"""Deepest nesting; a contract needs eight levels."""

Location = tuple[str | int, ...]
"""The way to a value: keys and list positions from the top."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"(~|null|Null|NULL|)\Z")
_TRUE = re.compile(r"(true|True|TRUE)\Z")
_FALSE = re.compile(r"(false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?[0-9]{1,18}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_TABS = re.compile(r"^ *\t", re.MULTILINE)


class YamlProblemError(Exception):
    """A file cannot be read as YAML; `problem` has the place."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class YamlText:
    """What a YAML file says.

    Attributes:
        file: Its path, as messages name it.
        text: The whole file.
        data: Its content as plain mappings, lists and scalars.
        places: Where each value stands; a value of a mapping is where its key is.
    """

    file: str
    text: str
    data: Mapping[str, Any]
    places: Mapping[Location, Place] = field(repr=False)
    problems: tuple[Problem, ...] = ()
    """Keys that stand twice, and the like: the rest can still be looked at."""

    def place(self, location: Location) -> Place:
        """Where a value stands, or the nearest thing around it."""
        while location not in self.places and location:
            location = location[:-1]
        return self.places.get(location, Place(self.file))


def read_yaml(path: Path) -> YamlText:
    """Read a file whose content is one mapping.

    Raises:
        YamlProblemError: It cannot be read, is no UTF-8 or no YAML, is empty or no mapping, or passes a limit.
    """
    file = str(path)
    return parse_yaml(_text(path, file), file)


def parse_yaml(text: str, file: str) -> YamlText:
    """Read a text whose content is one mapping; see `read_yaml`."""
    try:
        root = _Composer(file).compose(text)
    except yaml.YAMLError as error:
        raise YamlProblemError(_syntax_problem(error, text, file)) from None
    if root is None or (root.kind == "scalar" and not root.text.strip()):
        raise YamlProblemError(Problem(Place(file, 1), "the file is empty; expected a contract"))
    if root.kind != "mapping":
        raise YamlProblemError(
            Problem(root.place, f"expected a mapping such as `entity: order`, found {_KINDS[root.kind]}")
        )
    plain = _Plain(file)
    data = plain.value(root, ())
    return YamlText(file, text, MappingProxyType(data), plain.places, tuple(plain.problems))


def _text(path: Path, file: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise YamlProblemError(Problem(Place(file), f"cannot be read: {error.strerror or error}")) from None
    if len(content) > FILE_BYTES_MAX:
        raise YamlProblemError(Problem(Place(file), f"is larger than {FILE_BYTES_MAX} bytes, the most that is read"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 (byte 0x{content[error.start]:02x}); save the file as UTF-8"
        raise YamlProblemError(Problem(Place(file, line), message)) from None


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(
            Place(file, line), f"holds the control character U+{ord(text[error.position]):04X}, which YAML lacks"
        )
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
    lines = text.splitlines()
    if mark and mark.line < len(lines) and _TABS.match(lines[mark.line]):
        return Problem(place, "is no YAML: a tab cannot indent a line; use blanks")
    told = [str(part) for part in (getattr(error, "problem", ""), getattr(error, "context", "")) if part]
    return Problem(place, f"is no YAML: {', '.join(told) or error}")


# The nodes of a file


@dataclass(slots=True)
class _Node:
    kind: str
    place: Place
    text: str = ""
    plain: bool = False
    children: list[_Node] = field(default_factory=list)
    """Of a mapping: key, value, key, value, …"""
    open: bool = True


_KINDS = {"mapping": "a mapping", "sequence": "a list", "scalar": "a single value"}


class _Composer:
    """Makes nodes of the parser's events without recursion, so that no depth of nesting can exhaust the stack."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._anchors: dict[str, _Node] = {}
        self._stack: list[_Node] = []

    def compose(self, text: str) -> _Node | None:
        root: _Node | None = None
        documents = 0
        for event in yaml.parse(text, Loader=_LOADER):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                self._refuse(event, "holds more than one document (`---`); write one contract a file")
            node = self._node(event)
            if node is not None:
                if self._stack:
                    self._stack[-1].children.append(node)
                elif root is None:
                    root = node
                if node.kind != "scalar" and node.open:
                    self._push(event, node)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._stack.pop().open = False
        return root

    def _push(self, event: yaml.Event, node: _Node) -> None:
        self._stack.append(node)
        if len(self._stack) > DEPTH_MAX:
            self._refuse(event, f"is nested deeper than {DEPTH_MAX} levels")

    def _node(self, event: yaml.Event) -> _Node | None:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if not isinstance(event, yaml.NodeEvent):
            return None
        node = self._fresh(event)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _fresh(self, event: yaml.NodeEvent) -> _Node:
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            self._refuse(event, f"has the tag {tag}; tags are not part of the contract language")
        if isinstance(event, yaml.ScalarEvent):
            return _Node("scalar", self._place(event), event.value, plain=bool(event.implicit[0]), open=False)
        return _Node("mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence", self._place(event))

    def _alias(self, event: yaml.AliasEvent) -> _Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            return self._refuse(event, f"has the alias *{event.anchor}, but nothing before is called &{event.anchor}")
        if node.open:
            return self._refuse(event, f"has the alias *{event.anchor} within itself")
        return node

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file)

    def _refuse(self, event: yaml.Event, message: str) -> NoReturn:
        raise YamlProblemError(Problem(self._place(event), message))


class _Plain:
    """Turns nodes into plain values, and remembers where each of them stands."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._nodes = 0
        self.places: dict[Location, Place] = {(): Place(file, 1)}
        self.problems: list[Problem] = []

    def value(self, node: _Node, location: Location) -> Any:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            message = f"has more than {NODES_MAX} values, those that aliases repeat included"
            raise YamlProblemError(Problem(node.place, message))
        if len(location) > DEPTH_MAX:
            raise YamlProblemError(Problem(node.place, f"is nested deeper than {DEPTH_MAX} levels"))
        self.places.setdefault(location, node.place)
        if node.kind == "scalar":
            return _scalar(node)
        if node.kind == "sequence":
            return [self.value(child, (*location, index)) for index, child in enumerate(node.children)]
        return self._mapping(node, location)

    def _mapping(self, node: _Node, location: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in zip(node.children[::2], node.children[1::2], strict=True):
            key = self._key(key_node)
            if key is None:
                continue
            place = (*location, key)
            if key in result:
                first = self.places[place].line
                self.problems.append(Problem(key_node.place, f"the key `{key}` stands twice, first in line {first}"))
                continue
            self.places[place] = key_node.place
            result[key] = self.value(value_node, place)
        return result

    def _key(self, node: _Node) -> str | None:
        if node.kind != "scalar":
            self.problems.append(Problem(node.place, f"a key must be a single value, found {_KINDS[node.kind]}"))
            return None
        if node.plain and node.text == "<<":
            self.problems.append(Problem(node.place, "merge keys (`<<`) are not part of the contract language"))
            return None
        if not node.text:
            self.problems.append(Problem(node.place, "a key is empty"))
            return None
        return node.text


def _scalar(node: _Node) -> Any:
    text = node.text
    if not node.plain:
        return text
    if _NULL.match(text):
        return None
    if _TRUE.match(text) or _FALSE.match(text):
        return text.lower() == "true"
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
