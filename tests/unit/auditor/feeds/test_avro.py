"""Avro, read strictly: every value comes back, and no other bytes are taken for it."""

from __future__ import annotations

import io
import struct
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from auditor.feeds.avro import AvroReader, BadSchemaError
from auditor.feeds.cells import CellContext, cell_reader
from auditor.feeds.hints import BARE_TIME, ColumnHint, Modes, refined
from auditor.feeds.schemas import WriterSchema
from auditor.feeds.shape import BadValueError, Carrier, Shape
from contracts.logical_types import Kind, LogicalType
from reconcilers.change import Lack

if TYPE_CHECKING:
    from reconcilers.change import Cell

DATE, TIMESTAMP, INT = LogicalType(Kind.DATE), LogicalType(Kind.TIMESTAMP), LogicalType(Kind.INT)
LONGS = st.integers(-(2**63), 2**63 - 1)


def cell(schema: Any, body: bytes, connector: str = "postgresql") -> Cell:
    reader = AvroReader(WriterSchema(schema))
    return cell_reader(reader.shape, CellContext(Carrier.AVRO, connector))(reader.read(body))


def written(schema: Any, value: Any) -> bytes:
    stream = io.BytesIO()
    schemaless_writer(stream, parse_schema(schema), value)
    return stream.getvalue()


def logical(kind: str, name: str, **parameters: str) -> dict[str, Any]:
    return {"type": kind, "connect.name": name, "connect.parameters": parameters}


@given(LONGS)
def test_an_integer_comes_back(number: int) -> None:
    assert cell("long", written("long", number)) == str(number)


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["int16", "int8", None]))
def test_an_integer_that_its_type_cannot_hold_is_refused(number: int, narrow: str | None) -> None:
    bits = {"int8": 8, "int16": 16, None: 32}[narrow]
    schema = {"type": "int", "connect.type": narrow} if narrow else "int"
    if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        assert cell(schema, written("int", number)) == str(number)
    else:
        with pytest.raises(BadValueError, match=f"{bits} bits"):
            cell(schema, written("int", number))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_comes_back(text: str) -> None:
    assert cell("string", written("string", text)) == text


@given(st.binary())
def test_bytes_come_back(content: bytes) -> None:
    assert cell("bytes", written("bytes", content)) == f"\\x{content.hex()}"


@given(st.floats(allow_nan=False))
def test_a_double_comes_back(number: float) -> None:
    text = cell("double", written("double", number))
    assert isinstance(text, str)
    assert float(text) == number


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_comes_back_by_its_shortest_text(number: float) -> None:
    text = cell("float", written("float", number))
    assert isinstance(text, str)
    assert struct.pack("f", float(text) + 0.0) == struct.pack("f", number + 0.0)
    assert len(text.lstrip("-").replace(".", "").partition("e")[0].strip("0")) <= 9


@given(st.booleans())
def test_a_boolean_comes_back(value: bool) -> None:  # noqa: FBT001
    assert cell("boolean", written("boolean", value)) == ("true" if value else "false")


@given(st.integers(2, 255))
def test_a_boolean_that_is_neither_is_refused(byte: int) -> None:
    with pytest.raises(BadValueError):
        cell("boolean", bytes([byte]))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**40), max_value=10**40))
def test_a_decimal_comes_back_with_every_digit(number: Decimal) -> None:
    """Also where it has more of them than its schema declares."""
    unscaled = int(number.scaleb(6, context=_exact()))
    content = unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True)
    schema = logical("bytes", "org.apache.kafka.connect.data.Decimal", scale="6") | {
        "logicalType": "decimal", "precision": 4, "scale": 6,
    }  # fmt: skip
    text = cell(schema, written("bytes", content))
    assert isinstance(text, str)
    assert Decimal(text) == number
    assert text.count(".") == 1


def _exact() -> Any:
    from decimal import Context

    return Context(prec=200)


@given(LONGS, st.integers(0, 60))
def test_a_decimal_of_variable_scale_comes_back(unscaled: int, scale: int) -> None:
    schema = {
        "type": "record", "name": "VariableScaleDecimal", "connect.name": "io.debezium.data.VariableScaleDecimal",
        "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
    }  # fmt: skip
    content = unscaled.to_bytes(9, "big", signed=True)
    text = cell(schema, written(schema, {"scale": scale, "value": content}))
    assert isinstance(text, str)
    assert Decimal(text) == Decimal(unscaled).scaleb(-scale, context=_exact())


@given(st.datetimes())
def test_a_timestamp_comes_back_in_every_unit(moment: Any) -> None:
    from datetime import datetime, timedelta

    micros = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001
    text = cell(logical("long", "io.debezium.time.MicroTimestamp"), written("long", micros))
    assert text == moment.isoformat()
    millis = cell(logical("long", "io.debezium.time.Timestamp"), written("long", micros // 1000))
    assert datetime.fromisoformat(str(millis)) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    if abs(micros) < 9 * 10**15:
        nanos = cell(logical("long", "io.debezium.time.NanoTimestamp"), written("long", micros * 1000))
        assert str(nanos).removesuffix("000") == moment.isoformat().ljust(1).removesuffix("000") or (
            datetime.fromisoformat(str(nanos)) == moment
        )


@given(st.dates())
def test_a_date_comes_back(day: Any) -> None:
    from datetime import date

    days = (day - date(1970, 1, 1)).days
    for name in ("io.debezium.time.Date", "org.apache.kafka.connect.data.Date"):
        assert cell(logical("int", name), written("int", days)) == day.isoformat()


@given(st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=20))
def test_a_list_comes_back(items: list[int | None]) -> None:
    import json

    schema = {"type": "array", "items": ["null", "int"]}
    text = cell(schema, written(schema, items))
    assert isinstance(text, str)
    assert json.loads(text) == items


@given(st.integers(0, 2**20 - 1))
def test_bits_come_lowest_byte_first(number: int) -> None:
    schema = logical("bytes", "io.debezium.data.Bits", length="20")
    body = written("bytes", number.to_bytes(3, "little"))
    assert cell(schema, body) == f"{number:020b}"
    assert cell(schema, body, "mysql") == str(number)


UNION = ["null", "string"]
RECORD = {"type": "record", "name": "R", "fields": [{"name": "a", "type": UNION}, {"name": "b", "type": "long"}]}


@pytest.mark.parametrize(
    ("schema", "body", "value"),
    [
        ("long", b"\x02", 1),
        ("long", b"\xff" * 9 + b"\x01", -(2**63)),
        (UNION, b"\x02\x02a", "a"),
        (UNION, b"\x00", None),
        ({"type": "enum", "name": "E", "symbols": ["a", "b"]}, b"\x02", "b"),
        ({"type": "array", "items": UNION}, b"\x04\x00\x02\x02a\x00", [None, "a"]),
        ({"type": "map", "values": UNION}, b"\x02\x02k\x00\x00", {"k": None}),
        (RECORD, b"\x02\x02a\x02", {"a": "a", "b": 1}),
    ],
)
def test_bytes_that_are_a_value_are_read(schema: Any, body: bytes, value: Any) -> None:
    assert AvroReader(WriterSchema(schema)).read(body) == value


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ("long", b""),
        ("long", b"\x02\x00"),  # a byte is left
        ("long", b"\x82\x00"),  # longer than it need be
        ("long", b"\xff" * 9 + b"\x03"),  # more than 64 bits
        ("long", b"\x80" * 12 + b"\x01"),
        (UNION, b"\x01\x02a"),  # the branch before the first
        (UNION, b"\x04\x02a"),
        ("string", b"\x04\xc3\x28"),  # not UTF-8
        ("string", b"\x01"),  # of a negative length
        ("bytes", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ({"type": "enum", "name": "E", "symbols": ["a", "b"]}, b"\x01"),
        ({"type": "array", "items": "int"}, b"\x01\x04\x02\x00"),  # a block of another size than it says
        ({"type": "array", "items": "int"}, b"\xfe\xff\xff\xff\x0f\x02"),
        ({"type": "map", "values": "string"}, b"\x02\x02k"),
        (RECORD, b"\x02\x02a"),
        (RECORD, b"\x82\x00\x02a\x02"),
    ],
)
def test_bytes_that_are_no_value_are_refused(schema: Any, body: bytes) -> None:
    with pytest.raises(BadValueError):
        AvroReader(WriterSchema(schema)).read(body)


@pytest.mark.parametrize(
    "schema",
    [
        "strange",
        {"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]},
        {"type": "array", "items": "null"},
        {"type": "array", "items": {"type": "record", "name": "Nothing", "fields": []}},
        {"type": "record", "fields": 1},
        17,
    ],
)
def test_schemas_that_cannot_be_read_with_safely_are_refused(schema: Any) -> None:
    """Few bytes under them would keep a reader busy for ever, or overflow its stack."""
    with pytest.raises(BadSchemaError):
        AvroReader(WriterSchema(schema))


def test_a_block_that_says_its_size_rightly_is_read() -> None:
    assert AvroReader(WriterSchema({"type": "array", "items": "int"})).read(b"\x03\x04\x02\x04\x00") == [1, 2]


def test_a_value_of_millions_of_digits_is_refused_at_once() -> None:
    schema = logical("bytes", "org.apache.kafka.connect.data.Decimal", scale="2")
    with pytest.raises(BadValueError):
        cell(schema, written("bytes", b"\x01" * 1_000_000))
    variable = {
        "type": "record", "name": "V", "connect.name": "io.debezium.data.VariableScaleDecimal",
        "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
    }  # fmt: skip
    with pytest.raises(BadValueError):
        cell(variable, written(variable, {"scale": 2**31 - 1, "value": b"\x01"}))


def fixed(name: str, size: int, **more: object) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size, "logicalType": name, **more}


@pytest.mark.parametrize(
    ("kind", "name", "number", "text"),
    [
        ("int", "date", 19_700, "2023-12-09"),
        ("int", "time-millis", 3_600_001, "01:00:00.001"),
        ("long", "time-micros", 3_600_000_001, "01:00:00.000001"),
        ("long", "timestamp-millis", 1_700_000_000_123, "2023-11-14T22:13:20.123000Z"),
        ("long", "timestamp-micros", -1, "1969-12-31T23:59:59.999999Z"),
        ("long", "timestamp-nanos", 1_700_000_000_000_000_001, "2023-11-14T22:13:20.000000001Z"),
        ("long", "local-timestamp-millis", 1_700_000_000_123, "2023-11-14T22:13:20.123000"),
        ("long", "local-timestamp-micros", 0, "1970-01-01T00:00:00"),
        ("long", "local-timestamp-nanos", 1, "1970-01-01T00:00:00.000000001"),
    ],
)
def test_avros_own_times_are_times(kind: str, name: str, number: int, text: str) -> None:
    """Where no connector says what an integer is: a moment has a zone, a clock on the wall has none."""
    assert cell({"type": kind, "logicalType": name}, written(kind, number)) == text


@given(st.binary(min_size=1, max_size=12))
def test_avros_own_decimals_have_their_scale(raw: bytes) -> None:
    number = Fraction(int.from_bytes(raw, "big", signed=True), 1000)
    told = {"logicalType": "decimal", "precision": 40, "scale": 3}
    for schema in ({"type": "bytes", **told}, fixed("decimal", len(raw), precision=40, scale=3)):
        plain = {name: value for name, value in schema.items() if name != "logicalType"}
        found = cell(schema, written(plain, raw))
        assert isinstance(found, str)
        assert Fraction(found) == number


def test_avros_own_uuids_and_durations_are_texts() -> None:
    assert cell(fixed("uuid", 16), bytes(range(16))) == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert cell({"type": "string", "logicalType": "uuid"}, written("string", "a")) == "a"
    assert cell(fixed("duration", 12), struct.pack("<III", 14, 3, 4_005)) == "P14M3DT4.005S"


@pytest.mark.parametrize(
    "told",
    [
        {"logicalType": "date"}, {"logicalType": "timestamp-parsecs"}, {"logicalType": ["date"]},
        {"logicalType": "decimal", "precision": 4, "scale": 2},
    ],
)  # fmt: skip
def test_a_logical_type_that_does_not_fit_is_none(told: dict[str, Any]) -> None:
    """As Avro's specification wants it: what it stands on counts."""
    assert cell({"type": "long", **told}, written("long", 7)) == "7"


@pytest.mark.parametrize(
    "told", [{}, {"precision": 0}, {"precision": 2, "scale": 3}, {"precision": "4"}, {"precision": 4, "scale": -1}]
)
def test_a_decimal_without_a_sound_precision_is_bytes(told: dict[str, Any]) -> None:
    assert cell({"type": "bytes", "logicalType": "decimal", **told}, written("bytes", b"\x07")) == "\\x07"


def test_what_a_connector_says_of_a_type_wins() -> None:
    """Connect writes `timestamp-millis` beside its own name also for a clock on the wall."""
    schema = {**logical("long", "org.apache.kafka.connect.data.Timestamp"), "logicalType": "timestamp-millis"}
    assert cell(schema, written("long", 1_700_000_000_123)) == "2023-11-14T22:13:20.123000"


@pytest.mark.parametrize(
    ("item", "value", "text"),
    [
        ("long", {"x": 1, "y": -2}, '{"x": 1, "y": -2}'),
        ("double", {"x": 0.5}, '{"x": 0.5}'),
        ("boolean", {"x": True}, '{"x": true}'),
        (["null", "string"], {"x": None, "y": 'say "so"'}, '{"x": null, "y": "say \\"so\\""}'),
        ("string", {}, "{}"),
    ],
)
def test_a_map_of_plain_values_is_a_json_object(item: object, value: dict[str, object], text: str) -> None:
    schema = {"type": "map", "values": item}
    assert cell(schema, written(schema, value)) == text


def test_a_map_of_anything_else_is_not_guessed_at() -> None:
    """A time in a JSON object has no spelling of its own."""
    schema = {"type": "map", "values": {"type": "int", "logicalType": "date"}}
    assert cell(schema, written({"type": "map", "values": "int"}, {"x": 1})) is Lack.UNREADABLE


@pytest.mark.parametrize(
    ("logical_type", "kind", "store", "mode", "name"),
    [
        (DATE, "int32", "", "", "io.debezium.time.Date"),
        (DATE, "int64", "", "", BARE_TIME),
        (TIMESTAMP, "int64", "", "", BARE_TIME),
        (TIMESTAMP, "int64", "", "microseconds", "io.debezium.time.MicroTimestamp"),
        (TIMESTAMP, "int64", "timestamp(3)", "adaptive", "io.debezium.time.Timestamp"),
        (TIMESTAMP, "int64", "bigint", "", ""),
        (INT, "int64", "", "", ""),
    ],
)
def test_an_integer_that_the_contract_takes_for_a_time_is_read_where_its_unit_is_known(
    logical_type: LogicalType, kind: str, store: str, mode: str, name: str
) -> None:
    """With `connect.meta.data=false` a schema does not say what an integer is; a row's owner broke no rule by that."""
    shape = refined(Shape(kind), ColumnHint(logical_type, store), Modes(time=mode), "postgresql")
    assert (shape.name, shape.kind) == (name, "unknown" if name == BARE_TIME else kind)
