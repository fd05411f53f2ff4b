"""What was read of one field of many records."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.feeds.bulk.cursor import Flags, Integers, IrregularError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Numbers:
    """Integers or floating-point numbers, one a record."""

    values: Any

    def listed(self) -> Sequence[Any]:
        """One value a record, as the reference has it."""
        return self.values.tolist()  # type: ignore[no-any-return]

    def equals(self, other: object) -> Flags:
        """Where it is some value."""
        if not isinstance(other, int | float):
            return np.zeros(len(self.values), np.bool_)
        return np.asarray([value == other for value in self.values.tolist()], np.bool_)


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts, one a record."""

    array: pa.StringArray

    def listed(self) -> Sequence[Any]:
        """One value a record, as the reference has it."""
        return self.array.to_pylist()  # type: ignore[no-any-return]

    def equals(self, other: object) -> Flags:
        """Where it is some value."""
        if not isinstance(other, str):
            return np.zeros(len(self.array), np.bool_)
        return flags(pc.equal(self.array, pa.scalar(other, pa.string())))


@dataclass(frozen=True, slots=True)
class Octets:
    """Bytes, one a record.

    Attributes:
        array: The bytes.
        lengths: How many there are in each.
        words: The first eight, or fewer, as numbers with the first byte highest; what stands behind them is noise.
    """

    array: pa.BinaryArray
    lengths: Integers
    words: Integers

    def listed(self) -> Sequence[Any]:
        """One value a record, as the reference has it."""
        return self.array.to_pylist()  # type: ignore[no-any-return]

    def equals(self, other: object) -> Flags:
        """Where it is some value."""
        if not isinstance(other, bytes):
            return np.zeros(len(self.array), np.bool_)
        return flags(pc.equal(self.array, pa.scalar(other, pa.binary())))


@dataclass(frozen=True, slots=True)
class Booleans:
    """Booleans, one a record."""

    values: Flags

    def listed(self) -> Sequence[Any]:
        """One value a record, as the reference has it."""
        return [b"\x01" if value else b"\x00" for value in self.values]

    def equals(self, other: object) -> Flags:
        """Where it is some value."""
        if other not in (b"\x00", b"\x01"):
            return np.zeros(len(self.values), np.bool_)
        return self.values if other == b"\x01" else ~self.values


@dataclass(frozen=True, slots=True)
class Nothing:
    """NULL in every record."""

    count: int


@dataclass(frozen=True, slots=True)
class Struct:
    """Structs, one a record."""

    members: Mapping[str, Piece]


@dataclass(frozen=True, slots=True)
class Optional:
    """What may be NULL.

    Attributes:
        valid: Where it is not.
        inner: What is there in those records alone.
    """

    valid: Flags
    inner: Piece


Offsets = np.ndarray[Any, np.dtype[np.int32]]
Simple = Numbers | Texts | Octets | Booleans
Piece = Simple | Nothing | Struct | Optional


def whole(piece: Piece | None) -> Piece:
    """A piece that has no NULL.

    Raises:
        IrregularError: It has, or there is none.
    """
    if isinstance(piece, Optional):
        if not piece.valid.all():
            raise IrregularError
        return piece.inner
    if piece is None or isinstance(piece, Nothing):
        raise IrregularError
    return piece


def member(struct: Struct, name: str) -> Piece:
    """A member without NULL.

    Raises:
        IrregularError: It has one, or there is no such member.
    """
    return whole(struct.members.get(name))


def texts(piece: Piece) -> pa.StringArray:
    """Its texts.

    Raises:
        IrregularError: They are none.
    """
    if not isinstance(piece, Texts):
        raise IrregularError
    return piece.array


def integers(piece: Piece) -> Integers:
    """Its integers.

    Raises:
        IrregularError: They are none.
    """
    if not isinstance(piece, Numbers) or piece.values.dtype != np.int64:
        raise IrregularError
    return piece.values  # type: ignore[no-any-return]


@cache
def one(text: str) -> pa.StringScalar:
    """A text for Arrow's functions: given it bare, they look for a module in vain, each time anew."""
    return pa.scalar(text, pa.string())


def flags(array: Any) -> Flags:
    """An array of booleans without NULL, as NumPy has it."""
    return np.asarray(array.to_numpy(zero_copy_only=False), np.bool_)


def offsets_of(array: pa.StringArray) -> Offsets:
    """Where each of some texts begins among their octets, and where the last one ends."""
    if len(array) == 0:
        return np.zeros(1, np.int32)
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]


def octets_of(array: pa.StringArray) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The octets of some texts, one behind the other."""
    offsets, octets = offsets_of(array), array.buffers()[2]
    return np.frombuffer(octets or b"", np.uint8)[offsets[0] : offsets[-1]]


def spread(array: pa.Array, valid: Flags) -> pa.Array:
    """An array with NULL put in where there was nothing."""
    if valid.all():
        return array
    return array.take(pa.array(np.cumsum(valid) - 1, mask=~valid))
