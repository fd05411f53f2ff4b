"""Positions, transactions and times of whole batches, from the `source` of their envelopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.feeds.bulk import digits
from auditor.feeds.bulk.cursor import IrregularError
from auditor.feeds.bulk.pieces import (
    Nothing,
    Optional,
    Struct,
    flags,
    integers,
    member,
    octets_of,
    offsets_of,
    one,
    spread,
    texts,
)
from auditor.feeds.debezium.envelope import TOLD_MILLIS_MAX, database, relation
from auditor.feeds.positions import position
from reconcilers.change import whole_name

if TYPE_CHECKING:
    from auditor.feeds.bulk.cursor import Flags, Integers
    from auditor.feeds.bulk.pieces import Piece

_SEQUENCE = r'^\[(?:null|"[0-9]{1,18}"), ?(?:null|"[0-9]{1,18}")\]$'
"""Part of what the reference takes."""

_RELATION = ("schema", "db", "table")
"""What of a source names a table."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Where changes stand in the owner's log.

    Attributes:
        streams: What positions are comparable within.
        stream: Which of them each change belongs to.
        parts: Three numbers a change, compared from the left.
        texts: For people; None where the first number says it all, as PostgreSQL's does.
    """

    streams: tuple[str, ...]
    stream: Integers
    parts: tuple[Integers, Integers, Integers]
    texts: pa.StringArray | None


def positions(source: Struct, connector: str) -> Positions:
    """The positions of a batch.

    Raises:
        IrregularError: They are not those of one connector, or some change has none.
    """
    if _only(texts(member(source, "connector"))) != connector:
        raise IrregularError
    name = _only(texts(member(source, "name")))
    return _postgresql(source, name) if connector == "postgresql" else _mysql(source, connector, name)


def _only(array: pa.StringArray) -> str:
    """The one text that all records have."""
    first = array[0].as_py()
    if not isinstance(first, str) or not _is_one(array):
        raise IrregularError
    return first


def _is_one(array: pa.StringArray) -> bool:
    """Whether all of some texts are the same."""
    return bool(pc.all(pc.equal(array, array[0])).as_py())


def _natural(piece: Piece) -> Integers:
    values = integers(piece)
    if (values < 0).any():
        raise IrregularError
    return values


def _postgresql(source: Struct, name: str) -> Positions:
    lsn = _natural(member(source, "lsn"))
    sequence = source.members.get("sequence")
    inner = sequence.inner if isinstance(sequence, Optional) else sequence
    if inner is not None and not isinstance(inner, Nothing):
        matches = pc.match_substring_regex(texts(inner), _SEQUENCE)
        if not pc.all(matches).as_py():
            raise IrregularError
    zeros = np.zeros(len(lsn), np.int64)
    return Positions((f"postgresql/{name}",), zeros, (lsn, zeros, zeros), None)


def _mysql(source: Struct, connector: str, name: str) -> Positions:
    """The files and the servers are few; each pair of them is understood by the reference."""
    files = texts(member(source, "file")).dictionary_encode()
    place, row = _natural(member(source, "pos")), _natural(member(source, "row"))
    servers, server_codes = np.unique(_natural(member(source, "server_id")), return_inverse=True)
    codes = files.indices.to_numpy()
    pairs, which = np.unique(codes * len(servers) + server_codes, return_inverse=True)
    found = []
    for file, server in zip(pairs // len(servers), pairs % len(servers), strict=True):
        told = {"connector": connector, "name": name, "pos": 0, "file": files.dictionary[int(file)].as_py()}
        found.append(position({**told, "server_id": int(servers[server])}))
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        raise IrregularError
    streams = tuple(dict.fromkeys(each.stream for each in known))
    stream = np.asarray([streams.index(each.stream) for each in known], np.int64)
    numbers = np.asarray([each.row[0] for each in known], np.int64)
    written = pc.binary_join_element_wise(files.dictionary_decode(), digits.integer_texts(place), one(":"))
    return Positions(streams, stream[which], (numbers[which], place, row), written)


def relations(source: Struct) -> dict[str, int]:
    """The tables that changes are about, as the reference names them; of each the first change's number.

    Raises:
        IrregularError: Some changes say, and some do not.
    """
    named = {name: texts(member(source, name)) for name in _RELATION if _is_told(source.members.get(name))}
    if "table" not in named:
        return {}
    told = [found.to_pylist() for found in named.values() if not _is_one(found)]
    if not told:
        return {_table({name: found[0].as_py() for name, found in named.items()}): 0}
    rows: dict[object, int] = {}
    for row, several in enumerate(zip(*told, strict=True)):
        rows.setdefault(several, row)
    first: dict[str, int] = {}
    for row in rows.values():
        first.setdefault(_table({name: found[row].as_py() for name, found in named.items()}), row)
    return first


def _table(told: dict[str, Any]) -> str:
    return whole_name(database(told), relation(told))


def _is_told(piece: Piece | None) -> bool:
    """Whether some change has it."""
    inner = piece.inner if isinstance(piece, Optional) else piece
    return inner is not None and not isinstance(inner, Nothing)


def transactions(envelope: Struct, source: Struct, connector: str, count: int) -> pa.StringArray:
    """The ids of transactions, without what differs from change to change; empty where unknown.

    Raises:
        IrregularError: Some are told in an unusual way.
    """
    own = _own_ids(source.members.get("txId" if connector == "postgresql" else "gtid"), count)
    block = envelope.members.get("transaction")
    if (
        block is None
        or isinstance(block, Nothing)
        or (isinstance(block, Optional) and isinstance(block.inner, Nothing))
    ):
        return own
    valid = block.valid if isinstance(block, Optional) else np.ones(count, np.bool_)
    inner = block.inner if isinstance(block, Optional) else block
    if not isinstance(inner, Struct):
        raise IrregularError
    ids = texts(member(inner, "id"))
    if flags(pc.equal(ids, one(""))).any():
        raise IrregularError
    if connector == "postgresql":
        ids = _before_colons(ids)
    return ids if valid.all() else pc.coalesce(spread(ids, valid), own)


def _before_colons(ids: pa.StringArray) -> pa.StringArray:
    """Texts up to the first colon in each, and whole where there is none."""
    offsets, octets = offsets_of(ids), octets_of(ids)
    colons = np.flatnonzero(octets == ord(":")) + offsets[0]
    if len(colons) != len(ids) or (colons < offsets[:-1]).any() or (colons >= offsets[1:]).any():
        return pc.replace_substring_regex(ids, "(?s):.*", "")
    places = np.empty(2 * len(ids) + 1, np.int32)  # what is before a colon and what is behind it, in turn
    places[::2], places[1::2] = offsets, colons
    parts = pa.Array.from_buffers(pa.string(), 2 * len(ids), [None, pa.py_buffer(places), ids.buffers()[2]])
    return parts.take(pa.array(np.arange(0, 2 * len(ids), 2, dtype=np.int32)))


def _own_ids(piece: Piece | None, count: int) -> pa.StringArray:
    if piece is None or isinstance(piece, Nothing):
        return _empty(count)
    if not isinstance(piece, Optional):
        return _id_texts(piece)
    if isinstance(piece.inner, Nothing):
        return _empty(count)
    return pc.fill_null(spread(_id_texts(piece.inner), piece.valid), one(""))


def _id_texts(piece: Piece) -> pa.StringArray:
    from auditor.feeds.bulk.pieces import Texts

    return piece.array if isinstance(piece, Texts) else digits.integer_texts(integers(piece))


def _empty(count: int) -> pa.StringArray:
    return pa.repeat(one(""), count)


def commit_times(source: Struct) -> Integers:
    """When changes were committed, in microseconds since 1970.

    Raises:
        IrregularError: Some change does not tell, or no calendar has it.
    """
    micros = source.members.get("ts_us")
    if isinstance(micros, Optional) and micros.valid.all():
        micros = micros.inner
    if micros is None or isinstance(micros, Nothing) or (isinstance(micros, Optional) and not micros.valid.any()):
        millis = integers(member(source, "ts_ms"))
        _require(millis, digits.FIRST_MICROS // 1000, digits.LAST_MICROS // 1000)
        return millis * 1000
    told = integers(micros)
    _require(told, digits.FIRST_MICROS, digits.LAST_MICROS)
    return told


def told_times(envelope: Struct, stamps: Integers) -> Integers:
    """When the connector told changes, in milliseconds since 1970; the records' own times where it does not say."""
    piece = envelope.members.get("ts_ms")
    valid = np.ones(len(stamps), np.bool_)
    if isinstance(piece, Optional):
        valid, piece = piece.valid, piece.inner
    if piece is None or isinstance(piece, Nothing):
        return stamps
    told = stamps.copy()
    told[valid] = integers(piece)
    return np.where((told >= 0) & (told <= TOLD_MILLIS_MAX), told, stamps)


def _require(values: Integers, first: int, last: int) -> None:
    if len(values) and (values.min() < first or values.max() > last):
        raise IrregularError


def snapshot_marks(source: Struct, count: int) -> tuple[pa.StringArray, Flags]:
    """Which snapshot each change was read by, empty for streamed ones; and where the source tells it.

    Raises:
        IrregularError: They are told in an unusual way.
    """
    piece = source.members.get("snapshot")
    if (
        piece is None
        or isinstance(piece, Nothing)
        or (isinstance(piece, Optional) and isinstance(piece.inner, Nothing))
    ):
        return _empty(count), np.zeros(count, np.bool_)
    valid = piece.valid if isinstance(piece, Optional) else np.ones(count, np.bool_)
    marks = texts(piece.inner if isinstance(piece, Optional) else piece)
    streamed = pc.equal(marks, one("false"))
    if pc.all(streamed).as_py():
        return _empty(count), valid
    return pc.fill_null(spread(pc.if_else(streamed, one(""), marks), valid), one("")), valid
