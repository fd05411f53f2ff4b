"""What decides how records are understood is known again, by column; secrets are no part of it."""

from __future__ import annotations

from typing import Any

from auditor.feeds.hints import ColumnHint
from auditor.feeds.terms import FEED, terms_of
from auditor.settings import KafkaFeed
from contracts.logical_types import parse_logical_type
from reconcilers.streams.state import FeedState

TOPIC = "shop.orders"
COLUMNS = {"id": ColumnHint(parse_logical_type("int")), "at": ColumnHint(parse_logical_type("timestamp"))}


def terms(columns: dict[str, ColumnHint] | None = None, **settings: Any) -> dict[str, str]:
    told = {"type": "kafka", "bootstrap_servers": ["kafka:9092"], **settings}
    return terms_of(KafkaFeed.model_validate(told), TOPIC, columns or COLUMNS)


def changed(first: dict[str, str], second: dict[str, str]) -> set[str]:
    return {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}


def test_what_decides_how_records_are_read_is_part_of_the_terms() -> None:
    registry = {"url": "https://schemas.example.org"}
    assert changed(terms(), terms(debezium={"records": "flattened"})) == {FEED}
    assert changed(terms(), terms(schemaless={"time": "adaptive"})) == {FEED}
    assert changed(terms(), terms(schemaless={"columns": {TOPIC: {"at": "timestamp(6)"}}})) == {FEED}
    assert changed(terms(), terms(schema_registry=registry)) == {FEED}
    assert changed(terms(schema_registry=registry), terms(schema_registry={**registry, "format": "apicurio-8byte"}))
    assert changed(terms(), terms({**COLUMNS, "at": ColumnHint(parse_logical_type("date"))})) == {"at"}


def test_nothing_else_is() -> None:
    """How the broker and the registry are reached, another topic's columns, and what nobody wants of a topic."""
    registry = {"url": "https://schemas.example.org, https://others.example.org"}
    assert terms() == terms(bootstrap_servers=["other:9092"], group_id="others")
    assert terms() == terms(schemaless={"columns": {"shop.others": {"at": "timestamp(6)"}}})
    assert terms(schema_registry={"url": "https://schemas.example.org"}) == terms(
        schema_registry={**registry, "auth": {"basic": "somebody:secret"}}
    )


def test_terms_are_compared_as_far_as_both_sides_name_them() -> None:
    """Contracts that share a topic are not always in scope together, and take turns without reading it again."""
    with FeedState(None) as state:
        state.keep(TOPIC, ["id", "at"], ["id"])
        assert state.disagreeing(TOPIC, terms()) == []
        state.agree(TOPIC, terms())
        assert state.disagreeing(TOPIC, terms({"id": COLUMNS["id"]})) == []
        other = terms({"id": ColumnHint(parse_logical_type("text"))}, schemaless={"time": "adaptive"})
        assert state.disagreeing(TOPIC, other) == [FEED, "id"]
        state.agree(TOPIC, other)
        assert state.disagreeing(TOPIC, terms()) == [FEED, "id"], "it was read on two terms"
        state.forget(TOPIC)
        state.keep(TOPIC, ["id", "at"], ["id"])
        assert state.disagreeing(TOPIC, other) == []
