"""Whole processes, timed by the operating system's own account of them."""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MEBIBYTE_KIB = 1024


# Installed programs keep their bytecode; a shell that forbids it would have each run compile its sources again.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


_ACCOUNTANT = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
wall, code = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
told = [wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, code]
os.write(int(sys.argv[1]), json.dumps(told).encode())
"""
"""Starts a process and accounts for it.  The system counts what a process took before it became another program, too,
and the one that starts it is all that it was: here that is small, and a benchmark may have made its data itself."""

_ACCOUNT_BYTES = 1024


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
        heard, told = os.pipe()
        try:
            subprocess.run(
                [sys.executable, "-S", "-c", _ACCOUNTANT, str(told), *contender.command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**_ENVIRONMENT, **(contender.environment or {})},
                pass_fds=[told],
                check=True,
            )
            wall, cpu, peak, code = json.loads(os.read(heard, _ACCOUNT_BYTES))
        finally:
            os.close(told)
            os.close(heard)
    if code not in contender.codes:
        raise RuntimeError(f"{contender.name} exited with {code}: {shlex.join(contender.command)}\nsee {log}")
    return Run(wall, cpu, peak / MEBIBYTE_KIB, code)


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
