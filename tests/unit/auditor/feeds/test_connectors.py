"""Connectors and forms that no recorded set has: written from their documentation."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.feeds.debezium import outbox
from auditor.feeds.debezium.envelope import Told
from auditor.feeds.decoded import Aside, AsideKind, Poison
from auditor.feeds.decoder import Decoder
from auditor.feeds.hints import ColumnHint
from auditor.feeds.options import DecodingOptions
from auditor.feeds.shape import BadValueError
from contracts.logical_types import parse_logical_type
from reconcilers.change import Change, ChangeKind, Lack, Place
from tests.unit.auditor.feeds.reading import change, decode, decoded, record

INT, TEXT = ColumnHint(parse_logical_type("int")), ColumnHint(parse_logical_type("text"))
HINTS = {"id": INT, "v": TEXT, "_id": INT}


def sqlserver(operation: str, after: Any, before: Any = None, event: int = 1, **more: Any) -> dict[str, Any]:
    source = {
        "version": "3.5.0.Final", "connector": "sqlserver", "name": "shop", "ts_ms": 1559729471739,
        "snapshot": "false", "db": "testDB", "schema": "dbo", "table": "orders",
        "change_lsn": "00000027:00000758:0003", "commit_lsn": "00000027:00000758:0005", "event_serial_no": event,
        **more,
    }  # fmt: skip
    return {"before": before, "after": after, "source": source, "op": operation, "ts_ms": 1559729471739}


def test_sql_servers_envelope() -> None:
    told = change(record({"id": 1}, sqlserver("u", {"id": 1, "v": "b"}, {"id": 1, "v": "a"})), HINTS)
    assert (told.kind, told.relation, told.source) == (ChangeKind.WRITE, "dbo.orders", "sqlserver")
    assert told.row == {"id": "1", "v": "b"}
    assert told.before == {}  # large values are NULL in it
    assert told.transaction == "00000027:00000758:0005"
    assert told.position is not None
    assert told.position.commit == 0x000000270000075800_05


def test_sql_servers_snapshot_has_no_change_lsn() -> None:
    told = change(record({"id": 1}, sqlserver("r", {"id": 1}, change_lsn=None, snapshot="true")), HINTS)
    assert told.kind is ChangeKind.BACKFILL
    assert told.position is not None
    assert told.position.row[2] % 2**29 == 1
    assert all(0 <= part < 2**63 for part in told.position.row)


def mongodb(operation: str, after: str | None, **more: Any) -> dict[str, Any]:
    source = {
        "connector": "mongodb", "name": "shop", "ts_ms": 1558965508000, "snapshot": "false", "db": "inventory",
        "collection": "customers", "ord": 31, "lsid": None, "txnNumber": None,
    }  # fmt: skip
    return {"after": after, "source": source, "op": operation, "ts_ms": 1558965515240, **more}


def test_mongodbs_documents_are_extended_json_in_texts() -> None:
    document = (
        '{"_id": {"$numberLong": "1004"}, "name": "Anne", "score": 1.50, "at": {"$date": 1558965508123},'
        ' "tags": ["a", {"$oid": "64b"}], "gone": null, "is": true}'
    )
    told = change(record({"id": "1004"}, mongodb("c", document)))
    assert told.row == {
        "_id": "1004", "name": "Anne", "score": "1.50", "at": "2019-05-27T13:58:28.123000Z", "tags": '["a","64b"]',
        "gone": None, "is": "true",
    }  # fmt: skip
    assert told.key == {"_id": "1004"}
    assert (told.relation, told.source) == ("inventory.customers", "mongodb")


@pytest.mark.parametrize("operation", ["c", "u", "r"])
def test_what_a_whole_document_lacks_is_null(operation: str) -> None:
    """A document has no columns that could be left out: a member that was removed is not there."""
    assert change(record({"id": "4"}, mongodb(operation, '{"_id": 4}'))).lacking is None


def test_what_a_document_s_description_lacks_is_as_it_was() -> None:
    description = {"updatedFields": '{"name": "Ann"}', "removedFields": None, "truncatedArrays": None}
    assert change(record({"id": "1"}, mongodb("u", None, updateDescription=description))).lacking is Lack.KEPT


def test_mongodbs_key_is_json_in_a_text() -> None:
    document = '{"_id": "1004"}'
    assert change(record({"id": '"1004"'}, mongodb("c", document))).key == {"_id": "1004"}
    assert change(record({"id": '{"$oid": "64b"}'}, mongodb("c", document))).key == {"_id": "64b"}


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ({"ID": 4}, "no contract names it, and the record does not tell its type (`id` is named, and names have to be"),
        ({"region": 4}, "(named are _id, id, v)"),
    ],
)
def test_a_column_of_a_key_that_no_contract_names_is_told_with_those_that_are(key: object, says: str) -> None:
    (told,) = decode(record(key, {"v": "a"}), HINTS, form="flattened")
    assert isinstance(told, Poison)
    assert says in told.error


def test_mongodbs_tombstones_have_its_keys() -> None:
    """One that is all that is left of a delete says by its own key which document has gone."""
    told = decode([record({"id": "4"}, mongodb("r", '{"_id": 4}')), record({"id": "4"}, None)])[1]
    assert isinstance(told, Aside)
    assert (told.kind, told.key) == (AsideKind.TOMBSTONE, {"_id": "4"})


@pytest.mark.parametrize(("value", "kind"), [({"_id": 4, "v": "a"}, ChangeKind.WRITE), (None, ChangeKind.DELETE)])
def test_documents_that_were_flattened_have_mongodbs_keys(value: object, kind: ChangeKind) -> None:
    """A contract that names `_id` and no `id` tells it: such records do not say what database they are of."""
    decoder = Decoder(DecodingOptions(form="flattened"), None, {"t": {"_id": INT, "v": TEXT}})
    (told,) = decoder.decode([record({"id": "4"}, value)])
    assert isinstance(told, Change)
    assert (told.kind, told.key) == (kind, {"_id": "4"})


def test_mongodbs_update_without_a_document_is_no_delete() -> None:
    """The document had gone when it was looked up; what the update says is a part of the row."""
    description = {
        "updatedFields": '{"name": "Ann", "address.city": "Paris"}', "removedFields": ["phone"],
        "truncatedArrays": None,
    }  # fmt: skip
    told = change(record({"id": "1"}, mongodb("u", None, updateDescription=description)))
    assert told.kind is ChangeKind.WRITE
    assert told.partial
    assert told.row == {"name": "Ann", "address": Lack.UNREADABLE, "phone": None}


def test_mongodbs_update_that_tells_nothing_leaves_its_key_undecided() -> None:
    (entry,) = decode(record({"id": "1"}, mongodb("u", None)))
    assert isinstance(entry, Poison)
    assert entry.key == {"_id": "1"}


def test_a_key_that_is_unreadable_is_poison_and_is_taken_for_no_other() -> None:
    one = record({"at": 1709212455123}, {"at": 1709212455123, "v": "a"})
    (entry,) = decode(one, HINTS)
    assert isinstance(entry, Poison)
    assert "column at of the key is unreadable" in entry.error
    assert entry.key is None


def test_a_mongodb_delete_has_no_row() -> None:
    told = change(record({"id": "1"}, mongodb("d", None)))
    assert (told.kind, told.key, told.row) == (ChangeKind.DELETE, {"_id": "1"}, {})


def test_old_connectors_have_a_boolean_for_the_snapshot_and_milliseconds_only() -> None:
    source = {"connector": "postgresql", "name": "s", "ts_ms": 1500, "snapshot": True, "lsn": 5, "schema": "p",
              "table": "t"}  # fmt: skip
    told = change(record({"id": 1}, {"before": None, "after": {"id": 1}, "source": source, "op": "r"}), HINTS)
    assert told.snapshot == "true"
    assert told.committed_at is not None
    assert told.committed_at.microsecond == 500_000


def test_an_insert_that_a_snapshot_read_is_a_backfill_whatever_its_letter() -> None:
    source = {"connector": "mysql", "name": "s", "ts_ms": 1, "snapshot": "true", "db": "p", "table": "t"}
    told = change(record({"id": 1}, {"before": None, "after": {"id": 1}, "source": source, "op": "c"}), HINTS)
    assert told.kind is ChangeKind.BACKFILL


def test_a_delete_in_a_flattened_topic_is_a_record_without_a_value() -> None:
    """Also where it is the first record of its topic that is seen: the others tell what it is."""
    told = decode([record({"id": 1}, None), record({"id": 2}, {"id": 2})], HINTS)
    assert [entry.kind for entry in told if isinstance(entry, Change)] == [ChangeKind.DELETE, ChangeKind.WRITE]


def test_after_a_delete_that_was_told_a_record_without_a_value_says_nothing() -> None:
    """Else a tombstone that a crash repeats would delete what was written since."""
    told = decode([record({"id": 1}, {"id": 1, "__deleted": "true"}), record({"id": 1}, None)], HINTS)
    assert isinstance(told[0], Change)
    assert told[0].kind is ChangeKind.DELETE
    assert isinstance(told[1], Aside)
    assert told[1].kind is AsideKind.TOMBSTONE


def test_the_settings_decide_what_a_record_without_a_value_is() -> None:
    (told,) = decode(record({"id": 1}, None), HINTS, form="flattened")
    assert isinstance(told, Change)
    (told,) = decode(record({"id": 1}, None), HINTS, form="envelope")
    assert isinstance(told, Aside)


def test_the_prefix_of_added_fields_can_be_another_one() -> None:
    told = change(record({"id": 1}, {"id": 1, "x_op": "r", "x_lsn": 5}), HINTS, prefix="x_")
    assert (told.kind, told.row) == (ChangeKind.BACKFILL, {"id": "1"})
    assert told.position is not None


def test_fields_that_a_router_added_to_the_key_are_no_columns() -> None:
    told = change(record({"id": 1, "__dbz__physicalTableIdentifier": "s1.p.t"}, {"id": 1}), HINTS)
    assert told.key == {"id": "1"}


def test_a_key_that_is_bare_text_is_read_where_the_settings_say_so() -> None:
    one = record(b"o-1", {"id": 1})
    assert isinstance(decode(one, HINTS)[0], Poison)
    assert change(one, HINTS, text_keys=True).key == {"": "o-1"}


def test_a_key_in_a_header_that_cannot_be_read_is_not_guessed() -> None:
    headers = (("__debezium.newkey", b"{id: 1}"),)
    envelope = {"before": None, "after": None, "source": {"connector": "postgresql", "lsn": 1}, "op": "d"}
    assert change(record({"id": 1}, envelope, headers), HINTS).other_key == {"id": Lack.UNREADABLE}


def test_a_payload_of_an_outbox_that_is_json_in_a_text_is_read() -> None:
    headers = (("id", b"00000000-0000-0000-0000-000000000001"),)
    told = change(record("o-1", '{"total": 12.50, "note": null}', headers))
    assert told.row == {"total": "12.50", "note": None}
    assert told.event_id == "00000000-0000-0000-0000-000000000001"


def test_an_envelope_is_no_event_of_an_outbox_whatever_the_settings_say() -> None:
    """Its members would be taken for columns, and none of the row's for what it holds."""
    headers = (("id", b"00000000-0000-0000-0000-000000000001"),)
    (told,) = decode(record({"id": 1}, sqlserver("u", {"id": 1}), headers), HINTS, form="outbox")
    assert isinstance(told, Poison)
    assert told.error.startswith("it is the envelope of a row's change, no outbox event (see `debezium: {records:")
    assert told.key == {"id": "1"}


@pytest.mark.parametrize("member", [b"\x01", [b"\x01"], {"inner": b"\x01"}])
def test_bytes_in_an_event_of_an_outbox_are_refused_by_name(member: Any) -> None:
    """Avro has bytes, and nobody said what they mean in a service's own JSON."""
    told = Told(Place("t", 0, 0), {"id": "1"})
    with pytest.raises(BadValueError, match=r"^column image: it holds bytes, and an outbox event is JSON$"):
        outbox.change({"id": 1, "image": member}, told, "e-1", "Placed")


def test_avro_envelopes_under_settings_for_an_outbox_become_poison_with_their_keys() -> None:
    """Those with headers, which are what could be events; nothing of them is lost."""
    events = [entry for entry in decoded("pg-txn-avro", form="outbox") if isinstance(entry, Poison)]
    assert events
    assert all("no outbox event" in event.error and event.key for event in events)


def test_a_notification_is_no_row() -> None:
    value = {"id": "1", "aggregate_type": "Initial Snapshot", "type": "COMPLETED", "additional_data": {}}
    (told,) = decode(record(None, value))
    assert isinstance(told, Aside)
    assert told.kind is AsideKind.NOTIFICATION


def test_cloud_events_are_refused_and_not_taken_for_rows() -> None:
    (told,) = decode(record(None, {"specversion": "1.0", "id": "1", "source": "/s", "type": "x", "data": {}}))
    assert isinstance(told, Poison)


@pytest.mark.parametrize("operation", ["x", None, 1, "cc"])
def test_an_operation_that_is_not_known_is_poison(operation: Any) -> None:
    (told,) = decode(record({"id": 1}, sqlserver(operation, {"id": 1})), HINTS)
    assert isinstance(told, Poison)


def test_a_delete_with_a_row_after_it_is_poison() -> None:
    (told,) = decode(record({"id": 1}, sqlserver("d", {"id": 1})), HINTS)
    assert isinstance(told, Poison)


@pytest.mark.parametrize(
    "source",
    [
        {"connector": "postgresql", "lsn": 2**63},
        {"connector": "mysql", "file": "binlog." + "9" * 5000, "pos": 4},
        {"connector": "mysql", "file": "binlog.1", "pos": 4, "gtid": ["x"]},
        {"connector": ["postgresql"], "snapshot": {"a": 1}, "ts_us": "x"},
        {"connector": "postgresql", "ts_us": 10**30},
        "x",
        [1],
    ],
)
def test_a_source_of_strange_types_is_poison_or_no_position_and_never_an_error(source: Any) -> None:
    envelope = {"before": None, "after": {"id": 1}, "source": source, "op": "c"}
    (told,) = decode(record({"id": 1}, envelope), HINTS)
    assert isinstance(told, Poison) or told.position is None


@pytest.mark.parametrize("after", ["x", 5, [1], True, {"id": {"a": 1}}])
def test_a_row_of_strange_types_is_poison_or_unreadable(after: Any) -> None:
    (told,) = decode(record({"id": 1}, sqlserver("c", after)), HINTS)
    assert isinstance(told, Poison) or (isinstance(told, Change) and told.row["id"] is Lack.UNREADABLE)


def test_a_document_without_end_is_poison() -> None:
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    (told,) = decode(record({"id": 1}, deep), HINTS)
    assert isinstance(told, Poison)
