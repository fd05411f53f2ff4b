"""A schema that refers to others is recorded as one that needs none, and decodes the same bytes."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest

from auditor.feeds.schemas import WriterSchema
from auditor.feeds.whole_schema import whole_schema

MONEY = {
    "type": "record",
    "name": "Money",
    "namespace": "shop.types",
    "fields": [{"name": "cents", "type": "long"}, {"name": "in", "type": "Currency"}],
}
CURRENCY = {"type": "enum", "name": "Currency", "namespace": "shop.types", "symbols": ["EUR", "CHF"]}
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "total", "type": "shop.types.Money"},
        {"name": "fees", "type": {"type": "array", "items": "shop.types.Money"}},
        {"name": "tax", "type": ["null", "shop.types.Money"]},
        {"name": "by", "type": {"type": "map", "values": "shop.types.Currency"}},
    ],
}


def test_references_are_put_in_where_they_are_first_named() -> None:
    whole = whole_schema(WriterSchema(ORDER, references=(CURRENCY, MONEY)))
    row = {
        "total": {"cents": 5, "in": "EUR"},
        "fees": [{"cents": 1, "in": "CHF"}],
        "tax": {"cents": 2, "in": "EUR"},
        "by": {"a": "CHF"},
    }
    names: dict[str, Any] = {}
    for one in (CURRENCY, MONEY):
        fastavro.parse_schema(one, names)
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(ORDER, names), row)
    written.seek(0)
    assert fastavro.schemaless_reader(written, fastavro.parse_schema(whole), None) == row
    assert str(whole).count("'symbols'") == 1


@pytest.mark.parametrize("definition", ["string", ORDER, ["null", "long"]])
def test_a_schema_without_references_stays_as_it_is(definition: Any) -> None:
    assert whole_schema(WriterSchema(definition)) is definition
