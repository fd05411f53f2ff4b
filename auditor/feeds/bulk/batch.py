"""Batches of envelopes, decoded at once.

A batch is read so where all of its records are of the common kind: Avro, one schema for their keys and one for their
values, changes of rows of PostgreSQL, MySQL or MariaDB, and the records without a value that follow deletes.  For any
other, None is the answer: then the reference reads record by record, and says what is wrong where something is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.feeds.bulk import digits
from auditor.feeds.bulk.cells import Cells, Column, lacking
from auditor.feeds.bulk.cursor import Cursor, IrregularError
from auditor.feeds.bulk.pieces import Nothing, Optional, Struct, flags, member, octets_of, one, spread, texts, whole
from auditor.feeds.bulk.source import commit_times, positions, relations, snapshot_marks, told_times, transactions
from auditor.feeds.debezium.envelope import MYSQL
from reconcilers.streams.table import IS_NEW, WAS_THERE, CellState, Kind
from reconcilers.streams.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.feeds.bulk.columns import RecordColumns
    from auditor.feeds.bulk.cursor import Buffer, Flags, Integers
    from auditor.feeds.bulk.pieces import Piece
    from auditor.feeds.bulk.walk import Walk
    from auditor.feeds.rows import StructReader
    from reconcilers.streams.table import StreamTable
    from reconcilers.streams.versions import Births

_KINDS = {"c": Kind.WRITE, "u": Kind.WRITE, "d": Kind.DELETE, "r": Kind.BACKFILL}
_BIRTHS = {"c": IS_NEW, "u": WAS_THERE, "d": WAS_THERE, "r": 0}
_SAID_IN_STREAM = pa.array(["", "incremental"], pa.string())
_ESCAPED = np.zeros(256, np.bool_)
"""Which octets JSON writes otherwise."""
_ESCAPED[[*range(0x20), ord('"'), ord("\\")]] = True


class BatchPlan:
    """Reads the batches of one topic and one pair of schemas.

    Args:
        key: Walks through keys.
        value: Walks through values.
        key_columns: Reads the columns of keys.
        row_columns: Reads the columns of rows.
        connector: The kind of the database.
        named_by: Bytes that name the schema, before each key and each value.
        is_whole: The row before the change is read, too.
        nulls_kept: NULL is never written as a default.
    """

    def __init__(
        self,
        key: tuple[Walk, StructReader, bytes],
        value: tuple[Walk, StructReader, bytes],
        connector: str,
        *,
        is_whole: bool,
        nulls_kept: bool,
    ) -> None:
        self._walk_key, key_reader, self._key_prefix = key
        self._walk_value, row_reader, self._value_prefix = value
        self._key = {name: Column(shape, key_reader.context) for name, shape in key_reader.members}
        self._row = {name: Column(shape, row_reader.context) for name, shape in row_reader.members}
        self._connector, self._is_whole, self._nulls_kept = connector, is_whole, nulls_kept

    def versions(self, records: RecordColumns, table: StreamTable) -> Versions:
        """What the records of a batch tell.

        Raises:
            IrregularError: The reference is to read them.
        """
        is_change = records.values.there()
        if not records.keys.there().all():
            raise IrregularError
        told = records.values if is_change.all() else records.values.of(is_change)
        key = self._walked(self._walk_key, records.buffer(records.keys), self._key_prefix)
        envelope = self._walked(self._walk_value, records.buffer(told), self._value_prefix)
        return _Batch(self, records, is_change, table).versions(key, envelope)

    @staticmethod
    def _walked(walk: Walk, buffer: Buffer, prefix: bytes) -> Struct:
        cursor = Cursor(buffer, buffer.starts, buffer.ends)
        begins = cursor.skip(len(prefix))
        for index, octet in enumerate(prefix):
            if (buffer.octets[begins + index] != octet).any():
                raise IrregularError
        piece = walk(cursor)
        cursor.finish()
        if not isinstance(piece, Struct):
            raise IrregularError
        return piece

    def key_cells(self, key: Struct, count: int) -> dict[str, Cells]:
        """The cells of keys; every one is known."""
        may_be_null = np.full(count, not self._nulls_kept, np.bool_)
        cells = {name: column.cells(key.members[name], may_be_null) for name, column in self._key.items()}
        if not cells or any((column.states > CellState.EITHER).any() for column in cells.values()):
            raise IrregularError
        return cells

    def row_cells(self, row: Piece, default_means_null: Flags, wanted: Sequence[str]) -> dict[str, Cells]:
        """The cells of rows; every column is read, since one that cannot be makes its record poison."""
        if not isinstance(row, Struct):
            raise IrregularError
        cells = {name: column.cells(row.members[name], default_means_null) for name, column in self._row.items()}
        return {name: cells[name] for name in wanted if name in cells}

    @property
    def connector(self) -> str:
        """The kind of the database."""
        return self._connector

    @property
    def is_whole(self) -> bool:
        """Whether the row before a change is read."""
        return self._is_whole

    @property
    def names(self) -> Sequence[str]:
        """The columns of rows."""
        return tuple(self._row)

    @property
    def nulls_kept(self) -> bool:
        """Whether NULL is never written as a default."""
        return self._nulls_kept


class _Batch:
    """One batch."""

    def __init__(self, plan: BatchPlan, records: RecordColumns, is_change: Flags, table: StreamTable) -> None:
        self._plan, self._table, self._is_change = plan, table, is_change
        self._count = int(is_change.sum())
        self._parts, self._offsets, self._stamps = records.parts, records.offsets, records.stamps

    def versions(self, key: Struct, envelope: Struct) -> Versions:
        plan, count = self._plan, self._count
        source = member(envelope, "source")
        if not isinstance(source, Struct):
            raise IrregularError
        marks, says_snapshot = snapshot_marks(source, count)
        kinds, births = self._kinds(texts(member(envelope, "op")), marks)
        may_be_null = np.zeros(count, np.bool_) if plan.nulls_kept else says_snapshot
        keys = plan.key_cells(key, len(self._is_change))
        ids = _identities(keys)
        gone = ~self._is_change
        gone[self._is_change] = kinds == Kind.DELETE
        if count < len(gone):
            self._require_deletes(ids, gone)
        cells = self._cells(keys, envelope, kinds, may_be_null)
        found = positions(source, plan.connector)
        is_backfill = kinds == Kind.BACKFILL
        marked = np.flatnonzero(~flags(pc.is_in(marks, _SAID_IN_STREAM)))
        seen = marked[kinds[marked] == Kind.BACKFILL]
        first, second, third = (np.where(is_backfill, 0, part) for part in found.parts)
        return Versions(
            plan.names if (kinds != Kind.DELETE).any() else (),
            self._parts[self._is_change],
            self._offsets[self._is_change],
            kinds,
            births,
            ids if count == len(gone) else ids.take(pa.array(np.flatnonzero(self._is_change))),
            found.streams,
            np.where(is_backfill, -1, found.stream),
            (first, second, third),
            list(zip(marked.tolist(), marks.take(pa.array(marked)).to_pylist(), strict=True)),
            told_times(envelope, self._stamps[self._is_change]),
            commit_times(source),
            transactions(envelope, source, plan.connector, count),
            found.texts if found.texts is not None else _places(found.parts[0], is_backfill),
            cells,
            seen,
            found.stream[seen],
            (found.parts[0][seen], found.parts[1][seen], found.parts[2][seen]),
            *self._edges(ids, gone),
            relations(source),
        )

    def _edges(
        self, ids: pa.StringArray, gone: Flags
    ) -> tuple[dict[int, int], dict[int, int], dict[int, str], dict[int, str | None]]:
        """Of each partition the last record and how many there are; keys of tombstones first and of deletes last."""
        rows = {int(part): np.flatnonzero(self._parts == part) for part in np.unique(self._parts)}
        last = {part: int(some[-1]) for part, some in rows.items()}
        begins = {part: ids[int(some[0])].as_py() for part, some in rows.items() if not self._is_change[some[0]]}
        ends = {part: ids[row].as_py() if gone[row] else None for part, row in last.items()}
        return last, {part: len(some) for part, some in rows.items()}, begins, ends

    def _require_deletes(self, ids: pa.StringArray, gone: Flags) -> None:
        """See to it that each tombstone follows a delete of its key, but for those that begin a partition.

        Raises:
            IrregularError: One does not: its delete is not there any more.
        """
        tombs = np.flatnonzero(~self._is_change)
        before = np.maximum(tombs - 1, 0)
        same = flags(pc.equal(ids.take(pa.array(tombs)), ids.take(pa.array(before))))
        follows = same & gone[before] & (self._parts[tombs] == self._parts[before]) & (tombs > 0)
        for row in tombs[~follows].tolist():  # few: those at the edges of what was fetched
            earlier = np.flatnonzero(self._parts[:row] == self._parts[row])
            if len(earlier) and not (gone[earlier[-1]] and ids[int(earlier[-1])] == ids[row]):
                raise IrregularError

    def _kinds(self, operations: pa.StringArray, marks: pa.StringArray) -> tuple[Any, Births]:
        """What each change does, and what it says of whether its row was there before."""
        codes = operations.dictionary_encode()
        letters = codes.dictionary.to_pylist()
        if any(letter not in _KINDS for letter in letters):
            raise IrregularError
        letter_of = codes.indices.to_numpy()
        kinds = np.asarray([int(_KINDS[letter]) for letter in letters], np.uint8)[letter_of]
        births = np.asarray([_BIRTHS[letter] for letter in letters], np.int32)[letter_of]
        found_by_snapshot = flags(pc.and_(pc.equal(operations, one("c")), pc.not_equal(marks, one(""))))
        kinds[found_by_snapshot] = int(Kind.BACKFILL)
        births[found_by_snapshot] = 0
        return kinds, births

    def _cells(self, keys: dict[str, Cells], envelope: Struct, kinds: Any, may_be_null: Flags) -> dict[str, Any]:
        """The cells of all columns that are kept."""
        wanted = self._table.columns
        if not self._is_change.all():
            rows = pa.array(np.flatnonzero(self._is_change))
            keys = {name: Cells(one.texts.take(rows), one.states[self._is_change]) for name, one in keys.items()}
        row = self._rows(envelope.members["after"], kinds != Kind.DELETE, may_be_null, wanted)
        if self._plan.is_whole:
            self._read_before(envelope.members.get("before"), may_be_null)
        absent = lacking(self._count, CellState.ABSENT)
        cells = {name: keys.get(name) or row.get(name) or absent for name in wanted}
        return {name: (one.texts, one.states) for name, one in cells.items()}

    def _rows(self, after: Piece, has_row: Flags, may_be_null: Flags, wanted: Sequence[str]) -> dict[str, Cells]:
        if not isinstance(after, Optional):
            return self._plan.row_cells(whole(after), may_be_null, wanted) if has_row.all() else _irregular()
        if (after.valid != has_row).any():
            raise IrregularError
        if isinstance(after.inner, Nothing):
            return {}
        cells = self._plan.row_cells(after.inner, may_be_null[has_row], wanted)
        return {name: column.spread(has_row, CellState.ABSENT) for name, column in cells.items()}

    def _read_before(self, before: Piece | None, may_be_null: Flags) -> None:
        """Rows before changes; nothing of them is kept, but what cannot be read makes a record poison."""
        if isinstance(before, Optional) and not isinstance(before.inner, Nothing):
            self._plan.row_cells(before.inner, may_be_null[before.valid], ())


def _places(numbers: Integers, is_backfill: Flags) -> pa.StringArray:
    """Places of changes that are not said by the position that is kept: that of a backfill is not its own."""
    if not is_backfill.any():
        return pa.nulls(len(numbers), pa.string())
    return spread(digits.position_texts(numbers[is_backfill]), is_backfill)


def _irregular() -> Any:
    raise IrregularError


def _identities(keys: dict[str, Cells]) -> pa.StringArray:
    parts: list[Any] = []
    for index, name in enumerate(sorted(keys)):
        parts += [one(","), _quoted(keys[name].texts)] if index else [_quoted(keys[name].texts)]
    return pc.binary_join_element_wise(one("["), *parts, one("]"), one(""))


def _quoted(array: pa.StringArray) -> pa.StringArray:
    """Texts as JSON writes them."""
    if _ESCAPED[octets_of(array)].any():
        return pa.array([json.dumps(text, ensure_ascii=False) for text in array.to_pylist()], pa.string())
    quoted = pc.binary_join_element_wise(one('"'), array, one('"'), one(""))
    return pc.fill_null(quoted, one("null")) if quoted.null_count else quoted


def database_is_common(connector: str) -> bool:
    """Whether the envelopes of a connector are read at once."""
    return connector == "postgresql" or connector in MYSQL
