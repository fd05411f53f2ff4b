"""A column whose type changed holds the same values only where the new type has room for all of the old one's."""

from __future__ import annotations

import pytest

from auditor.feeds.decoder import Decoder
from auditor.feeds.options import DecodingOptions
from auditor.feeds.retyping import keeps_values, kind_of
from auditor.feeds.shape import Shape
from tests.unit.auditor.feeds.reading import record

_TIME, _DATA, _CONNECT = "io.debezium.time.", "io.debezium.data.", "org.apache.kafka.connect.data."


def decimal(precision: int, scale: int) -> Shape:
    told = {"scale": str(scale), "connect.decimal.precision": str(precision)}
    return Shape("bytes", f"{_CONNECT}Decimal", told)


def members(allowed: str, name: str = "Enum") -> Shape:
    return Shape("string", f"{_DATA}{name}", {"allowed": allowed})


def varchar(length: str, kind: str = "VARCHAR") -> Shape:
    return Shape("string", "", {"__debezium.source.column.type": kind, "__debezium.source.column.length": length})


WIDER = [
    (Shape("int16"), Shape("int32")),
    (Shape("int32"), Shape("int64")),
    (Shape("int32", f"{_TIME}Time"), Shape("int64", f"{_TIME}MicroTime")),
    (Shape("int64", f"{_TIME}Timestamp"), Shape("int64", f"{_TIME}NanoTimestamp")),
    (decimal(10, 2), decimal(12, 2)),
    (decimal(10, 2), decimal(12, 4)),
    (decimal(10, 2), Shape("struct", f"{_DATA}VariableScaleDecimal")),
    (members("new,paid"), members("new,shipped,paid,gone")),
    (members("a,b", "EnumSet"), members("a,b,c", "EnumSet")),
    (varchar("20"), varchar("50")),
]


@pytest.mark.parametrize(("narrow", "wide"), WIDER)
def test_a_wider_type_keeps_every_value_and_the_way_back_does_not(narrow: Shape, wide: Shape) -> None:
    assert keeps_values(kind_of(narrow), kind_of(wide))
    assert not keeps_values(kind_of(wide), kind_of(narrow))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Shape("float32"), Shape("float64")),  # 0.1 becomes 0.10000000149011612
        (Shape("int32"), Shape("string")),
        (Shape("int32"), Shape("int64", f"{_TIME}Timestamp")),
        (Shape("int32", f"{_TIME}Date"), Shape("int64", f"{_TIME}Timestamp")),
        (decimal(10, 2), decimal(10, 4)),  # two digits fewer before the point
        (Shape("bytes", f"{_CONNECT}Decimal", {"scale": "2"}), decimal(12, 4)),
        (members("new,paid"), members("new,settled")),
        (members("a,b", "EnumSet"), members("b,a", "EnumSet")),
        (varchar("20"), varchar("20", "CHAR")),
        (Shape("bytes", f"{_DATA}Bits", {"length": "3"}), Shape("bytes", f"{_DATA}Bits", {"length": "5"})),
    ],
)
def test_any_other_type_may_hold_other_values(before: Shape, after: Shape) -> None:
    assert not keeps_values(kind_of(before), kind_of(after))


def typed(columns: dict[str, str]) -> dict[str, object]:
    """JSON with its schema."""
    fields = [{"field": name, "type": kind, "optional": False} for name, kind in columns.items()]
    return {"schema": {"type": "struct", "fields": fields}, "payload": dict.fromkeys(columns, 1)}


def notes_after(*kinds: str) -> object:
    """Of a topic whose column `a` had these types in turn."""
    decoder = Decoder(DecodingOptions(form="flattened"), None)
    decoder.decode([record(typed({"id": "int32"}), typed({"id": "int32", "a": kind})) for kind in kinds])
    return decoder.notes().get("t", {}).get("a", "")


def test_a_column_that_was_widened_leaves_nothing_undecided() -> None:
    assert notes_after("int32", "int64") == ""
    assert "its type changed" in str(notes_after("int64", "int32"))
