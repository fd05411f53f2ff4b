"""The files of a compensation plan, below one directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.commands.invocation import atomic_file, require_writable
from auditor.compensations.plan import PLAN_FILE
from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.compensations.plan import Plan


def require_directory(directory: Path) -> Path:
    """Make sure that a plan can be written there, before any work is done.

    Raises:
        UsageError: It cannot.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, error) from error
    require_writable(directory / PLAN_FILE)
    return directory


def _unwritable(directory: Path, error: OSError) -> UsageError:
    return UsageError(
        f"writing a plan to {directory} failed: {error.strerror or error}", hint="name a directory with --out"
    )


def write_plan(plan: Plan, directory: Path) -> list[Path]:
    """Write the plan and its SQL files; the files of an earlier plan in that directory are replaced.

    Returns:
        What was written, the plan first.

    Raises:
        UsageError: The directory cannot be written.
    """
    try:
        _clear(directory)
    except OSError as error:
        raise _unwritable(directory, error) from error
    texts = {PLAN_FILE: json.dumps(plan.document(), indent=1) + "\n"} | plan.scripts
    for name, text in texts.items():
        with atomic_file(directory / name) as stream:
            stream.write(text)
    return [directory / name for name in texts]


def _clear(directory: Path) -> None:
    """Take the SQL files of an earlier plan away: one that belongs to no plan would be applied by mistake."""
    before = directory / PLAN_FILE
    if not before.exists():
        return
    try:
        names: Iterable[object] = json.loads(before.read_text("utf-8")).get("files", ())
    except (ValueError, AttributeError):
        return
    for name in names:
        if isinstance(name, str) and name.endswith(".sql") and Path(name).name == name:
            (directory / name).unlink(missing_ok=True)
