from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from auditor.reports import entity
from tests.unit.reports.samples import HOSTILE, NOTE
from tests.unit.reports.strategies import names, values

if TYPE_CHECKING:
    from auditor.reports.entity import EntityDocument, EntityFieldDocument, EntityReplicaDocument


def field(name: str, owner: str | None, replica: str | None) -> EntityFieldDocument:
    return {"name": name, "owner": owner, "replica": replica, "equal": owner == replica}


def replica(name: str, state: str, *fields: EntityFieldDocument) -> EntityReplicaDocument:
    return {
        "replica": name,
        "state": state,
        "row": {f["name"]: f["replica"] for f in fields} or None,
        "fields": list(fields),
        "verdict": "persistent" if state == "divergent" else None,
        "cause": "stale" if state == "divergent" else None,
    }


def document(*replicas: EntityReplicaDocument) -> EntityDocument:
    row = {"id": "42", "status": "shipped", "total_amount": "105.00", "note": 3 * NOTE}
    return {
        "entity": "order",
        "key": {"id": "42"},
        "owner": {"state": "present", "row": dict(row), "watermark": "pg 0/16B3748"},
        "replicas": list(replicas),
        "changes": [{"at": "2026-01-30T17:22:05.120000Z", "status": "shipped"}],
        "suggestions": ["reporting: re-emit the order's last event"],
    }


DIVERGENT = replica(
    "reporting", "divergent", field("status", "shipped", "pending"), field("total_amount", "105.00", "105.00")
)


def table_row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.split()[:1] == [name])


def test_owner_and_replica_stand_side_by_side_and_differing_fields_are_marked_without_colour() -> None:
    text = entity.render_terminal(document(DIVERGENT))
    assert table_row(text, "status").split() == ["status", "shipped", "≠", "pending"]
    assert table_row(text, "total_amount").split() == ["total_amount", "105.00", "105.00"]
    assert table_row(text, "state").split() == ["state", "present", "divergent"]
    assert table_row(text, "verdict").split() == ["verdict", "persistent"]
    assert table_row(text, "cause").split() == ["cause", "stale"]


def test_more_replicas_than_fit_go_to_further_tables_each_with_the_owner() -> None:
    many = [replica(f"replica-{n}", "consistent", field("status", "shipped", "shipped")) for n in range(7)]
    text = entity.render_terminal(document(*many), width=80)
    heads = [line.split() for line in text.splitlines() if line.split()[:1] == ["owner"]]
    assert len(heads) > 1
    assert [name for head in heads for name in head[1:]] == [f"replica-{n}" for n in range(7)]


def test_a_wide_terminal_needs_one_table() -> None:
    many = [replica(f"replica-{n}", "consistent", field("status", "shipped", "shipped")) for n in range(5)]
    text = entity.render_terminal(document(*many), width=120)
    assert sum(line.split()[:1] == ["owner"] for line in text.splitlines()) == 1


def test_long_values_show_what_differs_on_both_sides() -> None:
    owner = 3 * NOTE
    other = replica("search", "divergent", field("note", owner, owner.replace("quiet", "quit")))
    text = entity.render_terminal(document(other))
    assert "quiet" in text
    assert "quit." in text


@pytest.mark.parametrize("width", [32, 40, 80, 120])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    states = [replica(state, state, field("note", NOTE, HOSTILE[n])) for n, state in enumerate(entity.REPLICA_STATES)]
    text = entity.render_terminal(document(*states), width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width


fields = st.builds(field, names, values, values)
replicas = st.builds(
    lambda name, state, some: replica(name, state, *some),
    names,
    st.sampled_from(entity.REPLICA_STATES),
    st.lists(fields, max_size=4),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(replicas, max_size=5))
def test_whatever_the_values_it_fits_80_columns_and_acts_on_nothing(many: list[EntityReplicaDocument]) -> None:
    text = entity.render_terminal(document(*many), width=80)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert max(cell_len(line) for line in text.split("\n")) <= 80


def test_a_row_that_no_store_has_is_shown_as_absent() -> None:
    nobody = document(replica("search", "consistent"))
    nobody["owner"] = {"state": "absent", "row": None, "watermark": ""}
    assert table_row(entity.render_terminal(nobody), "state").split() == ["state", "absent", "consistent"]


def test_a_store_that_cannot_be_reached_is_told_with_its_reason() -> None:
    lost = replica("search", "unreachable")
    lost["error"] = "reading search failed:\nconnection refused"
    text = entity.render_terminal(document(lost, DIVERGENT))
    assert "search: reading search failed: connection refused" in text


def test_changes_and_suggestions_are_told() -> None:
    text = entity.render_terminal(document(DIVERGENT))
    assert "status shipped" in text
    assert "re-emit the order's last event" in text


def test_json_is_the_document_in_ascii() -> None:
    hostile = replica("search", "divergent", *(field(f"f{n}", text, None) for n, text in enumerate(HOSTILE)))
    text = entity.render_json(document(hostile))
    assert json.loads(text) == document(hostile)
    assert text.isascii()
