"""When records were read, though somebody sets the wall clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from auditor.feeds.reading_times import ReadingTimes

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(seconds=seconds)


def test_a_batch_was_read_when_the_monotonic_clock_says() -> None:
    times = ReadingTimes()
    times.note(at(0), 100.0)
    times.note(at(5), 105.0)
    assert (times.monotonic(at(0)), times.monotonic(at(5))) == (100.0, 105.0)


def test_a_wall_clock_that_is_set_forwards_makes_no_batch_older() -> None:
    """What was read before the step keeps its moment, and so does what was read after it."""
    times = ReadingTimes()
    times.note(at(0), 100.0)
    times.note(at(3605), 105.0)
    assert (times.monotonic(at(0)), times.monotonic(at(3605))) == (100.0, 105.0)


def test_where_a_clock_that_was_set_back_shows_a_time_twice_the_later_one_counts() -> None:
    """A version is never taken to be older than it is."""
    times = ReadingTimes()
    times.note(at(0), 100.0)
    times.note(at(60), 160.0)
    times.note(at(10), 170.0)
    times.note(at(50), 210.0)
    assert times.monotonic(at(50)) == 210.0


def test_what_another_process_has_read_is_not_known() -> None:
    times = ReadingTimes()
    assert times.monotonic(at(0)) is None
    times.note(at(0), 100.0)
    assert times.monotonic(at(-1)) is None


def test_a_clock_that_is_adjusted_bit_by_bit_was_not_set() -> None:
    """NTP lets it run a little faster or slower: after weeks that adds up, and still nobody has set it."""
    times = ReadingTimes()
    for second in range(0, 10_000, 100):
        times.note(at(second * 1.0001), float(second))
    assert times.monotonic(at(0)) == 0.0
