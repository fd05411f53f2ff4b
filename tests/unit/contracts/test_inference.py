"""A first contract holds facts, leaves intent blank, and loads once the blanks are filled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalog import parse_catalog
from contracts.inference import DatasetDescription, infer_contract
from contracts.logical_types import LogicalType, parse_logical_type
from contracts.matching import ColumnDescription, match_columns
from contracts.proposed_equality import propose_equality
from tests.unit.contracts.samples import errors

if TYPE_CHECKING:
    from contracts.contract import Contract

IDS = tuple(f"7f1c0000-0000-4000-8000-00000000000{number}" for number in range(8))


def column(name: str, store_type: str, logical: str = "", *samples: str, zone: str = "") -> ColumnDescription:
    return ColumnDescription(
        name, store_type, parse_logical_type(logical) if logical else None, samples=samples, zone=zone
    )


OWNER = DatasetDescription(
    "orders_db/public.orders",
    (
        column("id", "uuid", "uuid", *IDS),
        column("customer_id", "uuid", "uuid"),
        column("status", "order_status", "enum(open,paid)", "open", "paid"),
        column("email", "character varying(200)", "text", "Ann@x.org", "bob@x.org", "eve@x.org"),
        column("total_amount", "numeric(10,4)", "decimal(10,4)"),
        column("tax_amount", "numeric(10,4)", "decimal(10,4)"),
        column("created_at", "timestamp with time zone", "timestamp", zone="instant"),
        column("updated_at", "timestamp without time zone", "timestamp", zone="local"),
        column("shape", "geometry"),
    ),
    (("id",),),
)
COPY = DatasetDescription(
    "reporting/Orders",
    (
        column("orderId", "char(36)", "text"),
        column("customerId", "char(36)", "text"),
        column("Status", "varchar(20)", "text"),
        column("mail", "varchar(50)", "text", "ann@x.org", "bob@x.org", "eve@x.org"),
        column("orderTotal", "decimal(10,2)", "decimal(10,2)"),
        column("createdAt", "datetime", "timestamp"),
        column("updated_at", "datetime(3)", "timestamp"),
        column("batch", "int", "int"),
    ),
    (("orderId",),),
)


def filled(text: str) -> str:
    """The text with every blank decided, as somebody would."""
    text = re.sub(r"lag_bound:  #.*", "lag_bound: 5m", text)
    text = re.sub(r"deletes:  #.*", "deletes: propagate", text)
    return re.sub(r"completeness:  #.*", "completeness: full", text)


def loaded(text: str) -> Contract:
    (contract,) = parse_catalog({"a.yaml": filled(text)}).contracts.values()
    return contract


def test_the_owner_is_described_as_it_is() -> None:
    contract = loaded(infer_contract(OWNER))
    assert (contract.entity, contract.version, contract.key) == ("order", 1, ("id",))
    assert str(contract.owner.dataset) == "orders_db/public.orders"
    assert contract.owner.changed_at is not None
    assert (contract.owner.changed_at.field, contract.owner.changed_at.maintained_by) == ("updated_at", "application")
    assert {name: str(field.type) for name, field in contract.fields.items()} == {
        "id": "uuid",
        "customer_id": "uuid",
        "status": "enum(open,paid)",
        "email": "text",
        "total_amount": "decimal(10,4)",
        "tax_amount": "decimal(10,4)",
        "created_at": "timestamp",
        "updated_at": "timestamp",
        "shape": "text",
    }
    assert [name for name, field in contract.fields.items() if field.sensitive] == ["email"]


def test_columns_are_matched_by_name_type_and_value() -> None:
    (replica,) = loaded(infer_contract(OWNER, [COPY])).replicas
    assert [(mapped.field, mapped.path) for mapped in replica.key] == [("id", "orderId")]
    assert {mapped.field: mapped.path for mapped in replica.fields} == {
        "customer_id": "customerId",
        "status": "Status",
        "email": "mail",
        "total_amount": "orderTotal",
        "created_at": "createdAt",
        "updated_at": "updated_at",
    }


def test_what_a_copy_cannot_keep_becomes_an_equality() -> None:
    text = infer_contract(OWNER, [COPY])
    assert "total_amount: {path: orderTotal, equality: within 0.005}" in text
    assert "created_at: {path: createdAt, equality: truncated s}" in text
    assert "updated_at: {path: updated_at, equality: truncated ms}" in text
    assert "email: {path: mail, equality: case_insensitive}" in text
    assert "holds at most 20 characters; if it cuts: {truncated_to: 20}" in text


def test_intent_is_left_blank_and_asked_for() -> None:
    """How far a copy may trail, what becomes of deleted rows and whether all must be there: nobody can infer it."""
    found = errors(infer_contract(OWNER, [COPY]))
    assert [re.sub(r".*`(\w+)` is left blank; decide on it .*", r"\1", line) for line in found] == [
        "lag_bound", "deletes", "completeness",
    ]  # fmt: skip


def test_what_was_not_recognised_is_said() -> None:
    text = infer_contract(OWNER, [COPY])
    assert "    # columns that no field was recognised in: batch" in text
    assert "    # fields that no column was recognised for: tax_amount, shape" in text
    assert "shape: {type: text}  # geometry has no counterpart; read as text" in text
    assert "customer_id: {type: uuid}  # references: customer?" in text
    assert "updated_at: {type: timestamp}  # has no zone: taken in the connection's, or write timestamp(local)" in text


def test_no_sample_reaches_the_text() -> None:
    """Samples may be anybody's data."""
    text = infer_contract(OWNER, [COPY])
    assert not [
        value
        for described in (*OWNER.columns, *COPY.columns)
        for value in described.samples
        if f" {value}" in text and len(value) > 4
    ]


def test_a_key_is_never_invented() -> None:
    columns = (column("name", "text", "text"), column("size", "int", "int"))
    text = infer_contract(DatasetDescription("a/things", columns), [DatasetDescription("b/things", columns)])
    assert any("`key` is left blank; decide on it (the names of the key's fields)" in line for line in errors(text))
    guessed = infer_contract(DatasetDescription("a/things", (*columns, column("ID", "int", "int"))))
    assert "key: [ID]  # the store does not keep it unique; make sure that it tells rows apart" in guessed


def test_a_key_that_the_copy_seems_to_lack_is_asked_for() -> None:
    copy = DatasetDescription("b/orders", (column("status", "text", "text"),))
    found = errors(infer_contract(OWNER, [copy]))
    assert any("`id` is left blank; write the replica's own name of it" in line for line in found)


def test_a_composite_key_keeps_its_order() -> None:
    columns = (column("line", "int", "int"), column("order_id", "uuid", "uuid"))
    owner = DatasetDescription("a/order_lines", columns, (("order_id", "line"),))
    copy = DatasetDescription("b/x", (column("order_id", "uuid", "uuid"), column("line_no", "int", "int")))
    contract = loaded(infer_contract(owner, [copy]))
    assert contract.key == ("order_id", "line")
    assert [mapped.path for mapped in contract.replicas[0].key] == ["order_id", "line_no"]


def test_several_copies_of_one_connection_get_their_own_names() -> None:
    other = DatasetDescription("reporting/archive.orders", COPY.columns)
    contract = loaded(infer_contract(OWNER, [COPY, other, DatasetDescription("reporting/a", COPY.columns)]))
    assert [replica.name for replica in contract.replicas] == ["reporting", "reporting-archive.orders", "reporting-a"]


@pytest.mark.parametrize(
    ("dataset", "entity"),
    [
        ("db/public.orders", "order"),
        ("db/dbo.OrderItems", "order_item"),
        ("lake/archive/categories.parquet", "category"),
        ("db/addresses", "address"),
        ("db/boxes", "box"),
        ("db/batches", "batch"),
        ("db/stock", "stock"),
        ("db/s", "s"),
        ("db/press", "press"),
    ],
)
def test_the_entity_is_called_after_the_relation(dataset: str, entity: str) -> None:
    assert f"entity: {entity}\n" in infer_contract(DatasetDescription(dataset, OWNER.columns))
    assert "entity: thing\n" in infer_contract(OWNER, entity="thing")


@pytest.mark.parametrize(
    ("fields", "columns", "wanted"),
    [
        ("order_total", "orderTotal", {"order_total": "orderTotal"}),
        ("order_total", "ORDER_TOTAL", {"order_total": "ORDER_TOTAL"}),
        ("total", "o_total o_state o_note", {"total": "o_total"}),
        ("state", "order_state", {"state": "order_state"}),
        ("total_amount tax_amount", "total tax", {"total_amount": "total", "tax_amount": "tax"}),
        ("total_amount tax_amount", "amount", {}),
        ("total", "total_net total_gross", {}),
        ("city", "zip", {}),
        ("colour", "color", {}),
        ("a b", "b a", {"a": "a", "b": "b"}),
    ],
)
def test_names_that_say_the_same_are_matched_and_doubtful_ones_are_not(
    fields: str, columns: str, wanted: dict[str, str]
) -> None:
    """A wrong proposal costs more than a missing one."""
    found = match_columns(
        [column(name, "int", "int") for name in fields.split()],
        [column(name, "int", "int") for name in columns.split()],
        "order",
    )
    assert {name: match.column.name for name, match in found.items()} == wanted


def test_values_alone_speak_only_where_they_are_telling() -> None:
    field = column("id", "uuid", "uuid", *IDS)
    upper = column("reference", "text", "text", *(value.upper() for value in IDS))
    assert match_columns([field], [upper], "order")["id"].reason == "the same values"
    small = [column("quantity", "int", "int", *"123456789"), column("position", "int", "int", *"123456789")]
    assert match_columns(small[:1], small[1:], "order") == {}
    assert match_columns([column("total", "int", "int")], [column("total", "date", "date")], "order") == {}


@pytest.mark.parametrize(
    ("field", "other", "wanted"),
    [
        (("timestamptz", "timestamp"), ("timestamp[ms]", "timestamp"), "truncated ms"),
        (("timestamptz", "timestamp"), ("timestamp(0)", "timestamp"), "truncated s"),
        (("timestamp(3)", "timestamp"), ("timestamp(6)", "timestamp"), ""),
        (("timestamptz", "timestamp"), ("TEXT", "text", "2026-01-31T12:00:00Z"), "truncated s"),
        (("timestamptz", "timestamp"), ("TEXT", "text", "2026-01-31T12:00:00.123456Z"), ""),
        (("timestamptz", "timestamp"), ("date", "date"), "ignored"),
        (("time", "time"), ("time(0)", "time"), "truncated s"),
        (("numeric(10,4)", "decimal(10,4)"), ("numeric(10,2)", "decimal(10,2)"), "within 0.005"),
        (("numeric(10,2)", "decimal(10,2)"), ("double", "float"), "within 0.005"),
        (("numeric(10,2)", "decimal(10,2)"), ("bigint", "int"), "within 0.5"),
        (("numeric(10,2)", "decimal(10,2)"), ("numeric(12,4)", "decimal(12,4)"), ""),
        (("char(5)", "text", "ab"), ("varchar(5)", "text", "ab   "), "trimmed"),
        (("varchar(5)", "text", "ab"), ("varchar(5)", "text", "AB"), "case_insensitive"),
        (("varchar(5)", "text", "ab"), ("varchar(5)", "text", "ab"), ""),
        (("geometry", ""), ("text", "text"), ""),
    ],
)  # fmt: skip
def test_an_equality_is_proposed_where_types_lose_something(
    field: tuple[str, ...], other: tuple[str, ...], wanted: str
) -> None:
    assert propose_equality(column("a", *field), column("b", *other)).text == wanted


KINDS = ["int", "decimal(10,2)", "decimal(40,20)", "float", "text", "bool", "uuid", "date", "time", "timestamp", "json",
         "bytes", "interval", "list<int>", "timestamp(local)"]  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(
        [
            "id",
            "no",
            "true",
            "null",
            "123",
            "2026-01-31",
            "a: b",
            "#x",
            "a,b",
            "[x]",
            '"',
            "'",
            "x\ny",
            "- a",
            "💶",
            "&a",
        ]
    ),
    st.text(min_size=1, max_size=8),
)
ENUM = parse_logical_type("enum(a,b)")


@st.composite
def _columns(draw: st.DrawFn) -> tuple[ColumnDescription, ...]:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    types: list[LogicalType | None] = [None, ENUM, *map(parse_logical_type, KINDS)]
    return tuple(
        ColumnDescription(
            name, draw(NAMES), draw(st.sampled_from(types)), samples=tuple(draw(st.lists(NAMES, max_size=4)))
        )
        for name in names
    )


@given(columns=_columns(), copies=st.lists(_columns(), max_size=2), relation=NAMES, data=st.data())
def test_whatever_a_store_calls_its_columns_the_text_stays_yaml(
    columns: tuple[ColumnDescription, ...], copies: list[tuple[ColumnDescription, ...]], relation: str, data: Any
) -> None:
    """Names with colons, quotes, line ends and anything else neither break the file nor add a line to it."""
    relation = relation.replace("\0", "").strip() or "x"
    key = tuple(data.draw(st.lists(st.sampled_from([c.name for c in columns]), max_size=2, unique=True)))
    owner = DatasetDescription(f"db/{relation}", columns, (key,) if key else ())
    replicas = [DatasetDescription(f"c{number}/{relation}", copy) for number, copy in enumerate(copies)]
    found = errors(filled(infer_contract(owner, replicas, entity="thing")))
    lawful = ("left blank", "cannot tell rows apart")
    assert all(any(part in line for part in lawful) for line in found), found
