"""Which act puts a finding right, as both rows are now, and in which order acts come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.contract import Deletes, FieldMap, Replica
from contracts.equality import Equality
from reconcilers.compensation import (
    Change,
    CopyRow,
    Decision,
    Escalation,
    LeftOut,
    OwnerRow,
    Place,
    Proposal,
    Seen,
    decide,
    escalated_at_once,
    ordered,
    ranks,
)
from reconcilers.finding import Divergence, FieldDifference

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = (("id", "1"),)
LIVE = OwnerRow(1, in_scope=True, texts={"id": "1", "a": "x"}, written={"a": "x"})
GONE = OwnerRow()
OUTSIDE = OwnerRow(1, in_scope=False)
COPY, FLAGGED, NONE = CopyRow(1, texts={"a": "y"}), CopyRow(gone=1, texts={"a": "x"}), CopyRow()
DIFFERS = (FieldDifference("a", "x", "y"),)


def replica(mode: str = "propagate", completeness: str = "full") -> Replica:
    """A replica of one field, a constant and two that are not always compared."""
    fields = (
        FieldMap("a", "a"),
        FieldMap("secret", "secret", Equality(mode="redacted")),
        FieldMap("born", "born", Equality(mode="at_creation")),
        FieldMap("own", "own", Equality(mode="ignored")),
    )
    return Replica(
        "copy", "copy", None, (FieldMap("id", "id"),), fields,
        deletes=Deletes(mode, "gone" if mode == "soft" else None), completeness=completeness,
    )  # fmt: skip


def decided(
    divergence: str,
    owner: OwnerRow,
    copy: CopyRow,
    of: Replica | None = None,
    differing: Sequence[FieldDifference] = (),
    said: Sequence[tuple[str, str | None, str | None]] | None = None,
) -> Decision:
    """The decision on one finding."""
    shown = [(d.name, d.owner, d.replica) for d in differing] if said is None else said
    return decide(of or replica(), Seen(divergence, KEY, owner, copy, differing, shown, lambda _name, text: text))


def test_each_row_of_the_table_has_its_act() -> None:
    assert decided("missing", LIVE, NONE) == Proposal(
        Change.INSERT, ("a", "born"), "the owner has the row, the replica does not"
    )
    assert decided("mismatch", LIVE, COPY, differing=DIFFERS) == Proposal(
        Change.UPDATE, ("a",), "the replica's a is not what the owner holds"
    )
    for owner in (GONE, OUTSIDE):
        orphan = decided("orphan", owner, COPY)
        assert isinstance(orphan, Proposal)
        assert orphan.change is Change.DELETE
        flagged = decided("orphan", owner, COPY, replica("soft"))
        assert isinstance(flagged, Proposal)
        assert flagged.change is Change.FLAG


def test_a_row_that_is_flagged_by_mistake_comes_back_with_what_differs() -> None:
    assert decided("missing", LIVE, FLAGGED, replica("soft"), DIFFERS, ()) == Proposal(
        Change.REVIVE, ("a",), "flagged as deleted, though the owner has the row"
    )


@pytest.mark.parametrize(
    ("divergence", "owner", "copy"),
    [("missing", LIVE, COPY), ("mismatch", LIVE, COPY), ("orphan", GONE, NONE), ("orphan", GONE, FLAGGED)],
)
def test_what_no_longer_differs_is_left_out(divergence: str, owner: OwnerRow, copy: CopyRow) -> None:
    assert decided(divergence, owner, copy) == LeftOut("it no longer differs")


def test_what_is_lawful_by_now_is_left_out() -> None:
    assert decided("missing", LIVE, NONE, replica(completeness="partial")) == LeftOut("it no longer differs")
    assert decided("orphan", GONE, COPY, replica("keep")) == LeftOut("it no longer differs")


@pytest.mark.parametrize(
    ("divergence", "owner", "copy"), [("mismatch", LIVE, NONE), ("mismatch", GONE, COPY), ("missing", GONE, COPY)]
)
def test_what_differs_otherwise_is_left_to_the_next_run(divergence: str, owner: OwnerRow, copy: CopyRow) -> None:
    decision = decided(divergence, owner, copy)
    assert isinstance(decision, LeftOut)
    assert "audit again" in decision.reason


@pytest.mark.parametrize("said", [[("a", "x", "z")], [("a", "w", "y")], [("a", "x", "y"), ("b", "1", "2")], []])
def test_other_values_or_fields_than_the_run_saw_are_left_out(said: list[tuple[str, str | None, str | None]]) -> None:
    decision = decided("mismatch", LIVE, COPY, differing=DIFFERS, said=said)
    assert decision == LeftOut("it differs otherwise by now (other fields or values): audit again")


@pytest.mark.parametrize(
    ("owner", "copy"),
    [(OwnerRow(2), COPY), (LIVE, CopyRow(2)), (LIVE, CopyRow(0, 2)), (OwnerRow(1, in_scope=True, broken=True), NONE)],
)
def test_rows_that_are_no_measure_are_left_to_people(owner: OwnerRow, copy: CopyRow) -> None:
    assert isinstance(decided("missing", owner, copy), Escalation)


def test_a_constant_is_left_to_people() -> None:
    decision = decided("mismatch", LIVE, COPY, said=[("secret", None, "leak")])
    assert isinstance(decision, Escalation)
    assert "redacted" in decision.reason


def test_faults_of_keys_and_owners_need_nobody_to_look_at_rows() -> None:
    for divergence in Divergence:
        assert escalated_at_once(None, divergence, None)
    rowwise = {Divergence.MISSING, Divergence.ORPHAN, Divergence.MISMATCH}
    for divergence in Divergence:
        known = bool(escalated_at_once("copy", divergence, None))
        assert known == (divergence not in rowwise | {Divergence.INVARIANT, Divergence.REFERENCE})
    assert escalated_at_once("copy", Divergence.MISMATCH, "type")


def test_parents_come_first_and_go_last() -> None:
    references = {"line": ["order"], "order": ["customer"], "customer": []}
    places = [
        Place("line", removes=False, key=("1",)),
        Place("customer", removes=True, key=("9",)),
        Place("customer", removes=False, key=("1",)),
        Place("line", removes=True, key=("9",)),
        Place("order", removes=False, key=("1",)),
        Place("order", removes=True, key=("9",)),
    ]
    assert ordered(places, references) == [2, 4, 0, 3, 5, 1]


def test_a_row_comes_after_the_row_of_its_own_entity_that_it_refers_to() -> None:
    places = [
        Place("category", removes=False, key=("1",), refers=(("3",),)),
        Place("category", removes=False, key=("2",), refers=(("1",),)),
        Place("category", removes=False, key=("3",)),
        Place("category", removes=True, key=("8",)),
        Place("category", removes=True, key=("7",), refers=(("8",),)),
    ]
    assert ordered(places, {"category": ["category"]}) == [2, 0, 1, 4, 3]


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"))),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans(), st.integers(0, 3), st.integers(0, 3)), max_size=12),
)
def test_every_act_has_its_place_whatever_refers_to_what(
    references: dict[str, list[str]], drawn: list[tuple[str, bool, int, int]]
) -> None:
    """Cycles too; and no delete comes before an insert."""
    places = [Place(entity, removes, (str(key),), ((str(above),),)) for entity, removes, key, above in drawn]
    order = ordered(places, references)
    assert sorted(order) == list(range(len(places)))
    removes = [places[i].removes for i in order]
    assert removes == sorted(removes)
    assert set(ranks(references)) >= set(references)
