"""Cells of whole columns: the same as `auditor.feeds.cells` makes of each value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.feeds.bulk import digits
from auditor.feeds.bulk.cursor import IrregularError
from auditor.feeds.bulk.pieces import Booleans, Nothing, Numbers, Octets, Optional, Texts, flags, one, spread
from auditor.feeds.cells import boolean_texts, null_cell, value_reader
from auditor.feeds.hints import UNSIGNED
from auditor.feeds.numbers import DECIMAL_BYTES_MAX
from auditor.feeds.shape import NO_DEFAULT, BadValueError
from reconcilers.change import Lack
from reconcilers.streams.table import CellState

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.feeds.bulk.cursor import Flags, Integers
    from auditor.feeds.bulk.pieces import Piece, Simple
    from auditor.feeds.cells import CellContext
    from auditor.feeds.shape import Shape

    States = np.ndarray[Any, np.dtype[np.uint8]]
    Maker = Callable[[Simple], "Cells"]

_INT_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_TIME, _DATA, _CONNECT = "io.debezium.time.", "io.debezium.data.", "org.apache.kafka.connect.data."
_TEXT_TYPES = ("", f"{_DATA}Enum", f"{_DATA}Uuid", f"{_DATA}Json", f"{_DATA}Xml", f"{_DATA}EnumSet",
               f"{_TIME}ZonedTimestamp")  # fmt: skip
_WORD_BYTES = 8
_LACKS = {Lack.KEPT: CellState.KEPT, Lack.UNREADABLE: CellState.UNREADABLE}


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one column.

    Attributes:
        texts: NULL also where there is no value.
        states: A `CellState` each.
    """

    texts: pa.StringArray
    states: States

    def __len__(self) -> int:
        return len(self.states)

    def spread(self, valid: Flags, state: CellState) -> Cells:
        """The same with cells of one state put in where there was nothing."""
        if valid.all():
            return self
        states = np.full(len(valid), int(state), np.uint8)
        states[valid] = self.states
        return Cells(spread(self.texts, valid), states)


def lacking(count: int, state: CellState) -> Cells:
    """Cells without a value, all of one state; `VALUE` is NULL."""
    return Cells(pa.nulls(count, pa.string()), np.full(count, int(state), np.uint8))


class Column:
    """Makes the cells of one column.

    Args:
        shape: Its type, with what is known beside it.
        context: What else decides; whether NULLs are kept is told with each batch.
    """

    def __init__(self, shape: Shape, context: CellContext) -> None:
        self._null = CellState.VALUE if null_cell(shape, context) is None else CellState.UNREADABLE
        has_default = shape.optional and shape.default is not NO_DEFAULT and not context.nulls_kept
        self._default = shape.default if has_default else NO_DEFAULT
        self._make = _maker(replace(shape, default=NO_DEFAULT), context)

    def cells(self, piece: Piece, default_means_null: Flags) -> Cells:
        """The cells of a batch.

        Args:
            piece: What was read.
            default_means_null: By record, whether the column's default may stand for NULL.

        Raises:
            IrregularError: Some value is none of the column's type.
        """
        if isinstance(piece, Nothing):
            return lacking(piece.count, self._null)
        if isinstance(piece, Optional):
            if isinstance(piece.inner, Nothing):
                return lacking(len(piece.valid), self._null)
            return self.cells(piece.inner, default_means_null[piece.valid]).spread(piece.valid, self._null)
        if not isinstance(piece, Numbers | Texts | Octets | Booleans):
            raise IrregularError
        cells = self._make(piece)
        if self._default is NO_DEFAULT:
            return cells
        either = piece.equals(self._default) & default_means_null & (cells.states == CellState.VALUE)
        return Cells(cells.texts, np.where(either, np.uint8(CellState.EITHER), cells.states))


def _values(texts: pa.StringArray) -> Cells:
    return Cells(texts, np.zeros(len(texts), np.uint8))


def _maker(shape: Shape, context: CellContext) -> Maker:
    one_by_one = _one_by_one(shape, context)
    if shape.kind in _INT_BITS:
        return _integer_maker(shape, one_by_one)
    if shape.kind == "string" and shape.name in _TEXT_TYPES:
        return _text_maker(context.placeholder.text)
    if shape.kind == "bytes" and shape.name == f"{_CONNECT}Decimal":
        return _decimal_maker(shape, one_by_one)
    if shape.kind == "boolean":
        return _boolean_maker(shape, one_by_one)
    return one_by_one


def _one_by_one(shape: Shape, context: CellContext) -> Maker:
    """As the reference does it: for types that are rare, and for values that are."""
    read = value_reader(shape, context)

    def make(piece: Simple) -> Cells:
        try:
            cells = [read(value) for value in piece.listed()]
        except BadValueError:
            raise IrregularError from None
        texts = [cell if isinstance(cell, str) else None for cell in cells]
        states = [CellState.VALUE if isinstance(cell, str) else _LACKS[cell] for cell in cells]  # type: ignore[index]
        return Cells(pa.array(texts, pa.string()), np.array(states, np.uint8))

    return make


def _text_maker(placeholder: str) -> Maker:
    def make(piece: Simple) -> Cells:
        if not isinstance(piece, Texts):
            raise IrregularError
        kept = flags(pc.equal(piece.array, one(placeholder)))
        if not kept.any():
            return _values(piece.array)
        texts = pc.if_else(pa.array(kept), pa.scalar(None, pa.string()), piece.array)
        return Cells(texts, np.where(kept, np.uint8(CellState.KEPT), np.uint8(CellState.VALUE)))

    return make


def _boolean_maker(shape: Shape, one_by_one: Maker) -> Maker:
    words = pa.array(boolean_texts(shape))
    return lambda piece: (
        _values(words.take(pa.array(piece.values.astype(np.int8))))
        if isinstance(piece, Booleans)
        else one_by_one(piece)
    )


def _integer_maker(shape: Shape, one_by_one: Maker) -> Maker:
    bits = _INT_BITS[shape.kind]
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    texts = _INTEGERS.get(shape.name)

    def make(piece: Simple) -> Cells:
        if not isinstance(piece, Numbers) or piece.values.dtype != np.int64:
            raise IrregularError
        values: Integers = piece.values
        if len(values) and (values.min() < least or values.max() > most):
            raise IrregularError
        written = texts(values) if texts is not None else None
        return one_by_one(piece) if written is None else _values(written)

    return make


def _days(values: Integers) -> pa.StringArray | None:
    return digits.day_texts(values) if _is_within(values, digits.FIRST_DAY, digits.LAST_DAY) else None


def _micros(values: Integers) -> pa.StringArray | None:
    return digits.moment_texts(values) if _is_within(values, digits.FIRST_MICROS, digits.LAST_MICROS) else None


def _millis(values: Integers) -> pa.StringArray | None:
    is_within = _is_within(values, digits.FIRST_MICROS // 1000, digits.LAST_MICROS // 1000)
    return digits.moment_texts(values * 1000) if is_within else None


def _is_within(values: Integers, first: int, last: int) -> bool:
    return bool(len(values) == 0 or (values.min() >= first and values.max() <= last))


_INTEGERS: dict[str, Callable[[Integers], pa.StringArray | None]] = {
    "": digits.integer_texts,
    UNSIGNED: digits.unsigned_texts,
    f"{_TIME}Date": _days,
    f"{_CONNECT}Date": _days,
    f"{_TIME}Timestamp": _millis,
    f"{_CONNECT}Timestamp": _millis,
    f"{_TIME}MicroTimestamp": _micros,
}


def _decimal_maker(shape: Shape, one_by_one: Maker) -> Maker:
    scale = int(text) if (text := shape.parameters.get("scale", "")).isdecimal() and len(text) == 1 else -1

    def make(piece: Simple) -> Cells:
        if not isinstance(piece, Octets) or not 0 <= scale <= digits.SCALE_MAX:
            return one_by_one(piece)
        if len(piece.lengths) == 0:
            return _values(pa.array([], pa.string()))
        if piece.lengths.min() < 1 or piece.lengths.max() > DECIMAL_BYTES_MAX:
            raise IrregularError
        if piece.lengths.max() > _WORD_BYTES:
            return one_by_one(piece)
        unscaled = piece.words >> (8 * (_WORD_BYTES - piece.lengths))
        return _values(digits.decimal_texts(unscaled, scale))

    return make
