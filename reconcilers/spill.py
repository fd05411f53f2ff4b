"""Values by the million, of which few are in memory: what one run holds beyond a limit lies in a file.

A run makes a spill for each list that drift can make long.  All spills of a run share one limit
(`VALUES_IN_MEMORY_MAX`) and one file.  Below the limit nothing is written, and a spill is a list.  At the limit every
spill of the run writes what it holds, in blocks; what is iterated is read back a block at a time.

The file has no name, so that a run that is killed leaves no values behind.  It is read by the process that wrote it
alone, which is why `marshal` will do: three times as fast as `pickle`, for plain values.
"""

from __future__ import annotations

import marshal
import tempfile
import weakref
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, Self, SupportsIndex, TypeVar, overload

from contracts.errors import WorkspaceError
from reconcilers.private_directory import make_private_directory

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

Value = TypeVar("Value")

VALUES_IN_MEMORY_MAX = 20_000
"""Values that the spills of a run hold in memory together: a suspect with its looks is some 2 KB, so 40 MB."""

BLOCK_VALUES = 500
"""Values written and read at once: as many are in memory for each spill that is being read."""

EXTENT_BYTES = 16 * 1024
"""Blocks take a multiple of this in the file, so that the place of one that is gone fits another."""


class _Block(NamedTuple):
    """Where some values are in the file, and how many they are."""

    start: int
    size: int
    values: int


class Overflow:
    """The spills of one run.

    Args:
        directory: Where their file is made when the first value is written; None: nothing is ever written.
        values_max: Values in memory, of all spills together.
        grow: Asked before the file grows, with the bytes that it is to have then.
    """

    def __init__(
        self,
        directory: Path | None,
        values_max: int = VALUES_IN_MEMORY_MAX,
        grow: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._directory = directory
        self._grow = grow
        self.values_max = values_max
        self.held = 0
        """Values in memory, at most; those of spills that nobody has any more are counted until the next writing."""
        self._spills: weakref.WeakSet[Spill[Any]] = weakref.WeakSet()
        self._file: IO[bytes] | None = None
        self._end = 0
        self._free: defaultdict[int, list[int]] = defaultdict(list)

    def spill(
        self, pack: Callable[[Value], Any], unpack: Callable[[Any], Value], *, block: int = BLOCK_VALUES
    ) -> Spill[Value]:
        """A new spill, empty.

        Args:
            pack: Makes plain values of a value: numbers, texts, None, and tuples, lists and dictionaries of them.
            unpack: The way back.
            block: Values written and read at once.
        """
        made = Spill(self, pack, unpack, block)
        self._spills.add(made)
        return made

    def write_out(self) -> None:
        """Write what every spill holds.

        Raises:
            WorkspaceError: There is no room.
        """
        if self._directory is None:
            return
        for spill in list(self._spills):
            spill.write_out()
        self.held = 0

    def write(self, packed: list[Any]) -> _Block:
        """Write packed values; returns where they are.

        Raises:
            WorkspaceError: There is no room.
        """
        content = marshal.dumps(packed)
        extents = -(-len(content) // EXTENT_BYTES)
        free = self._free[extents]
        if not free:
            self._grow(self._end + extents * EXTENT_BYTES)
        start = free.pop() if free else self._end
        try:
            file = self._opened()
            file.seek(start)
            file.write(content)
            file.flush()
        except OSError as error:
            raise WorkspaceError(
                f"keeping what differs in {self._directory} failed: {error.strerror or error}",
                hint="give workspace.directory room, or name another one",
            ) from error
        self._end = max(self._end, start + extents * EXTENT_BYTES)
        return _Block(start, len(content), len(packed))

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            if self._directory is not None:
                make_private_directory(self._directory)
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - it lives as long as the run
            weakref.finalize(self, self._file.close)
        return self._file

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._end

    def read(self, block: _Block) -> list[Any]:
        """What was written there, packed."""
        file = self._opened()
        file.seek(block.start)
        packed: list[Any] = marshal.loads(file.read(block.size))  # noqa: S302 - of our own making, in a file without a name
        return packed

    def release(self, blocks: list[_Block]) -> None:
        """Let the places of blocks be used again."""
        for block in blocks:
            self._free[-(-block.size // EXTENT_BYTES)].append(block.start)
        blocks.clear()


class Listed(Protocol[Value]):
    """What a list and a spill have in common."""

    def append(self, value: Value, /) -> None:
        """Add a value."""
        ...

    def __iadd__(self, values: Iterable[Value], /) -> Self: ...

    def __iter__(self) -> Iterator[Value]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: SupportsIndex, /) -> Value: ...


class Spill(Sequence[Value], Generic[Value]):
    """Many values in order, to be appended to and gone through; made by `Overflow.spill`.

    A value that was written comes back as an equal one, not as the same object.
    """

    def __init__(
        self, overflow: Overflow, pack: Callable[[Value], Any], unpack: Callable[[Any], Value], block: int
    ) -> None:
        self._overflow = overflow
        self._pack = pack
        self._unpack = unpack
        self._block = block
        self._blocks: list[_Block] = []
        self._written = 0
        self._tail: list[Value] = []
        weakref.finalize(self, overflow.release, self._blocks)

    def append(self, value: Value) -> None:
        """Add a value.

        Raises:
            WorkspaceError: It does not fit.
        """
        overflow = self._overflow
        self._tail.append(value)
        overflow.held += 1
        if overflow.held > overflow.values_max:
            overflow.write_out()

    def extend(self, values: Iterable[Value]) -> None:
        """Add values."""
        for value in values:
            self.append(value)

    def __iadd__(self, values: Iterable[Value]) -> Self:
        self.extend(values)
        return self

    def take(self, other: Spill[Value]) -> None:
        """Add all values of another one of the same run and kind, which has none afterwards."""
        if other._blocks:
            self.write_out()  # in order: what this one holds comes before what the other has written
            self._blocks += other._blocks
            self._written += other._written
            other._blocks.clear()
        tail, other._tail, other._written = other._tail, [], 0
        self._tail += tail

    def clear(self) -> None:
        """Forget everything."""
        self._overflow.held -= min(len(self._tail), self._overflow.held)
        self._tail, self._written = [], 0
        self._overflow.release(self._blocks)

    def write_out(self) -> None:
        """Write what is in memory."""
        tail, self._tail = self._tail, []  # whoever goes through the old one goes on with it
        for start in range(0, len(tail), self._block):
            self._blocks.append(
                self._overflow.write([self._pack(value) for value in tail[start : start + self._block]])
            )
        self._written += len(tail)

    def __len__(self) -> int:
        return self._written + len(self._tail)

    def __iter__(self) -> Iterator[Value]:
        tail = islice(self._tail, len(self._tail))  # as it is now, whatever is added or written meanwhile
        blocks = list(self._blocks)
        for block in blocks:
            for packed in self._overflow.read(block):
                yield self._unpack(packed)
        yield from tail

    @overload
    def __getitem__(self, index: SupportsIndex) -> Value: ...
    @overload
    def __getitem__(self, index: slice) -> list[Value]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Value | list[Value]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = index.__index__()
        position += len(self) if position < 0 else 0
        if not 0 <= position < len(self):
            raise IndexError(index)
        if position >= self._written:
            return self._tail[position - self._written]
        starts = [0]
        for block in self._blocks:
            starts.append(starts[-1] + block.values)
        number = bisect_right(starts, position) - 1
        return self._unpack(self._overflow.read(self._blocks[number])[position - starts[number]])

    def __repr__(self) -> str:
        return f"Spill({len(self)} values, {len(self._tail)} of them in memory)"
