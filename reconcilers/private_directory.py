"""What only its owner may read, whatever the umask says: what is kept between runs holds rows in plain text."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
_OTHERS = 0o077


def make_private_directory(path: Path) -> None:
    """Make a directory, and those above it that lack, for their owner only; one that is there stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    try:
        path.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    except FileNotFoundError:
        make_private_directory(path.parent)
        path.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make an empty file for its owner only; one that is there stays as it is.

    An existing file is not even opened: to close it would let go of the locks that this process has on it.

    Raises:
        OSError: It cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE_FILE))


def keep_private(path: Path) -> None:
    """Take the leave to read a file from others, where it is ours to take."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        if path.stat().st_mode & _OTHERS:
            path.chmod(PRIVATE_FILE)
