"""What is a matter of all rows stays so in segments, and what moves between two of them is no drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.clock import SystemClock
from auditor.runs.first_look import FirstLook, Outcome
from contracts.errors import DeadlineError, StoreError, WorkspaceError
from contracts.logical_types import Kind, LogicalType
from reconcilers.frequent import Frequent, most_frequent
from reconcilers.look import Looker, Readers
from reconcilers.segment import Segment, misplaced
from reconcilers.segments import ROWS_ALL, SegmentLimits
from tests.worlds.small_world import SmallWorld, Told, told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconcilers.workspace import Workspace
    from tests.worlds.memory_reader import MemoryReader

THING = """
entity: thing
version: 1
team: t
owner: {service: s, dataset: own/things}
key: [id]
fields:
  id: {type: int}
  name: {type: text}
  part: {type: text, references: part}
replicas:
  - {service: copy, dataset: copy/things, lag_bound: 1m, fields: {name: {path: name, equality: redacted}, part: part}}
"""
PART = """
entity: part
version: 1
team: t
owner: {service: s, dataset: own/parts}
key: [id]
fields: {id: {type: text}}
replicas: []
"""
Row = dict[str, "str | None"]
INT = LogicalType(Kind.INT)


def row(number: int | None, name: str | None = "*", part: str | None = "p") -> Row:
    return {"id": None if number is None else str(number), "name": name, "part": part}


@pytest.mark.parametrize("bound", ["5", "-3", str(2**100)])
def test_where_integers_are_cut_is_known_without_calling_python(bound: str) -> None:
    """DuckDB works out every branch of a constant beforehand; none of our functions is known here."""
    low, high = Segment(0, None, bound), Segment(1, bound, None)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT unnest([-4, -3, 4, 5, 6, NULL])::HUGEINT AS k0")
        keys = [row[0] for row in connection.execute("SELECT k0 FROM t WHERE k0 IS NOT NULL").fetchall()]
        for segment, inside in ((low, int(bound).__gt__), (high, int(bound).__le__)):
            wrong = connection.execute(f"SELECT k0 FROM t WHERE {misplaced(segment, INT)}").fetchall()
            assert sorted(key for (key,) in wrong) == [key for key in keys if not inside(key)]


class Cut:
    """A world whose stores are cut at these keys.

    Args:
        owner: Its rows.
        copies: The replica's.
        dividers: Where to cut.
    """

    def __init__(
        self, workspace: Workspace, owner: list[Row], copies: list[Row], dividers: Sequence[str] | None = ("10", "20")
    ) -> None:
        self.workspace = workspace
        self.world = SmallWorld(
            [THING, PART], {"own/things": owner, "copy/things": copies, "own/parts": [{"id": "p"}, {"id": "q"}]}
        )
        contract = self.world.contract
        assert contract.owner.dataset is not None
        assert contract.replicas[0].dataset is not None
        self.owner: MemoryReader = self.world.reader(contract.owner.dataset)
        self.copy: MemoryReader = self.world.reader(contract.replicas[0].dataset)
        part = self.world.contracts["part"]
        assert part.owner.dataset is not None
        self.parts: MemoryReader = self.world.reader(part.owner.dataset)
        self.owner.dividers = self.copy.dividers = dividers
        self.said: list[str] = []
        readers = Readers(self.owner, {"copy": self.copy}, {"part": (part, self.parts)})
        self.looker = Looker(workspace, contract, readers)

    def look(
        self, before: Callable[[int], None] = lambda _number: None, limits: SegmentLimits | None = None
    ) -> Outcome:
        """The first look; `before` is called before each segment with its number."""
        numbers = iter(range(100))
        return FirstLook(
            self.world.contract, self.looker, limits or SegmentLimits(0, 1), SystemClock(), None,
            lambda: None, lambda: before(next(numbers)), self.said.append,
        ).look()  # fmt: skip


def findings(outcome: Outcome) -> list[Told]:
    return sorted((one for part in outcome.parts for one in told(part.look)), key=str)


def both(workspace: Workspace, owner: list[Row], copies: list[Row]) -> tuple[Outcome, Outcome]:
    """In segments, and in one look."""
    return Cut(workspace, owner, copies).look(), Cut(workspace, owner, copies, None).look()


def test_a_constant_is_that_of_all_rows(workspace: Workspace) -> None:
    """The first segment has the wrong text more often than the right one; the second has none at all."""
    copies = [row(1, "leak"), row(2, "leak"), row(3), row(11, None), *(row(number) for number in range(20, 25))]
    owner = [row(int(one["id"] or 0), "secret") for one in copies]
    cut, whole = both(workspace, owner, copies)
    assert len(cut.parts) == 3
    assert findings(cut) == findings(whole)
    assert [key for _, key, *_ in findings(whole)] == [("1",), ("2",)]
    assert cut.whole.replicas["copy"].counts == whole.whole.replicas["copy"].counts


def test_references_are_checked_beside_all_keys_of_the_other_entity(workspace: Workspace) -> None:
    """A key that comes while segments are read is no broken reference."""
    owner = [row(1, part="p"), row(11, part="late"), row(21, part="nowhere")]
    cut = Cut(workspace, owner, [dict(one) for one in owner])

    def before(number: int) -> None:
        if number == 1:
            cut.parts.rows.append({"id": "late"})

    assert findings(cut.look(before)) == [(None, ("21",), "reference", "part")]


def test_rows_without_a_usable_key_are_in_one_segment(workspace: Workspace) -> None:
    """NULL keys and values that are none are counted once, on both sides."""
    odd: list[Row] = [row(None), row(None), {"id": "x", "name": "*", "part": "p"}]
    rows = [row(1), row(11), row(11), row(21)]
    cut, whole = both(workspace, [*rows, *odd], [*rows, *odd])
    assert findings(cut) == findings(whole)
    assert cut.whole.owner_rows == whole.whole.owner_rows == 7
    assert {divergence for _, _, divergence, _ in findings(cut)} >= {"null_key", "duplicate"}


def test_a_row_whose_key_moves_to_a_segment_that_was_read_is_no_finding(workspace: Workspace) -> None:
    """At either key both sides agreed when it was read."""
    rows = [row(1), row(15), row(25)]
    cut = Cut(workspace, rows, [dict(one) for one in rows])

    def before(number: int) -> None:
        if number == 2:
            for side in (cut.owner, cut.copy):
                side.rows[2] = row(5)

    outcome = cut.look(before)
    assert findings(outcome) == []
    assert outcome.whole.owner_rows == 2


def test_a_store_that_sorts_otherwise_is_read_in_one_scan(workspace: Workspace) -> None:
    """By text, 9 stands after 10: cut there, the two sides would not be the same keys."""
    owner = [row(9), row(10), row(100)]
    copies: list[Row] = [{"id": "09", "name": "*", "part": "p"}, row(10), row(100)]
    cut = Cut(workspace, owner, copies)
    cut.owner.sorts_as_text = cut.copy.sorts_as_text = True
    outcome = cut.look()
    assert findings(outcome) == []
    assert len(outcome.parts) == 1
    assert "sorts id otherwise than by its value" in outcome.whole.remarks[0]


def test_what_cannot_be_cut_is_read_in_one_scan_and_says_so(workspace: Workspace) -> None:
    """Nothing is missing for it: it is a remark, no note."""
    cut = Cut(workspace, [row(1)], [row(1)])
    cut.copy.dividers = None
    outcome = cut.look()
    assert outcome.whole.notes == []
    assert outcome.whole.remarks == [
        "read in one scan, though a side has about 1 rows: copy/things cannot be cut by id"
    ]


def test_what_would_not_fit_is_refused_before_it_is_read(workspace: Workspace) -> None:
    """Three segments of a row each, on two sides."""
    rows = [row(1), row(11), row(21)]
    cut = Cut(workspace, rows, [dict(one) for one in rows])
    with pytest.raises(WorkspaceError, match="in 3 segments, about 2 rows of all sides at a time"):
        cut.look(limits=SegmentLimits(0, 1, room=79))
    assert findings(cut.look(limits=SegmentLimits(0, 1, room=80))) == []
    with pytest.raises(WorkspaceError, match="in one scan, about 6 rows"):
        cut.look(limits=SegmentLimits(10, 1, room=80))


def test_when_time_is_over_what_was_found_stands_and_the_rest_is_named(workspace: Workspace) -> None:
    """No segment is forgotten, and none is taken for read."""
    owner = [row(1), row(11), row(21)]
    cut = Cut(workspace, owner, [])

    def before(number: int) -> None:
        if number == 1:
            raise DeadlineError("the run's time was over")

    outcome = cut.look(before)
    assert isinstance(outcome.ended, DeadlineError)
    assert findings(outcome) == [("copy", ("1",), "missing", None)]
    assert outcome.whole.notes == ["segments 2 to 3 of 3 (id from 10 on) were not read: the run's time was over"]


def test_a_replica_that_goes_away_takes_nothing_from_the_owner(workspace: Workspace) -> None:
    """It is not asked again, and not compared."""
    owner = [row(1), row(11), row(21, part="nowhere")]
    cut = Cut(workspace, owner, [dict(one) for one in owner])

    def before(number: int) -> None:
        if number == 1:
            cut.copy.fail("it is gone")

    outcome = cut.look(before)
    assert "it is gone" in outcome.whole.replicas["copy"].error
    assert outcome.whole.replicas["copy"].counts is None
    assert findings(outcome) == [(None, ("21",), "reference", "part")]


def test_an_owner_that_cannot_be_read_at_all_is_an_error(workspace: Workspace) -> None:
    cut = Cut(workspace, [row(1)], [])
    cut.owner.fail("it is gone")
    with pytest.raises(StoreError, match="it is gone"):
        cut.look()


@given(st.lists(st.lists(st.sampled_from("abcdef")), min_size=1, max_size=4), st.integers(1, 6))
def test_the_most_frequent_text_of_all_segments_is_sure_or_is_not_told(segments: list[list[str]], kept: int) -> None:
    """Of each segment only the most frequent texts are known."""
    seen = []
    for texts in segments:
        ranked = sorted(set(texts), key=lambda text: (-texts.count(text), text))
        rest = texts.count(ranked[kept]) if len(ranked) > kept else 0
        seen.append(Frequent({text: texts.count(text) for text in ranked[:kept]}, rest))
    every = [text for texts in segments for text in texts]
    right = min(set(every), key=lambda text: (-every.count(text), text)) if every else None
    sure, text = most_frequent(seen)
    assert sure <= (text == right)
    if kept == 6:
        assert sure


def test_only_the_side_with_the_most_rows_is_asked_where_to_cut(workspace: Workspace) -> None:
    """The other one is asked whether it can be cut; a sample of each would cost as much as a segment."""
    rows = [row(number) for number in range(1, 31)]
    cut = Cut(workspace, rows, [dict(one) for one in rows[:-1]])
    assert len(cut.look(limits=SegmentLimits(0, 10)).parts) == 3
    assert (cut.owner.parts_asked, cut.copy.parts_asked) == ([10], [ROWS_ALL])
