"""Values that lie in a file beyond a limit."""

from __future__ import annotations

import gc
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import WorkspaceError
from reconcilers.packing import finding_of, packed_finding, packed_sight, sight_of
from reconcilers.recheck import History, Passed, Sign, Version
from reconcilers.sight import Sight
from reconcilers.spill import Overflow
from tests.unit.ledger.test_recording import FINDINGS

if TYPE_CHECKING:
    from pathlib import Path

    from reconcilers.finding import Finding
    from reconcilers.spill import Spill


def spill(overflow: Overflow, block: int = 3) -> Spill[str]:
    """Texts, packed as lists of themselves."""
    return overflow.spill(lambda text: [text], lambda packed: str(packed[0]), block=block)


@given(
    actions=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=30),
    values_max=st.integers(0, 9),
    block=st.integers(1, 5),
)
def test_a_spill_is_a_list_wherever_its_values_lie(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[int, int]], values_max: int, block: int
) -> None:
    """Three spills of one run, filled and cleared in turns; each holds what a list would, by index and in order."""
    overflow = Overflow(tmp_path_factory.getbasetemp(), values_max)
    spills, lists = [spill(overflow, block) for _ in range(3)], [[], [], []]  # type: ignore[var-annotated]
    for number, (which, count) in enumerate(actions):
        if count == 0:
            spills[which].clear()
            lists[which].clear()
        values = [f"{number} {i}" for i in range(count)]
        spills[which] += values
        lists[which] += values
        assert overflow.held <= values_max
    for found, expected in zip(spills, lists, strict=True):
        assert list(found) == expected
        assert len(found) == len(expected)
        assert [found[i] for i in range(len(expected))] == expected
        assert found[-2:] == expected[-2:]
        with pytest.raises(IndexError):
            found[len(expected)]


def test_one_spill_takes_over_what_another_holds_in_order(tmp_path: Path) -> None:
    """Those of two entities are one list in the end, whichever of them lie in the file."""
    overflow = Overflow(tmp_path, 4)
    one, other = spill(overflow), spill(overflow)
    one += ["a", "b"]
    other += ["c", "d", "e", "f"]
    one += ["b2"]
    one.take(other)
    one += ["g"]
    assert list(one) == ["a", "b", "b2", "c", "d", "e", "f", "g"]
    assert not list(other)


def test_what_is_added_while_a_spill_is_gone_through_is_not_seen(tmp_path: Path) -> None:
    """Nor is anything seen twice that is written meanwhile."""
    found = spill(Overflow(tmp_path, 4))
    found += ["a", "b", "c"]
    seen = []
    for value in found:
        seen.append(value)
        found += [value * 2, value * 3]
    assert seen == ["a", "b", "c"]
    assert len(found) == 9


def test_nothing_is_written_below_the_limit_and_no_name_is_left_beyond_it(tmp_path: Path) -> None:
    """A run that is killed leaves no values behind."""
    directory = tmp_path / "not made yet"
    found = spill(Overflow(directory, 5))
    found += "abcde"
    assert not directory.exists()
    found += "f"
    assert list(directory.iterdir()) == []


def test_places_are_used_again(tmp_path: Path) -> None:
    """What is forgotten, by word or because nobody has it any more, makes room for what comes."""
    overflow = Overflow(tmp_path, 0)
    sizes = []
    for number in range(20):
        found = spill(overflow)
        found += "abc"
        if number % 2:
            found.clear()
        del found
        gc.collect()
        sizes.append(overflow.size)
    assert sizes[2:] == [sizes[2]] * 18


def test_a_full_disk_is_told_with_what_to_do() -> None:
    """A device that takes nothing stands for it."""
    overflow = Overflow(None)
    overflow._directory = _Full()  # type: ignore[assignment]
    overflow.values_max = 0
    with pytest.raises(WorkspaceError, match="No space left") as failure:
        spill(overflow).append("a")
    assert "workspace.directory" in str(failure.value)


class _Full:
    """A directory in which nothing can be made."""

    def mkdir(self, **_: object) -> None:
        raise OSError(28, "No space left on device")


@given(found=st.lists(FINDINGS, max_size=5), mark=st.none() | st.integers() | st.text(), age=st.none() | st.floats(0))
def test_findings_and_sights_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, found: list[Finding], mark: int | str | None, age: float | None
) -> None:
    """Through the file, whatever they hold."""
    overflow = Overflow(tmp_path_factory.getbasetemp(), 0)
    findings, sights = overflow.spill(packed_finding, finding_of), overflow.spill(packed_sight, sight_of)
    change = {"topic": "t", "offset": "7", "position": None}
    versions = (Version("absent", float("-inf")), Version("x", 1.5, change))
    history = History(
        versions, complete=True, passed=Passed("applied", 2.5), reached=1, was_there=True, resurrected=True, moved=True,
        outside=True, before_snapshot=True, hidden=True, cut=True,
    )  # fmt: skip
    assert all(getattr(history, one.name) != one.default for one in fields(History)), "none is left out"
    sign = Sign(3.5, "2026-07-01", beats=True)
    seen = [Sight(finding, "absent", "0" * 16, mark, mark, age, history=history, sign=sign) for finding in found]
    findings += found
    sights += seen
    assert list(findings) == found
    assert list(sights) == seen
