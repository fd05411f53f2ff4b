"""Walks through a page as a reader would: writes its files, runs its commands, looks at what they print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs.pages import Block, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUN_SECONDS = 300
"""No command of the documentation takes longer, on the slowest machine."""

COLUMNS = 80


@dataclass(slots=True)
class Walkthrough:
    """One walk through one page.

    Attributes:
        directory: Where it takes place.
        variables: Added to the environment.
        servers: Runs the statements of a `sql` block, by the server's name.
        instead: What the page says to what stands for it here, such as the address of a server.
    """

    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    servers: Mapping[str, Callable[[str], object]] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""

    def walk(self, page: Path) -> int:
        """Take every step of a page.

        Returns:
            How many blocks were acted upon.
        """
        acted = 0
        for block in blocks(page):
            step = {"file": self._file, "run": self._run, "prints": self._prints, "sql": self._sql}.get(block.role)
            if step is not None:
                step(block)
                acted += 1
        return acted

    def _text(self, block: Block) -> str:
        text = block.text
        for said, here in self.instead.items():
            text = text.replace(said, here)
        return text

    def _file(self, block: Block) -> None:
        path = self.directory / block.detail
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._text(block), "utf-8")

    def _run(self, block: Block) -> None:
        expected = int(block.detail.removeprefix("exit ")) if block.detail else 0
        done = subprocess.run(
            ["sh", "-eu"],
            input=self._text(block),
            cwd=self.directory,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        self.printed = done.stdout
        assert done.returncode == expected, f"{block.place}: exit {done.returncode}, printed:\n{done.stdout}"

    def _environment(self) -> dict[str, str]:
        programs = str(Path(sys.executable).parent)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUDITOR_", "PYTHON"))}
        path = os.pathsep.join([programs, kept.get("PATH", os.defpath)])
        return {**kept, "PATH": path, "COLUMNS": str(COLUMNS), "LC_ALL": "C.UTF-8", **self.variables}

    def _prints(self, block: Block) -> None:
        position = 0
        for line in filter(None, map(str.rstrip, block.text.splitlines())):
            pattern = ".*".join(re.escape(part) for part in line.split("…"))
            found = re.compile(f"^{pattern}[ \t]*$", re.MULTILINE).search(self.printed, position)
            assert found, f"{block.place}: {line!r} was not printed there; printed was:\n{self.printed}"
            position = found.end()

    def _sql(self, block: Block) -> None:
        self.servers[block.detail](self._text(block))


def copied(example: Path, target: Path) -> Path:
    """A copy of an example, so that running it leaves the example as it is."""
    return Path(shutil.copytree(example, target))


def statements(text: str) -> list[str]:
    """The statements of a script, each of which ends with a semicolon at the end of a line."""
    return [statement for part in re.split(r";[ \t]*$", text, flags=re.MULTILINE) if (statement := part.strip())]
