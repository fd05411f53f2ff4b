"""Durations have a unit, always."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.durations import DAYS_MAX, duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1.5h", timedelta(minutes=90)),
        (" 90d ", timedelta(days=90)),
        ("0.5ms", timedelta(microseconds=500)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_is_a_number_and_its_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "-5m", "5M", "m", "1e3s", "5m30s", "١s"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; expected a number and its unit"):
        parse_duration(text)


def test_durations_have_limits() -> None:
    with pytest.raises(ValueError, match=f"is longer than {DAYS_MAX}d"):
        parse_duration("999999999999d")
    with pytest.raises(ValueError, match="is finer than a microsecond"):
        parse_duration("0.0001ms")


@given(st.timedeltas(timedelta(), timedelta(days=DAYS_MAX)))
def test_a_duration_that_was_written_is_read_the_same(duration: timedelta) -> None:
    assert parse_duration(duration_text(duration)) == duration


def test_durations_are_written_short() -> None:
    assert [duration_text(timedelta(seconds=seconds)) for seconds in (300, 90, 0.25, 86_400, 0)] == [
        "5m", "90s", "250ms", "1d", "0s",
    ]  # fmt: skip
