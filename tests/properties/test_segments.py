"""In however many segments, in whatever order, cut wherever: the same findings and the same counts as in one look."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from auditor.clock import SystemClock
from auditor.runs.first_look import FirstLook
from contracts.errors import NOWHERE
from contracts.expression import parse_expression
from contracts.logical_types import Kind
from reconcilers.look import Looker, Readers
from reconcilers.segment import in_order, segments_between
from reconcilers.segments import SegmentLimits, together
from reconcilers.workspace import Workspace
from tests.properties.test_comparison import KEYS, World, worlds
from tests.worlds.memory_reader import MemoryReader

if TYPE_CHECKING:
    from random import Random

    from reconcilers.sight import EntityLook

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
DIVIDERS = {
    "int": ["-5", "1", "2", "3", "9223372036854775808"],
    "text": ["", "A", "a", "a ", "b"],
    "uuid": KEYS["uuid"][:2],
}


def looker(world: World, workspace: Workspace, dividers: list[str] | None, *, as_text: bool = False) -> Looker:
    """A looker over the world's rows, whose stores can be cut."""
    owner = MemoryReader("a/t", dict.fromkeys(world.contract.fields, "VARCHAR"), world.owner, exact=False)
    columns = [f"r_{name}" for name in world.contract.fields] + ["gone"]
    copy = MemoryReader("b/t", dict.fromkeys(columns, "VARCHAR"), world.copies, exact=False)
    for reader in (owner, copy):
        reader.dividers, reader.sorts_as_text = dividers, as_text
    where = parse_expression("status = 'paid'", NOWHERE) if len(world.owner) % 2 else None
    return Looker(workspace, world.contract, Readers(owner, {"copy": copy}), where=where)


def told(looks: list[EntityLook], whole: EntityLook) -> tuple[object, ...]:
    """Everything that is said of the rows."""
    sights = Counter(
        repr((sight.finding, sight.owner, sight.replica))
        for look in looks
        for sight in (*look.owner_sights, *look.replicas["copy"].sights)
    )
    seen = whole.replicas["copy"]
    assert not seen.error, seen.error
    return sights, whole.owner_rows, seen.counts, whole.notes, seen.notes


def kind_of_key(world: World) -> str:
    return str(world.contract.fields[world.contract.key[0]].type)


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(worlds(), st.data(), st.randoms(use_true_random=False))
def test_order_and_number_of_segments_never_matter(world: World, data: st.DataObject, random: Random) -> None:
    """Bounds may fall on keys, between them, beside them; a row is in exactly one segment whatever its key is."""
    kind = kind_of_key(world)
    assume(kind in DIVIDERS)
    dividers = data.draw(st.lists(st.sampled_from(DIVIDERS[kind]), min_size=1, max_size=4, unique=True))
    with tempfile.TemporaryDirectory() as directory, Workspace(Path(directory), threads=1) as workspace:
        expected = looker(world, workspace, None).look()
        logical = world.contract.fields[world.contract.key[0]].type
        segments = segments_between(in_order(workspace.cursor(), logical, dividers))
        random.shuffle(segments)
        cut = looker(world, workspace, dividers)
        looks = [cut.look(segment=segment) for segment in segments]
        whole = together(world.contract, looks, of=len(looks))
    assert told(looks, whole) == told([expected], expected)


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(worlds(), st.data(), st.booleans())
def test_a_first_look_says_the_same_however_it_is_cut(world: World, data: st.DataObject, as_text: bool) -> None:  # noqa: FBT001
    """Whether the stores can be cut, cannot be cut, or sort otherwise than we do."""
    kind = kind_of_key(world)
    dividers = data.draw(st.none() | st.lists(st.sampled_from(DIVIDERS.get(kind, ["1"])), max_size=4))
    with tempfile.TemporaryDirectory() as directory, Workspace(Path(directory), threads=1) as workspace:
        expected = looker(world, workspace, None).look()
        cut = looker(world, workspace, dividers, as_text=as_text)
        limits = SegmentLimits(large=0, rows=1)
        first = FirstLook(world.contract, cut, limits, SystemClock(), None, lambda: None, lambda: None, print)
        outcome = first.look()
    assert told([part.look for part in outcome.parts], outcome.whole) == told([expected], expected)
    if world.contract.fields[world.contract.key[0]].type.kind is Kind.DECIMAL and (world.owner or world.copies):
        assert "by which rows are not cut" in str(outcome.whole.remarks)
