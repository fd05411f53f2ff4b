"""Where a process that follows feeds for long takes its memory from."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
"""The names of glibc's limits in its <malloc.h>."""

KEPT_BYTES = 32 * 1024 * 1024
"""Free memory that is not given back to the system: the next batch takes it again, and each page of it that had to be
asked for took some 5 µs.  It is also glibc's own upper limit for what is kept together with the rest."""

_MIDDLE_GENERATION = 1


def take_little() -> None:
    """Have what batches take be used again by the next; to be called before Arrow is loaded and threads are started.

    Arrow's own allocator keeps some 80 MB of it for as long as the process lives, and glibc some 40 MB with an arena
    for each thread: here one of them does the work, and the others wait for the network.  NumPy's algebra, which is not
    used, would have threads of its own.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with suppress(OSError, AttributeError):  # another C library, which has no arenas
        library = ctypes.CDLL(None)
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(_TRIM_THRESHOLD, KEPT_BYTES)


def let_go() -> None:
    """Let go of what a batch has left behind in circles.

    kafka-python ends each wait with an error that knows where it was raised, and with it all that was fetched: some
    40 MB of it gathered until Python looked for such circles.
    """
    gc.collect(_MIDDLE_GENERATION)


def let_go_of_all() -> None:
    """Let go of everything that is left behind in circles, at a fifteenth of a second; for now and then.

    Nothing else does: Python's collector rests.  What was still in use at the last `let_go` counts as old by now, and
    where nothing is new there are no batches either, yet each question to a broker leaves something behind.
    """
    gc.collect()
