"""Files below one directory: Parquet, CSV and JSON Lines, told apart by their suffix.

A relation is a path below the connection's directory.  Parquet may also be many files that are one relation: a
directory of parts, or a glob (`orders/*.parquet`).  No relation leads out of the directory, not through `..` nor
through a symbolic link.

A file that is read whole and did not change meanwhile is a snapshot.  That it did not change is seen from its inode,
size and time of writing, before and after.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError
from reconcilers.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator

PARQUET = (".parquet", ".pq")

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells whether a file was written to: inode, bytes, time of writing in nanoseconds."""

    inode: int
    size: int
    written: int


States = dict[Path, FileState]


@dataclass(frozen=True, slots=True)
class Files:
    """The file or files of one relation.

    Attributes:
        dataset: As reports name it.
        directory: The connection's.
        relation: The path below it.
    """

    dataset: str
    directory: Path
    relation: str

    def __post_init__(self) -> None:
        path = PurePosixPath(self.relation)
        if not self.relation or path.is_absolute() or ".." in path.parts or "\0" in self.relation:
            raise StoreError(
                f"reading {self.dataset}: {self.relation!r} is no path below {self.directory}",
                hint="a file's relation is its path below the connection's directory, without '..'",
            )

    @property
    def suffix(self) -> str:
        """The suffix that says what kind of file it is, in lower case; that of a directory of parts is Parquet's."""
        name = PurePosixPath(self.relation.lower().removesuffix(".gz"))
        if name.suffix:
            return name.suffix
        return PARQUET[0] if (self.directory / self.relation).is_dir() else ""

    @property
    def zipped(self) -> bool:
        """Whether gzip has been at it."""
        return self.relation.lower().endswith(".gz")

    @property
    def partitioned(self) -> bool:
        """Whether it is many files, so that names of directories may be columns (`day=2026-01-31`)."""
        path = self.directory / self.relation
        return path.is_dir() or (bool(_GLOB & set(self.relation)) and not path.exists())

    def one(self) -> Path:
        """The one file.

        Raises:
            StoreError: There is none, or it is a directory or not to be read.
        """
        return self._checked(self.directory / self.relation)

    def all(self) -> list[Path]:
        """The files, in order of their names.

        Raises:
            StoreError: There are none, or one lies outside the directory.
        """
        if not self.partitioned:
            return [self.one()]
        self._check_directory()
        pattern = self.relation if _GLOB & set(self.relation) else f"{self.relation.rstrip('/')}/**/*"
        hidden = ("_", ".")  # what Spark and others leave beside the parts
        found = sorted(
            path
            for path in self.directory.glob(pattern)
            if path.suffix.lower() in PARQUET and not path.name.startswith(hidden) and path.is_file()
        )
        if not found:
            raise StoreError(
                f"reading {self.dataset}: {self.directory} has no Parquet file for {self.relation!r}",
                hint="check the relation",
            )
        return [self._checked(path) for path in found]

    def states(self) -> States:
        """What the files are like now."""
        return {path: _state(path) for path in self.all()}

    def changed(self, before: States) -> str:
        """What happened to the files meanwhile, or an empty string."""
        try:
            after = self.states()
        except StoreError as error:
            return error.message
        if after == before:
            return ""
        names = ", ".join(
            str(path.relative_to(self.directory.resolve()))
            for path in sorted({path for path in before.keys() | after.keys() if before.get(path) != after.get(path)})[
                :3
            ]
        )
        return f"{self.dataset}: {names} changed while it was read"

    def watermark(self, states: States) -> Watermark:
        """Where these files stand."""
        written = max(state.written for state in states.values())
        return Watermark(
            self.dataset,
            read_at=datetime.now(UTC),
            monotonic=time.monotonic(),
            position=":".join(f"{state.inode}-{state.size}-{state.written}" for state in states.values()),
            display=f"written {datetime.fromtimestamp(written / 1e9, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        )

    def _check_directory(self) -> None:
        if not self.directory.is_dir():
            raise StoreError(
                f"reading {self.dataset}: there is no directory {self.directory}", hint="check the connection's url"
            )

    def _checked(self, path: Path) -> Path:
        self._check_directory()
        real = path.resolve()
        if not real.is_relative_to(self.directory.resolve()):
            raise StoreError(
                f"reading {self.dataset}: {self.relation!r} leads out of {self.directory}",
                hint="a symbolic link must stay below the connection's directory",
            )
        try:
            with real.open("rb"):
                pass
        except FileNotFoundError:
            hint = did_you_mean(self.relation, self._neighbours()) or "check the relation"
            raise StoreError(f"reading {self.dataset}: there is no file {path}", hint=hint) from None
        except OSError as error:
            message = f"reading {self.dataset}: {path} cannot be opened: {error.strerror}"
            raise StoreError(message, hint="check the path and its permissions") from error
        return real

    def _neighbours(self) -> Iterator[str]:
        parent = (self.directory / self.relation).parent
        for path in parent.iterdir() if parent.is_dir() else ():
            yield str(path.relative_to(self.directory))


def _state(path: Path) -> FileState:
    found = path.stat()
    return FileState(found.st_ino, found.st_size, found.st_mtime_ns)
