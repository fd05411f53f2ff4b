"""What every reader does alike: whole relations and rows by key, whatever their names, sizes and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.errors import StoreError
from reconcilers.ports import Keys
from tests.conformance.delivery import canonical_texts, found, keys, raw_texts, scanned, things, workspace_in
from tests.conformance.stores.registry import STORES, store_marks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.stores.store import Store

ALL = [pytest.param(kind.name, id=kind.name, marks=store_marks(kind)) for kind in STORES]
WITH_VIEWS = [pytest.param(kind.name, id=kind.name, marks=store_marks(kind)) for kind in STORES if kind.has_views]
WITH_KEYS = [pytest.param(kind.name, id=kind.name, marks=store_marks(kind)) for kind in STORES if kind.has_keys]
MANY = 200_000


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_a_relation_without_rows_is_no_error(store: Store, tmp_path: Path) -> None:
    columns = {"id": store.spelled("int"), "v": store.spelled("text")}
    reader = store.reader(store.make(store.new_name(), columns, [], ["id"]))
    wanted = things(id="int", v="text")
    assert scanned(tmp_path, reader, wanted) == []
    assert found(tmp_path, reader, wanted, keys(wanted[:1], ("1",))) == []


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_many_rows_all_arrive_within_one_snapshot(store: Store, tmp_path: Path) -> None:
    """A relation may be selected from again and again, and joined with itself."""
    reader = store.reader(store.fill(store.new_name(), MANY))
    with workspace_in(tmp_path) as workspace, reader.snapshot(workspace) as snapshot:
        relation = snapshot.scan(things(id="int", v="text"))
        number, text = (column.sql for column in relation.columns)
        same = f"count(*) FILTER (CAST({number} AS VARCHAR) = {text})"
        for _ in range(2):
            snapshot.load(f"SELECT count(*), sum(CAST({number} AS BIGINT)), {same} FROM {relation.sql}", "sums")
            sums = workspace.cursor().execute("SELECT * FROM sums").fetchall()
            assert sums == [(MANY, MANY * (MANY + 1) // 2, MANY)]
        assert snapshot.load(f"SELECT {text} FROM {relation.sql} LIMIT 3", "few") == 3
        assert snapshot.load(f"SELECT {text} FROM {relation.sql}", "copied") == MANY
        assert snapshot.incomplete() == ""
        assert snapshot.watermark.dataset == reader.dataset


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_rows_are_found_by_key(store: Store, tmp_path: Path) -> None:
    """Found keys, absent keys, keys the type cannot hold, and other spellings of a key; each row once."""
    reader = store.reader(store.fill(store.new_name(), 5_000))
    wanted = things(id="int", v="text")
    sought = keys(wanted[:1], ("1",), ("4999",), ("5001",), ("-1",), ("99999999999999999999999",), ("x",), ("",))
    assert found(tmp_path, reader, wanted, sought) == [("1", "1"), ("4999", "4999")]
    assert found(tmp_path, reader, wanted, keys(wanted[:1])) == []
    spellings = Keys(tuple(wanted[:1]), [(("7", "007", "7.0"),), (("8",),), (("8", "+8"),)])
    assert set(found(tmp_path, reader, wanted, spellings)) == {("7", "7"), ("8", "8")}
    assert len(found(tmp_path, reader, wanted, spellings)) == 2
    many = keys(wanted[:1], *((str(number),) for number in range(-2_000, 3_001)))
    assert len(found(tmp_path, reader, wanted, many)) == 3_000


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_text_keys_are_found_letter_by_letter(store: Store, tmp_path: Path) -> None:
    """A store may bring more than was asked for, under its collation, but never less, and no row twice."""
    texts = [
        "a",
        "A",
        "á",
        "a ",
        "a'b",
        'a"b',
        "a\\b",
        "a-b",
        "ab",
        "%",
        "_",
        "",
        " ",
        "1",
        "01",
        "straße",
        "e\u0301",
        "\u00e9",
    ]
    columns = {"k": store.spelled("text"), "v": store.spelled("int")}
    relation = store.make(store.new_name(), columns, [(text, str(i)) for i, text in enumerate(texts)])
    reader = store.reader(relation)
    wanted = things(k="text", v="int")
    for text in texts:
        assert (text, str(texts.index(text))) in found(tmp_path, reader, wanted, keys(wanted[:1], (text,)))
    everything = found(tmp_path, reader, wanted, keys(wanted[:1], *((text,) for text in texts)))
    assert sorted(everything) == sorted((text, str(i)) for i, text in enumerate(texts))


@pytest.mark.parametrize("store", ALL, indirect=True)
@pytest.mark.parametrize(
    ("logical", "value", "other"),
    [
        ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"),
        ("date", "2026-01-31", "2026-02-01"),
        ("timestamp", "2026-01-31T12:00:00.000000Z", "2026-01-31T12:00:00.000001Z"),
        ("decimal(10,2)", "1.10", "1.11"),
        ("bool", "true", "false"),
        ("bytes", "00ff", "00fe"),
        ("enum(open,shipped)", "open", "shipped"),
        ("time", "12:34:56.123456", "12:34:56.123457"),
    ],
)
def test_keys_of_every_type_are_found(store: Store, logical: str, value: str, other: str, tmp_path: Path) -> None:
    """By canonical text, and by what the scan showed, in every way that the store spells the type."""
    for spelling in store.spellings[logical].values():
        columns = {"k": spelling, "v": store.spelled("int")}
        reader = store.reader(store.make(store.new_name(), columns, [(value, "1"), (other, "2"), (None, "3")]))
        wanted = things(k=logical, v="int")
        assert ("1" in {row[1] for row in found(tmp_path, reader, wanted, keys(wanted[:1], (value,)))}) or _inexact(
            tmp_path, reader, wanted
        )
        with workspace_in(tmp_path) as workspace, reader.snapshot(workspace) as snapshot:
            shown = [row for row in raw_texts(workspace, snapshot, snapshot.scan(wanted)) if row[1] == "1"]
            by_spelling = keys(wanted[:1], (str(shown[0][0]),))
            rows = canonical_texts(workspace, snapshot, snapshot.lookup(wanted, by_spelling), wanted)
            assert [row for row in rows if row[1] == "1"] == [(value, "1")]


def _inexact(directory: Path, reader: object, wanted: object) -> bool:
    """Whether the reader says that a lookup need not find every spelling of the key."""
    with workspace_in(directory) as workspace, reader.snapshot(workspace) as snapshot:  # type: ignore[attr-defined]
        return not snapshot.scan(wanted).columns[0].exact


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_composite_keys_are_found_part_by_part(store: Store, tmp_path: Path) -> None:
    """(1, 11) is not (11, 1), and no separator can deceive."""
    columns = {"a": store.spelled("int"), "b": store.spelled("text"), "v": store.spelled("text")}
    if store.has_keys and "text" in str(columns["b"].kind).lower():  # MySQL's long texts cannot be keys
        rows_key: list[str] = []
    else:
        rows_key = ["a", "b"]
    rows = [("1", "11", "one"), ("11", "1", "two"), ("1", "1,1", "three"), ("1", "1", "four"), ("2", "x", "five")]
    reader = store.reader(store.make(store.new_name(), columns, rows, rows_key))
    wanted = things(a="int", b="text", v="text")
    sought = keys(wanted[:2], ("1", "11"), ("1", "1,1"), ("2", "1"), ("11", "11"))
    assert found(tmp_path, reader, wanted, sought) == [("1", "1,1", "three"), ("1", "11", "one")]


@pytest.mark.parametrize("store", ALL, indirect=True)
@pytest.mark.parametrize("relation", ["Mixed Case", "select", "quo'te", "per%cent", "käse"])
def test_names_may_be_anything(store: Store, relation: str, tmp_path: Path) -> None:
    names = ["Id", "order", "Mixed Case", "semi;colon", "quo'te", "per%cent:x", "ünï", "dash-ed", "1st"]
    columns = {name: store.spelled("int" if name == "Id" else "text") for name in names}
    made = store.make(relation, columns, [("1", *names[1:])], ["Id"])
    reader = store.reader(made)
    assert [column.name for column in reader.shape().columns] == names
    wanted = [thing for name in names for thing in things(**{name: "int" if name == "Id" else "text"})]
    assert scanned(tmp_path, reader, wanted) == [("1", *names[1:])]
    assert found(tmp_path, reader, wanted, keys(wanted[2:3], ("Mixed Case",))) == [("1", *names[1:])]


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_a_row_that_its_type_cannot_hold_is_shown_and_stops_nothing(store: Store, tmp_path: Path) -> None:
    relation = store.make(
        store.new_name(),
        {"id": store.spelled("int"), "v": store.spelled("text")},
        [("1", "17"), ("2", "abc"), ("3", "1.239"), ("4", None), ("5", "2026-02-30")],
    )
    reader = store.reader(relation)
    expected = {
        "int": ["17", "!abc", "!1.239", None, "!2026-02-30"],
        "decimal(10,2)": ["17.00", "!abc", "!1.239", None, "!2026-02-30"],
        "date": ["!17", "!abc", "!1.239", None, "!2026-02-30"],
        "bool": ["!17", "!abc", "!1.239", None, "!2026-02-30"],
        "uuid": ["!17", "!abc", "!1.239", None, "!2026-02-30"],
    }
    for logical, texts in expected.items():
        wanted = things(id="int", v=logical)
        assert [row[1] for row in scanned(tmp_path, reader, wanted)] == texts, logical
        assert found(tmp_path, reader, wanted, keys(wanted[:1], ("2",))) == [("2", "!abc")]


@pytest.mark.parametrize("store", WITH_VIEWS, indirect=True)
def test_views_are_read_like_tables(store: Store, tmp_path: Path) -> None:
    reader = store.reader(store.view(store.fill(store.new_name(), 10)))
    wanted = things(id="int", v="text")
    assert len(scanned(tmp_path, reader, wanted)) == 10
    assert found(tmp_path, reader, wanted, keys(wanted[:1], ("3",))) == [("3", "3")]
    assert [column.name for column in reader.shape().columns] == ["id", "v"]
    assert reader.shape().unique_keys == ()


@pytest.mark.parametrize("store", WITH_KEYS, indirect=True)
def test_a_key_that_the_store_keeps_is_known(store: Store) -> None:
    shape = store.reader(store.fill(store.new_name(), 3)).shape()
    assert ("id",) in shape.unique_keys
    assert any(index[0] == "id" for index in shape.indexed)
    column = shape.column("id")
    assert column is not None
    assert not column.nullable


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_a_relation_without_a_key_keeps_its_duplicates(store: Store, tmp_path: Path) -> None:
    columns = {"id": store.spelled("int"), "v": store.spelled("text")}
    rows = [("1", "x"), ("1", "x"), ("1", "y"), (None, "z")]
    reader = store.reader(store.make(store.new_name(), columns, rows))
    wanted = things(id="int", v="text")
    assert reader.shape().unique_keys == ()
    assert scanned(tmp_path, reader, wanted) == [("1", "x"), ("1", "x"), ("1", "y"), (None, "z")]
    assert found(tmp_path, reader, wanted, keys(wanted[:1], ("1",))) == [("1", "x"), ("1", "x"), ("1", "y")]


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_what_is_not_there_is_a_clear_error(store: Store, tmp_path: Path) -> None:
    relation = store.fill(store.new_name(), 1)
    with pytest.raises(StoreError, match="nowhere"):
        store.reader(relation.replace("t", "nowhere_t", 1)).shape()
    reader = store.reader(relation)
    if store.name == "jsonl":
        assert scanned(tmp_path, reader, things(none="text")) == [(None,)]  # an absent member is NULL
        return
    with pytest.raises(StoreError, match="none"):
        scanned(tmp_path, reader, things(none="text"))


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_a_dry_run_tells_what_would_be_read(store: Store) -> None:
    relation = store.fill(store.new_name(), 1)
    told = store.reader(relation).dry_run(things(id="int", v="text"))
    assert relation in told
    assert "id" in told
