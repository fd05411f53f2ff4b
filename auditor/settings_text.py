"""A YAML file as plain text values that know their line.

Scalars stay text, whatever YAML would make of them: a password `0123` is no octal number and a window `01:00` no count
of minutes.  The settings' own types give them meaning.  Every problem is collected, with its place, and no message
quotes the file: anything in it may be a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from contracts.errors import Place, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

FILE_BYTES_MAX = 4 * 1024 * 1024
NESTING_MAX = 32
VALUES_MAX = 100_000
"""Aliases can make a short file unfold without end; no settings file comes near."""

Location = tuple[str | int, ...]
"""Where a value stands: names of settings and positions in lists, from the top."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRING_TAG = "tag:yaml.org,2002:str"
_NULL_TAG = "tag:yaml.org,2002:null"
_MERGE_TAG = "tag:yaml.org,2002:merge"
_PLAIN_TAGS = re.compile(r"tag:yaml\.org,2002:(str|null|bool|int|float|timestamp|merge|value|map|seq)\Z")


@dataclass(slots=True)
class SettingsText:
    """What a settings file says, before anybody asks what it means.

    Attributes:
        file: The file as the user named it.
        text: Its text, as it stands.
        values: Mappings, lists, text, and None for what is left empty.
        lines: The line of every value, and of every group of settings.
        problems: What is wrong so far.
    """

    file: str
    text: str = field(repr=False)
    values: Any = field(default=None, repr=False)
    lines: dict[Location, int] = field(default_factory=dict, repr=False)
    problems: list[tuple[Place, str]] = field(default_factory=list, repr=False)

    def report(self, path: Location, message: str) -> None:
        """Note a problem with the setting at `path`, or with the nearest one above it."""
        nearest = path
        while nearest and nearest not in self.lines:
            nearest = nearest[:-1]
        name = dotted(path)
        self.problems.append((Place(self.file, self.lines.get(nearest, 1)), f"{name}: {message}" if name else message))

    def failure(self) -> SettingsError:
        """All problems as one error."""
        told = dict.fromkeys(f"{place}: {message}" for place, message in sorted(self.problems))
        return SettingsError("\n".join(told), hint=f"correct {self.file} and run the command again")


def dotted(path: Location) -> str:
    """`connections.orders_db.limits.windows[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_settings_text(path: Path) -> SettingsText:
    """Read a settings file.

    Raises:
        SettingsError: It cannot be read, or is no YAML.
    """
    source = SettingsText(str(path), _read(path))
    try:
        _require_shallow(source)
        node = yaml.compose(source.text, Loader=_LOADER)
    except yaml.YAMLError as failure:
        raise _syntax_error(source, failure) from None
    if isinstance(node, yaml.MappingNode):
        _Unfolding(source).unfold(node)
    elif node is None or node.tag == _NULL_TAG:
        source.values = {}
    else:
        source.report((), "expected settings, one `name: value` a line")
    return source


def _require_shallow(source: SettingsText) -> None:
    """Count levels before nodes are made of them: the C parser recurses, and a deep file would crash the process."""
    depth = 0
    for event in yaml.parse(source.text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > NESTING_MAX:
            place = Place(source.file, event.start_mark.line + 1 if event.start_mark else 0)
            raise SettingsError(
                f"{place}: nested too deeply; settings have at most {NESTING_MAX} levels",
                hint="compare it with what `audit init` writes; `--config FILE` names another",
            )


def _read(path: Path) -> str:
    doing = f"cannot read the settings file {path}"
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise SettingsError(
            f"{doing}: there is no such file",
            hint="`audit init` writes one to start from; `--config FILE` names another",
        ) from None
    except (OSError, ValueError) as failure:
        reason = (failure.strerror or str(failure)) if isinstance(failure, OSError) else "that is no path"
        raise SettingsError(f"{doing}: {reason}", hint="`--config FILE` names another") from None
    if len(content) > FILE_BYTES_MAX:
        raise SettingsError(
            f"{doing}: it is larger than {FILE_BYTES_MAX} bytes; expected settings in YAML",
            hint="`--config FILE` names another",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = content.count(b"\n", 0, failure.start) + 1
        raise SettingsError(
            f"{path}:{line}: not UTF-8 text; expected settings in YAML",
            hint="save it as UTF-8; `--config FILE` names another",
        ) from None


def _syntax_error(source: SettingsText, failure: yaml.YAMLError) -> SettingsError:
    """The parser's words without anything it quotes: that may be a password."""
    said = [getattr(failure, name, None) for name in ("context", "problem", "reason")]
    problem = ", ".join(part for part in said if part) or "characters that YAML does not allow"
    problem = re.sub(r"'[^']*'|\"[^\"]*\"", lambda quoted: quoted[0] if len(quoted[0]) == len("':'") else "…", problem)
    return SettingsError(
        f"{Place(source.file, _line(source.text, failure))}: not valid YAML: {problem}{_begun(failure)}",
        hint="look at the indentation and at the line before; quote values that hold : # @ & * ! % { or [",
    )


def _line(text: str, failure: yaml.YAMLError) -> int:
    mark = getattr(failure, "problem_mark", None) or getattr(failure, "context_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    return text.count("\n", 0, getattr(failure, "position", 0)) + 1


def _begun(failure: yaml.YAMLError) -> str:
    mark = getattr(failure, "context_mark", None)
    return f" (what is unfinished begins in line {mark.line + 1})" if mark is not None else ""


class _Unfolding:
    """One walk from YAML nodes to values, noting lines and problems."""

    def __init__(self, source: SettingsText) -> None:
        self.source = source
        self.count = 0

    def unfold(self, root: yaml.MappingNode) -> None:
        try:
            self.source.values = self._value(root, ())
        except _TooMuchError as failure:
            self.source.problems.clear()
            self.source.report((), str(failure))

    def _value(self, node: yaml.Node, path: Location) -> Any:
        self.count += 1
        if self.count > VALUES_MAX or len(path) > NESTING_MAX:
            raise _TooMuchError(f"expected at most {VALUES_MAX} values in {NESTING_MAX} levels (do aliases go round?)")
        self.source.lines.setdefault(path, node.start_mark.line + 1)
        if not _PLAIN_TAGS.match(node.tag or ""):
            self.source.report(path, "has a YAML tag; quote a value that begins with !")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, position)) for position, item in enumerate(node.value)]
        return None if node.tag == _NULL_TAG else str(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for name_node, value_node in node.value:
            if name_node.tag == _MERGE_TAG:
                merged.append(value_node)
                continue
            if not isinstance(name_node, yaml.ScalarNode) or name_node.tag == _NULL_TAG:
                self.source.report(
                    path, f"line {name_node.start_mark.line + 1} has no name of a setting before its colon"
                )
                continue
            self._entry(found, name_node, value_node, path)
        for value_node in merged:
            self._merge(found, value_node, path)
        return found

    def _entry(self, found: dict[str, Any], name_node: yaml.ScalarNode, value_node: yaml.Node, path: Location) -> None:
        place = (*path, str(name_node.value))
        if name_node.value in found:
            first = self.source.lines[place]
            line = name_node.start_mark.line + 1
            message = f"{dotted(place)}: given twice, in lines {first} and {line}"
            self.source.problems.append((Place(self.source.file, line), message))
            return
        self.source.lines.setdefault(place, name_node.start_mark.line + 1)
        found[str(name_node.value)] = self._value(value_node, place)

    def _merge(self, found: dict[str, Any], node: yaml.Node, path: Location) -> None:
        """`<<: *defaults`: what is not given here comes from there."""
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(part, yaml.MappingNode):
                self.source.report(path, "<< expects settings defined elsewhere, such as *defaults")
                continue
            for name, value in self._mapping(part, path).items():
                found.setdefault(name, value)


class _TooMuchError(Exception):
    """The file unfolds to more than any settings are."""
