"""Files that only their owner may read, made whole or not at all, and never in place of another."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = 0o600


def require_absent(*paths: Path) -> None:
    """Make sure that files can be made, before any work is done.

    Raises:
        UsageError: One is there already, or their directory cannot be made or written.
    """
    for path in paths:
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already, and is not replaced", hint="name another directory with --out")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise UsageError(f"writing {path} failed: this user may not write there", hint="name another directory")


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A text file that is there when the block is done.

    Raises:
        UsageError: It cannot be written, or is there already.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its owner only
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            yield stream
        temporary.chmod(PRIVATE)
        os.link(temporary, path)  # fails where the file is there meanwhile
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"writing {path} failed: {error.strerror or error}", hint="name another directory with --out")
