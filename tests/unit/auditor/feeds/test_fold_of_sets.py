"""What real connectors wrote, folded, is what their databases held in the end; what is not is said, by name.

The lists below are exact: a difference more fails, and so does one less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auditor.feeds.decoder import Decoder
from auditor.feeds.options import DecodingOptions
from auditor.feeds.rows import EVERY_COLUMN
from reconcilers.change import Cell, DefaultOrNull, Lack
from tests.fixtures.debezium_sets import NAMES, DebeziumSet, Table
from tests.fixtures.fold import Folded, fold
from tests.fixtures.spelling import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULTS = {
    "my-types-json": {"c_ndef": "dflt"},
    "pg-nulldef-json": {
        "d_text": "dflt", "d_int": "42", "d_num": "9.99", "d_bool": "true", "d_ts": "1970-01-01T00:00:00.000000Z",
    },
}  # fmt: skip
"""Defaults of nullable columns where the records bring no schema that tells them."""

EXPECTED: dict[str, set[str]] = {
    "my-txn-avro": {"m1.types_all.c_ndef: null?"},
    "my-types-avro": {"m1.types_all.c_ndef: null?"},
    "my-types-json": {"m1.types_all.c_ndef: null?"},
    "my-types-json-schema-string": {
        "m1.types_all.c_ndef: null?",
        "m1.types_all.c_time6: differs",  # -838:59:59 comes as NULL
        "m1.types_all.c_dt6: differs",  # truncated to milliseconds
    },
    # The connector died of the first partial row image: what came after it is in no record.
    "mysql-minimal-json": {"q2.mini: missing", "q2.mini: extra", "q2.mini.a: differs", "q2.mini.b: differs"},
    "mysql-types-avro": {"q1.types_all.c_ndef: null?", "q1.ops.extra: absent"},
    "pg-crash-dups-json": set(),
    "pg-evolve-avro": {
        "app.evolve.bb: absent",
        "app.evolve.nn: absent",
        "app.evolve.amt: absent",
        "app.evolve.added: absent",
        "app.evolve.added: differs",  # dropped, and added anew with another type
    },
    "pg-incremental-avro": set(),
    "pg-nulldef-avro": {f"app.nulldef.d_{name}: null?" for name in ("text", "int", "num", "bool", "ts")},
    "pg-nulldef-avro-apicurioconv": {f"app.nulldef.d_{name}: null?" for name in ("text", "int", "num", "bool", "ts")},
    "pg-nulldef-json": {f"app.nulldef.d_{name}: null?" for name in ("text", "int", "num", "bool", "ts")},
    "pg-outbox-json": {"app.outbox: no rows"},  # events, not rows
    "pg-partitioned-avro": set(),
    # REPLICA IDENTITY USING INDEX: deletes name a key of zeros, and a change of key is an update of the new one.
    "pg-ri-avro": {
        "app.ri_index: extra",
        "app.ri_index: a delete of a key that was never there",
        "app.ri_index: an update of a key that was never there",
    },
    "pg-ri-json": {
        "app.ri_index: extra",
        "app.ri_index: a delete of a key that was never there",
        "app.ri_index: an update of a key that was never there",
    },
    "pg-specials-avro": {
        "app.specials.n: differs",  # NaN comes as NULL
        "app.specials.ts: unreadable",  # a timestamp beyond 64 bits of microseconds
        "app.specials.iv: unreadable",
    },
    "pg-txn-avro": set(),
    "pg-types-avro": {
        "shop.types_all.c_interval: unreadable",
        "shop.types_all.c_timetz: unreadable",
        "shop.types_all.c_gen: absent",
    },
    "pg-types-avro-double-connect": {
        "shop.types_all.c_interval: unreadable",
        "shop.types_all.c_timetz: unreadable",
        "shop.types_all.c_gen: absent",
        "shop.types_all.c_num_nop: differs",  # decimals as doubles
        "shop.types_all.c_bignum_nn: differs",
        "shop.types_all.c_time: differs",  # truncated to milliseconds
        "shop.types_all.c_ts: differs",
    },
    "pg-types-avro-string-isostring": {
        "shop.types_all.c_timetz: unreadable",
        "shop.types_all.c_gen: absent",
        "shop.types_all.c_bigbytea: unreadable",  # kept values come as NULL in base64 mode
    },
    "pg-types-json": {
        "shop.types_all.c_interval: unreadable",
        "shop.types_all.c_timetz: unreadable",
        "shop.types_all.c_gen: absent",
    },
    "pg-types-json-schema": {
        "shop.types_all.c_interval: unreadable",
        "shop.types_all.c_timetz: unreadable",
        "shop.types_all.c_gen: absent",
    },
    "pg-unwrap-avro": set(),
}


class Reading:
    """A set, decoded and folded as its connector was set."""

    def __init__(self, name: str) -> None:
        self.recorded = DebeziumSet(name)
        self.prefix = self.recorded.prefix
        whole = frozenset(
            f"{self.prefix}.{table.name}" for table in self.recorded.tables if table.name.endswith("_full")
        )
        options = DecodingOptions(wire="confluent", modes=self.recorded.modes, whole_before=whole)
        self.decoder = Decoder(options, self.recorded.schemas, self.recorded.hints(DEFAULTS.get(name, {})))
        self.tables = fold(self.decoder.decode(self.recorded.records))

    def differences(self) -> Iterator[str]:
        for table in self.recorded.tables:
            name = table.plain_name
            folded = self.tables.get(name) or self.tables.get(name.rpartition(".")[2])
            if folded is None:
                yield f"{name}: no rows"
                continue
            yield from (f"{name}: {said}" for said in folded.said)
            yield from (f"{name}{difference}" for difference in self._of_table(table, folded))

    def _of_table(self, table: Table, folded: Folded) -> Iterator[str]:
        columns, keys = list(table.types), table.key or tuple(table.types)
        held = {
            tuple(self._held(table, column, row[columns.index(column)]) for column in keys): row for row in table.rows
        }
        told = {
            tuple(spelled(_text(row[self.recorded.column(c)]), table.types[c]) for c in keys): row
            for row in folded.rows()
        }
        assert len(told) == len(folded.rows()), "a key stands twice"
        if held.keys() - told.keys():
            yield ": missing"
        if told.keys() - held.keys():
            yield ": extra"
        for key in held.keys() & told.keys():
            for column, value in zip(columns, held[key], strict=True):
                cell = told[key].get(self.recorded.column(column), Lack.ABSENT)
                if (difference := _difference(cell, self._held(table, column, value), table.types[column])) is not None:
                    yield f".{column}: {difference}"

    def _held(self, table: Table, column: str, value: str | None) -> str | None:
        return spelled(value, table.types[column], hexadecimal=column in table.hexadecimal)


def _text(cell: Cell) -> str | None:
    if isinstance(cell, DefaultOrNull):
        return cell.text
    return cell.value if isinstance(cell, Lack) else cell


def _difference(cell: Cell, held: str | None, kind: str) -> str | None:
    if isinstance(cell, Lack):
        return cell.value
    if isinstance(cell, DefaultOrNull):
        assert held is None or spelled(cell.text, kind) == held, "neither the default nor NULL"
        return "null?"
    return None if spelled(cell, kind) == held else "differs"


@pytest.mark.parametrize("name", NAMES)
def test_a_feed_folds_to_what_its_database_held(name: str) -> None:
    assert set(Reading(name).differences()) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"mysql-minimal-json"}))
def test_a_column_that_cannot_be_equal_is_named_in_the_decoders_notes(name: str) -> None:
    """All but the rows that a connector lost by dying: no record can tell of those."""
    reading = Reading(name)
    notes = reading.decoder.notes()
    for difference in EXPECTED[name]:
        place, _, what = difference.partition(": ")
        table, _, column = place.rpartition(".")
        if what not in ("differs", "unreadable", "absent", "null?") or difference.endswith(".ts: unreadable"):
            continue  # of rows; or of one value that is out of range
        found = notes[f"{reading.prefix}.{table}"]
        is_schemaless = what in ("null?", "absent") and EVERY_COLUMN in found
        assert reading.recorded.column(column) in found or is_schemaless, difference


def test_an_unsigned_key_without_its_type_in_the_store_wraps_and_the_notes_say_so() -> None:
    """18446744073709551615 comes as -1; with the column's type it is read back."""
    recorded = DebeziumSet("my-types-avro")
    decoder = Decoder(DecodingOptions(wire="confluent"), recorded.schemas)
    rows = fold(decoder.decode(recorded.records))["m1.types_all"].rows()
    assert "-1" in {row["id"] for row in rows}
    assert "negative" in decoder.notes()["my-types-avro.m1.types_all"]["id"]
    read = {row["id"] for row in Reading("my-types-avro").tables["m1.types_all"].rows()}
    assert "18446744073709551615" in read
    assert "-1" not in read
