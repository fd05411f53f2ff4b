"""Which records of a snapshot belong together, whichever partition is read first."""

from __future__ import annotations

from itertools import permutations

from reconcilers.streams.passes import Passes


def test_a_snapshot_began_at_the_latest_beginning_before_its_end_in_whatever_order_it_is_read() -> None:
    """One was broken off, and begun anew; each record may come from another partition."""
    told = [("first", 10), ("true", 11), ("first", 20), ("true", 21), ("last", 22)]
    for order in permutations(told):
        passes = Passes("t", [])
        for word, stamp in order:
            passes.number_of(word, stamp)
        ended = [one for one in passes.changed.values() if one.ended is not None]
        assert [(one.began, one.ended) for one in ended] == [(20, 22)], order


def test_two_finished_snapshots_stay_two() -> None:
    passes = Passes("t", [])
    first = {passes.number_of(word, stamp) for word, stamp in (("first", 1), ("true", 2), ("last", 3))}
    second = {passes.number_of(word, stamp) for word, stamp in (("last", 9), ("first", 7), ("true", 8))}
    assert (len(first), len(second), first & second) == (1, 1, set())
    assert sorted((one.began, one.ended) for one in passes.changed.values()) == [(1, 3), (7, 9)]


def test_a_change_of_the_stream_belongs_to_no_snapshot() -> None:
    passes = Passes("t", [])
    assert {passes.number_of(word, 5) for word in ("", "false", "incremental")} == {0}
