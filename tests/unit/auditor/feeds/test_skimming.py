"""What is skimmed of a record is what understanding all of it tells: its key, and never a truncate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from auditor.feeds.decoded import Aside, AsideKind, Poison
from auditor.feeds.decoder import Decoder
from auditor.feeds.hints import ColumnHint
from auditor.feeds.options import DecodingOptions
from auditor.feeds.record import Record
from auditor.feeds.skimming import Skimming
from contracts.logical_types import Kind, LogicalType
from reconcilers.change import Change, ChangeKind
from tests.fixtures.debezium_sets import NAMES, DebeziumSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from auditor.feeds.decoded import Decoded
    from reconcilers.change import Cell

ALL_UNDERSTOOD = {"mysql-minimal-json", "pg-outbox-json", "pg-unwrap-avro"}
"""Sets of which no record may be skimmed: headers that say more, or no two records of a kind."""

TOPIC = "t"


def skimmed(
    records: Sequence[Record], columns: Mapping[str, set[str]], make: Callable[[], Decoder]
) -> list[tuple[Record, Mapping[str, Cell]]]:
    """The records whose keys were skimmed, with these, as an incremental run skims them."""
    decoder = make()
    skimming = Skimming(decoder, columns)
    first = skimming.unknown(records)
    for number, decoded in zip(first, decoder.decode([records[number] for number in first]), strict=True):
        skimming.learn(records[number], decoded)
    others = [record for number, record in enumerate(records) if number not in set(first)]
    return [(record, key) for record in others if (key := skimming.key(record)) is not None]


def key_columns(decoded: Sequence[Decoded]) -> dict[str, set[str]]:
    """Of each topic, the columns of its first key."""
    found: dict[str, set[str]] = {}
    for one in decoded:
        if isinstance(one, Change) and one.key:
            found.setdefault(one.place.topic, {*one.key})
    return found


@pytest.mark.parametrize("name", NAMES)
def test_of_recorded_topics_the_same_keys_are_told(name: str) -> None:
    """Every recorded set, whatever its format: what is skimmed is what the whole record tells."""
    recorded = DebeziumSet(name)

    def make() -> Decoder:
        return Decoder(DecodingOptions(wire="confluent", modes=recorded.modes), recorded.schemas, recorded.hints())

    whole = make().decode(recorded.records)
    columns = key_columns(whole)
    meant = {(one.topic, one.partition, one.offset): two for one, two in zip(recorded.records, whole, strict=True)}
    some = [one for one in recorded.records if one.topic in columns]
    found = skimmed(some, columns, make)
    assert bool(found) == (name not in ALL_UNDERSTOOD)
    for record, key in found:
        told = meant[record.topic, record.partition, record.offset]
        assert not (isinstance(told, Aside) and told.kind is not AsideKind.TOMBSTONE)
        if isinstance(told, Change):
            assert told.kind is not ChangeKind.TRUNCATE
            assert {column: told.key[column] for column in columns[record.topic]} == {
                column: key[column] for column in columns[record.topic]
            }
        if isinstance(told, Poison):
            assert told.key is not None


def change(number: int, operation: str = "u", **members: object) -> Record:
    """A change of a row as JSON without a schema, such as Debezium writes it for PostgreSQL."""
    source = {"connector": "postgresql", "name": "shop", "schema": "public", "table": "orders", "lsn": number,
              "txId": 7, "ts_ms": 1_770_000_000_000, "snapshot": "false"}  # fmt: skip
    value = {"before": None, "after": {"id": number}, "source": source, "op": operation, **members}
    key = None if operation == "t" else json.dumps({"id": number}).encode()
    return Record(TOPIC, 0, number, -1, key, json.dumps(value).encode(), ())


def keys(records: Sequence[Record], *columns: str) -> list[int]:
    """The offsets of what was skimmed."""

    def make() -> Decoder:
        return Decoder(DecodingOptions(), None, {TOPIC: {"id": ColumnHint(LogicalType(Kind.INT))}})

    return [record.offset for record, _ in skimmed(records, {TOPIC: set(columns)}, make)]


def test_all_but_the_first_of_its_kind_are_skimmed() -> None:
    assert keys([change(number) for number in range(4)], "id") == [1, 2, 3]


def test_what_may_be_a_truncate_is_understood() -> None:
    """Its operation may be anywhere in its bytes, and hidden behind an escape; with a key beside it, too."""
    hidden = Record(TOPIC, 0, 2, -1, b'{"id": 2}', b'{"op": "\\u0074", "after": null, "source": {}}', ())
    keyed = Record(TOPIC, 0, 3, -1, b'{"id": 3}', b'{"op":"t","after":null,"source":{}}', ())
    avro = Record(TOPIC, 0, 4, -1, b'{"id": 4}', b"\x00\x00\x00\x00\x01\x02t", ())
    assert keys([change(0), change(1, "t", after=None), hidden, keyed, avro, change(5)], "id") == [5]


def test_a_key_that_lacks_a_column_is_not_enough() -> None:
    """The row tells what the key does not."""
    assert keys([change(number) for number in range(4)], "id", "shop") == []


def test_headers_that_say_more_are_looked_at() -> None:
    """One may name another key, or say that it is an event of an outbox."""
    one = change(1)
    assert keys([change(0), Record(TOPIC, 0, 1, -1, one.key, one.value, (("__debezium.newkey", b"{}"),))], "id") == []


def test_where_the_key_of_the_change_is_another_one_nothing_is_skimmed() -> None:
    """MongoDB's records have an extended JSON as their key, and the document's own `_id` is what is meant."""
    documents = [
        Record(
            TOPIC, 0, number, -1, json.dumps({"id": f'{{"$numberLong": "{number}"}}'}).encode(),
            change(number, source={"connector": "mongodb", "collection": "orders", "db": "shop", "ord": 1,
                                   "ts_ms": 1_770_000_000_000},
                   after=json.dumps({"_id": number, "id": 9})).value, (),
        )
        for number in range(3)
    ]  # fmt: skip
    assert keys(documents, "id") == []
