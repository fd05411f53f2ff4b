"""Pages hold together: links lead somewhere, nothing is shown that nobody checks, no foreign words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import DOCS, ROOT, blocks, pages, prose

if TYPE_CHECKING:
    from pathlib import Path

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<(?:img|a)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_CODE = re.compile(r"`[^`]*`")

ROLES = {"", "file", "run", "prints", "sql", "contract", "settings", "report", "not run"}

FOREIGN = re.compile(r"/work/|/tmp/|/home/|/root/|file://|\bissue #?\d|\bsource of truth\b|\bslave\b", re.IGNORECASE)
"""What belongs to somebody's machine or to another vocabulary."""


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


EVERY_PAGE = pytest.mark.parametrize("page", pages(), ids=_named)


def _anchors(page: Path) -> set[str]:
    """The fragments that headings have on a forge."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return found


@EVERY_PAGE
def test_links_lead_to_what_exists(page: Path) -> None:
    for pair in _LINK.findall(_CODE.sub("", prose(page))):
        link = pair[0] or pair[1]
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{_named(page)}: {link} leads nowhere"
        if fragment:
            assert fragment in _anchors(target), f"{_named(page)}: {link} has no such heading"


def test_every_page_is_reached_from_the_index() -> None:
    """A page that nothing links to is read by nobody."""
    reached, pending = set(), [ROOT / "README.md", DOCS / "README.md"]
    while pending:
        page = pending.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = [pair[0] for pair in _LINK.findall(prose(page))]
        pending += [(page.parent / link.partition("#")[0]).resolve() for link in links if "://" not in link]
    assert set(DOCS.rglob("*.md")) <= reached


@EVERY_PAGE
def test_blocks_say_what_becomes_of_them(page: Path) -> None:
    """A misspelt comment would leave a block unchecked without a word."""
    for block in blocks(page):
        assert block.role in ROLES, f"{block.place}: {block.role!r} is none of {sorted(ROLES)}"
        if block.role == "not run":
            assert block.detail, f"{block.place}: says no reason"


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md", "docs/troubleshooting.md"])
def test_commands_are_run_or_say_why_not(name: str) -> None:
    """A command that nobody runs is a command that stops working."""
    for block in blocks(ROOT / name):
        if block.language in ("sh", "sql"):
            assert block.role in ("run", "sql", "not run"), f"{block.place}: is not run, and does not say why"


@EVERY_PAGE
def test_pages_speak_of_the_project_alone(page: Path) -> None:
    found = FOREIGN.search(page.read_text("utf-8"))
    assert not found, f"{_named(page)}: {found[0]!r}"


@EVERY_PAGE
def test_pages_are_clean_text(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"[ \t]+$", text, re.MULTILINE), f"{_named(page)}: blanks at the end of a line"
    assert text.count("\n# ") + text.startswith("# ") <= 1, f"{_named(page)}: more than one title"
