"""Short ways to decode recorded sets and single records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from auditor.feeds.decoded import Aside, AsideKind, Decoded
from auditor.feeds.decoder import Decoder
from auditor.feeds.hints import ColumnHint
from auditor.feeds.options import DecodingOptions
from auditor.feeds.record import Record
from contracts.logical_types import Kind, LogicalType
from reconcilers.change import Change
from tests.fixtures.debezium_sets import DebeziumSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditor.feeds.wire import Headers


def decoded(name: str, **options: Any) -> list[Decoded]:
    """All records of a recorded set, decoded with what its database and connector are known to be."""
    recorded = DebeziumSet(name)
    chosen = DecodingOptions(**{"wire": "confluent", "modes": recorded.modes, **options})
    return Decoder(chosen, recorded.schemas, recorded.hints()).decode(recorded.records)


def changes(name: str, table: str, **options: Any) -> list[Change]:
    """The changes of one table, in the order of the topic."""
    return [entry for entry in decoded(name, **options) if isinstance(entry, Change) and entry.relation == table]


def asides(name: str, kind: AsideKind) -> list[Aside]:
    """The records of one kind that change no row."""
    return [entry for entry in decoded(name) if isinstance(entry, Aside) and entry.kind is kind]


def record(key: object, value: object, headers: Headers = (), topic: str = "t") -> Record:
    """A record of JSON; None is no bytes."""
    return Record(topic, 0, 0, -1, _json(key), _json(value), headers)


def _json(value: object) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else json.dumps(value).encode()


def decode(
    records: Record | Sequence[Record], hints: Mapping[str, ColumnHint] | None = None, **options: Any
) -> list[Decoded]:
    """Records of the topic `t`, whose `id` is known to be an integer, decoded."""
    several = [records] if isinstance(records, Record) else records
    known = {"id": ColumnHint(LogicalType(Kind.INT)), **(hints or {})}
    return Decoder(DecodingOptions(**options), None, {"t": known}).decode(several)


def change(one: Record, hints: Mapping[str, ColumnHint] | None = None, **options: Any) -> Change:
    """The change that one record tells."""
    (entry,) = decode(one, hints, **options)
    assert isinstance(entry, Change), entry
    return entry
