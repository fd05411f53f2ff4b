"""Which process this is, so that another one can say who holds a lease, and whether that process is gone.

A process is known by the machine's boot, its namespace of process ids, its id there, and when it began: all four
together are never given twice.  Only who shares the boot and the namespace can tell that it is gone; everybody else,
and every system without Linux's `/proc`, waits for the lease to expire.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_DEAD_STATES = frozenset("ZXx")
"""Of a process that has ended and was not asked for its exit code yet, too."""
_START_FIELD = 19
"""Of /proc/PID/stat, counted from the state, which follows the name in brackets."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds leases.

    Attributes:
        name: For people.
        process: What `is_gone` understands; an empty string where the system does not tell.
    """

    name: str
    process: str


def this_process() -> Holder:
    """The process that asks."""
    name = f"host {socket.gethostname()}, process {os.getpid()}"
    started = _started(os.getpid())
    where = _where()
    return Holder(name, f"{where} {os.getpid()} {started}" if where and started else "")


def is_gone(process: str) -> bool:
    """Whether the process has certainly ended; False where nobody here can know."""
    where, _, rest = process.partition(" ")
    number, _, started = rest.partition(" ")
    if not where or where != _where() or not number.isdigit():
        return False
    return _started(int(number)) != started


def _where() -> str:
    """This boot of this machine and this namespace of process ids, or an empty string."""
    with contextlib.suppress(OSError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    return ""


def _started(number: int) -> str:
    """When a process began, in ticks since the boot; an empty string where there is none that lives."""
    with contextlib.suppress(OSError, IndexError):
        fields = (_PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in _DEAD_STATES else fields[_START_FIELD]
    return ""
