"""Which row a record is about, by its key alone: of a thousand changes of rows, no value need be understood.

A value is understood of the first record of each kind, a kind being a topic with how its values begin: by the same
schema, or as a JSON object.  Where the change that it tells has the record's own key, that of all others of its kind is
theirs too.  Not skimmed are records whose headers say more, those without a value, and those whose value may be a
truncate, which is about every row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.feeds.wire import telling
from reconcilers.change import Change, ChangeKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from auditor.feeds.decoded import Decoded
    from auditor.feeds.decoder import Decoder
    from auditor.feeds.record import Record
    from reconcilers.change import Cell

_OBJECT, _CONFLUENT, _CONFLUENT_BYTES = b"{", b"\0", 5
_TRUNCATES = (b'"t"', b"\x02t")
"""What a value that tells a truncate holds: its operation, as JSON writes it and as Avro does."""

_ESCAPED = b"\\u"
"""What JSON may hide any character behind."""

Kind = tuple[str, bytes]


class Skimming:
    """Skims the records of one feed.

    Args:
        decoder: Reads keys.
        columns: Of each topic: the columns that a key must tell.
    """

    def __init__(self, decoder: Decoder, columns: Mapping[str, Collection[str]]) -> None:
        self._decoder = decoder
        self._columns = columns
        self._known: dict[Kind, bool] = {}

    def unknown(self, records: Sequence[Record]) -> list[int]:
        """The places of records that must be understood before others can be skimmed: the first of each new kind."""
        met: set[Kind] = set()
        found = []
        for number, record in enumerate(records):
            kind = _kind(record)
            if kind is None or (kind not in self._known and kind not in met):
                found.append(number)
            if kind is not None:
                met.add(kind)
        return found

    def key(self, record: Record) -> Mapping[str, Cell] | None:
        """The key of a record that need not be understood; None of one that must be."""
        kind = _kind(record)
        if kind is None or not self._known.get(kind, False):
            return None
        key = self._decoder.key(record)
        if key is None or not all(isinstance(key.get(column), str) for column in self._columns[record.topic]):
            return None
        return key

    def learn(self, record: Record, decoded: Decoded) -> None:
        """Learn from a record that was understood what those of its kind are."""
        kind = _kind(record)
        if kind is None:
            return
        plain = isinstance(decoded, Change) and decoded.kind is not ChangeKind.TRUNCATE
        plain = plain and decoded.key == self._decoder.key(record)
        self._known[kind] = plain and self._known.get(kind, True)


def _kind(record: Record) -> Kind | None:
    """What a record is to be taken for before it is understood; None: for nothing else than itself."""
    value = record.value
    if telling(record.headers) or not value or any(sign in value for sign in _TRUNCATES):
        return None
    if value.startswith(_OBJECT):
        return None if _ESCAPED in value else (record.topic, _OBJECT)
    if value.startswith(_CONFLUENT):
        return record.topic, value[:_CONFLUENT_BYTES]
    return None
