"""Batches that are decoded at once against the same records decoded one by one.

Schemas, rows, operations and damage are drawn; what comes of a batch (its versions, the offsets, the dead letters, the
snapshots, the names of columns) is the same to the last byte, whichever way it was read.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import event, given, settings
from hypothesis import strategies as st

from auditor.clock import ManualClock
from auditor.feeds.bulk import plans
from auditor.feeds.decoder import Decoder
from auditor.feeds.follower import Follower
from auditor.feeds.options import DecodingOptions
from auditor.feeds.record import Record
from auditor.feeds.schemas import RecordedSchemas
from reconcilers.streams.state import FeedState, Step
from reconcilers.streams.table import IS_NEW, WAS_THERE, StreamTable
from tests.fixtures.debezium_sets import DebeziumSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from auditor.feeds.decoded import Decoded
    from auditor.feeds.hints import ColumnHint
    from auditor.feeds.ports import Partition

TOPIC, PARTITIONS = "shop.orders", 2
KEY_ID, VALUE_ID, OTHER_ID = 7, 300, 301
_TIME, _DATA, _CONNECT = "io.debezium.time.", "io.debezium.data.", "org.apache.kafka.connect.data."
PLACEHOLDER = "__debezium_unavailable_value"

LONGS = st.one_of(
    st.integers(-100, 100), st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**63 - 1, -(2**63), 2**35, 2**56, -1])
)
INTS = st.one_of(st.integers(-100, 100), st.integers(-(2**31), 2**31 - 1))
TEXTS = st.one_of(st.text(max_size=80), st.sampled_from([PLACEHOLDER, "", 'say "so"', "back\\slash", "née", "\x00"]))
MICROS = st.integers(-63_000_000_000_000_000, 253_402_300_800_000_000)


def _decimal(scale: int) -> dict[str, Any]:
    return {"type": "bytes", "connect.name": f"{_CONNECT}Decimal", "connect.parameters": {"scale": str(scale)}}


def _named(kind: str, name: str) -> dict[str, Any]:
    return {"type": kind, "connect.name": name}


def _octets(most: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=1, max_size=most)


TYPES: list[tuple[Any, st.SearchStrategy[Any], Any]] = [
    ("int", INTS, 7),
    ("long", LONGS, 0),
    ({"type": "int", "connect.type": "int16"}, st.integers(-(2**15), 2**15 - 1), 5),
    ("string", TEXTS, "new"),
    ("boolean", st.booleans(), True),
    ("double", st.floats(), 0.5),
    ("float", st.floats(width=32), 0.5),
    ("bytes", st.binary(max_size=20), "x"),
    (_decimal(2), _octets(6), "\x05"),
    (_decimal(0), _octets(8), "\x05"),
    (_decimal(6), _octets(12), "\x05"),
    (_decimal(9), _octets(4), "\x05"),
    (_named("int", f"{_TIME}Date"), st.one_of(st.integers(-800_000, 3_000_000), INTS), 3),
    (_named("int", f"{_TIME}Time"), INTS, 3),
    (_named("long", f"{_TIME}MicroTime"), st.integers(0, 86_400_000_000), 3),
    (_named("long", f"{_TIME}Timestamp"), st.one_of(MICROS.map(lambda n: n // 1000), LONGS), 3),
    (_named("long", f"{_TIME}MicroTimestamp"), st.one_of(MICROS, MICROS.map(lambda n: n // 10**6 * 10**6)), 3),
    (_named("long", f"{_TIME}NanoTimestamp"), LONGS, 3),
    (_named("string", f"{_TIME}ZonedTimestamp"), st.just("2026-01-31T12:00:00Z"), "x"),
    (_named("string", f"{_TIME}IsoTimestamp"), st.just("2026-01-31T12:00:00Z"), "x"),
    (_named("string", f"{_DATA}Enum"), st.sampled_from(["new", "paid"]), "new"),
    (_named("string", f"{_DATA}Json"), st.just('{"a": 1}'), "x"),
    ({"type": "int", "logicalType": "date"}, st.integers(-800_000, 3_000_000), 3),
    ({"type": "long", "logicalType": "timestamp-millis"}, MICROS.map(lambda n: n // 1000), 3),
    ({"type": "long", "logicalType": "timestamp-micros"}, st.one_of(MICROS, LONGS), 3),
    ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, _octets(6), "\x05"),
    ({"type": "array", "items": "string"}, st.lists(TEXTS, max_size=3), None),
]  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column: its schema, values of it, and whether it may be NULL."""

    name: str
    schema: Any
    values: st.SearchStrategy[Any]


@st.composite
def columns(draw: st.DrawFn, names: Sequence[str], kinds: Sequence[int]) -> list[Column]:
    found = []
    for name in names:
        schema, values, default = TYPES[draw(st.sampled_from(kinds))]
        form = draw(st.sampled_from(["plain", "plain", "null first", "null last"]))
        if form == "plain":
            found.append(Column(name, {"name": name, "type": schema}, values))
        elif form == "null first" or default is None:
            entry = {"name": name, "type": ["null", schema], "default": None}
            found.append(Column(name, entry, st.none() | values))
        else:
            entry = {"name": name, "type": [schema, "null"], "default": default}
            decoded = default.encode("latin-1") if isinstance(default, str) and _is_bytes(schema) else default
            found.append(Column(name, entry, st.none() | values | st.just(decoded)))
    return found


def _is_bytes(schema: Any) -> bool:
    return schema == "bytes" or (isinstance(schema, dict) and schema["type"] == "bytes")


SNAPSHOT = {
    "name": "snapshot", "type": [{"type": "string", "connect.name": f"{_DATA}Enum"}, "null"], "default": "false",
}  # fmt: skip
SOURCES: Mapping[str, list[dict[str, Any]]] = {
    "postgresql": [
        {"name": "sequence", "type": ["null", "string"], "default": None},
        {"name": "ts_us", "type": ["null", "long"], "default": None},
        {"name": "txId", "type": ["null", "long"], "default": None},
        {"name": "lsn", "type": ["null", "long"], "default": None},
    ],
    "mysql": [
        {"name": "ts_us", "type": ["null", "long"], "default": None},
        {"name": "gtid", "type": ["null", "string"], "default": None},
        {"name": "server_id", "type": "long"},
        {"name": "file", "type": "string"},
        {"name": "pos", "type": "long"},
        {"name": "row", "type": "int"},
    ],
}
TABLE: list[dict[str, Any]] = [
    {"name": "db", "type": "string"},
    {"name": "schema", "type": ["null", "string"], "default": None},
    {"name": "table", "type": ["null", "string"], "default": None},
]
BLOCK = {"type": "record", "name": "block", "fields": [{"name": "id", "type": "string"}]}


def envelope_schema(row: Sequence[Column], connector: str) -> dict[str, Any]:
    kind = {"type": "record", "name": "Value", "fields": [column.schema for column in row]}
    source: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in ("connector", "name")]
    source += [
        {"name": "ts_ms", "type": "long"},
        SNAPSHOT,
        *TABLE,
        *SOURCES["mysql" if connector == "mariadb" else connector],
    ]
    return {
        "type": "record",
        "name": "Envelope",
        "namespace": "shop.orders",
        "fields": [
            {"name": "before", "type": ["null", kind], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": {
                "type": "record", "name": "Source", "namespace": f"io.debezium.connector.{connector}", "fields": source,
            }},
            {"name": "transaction", "type": ["null", BLOCK], "default": None},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"], "default": None},
        ],
    }  # fmt: skip


def sources(
    connector: str, tables: st.SearchStrategy[str | None], schemas: st.SearchStrategy[str | None]
) -> st.SearchStrategy[dict[str, Any]]:
    moments = st.integers(0, 4_000_000_000_000_000)
    common = {
        "connector": st.just(connector),
        "name": st.just("shop"),
        "ts_ms": moments.map(lambda micros: micros // 1000),
        "ts_us": moments,
        "snapshot": st.sampled_from(["false", "false", "false", "true", "first", "last", "incremental", None]),
        "db": st.just("shop"),
        "schema": schemas,
        "table": tables,
    }
    if connector == "postgresql":
        sequence = st.sampled_from(['["100","200"]', '[null,"200"]', '["1", "2"]', None])
        lsn = st.integers(0, 2**63 - 1) | st.integers(0, 2**34)
        return st.fixed_dictionaries({**common, "sequence": sequence, "txId": st.none() | LONGS, "lsn": lsn})
    return st.fixed_dictionaries({
        **common,
        "gtid": st.none() | st.sampled_from(["0-1-5", "u:7"]),
        "server_id": st.sampled_from([184054, 184054, 7]),
        "file": st.sampled_from(["binlog.000001", "binlog.000002", "other.7"]),
        "pos": st.integers(0, 2**40),
        "row": st.integers(0, 5),
    })  # fmt: skip


def _written(schema: Any, value: Any, number: int) -> bytes:
    stream = io.BytesIO()
    schemaless_writer(stream, schema, value)
    return b"\x00" + number.to_bytes(4, "big") + stream.getvalue()


@dataclass(frozen=True)
class Case:
    """Records with their schemas."""

    options: DecodingOptions
    schemas: Mapping[str, Any]
    kept: tuple[str, ...]
    records: list[Record]
    hints: Mapping[str, Mapping[str, ColumnHint]] = field(default_factory=dict)


@st.composite
def cases(draw: st.DrawFn, *, damage: bool) -> Case:
    connector = draw(st.sampled_from(["postgresql", "postgresql", "mysql", "mariadb"]))
    usual = range(len(TYPES) - 1)
    keys = draw(columns(draw(st.sampled_from([["id"], ["b", "a"]])), [0, 1, 3, 13]))
    others = draw(columns([f"f{i}" for i in range(draw(st.integers(0, 5)))], list(usual)))
    if damage and draw(st.integers(0, 9)) == 0:
        others += draw(columns(["list"], [len(TYPES) - 1]))
    row = [*keys, *others]
    key_schema = {"type": "record", "name": "Key", "fields": [column.schema for column in keys]}
    definition = envelope_schema(row, connector)
    parsed_key, parsed = parse_schema(key_schema, named_schemas={}), parse_schema(definition, named_schemas={})
    key_values = st.fixed_dictionaries({column.name: column.values for column in keys})
    row_values = st.fixed_dictionaries({column.name: column.values for column in row})
    tables = draw(st.sampled_from([st.just("orders"), st.sampled_from(["orders", "lines"]), st.none()]))
    spaces = draw(st.sampled_from([st.just("public"), st.sampled_from(["public", "other"]), st.none()]))
    records: list[Record] = []
    for number in range(draw(st.integers(1, 12))):
        key = _written(parsed_key, draw(key_values), KEY_ID)
        operation = draw(st.sampled_from("ccuuurdd0" + "t" * damage))
        value: bytes | None = None
        if operation != "0":
            block = draw(st.none() | st.fixed_dictionaries({"id": st.sampled_from(["77:4711", "77", "a:b:c"])}))
            told = {
                "before": draw(st.none() | row_values),
                "after": None if operation in "dt" else draw(row_values),
                "source": draw(sources(connector, tables, spaces)),
                "transaction": block,
                "op": operation,
                "ts_ms": draw(st.none() | LONGS),
            }
            value = _written(parsed, told, VALUE_ID)
        headers = (("__debezium.context.taskId", b"0"),) if draw(st.booleans()) else ()
        records.append(Record(TOPIC, number % PARTITIONS, number // PARTITIONS, 1000 + number, key, value, headers))
    if damage:
        records[draw(st.integers(0, len(records) - 1))] = draw(_damaged(draw(st.sampled_from(records))))
    names = [column.name for column in row]
    kept = draw(st.lists(st.sampled_from([*names, "elsewhere"]), unique=True, min_size=1, max_size=4))
    options = DecodingOptions(
        wire="confluent", nulls_kept=draw(st.booleans()), whole_before=draw(st.sampled_from([frozenset(), {TOPIC}]))
    )  # fmt: skip
    schemas = {str(KEY_ID): key_schema, str(VALUE_ID): definition, str(OTHER_ID): definition}
    return Case(options, schemas, tuple(kept), records)


@st.composite
def _damaged(draw: st.DrawFn, record: Record) -> Record:
    """A record with something of it changed."""
    whole = {name: getattr(record, name) for name in Record.__slots__}
    kind = draw(st.sampled_from(["key", "value", "value", "value", "id", "header", "no key", "long", "cut"]))
    part = "key" if kind == "key" or record.value is None else "value"
    payload = bytearray(whole[part] or b"")
    at = draw(st.integers(0, len(payload) - 1))
    if kind == "id":
        payload[:5] = b"\x00" + draw(st.sampled_from([OTHER_ID, 999])).to_bytes(4, "big")
    elif kind == "header":
        whole["headers"] = (("__debezium.newkey", b'{"id": 5}'),)
    elif kind == "long":  # an integer with a byte that it does not need
        payload[at : at + 1] = bytes([payload[at] | 0x80, 0])
    elif kind == "cut":
        del payload[at:]
    else:
        payload[at] = draw(st.integers(0, 255))
    whole[part] = bytes(payload)
    if kind == "no key":
        whole["key"] = None
    return Record(**whole)


class _Steps(FeedState):
    """Keeps the steps themselves instead of what they do."""

    def __init__(self) -> None:
        super().__init__(None, threads=1)
        self.steps: list[Step] = []

    def apply(self, step: Step) -> None:
        self.steps.append(step)


class _OneByOne:
    """The decoder without its way to read many records at once."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode(self, records: Sequence[Record]) -> Sequence[Decoded]:
        return self._decoder.decode(records)

    def kinds(self) -> Mapping[str, Mapping[str, str]]:
        return self._decoder.kinds()

    def notes(self) -> Mapping[str, Mapping[str, str]]:
        return self._decoder.notes()


class _Nowhere:
    """A source that is asked for nothing but where it begins."""

    def partitions(self) -> Sequence[Partition]:
        return [(TOPIC, part) for part in range(PARTITIONS)]

    def beginning(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        return dict.fromkeys(partitions, 0)

    def end(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        return dict.fromkeys(partitions, 1000)

    def seek(self, partition: Partition, offset: int) -> None:
        pass


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few records there are, they are read at once."""
    monkeypatch.setattr(plans, "RECORDS_MIN", 1)


@pytest.fixture(scope="module")
def state() -> Iterator[_Steps]:
    with _Steps() as state:
        yield state


def _followed(case: Case, state: _Steps, *, at_once: bool) -> tuple[Any, ...]:
    """Everything that comes of the records."""
    state.steps.clear()
    state.forget(TOPIC)
    state.keep(TOPIC, case.kept, ["id"])
    state.epochs.forget(TOPIC)
    decoder = Decoder(case.options, RecordedSchemas(case.schemas), case.hints)
    way = decoder if at_once else _OneByOne(decoder)
    follower = Follower("feed", _Nowhere(), way, state, ManualClock())  # type: ignore[arg-type]
    follower.begin()
    half = len(case.records) // 2
    for records in (case.records[:half], case.records[half:]):
        if records:
            follower.apply(records)
    told = [
        (
            [(one.arrow().combine_chunks(), one.kept, one.truncations) for one in step.intakes],
            dict(step.moves), list(step.dead), list(step.passes), dict(step.seqs), dict(step.holes),
            list(step.relations[TOPIC].tables.items()),
        )
        for step in state.steps
    ]  # fmt: skip
    return told, dict(state.epochs), follower.seen[TOPIC].columns, decoder.notes()


@given(case=cases(damage=False))
@settings(deadline=None, max_examples=60)
def test_a_batch_says_what_its_records_say(state: _Steps, case: Case) -> None:
    """Whatever is in the rows, the versions are the same whichever way the batch was read."""
    assert _followed(case, state, at_once=True) == _followed(case, state, at_once=False)


@given(case=cases(damage=True))
@settings(deadline=None, max_examples=120)
def test_a_damaged_batch_says_what_its_records_say(state: _Steps, case: Case) -> None:
    """No damage is taken for a value: what is poison record by record is poison in a batch, with the same error."""
    found = _followed(case, state, at_once=True)
    assert found == _followed(case, state, at_once=False)
    event(f"dead letters: {sum(len(dead) for _, _, dead, *_ in found[0])}")


@pytest.mark.parametrize("hints", [{}, {TOPIC: {}}])
def test_a_batch_of_rows_that_look_like_signals_says_what_its_records_say(
    state: _Steps, hints: dict[str, dict[str, ColumnHint]]
) -> None:
    """Rows where a contract names the topic, and then read at once as any others; signals where nobody does."""
    recorded = DebeziumSet("pg-incremental-avro")
    records = [replace(one, topic=TOPIC) for one in recorded.records if one.topic.endswith(".dbz_signal")]
    case = Case(DecodingOptions(wire="confluent"), recorded.definitions, ("id", "type", "data"), records, hints)
    found = _followed(case, state, at_once=True)
    assert found == _followed(case, state, at_once=False)
    assert sum(table.num_rows for told, *_ in found[0] for table, _, _ in told) == len(records) * len(hints)
    decoder = Decoder(case.options, RecordedSchemas(case.schemas), hints)
    versions = decoder.versions(records, StreamTable(1, TOPIC, case.kept, ("id",)))
    assert (versions is not None) == bool(hints)


def common_batch(connector: str, operations: str, keys: Sequence[int]) -> tuple[Decoder, list[Record]]:
    """Records of the common types, with what decodes them; the operation 0 is a record without a value."""
    row = [
        Column(f"f{i}", {"name": f"f{i}", "type": ["null", kind], "default": None}, values)
        for i, (kind, values, _) in enumerate(TYPES[:-1])
    ]
    key_schema = {"type": "record", "name": "Key", "fields": [{"name": "f0", "type": "int"}]}
    definition = envelope_schema(row, connector)
    source = {
        "connector": connector, "name": "shop", "ts_ms": 5, "ts_us": 5001, "snapshot": "false", "sequence": None,
        "txId": 3, "lsn": 17, "gtid": None, "server_id": 4, "file": "binlog.000001", "pos": 5, "row": 0,
        "db": "shop", "schema": None, "table": "orders",
    }  # fmt: skip
    image = {column.name: None for column in row}
    parsed_key, parsed = parse_schema(key_schema, named_schemas={}), parse_schema(definition, named_schemas={})
    records = []
    for number, operation in enumerate(operations):
        told = {
            "before": image, "after": None if operation == "d" else image, "transaction": None, "ts_ms": 1,
            "source": {**source, "snapshot": "last" if operation == "r" else "false"}, "op": operation,
        }  # fmt: skip
        value = None if operation == "0" else _written(parsed, told, VALUE_ID)
        records.append(Record(TOPIC, 0, number, 1, _written(parsed_key, {"f0": keys[number]}, KEY_ID), value))
    decoder = Decoder(
        DecodingOptions(wire="confluent"), RecordedSchemas({str(KEY_ID): key_schema, str(VALUE_ID): definition})
    )
    return decoder, records


@pytest.mark.parametrize("connector", ["postgresql", "mysql", "mariadb"])
def test_common_batches_are_read_at_once(connector: str) -> None:
    """Rows of the common types, snapshots, deletes and what follows them: nothing of it needs the slow way."""
    decoder, records = common_batch(connector, "cud0r", (0, 1, 2, 2, 4))
    versions = decoder.versions(records, StreamTable(1, TOPIC, ("f0", "f3"), ("f0",)))
    assert versions is not None
    assert versions.ids.to_pylist() == ['["0"]', '["1"]', '["2"]', '["4"]']
    assert (versions.kinds.tolist(), versions.snapshots) == ([0, 0, 1, 2], [(3, "last")])
    assert versions.births.tolist() == [IS_NEW, WAS_THERE, WAS_THERE, 0]


def test_what_a_batch_begins_and_ends_with_is_told_and_a_tombstone_alone_is_read_by_itself() -> None:
    """Compaction leaves tombstones without their deletes; the first of a batch may follow one of the batch before."""
    table = StreamTable(1, TOPIC, ("f0", "f3"), ("f0",))
    decoder, records = common_batch("postgresql", "0cud0", (9, 0, 1, 2, 2))
    versions = decoder.versions(records, table)
    assert versions is not None
    assert (versions.begins, versions.ends) == ({0: '["9"]'}, {0: '["2"]'})
    for operations, keys in (("cud0", (0, 1, 2, 3)), ("cu0r", (0, 1, 1, 2))):
        decoder, records = common_batch("postgresql", operations, keys)
        assert decoder.versions(records, table) is None
