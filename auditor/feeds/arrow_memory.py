"""Where Arrow takes its memory from in a process that follows feeds for long."""

from __future__ import annotations

import os


def take_from_system() -> None:
    """Have Arrow take memory from the system, which has it back; to be called before Arrow is loaded.

    Its own allocator keeps some 80 MB of what batches have taken, for as long as the process lives.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
