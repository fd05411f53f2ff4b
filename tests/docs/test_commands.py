"""The reference of commands is that of the program: every command, argument and option, and none beside them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from auditor.cli import COMMANDS, load_command
from auditor.commands.invocation import common_options
from tests.docs.pages import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = DOCS / "reference" / "commands.md"
_SECTION = re.compile(r"^## `audit ([^`]*)`$", re.MULTILINE)
_ARGUMENTS = re.compile(r" [\[(A-Z].*")
_OPTION = re.compile(r"`(--[a-z-]+)")
COMMON = {option for parameter in common_options() for option in parameter.opts}


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(words), command
        return
    for name, inner in below.items():
        yield from _commands(inner, (*words, name))


EVERY = dict(found for name in COMMANDS for found in _commands(load_command(name), (name,)))


def _sections() -> dict[str, str]:
    """Command to the text of its section."""
    parts = _SECTION.split(PAGE.read_text("utf-8"))[1:]
    return {
        _ARGUMENTS.sub("", words): text.partition("\n## ")[0]
        for words, text in zip(parts[::2], parts[1::2], strict=True)
    }


def _options(command: Any) -> set[str]:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    every = {option for parameter in shown for option in (*parameter.opts, *parameter.secondary_opts)}
    return {option for option in every if option.startswith("--")} - COMMON - {"--help"}


def test_every_command_has_a_section_and_no_other_has() -> None:
    assert set(_sections()) == set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_every_option_is_described_and_none_is_made_up(name: str) -> None:
    described = set(_OPTION.findall(_sections()[name])) - COMMON
    assert described == _options(EVERY[name])


@pytest.mark.parametrize("name", EVERY)
def test_every_command_and_option_has_a_line_of_help(name: str) -> None:
    command = EVERY[name]
    assert command.help
    assert all(getattr(parameter, "help", None) for parameter in command.params)


def test_common_options_are_described_once() -> None:
    text = PAGE.read_text("utf-8")
    assert set(_OPTION.findall(text[: _SECTION.search(text).start()])) >= COMMON  # type: ignore[union-attr]
