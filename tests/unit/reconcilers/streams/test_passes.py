"""Which records of a snapshot belong together, whichever partition is read first."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from reconcilers.streams.passes import Passes

if TYPE_CHECKING:
    from reconcilers.streams.state import Pass


def test_a_snapshot_began_at_the_latest_beginning_before_its_end_in_whatever_order_it_is_read() -> None:
    """One was broken off, and begun anew; each record may come from another partition."""
    told = [("first", 10), ("true", 11), ("first", 20), ("true", 21), ("last", 22)]
    for order in permutations(told):
        passes = Passes("t", [])
        for word, stamp in order:
            passes.number_of(word, stamp)
        ended = [one for one in passes.changed.values() if one.ended is not None]
        assert [(one.began, one.ended) for one in ended] == [(20, 22)], order


def test_every_snapshot_has_its_own_beginning_in_whatever_order_several_are_read() -> None:
    """The second one was broken off once; a beginning that is followed by a later one may have its end yet to come."""
    told = [("first", 10), ("true", 11), ("last", 12), ("first", 20), ("true", 21), ("first", 30), ("last", 32)]
    for order in permutations(told):
        passes = Passes("t", [])
        for word, stamp in order:
            passes.number_of(word, stamp)
        ended = [one for one in passes.changed.values() if one.ended is not None]
        assert sorted((one.began, one.ended) for one in ended) == [(10, 12), (30, 32)], order


def test_what_is_known_of_snapshots_goes_on_from_what_was_kept() -> None:
    """A process that ends between any two records, and reads on, knows what one that did not knows."""
    told = [("first", 10), ("true", 11), ("last", 12), ("first", 20), ("last", 22)]
    for order in permutations(told):
        kept: dict[int, Pass] = {}
        for word, stamp in order:
            passes = Passes("t", sorted(kept.values(), key=lambda one: one.number))
            passes.number_of(word, stamp)
            kept |= passes.changed
        assert sorted((one.began, one.ended) for one in kept.values() if one.ended) == [(10, 12), (20, 22)], order


def test_a_snapshot_without_a_beginning_reaches_back_to_its_earliest_record() -> None:
    """Reading began in its middle; what an earlier snapshot told is no part of it."""
    passes = Passes("t", [])
    for word, stamp in (("first", 1), ("last", 3), ("true", 8), ("true", 7), ("last", 9), ("last", 12)):
        passes.number_of(word, stamp)
    assert sorted((one.began, one.ended) for one in passes.changed.values()) == [(1, 3), (7, 9), (12, 12)]


def test_two_finished_snapshots_stay_two() -> None:
    passes = Passes("t", [])
    first = {passes.number_of(word, stamp) for word, stamp in (("first", 1), ("true", 2), ("last", 3))}
    second = {passes.number_of(word, stamp) for word, stamp in (("last", 9), ("first", 7), ("true", 8))}
    assert (len(first), len(second), first & second) == (1, 1, set())
    assert sorted((one.began, one.ended) for one in passes.changed.values()) == [(1, 3), (7, 9)]


def test_a_change_of_the_stream_belongs_to_no_snapshot() -> None:
    passes = Passes("t", [])
    assert {passes.number_of(word, 5) for word in ("", "false", "incremental")} == {0}
