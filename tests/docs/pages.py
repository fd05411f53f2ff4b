"""The documentation's pages and their fenced blocks.

A comment before a block says what a test does with it; readers do not see it:

| comment | the block |
|---|---|
| `<!-- file: PATH -->` | is written to PATH, below the walkthrough's directory |
| `<!-- run -->`, `<!-- run: exit 1 -->` | is run by `sh -eu`, and must end with that code |
| `<!-- prints -->` | lists lines that the block run last must have printed, in this order; `…` stands for anything |
| `<!-- sql: NAME -->` | is run on the server of that name |
| `<!-- contract -->`, `<!-- settings -->`, `<!-- report -->` | is checked as one |
| `<!-- not run: WHY -->` | is looked at by nobody |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(
    r"(?:^<!-- (?P<role>[a-z ]+)(?:: (?P<detail>.*?))? -->\n\n?)?"
    r"^(?P<fence>```+)(?P<language>\w*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        role: What the comment before it says, or an empty string.
        detail: What stands in the comment after the colon, or an empty string.
        place: File and line, for messages.
    """

    role: str
    detail: str
    language: str
    text: str
    place: str


def pages() -> list[Path]:
    """Every page of the documentation that people read."""
    beside = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "tests/README.md")]
    return [*beside, *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("fence")) + 1
        place = f"{page.relative_to(ROOT)}:{line}"
        yield Block(match["role"] or "", match["detail"] or "", match["language"], match["text"], place)


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _BLOCK.sub("", page.read_text("utf-8"))
