"""Whole processes, timed by the operating system's own account of them."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MEBIBYTE_KIB = 1024


# Installed programs keep their bytecode; a shell that forbids it would have each run compile its sources again.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process.

    Attributes:
        wall: Seconds from start to exit.
        cpu: Seconds of processor time, user and system, of the process and what it waited for.
        peak: Largest resident memory, in MiB.
        code: Exit code.
    """

    wall: float
    cpu: float
    peak: float
    code: int


@dataclass(frozen=True, slots=True)
class Contender:
    """A command to time.

    Attributes:
        codes: Exit codes that mean it did its work.
        before: Called before each run, not timed.
    """

    name: str
    command: Sequence[str]
    codes: tuple[int, ...] = (0, 1)
    environment: Mapping[str, str] | None = None
    before: Callable[[], None] = lambda: None


def run(contender: Contender, log: Path) -> Run:
    """Run it once and account for it.

    Raises:
        RuntimeError: It failed; the message names its log.
    """
    contender.before()
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(contender.command),
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**_ENVIRONMENT, **(contender.environment or {})},
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in contender.codes:
        raise RuntimeError(
            f"{contender.name} exited with {process.returncode}: {shlex.join(contender.command)}\nsee {log}"
        )
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MEBIBYTE_KIB, process.returncode)


def in_turn(contenders: Sequence[Contender], directory: Path, *, rounds: int) -> dict[str, list[Run]]:
    """Run all contenders A B C A B C …, so that a machine whose speed drifts is the same for all of them."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            log = directory / f"{contender.name.replace(' ', '-')}-{number}.log"
            runs[contender.name].append(run(contender, log))
    return runs


def median(runs: Sequence[Run], figure: str) -> float:
    """The median of one figure over some runs."""
    return statistics.median(float(getattr(one, figure)) for one in runs)
