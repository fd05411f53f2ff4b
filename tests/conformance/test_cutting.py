"""Readers that can read a part of a dataset by a range of its keys: each row is in one part, where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts.errors import AuditorError
from contracts.logical_types import parse_logical_type
from reconcilers.canonical import canonical
from reconcilers.ports import Cutting, Wanted
from reconcilers.projection import key_sql
from reconcilers.segment import Segment, in_order, misplaced, segments_between
from tests.conformance.delivery import workspace_in
from tests.conformance.stores.postgresql import Postgres
from tests.conformance.stores.registry import STORES, store_marks

if TYPE_CHECKING:
    from pathlib import Path

    from reconcilers.ports import Reader
    from reconcilers.workspace import Workspace
    from tests.conformance.stores.store import Store

ROWS = 2_000
CUTTING = [
    pytest.param(kind.name, id=kind.name, marks=store_marks(kind))
    for kind in STORES
    if kind.name in ("postgresql", "mariadb", "mysql", "sqlite")
]


def parts(tmp_path: Path, reader: Reader, logical: str, rows: int) -> list[tuple[Segment, list[str], int]] | None:
    """Each segment with the texts of the keys in it, and how many do not belong there; None where nothing is cut."""
    by = Wanted("id", parse_logical_type(logical))
    assert by.logical is not None
    with workspace_in(tmp_path) as workspace:
        with reader.snapshot(workspace) as snapshot:
            assert isinstance(snapshot, Cutting)
            dividers = snapshot.dividers(by, rows)
        if dividers is None:
            return None
        segments = segments_between(in_order(workspace.cursor(), by.logical, dividers))
        return [(segment, *_brought(workspace, reader, by, segment)) for segment in segments]


def _brought(workspace: Workspace, reader: Reader, by: Wanted, segment: Segment) -> tuple[list[str], int]:
    assert by.logical is not None
    with reader.snapshot(workspace) as snapshot:
        assert isinstance(snapshot, Cutting)
        snapshot.cut(by, segment.lower, segment.upper)
        relation = snapshot.scan([by])
        form = canonical(by.logical, relation.columns[0])
        snapshot.load(f"SELECT {key_sql(by.logical, form)} AS k0, {form.text} AS t FROM {relation.sql}", "part")
    cursor = workspace.cursor()
    texts = [row[0] for row in cursor.execute("SELECT t FROM part").fetchall()]
    ((wrong,),) = cursor.execute(f"SELECT count(*) FROM part WHERE {misplaced(segment, by.logical)}").fetchall()
    return texts, wrong


def _know_sizes(store: Store) -> None:
    """PostgreSQL thinks in the sizes of its last ANALYZE."""
    if isinstance(store, Postgres):
        store.execute("ANALYZE")


def check(found: list[tuple[Segment, list[str], int]] | None, rows: list[Any], at_least: int = 2) -> None:
    assert found is not None
    assert len(found) >= at_least
    assert not any(wrong for _, _, wrong in found)
    assert sorted(text or "" for _, texts, _ in found for text in texts) == sorted(row[0] or "" for row in rows)


@pytest.mark.parametrize("wanted", [5, 50], ids=["by what the store knows", "by a sample"])
@pytest.mark.parametrize("store", CUTTING, indirect=True)
def test_parts_by_an_integer_key_are_about_even(store: Store, tmp_path: Path, wanted: int) -> None:
    """PostgreSQL divides few parts by its statistics, and many by a sample of the rows."""
    rows = [(str(number * number - 1_000), "v") for number in range(ROWS)]
    columns = {"id": store.spelled("int"), "v": store.spelled("text")}
    reader = store.reader(store.make(store.new_name(), columns, rows, ["id"]))
    _know_sizes(store)
    found = parts(tmp_path, reader, "int", ROWS // wanted)
    check(found, rows, at_least=wanted - 1)
    assert found is not None
    assert max(len(texts) for _, texts, _ in found) < 2 * ROWS // wanted


@pytest.mark.parametrize("logical", ["uuid", "date", "text"])
@pytest.mark.parametrize("store", CUTTING, indirect=True)
def test_where_keys_of_other_types_are_cut_each_row_is_in_the_part_it_belongs_to(
    store: Store, tmp_path: Path, logical: str
) -> None:
    """In every way that a store has to keep them; where one cannot be cut, the reader says so at once."""
    values = {
        "uuid": [f"{number * 7919 % 65536:04x}{number:04x}-e29b-41d4-a716-446655440000" for number in range(300)],
        "date": [f"{1970 + number // 28}-02-{number % 28 + 1:02}" for number in range(300)],
        "text": [f"{letter}{number}" for letter in "aAzZéß_ -" for number in range(30)],
    }[logical]
    rows = [(value, "v") for value in values]
    for spelling in store.spellings[logical].values():
        columns = {"id": spelling, "v": store.spelled("text")}
        if any(value in spelling.refuses for value in values):
            continue
        try:
            relation = store.make(store.new_name(), columns, rows, ["id"])
        except AuditorError:
            continue  # no key of such a column
        _know_sizes(store)
        found = parts(tmp_path, store.reader(relation), logical, 80)
        if found is not None:
            assert sorted(text for _, texts, _ in found for text in texts) == sorted(values)


@pytest.mark.parametrize("store", CUTTING, indirect=True)
def test_what_no_index_leads_to_is_not_cut(store: Store, tmp_path: Path) -> None:
    """Each part would cost as much as the whole."""
    columns = {"id": store.spelled("int"), "v": store.spelled("text")}
    reader = store.reader(store.make(store.new_name(), columns, [("1", "v"), ("2", "v")]))
    assert parts(tmp_path, reader, "int", 2) is None
    view = store.reader(store.view(store.make(store.new_name(), columns, [("1", "v")], ["id"])))
    assert parts(tmp_path, view, "int", 2) is None
