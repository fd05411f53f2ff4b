"""Parquet types arrive whole: what DuckDB would cut or round takes another way."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.readers.files.reader import file_reader
from contracts.errors import StoreError
from contracts.logical_types import parse_logical_type
from reconcilers.ports import Wanted
from tests.conformance.delivery import found, keys, natural, scanned, scanned_raw, things, workspace_in

if TYPE_CHECKING:
    from pathlib import Path

    from reconcilers.ports import Reader

NANOS = 1_700_000_000_123_456_789
WIDE = Decimal("12345678901234567890123456789012345678901.123456789")
ID = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")


def parquet(directory: Path, name: str = "t.parquet", *, stored: bool = False, **columns: Any) -> Reader:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, store_schema=stored)
    return file_reader(f"lake/{name}", directory, name)


STAMP = "2023-11-14T22:13:20"
ARRAYS: dict[str, tuple[Any, str, str]] = {
    "decimal": (pa.array([Decimal("1.10")], pa.decimal128(10, 2)), "decimal(10,2)", "1.10"),
    "decimal of 38": (
        pa.array([Decimal("12345678901234567890123456789.123456789")], pa.decimal128(38, 9)),
        "decimal(38,9)",
        "12345678901234567890123456789.123456789",
    ),
    "decimal of 50": (pa.array([WIDE], pa.decimal256(50, 9)), "decimal(50,9)", str(WIDE)),
    "decimal of 76": (pa.array([Decimal(10) ** 70], pa.decimal256(76, 3)), "decimal(76,3)", "1" + "0" * 70 + ".000"),
    "ms": (pa.array([NANOS // 10**6], pa.timestamp("ms")), "timestamp", f"{STAMP}.123000Z"),
    "us": (pa.array([NANOS // 10**3], pa.timestamp("us")), "timestamp", f"{STAMP}.123456Z"),
    "whole ns": (pa.array([NANOS // 10**3 * 10**3], pa.timestamp("ns")), "timestamp", f"{STAMP}.123456Z"),
    "ns": (pa.array([NANOS], pa.timestamp("ns")), "timestamp", "!2023-11-14 22:13:20.123456789"),
    "ms UTC": (pa.array([NANOS // 10**6], pa.timestamp("ms", "UTC")), "timestamp", f"{STAMP}.123000Z"),
    "us UTC": (pa.array([NANOS // 10**3], pa.timestamp("us", "UTC")), "timestamp", f"{STAMP}.123456Z"),
    "whole ns UTC": (pa.array([NANOS // 1000 * 1000], pa.timestamp("ns", "UTC")), "timestamp", f"{STAMP}.123456Z"),
    "ns UTC": (pa.array([NANOS], pa.timestamp("ns", "UTC")), "timestamp", "!2023-11-14 22:13:20.123456789"),
    "ns local": (pa.array([NANOS // 1000 * 1000], pa.timestamp("ns")), "timestamp(local)", f"{STAMP}.123456"),
    "year 1": (pa.array([-62135596800000000], pa.timestamp("us")), "timestamp", "0001-01-01T00:00:00.000000Z"),
    "year 9999": (pa.array([253402300799999999], pa.timestamp("us")), "timestamp", "9999-12-31T23:59:59.999999Z"),
    "time ms": (pa.array([86_399_999], pa.time32("ms")), "time", "23:59:59.999000"),
    "time us": (pa.array([1_234_567], pa.time64("us")), "time", "00:00:01.234567"),
    "time ns": (pa.array([1_234_567_891], pa.time64("ns")), "time", "!00:00:01.234567891"),
    "whole time ns": (pa.array([1_234_567_000], pa.time64("ns")), "time", "00:00:01.234567"),
    "date": (pa.array([dt.date(2024, 2, 29)]), "date", "2024-02-29"),
    "date64": (pa.array([dt.date(9999, 12, 31)], pa.date64()), "date", "9999-12-31"),
    "half": (pa.array([np.float16(0.1)], pa.float16()), "float", "0.1"),
    "single": (pa.array([0.1], pa.float32()), "float", "0.1"),
    "double": (pa.array([0.1 + 0.2]), "float", "0.30000000000000004"),
    "single as decimal": (pa.array([5.99], pa.float32()), "decimal(5,2)", "5.99"),
    "nan": (pa.array([float("nan")]), "float", "NaN"),
    "infinite": (pa.array([float("-inf")], pa.float32()), "float", "-infinity"),
    "half infinite": (pa.array([np.float16("inf")], pa.float16()), "float", "infinity"),
    "int8": (pa.array([-128], pa.int8()), "int", "-128"),
    "uint64": (pa.array([2**64 - 1], pa.uint64()), "int", str(2**64 - 1)),
    "boolean": (pa.array([True]), "bool", "true"),
    "binary": (pa.array([b"\0\xff"]), "bytes", "00ff"),
    "fixed binary": (pa.array([ID.bytes], pa.binary(16)), "bytes", ID.hex),
    "fixed binary as uuid": (pa.array([ID.bytes], pa.binary(16)), "uuid", str(ID)),
    "uuid": (pa.array([ID.bytes], pa.uuid()), "uuid", str(ID)),
    "uuid in text": (pa.array([str(ID).upper()]), "uuid", str(ID)),
    "dictionary": (pa.array(["ä"]).dictionary_encode(), "text", "ä"),
    "large text": (pa.array(["x\0y"], pa.large_string()), "text", "x\0y"),
    "json": (pa.array(['{"b":1.10,"a":1}'], pa.json_()), "json", '{"a":1,"b":1.1}'),
    "duration": (pa.array([90_000_001], pa.duration("us")), "interval", "PT1M30.000001S"),
    "list": (pa.array([[Decimal("1.10"), None]], pa.list_(pa.decimal128(9, 2))), "list<decimal(9,2)>", '["1.10",null]'),
    "empty list": (pa.array([[]], pa.list_(pa.int64())), "list<int>", "[]"),
    "nested list": (
        pa.array([[["a"], [], None]], pa.list_(pa.list_(pa.string()))),
        "list<list<text>>",
        '[["a"],[],null]',
    ),
    "list of wide": (pa.array([[WIDE]], pa.list_(pa.decimal256(50, 9))), "list<decimal(50,9)>", f'["{WIDE}"]'),
    "list of bytes": (pa.array([[b"\xff"]], pa.list_(pa.binary())), "list<bytes>", '["ff"]'),
    "fixed list": (pa.array([[1, 2]], pa.list_(pa.int32(), 2)), "list<int>", '["1","2"]'),
    "list of times": (
        pa.array([[NANOS // 10**3]], pa.list_(pa.timestamp("us", "UTC"))),
        "list<timestamp>",
        f'["{STAMP}.123456Z"]',
    ),
    "struct": (
        pa.array(
            [{"b": Decimal("1.10"), "a": [0.1]}], pa.struct({"b": pa.decimal128(9, 2), "a": pa.list_(pa.float32())})
        ),
        "json",
        '{"a":[0.1],"b":1.1}',
    ),
    "map": (pa.array([[("k", 1), ("a", None)]], pa.map_(pa.string(), pa.int32())), "json", '{"a":null,"k":1}'),
}


@pytest.mark.parametrize("name", sorted(ARRAYS))
@pytest.mark.parametrize("stored", [False, True], ids=["plain", "with Arrow's schema"])
def test_every_type_arrives_whole(tmp_path: Path, name: str, stored: bool) -> None:  # noqa: FBT001
    array, logical, expected = ARRAYS[name]
    if isinstance(array.type, pa.DurationType) and not stored:
        logical, expected = "int", "90000001"  # Parquet itself has no durations, only Arrow's schema in it
    nothing = pa.nulls(1, array.type) if not isinstance(array.type, pa.ExtensionType) else None
    both = pa.concat_arrays([array, nothing]) if nothing is not None else array
    reader = parquet(tmp_path, stored=stored, v=both, other=pa.array(range(len(both))))
    expected_rows = [(expected,), (None,)] if nothing is not None else [(expected,)]
    assert scanned(tmp_path, reader, things(v=logical)) == expected_rows
    # beside a column that forces the way through Arrow
    table = pq.read_table(tmp_path / "t.parquet").append_column("forced", pa.array([[1]] * len(both)))
    pq.write_table(table, tmp_path / "t.parquet", store_schema=stored)
    rows = scanned(tmp_path, reader, things(v=logical, forced="list<int>"))
    assert [row[0] for row in rows] == [row[0] for row in expected_rows]


@pytest.mark.parametrize(
    ("logical", "zone", "expected"),
    [
        ("timestamp", "UTC", f"{STAMP}.123456Z"),
        ("timestamp", "Europe/Berlin", f"{STAMP}.123456Z"),
        ("timestamp(local)", "Europe/Berlin", "2023-11-14T23:13:20.123456"),
    ],
)
def test_an_instant_in_nanoseconds_is_one_whatever_the_connections_zone(
    tmp_path: Path, logical: str, zone: str, expected: str
) -> None:
    whole = NANOS // 1000 * 1000
    parquet(
        tmp_path,
        fine=pa.array([whole], pa.timestamp("ns", "UTC")),
        us=pa.array([whole // 1000], pa.timestamp("us", "UTC")),
    )
    reader = file_reader("lake/t", tmp_path, "t.parquet", timezone=zone)
    assert scanned(tmp_path, reader, things(fine=logical, us=logical)) == [(expected, expected)]


def test_the_old_96_bit_times_keep_all_years_and_all_digits(tmp_path: Path) -> None:
    table = pa.table({"v": pa.array([NANOS, 0, -1, None], pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    reader = file_reader("lake/t", tmp_path, "t.parquet")
    assert reader.shape().columns[0].store_type == "INT96"
    assert scanned_raw(tmp_path, reader, things(v="timestamp")) == [
        ("1969-12-31T23:59:59.999999999",),
        ("1970-01-01T00:00:00.000000000",),
        ("2023-11-14T22:13:20.123456789",),
        (None,),
    ]
    years = pa.table({"v": pa.array([-62135596800000000, 253402300799999999], pa.timestamp("us"))})
    pq.write_table(years, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    assert scanned(tmp_path, reader, things(v="timestamp")) == [
        ("0001-01-01T00:00:00.000000Z",),
        ("9999-12-31T23:59:59.999999Z",),
    ]


def test_paths_lead_into_structs_maps_and_documents(tmp_path: Path) -> None:
    inner = pa.struct({"amount": pa.decimal128(9, 2), "at": pa.timestamp("ns", "UTC"), "tags": pa.list_(pa.string())})
    reader = parquet(
        tmp_path,
        s=pa.array([{"amount": Decimal("1.10"), "at": NANOS, "tags": ["x"]}, None], inner),
        m=pa.array([[("k", Decimal("2.20"))], None], pa.map_(pa.string(), pa.decimal128(9, 2))),
        doc=pa.array(['{"a": {"b": 3.30}}', None]),
        **{"s.amount.x": pa.array(["own", None])},
    )
    wanted = natural("s.amount", "s.at", "s.tags", "s.tags.0", "m.k", "m.none", "doc.a.b", "s.amount.x")
    assert scanned_raw(tmp_path, reader, wanted) == [
        ("1.10", f"{STAMP}.123456789Z", '["x"]', "x", "2.20", None, "3.30", "own"),
        (None,) * 8,
    ]
    amounts = things(s__amount="decimal(9,2)")
    assert scanned(tmp_path, reader, amounts) == [("1.10",), (None,)]
    with workspace_in(tmp_path) as workspace, reader.snapshot(workspace) as snapshot:
        assert [column.duckdb_type for column in snapshot.scan(amounts).columns] == ["DECIMAL(9,2)"]


def test_parts_and_partitions_are_one_relation(tmp_path: Path) -> None:
    parquet(tmp_path, "orders/day=2026-01-01/a.parquet", id=pa.array([1]))
    parquet(tmp_path, "orders/day=2026-01-02/b.parquet", id=pa.array([2, 3]))
    parquet(tmp_path, "orders/day=__HIVE_DEFAULT_PARTITION__/c.parquet", id=pa.array([4]))
    (tmp_path / "orders/_SUCCESS").touch()
    (tmp_path / "orders/.hidden.parquet").write_bytes(b"x")
    for relation in ("orders", "orders/", "orders/**/*.parquet"):
        reader = file_reader("lake/orders", tmp_path, relation)
        shape = reader.shape()
        assert [column.name for column in shape.columns] == ["id", "day"]
        assert shape.estimated_rows == 4
        rows = [("1", "2026-01-01"), ("2", "2026-01-02"), ("3", "2026-01-02"), ("4", None)]
        assert scanned(tmp_path, reader, things(id="int", day="date")) == rows
        wanted = [*things(id="int", day="date"), Wanted("id", parse_logical_type("list<int>"))]
        assert found(tmp_path, reader, wanted[:2], keys(wanted[:1], ("3",))) == [("3", "2026-01-02")]


def test_a_new_part_is_a_change(tmp_path: Path) -> None:
    parquet(tmp_path, "orders/a.parquet", id=pa.array([1]))
    with workspace_in(tmp_path) as workspace, file_reader("l/o", tmp_path, "orders").snapshot(workspace) as snapshot:
        assert snapshot.incomplete() == ""
        parquet(tmp_path, "orders/b.parquet", id=pa.array([1]))
        assert "orders/b.parquet changed" in snapshot.incomplete()


def test_parts_that_differ_in_their_types_are_refused(tmp_path: Path) -> None:
    """DuckDB would cast the second part to the first one's types, and bend what does not fit."""
    parquet(tmp_path, "orders/a.parquet", id=pa.array([1]), v=pa.array([1]))
    parquet(tmp_path, "orders/b.parquet", id=pa.array([1]), v=pa.array([1.5]))
    with pytest.raises(StoreError, match="differ in their columns: v is int64 and double"):
        file_reader("lake/orders", tmp_path, "orders").shape()


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    reader = parquet(tmp_path, id=pa.array(range(1_000)))
    path = tmp_path / "t.parquet"
    whole = path.read_bytes()
    for content in (b"hello", b"PAR1", whole[:-10], whole[:100] + whole[200:]):
        path.write_bytes(content)
        with pytest.raises(StoreError, match="lake/t"):
            scanned_raw(tmp_path, reader, natural("id"))
    (tmp_path / "none").mkdir()
    with pytest.raises(StoreError, match="has no Parquet file"):
        file_reader("lake/none", tmp_path, "none").shape()


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    reader = parquet(tmp_path, total=pa.array([1]), other=pa.array([1]))
    with pytest.raises(StoreError, match="did you mean 'total'"):
        scanned_raw(tmp_path, reader, natural("Total_"))


def test_shape_tells_types_and_rows(tmp_path: Path) -> None:
    reader = parquet(tmp_path, **{f"c{i}": array for i, (array, _, _) in enumerate(ARRAYS.values())})
    shape = reader.shape()
    assert shape.estimated_rows == 1
    assert all(column.logical is not None for column in shape.columns)
    assert shape.column("c4") is not None
