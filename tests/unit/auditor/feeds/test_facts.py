"""What was seen of real connectors, each fact as a test that names it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from auditor.feeds.decoded import Aside, AsideKind
from auditor.feeds.decoder import Decoder
from auditor.feeds.hints import ColumnHint, Modes
from auditor.feeds.options import DecodingOptions
from auditor.feeds.positions import compare
from contracts.logical_types import Kind, LogicalType
from reconcilers.change import Change, ChangeKind, DefaultOrNull, Lack
from tests.fixtures.debezium_sets import DebeziumSet
from tests.fixtures.fold import fold
from tests.unit.auditor.feeds.reading import asides, changes, decoded, record

# --- NULL and defaults


def test_null_in_a_nullable_column_with_a_default_may_arrive_as_the_default() -> None:
    """With the Avro converters of Confluent and Apicurio, and with the JSON converter."""
    for name in ("pg-nulldef-avro", "pg-nulldef-avro-apicurioconv"):
        row = next(change.row for change in changes(name, "app.nulldef") if change.key == {"id": "4"})
        assert row["d_text"] == DefaultOrNull("dflt")
        assert row["d_int"] == DefaultOrNull("42")
        assert row["d_num"] == DefaultOrNull("9.99")
        assert row["d_bool"] == DefaultOrNull("true")
        assert row["plain"] is None


def test_a_default_that_is_a_function_arrives_as_the_beginning_of_1970() -> None:
    row = next(change.row for change in changes("pg-nulldef-avro", "app.nulldef") if change.key == {"id": "2"})
    assert row["d_ts"] == DefaultOrNull("1970-01-01T00:00:00.000000Z")


def test_a_value_beside_the_default_is_no_null() -> None:
    row = next(change.row for change in changes("pg-nulldef-avro", "app.nulldef") if change.key == {"id": "3"})
    assert row["d_ts"] == "2026-11-21T04:57:42.829238Z"


def test_arrays_with_a_default_arrive_as_they_are() -> None:
    row = next(change.row for change in changes("pg-nulldef-avro", "app.nulldef") if change.key == {"id": "2"})
    assert row["d_arr"] is None


def test_a_converter_that_keeps_null_shows_it_by_a_snapshot_mark_of_null() -> None:
    """`source.snapshot` has a default itself: where it comes as NULL, NULL is NULL and a default is a default."""
    recorded = DebeziumSet("pg-types-json-schema")
    original = next(r for r in recorded.records if b'"snapshot":"false"' in (r.value or b"") and "types_all" in r.topic)
    assert original.value is not None
    kept = replace(original, value=original.value.replace(b'"snapshot":"false"', b'"snapshot":null'))
    decoder = Decoder(DecodingOptions(), None)
    told, exact = decoder.decode([original, kept])
    assert isinstance(told.row["c_def_text"], DefaultOrNull | str)  # type: ignore[union-attr]
    assert not [cell for cell in exact.row.values() if isinstance(cell, DefaultOrNull)]  # type: ignore[union-attr]


# --- before-images


def test_a_before_image_under_replica_identity_default_is_invented_and_not_taken() -> None:
    """Columns outside the key come with zeros and defaults in it."""
    assert all(not change.before for change in changes("pg-ri-avro", "app.ri_default"))


def test_a_before_image_is_taken_where_it_is_said_to_be_whole() -> None:
    topic = "pg-ri-avro.app.nopk_full"
    deletes = [c for c in changes("pg-ri-avro", "app.nopk_full", whole_before=frozenset({topic})) if c.operation == "d"]
    assert [delete.before for delete in deletes] == [{"a": "1", "b": "a"}]


def test_the_before_images_of_mariadb_and_mysql_are_whole() -> None:
    update = next(c for c in changes("my-txn-avro", "m1.ops") if c.operation == "u")
    assert set(update.before) == {"tenant", "id", "v", "n", "upd"}


def test_a_delete_under_an_index_identity_names_a_key_of_zeros() -> None:
    """And a change of key is an update of the new key: neither can be seen in the record alone."""
    told = changes("pg-ri-avro", "app.ri_index")
    assert [c.key for c in told if c.kind is ChangeKind.DELETE] == [{"id": "0"}, {"id": "0"}]
    folded = fold(decoded("pg-ri-avro"))["app.ri_index"]
    assert folded.said == {"a delete of a key that was never there", "an update of a key that was never there"}


# --- values that were left as they were


def test_a_large_value_that_was_left_as_it_was_is_kept_in_every_type() -> None:
    expected = {"c_big", "c_bigbytea", "c_bigjsonb", "c_bigintarr", "c_bigtextarr"}
    for name in ("pg-types-avro", "pg-types-json", "pg-types-json-schema"):
        updates = [c for c in changes(name, "shop.types_all") if c.operation in "uc"]
        kept = {column for c in updates for column, cell in c.row.items() if cell is Lack.KEPT}
        assert kept == expected, name


def test_in_base64_mode_a_kept_value_is_null_and_cannot_be_told_from_null() -> None:
    told = changes("pg-types-avro-string-isostring", "shop.types_all")
    assert {c.row["c_bigbytea"] for c in told if c.operation == "u"} == {Lack.UNREADABLE}


def test_the_write_after_a_change_of_key_has_kept_values_that_stand_under_the_old_key() -> None:
    write = next(c for c in changes("pg-ri-avro", "app.ri_default") if c.operation == "c")
    assert write.row["big"] is Lack.KEPT
    assert write.other_key == {"id": "1", "k": "x"}
    folded = fold(decoded("pg-ri-avro"))["app.ri_default"]
    assert {str(row["big"])[:3] for row in folded.rows() if row["k"] == "xx"} == {"DDD"}


def test_under_replica_identity_full_large_values_are_told() -> None:
    assert not [c for c in changes("pg-ri-avro", "app.ri_full") if Lack.KEPT in c.row.values()]


def test_the_placeholder_can_be_configured() -> None:
    told = changes("pg-ri-avro", "app.ri_default", placeholder="something else")
    assert "__debezium_unavailable_value" in {c.row.get("big") for c in told}


# --- changes of key, truncates, order


def test_a_change_of_key_is_a_delete_and_a_write_that_name_each_other() -> None:
    """Headers are JSON even where keys are Avro; both have one position and one transaction."""
    delete, write = (c for c in changes("pg-txn-avro", "app.acct") if c.other_key is not None)
    assert (delete.kind, delete.key, delete.other_key) == (ChangeKind.DELETE, {"id": "11"}, {"id": "111"})
    assert (write.kind, write.key, write.other_key) == (ChangeKind.WRITE, {"id": "111"}, {"id": "11"})
    assert write.position is not None
    assert delete.position is not None
    assert (delete.position.row, delete.transaction) == (write.position.row, write.transaction)


def test_the_tombstone_after_a_delete_says_nothing_more_and_names_its_key() -> None:
    keys = [aside.key for aside in asides("pg-ri-avro", AsideKind.TOMBSTONE) if "ri_default" in aside.place.topic]
    assert keys == [{"id": "1", "k": "x"}, {"id": "2", "k": "y"}]


def test_a_truncate_has_no_key_and_removes_what_stands_before_its_position() -> None:
    truncate = next(c for c in changes("pg-types-avro", "shop.trunc_me") if c.kind is ChangeKind.TRUNCATE)
    assert (truncate.key, truncate.row, truncate.operation) == ({}, {}, "t")
    assert [row["v"] for row in fold(decoded("pg-types-avro"))["shop.trunc_me"].rows()] == ["after"]


def test_records_follow_commits_and_not_positions() -> None:
    """The later transaction has the lower LSN; what orders transactions is the commit before them."""
    later = next(c for c in changes("pg-txn-avro", "app.acct") if c.transaction == "851")
    earlier = next(c for c in changes("pg-txn-avro", "app.acct") if c.transaction == "852")
    assert later.place.offset > earlier.place.offset
    assert later.position is not None
    assert earlier.position is not None
    assert later.position.row < earlier.position.row
    assert later.position.commit is not None
    assert (earlier.position.commit or 0) <= later.position.commit


def test_commit_positions_never_go_back_within_a_partition() -> None:
    for name in ("pg-txn-avro", "my-txn-avro", "mysql-types-avro", "pg-evolve-avro"):
        last: dict[tuple[str, int], int] = {}
        for c in decoded(name):
            position = getattr(c, "position", None)
            if position is not None and position.commit is not None and not getattr(c, "snapshot", ""):
                partition = (c.place.topic, c.place.partition)
                assert last.get(partition, 0) <= position.commit
                last[partition] = position.commit


def test_postgresqls_transaction_id_is_the_part_before_the_colon() -> None:
    """What comes after it differs from change to change, and between BEGIN and END."""
    marks = [aside.facts for aside in asides("pg-txn-avro", AsideKind.TRANSACTION)]
    assert [(m["status"], m["transaction"]) for m in marks[2:4]] == [("BEGIN", "851"), ("END", "851")]
    assert marks[2]["id"] != marks[3]["id"]
    told = [c for c in changes("pg-txn-avro", "app.acct") if c.transaction == "851"]
    assert int(marks[3]["event_count app.acct"]) == len(told)


def test_mariadbs_transaction_is_its_gtid_and_a_begin_may_have_no_end() -> None:
    marks = [aside.facts for aside in asides("my-txn-avro", AsideKind.TRANSACTION)]
    assert marks[0]["transaction"] == "0-223344-272"
    begun, ended = ({m["id"] for m in marks if m["status"] == status} for status in ("BEGIN", "END"))
    assert ended < begun
    gtids = {c.transaction for c in changes("my-txn-avro", "m1.ops") if not c.snapshot}
    assert gtids <= ended


def test_what_was_rolled_back_never_appears() -> None:
    keys = {c.key["id"] for c in changes("pg-txn-avro", "app.acct")}
    assert keys == {str(number) for number in (1, 2, 3, 4, *range(10, 20), 111)}


# --- snapshots


def test_rows_of_a_snapshot_are_a_backfill_with_its_mark() -> None:
    told = changes("pg-txn-avro", "app.acct")
    assert [(c.kind, c.snapshot) for c in told[:2]] == [
        (ChangeKind.BACKFILL, "first"),
        (ChangeKind.BACKFILL, "last_in_data_collection"),
    ]
    assert {c.snapshot for c in told[2:]} == {""}


def test_an_incremental_snapshot_has_no_position_and_may_come_after_changes() -> None:
    told = changes("pg-incremental-avro", "app.inc")
    backfill = [c for c in told if c.snapshot == "incremental"]
    assert len(backfill) == 40
    assert {c.position for c in backfill} == {None}
    last = backfill[-1].place.offset
    assert any(c.operation == "u" and c.place.offset < last for c in told), "no row was read after a change"


_LOG_ENTRY = record({"id": "1"}, {
    "before": None, "after": {"id": "1", "type": "log", "data": "y"}, "op": "c", "ts_ms": 2,
    "source": {"connector": "postgresql", "name": "shop", "schema": "public", "table": "event", "lsn": 7, "ts_ms": 1},
})  # fmt: skip


def test_the_signal_table_is_no_table_where_nobody_names_it() -> None:
    """It is told by its rows, with or without a schema."""
    recorded = DebeziumSet("pg-incremental-avro")
    told = Decoder(DecodingOptions(wire="confluent"), recorded.schemas).decode(recorded.records)
    signals = [one.facts["type"] for one in told if isinstance(one, Aside) and one.kind is AsideKind.SIGNAL]
    assert Counter(signals) == {"execute-snapshot": 1, "snapshot-window-open": 5, "snapshot-window-close": 5}
    assert "app.dbz_signal" not in {one.relation for one in told if isinstance(one, Change)}
    (plain,) = Decoder(DecodingOptions()).decode([_LOG_ENTRY])
    assert isinstance(plain, Aside)
    assert (plain.kind, dict(plain.facts)) == (AsideKind.SIGNAL, {"id": "1", "type": "log"})


def test_the_rows_of_a_topic_that_is_named_are_rows_whatever_they_look_like() -> None:
    """A business may have a table of these columns, and a contract may name the connector's own."""
    assert not asides("pg-incremental-avro", AsideKind.SIGNAL)
    assert len(changes("pg-incremental-avro", "app.dbz_signal")) == 11
    hints = {"t": {name: ColumnHint(LogicalType(Kind.TEXT)) for name in ("id", "type", "data")}}
    (plain,) = Decoder(DecodingOptions(), None, hints).decode([_LOG_ENTRY])
    assert isinstance(plain, Change)
    assert plain.row == {"id": "1", "type": "log", "data": "y"}


def test_a_snapshot_of_mariadb_has_no_gtid_and_no_server() -> None:
    """Its position is comparable with no streamed one: offsets order them."""
    told = changes("my-txn-avro", "m1.ops")
    read, streamed = told[0].position, told[3].position
    assert read is not None
    assert streamed is not None
    assert (read.gtid, streamed.gtid) == ("", "0-223344-313")
    assert compare(read, streamed) is None


def test_mariadbs_commit_times_have_whole_seconds() -> None:
    assert {c.committed_at.microsecond for c in changes("my-txn-avro", "m1.ops") if c.committed_at} == {0}


def test_a_snapshot_and_a_stream_spell_one_value_differently() -> None:
    upd = [c.row["upd"] for c in changes("my-txn-avro", "m1.ops") if c.row]
    assert {len(str(text)) for text in upd} == {len("2026-11-21T05:05:34.0723Z"), len("2026-11-21T05:05:34.072300Z")}


def test_a_stored_generated_column_is_in_the_snapshot_and_in_no_change() -> None:
    told = changes("pg-types-avro", "shop.types_all")
    assert all(("c_gen" in c.row) == (c.operation == "r") for c in told if c.row)


# --- numbers


def test_a_numeric_without_scale_has_one_in_every_row() -> None:
    rows = {str(c.key["id"]): c.row["n"] for c in changes("pg-specials-avro", "app.specials")}
    assert rows["2"] == "0.00000000000000000001"
    assert rows["3"] == "123456789012345678901234567890.5"
    assert rows["6"] == "1.1"


def test_nan_in_a_numeric_arrives_as_null() -> None:
    assert changes("pg-specials-avro", "app.specials")[0].row["n"] is None


def test_doubles_keep_nan_infinity_and_minus_zero() -> None:
    doubles = [c.row["d"] for c in changes("pg-specials-avro", "app.specials")]
    assert doubles == ["NaN", "infinity", "-infinity", "1e+308", "0.0", "0.1"]


def test_a_bigint_unsigned_wraps_in_keys_too_and_is_read_back_by_its_type() -> None:
    assert "18446744073709551615" in {c.key["id"] for c in changes("my-types-avro", "m1.types_all")}
    plain = Decoder(DecodingOptions(wire="confluent"), DebeziumSet("my-types-avro").schemas)
    keys = {getattr(c, "key", {}).get("id") for c in plain.decode(DebeziumSet("my-types-avro").records)}
    assert "-1" in keys


def test_json_without_a_schema_does_not_tell_the_scale_of_a_decimal() -> None:
    recorded = DebeziumSet("pg-types-json")
    told = Decoder(DecodingOptions(), None, recorded.hints()).decode(recorded.records)
    rows = [c.row for c in told if getattr(c, "relation", "") == "shop.types_all" and c.row]  # type: ignore[union-attr]
    assert rows[0]["c_num"] is Lack.UNREADABLE
    assert changes("pg-types-json", "shop.types_all")[0].row["c_num"] == "1234.50"


# --- times


def test_times_come_in_units_that_depend_on_the_column() -> None:
    row = changes("pg-types-avro", "shop.types_all")[0].row
    assert (row["c_date"], row["c_time"], row["c_time3"]) == ("2024-02-29", "13:14:15.123456", "13:14:15.123")
    assert (row["c_ts"], row["c_ts3"]) == ("2024-02-29T13:14:15.123456", "2024-02-29T13:14:15.123000")
    assert row["c_tstz"] == "2024-02-29T11:14:15.123456Z"


def test_the_unit_of_an_integer_time_is_not_guessed() -> None:
    recorded = DebeziumSet("pg-types-json")
    told = Decoder(DecodingOptions(modes=Modes()), None, recorded.hints()).decode(recorded.records)
    rows = [c.row for c in told if getattr(c, "relation", "") == "shop.types_all" and c.row]  # type: ignore[union-attr]
    assert {rows[0][name] for name in ("c_ts", "c_ts3", "c_time", "c_time3")} == {Lack.UNREADABLE}
    assert rows[0]["c_date"] == "2024-02-29"  # days in every mode


def test_connect_mode_cuts_to_milliseconds_and_the_notes_say_so() -> None:
    recorded = DebeziumSet("pg-types-avro-double-connect")
    decoder = Decoder(DecodingOptions(wire="confluent"), recorded.schemas)
    row = next(c.row for c in decoder.decode(recorded.records) if getattr(c, "relation", "") == "shop.types_all")  # type: ignore[union-attr]
    assert row["c_ts"] == "2024-02-29T13:14:15.123000"
    notes = decoder.notes()["pg-types-avro-double-connect.shop.types_all"]
    assert "truncated to milliseconds" in notes["c_ts"]


def test_texts_of_dates_and_wall_clocks_lose_a_z_that_they_do_not_have() -> None:
    row = changes("pg-types-avro-string-isostring", "shop.types_all")[0].row
    assert row["c_date"] == "2024-02-29"
    assert row["c_ts"] == "2024-02-29T13:14:15.123456"
    assert row["c_interval"] == "P1Y2M3DT4H5M6.789S"


def test_an_interval_in_microseconds_is_unreadable() -> None:
    """A month of 30.4375 days cannot be told from as many hours."""
    assert changes("pg-types-avro", "shop.types_all")[0].row["c_interval"] is Lack.UNREADABLE


def test_a_mariadb_time_outside_the_day_comes_as_null_in_connect_mode() -> None:
    assert {c.row["c_time6"] for c in changes("my-types-json-schema-string", "m1.types_all") if c.row} == {None}
    times = {c.row["c_time6"] for c in changes("my-types-avro", "m1.types_all") if c.row}
    assert "-838:59:59" in times


def test_infinities_of_dates_and_timestamps_are_told() -> None:
    rows = {str(c.key["id"]): c.row for c in changes("pg-specials-avro", "app.specials")}
    assert [rows["2"][name] for name in ("ts", "tz", "dt")] == ["infinity"] * 3
    assert [rows["3"][name] for name in ("ts", "tz", "dt")] == ["-infinity"] * 3


def test_midnight_at_the_end_of_a_day_is_24_00() -> None:
    assert changes("pg-specials-avro", "app.specials")[1].row["tm"] == "24:00:00"


def test_years_before_christ_and_after_9999_are_no_other_years() -> None:
    rows = {str(c.key["id"]): c.row for c in changes("pg-specials-avro", "app.specials")}
    assert (rows["4"]["ts"], rows["4"]["dt"]) == ("0044-03-15 12:00:00 BC", "0044-03-15 BC")
    assert (rows["6"]["ts"], rows["6"]["dt"]) == (Lack.UNREADABLE, "5874897-12-31")


# --- names and schemas


def test_columns_have_the_names_that_the_connector_gives_them() -> None:
    assert set(changes("pg-ri-avro", "app.Weird-Tab")[0].row) >= {"Order_Id", "_1st_col"}
    assert set(changes("pg-ri-json", "app.Weird-Tab")[0].row) >= {"Order-Id", "1st col"}


def test_one_topic_has_many_schemas_and_each_record_its_own() -> None:
    told = changes("pg-evolve-avro", "app.evolve")
    assert len({frozenset(c.row) for c in told if c.row}) > 3
    assert {frozenset(c.key) for c in told} == {frozenset({"id"})}


def test_a_column_that_came_went_or_changed_is_named() -> None:
    recorded = DebeziumSet("pg-evolve-avro")
    decoder = Decoder(DecodingOptions(wire="confluent"), recorded.schemas)
    decoder.decode(recorded.records)
    notes = decoder.notes()["pg-evolve-avro.app.evolve"]
    assert "not in every version" in notes["bb"]
    assert "its type changed" in notes["added"]


# --- texts, bits, and other types


def test_types_with_a_spelling_of_their_own() -> None:
    row = changes("pg-types-avro", "shop.types_all")[0].row
    assert row["c_jsonb"] == '{"a": 1.0, "b": [1, 2]}'
    assert row["c_char"] == "ab"  # PostgreSQL pads it with blanks, which are no part of the value
    assert (row["c_bit"], row["c_bit1"]) == ("101", "1")
    assert row["c_money"] == "12.34"
    assert row["c_point"] == "(1.5,-2)"
    assert row["c_bytea"] == "\\xdeadbeef"
    assert (row["c_intarr"], row["c_textarr"]) == ("[1,null,3]", '["x","y z",null]')
    assert row["c_numarr"] == "[1.50,-2.25]"


def test_mysqls_types_with_a_spelling_of_their_own() -> None:
    row = next(c.row for c in changes("my-types-avro", "m1.types_all") if c.key == {"id": "18446744073709551615"})
    assert (row["c_bit1"], row["c_bit10"]) == ("1", "513")
    assert (row["c_tiny1"], row["c_set"], row["c_enum"], row["c_year"]) == ("1", "a,c", "happy", "2024")
    assert row["c_point"] == "POINT(1.5 -2)"
    assert row["c_json"] == '{"b": [1,2], "a": 1.0}'


# --- replays, tables without a key, and what stands beside the changes


def test_after_a_crash_old_changes_come_again_and_positions_tell() -> None:
    """An old update comes after a newer one; same key, same position, same commit time, another offset."""
    told = [c for c in changes("pg-crash-dups-json", "app.dup") if c.key == {"id": "1"}]
    first, again = (c for c in told if c.row["v"] == "1")
    assert first.position == again.position
    assert first.committed_at == again.committed_at
    newest = next(c for c in told if c.row["v"] == "4")
    assert newest.place.offset < again.place.offset
    assert newest.position is not None
    assert again.position is not None
    assert compare(again.position, newest.position) == -1


def test_a_table_without_a_key_has_rows_without_one_and_deletes_one_row_each() -> None:
    topic = frozenset({"pg-ri-avro.app.nopk_full"})
    told = changes("pg-ri-avro", "app.nopk_full", whole_before=topic)
    assert {len(c.key) for c in told} == {0}
    assert len([c for c in told if c.kind is ChangeKind.DELETE]) == 1


def test_a_tombstone_of_a_table_without_a_key_has_neither_key_nor_value() -> None:
    tombstones = [a for a in asides("pg-ri-avro", AsideKind.TOMBSTONE) if "nopk_full" in a.place.topic]
    assert [tombstone.key for tombstone in tombstones] == [{}]


def test_heartbeats_tell_the_connectors_time_and_no_change() -> None:
    beats = asides("pg-txn-avro", AsideKind.HEARTBEAT)
    assert len(beats) == 19
    assert beats[0].happened_at == datetime(2026, 11, 21, 4, 57, 36, 171000, tzinfo=UTC)


def test_messages_in_the_log_carry_a_position() -> None:
    messages = asides("pg-txn-avro", AsideKind.MESSAGE)
    assert [message.facts["prefix"] for message in messages] == ["audit", "audit"]
    assert all(message.position is not None for message in messages)


def test_schema_changes_are_told_from_their_own_topic_and_from_the_connectors_history() -> None:
    for name in ("my-types-avro", "my-types-json"):
        found = asides(name, AsideKind.SCHEMA_CHANGE)
        assert {aside.place.topic for aside in found} == {name, f"schemahistory.{name}"}
        assert any("ALTER TABLE" in aside.facts["ddl"] or "CREATE TABLE" in aside.facts["ddl"] for aside in found)


# --- flattened rows and outbox events


def test_flattened_deletes_are_rows_that_say_so() -> None:
    deletes = [c for c in changes("pg-unwrap-avro", "acct") if c.kind is ChangeKind.DELETE]
    assert [c.row for c in deletes] == [{}] * len(deletes)
    assert all(not name.startswith("__") for c in changes("pg-unwrap-avro", "acct") for name in c.row)


def test_flattened_rows_keep_what_position_they_were_given() -> None:
    told = changes("pg-unwrap-avro", "acct")
    assert all(c.position is not None and c.transaction for c in told)
    assert told[0].kind is ChangeKind.BACKFILL


def test_a_placeholder_survives_flattening() -> None:
    assert Lack.KEPT in {c.row.get("big") for c in changes("pg-unwrap-avro", "ri_default")}


def test_an_outbox_event_has_an_id_a_type_and_no_state() -> None:
    events = changes("pg-outbox-json", "")
    first = next(c for c in events if c.event_id.endswith("1"))
    assert (first.event_type, first.key, first.partial) == ("OrderCreated", {"": "o-1"}, True)
    assert first.row == {"tenant": "t1", "id": "1", "items": '[{"sku":"a"}]', "total": "12.5"}


def test_the_outbox_router_drops_members_that_are_null() -> None:
    """`{"name": null}` comes as `{}`: a member that is not there says nothing."""
    event = next(c for c in changes("pg-outbox-json", "") if c.event_id.endswith("2"))
    assert "name" not in event.row
    assert event.partial
