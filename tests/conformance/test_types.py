"""What goes in on one store equals itself on every other.

Each value is written the way a store spells its type and read by the store's reader; in canonical form it is the text
that it was written from, on every store.  What is not so stands in `gaps`, by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.delivery import canonical_texts, things, workspace_in
from tests.conformance.gaps import GAPS
from tests.conformance.stores.registry import BY_NAME, STORES, store_marks
from tests.conformance.stores.store import RefusedError, Spelling
from tests.conformance.values import VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.conformance.stores.store import Store

CASES = [
    pytest.param(kind.name, logical, way, id=f"{kind.name}-{logical}-{way}", marks=store_marks(kind))
    for kind in STORES
    for logical, ways in kind.spellings.items()
    for way in ways
]

REFUSING = [
    case for case in CASES if BY_NAME[str(case.values[0])].spellings[str(case.values[1])][str(case.values[2])].refuses
]


@pytest.mark.parametrize(("store", "logical", "way"), CASES, indirect=["store"])
def test_a_value_comes_out_as_it_went_in(store: Store, logical: str, way: str, tmp_path: Path) -> None:
    spelling = store.spellings[logical][way]
    held = [value for value in VALUES[logical] if value not in spelling.refuses]
    gaps = GAPS.get((store.name, logical, way), {})
    assert outcomes(store, logical, spelling, held, tmp_path) == {
        value: gaps.get(value, spelling.expected(value)) for value in held
    }


@pytest.mark.parametrize(("store", "logical", "way"), REFUSING, indirect=["store"])
def test_a_store_refuses_what_it_is_said_to_refuse(store: Store, logical: str, way: str) -> None:
    """A value that could go in after all would be missing from the test above."""
    spelling = store.spellings[logical][way]
    for value in spelling.refuses:
        with pytest.raises(RefusedError):
            store.make(store.new_name(), {"v": spelling}, [(value,)])


def outcomes(
    store: Store, logical: str, spelling: Spelling, values: Sequence[str], directory: Path
) -> dict[str, str | None]:
    """What values are when they come back; a NULL stands after each and must come back as one."""
    count = len(values)
    columns = {"id": store.spelled("int"), "v": spelling}
    rows = [(str(i), values[i // 2] if i % 2 == 0 else None) for i in range(2 * count)]
    relation = store.make(store.new_name(), columns, rows)
    wanted = things(id="int", v=logical)
    with workspace_in(directory) as workspace, store.reader(relation).snapshot(workspace) as snapshot:
        read = snapshot.scan(wanted)
        texts = {int(row[0] or -1): row[1] for row in canonical_texts(workspace, snapshot, read, wanted)}
        hidden = snapshot.nan_keys(wanted[1:], wanted[:1]) if read.columns[1].nan_hidden else None
        if hidden is not None:  # the comparison does the same
            texts |= {int(row[0] or -1): "NaN" for row in canonical_texts(workspace, snapshot, hidden, wanted[:1])}
    assert len(texts) == 2 * count
    assert {texts[i] for i in range(1, 2 * count, 2)} == {None}
    return {value: texts[2 * i] for i, value in enumerate(values)}


def test_every_gap_belongs_to_a_case() -> None:
    known = {(kind.name, logical, way) for kind in STORES for logical, ways in kind.spellings.items() for way in ways}
    assert set(GAPS) <= known
    assert all(set(gap) <= set(VALUES[logical]) for (_, logical, _), gap in GAPS.items())


def test_every_logical_type_is_kept_by_every_store() -> None:
    for kind in STORES:
        assert set(kind.spellings) == set(VALUES), kind.name
