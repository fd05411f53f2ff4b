"""Where a process that follows feeds for long takes its memory from."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_ARENA_MAX = -8
"""The name of glibc's limit of arenas, `M_ARENA_MAX` of its <malloc.h>."""


def take_little() -> None:
    """Have what batches take be had back by the system; to be called before Arrow is loaded and threads are started.

    Arrow's own allocator keeps some 80 MB of it for as long as the process lives, and glibc some 40 MB with an arena
    for each thread: here one of them does the work, and the others wait for the network.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with suppress(OSError, AttributeError):  # another C library, which has no arenas
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
