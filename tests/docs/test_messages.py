"""Messages that the troubleshooting page explains are messages of the program, or those of servers that it knows."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, ROOT

PAGE = DOCS / "troubleshooting.md"
SOURCE = "\n".join(
    re.sub(r"\{[^{}\n]*\}", "…", path.read_text("utf-8"))
    for package in ("auditor", "contracts", "reconcilers")
    for path in sorted((ROOT / package).rglob("*.py"))
)
_CELL = re.compile(r"^\| (`.*?) \| ", re.MULTILINE)
_QUOTED = re.compile(r"``? ?(.+?) ?``?(?=,|$)")

MESSAGES = [message for cell in _CELL.findall(PAGE.read_text("utf-8")) for message in _QUOTED.findall(cell)]


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_are_the_programs_own(message: str) -> None:
    for part in message.split("…"):
        words = part.strip(" :,;()`")
        assert words in SOURCE, f"no message of the program says {words!r}"


def test_the_page_has_messages_to_check() -> None:
    """A table of another shape would leave nothing to look at."""
    assert len(MESSAGES) > 20
