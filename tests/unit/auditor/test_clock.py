"""Waiting ends with its condition, its deadline or an interrupt, whichever comes first."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from auditor.clock import Clock, ManualClock, SystemClock
from auditor.run_id import new_run_id

CLOCKS: list[Clock] = [SystemClock(), ManualClock()]


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_condition_ends_a_wait_and_a_deadline_does(clock: Clock) -> None:
    asked = iter([False, False, True])
    assert clock.wait_until(clock.monotonic() + 60, lambda: next(asked, True))
    before = clock.monotonic()
    assert not clock.wait_until(before + 0.05, lambda: False)
    assert clock.monotonic() >= before + 0.05
    assert not clock.wait_until(clock.monotonic() + 0.01)


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_deadline_in_the_past_still_looks_once(clock: Clock) -> None:
    assert clock.wait_until(clock.monotonic() - 1, lambda: True)
    assert not clock.wait_until(clock.monotonic() - 1, lambda: False)


def test_an_interrupt_ends_every_wait_at_once() -> None:
    clock = SystemClock()
    threading.Timer(0.05, clock.interrupt).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        clock.wait_until(clock.monotonic() + 60)
    with pytest.raises(KeyboardInterrupt):
        clock.wait_until(clock.monotonic() + 60, lambda: False)
    assert time.monotonic() - begun < 10


def test_the_system_clock_tells_the_time_in_utc() -> None:
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(seconds=10)


def test_manual_time_passes_only_by_waiting_and_takes_plans_along_in_order() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    happened: list[tuple[str, float]] = []

    def happen(name: str) -> None:
        happened.append((name, clock.monotonic()))

    for moment, name in [(5, "b"), (2, "a"), (5, "c"), (90, "late")]:
        clock.at(moment, partial(happen, name))
    assert clock.wait_until(60, lambda: len(happened) == 3)
    assert happened == [("a", 2), ("b", 5), ("c", 5)]
    assert clock.monotonic() == 5, "a wait ends when its condition holds"
    assert not clock.wait_until(60, lambda: False)
    assert clock.now() == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


def test_a_condition_about_the_time_itself_ends_a_manual_wait_close_to_it() -> None:
    clock = ManualClock()
    assert clock.wait_until(600, lambda: clock.monotonic() >= 90)
    assert clock.monotonic() == 90


def test_plans_for_the_past_happen_at_the_next_step() -> None:
    clock = ManualClock()
    clock.advance(10)
    happened: list[float] = []
    clock.at(3, lambda: happened.append(clock.monotonic()))
    assert clock.wait_until(20, lambda: bool(happened))
    assert happened == [10]


def test_an_interrupt_can_be_planned() -> None:
    clock = ManualClock()

    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.at(3, interrupt)
    with pytest.raises(KeyboardInterrupt):
        clock.wait_until(60)
    assert clock.monotonic() == 3


def test_run_ids_sort_by_time_and_differ_within_a_second() -> None:
    moment = datetime(2026, 11, 21, 3, 15, tzinfo=UTC)
    names = {new_run_id(moment) for _ in range(50)}
    assert len(names) > 45
    assert all(name.startswith("20261121T031500Z-") for name in names)
    assert max(names) < new_run_id(moment + timedelta(seconds=1))
